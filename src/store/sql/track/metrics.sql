-- Question: what does each pipeline measure of its runs, and how are the values spread?
-- Needs: $pipeline (null: all)
-- The same values as in query/series.sql: of runs that did their work, those that are numbers. A sum is told only where
-- one means something.
with
input as (
    select cast($pipeline as varchar) as pipeline
),
finished as (
    select
        r.pipeline,
        r.service,
        r.duration_s,
        r.cost_usd,
        cast(r.input_tokens as double) as input_tokens,
        cast(r.output_tokens as double) as output_tokens,
        cast(r.api_calls as double) as api_calls,
        cast(r.peak_memory_bytes as double) as peak_memory_bytes,
        r.cpu_s,
        r.quality_score,
        r.items / nullif(r.duration_s, 0) as throughput,
        cast(r.retries as double) as retries
    from run_rows as r, input
    where r.state = 'closed'
        and r.outcome in ('success', 'unknown')
        and (input.pipeline is null or r.pipeline = input.pipeline)
),
-- One pass over the runs, a column a metric: count, quantiles, sum.
wide as (
    select
        pipeline,
        service,
        count(duration_s) filter (isfinite(duration_s)) as duration_n,
        quantile_cont(duration_s, [0.5, 0.95, 0.99]) filter (isfinite(duration_s)) as duration_q,
        sum(duration_s) filter (isfinite(duration_s)) as duration_sum,
        count(cost_usd) filter (isfinite(cost_usd)) as cost_n,
        quantile_cont(cost_usd, [0.5, 0.95, 0.99]) filter (isfinite(cost_usd)) as cost_q,
        sum(cost_usd) filter (isfinite(cost_usd)) as cost_sum,
        count(input_tokens) as input_n,
        quantile_cont(input_tokens, [0.5, 0.95, 0.99]) as input_q,
        sum(input_tokens) as input_sum,
        count(output_tokens) as output_n,
        quantile_cont(output_tokens, [0.5, 0.95, 0.99]) as output_q,
        sum(output_tokens) as output_sum,
        count(api_calls) as calls_n,
        quantile_cont(api_calls, [0.5, 0.95, 0.99]) as calls_q,
        sum(api_calls) as calls_sum,
        count(peak_memory_bytes) as memory_n,
        quantile_cont(peak_memory_bytes, [0.5, 0.95, 0.99]) as memory_q,
        count(cpu_s) filter (isfinite(cpu_s)) as cpu_n,
        quantile_cont(cpu_s, [0.5, 0.95, 0.99]) filter (isfinite(cpu_s)) as cpu_q,
        sum(cpu_s) filter (isfinite(cpu_s)) as cpu_sum,
        count(quality_score) filter (isfinite(quality_score)) as quality_n,
        quantile_cont(quality_score, [0.5, 0.95, 0.99]) filter (isfinite(quality_score)) as quality_q,
        count(throughput) filter (isfinite(throughput)) as throughput_n,
        quantile_cont(throughput, [0.5, 0.95, 0.99]) filter (isfinite(throughput)) as throughput_q,
        count(retries) as retries_n,
        quantile_cont(retries, [0.5, 0.95, 0.99]) as retries_q,
        sum(retries) as retries_sum
    from finished
    group by pipeline, service
),
told as (
    select pipeline, service, 'duration' as metric, duration_n as n, duration_q as q, duration_sum as total from wide
    union all
    select pipeline, service, 'cost', cost_n, cost_q, cost_sum from wide
    union all
    select pipeline, service, 'input_tokens', input_n, input_q, input_sum from wide
    union all
    select pipeline, service, 'output_tokens', output_n, output_q, output_sum from wide
    union all
    select pipeline, service, 'api_calls', calls_n, calls_q, calls_sum from wide
    union all
    select pipeline, service, 'peak_memory', memory_n, memory_q, null from wide
    union all
    select pipeline, service, 'cpu', cpu_n, cpu_q, cpu_sum from wide
    union all
    select pipeline, service, 'quality', quality_n, quality_q, null from wide
    union all
    select pipeline, service, 'throughput', throughput_n, throughput_q, null from wide
    union all
    select pipeline, service, 'retries', retries_n, retries_q, retries_sum from wide where retries_sum > 0
)
select pipeline, service, metric, n, q[1] as p50, q[2] as p95, q[3] as p99, total
from told
where n > 0
order by pipeline, service nulls first, metric
