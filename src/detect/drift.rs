//! Slow drift: the newest runs against the oldest of the same level, since a baseline that slides along sees none.

use super::gate::{GateSettings, Newest, judge};
use super::segment::{ChangePoint, find_change_points};
use super::settings::Settings;
use super::stats::robust::median;
use crate::model::{Finding, FindingKind, Metric, Series};

/// Runs that a pinned level is taken of.
const PINNED_COUNT: usize = 30;
/// Runs between those and the newest: fewer, and the plain gate sees the same.
const BETWEEN_COUNT_MIN: usize = 20;
/// Runs on either side that are near a change.
const NEAR_COUNT: usize = 10;
/// Share of the difference of two levels that shows near an abrupt change.
const ABRUPT_SHARE: f64 = 0.6;
/// Part of the limit of false discovery that drift may spend: it is a second look at every series.
const SPENDING: f64 = 0.1;

/// Findings of drift in series that have none of another kind.
#[must_use]
pub fn find_drifts(series: &[Series], known: &[Finding], settings: &GateSettings) -> Vec<Finding> {
    let spanned: Vec<Series> = series
        .iter()
        .filter(|one| one.key.metric != Metric::SuccessRate && !settings.pinned.contains_key(&one.key))
        .filter(|one| known.iter().all(|finding| finding.series_key() != one.key))
        .filter_map(|one| span(one, settings))
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

// A ramp is cut into levels too; but around a cut of it little of the difference between them shows.
fn is_abrupt(values: &[f64], point: &ChangePoint) -> bool {
    let difference = |reach: usize| {
        let from = point.index.saturating_sub(reach).max(point.start);
        let to = (point.index + reach).min(point.end);
        median(&values[point.index..to]) - median(&values[from..point.index])
    };
    difference(NEAR_COUNT) / difference(usize::MAX / 2) >= ABRUPT_SHARE
}

// The oldest runs since the last change and the newest ones, side by side.
fn span(series: &Series, settings: &GateSettings) -> Option<Series> {
    let from = settings.accepted.get(&series.key).copied().unwrap_or(i64::MIN);
    let known: Vec<_> = series.points.iter().filter(|p| p.value.is_finite() && p.started_at >= from).cloned().collect();
    let needed = PINNED_COUNT + BETWEEN_COUNT_MIN + settings.last;
    if known.len() < needed {
        return None;
    }
    let values: Vec<f64> = known.iter().map(|p| p.value).collect();
    let found = find_change_points(&values, &Settings::default());
    let start = found.iter().rev().find(|point| is_abrupt(&values, point)).map_or(0, |point| point.index);
    let level = known.get(start..).filter(|level| level.len() >= needed)?;
    let points = level[..PINNED_COUNT].iter().chain(&level[level.len() - settings.last..]).cloned().collect();
    Some(Series { key: series.key.clone(), points })
}
