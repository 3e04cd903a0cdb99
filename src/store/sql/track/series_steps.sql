-- Question: what did each step of each closed run measure?
-- Needs: $pipeline (null: all), $run_count_max (newest runs of a context), $step_run_count_max (those of them whose
-- steps are read)
-- The values of query/series.sql, a column a metric, in no order: `place` names the row of track/series_runs.sql.
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($run_count_max as bigint) as run_count_max,
        cast($step_run_count_max as bigint) as step_run_count_max
),
numbered as (
    select
        r.run_key,
        r.started_ns,
        r.outcome in ('success', 'unknown') as finished,
        row_number() over (
            partition by r.pipeline, r.service, r.branch, r.environment, r.host_class
            order by r.started_ns desc, r.run_key desc
        ) as newest
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
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
    cast(sum(s.duration_s) as double) as duration,
    cast(sum(s.cost_usd) as double) as cost,
    cast(sum(s.input_tokens) as double) as input_tokens,
    cast(sum(s.output_tokens) as double) as output_tokens
from step_rows as s
join fitting as f on f.run_key = s.run_key
where s.last_attempt and s.outcome in ('success', 'unknown')
group by f.place, s.step
