//! `perfline analyze`: change points of plain series, no store needed.

pub mod read;
pub mod text;

use serde::Serialize;

use super::confidence::confidence_of;
use super::events::{Event, find_events};
use super::online::{Alarm, ChangeKind, replay};
use super::search::adjust_for_search;
use super::segment::find_with_alarms;
use super::settings::Settings;
use super::stats::normal::two_sided;
use super::stats::robust::median;
use crate::model::{Metric, Severity};

pub use read::{AnalyzeError, FormatHint, read_series};

/// A series as it was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainSeries {
    /// Its name.
    pub name: String,
    /// Its values; none where unknown.
    pub values: Vec<Option<f64>>,
    /// When each was measured, as given; empty where unknown.
    pub times: Vec<String>,
}

/// One change point of the whole series. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalyzedChange {
    /// 0-based position of the first value at the new level.
    pub index: usize,
    /// Its time, as given; null where unknown.
    pub time: Option<String>,
    /// Level before (median).
    pub before: f64,
    /// Level after (median).
    pub after: f64,
    /// (after - before) / |before| x 100; null from zero.
    pub change_percent: Option<f64>,
    /// `up` or `down`.
    pub direction: &'static str,
    /// Adjusted for the search over splits.
    pub p_value: f64,
    /// How sure, 0 to 1, calibrated.
    pub confidence: f64,
}

/// One alarm, had the values come one at a time. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalyzedAlarm {
    /// The change.
    #[serde(flatten)]
    pub change: AnalyzedChange,
    /// Position of the value on whose arrival it was raised.
    pub seen_at: usize,
    /// Step or drift.
    pub kind: ChangeKind,
    /// How bad, by size, with the bands of a duration.
    pub severity: Severity,
}

/// What was found in one series. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalyzedSeries {
    /// Its name.
    pub name: String,
    /// Values known.
    pub n: usize,
    /// Level changes with hindsight.
    pub change_points: Vec<AnalyzedChange>,
    /// Level changes as they would have been raised; null unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<AnalyzedAlarm>>,
    /// Outliers, suspected changes and shifts of the spread: shown, never gating.
    pub events: Vec<Event>,
}

/// Analyses every series, on as many threads as there are cores.
#[must_use]
pub fn analyze_all(inputs: &[PlainSeries], settings: &Settings, replayed: bool) -> Vec<AnalyzedSeries> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(input) = inputs.get(place) else { return done };
            done.push((place, analyze(input, settings, replayed)));
        }
    };
    let mut results: Vec<(usize, AnalyzedSeries)> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..cores.min(inputs.len())).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for helper in helpers {
            // A helper cannot fail but by a panic, and that is carried on as one.
            all.extend(helper.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
        all
    });
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, series)| series).collect()
}

/// Analyses one series.
#[must_use]
pub fn analyze(input: &PlainSeries, settings: &Settings, replayed: bool) -> AnalyzedSeries {
    let (places, values): (Vec<usize>, Vec<f64>) =
        input.values.iter().enumerate().filter_map(|(i, v)| v.filter(|v| v.is_finite()).map(|v| (i, v))).unzip();
    let time = |index: usize| input.times.get(places[index]).filter(|t| !t.is_empty()).cloned();
    let change = |index: usize, before: &[f64], after: &[f64], evidence: f64, splits: usize| {
        let (low, high) = (median(before), median(after));
        AnalyzedChange {
            index: places[index],
            time: time(index),
            before: low,
            after: high,
            change_percent: (low != 0.0).then(|| (high - low) / low.abs() * 100.0),
            direction: if high >= low { "up" } else { "down" },
            p_value: adjust_for_search(two_sided(evidence), splits),
            confidence: confidence_of(evidence),
        }
    };
    let raised = replay(&values, settings);
    let points = find_with_alarms(&values, &raised, settings);
    let change_points = points
        .iter()
        .map(|p| change(p.index, &values[p.start..p.index], &values[p.index..p.end], p.evidence, p.end - p.start))
        .collect();
    let alarm = |a: &Alarm| {
        let (before, after) = (&values[a.baseline_start..a.index], &values[a.index..=a.seen_at]);
        let change = change(a.index, before, after, a.evidence, a.splits);
        let severity = severity_of(change.change_percent);
        AnalyzedAlarm { change, seen_at: places[a.seen_at], kind: a.kind, severity }
    };
    let alarms = replayed.then(|| raised.iter().map(alarm).collect());
    let mut events = find_events(&values, &points, settings);
    for event in &mut events {
        event.index = places[event.index];
        event.seen_at = places[event.seen_at];
    }
    AnalyzedSeries { name: input.name.clone(), n: values.len(), change_points, alarms, events }
}

// A plain series has no metric: the bands of a duration, both ways, stand in.
fn severity_of(change_percent: Option<f64>) -> Severity {
    let (bands, size) = (Metric::Duration.bands(), change_percent.map_or(f64::INFINITY, f64::abs));
    match size {
        size if size >= bands.critical => Severity::Critical,
        size if size >= bands.high => Severity::High,
        size if size >= bands.medium => Severity::Medium,
        _ => Severity::Low,
    }
}
