//! The online detector: values come one at a time, each change is raised once.

use std::borrow::Cow;

use super::compare::{Comparison, Level, PieceSpreads, compare, describe_beside};
use super::judged::JudgedValues;
use super::place::{best_split, likeliest_split};
use super::rates::{count_binary, find_rate_step};
use super::settings::Settings;
use super::shape::shape_of;
use super::stats::robust::{autocorrelation, median};

/// Share of the evidence that the cheap look must see.
const SCREEN_SHARE: f64 = 0.6;
/// Looks for which the level of the cheap look holds.
const GLANCE_COUNT: usize = 6;

/// Values for which noise is remembered.
const NOISE_MEMORY: usize = 120;
/// Most values of which the shape of a change is told.
const SHAPE_MEMORY: usize = 150;

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

/// Raises each change once, as values arrive one after the other; positions refer to `values`, which must be finite.
#[must_use]
pub fn replay(values: &[f64], settings: &Settings) -> Vec<Alarm> {
    let mut watch = Watch::new(values, settings);
    (0..values.len()).filter_map(|at| watch.look(at)).collect()
}

/// Looks at values as they arrive.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    values: JudgedValues<'a>,
    settings: &'a Settings,
    /// First value since the last accepted change.
    start: usize,
    /// Spread before the last accepted change, with the scale in which it holds.
    prior: Option<(f64, bool)>,
    /// Level and deviation for the cheap look, with the value at which it must be taken anew.
    glance: Option<(f64, f64, usize)>,
    /// The oldest values since the last change, against which drift shows.
    pinned: Option<Level>,
    /// Spreads of pieces of the values as judged.
    pieces: PieceSpreads,
    /// As many of the first values are zeros and ones.
    binary: usize,
    /// Begin of the baseline before the last changes that went the same way, and these, signed.
    same_way: (usize, Vec<usize>, f64),
}

impl<'a> Watch<'a> {
    pub(super) fn new(values: &'a [f64], settings: &'a Settings) -> Self {
        Self {
            values: JudgedValues::new(values),
            settings,
            start: 0,
            prior: None,
            glance: None,
            pinned: None,
            pieces: PieceSpreads::default(),
            binary: count_binary(values),
            same_way: (0, Vec::new(), 0.0),
        }
    }

    /// From now on looks at the same values in another form.
    pub(super) fn judge_anew(&mut self, values: Cow<'a, [f64]>) {
        self.values = JudgedValues::new(values);
        (self.glance, self.pinned, self.pieces) = (None, None, PieceSpreads::default());
    }

    /// The values in the form in which they are looked at.
    pub(super) fn values(&self) -> &[f64] {
        &self.values.raw
    }

    /// Looks at the value that has just arrived.
    pub(super) fn look(&mut self, at: usize) -> Option<Alarm> {
        let end = at + 1;
        if end <= self.binary {
            let known = &self.values.raw[self.start..end];
            let s = self.settings;
            let found = find_rate_step(known, self.start, s.baseline_count_min, s.rate_evidence_min)?;
            self.start = found.index;
            return Some(found);
        }
        if at == self.values.raw_from {
            // From here on another scale is judged.
            (self.glance, self.pinned, self.pieces) = (None, None, PieceSpreads::default());
        }
        let found = self.find_step(end).or_else(|| self.find_drift(end))?;
        let (_, before) = self.describe(found.baseline_start, found.index, end);
        self.prior = Some((before.sigma, self.values.is_log(end)));
        self.start = found.index;
        (self.glance, self.pinned) = (None, None);
        if self.same_way.2 * found.evidence <= 0.0 {
            self.same_way = (found.baseline_start, Vec::new(), found.evidence.signum());
        }
        self.same_way.1.push(found.index);
        Some(found)
    }

    // The level of `start..split` by its own values, and with the noise that is remembered; correlation left open.
    fn describe(&mut self, start: usize, split: usize, end: usize) -> (Level, Level) {
        let all = self.values.slice(0, end);
        let prior = self.prior.filter(|(_, log)| *log == self.values.is_log(end)).map(|(sigma, _)| sigma);
        let noisiest = self.pieces.noisiest(all, start..split);
        let own = describe_beside(&all[start..split], noisiest, prior, self.values.sigma_floor(start, end));
        let remembered = self.start.min(start).max(split.saturating_sub(NOISE_MEMORY));
        (own, Level { sigma: own.sigma.max(self.pieces.noisiest(all, remembered..split)), ..own })
    }

    fn correlation(&self, own: &Level, start: usize, split: usize, end: usize) -> f64 {
        noise_correlation(&self.values.slice(self.start.min(start), end)[..split - self.start.min(start)], own)
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
            let judged = self.values.slice(0, end);
            if most_beyond(median(&judged[from..split]), &judged[split..]) < s.far_share_min {
                continue;
            }
            let (own, mut before) = self.describe(from, split, end);
            let window = &self.values.slice(0, end)[split..];
            // Correlation weakens evidence: where there is too little without it, nobody need know it.
            if !self.accepts(&before, window, &compare(&before, window), end, s.evidence_min) {
                continue;
            }
            before.rho = self.correlation(&own, from, split, end);
            let found = compare(&before, window);
            if self.accepts(&before, window, &found, end, s.evidence_min)
                && best.as_ref().is_none_or(|(_, _, held)| found.evidence.abs() > held.evidence.abs())
            {
                best = Some((split, from, found));
            }
        }
        best.map(|(split, baseline_start, found)| {
            let judged = self.values.slice(baseline_start, end);
            let index = baseline_start + likeliest_split(judged, split - baseline_start);
            Alarm {
                index,
                seen_at: end - 1,
                kind: self.shape(baseline_start, index, found.evidence, end),
                baseline_start,
                evidence: found.evidence,
                effect_sigma: found.effect_sigma,
                splits: longest,
            }
        })
    }

    // A slow ramp is cut into steps: together with the changes before that went the same way it is seen as one.
    fn shape(&self, baseline_start: usize, index: usize, evidence: f64, end: usize) -> ChangeKind {
        let (begin, earlier, sign) = &self.same_way;
        let goes_on = sign * evidence > 0.0;
        let from = if goes_on { (*begin).max(end.saturating_sub(SHAPE_MEMORY)) } else { baseline_start };
        let earlier = earlier.iter().filter(|at| goes_on && **at > from && **at < index);
        let splits: Vec<usize> = earlier.chain(std::iter::once(&index)).map(|at| at - from).collect();
        shape_of(self.values.slice(from, end), &splits)
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
        {
            return (level, sigma);
        }
        let split = end - longest;
        let from = self.start.max(split.saturating_sub(self.settings.baseline_count_max));
        let all = self.values.slice(from, end);
        // Right after a change the values before the longest window are few: then most of what there is must do.
        let stretch = if split - from >= 2 * longest { split - from } else { (all.len() * 2).div_ceil(3) };
        let noisiest = self.pieces.noisiest(self.values.slice(0, end), from..from + stretch);
        let level = describe_beside(&all[..stretch], noisiest, None, self.values.sigma_floor(from, end));
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
    fn find_drift(&mut self, end: usize) -> Option<Alarm> {
        let s = self.settings;
        let (pinned, newest) = (s.baseline_count_max / 2, s.window_count_max);
        if end - self.start < 2 * pinned + newest || !end.is_multiple_of(5) {
            return None;
        }
        let before = self.pinned_level(pinned, end);
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

    fn pinned_level(&mut self, count: usize, end: usize) -> Level {
        if let Some(level) = self.pinned {
            return level;
        }
        let (own, mut level) = self.describe(self.start, self.start + count, end);
        level.rho = self.correlation(&own, self.start, self.start + count, end);
        // Raw values have a resolution that hangs on all of them: nothing to keep.
        self.pinned = Some(level).filter(|_| self.values.is_log(end));
        level
    }
}

// Share of a window that lies beyond a level, up or down, whichever is more.
fn most_beyond(level: f64, window: &[f64]) -> f64 {
    let above = window.iter().filter(|v| **v > level).count();
    let below = window.iter().filter(|v| **v < level).count();
    above.max(below) as f64 / window.len().max(1) as f64
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
