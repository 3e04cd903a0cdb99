-- Question: what did each closed run measure, oldest run first?
-- Needs: $pipelines (JSON array of names; null: all), $run_count_max (newest runs of a context)
-- A column a metric, as view/13_run_values.sql has them. The place of a row is what track/series_steps.sql calls
-- `place`: both number the same runs in the same order.
with
input as (
    select cast($pipelines as varchar) as pipelines, cast($run_count_max as bigint) as run_count_max
),
wanted as (
    select unnest(from_json(cast(pipelines as json), '["varchar"]')) as pipeline from input
),
numbered as (
    select
        v.*,
        row_number() over (
            -- One number instead of five texts: sorting is most of the work.
            partition by hash(v.pipeline, v.service, v.branch, v.environment, v.host_class)
            order by v.started_ns desc, v.run_key desc
        ) as newest
    from run_values as v, input
    where input.pipelines is null or v.pipeline in (select pipeline from wanted)
)
select n.* exclude (newest, finished)
from numbered as n, input
where n.newest <= input.run_count_max
order by n.started_ns, n.run_key
