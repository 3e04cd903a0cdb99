-- Question: of the pipelines named, which have a series whose newest runs may differ from those before, and how many
-- series has each?
-- Needs: $pipelines (JSON array), $from_ns (start of the oldest run that is looked at, by screen_from.sql),
--        $run_count_max (newest runs of a context: the new ones and those before them), $newest_count (runs that may be
--        new), $baseline_count (runs before them), $newest_min (fewest new ones), $needed_count (fewest runs of a series),
--        $known_min (fewest runs before: with less a series is looked at in full), $chance_max (largest share of false
--        discoveries at which something is told), $search_factor, $odd_min (deviations of one odd run), $pattern_max
--        (share of the distance from the level that an hour or weekday may leave over to count as a pattern)
-- One pass over all series, in logarithms where all values are positive: level and spread of the runs before (median;
-- the larger of MAD and quartile range), then sums of clipped deviations from the newest run back. Two baselines, near
-- and far: after an older change one of them is whole. The largest sum gives a lower bound of the chance that the gate
-- will find (Gordon 1941, for the normal tail; $search_factor times as much for the search over splits), and those of a
-- pipeline are held against the false discovery rate as the gate does it: what passes here may pass there, what does
-- not, does not. A series that most runs leave out is looked at in full, since older runs may have more of it; and so is
-- one of which the hour or the weekday explains a part: without that part much smaller changes show, and the gate takes
-- it out. Each value is held against the others of its hour, so that chance explains nothing.
with
input as (
    select
        cast($from_ns as bigint) as from_ns,
        cast($run_count_max as bigint) as run_count_max,
        cast($newest_count as bigint) as newest_count,
        cast($baseline_count as bigint) as baseline_count,
        cast($newest_min as bigint) as newest_min,
        cast($needed_count as bigint) as needed_count,
        cast($known_min as bigint) as known_min,
        cast($chance_max as double) as chance_max,
        cast($search_factor as double) as search_factor,
        cast($odd_min as double) as odd_min,
        cast($pattern_max as double) as pattern_max
),
wanted as (
    select unnest(from_json(cast($pipelines as json), '["varchar"]')) as pipeline
),
numbered as (
    select
        v.*,
        row_number() over (
            -- One number instead of five texts: sorting is most of the work.
            partition by hash(v.pipeline, v.service, v.branch, v.environment, v.host_class)
            order by v.started_ns desc, v.run_key desc
        ) as run_newest
    from run_values as v
    where v.pipeline in (select pipeline from wanted) and v.started_ns >= cast($from_ns as bigint)
),
recent as (
    select
        n.*,
        hash(n.pipeline, n.service, n.branch, n.environment, n.host_class) as context
    from numbered as n, input
    where n.run_newest <= input.run_count_max
),
cut as (
    select
        context,
        any_value(pipeline) as pipeline,
        max(run_newest) >= any_value(input.run_count_max) as is_cut
    from recent, input
    group by context
),
of_runs as (
    select context, run_newest, started_ns, null as step, metric, value
    from recent
    unpivot (
        value for metric in (
            duration, cost, input_tokens, output_tokens, api_calls, peak_memory, cpu, quality, throughput, success_rate
        )
    )
),
finished as (
    select run_key, context, run_newest, started_ns
    from recent
    where finished
),
steps as (
    -- A step may begin a little before its run by another machine's clock.
    from step_sums('finished', cast($from_ns as bigint) - 3600000000000)
),
of_steps as (
    select context, run_newest, started_ns, step, metric, value
    from steps
    unpivot (value for metric in (duration, cost, input_tokens, output_tokens))
),
points as (
    select
        hash(context, step, metric) as series,
        context,
        run_newest,
        started_ns,
        metric = 'success_rate' as is_rate,
        step is not null as is_step,
        value
    from (from of_runs union all by name from of_steps)
    where isfinite(value)
),
placed as (
    select
        p.context,
        p.series,
        p.is_rate,
        p.is_step,
        p.started_ns,
        row_number() over (partition by p.series order by p.run_newest) as newest,
        case when not p.is_rate and min(p.value) over (partition by p.series) > 0 then ln(p.value) else p.value end as value
    from points as p
),
before as (
    select
        p.series,
        any_value(p.context) as context,
        any_value(p.is_rate) as is_rate,
        any_value(p.is_step) as is_step,
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
        b.series,
        c.pipeline,
        c.is_cut,
        is_rate,
        is_step,
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
    from before as b
    inner join cut as c on c.context = b.context
),
timed as (
    -- In UTC; weeks begin on Monday, and 1970-01-01 was a Thursday.
    select
        p.series,
        p.started_ns,
        p.started_ns // 3600000000000 % 24 as hour,
        (p.started_ns // 86400000000000 + 3) % 7 as weekday,
        greatest(-4, least(4, (p.value - l.far_level) / l.far_sigma)) as far
    from placed as p
    inner join levels as l on l.series = p.series
    cross join input
    where not l.is_rate and l.known >= input.known_min
),
hours as (
    select series, hour, count(*) as run_count, sum(far) as far
    from timed
    group by series, hour
),
weekdays as (
    select series, weekday, count(*) as run_count, sum(far) as far
    from timed
    group by series, weekday
),
rests as (
    select
        t.series,
        (max(t.started_ns) - min(t.started_ns)) // 86400000000000 as days,
        avg(abs(t.far)) as plain,
        avg(abs(t.far - case when h.run_count > 1 then (h.far - t.far) / (h.run_count - 1) else 0 end)) as by_hour,
        avg(abs(t.far - case when w.run_count > 1 then (w.far - t.far) / (w.run_count - 1) else 0 end)) as by_weekday
    from timed as t
    inner join hours as h on h.series = t.series and h.hour = t.hour
    inner join weekdays as w on w.series = t.series and w.weekday = t.weekday
    group by t.series
),
patterns as (
    -- What repeats at least once within these runs: within one day or week everything hangs on the hour or weekday.
    select
        r.series,
        (r.days >= 2 and r.by_hour <= input.pattern_max * r.plain)
            or (r.days >= 14 and r.by_weekday <= input.pattern_max * r.plain) as is_patterned
    from rests as r, input
),
deviations as (
    select
        l.series,
        l.known,
        p.newest,
        -- A failure is no outlier, however rare: only levels are clipped.
        case when l.is_rate then 1e9 else 4 end as reach,
        (p.value - l.far_level) / l.far_sigma as far,
        (p.value - l.near_level) / l.near_sigma as near
    from placed as p
    inner join levels as l on l.series = p.series
    cross join input
    where p.newest <= input.newest_count and l.known >= input.known_min
),
sums as (
    select
        series,
        newest,
        least(abs(far), abs(near)) as own,
        greatest(
            abs(sum(greatest(-reach, least(reach, far))) over back),
            abs(sum(greatest(-reach, least(reach, near))) over back)
        ) / sqrt(newest + newest * newest / known) as deviate
    from deviations
    window back as (partition by series order by newest)
),
evidence as (
    select
        s.series,
        max(s.deviate) filter (where s.newest >= input.newest_min) as deviate,
        coalesce(max(s.own) filter (where s.newest = 1) >= any_value(input.odd_min), false) as is_odd
    from sums as s, input
    group by s.series
),
chances as (
    select
        l.pipeline,
        l.series,
        e.is_odd,
        l.is_step,
        l.is_rate,
        case
            when l.known < input.known_min or coalesce(t.is_patterned, false) then 0
            when e.deviate < 1 then 1
            else input.search_factor * sqrt(2 / pi()) * exp(-0.5 * e.deviate * e.deviate)
                * e.deviate / (1 + e.deviate * e.deviate)
        end as chance
    from levels as l
    left join evidence as e on e.series = l.series
    left join patterns as t on t.series = l.series
    cross join input
    where l.run_count >= input.needed_count or l.is_cut
),
families as (
    select
        *,
        count(*) over family as family,
        count(*) filter (where is_step) over family as steps
    from chances
    window family as (partition by pipeline)
),
weighed as (
    -- The gate's shares of the budget: a success rate has twice that of a level, all steps together at most that of the
    -- whole runs. A rate's part in the mean of the weights is left out, which only lets more pass.
    select
        pipeline,
        series,
        is_odd,
        family,
        case when steps > family - steps and family > steps then (family - steps) / steps else 1 end as step_weight,
        chance / case when is_rate then 2 else 1 end / case when is_step then step_weight else 1 end
            * (family - steps + steps * step_weight) / family as chance
    from families
),
ranked as (
    select *, row_number() over (partition by pipeline order by chance, series) as place
    from weighed
),
passing as (
    select r.pipeline, bool_or(r.chance * r.family <= input.chance_max * r.place or r.is_odd) as passes
    from ranked as r, input
    group by r.pipeline
),
counted as (
    select
        l.pipeline,
        count(*) as series,
        count(*) filter (where l.run_count < input.needed_count) as insufficient,
        min(input.needed_count - l.run_count) filter (where l.run_count < input.needed_count) as runs_needed
    from levels as l, input
    group by l.pipeline
)
select c.pipeline, c.series, c.insufficient, c.runs_needed, coalesce(p.passes, false) as passes
from counted as c
left join passing as p on p.pipeline = c.pipeline
order by c.pipeline
