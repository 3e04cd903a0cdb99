-- Question: what did each closed run measure?
-- Needs: $pipelines (JSON array of names; null: all), $run_count_max (newest runs of a context)
-- A column a metric, as view/13_run_values.sql has them, in no order. `context` names pipeline, service, branch,
-- environment and host class: one number instead of five texts, here and in track/series_steps.sql.
with
input as (
    select cast($pipelines as varchar) as pipelines, cast($run_count_max as bigint) as run_count_max
),
wanted as (
    select unnest(from_json(cast(pipelines as json), '["varchar"]')) as pipeline from input
),
keys as (
    select
        v.run_key,
        v.started_ns,
        hash(v.pipeline, v.service, v.branch, v.environment, v.host_class) as context
    from run_values as v, input
    where input.pipelines is null or v.pipeline in (select pipeline from wanted)
),
-- The newest by heap, then numbered: sorting all runs of the store would cost more than fetching the few that are wanted.
reaches as (
    select context, list_min(max(started_ns, cast($run_count_max as bigint))) as from_ns
    from keys
    group by context
),
numbered as (
    select
        k.run_key,
        k.context,
        row_number() over (partition by k.context order by k.started_ns desc, k.run_key desc) as newest
    from keys as k
    join reaches as r on r.context = k.context and k.started_ns >= r.from_ns
)
select v.* exclude (finished), n.context
from run_values as v
join numbered as n on n.run_key = v.run_key
cross join input
where n.newest <= input.run_count_max
