-- Question: how did each step fare in each context, and in the newest periods of the busiest one?
-- Needs: $pipeline (null: all), $step_count_max (steps that took most time in all), $context_count_max,
-- $period_count_max (newest periods)
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($step_count_max as bigint) as step_count_max,
        cast($context_count_max as bigint) as context_count_max,
        cast($period_count_max as bigint) as period_count_max
),
closed as (
    select
        r.run_key,
        r.pipeline,
        r.service,
        r.branch,
        r.environment,
        r.host_class,
        cast(make_timestamp_ns(r.started_ns) as timestamp) as started_at,
        max(r.started_ns) over whole - min(r.started_ns) over whole as span_ns,
        count(*) over (partition by r.pipeline, r.service, r.branch, r.environment, r.host_class) as context_runs
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
    window whole as (partition by r.pipeline, r.service)
),
ranked_runs as (
    select
        *,
        dense_rank() over (
            partition by pipeline, service order by context_runs desc, branch, environment, host_class
        ) as context_place,
        case
            when span_ns <= 31 * 86400000000000 then 'day'
            when span_ns <= 366 * 86400000000000 then 'week'
            else 'month'
        end as unit
    from closed
),
placed as (
    select
        r.*,
        epoch_ns(
            case unit
                when 'day' then date_trunc('day', started_at)
                when 'week' then date_trunc('week', started_at)
                else date_trunc('month', started_at)
            end
        ) as period_ns
    from ranked_runs as r, input
    where r.context_place <= input.context_count_max
),
attempts as (
    select
        p.pipeline,
        p.service,
        p.branch,
        p.environment,
        p.host_class,
        p.context_place,
        p.unit,
        p.period_ns,
        s.step,
        s.last_attempt,
        s.outcome,
        s.cost_usd,
        s.input_tokens,
        s.output_tokens,
        s.model,
        case when s.last_attempt and s.outcome in ('success', 'unknown') then s.duration_s end as duration_s,
        case when s.last_attempt and s.outcome in ('success', 'unknown') then s.peak_memory_bytes end as peak_memory_bytes,
        case when s.last_attempt and s.outcome in ('success', 'unknown') then s.cpu_s end as cpu_s,
        case when s.last_attempt and s.outcome in ('success', 'unknown') then s.items / nullif(s.duration_s, 0) end
            as throughput,
        case when s.last_attempt and s.outcome in ('success', 'unknown') then s.quality_score end as quality_score
    from step_rows as s
    join placed as p on p.run_key = s.run_key
),
sliced as (
    select
        pipeline,
        service,
        branch,
        environment,
        host_class,
        context_place,
        step,
        period_ns,
        case when grouping(period_ns) = 0 then min(unit) else 'context' end as slice,
        count(*) filter (last_attempt) as n,
        count(*) filter (last_attempt and outcome = 'success') as succeeded,
        count(*) filter (last_attempt and outcome in ('failure', 'timed_out')) as failed,
        count(*) filter (not last_attempt) as retries,
        quantile_cont(duration_s, [0.25, 0.5, 0.75, 0.95, 0.99]) as durations,
        sum(duration_s) as sum_s,
        sum(cost_usd) as cost_usd,
        cast(sum(input_tokens) as double) as input_tokens,
        cast(sum(output_tokens) as double) as output_tokens,
        median(peak_memory_bytes) as peak_memory_bytes,
        median(cpu_s) as cpu_s,
        median(throughput) as throughput,
        median(quality_score) as quality_score,
        max(model) as model
    from attempts
    group by grouping sets (
        (pipeline, service, branch, environment, host_class, context_place, step),
        (pipeline, service, branch, environment, host_class, context_place, step, period_ns)
    )
),
longest as (
    select
        pipeline,
        service,
        step,
        row_number() over (partition by pipeline, service order by sum(sum_s) desc nulls last, step) as place
    from sliced
    where slice = 'context'
    group by pipeline, service, step
),
ranked as (
    select
        s.*,
        l.place as step_place,
        row_number() over (
            partition by s.pipeline, s.service, s.context_place, s.step, s.slice order by s.period_ns desc
        ) as newest
    from sliced as s
    join longest as l
        on l.pipeline = s.pipeline and l.service is not distinct from s.service and l.step = s.step
)
select
    r.pipeline,
    r.service,
    r.branch,
    r.environment,
    r.host_class,
    r.step,
    r.slice,
    r.period_ns,
    r.n,
    r.succeeded,
    r.failed,
    r.retries,
    r.durations[1] as p25_s,
    r.durations[2] as p50_s,
    r.durations[3] as p75_s,
    r.durations[4] as p95_s,
    r.durations[5] as p99_s,
    r.cost_usd,
    r.input_tokens,
    r.output_tokens,
    r.peak_memory_bytes,
    r.cpu_s,
    r.throughput,
    r.quality_score,
    r.model
from ranked as r, input
where r.step_place <= input.step_count_max
    and (r.slice = 'context' or (r.context_place = 1 and r.newest <= input.period_count_max))
order by r.pipeline, r.service nulls first, r.step_place, r.context_place, r.period_ns nulls first
