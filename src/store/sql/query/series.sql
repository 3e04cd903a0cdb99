-- Question: what are the values of every series, run by run?
-- Needs: $pipeline (null: all)
with
input as (
    select cast($pipeline as varchar) as pipeline
),
fitting as (
    select v.*
    from run_values as v, input
    where input.pipeline is null or v.pipeline = input.pipeline
),
of_runs as (
    select run_key, null as step, metric, value
    from fitting
    unpivot (
        value for metric in (
            duration, cost, input_tokens, output_tokens, api_calls, peak_memory, cpu, quality, throughput, success_rate
        )
    )
),
finished as (
    select run_key, run_key as of_run
    from fitting
    where finished
),
steps as (
    select of_run as run_key, * exclude (of_run)
    from step_sums('finished', -9223372036854775807)
),
of_steps as (
    select run_key, step, metric, value
    from steps
    unpivot (value for metric in (duration, cost, input_tokens, output_tokens))
),
points as (
    from of_runs
    union all
    from of_steps
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
    p.value,
    f.revision,
    f.model,
    f.input_size
from points as p
join fitting as f on f.run_key = p.run_key
where isfinite(p.value)
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
