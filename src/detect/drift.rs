//! Slow drift: the newest runs against the oldest of the same level, since a baseline that slides along sees none.

use std::borrow::Borrow;

use super::gate::{GateSettings, Newest, judge};
use super::segment::ChangePoint;
use crate::model::{Finding, FindingKind, Metric, Series, SeriesPoint};

/// Runs that a pinned level is taken of.
const PINNED_COUNT: usize = 30;
/// Runs between those and the newest: fewer, and the plain gate sees the same.
const BETWEEN_COUNT_MIN: usize = 20;
/// Part of the limit of false discovery that drift may spend: it is a second look at every series.
const SPENDING: f64 = 0.1;

/// Findings of drift in series that have none of another kind, or one of a step that is part of a ramp; `changes` are the
/// level changes of each, of its finite values since the last accepted change.
#[must_use]
pub fn find_drifts<S: Borrow<Series>>(
    series: &[S],
    changes: &[Vec<ChangePoint>],
    known: &[Finding],
    settings: &GateSettings,
) -> Vec<Finding> {
    let spanned: Vec<Series> = series
        .iter()
        .map(Borrow::borrow)
        .zip(changes)
        .filter(|(one, _)| one.key.metric != Metric::SuccessRate && !settings.pinned.contains_key(&one.key))
        .filter_map(|(one, changes)| span(one, changes, known, settings))
        .collect();
    let mut found = Vec::new();
    for family in spanned.chunk_by(|a, b| a.key.pipeline == b.key.pipeline) {
        for one in family {
            // Each stands at a place of its own: its newest runs may have begun at another time.
            let since = one.points[PINNED_COUNT].started_at;
            let strict = GateSettings {
                newest: Newest::Since(since),
                false_discovery_max: SPENDING * settings.false_discovery_max / family.len() as f64,
                ..settings.clone()
            };
            found.extend(judge(std::slice::from_ref(one), &strict).findings);
        }
    }
    for finding in &mut found {
        finding.kind = FindingKind::Drift;
        finding
            .recommendation
            .push_str(" It came slowly: no single run stands out; compare the oldest revision with the newest.");
    }
    found
}

/// Whether one straight line describes the values better than the levels into which they were cut: a ramp is cut into
/// levels too. By the Bayesian information criterion (Schwarz 1978): a line has two parameters, levels have one each
/// and a place for each change.
fn is_ramp(values: &[f64], changes: &[ChangePoint]) -> bool {
    let mut bounds: Vec<usize> = changes.iter().map(|point| point.index).collect();
    bounds.insert(0, 0);
    bounds.push(values.len());
    let levels: f64 = bounds.windows(2).filter_map(|ends| values.get(ends[0]..ends[1])).map(squares_about_mean).sum();
    let criterion = |squares: f64, parameters: usize| {
        let n = values.len() as f64;
        n * (squares / n).ln() + parameters as f64 * n.ln()
    };
    criterion(squares_about_line(values), 2) < criterion(levels, 2 * changes.len() + 1)
}

fn squares_about_mean(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// What a least-squares line leaves over.
fn squares_about_line(values: &[f64]) -> f64 {
    let places: Vec<f64> = (0..values.len()).map(|at| at as f64).collect();
    let centre = places.iter().sum::<f64>() / places.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let shared: f64 = places.iter().zip(values).map(|(place, value)| (place - centre) * (value - mean)).sum();
    let spread = squares_about_mean(&places);
    squares_about_mean(values) - if spread > 0.0 { shared * shared / spread } else { 0.0 }
}

// The oldest runs since the last change and the newest ones, side by side.
fn span(series: &Series, changes: &[ChangePoint], findings: &[Finding], settings: &GateSettings) -> Option<Series> {
    let from = settings.accepted.get(&series.key).copied().unwrap_or(i64::MIN);
    let known: Vec<&SeriesPoint> =
        series.points.iter().filter(|p| p.value.is_finite() && p.started_at >= from).collect();
    let needed = PINNED_COUNT + BETWEEN_COUNT_MIN + settings.last;
    if known.len() < needed {
        return None;
    }
    let values: Vec<f64> = known.iter().map(|p| p.value).collect();
    let ramp = !changes.is_empty() && is_ramp(&values, changes);
    if !ramp && findings.iter().any(|finding| finding.series_key() == series.key) {
        return None;
    }
    let start = changes.last().filter(|_| !ramp).map_or(0, |point| point.index);
    let level = known.get(start..).filter(|level| level.len() >= needed)?;
    let pinned = level[..PINNED_COUNT].iter();
    let points = pinned.chain(&level[level.len() - settings.last..]).map(|point| (*point).clone()).collect();
    Some(Series { key: series.key.clone(), points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::online::ChangeKind;

    #[test]
    fn a_line_leaves_over_what_least_squares_says() {
        // By hand: 8.75 about the mean, less 5.5^2 / 5.
        assert!((squares_about_line(&[1.0, 3.0, 2.0, 5.0]) - 2.7).abs() < 1e-12);
    }

    #[test]
    fn a_step_is_no_ramp_and_a_ramp_is_one() {
        let point =
            |index| ChangePoint { start: 0, index, end: 40, evidence: 9.0, effect_sigma: 9.0, kind: ChangeKind::Step };
        let wobble = |at: usize| f64::from(u8::try_from(at * 7 % 5).unwrap()) / 50.0;
        let step: Vec<f64> = (0..40).map(|at| if at < 20 { 10.0 } else { 12.0 } + wobble(at)).collect();
        let ramp: Vec<f64> = (0..40).map(|at| 10.0 + at as f64 / 20.0 + wobble(at)).collect();
        assert!(!is_ramp(&step, &[point(20)]));
        assert!(is_ramp(&ramp, &[point(20)]));
    }
}
