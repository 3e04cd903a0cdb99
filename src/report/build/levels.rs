//! Levels of a series, where they change, and which values are odd.

use crate::detect::gate::{GateSettings, Size, grade};
use crate::detect::segment::find_change_points;
use crate::detect::settings::Settings;
use crate::detect::stats::robust::{IQR_TO_SIGMA, MAD_TO_SIGMA, mad, mean, median_sorted, quantile_sorted, sort};
use crate::model::{Finding, Metric, SeriesKey, Severity};
use crate::track::wilson_interval;

use super::tracks::Track;

/// Half the width of the band in which runs are expected, in deviations.
const BAND_SIGMA: f64 = 3.0;
/// Deviations from which a value is odd.
const OUTLIER_SIGMA: f64 = 5.0;
/// Least deviation, as a share of the level.
const SIGMA_SHARE_MIN: f64 = 0.005;
/// Fewer values than this make no level.
const LEVEL_COUNT_MIN: usize = 3;
/// Hindsight and gate speak of the same change when they are this close, in runs.
const SAME_CHANGE_RUNS: usize = 6;

/// A stretch of a series at one level: positions `start..end`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) level: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Beyond these a value is odd.
    pub(super) odd: (f64, f64),
}

/// The first run at a new level.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    /// Position of that run.
    pub(super) at: usize,
    pub(super) before: f64,
    pub(super) after: f64,
    pub(super) severity: Severity,
}

/// Levels of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Levels {
    pub(super) stretches: Vec<Stretch>,
    pub(super) splits: Vec<Split>,
}

impl Levels {
    /// Whether the value at a position is one odd run.
    pub(super) fn is_odd(&self, position: usize, value: f64) -> bool {
        let stretch = self.stretches.iter().find(|stretch| (stretch.start..stretch.end).contains(&position));
        stretch.is_some_and(|s| s.end - s.start >= 8 && (value < s.odd.0 || value > s.odd.1))
    }
}

/// Finds the levels of a series: by hindsight, and where the gate found a change there.
pub(super) fn find_levels(track: &Track, findings: &[&Finding], settings: &GateSettings) -> Levels {
    let values = track.values();
    if values.len() < settings.baseline_count_min {
        return Levels::default();
    }
    let is_rate = track.metric() == Metric::SuccessRate;
    let moves = values.windows(2).any(|pair| pair[0].total_cmp(&pair[1]).is_ne());
    let mut places: Vec<usize> = if is_rate || !moves {
        Vec::new()
    } else {
        find_change_points(&values, &Settings::default()).iter().map(|point| point.index).collect()
    };
    let confirmed: Vec<(usize, &Finding)> =
        findings.iter().filter_map(|finding| Some((place_of(track, finding)?, *finding))).collect();
    for (at, _) in &confirmed {
        places.retain(|place| place.abs_diff(*at) > SAME_CHANGE_RUNS);
        places.push(*at);
    }
    places.retain(|place| *place > 0 && *place < values.len());
    places.sort_unstable();
    places.dedup();
    let edges: Vec<usize> = [0].into_iter().chain(places.iter().copied()).chain([values.len()]).collect();
    let stretches: Vec<Stretch> = edges.windows(2).map(|edge| stretch(&values, edge[0], edge[1], is_rate)).collect();
    let splits = stretches
        .windows(2)
        .map(|pair| {
            let finding = confirmed.iter().find(|(at, _)| *at == pair[1].start).map(|(_, finding)| *finding);
            split(&track.series.key, &pair[0], &pair[1], finding, settings)
        })
        .collect();
    Levels { stretches, splits }
}

fn place_of(track: &Track, finding: &Finding) -> Option<usize> {
    let key = &track.series.key;
    let same = key.metric == finding.metric && key.step == finding.step && key.context == finding.context;
    same.then(|| track.series.points.iter().position(|point| point.run_key == finding.since_run_key)).flatten()
}

fn split(
    key: &SeriesKey,
    before: &Stretch,
    after: &Stretch,
    finding: Option<&Finding>,
    settings: &GateSettings,
) -> Split {
    let bands = settings.policy.bands(key);
    match finding {
        Some(finding) => {
            Split { at: after.start, before: finding.baseline, after: finding.current, severity: finding.severity }
        }
        None => {
            let size = Size { before: before.level, after: after.level };
            let severity = grade(size, key.metric, &bands);
            Split { at: after.start, before: before.level, after: after.level, severity }
        }
    }
}

fn stretch(values: &[f64], start: usize, end: usize, is_rate: bool) -> Stretch {
    let own = &values[start..end];
    if is_rate {
        let hits = own.iter().filter(|value| **value >= 0.5).count();
        let (low, high) = wilson_interval(hits as u64, own.len() as u64);
        let everything = (f64::NEG_INFINITY, f64::INFINITY);
        return Stretch { start, end, level: mean(own), low, high, odd: everything };
    }
    // Times and costs spread by ratios: their band is wider above than below.
    let in_logs = own.iter().all(|value| *value > 0.0);
    let to = |value: &f64| if in_logs { value.ln() } else { *value };
    let back = |value: f64| if in_logs { value.exp() } else { value };
    let mut sorted: Vec<f64> = own.iter().map(to).collect();
    sort(&mut sorted);
    let level = median_sorted(&sorted);
    let core = (mad(&sorted, level) * MAD_TO_SIGMA)
        .max((quantile_sorted(&sorted, 0.75) - quantile_sorted(&sorted, 0.25)) * IQR_TO_SIGMA);
    let least = if in_logs { SIGMA_SHARE_MIN } else { level.abs() * SIGMA_SHARE_MIN };
    let sigma = if sorted.len() < LEVEL_COUNT_MIN { least } else { core.max(least) };
    let reach = |sigmas: f64| (back(level - sigmas * sigma), back(level + sigmas * sigma));
    let (low, high) = reach(BAND_SIGMA);
    Stretch { start, end, level: back(level), low, high, odd: reach(OUTLIER_SIGMA) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Series, SeriesContext, SeriesPoint};

    fn track(metric: Metric, values: impl IntoIterator<Item = f64>) -> Track {
        let point = |(at, value): (i64, f64)| SeriesPoint {
            run_key: format!("k{at}").into(),
            run_id: at.to_string().into(),
            started_at: at * 1_000_000_000,
            value,
            revision: None,
            model: None,
            input_size: None,
        };
        let points: Vec<_> = (0_i64..).zip(values).map(point).collect();
        let key = SeriesKey { pipeline: "build".to_owned(), step: None, metric, context: SeriesContext::default() };
        let places = (0..points.len()).collect();
        Track { series: Series { key, points }, places, recent_from: 0 }
    }

    // Between -1 and 1, without a pattern.
    fn noise(at: i32) -> f64 {
        f64::from((at * 7919 + 13) % 101) / 50.0 - 1.0
    }

    #[test]
    fn a_step_splits_the_series_into_two_levels() {
        let values = (0..60).map(|at| if at < 40 { 10.0 } else { 15.0 } + 0.2 * noise(at));
        let levels = find_levels(&track(Metric::Duration, values), &[], &GateSettings::default());
        assert_eq!(levels.splits.iter().map(|split| split.at).collect::<Vec<_>>(), [40]);
        assert_eq!(levels.splits[0].severity, Severity::High);
        assert!((levels.stretches[0].level - 10.0).abs() < 0.1 && (levels.stretches[1].level - 15.0).abs() < 0.1);
    }

    #[test]
    fn one_spike_is_odd_and_no_level() {
        let values = (0..40).map(|at| if at == 20 { 30.0 } else { 10.0 + 0.2 * noise(at) });
        let track = track(Metric::Duration, values);
        let levels = find_levels(&track, &[], &GateSettings::default());
        assert_eq!(levels.splits, []);
        let odd: Vec<usize> = (0..40).filter(|at| levels.is_odd(*at, track.values()[*at])).collect();
        assert_eq!(odd, [20]);
    }

    #[test]
    fn the_band_holds_nearly_all_values_of_its_level() {
        let track = track(Metric::Duration, (0..50).map(|at| 10.0 + noise(at)));
        let levels = find_levels(&track, &[], &GateSettings::default());
        let only = &levels.stretches[0];
        let inside = track.values().iter().filter(|value| (only.low..=only.high).contains(*value)).count();
        assert!(inside >= 49, "{inside} {only:?}");
        assert!(only.low > 0.0 && only.high < 20.0, "{only:?}");
    }

    #[test]
    fn a_rate_stands_at_its_share_with_its_interval() {
        let track = track(Metric::SuccessRate, (0..20).map(|at| if at % 5 == 0 { 0.0 } else { 1.0 }));
        let levels = find_levels(&track, &[], &GateSettings::default());
        let only = &levels.stretches[0];
        assert!((only.level - 0.8).abs() < 1e-12 && only.low < 0.8 && only.high > 0.8, "{only:?}");
        assert!(!levels.is_odd(0, 0.0));
    }

    #[test]
    fn too_few_values_have_no_level() {
        let levels = find_levels(&track(Metric::Duration, [1.0; 7]), &[], &GateSettings::default());
        assert_eq!(levels, Levels::default());
    }
}
