-- Question: what did each step of each closed run measure?
-- Needs: $pipelines (JSON array of names; null: all), $step_run_count_max (newest runs of a context), $from_ns (start of
--        the oldest of them: older steps need no look)
-- The values of view/14_step_sums.sql, a column a metric, in no order. A run is named by its `context`, as
-- track/series_runs.sql has it, and by its place among the runs of that: `newest`, 1 is the newest.
with
input as (
    select cast($pipelines as varchar) as pipelines, cast($step_run_count_max as bigint) as step_run_count_max
),
wanted as (
    select unnest(from_json(cast(pipelines as json), '["varchar"]')) as pipeline from input
),
keys as (
    select
        v.run_key,
        v.started_ns,
        v.finished,
        hash(v.pipeline, v.service, v.branch, v.environment, v.host_class) as context
    from run_values as v, input
    where v.started_ns >= cast($from_ns as bigint)
        and (input.pipelines is null or v.pipeline in (select pipeline from wanted))
),
reaches as (
    select context, list_min(max(started_ns, cast($step_run_count_max as bigint))) as from_ns
    from keys
    group by context
),
numbered as (
    select
        k.run_key,
        k.finished,
        k.context,
        row_number() over (partition by k.context order by k.started_ns desc, k.run_key desc) as newest
    from keys as k
    join reaches as r on r.context = k.context and k.started_ns >= r.from_ns
),
fitting as (
    select n.run_key, n.context, n.newest
    from numbered as n, input
    where n.finished and n.newest <= input.step_run_count_max
)
-- A step may begin a little before its run by another machine's clock.
from step_sums('fitting', cast($from_ns as bigint) - 3600000000000)
