-- Question: what does each pipeline measure of its runs, and how are the values spread?
-- Needs: $pipeline (null: all)
-- The same values as in query/series.sql: of runs that did their work. A sum is told only where one means something.
with
input as (
    select cast($pipeline as varchar) as pipeline
),
finished as (
    select r.*
    from run_rows as r, input
    where r.state = 'closed'
        and r.outcome in ('success', 'unknown')
        and (input.pipeline is null or r.pipeline = input.pipeline)
),
points as (
    select pipeline, service, 'duration' as metric, true as adds_up, duration_s as value from finished
    union all
    select pipeline, service, 'cost', true, cost_usd from finished where cost_usd is not null
    union all
    select pipeline, service, 'input_tokens', true, input_tokens from finished where input_tokens is not null
    union all
    select pipeline, service, 'output_tokens', true, output_tokens from finished where output_tokens is not null
    union all
    select pipeline, service, 'api_calls', true, api_calls from finished where api_calls is not null
    union all
    select pipeline, service, 'peak_memory', false, peak_memory_bytes from finished where peak_memory_bytes is not null
    union all
    select pipeline, service, 'cpu', true, cpu_s from finished where cpu_s is not null
    union all
    select pipeline, service, 'quality', false, quality_score from finished where quality_score is not null
    union all
    select pipeline, service, 'throughput', false, items / nullif(duration_s, 0) from finished where items is not null
    union all
    select pipeline, service, 'retries', true, retries from finished
),
summed as (
    select
        pipeline,
        service,
        metric,
        count(*) as n,
        quantile_cont(value, [0.5, 0.95, 0.99]) as quantiles,
        case when bool_and(adds_up) then sum(value) end as total
    from points
    where value is not null and isfinite(cast(value as double))
    group by pipeline, service, metric
)
select pipeline, service, metric, n, quantiles[1] as p50, quantiles[2] as p95, quantiles[3] as p99, total
from summed
where metric <> 'retries' or total > 0
order by pipeline, service nulls first, metric
