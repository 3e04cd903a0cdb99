-- Question: what are the values of every series, run by run?
-- Needs: $pipeline (null: all)
-- Costs, durations and resources are those of runs that did their work: a run that failed early is
-- fast for the wrong reason, and shows in the success rate instead.
with
input as (
    select cast($pipeline as varchar) as pipeline
),
fitting as (
    select r.*
    from run_rows as r, input
    where r.state = 'closed'
        and (input.pipeline is null or r.pipeline = input.pipeline)
),
finished as (
    select * from fitting where outcome in ('success', 'unknown')
),
of_runs as (
    select run_key, 'duration' as metric, duration_s as value from finished
    union all
    select run_key, 'cost', cost_usd from finished
    union all
    select run_key, 'input_tokens', input_tokens from finished
    union all
    select run_key, 'output_tokens', output_tokens from finished
    union all
    select run_key, 'api_calls', api_calls from finished
    union all
    select run_key, 'peak_memory', peak_memory_bytes from finished
    union all
    select run_key, 'cpu', cpu_s from finished
    union all
    select run_key, 'quality', quality_score from finished
    union all
    select run_key, 'throughput', items / nullif(duration_s, 0) from finished
    union all
    select run_key, 'success_rate', cast(outcome = 'success' as integer)
    from fitting
    where outcome in ('success', 'failure', 'timed_out')
),
last_attempts as (
    select
        s.run_key,
        s.step,
        sum(s.duration_s) as duration_s,
        sum(s.cost_usd) as cost_usd,
        sum(s.input_tokens) as input_tokens,
        sum(s.output_tokens) as output_tokens
    from step_rows as s
    join finished as f on f.run_key = s.run_key
    where s.last_attempt and s.outcome in ('success', 'unknown')
    group by s.run_key, s.step
),
of_steps as (
    select run_key, step, 'duration' as metric, duration_s as value from last_attempts
    union all
    select run_key, step, 'cost', cost_usd from last_attempts
    union all
    select run_key, step, 'input_tokens', input_tokens from last_attempts
    union all
    select run_key, step, 'output_tokens', output_tokens from last_attempts
),
points as (
    select run_key, null as step, metric, value from of_runs
    union all
    select run_key, step, metric, value from of_steps
)
select
    f.pipeline,
    p.step,
    p.metric,
    f.service,
    f.branch,
    f.environment,
    f.host_class,
    f.run_key,
    f.run_id,
    f.started_ns,
    cast(p.value as double) as value,
    f.revision,
    f.model
from points as p
join fitting as f on f.run_key = p.run_key
where p.value is not null and isfinite(cast(p.value as double))
order by
    f.pipeline,
    p.step nulls first,
    p.metric,
    f.service,
    f.branch,
    f.environment,
    f.host_class,
    f.started_ns,
    f.run_key
