//! What is worth showing and never gates: odd single values, changes that are only suspected, shifts of the spread.

use serde::Serialize;

use super::compare::describe;
use super::judged::JudgedValues;
use super::segment::ChangePoint;
use super::settings::Settings;
use super::stats::robust::{MAD_TO_SIGMA, mad, median};

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// One odd value, level unchanged.
    Outlier,
    /// Looks like a change; more values will tell.
    Suspected,
    /// The spread moved, the level did not.
    Variance,
}

impl EventKind {
    /// The word used in JSON and text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outlier => "outlier",
            Self::Suspected => "suspected",
            Self::Variance => "variance",
        }
    }
}

/// One event. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Position of the odd value, or of the first value of the new spread.
    pub index: usize,
    /// Position of the value on whose arrival it could be said.
    pub seen_at: usize,
    /// What it is.
    pub kind: EventKind,
    /// Deviations from the level; for spreads the ratio of the new to the old.
    pub size: f64,
}

/// Deviations from which a single value is odd.
const OUTLIER_SIGMA: f64 = 5.0;
/// Most odd values in a row that are still single.
const OUTLIER_RUN_MAX: usize = 3;
/// Values after which the level that single values are held against is taken anew.
const REFRESH_COUNT: usize = 10;
/// Values between two looks at the spread: a shift shows over many values, and each look costs four sorts.
const SPREAD_STRIDE: usize = 10;
/// Windows in which a spread is measured, each with the evidence, as a normal deviate, from which a shift is told: long
/// ones are looked at less often anew, and a variance that doubles takes some 80 values to show.
const SPREAD_WINDOWS: [(usize, f64); 3] = [(20, 3.5), (40, 3.3), (80, 3.0)];

/// Finds the events of finite values between their change points, oldest first.
#[must_use]
pub fn find_events(values: &[f64], points: &[ChangePoint], settings: &Settings) -> Vec<Event> {
    let judged = JudgedValues::new(values);
    let n = values.len();
    let mut events = Vec::new();
    let mut bounds: Vec<usize> = points.iter().map(|p| p.index).collect();
    bounds.push(n);
    let mut start = 0;
    for end in bounds {
        let segment = &judged.slice(0, n)[start..end];
        if segment.len() > settings.baseline_count_min {
            let floor = judged.sigma_floor(start, n);
            find_odd_values(segment, start, end == n, floor, settings, &mut events);
            find_spread_shifts(segment, start, floor, &mut events);
        }
        start = end;
    }
    events.sort_by_key(|event| (event.index, event.seen_at));
    events
}

// Odd values that were followed by a return are outliers; those still standing at the end are only suspected.
fn find_odd_values(
    segment: &[f64],
    offset: usize,
    is_newest: bool,
    floor: f64,
    settings: &Settings,
    events: &mut Vec<Event>,
) {
    let first = settings.baseline_count_min;
    let mut level = describe(&segment[..first], None, floor);
    let mut odd: Vec<(usize, f64)> = Vec::new();
    for (place, value) in segment.iter().enumerate() {
        if place > first && place.is_multiple_of(REFRESH_COUNT) {
            level = describe(&segment[place.saturating_sub(settings.baseline_count_max)..place], None, floor);
        }
        let size = (value - level.median) / level.sigma;
        if size.abs() >= OUTLIER_SIGMA {
            odd.push((place, size));
            continue;
        }
        if odd.len() <= OUTLIER_RUN_MAX {
            events.extend(odd.iter().map(|(index, size)| Event {
                index: offset + index,
                seen_at: offset + place,
                kind: EventKind::Outlier,
                size: *size,
            }));
        }
        odd.clear();
    }
    if let Some((index, size)) = odd.first().filter(|_| is_newest) {
        let seen_at = offset + segment.len() - 1;
        events.push(Event { index: offset + index, seen_at, kind: EventKind::Suspected, size: *size });
    }
}

// The spread of a window against that of the values before it, both about their own medians.
fn find_spread_shifts(segment: &[f64], offset: usize, floor: f64, events: &mut Vec<Event>) {
    let mut start = 0;
    let mut end = 2 * SPREAD_WINDOWS[0].0;
    while end <= segment.len() {
        let mut usable = SPREAD_WINDOWS.iter().filter(|(window, _)| end - start >= 2 * window);
        let found = usable.find_map(|(window, evidence_min)| {
            let split = end - window;
            let before = spread_of(&segment[start.max(split.saturating_sub(100))..split], floor);
            let after = spread_of(&segment[split..end], floor);
            let evidence = (after.sigma / before.sigma).ln() / error_of_ratio(&before, &after);
            (evidence.abs() >= *evidence_min).then_some((split, after.sigma / before.sigma))
        });
        if let Some((split, size)) = found {
            let (index, seen_at) = (offset + split, offset + end - 1);
            events.push(Event { index, seen_at, kind: EventKind::Variance, size });
            start = split;
            end = split + 2 * SPREAD_WINDOWS[0].0;
        } else {
            end += SPREAD_STRIDE;
        }
    }
}

struct Spread {
    sigma: f64,
    /// Fourth moment over the squared second, of the clipped values; at least that of normal ones.
    kurtosis: f64,
    count: f64,
}

// Standard error of the logarithm of the ratio of two spreads: each has variance (kurtosis - 1) / 4n, and the two
// stretches differ in spread, not in shape, so that they share one kurtosis.
fn error_of_ratio(a: &Spread, b: &Spread) -> f64 {
    let kurtosis = (a.count * a.kurtosis + b.count * b.kurtosis) / (a.count + b.count);
    ((kurtosis - 1.0) / 4.0 * (1.0 / a.count + 1.0 / b.count)).sqrt()
}

fn spread_of(values: &[f64], floor: f64) -> Spread {
    let center = median(values);
    let core = (mad(values, center) * MAD_TO_SIGMA).max(floor);
    let clipped = values.iter().map(|v| (v - center).clamp(-4.0 * core, 4.0 * core));
    let n = values.len() as f64;
    let variance = (clipped.clone().map(|d| d * d).sum::<f64>() / n).max(floor * floor);
    let kurtosis = (clipped.map(|d| d.powi(4)).sum::<f64>() / n / (variance * variance)).max(3.0);
    Spread { sigma: variance.sqrt(), kurtosis, count: n }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, size: f64) -> Vec<f64> {
        let mut draws = crate::detect::simulate::noise::Draws::new(7, 1);
        (0..count).map(|_| 100.0 + size * draws.normal()).collect()
    }

    fn kinds(values: &[f64]) -> Vec<(usize, EventKind)> {
        find_events(values, &[], &Settings::default()).iter().map(|e| (e.index, e.kind)).collect()
    }

    #[test]
    fn a_single_odd_value_is_an_outlier_once_the_next_is_back() {
        let mut values = noise(60, 1.0);
        values[40] = 150.0;
        assert_eq!(kinds(&values), [(40, EventKind::Outlier)]);
    }

    #[test]
    fn an_odd_newest_value_is_only_suspected() {
        let mut values = noise(60, 1.0);
        values.push(150.0);
        assert_eq!(kinds(&values), [(60, EventKind::Suspected)]);
    }

    #[test]
    fn a_spread_that_triples_is_a_variance_event() {
        let mut values = noise(60, 1.0);
        values.extend(noise(60, 3.0));
        let found = kinds(&values);
        assert!(found.iter().any(|(at, kind)| *kind == EventKind::Variance && at.abs_diff(60) <= 20), "{found:?}");
    }
}
