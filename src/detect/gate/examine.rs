//! One series under the gate: the best split among its newest runs, and how much it proves.

use super::GateSettings;
use super::case::Case;
use crate::detect::compare::{Level, compare, describe};
use crate::detect::online::{JudgedValues, noise_correlation};
use crate::detect::search::adjust_for_search;
use crate::detect::segment::find_change_points;
use crate::detect::settings::Settings;
use crate::detect::stats::normal::two_sided;
use crate::detect::stats::rank::{estimate_shift, test_rank_sum};
use crate::detect::stats::rate::{rate_difference_interval, test_rate_rise};
use crate::detect::stats::robust::{mean, median};
use crate::model::{FindingKind, Metric};

/// The likeliest change of a series.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// First run at the new level.
    pub(super) split: usize,
    /// First run of the baseline.
    pub(super) start: usize,
    /// Step or drift.
    pub(super) kind: FindingKind,
    /// Level before, in the metric's unit.
    pub(super) before: f64,
    /// Level after.
    pub(super) after: f64,
    /// Adjusted for the search over splits.
    pub(super) p_value: f64,
    /// 95 % interval of after minus before.
    pub(super) difference: (f64, f64),
    /// Large enough, and borne by enough of the new runs, to be worth a word.
    pub(super) reaches_floor: bool,
}

/// What a look at a series gave.
#[derive(Clone, Debug)]
pub(super) enum Examined {
    /// Too few runs to say anything.
    Insufficient {
        /// More runs that it takes.
        needed: usize,
    },
    /// Looked at.
    Checked(Change),
}

impl Examined {
    pub(super) fn p_value(&self) -> Option<f64> {
        self.change().map(|change| change.p_value)
    }

    pub(super) fn change(&self) -> Option<&Change> {
        match self {
            Self::Insufficient { .. } => None,
            Self::Checked(change) => Some(change),
        }
    }
}

pub(super) fn examine(case: &Case, settings: &GateSettings) -> Examined {
    let n = case.values.len();
    let (newest_min, baseline_min) = (settings.newest_count_min, settings.baseline_count_min);
    if let Some(split) = case.fixed_split {
        let needed = newest_min.saturating_sub(n - split).max(baseline_min.saturating_sub(split));
        if needed > 0 {
            return Examined::Insufficient { needed };
        }
        return Examined::Checked(best_of(case, 0, split..=split, settings));
    }
    if n < newest_min + baseline_min {
        return Examined::Insufficient { needed: newest_min + baseline_min - n };
    }
    let start = baseline_start(case, settings);
    let first = n.saturating_sub(settings.last).max(start + baseline_min);
    Examined::Checked(best_of(case, start, first..=n - newest_min, settings))
}

// Begins after the last change that is too old to be judged again; with at least a baseline's worth of runs.
fn baseline_start(case: &Case, settings: &GateSettings) -> usize {
    let n = case.values.len();
    if case.key.metric == Metric::SuccessRate || n <= settings.last + settings.baseline_count_min {
        return 0;
    }
    let reach = n.saturating_sub(settings.last + 2 * settings.baseline_count_max);
    let oldest_judged = n - settings.last;
    find_change_points(&case.values[reach..], &Settings::default())
        .iter()
        .map(|point| reach + point.index)
        .filter(|index| *index < oldest_judged && n - index >= settings.baseline_count_min + settings.newest_count_min)
        .max()
        .unwrap_or(0)
}

fn best_of(case: &Case, start: usize, splits: std::ops::RangeInclusive<usize>, settings: &GateSettings) -> Change {
    let looks = splits.clone().count().max(1);
    if case.key.metric == Metric::SuccessRate {
        best_rate_split(case, start, splits, looks, settings)
    } else {
        best_level_split(case, start, splits, looks, settings)
    }
}

struct Split {
    at: usize,
    from: usize,
    evidence: f64,
    bears: bool,
}

fn best_level_split(
    case: &Case,
    start: usize,
    splits: std::ops::RangeInclusive<usize>,
    looks: usize,
    settings: &GateSettings,
) -> Change {
    let n = case.values.len();
    let judged = JudgedValues::new(&case.values);
    let all = judged.slice(0, n);
    let mut best = Split { at: *splits.end(), from: start, evidence: 0.0, bears: false };
    for at in splits {
        let from = start.max(at.saturating_sub(settings.baseline_count_max));
        let mut level: Level = describe(&all[from..at], None, judged.sigma_floor(from, n));
        level.rho = noise_correlation(&all[from..at], &level);
        let found = compare(&level, &all[at..]);
        if found.evidence.abs() > best.evidence.abs() {
            let share = judged.shift_share(n, found.shift, level.median).abs();
            let bears = share >= settings.effect_share_min
                && found.effect_sigma.abs() >= settings.effect_sigma_min
                && bears_the_shift(&all[at..], level.median, found.shift);
            best = Split { at, from, evidence: found.evidence, bears };
        }
    }
    let (before, after) = (&case.values[best.from..best.at], &case.values[best.at..]);
    let shift = estimate_shift(before, after, 0.95);
    Change {
        split: best.at,
        start: best.from,
        kind: FindingKind::Step,
        before: median(before),
        after: median(after),
        p_value: adjust_for_search(two_sided(best.evidence), looks),
        difference: (shift.low, shift.high),
        reaches_floor: best.bears && test_rank_sum(before, after).p_value < 0.02,
    }
}

// Of few new runs all must have moved, of many four in five: two spikes among three runs are no new level.
fn bears_the_shift(window: &[f64], level: f64, shift: f64) -> bool {
    let moved = window.iter().filter(|v| (**v - level) / shift > 1.0 / 3.0).count();
    let needed = if window.len() <= 4 { window.len() } else { (window.len() * 7).div_ceil(10) };
    moved >= needed
}

fn best_rate_split(
    case: &Case,
    start: usize,
    splits: std::ops::RangeInclusive<usize>,
    looks: usize,
    settings: &GateSettings,
) -> Change {
    let fails = |from: usize, to: usize| case.values[from..to].iter().filter(|v| **v < 0.5).count() as u64;
    let n = case.values.len();
    let mut best = (1.0_f64, *splits.end(), start);
    for at in splits {
        let from = start.max(at.saturating_sub(settings.baseline_count_max));
        let (before, after) = ((at - from) as u64, (n - at) as u64);
        let (failed_before, failed_after) = (fails(from, at), fails(at, n));
        let rise = test_rate_rise(failed_before, before, failed_after, after);
        let fall = test_rate_rise(before - failed_before, before, after - failed_after, after);
        let p = (2.0 * rise.min(fall)).min(1.0);
        if p < best.0 {
            best = (p, at, from);
        }
    }
    let (p, at, from) = best;
    let (low, high) = rate_difference_interval(fails(from, at), (at - from) as u64, fails(at, n), (n - at) as u64);
    Change {
        split: at,
        start: from,
        kind: FindingKind::Rate,
        before: mean(&case.values[from..at]),
        after: mean(&case.values[at..]),
        p_value: adjust_for_search(p, looks),
        difference: (-high, -low),
        reaches_floor: p < 1.0,
    }
}
