-- Question: how did the runs of each pipeline end, how often do they come, and how do the newest fare?
-- Needs: $pipeline (null: all), $recent_count (newest closed runs that health looks at)
-- The last 7 days end at the pipeline's own newest run: imported history is read like live data.
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($recent_count as bigint) as recent_count
),
fitting as (
    -- One number instead of two texts: sorting is most of the work.
    select r.*, hash(r.pipeline, r.service) as owner
    from run_rows as r, input
    where input.pipeline is null or r.pipeline = input.pipeline
),
closed as (
    select
        pipeline,
        service,
        started_ns,
        outcome,
        quality_score,
        case when outcome in ('success', 'unknown') then duration_s end as duration_s,
        row_number() over newest_first as newest,
        (lag(started_ns) over newest_first - started_ns) / 1e9 as gap_s,
        max(started_ns) over (partition by owner) as last_ns
    from fitting
    where state = 'closed'
    window newest_first as (partition by owner order by started_ns desc, run_key desc)
),
by_outcome as (
    select
        pipeline,
        service,
        count(*) filter (outcome = 'success') as success,
        count(*) filter (outcome = 'failure') as failure,
        count(*) filter (outcome = 'cancelled') as cancelled,
        count(*) filter (outcome = 'skipped') as skipped,
        count(*) filter (outcome = 'timed_out') as timed_out,
        count(*) filter (outcome = 'unknown') as "unknown",
        median(duration_s) filter (started_ns > last_ns - 604800000000000) as week_s,
        count(duration_s) filter (started_ns > last_ns - 604800000000000) as week_count,
        median(duration_s) filter (
            started_ns <= last_ns - 604800000000000 and started_ns > last_ns - 1209600000000000
        ) as week_before_s,
        count(duration_s) filter (
            started_ns <= last_ns - 604800000000000 and started_ns > last_ns - 1209600000000000
        ) as week_before_count
    from closed
    group by pipeline, service
),
recent as (
    select
        pipeline,
        service,
        count(*) as recent_runs,
        count(*) filter (outcome = 'success') as recent_succeeded,
        count(*) filter (outcome in ('failure', 'timed_out')) as recent_failed,
        median(duration_s) as recent_median_s,
        mad(duration_s) as recent_mad_s,
        median(quality_score) as recent_quality,
        quantile_cont(gap_s, 0.95) as gap_s
    from closed
    where newest <= (select input.recent_count from input)
    group by pipeline, service
),
all_runs as (
    select
        pipeline,
        service,
        count(*) as runs,
        count(*) filter (state = 'open') as runs_open,
        min(started_ns) as from_ns,
        max(started_ns) as to_ns
    from fitting
    group by pipeline, service
)
select
    a.*,
    coalesce(o.success, 0) as success,
    coalesce(o.failure, 0) as failure,
    coalesce(o.cancelled, 0) as cancelled,
    coalesce(o.skipped, 0) as skipped,
    coalesce(o.timed_out, 0) as timed_out,
    coalesce(o."unknown", 0) as "unknown",
    o.week_s,
    coalesce(o.week_count, 0) as week_count,
    o.week_before_s,
    coalesce(o.week_before_count, 0) as week_before_count,
    coalesce(n.recent_runs, 0) as recent_runs,
    coalesce(n.recent_succeeded, 0) as recent_succeeded,
    coalesce(n.recent_failed, 0) as recent_failed,
    n.recent_median_s,
    n.recent_mad_s,
    n.recent_quality,
    n.gap_s
from all_runs as a
left join by_outcome as o on o.pipeline = a.pipeline and o.service is not distinct from a.service
left join recent as n on n.pipeline = a.pipeline and n.service is not distinct from a.service
order by a.pipeline, a.service nulls first
