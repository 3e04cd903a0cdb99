-- Question: how did the runs of each pipeline fare by context, by period of each context, and by model?
-- Needs: $pipeline (null: all), $context_count_max (busiest contexts), $period_count_max (newest periods of a context),
-- $model_count_max (models with the most runs)
-- Values are those of runs that did their work, as in query/series.sql; what was spent counts also where a run failed.
-- A period is a day, week or month (UTC), so that each pipeline has at most a few dozen.
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($context_count_max as bigint) as context_count_max,
        cast($period_count_max as bigint) as period_count_max,
        cast($model_count_max as bigint) as model_count_max
),
closed as (
    select
        r.*,
        r.outcome in ('success', 'unknown') as finished,
        max(r.started_ns) over whole - min(r.started_ns) over whole as span_ns
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
    window whole as (partition by r.pipeline, r.service)
),
valued as (
    select
        pipeline,
        service,
        branch,
        environment,
        host_class,
        model,
        case
            when span_ns <= 31 * 86400000000000 then 'day'
            when span_ns <= 366 * 86400000000000 then 'week'
            else 'month'
        end as unit,
        cast(make_timestamp_ns(started_ns) as timestamp) as started_at,
        outcome,
        retries,
        cost_usd as spent_usd,
        case when finished then duration_s end as duration_s,
        case when finished then cost_usd end as cost_usd,
        case when finished then input_tokens end as input_tokens,
        case when finished then output_tokens end as output_tokens,
        case when finished then api_calls end as api_calls,
        case when finished then peak_memory_bytes end as peak_memory_bytes,
        case when finished then cpu_s end as cpu_s,
        case when finished then quality_score end as quality_score,
        case when finished then items / nullif(duration_s, 0) end as throughput
    from closed
),
placed as (
    select
        *,
        epoch_ns(
            case unit
                when 'day' then date_trunc('day', started_at)
                when 'week' then date_trunc('week', started_at)
                else date_trunc('month', started_at)
            end
        ) as period_ns
    from valued
),
sliced as (
    select
        pipeline,
        service,
        branch,
        environment,
        host_class,
        model,
        period_ns,
        case
            when grouping(model) = 0 then 'model'
            when grouping(period_ns) = 0 then min(unit)
            else 'context'
        end as slice,
        count(*) as runs,
        count(*) filter (outcome = 'success') as success,
        count(*) filter (outcome = 'failure') as failure,
        count(*) filter (outcome = 'cancelled') as cancelled,
        count(*) filter (outcome = 'skipped') as skipped,
        count(*) filter (outcome = 'timed_out') as timed_out,
        count(*) filter (outcome = 'unknown') as "unknown",
        quantile_cont(duration_s, [0.25, 0.5, 0.75, 0.95, 0.99]) as durations,
        median(cost_usd) as cost_usd,
        sum(spent_usd) as spent_usd,
        median(input_tokens) as input_tokens,
        median(output_tokens) as output_tokens,
        median(api_calls) as api_calls,
        median(peak_memory_bytes) as peak_memory_bytes,
        median(cpu_s) as cpu_s,
        median(throughput) as throughput,
        median(quality_score) as quality_score,
        sum(retries) as retries
    from placed
    group by grouping sets (
        (pipeline, service, branch, environment, host_class),
        (pipeline, service, branch, environment, host_class, period_ns),
        (pipeline, service, model)
    )
),
ranked as (
    select
        *,
        case
            when slice in ('context', 'model')
                then row_number() over (
                    partition by pipeline, service, slice
                    order by runs desc, branch, environment, host_class, model
                )
            else row_number() over (
                partition by pipeline, service, slice, branch, environment, host_class
                order by period_ns desc
            )
        end as place
    from sliced
),
busiest as (
    select ranked.*
    from ranked, input
    where ranked.slice = 'context' and ranked.place <= input.context_count_max
),
chosen as (
    select * from busiest
    union all
    select ranked.*
    from ranked, input
    where ranked.slice = 'model' and ranked.model is not null and ranked.place <= input.model_count_max
    union all
    select r.*
    from ranked as r
    join busiest as b
        on b.pipeline = r.pipeline
        and b.service is not distinct from r.service
        and b.branch is not distinct from r.branch
        and b.environment is not distinct from r.environment
        and b.host_class is not distinct from r.host_class
    cross join input
    where r.slice not in ('context', 'model') and r.place <= input.period_count_max
)
select
    c.* exclude (durations, place, retries),
    c.durations[1] as p25_s,
    c.durations[2] as p50_s,
    c.durations[3] as p75_s,
    c.durations[4] as p95_s,
    c.durations[5] as p99_s,
    cast(c.retries as bigint) as retries
from chosen as c
order by c.pipeline, c.service nulls first, c.slice, c.runs desc, c.branch, c.environment, c.host_class, c.model, c.period_ns
