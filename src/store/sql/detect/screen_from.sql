-- Question: since when do the newest runs of every context of the pipelines named reach back?
-- Needs: $pipelines (JSON array), $run_count_max (newest runs of a context)
with
wanted as (
    select unnest(from_json(cast($pipelines as json), '["varchar"]')) as pipeline
),
reaches as (
    select list_min(max(v.started_ns, cast($run_count_max as bigint))) as from_ns
    from run_values as v
    where v.pipeline in (select pipeline from wanted)
    group by hash(v.pipeline, v.service, v.branch, v.environment, v.host_class)
)
select coalesce(min(from_ns), 0) as from_ns
from reaches
