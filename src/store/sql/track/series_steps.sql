-- Question: what did each step of each closed run measure?
-- Needs: $pipelines (JSON array of names; null: all), $run_count_max (newest runs of a context), $step_run_count_max
--        (those of them whose steps are read), $from_ns (start of the oldest of them: older steps need no look)
-- The values of view/14_step_parts.sql, a column a metric, in no order: `place` names the row of
-- track/series_runs.sql.
with
input as (
    select
        cast($pipelines as varchar) as pipelines,
        cast($run_count_max as bigint) as run_count_max,
        cast($step_run_count_max as bigint) as step_run_count_max
),
wanted as (
    select unnest(from_json(cast(pipelines as json), '["varchar"]')) as pipeline from input
),
numbered as (
    select
        v.run_key,
        v.started_ns,
        v.finished,
        row_number() over (
            -- One number instead of five texts: sorting is most of the work.
            partition by hash(v.pipeline, v.service, v.branch, v.environment, v.host_class)
            order by v.started_ns desc, v.run_key desc
        ) as newest
    from run_values as v, input
    where input.pipelines is null or v.pipeline in (select pipeline from wanted)
),
placed as (
    select n.*, row_number() over (order by n.started_ns, n.run_key) - 1 as place
    from numbered as n, input
    where n.newest <= input.run_count_max
),
fitting as (
    select p.run_key, p.place
    from placed as p, input
    where p.finished and p.newest <= input.step_run_count_max
)
select
    f.place,
    s.step,
    sum(s.duration) as duration,
    sum(s.cost) as cost,
    sum(s.input_tokens) as input_tokens,
    sum(s.output_tokens) as output_tokens
from step_parts as s
join fitting as f on f.run_key = s.run_key
-- A step may begin a little before its run by another machine's clock.
where s.started_ns >= cast($from_ns as bigint) - 3600000000000
group by f.place, s.step
