//! Series as they are drawn: thinned, with levels, change points and odd runs.

use std::collections::BTreeSet;

use crate::model::unit::format_time;
use crate::model::{Finding, Metric, Outcome};
use crate::report::profile::{BaselineProvenance, ChangeView, LevelView, PointView, SeriesView};
use crate::report::statistics::Statistics;
use crate::store::{RunValue, RunValues};

use super::Depth;
use super::levels::Levels;
use super::tracks::Track;
use crate::detect::gate::GateSettings;
use crate::detect::stats::robust::{mad, mean, median};

/// Newest points that thinning leaves alone: as many as a sparkline shows.
const NEWEST_KEPT: usize = 60;

/// A series for the charts: a page shows all of it, thinned; an overview the newest points.
/// `own` are the places of the pipeline's runs.
pub(super) fn view(track: &Track, levels: &Levels, runs: &RunValues, own: &[usize], depth: Depth) -> SeriesView {
    let mut points = points(track, levels, runs, own);
    if !depth.pages {
        points.drain(..points.len().saturating_sub(depth.points_max));
    }
    let time = |position: usize| format_time(track.series.points[position].started_at);
    let mut series = SeriesView {
        metric: track.metric(),
        step: track.step().map(str::to_owned),
        context: track.context().clone(),
        points: points.iter().map(point_view).collect(),
        whole: None,
        levels: levels
            .stretches
            .iter()
            .map(|s| LevelView { from: time(s.start), to: time(s.end - 1), value: s.level, low: s.low, high: s.high })
            .collect(),
        changes: levels
            .splits
            .iter()
            .map(|split| {
                let point = &track.series.points[split.at];
                let change = (split.after - split.before) / split.before.abs() * 100.0;
                ChangeView {
                    run_id: point.run_id.to_string(),
                    time: format_time(point.started_at),
                    revision: point.revision.as_deref().map(ToOwned::to_owned),
                    before: split.before,
                    after: split.after,
                    change_percent: Some(change).filter(|change| change.is_finite()),
                    severity: split.severity,
                }
            })
            .collect(),
    };
    if points.len() > depth.points_max {
        // Before thinning: a quantile of what is left would be one of extremes.
        series.whole = Some(Statistics::of(&series));
        let kept = thin(&points, depth.points_max);
        let mut place = 0..;
        series.points.retain(|_| place.next().is_some_and(|place| kept.contains(&place)));
    }
    series
}

/// A run that is drawn.
struct Point<'a> {
    run: &'a RunValue,
    value: f64,
    outlier: bool,
    /// The first or last run of a level: thinning must not lose it.
    edge: bool,
}

fn points<'a>(track: &Track, levels: &Levels, runs: &'a RunValues, own: &[usize]) -> Vec<Point<'a>> {
    let edges: BTreeSet<usize> = levels.stretches.iter().flat_map(|s| [s.start, s.end - 1]).collect();
    let mut points: Vec<(usize, Point<'a>)> = track
        .places
        .iter()
        .zip(&track.series.points)
        .enumerate()
        .map(|(position, (place, point))| {
            let outlier = levels.is_odd(position, point.value);
            let edge = edges.contains(&position);
            (*place, Point { run: &runs.runs[*place], value: point.value, outlier, edge })
        })
        .collect();
    if track.metric() == Metric::Duration && track.step().is_none() {
        points.extend(failed_runs(track, runs, own));
        points.sort_by_key(|(place, _)| *place);
    }
    points.into_iter().map(|(_, point)| point).collect()
}

// Runs that failed are no part of the level, yet are shown where they ended.
fn failed_runs<'a>(track: &Track, runs: &'a RunValues, own: &[usize]) -> Vec<(usize, Point<'a>)> {
    let Some(context) = track.places.first().map(|place| runs.runs[*place].context) else { return Vec::new() };
    let failed = |run: &RunValue| {
        run.context == context && run.taken_s.is_finite() && matches!(run.outcome, Outcome::Failure | Outcome::TimedOut)
    };
    let own = own.iter().map(|place| (*place, &runs.runs[*place])).filter(|(_, run)| failed(run));
    own.map(|(place, run)| (place, Point { run, value: run.taken_s, outlier: false, edge: false })).collect()
}

fn point_view(point: &Point<'_>) -> PointView {
    PointView {
        run_id: point.run.run_id.to_string(),
        started_at: format_time(point.run.started_ns),
        value: Some(point.value),
        outcome: point.run.outcome,
        outlier: point.outlier,
    }
}

/// Places of the points to keep: the newest, which are shown one by one elsewhere, the lowest and highest of every
/// stretch of equal count, and all edges of levels.
fn thin(points: &[Point<'_>], count_max: usize) -> BTreeSet<usize> {
    let mut kept: BTreeSet<usize> = (0..points.len()).filter(|place| points[*place].edge).collect();
    kept.extend([0]);
    kept.extend(points.len().saturating_sub(NEWEST_KEPT)..points.len());
    let pieces = (count_max.saturating_sub(kept.len()) / 2).max(1);
    let width = points.len().div_ceil(pieces);
    for start in (0..points.len()).step_by(width) {
        let piece = start..(start + width).min(points.len());
        let by_value = |a: &usize, b: &usize| points[*a].value.total_cmp(&points[*b].value);
        kept.extend(piece.clone().min_by(by_value));
        kept.extend(piece.max_by(by_value));
    }
    kept
}

/// What the newest runs of a series are compared with.
pub(super) fn baseline(
    track: &Track,
    levels: &Levels,
    findings: &[&Finding],
    settings: &GateSettings,
) -> Option<BaselineProvenance> {
    let key = &track.series.key;
    let points = &track.series.points;
    let found = findings
        .iter()
        .find(|finding| finding.metric == key.metric && finding.step == key.step && finding.context == key.context);
    let newest = levels.stretches.last()?;
    let (from, to, reason) =
        match found.and_then(|f| Some((f, points.iter().position(|p| p.run_key == f.since_run_key)?))) {
            Some((finding, at)) => {
                let from = at.saturating_sub(finding.n_baseline);
                (from, at, format!("the runs before the change at run {}", finding.since_run))
            }
            None => {
                let from = newest.start.max(newest.end.saturating_sub(settings.baseline_count_max));
                let reason = match (newest.start, from == newest.start) {
                    (0, true) => "every run: no change was found".to_owned(),
                    (_, true) => format!("since the change at run {}", points[newest.start].run_id),
                    (_, false) => format!("the newest {} runs at this level", newest.end - from),
                };
                (from, newest.end, reason)
            }
        };
    let values: Vec<f64> = points[from..to].iter().map(|point| point.value).collect();
    if values.len() < settings.baseline_count_min {
        return None;
    }
    let level = if key.metric == Metric::SuccessRate { mean(&values) } else { median(&values) };
    Some(BaselineProvenance {
        metric: key.metric,
        step: key.step.clone(),
        context: key.context.clone(),
        n: values.len() as u64,
        from_run: Some(points[from].run_id.to_string()),
        to_run: Some(points[to - 1].run_id.to_string()),
        median: Some(level),
        mad: Some(mad(&values, level)),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;
    use crate::model::{Series, SeriesContext, SeriesKey, SeriesPoint};
    use crate::report::Kind;

    fn run() -> RunValue {
        RunValue {
            context: 0,
            run_key: "k".into(),
            run_id: "1".into(),
            revision: None,
            model: None,
            outcome: Outcome::Success,
            started_ns: 0,
            input_size: f64::NAN,
            taken_s: f64::NAN,
            values: [f64::NAN; 10],
        }
    }

    #[test]
    fn thinning_keeps_extremes_edges_and_the_newest_within_the_limit() {
        let run = run();
        let value = |at: u32| if at == 4321 { 1e6 } else { f64::from((at * 7919) % 1009) };
        let points: Vec<Point<'_>> =
            (0..10_000).map(|at| Point { run: &run, value: value(at), outlier: false, edge: at == 5000 }).collect();
        let kept = thin(&points, 1000);
        assert!(kept.len() <= 1000, "{}", kept.len());
        assert!([0, 4321, 5000].iter().all(|place| kept.contains(place)));
        assert!((9_940..10_000).all(|place| kept.contains(&place)));
    }

    /// A series of `values`, one run an hour; every fifth run failed after a second.
    fn told(values: &[f64], points_max: usize) -> SeriesView {
        let outcome = |at: usize| if at % 5 == 4 { Outcome::Failure } else { Outcome::Success };
        let runs: Vec<RunValue> = (0..values.len())
            .map(|at| RunValue {
                run_key: format!("k{at}").into(),
                started_ns: i64::try_from(at).unwrap() * 3_600_000_000_000,
                outcome: outcome(at),
                taken_s: if outcome(at) == Outcome::Failure { 1.0 } else { values[at] },
                ..run()
            })
            .collect();
        let places: Vec<usize> = (0..values.len()).filter(|at| outcome(*at) == Outcome::Success).collect();
        let points = places.iter().map(|at| SeriesPoint {
            run_key: runs[*at].run_key.clone(),
            run_id: runs[*at].run_id.clone(),
            started_at: runs[*at].started_ns,
            value: values[*at],
            revision: None,
            model: None,
            input_size: None,
        });
        let key = SeriesKey {
            pipeline: "p".to_owned(),
            step: None,
            metric: Metric::Duration,
            context: SeriesContext::default(),
        };
        let track = Track { series: Series { key, points: points.collect() }, places, recent_from: 0 };
        let contexts = vec![("p".to_owned(), SeriesContext::default())];
        let runs = RunValues { contexts, runs, ..RunValues::default() };
        let own: Vec<usize> = (0..runs.runs.len()).collect();
        let depth = Depth { points_max, ..Depth::of(Kind::Pipeline, 1) };
        view(&track, &Levels::default(), &runs, &own, depth)
    }

    #[test]
    fn quantiles_are_those_of_all_runs_however_much_is_thinned() {
        // The inverse of a normal distribution, shuffled: quartiles at 100 -+ 6.745.
        let normal = Normal::new(100.0, 10.0).unwrap();
        let values: Vec<f64> =
            (0..5_000).map(|at| normal.inverse_cdf((f64::from((at * 3_571) % 5_000) + 0.5) / 5_000.0)).collect();
        let series = told(&values, 400);
        assert!(series.points.len() <= 400, "{}", series.points.len());
        let all = series.statistics();
        assert_eq!((all.runs, all.failed), (5_000, 1_000));
        let spread = &all.spread[0].quantiles;
        assert_eq!(spread.n, 4_000);
        for (found, wanted) in [(spread.p25, 93.255), (spread.p50, 100.0), (spread.p75, 106.745)] {
            assert!((found - wanted).abs() < 0.5, "{found}, not {wanted}");
        }
        assert_eq!(all.hours.len(), 168);
    }

    #[test]
    fn a_series_that_is_not_thinned_carries_nothing_twice() {
        let series = told(&[10.0; 50], 50);
        assert_eq!((series.points.len(), series.whole.is_none()), (50, true));
        assert_eq!((series.statistics().runs, series.statistics().spread[0].quantiles.n), (50, 40));
    }
}
