//! Where a pipeline comes from and where it is going: health as it would have been told before, forecasts.

use std::collections::BTreeMap;

use crate::detect::gate::{GateSettings, judge};
use crate::detect::stats::robust::{mad, median, quantile_sorted, sort};
use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::model::{Finding, Metric, Outcome, Series};
use crate::report::outlook::{Forecast, ForecastPoint, HealthPoint};
use crate::store::{RunValue, RunValues};
use crate::track::forecast::{VALUES_MIN, forecast, line_scale};
use crate::track::health::{HealthInput, score};

use super::levels::Levels;
use super::parallel;
use super::pipeline::{busiest, open_severities};
use super::quality::{as_share, intervals_of_silence};
use super::rows::Owner;
use super::tracks::Track;
use super::trends::recent_trends;
use crate::detect::GATE_RUNS;

/// Health is told for at most so many times before the present.
pub(super) const TIMES_MAX: usize = 24;
const HOUR: UnixNanos = 3_600 * 1_000_000_000;
const DAY: UnixNanos = 24 * HOUR;
/// Between two times: the shortest that needs no more than are wanted.
const STEPS: [UnixNanos; 12] =
    [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 364 * DAY];
/// The line of a trend is carried on from where it explains the runs about as well as levels do.
const LINE_SCALE_MAX: f64 = 1.1;

/// When health is told, before the newest run: full hours or days, oldest first.
fn times(from: UnixNanos, to: UnixNanos, count_max: usize) -> Vec<UnixNanos> {
    let most = i64::try_from(count_max).unwrap_or(i64::MAX).max(1);
    let span = to.saturating_sub(from);
    let step = STEPS.into_iter().find(|step| span / step <= most).unwrap_or((span / most).max(1));
    let first = (from / step + 1).saturating_mul(step);
    (0..most).map(|at| first.saturating_add(at.saturating_mul(step))).take_while(|at| *at < to).collect()
}

/// Health of each service of one pipeline as it would have been told at times before its newest run. Each time is
/// judged anew, from nothing but the runs until then.
pub(super) fn health_history(
    tracks: &[Track],
    runs: &RunValues,
    own: &BTreeMap<Owner, Vec<usize>>,
    settings: &GateSettings,
    count_max: usize,
) -> BTreeMap<Owner, Vec<HealthPoint>> {
    let starts = || own.values().flatten().map(|place| runs.runs[*place].started_ns);
    let (Some(from), Some(to)) = (starts().min(), starts().max()) else { return BTreeMap::new() };
    let times = times(from, to, count_max);
    let told = parallel::map(&times, |at| health_at(*at, tracks, runs, own, settings));
    let mut history: BTreeMap<Owner, Vec<HealthPoint>> = BTreeMap::new();
    for (owner, point) in told.into_iter().flatten() {
        history.entry(owner).or_default().push(point);
    }
    history
}

fn health_at(
    at: UnixNanos,
    tracks: &[Track],
    runs: &RunValues,
    own: &BTreeMap<Owner, Vec<usize>>,
    settings: &GateSettings,
) -> Vec<(Owner, HealthPoint)> {
    let then: Vec<Track> = tracks.iter().filter_map(|track| track.until(at)).collect();
    let mut settings = settings.clone();
    settings.accepted.retain(|_series, since| *since <= at);
    let series: Vec<Series> = then.iter().map(Track::for_gate).collect();
    let verdict = judge(&series, &settings);
    let needed = settings.baseline_count_min + settings.newest_count_min;
    own.iter()
        .filter_map(|(owner, places)| {
            let known = &places[..places.partition_point(|place| runs.runs[*place].started_ns <= at)];
            let newest: Vec<&RunValue> =
                known.iter().rev().take(super::RECENT_RUNS).map(|place| &runs.runs[*place]).collect();
            newest.first()?;
            let tracks: Vec<&Track> = then.iter().filter(|t| t.context().service == owner.service).collect();
            let findings: Vec<&Finding> =
                verdict.findings.iter().filter(|finding| finding.context.service == owner.service).collect();
            let has_baseline = tracks.iter().any(|track| track.len() >= needed);
            let input = HealthInput {
                regressions: has_baseline.then(|| open_severities(findings.into_iter())),
                trends: recent_trends(&busiest(&tracks))
                    .iter()
                    .filter(|t| t.metric != Metric::SuccessRate)
                    .map(|t| t.word)
                    .collect(),
                ..of_runs(&newest, at)
            };
            let health = score(&input);
            let point =
                HealthPoint { at: format_time(at), score: health.score, word: health.word, reason: health.reason };
            Some((owner.clone(), point))
        })
        .collect()
}

/// What `track/profiles.sql` says of the newest runs, newest first.
fn of_runs(newest: &[&RunValue], at: UnixNanos) -> HealthInput {
    let count = |wanted: &[Outcome]| newest.iter().filter(|run| wanted.contains(&run.outcome)).count() as u64;
    let values = |metric: usize| -> Vec<f64> {
        newest.iter().map(|run| run.values[metric]).filter(|value| value.is_finite()).collect()
    };
    let (durations, scores) = (values(0), values(7));
    let level = median(&durations);
    let mut gaps: Vec<f64> = newest.windows(2).map(|p| (p[0].started_ns - p[1].started_ns) as f64 / 1e9).collect();
    sort(&mut gaps);
    let usual = (!gaps.is_empty()).then(|| quantile_sorted(&gaps, 0.95));
    let last = newest.first().map_or(at, |run| run.started_ns);
    HealthInput {
        runs: newest.len() as u64,
        succeeded: count(&[Outcome::Success]),
        failed: count(&[Outcome::Failure, Outcome::TimedOut]),
        spread: (level > 0.0).then(|| crate::detect::stats::robust::MAD_TO_SIGMA * mad(&durations, level) / level),
        quality: (!scores.is_empty()).then(|| as_share(median(&scores))),
        silent_intervals: intervals_of_silence(usual, last, at),
        ..HealthInput::default()
    }
}

/// Forecast of one metric of the whole run: from the runs since its level last changed, or along a slope.
pub(super) fn forecast_of(track: &Track, levels: &Levels) -> Option<Forecast> {
    if matches!(track.metric(), Metric::SuccessRate | Metric::Retries) {
        return None;
    }
    let points = &track.series.points;
    let from = if is_slope(track, levels) {
        points.len().saturating_sub(GATE_RUNS)
    } else {
        levels.stretches.last().map_or(0, |stretch| stretch.start)
    };
    let used = &points[from..];
    let first = used.first()?.started_at;
    let day = |at: UnixNanos| at.saturating_sub(first) as f64 / DAY as f64;
    let values: Vec<(f64, f64)> = used.iter().map(|point| (day(point.started_at), point.value)).collect();
    let expected = forecast(track.metric(), &values);
    expected.first()?;
    let time = |day: f64| format_time(first.saturating_add((day * DAY as f64) as i64 / 1_000_000_000 * 1_000_000_000));
    Some(Forecast {
        metric: track.metric(),
        context: track.context().clone(),
        n: values.len(),
        since: format_time(first),
        limit: None,
        points: expected
            .into_iter()
            .map(|e| ForecastPoint {
                at: time(e.day),
                middle: e.middle,
                low_50: e.low_50,
                high_50: e.high_50,
                low_95: e.low_95,
                high_95: e.high_95,
            })
            .collect(),
    })
}

// A slope looks like a flight of stairs to who looks for levels.
fn is_slope(track: &Track, levels: &Levels) -> bool {
    let points = &track.series.points;
    let from = points.len().saturating_sub(GATE_RUNS);
    if levels.splits.len() < 2 || points.len() - from < VALUES_MIN {
        return false;
    }
    let values: Vec<(f64, f64)> =
        points[from..].iter().map(|point| (point.started_at as f64 / DAY as f64, point.value)).collect();
    let level = |place: usize| {
        let own = levels.stretches.iter().find(|stretch| (stretch.start..stretch.end).contains(&place));
        own.map(|stretch| points[place].value - stretch.level)
    };
    let rest: Vec<f64> = (from..points.len()).filter_map(level).collect();
    line_scale(&values).is_some_and(|line| line <= LINE_SCALE_MAX * mad(&rest, median(&rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_full_hours_or_days_and_as_many_as_wanted_at_most() {
        let week = times(5 * DAY + 1, 12 * DAY, TIMES_MAX);
        assert_eq!((week.len(), week[0] % (12 * HOUR)), (13, 0));
        let years = times(5 * DAY + 1, 3 * 365 * DAY, TIMES_MAX);
        assert!((5..=TIMES_MAX).contains(&years.len()) && years.iter().all(|at| at % DAY == 0), "{years:?}");
        assert!(times(7, 7, TIMES_MAX).is_empty());
        assert!(times(i64::MIN / 4, i64::MAX / 4, 6).len() <= 6);
    }
}
