-- Question: how did the runs of each pipeline end, how often do they come, and how do the newest fare?
-- Needs: $pipeline (null: all), $recent_count (newest closed runs that health looks at)
-- The last 7 days end at the pipeline's own newest run: imported history is read like live data.
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($recent_count as bigint) as recent_count
),
fitting as (
    select
        r.pipeline,
        r.service,
        -- One number instead of two texts.
        hash(r.pipeline, r.service) as owner,
        r.run_key,
        r.state,
        r.started_ns,
        r.outcome,
        r.quality_score,
        case when r.outcome in ('success', 'unknown') then r.duration_s end as duration_s
    from run_rows as r, input
    where input.pipeline is null or r.pipeline = input.pipeline
),
-- The newest by heap: sorting all runs of the store would be most of the work.
reaches as (
    select
        owner,
        max(started_ns) filter (state = 'closed') as last_ns,
        list_min(max(started_ns, cast($recent_count as bigint)) filter (state = 'closed')) as recent_ns
    from fitting
    group by owner
),
told as (
    select
        f.pipeline,
        f.service,
        count(*) as runs,
        count(*) filter (f.state = 'open') as runs_open,
        min(f.started_ns) as from_ns,
        max(f.started_ns) as to_ns,
        count(*) filter (f.state = 'closed' and f.outcome = 'success') as success,
        count(*) filter (f.state = 'closed' and f.outcome = 'failure') as failure,
        count(*) filter (f.state = 'closed' and f.outcome = 'cancelled') as cancelled,
        count(*) filter (f.state = 'closed' and f.outcome = 'skipped') as skipped,
        count(*) filter (f.state = 'closed' and f.outcome = 'timed_out') as timed_out,
        count(*) filter (f.state = 'closed' and f.outcome = 'unknown') as "unknown"
    from fitting as f
    group by f.pipeline, f.service
),
weeks as (
    select
        f.pipeline,
        f.service,
        median(f.duration_s) filter (f.started_ns > r.last_ns - 604800000000000) as week_s,
        count(f.duration_s) filter (f.started_ns > r.last_ns - 604800000000000) as week_count,
        median(f.duration_s) filter (f.started_ns <= r.last_ns - 604800000000000) as week_before_s,
        count(f.duration_s) filter (f.started_ns <= r.last_ns - 604800000000000) as week_before_count
    from fitting as f
    join reaches as r on r.owner = f.owner and f.started_ns > r.last_ns - 1209600000000000
    where f.state = 'closed'
    group by f.pipeline, f.service
),
newest as (
    select
        f.*,
        row_number() over newest_first as newest,
        (lag(f.started_ns) over newest_first - f.started_ns) / 1e9 as gap_s
    from fitting as f
    join reaches as r on r.owner = f.owner and f.started_ns >= r.recent_ns
    where f.state = 'closed'
    window newest_first as (partition by f.owner order by f.started_ns desc, f.run_key desc)
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
    from newest
    where newest <= (select input.recent_count from input)
    group by pipeline, service
)
select
    t.*,
    w.week_s,
    coalesce(w.week_count, 0) as week_count,
    w.week_before_s,
    coalesce(w.week_before_count, 0) as week_before_count,
    coalesce(n.recent_runs, 0) as recent_runs,
    coalesce(n.recent_succeeded, 0) as recent_succeeded,
    coalesce(n.recent_failed, 0) as recent_failed,
    n.recent_median_s,
    n.recent_mad_s,
    n.recent_quality,
    n.gap_s
from told as t
left join weeks as w on w.pipeline = t.pipeline and w.service is not distinct from t.service
left join recent as n on n.pipeline = t.pipeline and n.service is not distinct from t.service
order by t.pipeline, t.service nulls first
