//! The online detector: values come one at a time, each change is raised once.

use super::compare::{Comparison, Level, compare, describe, noisiest_spread};
use super::rates::{count_binary, find_rate_step};
use super::settings::Settings;
use super::stats::robust::{autocorrelation, median};

/// Share of the evidence that the cheap look must see.
const SCREEN_SHARE: f64 = 0.6;
/// Looks for which the level of the cheap look holds.
const GLANCE_COUNT: usize = 6;

/// Values for which noise is remembered.
const NOISE_MEMORY: usize = 120;
/// Values by which the likeliest place may lie before that of the best evidence.
const PLACE_REACH: usize = 6;

/// How a level change came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// At one value.
    Step,
    /// Over many.
    Drift,
}

/// One alarm: positions within the values handed in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// First value at the new level.
    pub index: usize,
    /// The value on whose arrival it was raised.
    pub seen_at: usize,
    /// Step or drift.
    pub kind: ChangeKind,
    /// First value of the baseline.
    pub baseline_start: usize,
    /// Signed normal deviate, see [`Comparison::evidence`].
    pub evidence: f64,
    /// Shift in deviations of the noise.
    pub effect_sigma: f64,
    /// Splits that were looked at beside this one.
    pub splits: usize,
}

/// Values in the scale in which they are judged: logarithms as long as all values so far are positive.
#[derive(Debug)]
pub struct JudgedValues<'a> {
    raw: &'a [f64],
    logs: Vec<f64>,
    /// From this position on the raw values are judged.
    raw_from: usize,
}

impl<'a> JudgedValues<'a> {
    /// Takes finite values.
    #[must_use]
    pub fn new(raw: &'a [f64]) -> Self {
        let raw_from = raw.iter().position(|v| *v <= 0.0).unwrap_or(raw.len());
        Self { raw, logs: raw[..raw_from].iter().map(|v| v.ln()).collect(), raw_from }
    }

    /// Values `start..end` as judged when `end - 1` has just arrived.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> &[f64] {
        if end <= self.raw_from { &self.logs[start..end] } else { &self.raw[start..end] }
    }

    /// Whether `slice` up to `end` gives logarithms.
    #[must_use]
    pub fn is_log(&self, end: usize) -> bool {
        end <= self.raw_from
    }

    /// A shift as a share of the level.
    #[must_use]
    pub fn shift_share(&self, end: usize, shift: f64, level: f64) -> f64 {
        if self.is_log(end) {
            shift.exp_m1()
        } else if level == 0.0 {
            f64::INFINITY * shift.signum()
        } else {
            shift / level.abs()
        }
    }

    /// Least deviation that noise may have: 0.1 % of the level.
    #[must_use]
    pub fn sigma_floor(&self, start: usize, end: usize) -> f64 {
        let slice = self.slice(start, end);
        if self.is_log(end) { 0.001 } else { (median(slice).abs() * 0.001).max(f64::MIN_POSITIVE) }
    }
}

/// Raises each change once, as values arrive one after the other; positions refer to `values`, which must be finite.
#[must_use]
pub fn replay(values: &[f64], settings: &Settings) -> Vec<Alarm> {
    let mut watch = Watch::new(values, settings);
    (0..values.len()).filter_map(|at| watch.look(at)).collect()
}

struct Watch<'a> {
    values: JudgedValues<'a>,
    settings: &'a Settings,
    /// First value since the last accepted change.
    start: usize,
    /// Spread before the last accepted change, with the scale in which it holds.
    prior: Option<(f64, bool)>,
    /// Level and deviation for the cheap look, with the value at which it must be taken anew.
    glance: Option<(f64, f64, usize)>,
    /// As many of the first values are zeros and ones.
    binary: usize,
}

impl<'a> Watch<'a> {
    fn new(values: &'a [f64], settings: &'a Settings) -> Self {
        Self {
            values: JudgedValues::new(values),
            settings,
            start: 0,
            prior: None,
            glance: None,
            binary: count_binary(values),
        }
    }

    fn look(&mut self, at: usize) -> Option<Alarm> {
        let end = at + 1;
        if end <= self.binary {
            let known = &self.values.raw[self.start..end];
            let s = self.settings;
            let found = find_rate_step(known, self.start, s.baseline_count_min, s.rate_evidence_min)?;
            self.start = found.index;
            return Some(found);
        }
        let found = self.find_step(end).or_else(|| self.find_drift(end))?;
        let before = self.describe(found.baseline_start, found.index, end);
        self.prior = Some((before.sigma, self.values.is_log(end)));
        self.start = found.index;
        self.glance = None;
        Some(found)
    }

    fn describe(&self, start: usize, split: usize, end: usize) -> Level {
        let all = self.values.slice(self.start.min(start), end);
        let offset = start - self.start.min(start);
        let stretch = &all[offset..offset + (split - start)];
        let prior = self.prior.filter(|(_, log)| *log == self.values.is_log(end)).map(|(sigma, _)| sigma);
        let mut level = describe(stretch, prior, self.values.sigma_floor(start, end));
        let history = &all[..split - self.start.min(start)];
        level.rho = noise_correlation(history, &level);
        level.sigma = level.sigma.max(noisiest_spread(&history[history.len().saturating_sub(NOISE_MEMORY)..]));
        level
    }

    fn find_step(&mut self, end: usize) -> Option<Alarm> {
        let s = self.settings;
        let known = end - self.start;
        if known < s.baseline_count_min + s.window_count_min {
            return None;
        }
        let longest = s.window_count_max.min(known - s.baseline_count_min);
        let mut best: Option<(usize, usize, Comparison)> = None;
        for count in self.screen(end, longest) {
            let split = end - count;
            let from = self.start.max(split.saturating_sub(s.baseline_count_max));
            let before = self.describe(from, split, end);
            let window = &self.values.slice(from, end)[split - from..];
            let found = compare(&before, window);
            if self.accepts(&before, window, &found, end, s.evidence_min)
                && best.as_ref().is_none_or(|(_, _, held)| found.evidence.abs() > held.evidence.abs())
            {
                best = Some((split, from, found));
            }
        }
        best.map(|(split, baseline_start, found)| Alarm {
            index: baseline_start + likeliest_split(self.values.slice(baseline_start, end), split - baseline_start),
            seen_at: end - 1,
            kind: ChangeKind::Step,
            baseline_start,
            evidence: found.evidence,
            effect_sigma: found.effect_sigma,
            splits: longest,
        })
    }

    // Window lengths worth a full comparison: most looks are over after this one, which sorts nothing.
    fn screen(&mut self, end: usize, longest: usize) -> Vec<usize> {
        let (level, sigma) = self.glance_level(end, longest);
        let window = self.values.slice(end - longest, end);
        let limit = SCREEN_SHARE * self.settings.evidence_min;
        let mut sum = 0.0;
        let mut passing = Vec::new();
        for (place, value) in window.iter().rev().enumerate() {
            sum += ((value - level) / sigma).clamp(-4.0, 4.0);
            let count = place + 1;
            if count >= self.settings.window_count_min && sum.abs() >= limit * (count as f64).sqrt() {
                passing.push(count);
            }
        }
        passing
    }

    fn glance_level(&mut self, end: usize, longest: usize) -> (f64, f64) {
        if let Some((level, sigma, stale_at)) = self.glance
            && end < stale_at
            && end - 1 != self.values.raw_from
        {
            return (level, sigma);
        }
        let split = end - longest;
        let from = self.start.max(split.saturating_sub(self.settings.baseline_count_max));
        let all = self.values.slice(from, end);
        // Right after a change the values before the longest window are few: then most of what there is must do.
        let stretch = if split - from >= 2 * longest { split - from } else { (all.len() * 2).div_ceil(3) };
        let level = describe(&all[..stretch], None, self.values.sigma_floor(from, end));
        self.glance = Some((level.median, level.sigma, end + GLANCE_COUNT));
        (level.median, level.sigma)
    }

    fn accepts(&self, before: &Level, window: &[f64], found: &Comparison, end: usize, evidence_min: f64) -> bool {
        let s = self.settings;
        let share = self.values.shift_share(end, found.shift, before.median).abs();
        let newest = &window[window.len() - window.len().min(3)..];
        let back = newest.iter().filter(|v| (**v - before.median) * found.shift.signum() <= 0.0).count();
        found.evidence.abs() >= evidence_min
            && share >= s.effect_share_min
            && found.effect_sigma.abs() >= s.effect_sigma_min
            && found.far_share >= s.far_share_min
            && back <= 1
            && bears_the_shift(window, before.median, found.shift)
    }

    // A slow ramp carries a sliding baseline along; the first values since the last change stay where they are.
    fn find_drift(&self, end: usize) -> Option<Alarm> {
        let s = self.settings;
        let (pinned, newest) = (s.baseline_count_max / 2, s.window_count_max);
        if end - self.start < 2 * pinned + newest || !end.is_multiple_of(5) {
            return None;
        }
        let before = self.describe(self.start, self.start + pinned, end);
        let all = self.values.slice(self.start, end);
        let window = &all[all.len() - newest..];
        let found = compare(&before, window);
        if !self.accepts(&before, window, &found, end, s.drift_evidence_min) || found.far_share < 0.9 {
            return None;
        }
        Some(Alarm {
            index: self.start + best_split(all, pinned / 2),
            seen_at: end - 1,
            kind: ChangeKind::Drift,
            baseline_start: self.start,
            evidence: found.evidence,
            effect_sigma: found.effect_sigma,
            splits: 1,
        })
    }
}

/// Of few new values all must have moved by a third of the shift, of many seven in ten: two spikes among four values are
/// no new level.
#[must_use]
pub fn bears_the_shift(window: &[f64], level: f64, shift: f64) -> bool {
    let moved = window.iter().filter(|v| (**v - level) / shift > 1.0 / 3.0).count();
    let needed = if window.len() <= 4 { window.len() } else { (window.len() * 7).div_ceil(10) };
    moved >= needed
}

/// Correlation of neighbouring values that the noise of means must allow for: what chance gives is left out.
#[must_use]
pub fn noise_correlation(history: &[f64], level: &Level) -> f64 {
    let newest = &history[history.len() - history.len().min(200)..];
    let (low, high) = (level.median - 3.0 * level.sigma, level.median + 3.0 * level.sigma);
    let clipped: Vec<f64> = newest.iter().map(|v| v.clamp(low, high)).collect();
    if clipped.len() < 8 {
        return 0.0;
    }
    let chance = 0.8 / (clipped.len() as f64).sqrt();
    let rho = autocorrelation(&clipped) + 1.0 / clipped.len() as f64;
    if rho <= chance { 0.0 } else { rho.min(0.95) }
}

/// The likeliest place of a change that the evidence puts at `split`: where two levels leave the least rest. Evidence
/// may well be greatest for a window that begins among values that lie apart by chance.
#[must_use]
pub fn likeliest_split(values: &[f64], split: usize) -> usize {
    let (before, after) = (median(&values[..split]), median(&values[split..]));
    let (low, high) = (before.min(after), before.max(after));
    let reach = 0.5 * (high - low);
    let first = split.saturating_sub(PLACE_REACH);
    let clipped: Vec<f64> = values.iter().map(|v| v.clamp(low - reach, high + reach)).collect();
    let place = best_split(&clipped, 2);
    if place >= first && place < values.len() { place } else { split }
}

/// Position that splits values into the two parts whose means lie farthest apart, weighed by their sizes.
#[must_use]
pub fn best_split(values: &[f64], count_min: usize) -> usize {
    let total: f64 = values.iter().sum();
    let n = values.len() as f64;
    let (mut best, mut place, mut left) = (-1.0, values.len() / 2, 0.0);
    for (index, value) in values.iter().enumerate() {
        if index >= count_min && values.len() - index >= count_min {
            let k = index as f64;
            let gain = (left - total * k / n).powi(2) / (k * (n - k)).max(1.0);
            if gain > best {
                (best, place) = (gain, index);
            }
        }
        left += value;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(seed: u64, factor: f64) -> Vec<f64> {
        let mut draws = crate::detect::simulate::noise::Draws::new(seed, 0);
        (0..90).map(|i| 100.0 * (1.0 + 0.03 * draws.normal()) * if i < 60 { 1.0 } else { factor }).collect()
    }

    fn raised(values: &[f64]) -> Vec<(usize, usize)> {
        replay(values, &Settings::default()).iter().map(|a| (a.index, a.seen_at)).collect()
    }

    #[test]
    fn a_step_is_raised_once_within_a_few_values_of_its_first() {
        let found = raised(&step(1, 1.2));
        assert!(matches!(found[..], [(59..=61, 62..=66)]), "{found:?}");
    }

    #[test]
    fn two_spikes_are_no_new_level() {
        let mut values = step(2, 1.0);
        (values[70], values[72]) = (400.0, 300.0);
        assert!(raised(&values).is_empty());
    }

    #[test]
    fn what_was_said_does_not_depend_on_later_values() {
        let values = step(3, 1.15);
        let all = raised(&values);
        let first = all[0];
        assert_eq!(raised(&values[..=first.1]), [first]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_unit_does_not_matter(seed in 0_u64..1000, exponent in -6_i32..7) {
            let values = step(seed, 1.15);
            let scaled: Vec<f64> = values.iter().map(|v| v * 10_f64.powi(exponent)).collect();
            prop_assert_eq!(raised(&values), raised(&scaled));
        }

        #[test]
        fn turned_upside_down_the_same_is_found(seed in 0_u64..1000) {
            // Negative values are judged as they are, so compare within that scale.
            let low: Vec<f64> = step(seed, 1.2).iter().map(|v| v - 150.0).collect();
            let high: Vec<f64> = low.iter().map(|v| -v).collect();
            let (down, up) = (JudgedValues::new(&low), JudgedValues::new(&high));
            prop_assert!(!down.is_log(90) || !up.is_log(90));
            prop_assert_eq!(raised(&low).is_empty(), raised(&high).is_empty());
        }

        #[test]
        fn hostile_values_never_panic(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..60)) {
            let alarms = replay(&values, &Settings::default());
            prop_assert!(alarms.iter().all(|a| a.index <= a.seen_at && a.seen_at < values.len()));
            let _ = crate::detect::segment::find_change_points(&values, &Settings::default());
        }
    }
}
