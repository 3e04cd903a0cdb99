-- Question: of the pipelines named, which have a series whose newest runs may differ from those before, and how many
-- series has each?
-- Needs: $pipelines (JSON array), $run_count_max (newest runs of a context), $newest_count (runs that may be new),
--        $baseline_count (runs before them), $newest_min (fewest new ones), $needed_count (fewest runs of a series),
--        $known_min (fewest runs before: with less a series is looked at in full), $deviate_min, $odd_min
-- One pass over all series, in logarithms where all values are positive: level and spread of the runs before (median;
-- the larger of MAD and quartile range), then sums of clipped deviations from the newest run back. What no sum lifts
-- above $deviate_min carries no evidence that the gate would take. Two baselines, near and far: after an older change
-- one of them is whole.
with
input as (
    select
        cast($run_count_max as bigint) as run_count_max,
        cast($newest_count as bigint) as newest_count,
        cast($baseline_count as bigint) as baseline_count,
        cast($newest_min as bigint) as newest_min,
        cast($needed_count as bigint) as needed_count,
        cast($known_min as bigint) as known_min,
        cast($deviate_min as double) as deviate_min,
        cast($odd_min as double) as odd_min
),
wanted as (
    select unnest(from_json(cast($pipelines as json), '["varchar"]')) as pipeline
),
numbered as (
    select
        v.*,
        hash(v.pipeline, v.service, v.branch, v.environment, v.host_class) as context,
        row_number() over (
            partition by v.pipeline, v.service, v.branch, v.environment, v.host_class
            order by v.started_ns desc, v.run_key desc
        ) as run_newest
    from run_values as v
    where v.pipeline in (select pipeline from wanted)
),
recent as (
    select n.*
    from numbered as n, input
    where n.run_newest <= input.run_count_max
),
of_runs as (
    select pipeline, context, run_newest, null as step, metric, value
    from recent
    unpivot (
        value for metric in (
            duration, cost, input_tokens, output_tokens, api_calls, peak_memory, cpu, quality, throughput, success_rate
        )
    )
),
step_parts as (
    select r.pipeline, r.context, r.run_newest, s.step, s.duration, s.cost, s.input_tokens, s.output_tokens
    from step_values as s
    inner join recent as r on r.run_key = s.run_key
    where r.finished and s.started_ns >= (select coalesce(min(started_ns), 0) from recent)
),
of_steps as (
    select pipeline, context, run_newest, step, metric, value
    from step_parts
    unpivot (value for metric in (duration, cost, input_tokens, output_tokens))
),
points as (
    select pipeline, hash(context, step, metric) as series, run_newest, metric = 'success_rate' as is_rate, value
    from (from of_runs union all by name from of_steps)
    where isfinite(value)
),
placed as (
    select
        p.pipeline,
        p.series,
        p.is_rate,
        row_number() over (partition by p.series order by p.run_newest) as newest,
        case when not p.is_rate and min(p.value) over (partition by p.series) > 0 then ln(p.value) else p.value end as value
    from points as p
),
before as (
    select
        p.series,
        any_value(p.pipeline) as pipeline,
        any_value(p.is_rate) as is_rate,
        count(*) as run_count,
        count(*) filter (where newest > newest_count) as known,
        median(value) filter (where newest > newest_count and newest <= newest_count + baseline_count) as far_level,
        mad(value) filter (where newest > newest_count and newest <= newest_count + baseline_count) as far_mad,
        quantile_cont(value, [0.25, 0.75]) filter (where newest > newest_count and newest <= newest_count + baseline_count)
            as far_quartiles,
        median(value) filter (where newest > newest_count and newest <= newest_count + known_min) as near_level,
        mad(value) filter (where newest > newest_count and newest <= newest_count + known_min) as near_mad,
        quantile_cont(value, [0.25, 0.75]) filter (where newest > newest_count and newest <= newest_count + known_min)
            as near_quartiles,
        -- A share near 0 or 1 keeps the spread of half a failure more.
        (count(*) filter (where is_rate and newest > newest_count and value < 0.5) + 0.5)
            / (count(*) filter (where newest > newest_count) + 1) as failing
    from placed as p, input
    group by p.series
),
levels as (
    select
        series,
        pipeline,
        run_count,
        known,
        case when is_rate then 1 - failing else far_level end as far_level,
        case when is_rate then 1 - failing else near_level end as near_level,
        case
            when is_rate then sqrt(failing * (1 - failing))
            else greatest(1.4826 * far_mad, (far_quartiles[2] - far_quartiles[1]) / 1.349, 0.001 * abs(far_level), 0.001)
        end as far_sigma,
        case
            when is_rate then sqrt(failing * (1 - failing))
            else greatest(1.4826 * near_mad, (near_quartiles[2] - near_quartiles[1]) / 1.349, 0.001 * abs(near_level), 0.001)
        end as near_sigma
    from before
),
deviations as (
    select
        l.series,
        l.known,
        p.newest,
        greatest(-4, least(4, (p.value - l.far_level) / l.far_sigma)) as far,
        greatest(-4, least(4, (p.value - l.near_level) / l.near_sigma)) as near,
        least(abs(p.value - l.far_level) / l.far_sigma, abs(p.value - l.near_level) / l.near_sigma) as own
    from placed as p
    inner join levels as l on l.series = p.series
    cross join input
    where p.newest <= input.newest_count and l.known >= input.known_min
),
sums as (
    select
        series,
        newest,
        own,
        greatest(abs(sum(far) over back), abs(sum(near) over back)) / sqrt(newest + newest * newest / known) as deviate
    from deviations
    window back as (partition by series order by newest)
),
passing as (
    select
        s.series,
        max(s.deviate) filter (where s.newest >= input.newest_min) >= any_value(input.deviate_min)
            or max(s.own) filter (where s.newest = 1) >= any_value(input.odd_min) as passes
    from sums as s, input
    group by s.series
)
select
    l.pipeline,
    count(*) as series,
    count(*) filter (where l.run_count < input.needed_count) as insufficient,
    min(input.needed_count - l.run_count) filter (where l.run_count < input.needed_count) as runs_needed,
    coalesce(
        bool_or(
            case
                when l.run_count < input.needed_count then false
                when l.known < input.known_min then true
                else coalesce(p.passes, true)
            end
        ),
        false
    ) as passes
from levels as l
left join passing as p on p.series = l.series
cross join input
group by l.pipeline
order by l.pipeline
