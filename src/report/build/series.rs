//! Series as they are drawn: thinned, with levels, change points and odd runs.

use std::collections::BTreeSet;

use crate::model::unit::format_time;
use crate::model::{Finding, Metric, Outcome};
use crate::report::profile::{BaselineProvenance, ChangeView, LevelView, PointView, SeriesView};
use crate::store::{RunValue, RunValues};

use super::Depth;
use super::levels::Levels;
use super::tracks::Track;
use crate::detect::gate::GateSettings;
use crate::detect::stats::robust::{mad, mean, median};

/// A series for the charts: a page shows all of it, thinned; an overview the newest points.
pub(super) fn view(track: &Track, levels: &Levels, runs: &RunValues, depth: Depth) -> SeriesView {
    let points = points(track, levels, runs);
    let kept = if depth.pages {
        thin(&points, depth.points_max)
    } else {
        (points.len().saturating_sub(depth.points_max)..points.len()).collect()
    };
    let time = |position: usize| format_time(track.series.points[position].started_at);
    SeriesView {
        metric: track.metric(),
        step: track.step().map(str::to_owned),
        context: track.context().clone(),
        points: kept.into_iter().map(|place| point_view(&points[place])).collect(),
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
    }
}

/// A run that is drawn.
struct Point<'a> {
    run: &'a RunValue,
    value: f64,
    outlier: bool,
    /// The first or last run of a level: thinning must not lose it.
    edge: bool,
}

fn points<'a>(track: &Track, levels: &Levels, runs: &'a RunValues) -> Vec<Point<'a>> {
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
        points.extend(failed_runs(track, runs));
        points.sort_by_key(|(place, _)| *place);
    }
    points.into_iter().map(|(_, point)| point).collect()
}

// Runs that failed are no part of the level, yet are shown where they ended.
fn failed_runs<'a>(track: &Track, runs: &'a RunValues) -> Vec<(usize, Point<'a>)> {
    let key = (&track.series.key.pipeline, track.context());
    let Some(context) = runs.contexts.iter().position(|(pipeline, context)| (pipeline, context) == key) else {
        return Vec::new();
    };
    let failed = |run: &RunValue| {
        run.context == context && run.taken_s.is_finite() && matches!(run.outcome, Outcome::Failure | Outcome::TimedOut)
    };
    let places = runs.runs.iter().enumerate().filter(|(_, run)| failed(run));
    places.map(|(place, run)| (place, Point { run, value: run.taken_s, outlier: false, edge: false })).collect()
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

/// Places of the points to keep: the lowest and highest of every stretch of equal count, and all edges of levels.
fn thin(points: &[Point<'_>], count_max: usize) -> Vec<usize> {
    if points.len() <= count_max {
        return (0..points.len()).collect();
    }
    let mut kept: BTreeSet<usize> = (0..points.len()).filter(|place| points[*place].edge).collect();
    kept.extend([0, points.len() - 1]);
    let pieces = (count_max.saturating_sub(kept.len()) / 2).max(1);
    let width = points.len().div_ceil(pieces);
    for start in (0..points.len()).step_by(width) {
        let piece = start..(start + width).min(points.len());
        let by_value = |a: &usize, b: &usize| points[*a].value.total_cmp(&points[*b].value);
        kept.extend(piece.clone().min_by(by_value));
        kept.extend(piece.max_by(by_value));
    }
    kept.into_iter().collect()
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
    use super::*;

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
    fn thinning_keeps_extremes_and_edges_within_the_limit() {
        let run = run();
        let value = |at: u32| if at == 4321 { 1e6 } else { f64::from((at * 7919) % 1009) };
        let points: Vec<Point<'_>> =
            (0..10_000).map(|at| Point { run: &run, value: value(at), outlier: false, edge: at == 5000 }).collect();
        let kept = thin(&points, 1000);
        assert!(kept.len() <= 1000, "{}", kept.len());
        assert!([0, 4321, 5000, 9999].iter().all(|place| kept.contains(place)));
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn few_points_are_all_kept() {
        let run = run();
        let points: Vec<Point<'_>> =
            (0..5).map(|at| Point { run: &run, value: f64::from(at), outlier: false, edge: false }).collect();
        assert_eq!(thin(&points, 5), [0, 1, 2, 3, 4]);
    }
}
