-- Question: what did each closed run measure, oldest run first?
-- Needs: $pipeline (null: all), $run_count_max (newest runs of a context)
-- The values of query/series.sql, a column a metric: durations, costs and resources are those of runs that did their
-- work. The place of a row is what track/series_steps.sql calls `place`: both number the same runs in the same order.
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($run_count_max as bigint) as run_count_max
),
numbered as (
    select
        r.run_key,
        row_number() over (
            partition by r.pipeline, r.service, r.branch, r.environment, r.host_class
            order by r.started_ns desc, r.run_key desc
        ) as newest
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
),
fitting as (
    select r.*, r.outcome in ('success', 'unknown') as finished
    from run_rows as r
    join numbered as n on n.run_key = r.run_key
    cross join input
    where n.newest <= input.run_count_max
)
select
    pipeline,
    service,
    branch,
    environment,
    host_class,
    run_key,
    run_id,
    revision,
    model,
    outcome,
    started_ns,
    cast(duration_s as double) as taken_s,
    cast(case when finished then duration_s end as double) as duration,
    cast(case when finished then cost_usd end as double) as cost,
    cast(case when finished then input_tokens end as double) as input_tokens,
    cast(case when finished then output_tokens end as double) as output_tokens,
    cast(case when finished then api_calls end as double) as api_calls,
    cast(case when finished then peak_memory_bytes end as double) as peak_memory,
    cast(case when finished then cpu_s end as double) as cpu,
    cast(case when finished then quality_score end as double) as quality,
    cast(case when finished then items / nullif(duration_s, 0) end as double) as throughput,
    case when outcome in ('success', 'failure', 'timed_out') then cast(outcome = 'success' as double) end
        as success_rate
from fitting
order by started_ns, run_key
