//! `perfline analyze`: change points of plain series, no store needed.

pub mod read;
pub mod text;
mod times;

use serde::Serialize;

use super::confidence::{confidence_of_alarm, confidence_of_change};
use super::events::{Event, find_events};
use super::online::{Alarm, ChangeKind};
use super::search::adjust_for_search;
use super::segment::find_with_alarms;
use super::settings::Settings;
use super::stats::normal::two_sided;
use super::stats::robust::median;
use super::timed::{Raised, replay_timed, take_out_patterns};
use crate::model::{Metric, Severity};

pub use read::{AnalyzeError, FormatHint, read_series, series_of_columns};

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
    /// Step or drift.
    pub kind: ChangeKind,
}

/// One alarm, had the values come one at a time. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnalyzedAlarm {
    /// The change.
    #[serde(flatten)]
    pub change: AnalyzedChange,
    /// Position of the value on whose arrival it was raised.
    pub seen_at: usize,
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
    /// Patterns that were taken out before change points were sought, and out of their levels: `hour`, `weekday`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adjusted_for: Vec<String>,
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
    let change =
        |index: usize, (low, high): (f64, f64), p_value: f64, confidence: f64, kind: ChangeKind| AnalyzedChange {
            index: places[index],
            time: time(index),
            before: low,
            after: high,
            change_percent: (low != 0.0).then(|| (high - low) / low.abs() * 100.0),
            direction: if high >= low { "up" } else { "down" },
            p_value,
            confidence,
            kind,
        };
    let clock = times::read_times(&input.times, &places);
    let raised = replay_timed(&values, &clock, settings);
    let alarms: Vec<Alarm> = raised.iter().map(|one| one.alarm).collect();
    let (values, adjusted_for) = take_out_patterns(&values, &clock, values.len()).unwrap_or((values, Vec::new()));
    let points = find_with_alarms(&values, &alarms, settings);
    let change_points = points
        .iter()
        .map(|p| {
            let p_value = adjust_for_search(two_sided(p.evidence), p.end - p.start);
            let levels = (median(&values[p.start..p.index]), median(&values[p.index..p.end]));
            change(p.index, levels, p_value, confidence_of_change(p.evidence), p.kind)
        })
        .collect();
    let alarm = |Raised { alarm: a, before, after }: &Raised| {
        let p_value = adjust_for_search(two_sided(a.evidence), a.splits);
        let change = change(a.index, (*before, *after), p_value, confidence_of_alarm(a.evidence), a.kind);
        let severity = severity_of(change.change_percent);
        AnalyzedAlarm { change, seen_at: places[a.seen_at], severity }
    };
    let alarms = replayed.then(|| raised.iter().map(alarm).collect());
    let mut events = find_events(&values, &points, settings);
    for event in &mut events {
        event.index = places[event.index];
        event.seen_at = places[event.seen_at];
    }
    AnalyzedSeries { name: input.name.clone(), n: values.len(), change_points, alarms, events, adjusted_for }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> PlainSeries {
        PlainSeries { name: "s".to_owned(), values: values.iter().map(|v| Some(*v)).collect(), times: Vec::new() }
    }

    fn wobble(count: usize, level: f64) -> Vec<f64> {
        (0..count).map(|i| level * (1.0 + 0.02 * (i as f64 * 2.399_963).sin())).collect()
    }

    #[test]
    fn positions_count_nulls() {
        let mut input = series(&[wobble(40, 1.0), wobble(40, 2.0)].concat());
        input.values.insert(3, None);
        input.values.insert(0, Some(f64::NAN));
        let found = analyze(&input, &Settings::default(), true);
        assert_eq!(found.n, 80);
        assert_eq!(found.change_points.iter().map(|c| c.index).collect::<Vec<_>>(), [42]);
        let alarms: Vec<usize> = found.alarms.iter().flatten().map(|a| a.change.index).collect();
        assert_eq!(alarms, [42]);
    }

    #[test]
    fn constants_short_and_empty_series_say_nothing() {
        for values in [vec![], vec![1.0; 5], vec![0.0; 300], vec![7.0; 300]] {
            let found = analyze(&series(&values), &Settings::default(), true);
            assert!(found.change_points.is_empty() && found.alarms.iter().flatten().next().is_none());
        }
    }

    #[test]
    fn the_json_has_the_names_of_the_contract() {
        let found = analyze(&series(&[wobble(40, 1.0), wobble(40, 2.0)].concat()), &Settings::default(), true);
        let json = serde_json::to_value(&found).unwrap();
        for name in ["index", "time", "before", "after", "change_percent", "direction", "p_value", "confidence"] {
            assert!(json["change_points"][0].get(name).is_some(), "{name}");
        }
        for name in ["index", "seen_at", "severity", "confidence", "kind"] {
            assert!(json["alarms"][0].get(name).is_some(), "{name}");
        }
        assert_eq!(json["alarms"][0]["severity"], "CRITICAL");
        assert_eq!(json["alarms"][0]["kind"], "step");
    }

    #[test]
    fn a_slow_ramp_is_raised_as_a_drift() {
        let mut draws = crate::detect::simulate::noise::Draws::new(5, 5);
        let values: Vec<f64> = (0..300)
            .map(|i| 100.0 * (1.0 + 0.002 * f64::from((i - 80).max(0))) * (1.0 + 0.03 * draws.normal()))
            .collect();
        let found = analyze(&series(&values), &Settings::default(), true);
        let drifts = |changes: &[&AnalyzedChange]| changes.iter().filter(|c| c.kind == ChangeKind::Drift).count();
        let alarms: Vec<&AnalyzedChange> = found.alarms.iter().flatten().map(|alarm| &alarm.change).collect();
        assert!(drifts(&alarms) >= 1 && 2 * drifts(&alarms) >= alarms.len(), "{alarms:?}");
        let points: Vec<&AnalyzedChange> = found.change_points.iter().collect();
        assert!(2 * drifts(&points) >= points.len(), "{points:?}");
    }
}
