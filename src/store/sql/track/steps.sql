-- Question: how long does each step take, how often does it fail, and what does it cost?
-- Needs: $pipeline (null: all), $step_count_max (longest steps of a pipeline)
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($step_count_max as bigint) as step_count_max
),
fitting as (
    select r.run_key, r.pipeline, r.service
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
),
taken as (
    select
        f.pipeline,
        f.service,
        s.step,
        count(*) filter (s.last_attempt) as n,
        quantile_cont(s.duration_s, [0.5, 0.95, 0.99]) filter (s.last_attempt and s.outcome in ('success', 'unknown'))
            as quantiles,
        count(*) filter (s.last_attempt and s.outcome in ('failure', 'timed_out')) as failed,
        count(*) filter (s.last_attempt and s.outcome in ('success', 'failure', 'timed_out')) as judged,
        count(*) filter (not s.last_attempt) as retries,
        sum(s.cost_usd) as cost_usd,
        cast(sum(s.input_tokens) as double) as input_tokens,
        cast(sum(s.output_tokens) as double) as output_tokens,
        median(s.peak_memory_bytes) filter (s.last_attempt and s.outcome in ('success', 'unknown')) as peak_memory_bytes,
        median(s.cpu_s) filter (s.last_attempt and s.outcome in ('success', 'unknown')) as cpu_s,
        median(s.items / nullif(s.duration_s, 0)) filter (s.last_attempt and s.outcome in ('success', 'unknown'))
            as throughput,
        median(s.quality_score) filter (s.last_attempt and s.outcome in ('success', 'unknown')) as quality_score
    from step_rows as s
    join fitting as f on f.run_key = s.run_key
    group by f.pipeline, f.service, s.step
),
ranked as (
    select
        *,
        row_number() over (partition by pipeline, service order by quantiles[1] desc nulls last, step) as place
    from taken
)
select
    ranked.pipeline,
    ranked.service,
    ranked.step,
    ranked.n,
    ranked.quantiles[1] as p50_s,
    ranked.quantiles[2] as p95_s,
    ranked.quantiles[3] as p99_s,
    ranked.failed / nullif(ranked.judged, 0) as failure_share,
    ranked.retries,
    ranked.cost_usd,
    ranked.input_tokens,
    ranked.output_tokens,
    ranked.peak_memory_bytes,
    ranked.cpu_s,
    ranked.throughput,
    ranked.quality_score
from ranked, input
where ranked.place <= input.step_count_max
order by ranked.pipeline, ranked.service nulls first, ranked.place
