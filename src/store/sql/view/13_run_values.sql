-- Question: what did each closed run measure, a column a metric?
-- Durations, costs and resources are those of runs that did their work: a run that failed early is fast for the wrong
-- reason, and shows in the success rate instead. Every series is made of these values.
create or replace view run_values as
with
closed as (
    select *, outcome in ('success', 'unknown') as finished
    from run_rows
    where state = 'closed'
)
select
    run_key,
    run_id,
    pipeline,
    service,
    branch,
    environment,
    host_class,
    revision,
    model,
    input_size,
    outcome,
    finished,
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
from closed;
