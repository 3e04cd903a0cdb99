//! One series under the gate: the best split among its newest runs, and how much it proves.

use std::ops::RangeInclusive;

use super::GateSettings;
use super::case::Case;
use super::permute::{SplitFactors, clipped_scores};
use super::rate::scan_rise;
use crate::detect::compare::{Comparison, Level, compare, describe};
use crate::detect::judged::JudgedValues;
use crate::detect::online::bears_the_shift;
use crate::detect::place::best_split;
use crate::detect::search::adjust_for_search;
use crate::detect::segment::{ChangePoint, find_lasting_changes};
use crate::detect::settings::Settings;
use crate::detect::stats::normal::{two_sided, upper_quantile};
use crate::detect::stats::rank::estimate_shift;
use crate::detect::stats::rate::{RatePrior, rate_difference_interval};
use crate::detect::stats::robust::{mean, mean_variance_inflation, median};
use crate::model::{FindingKind, Metric};

/// New runs from which on a shuffle can tell; fewer have too few arrangements.
const SHUFFLED_COUNT_MIN: usize = 5;
/// Factor on the p-value of fewer new runs than that: clusters of odd runs are more frequent than any model of them.
const FEW_RUNS_PENALTY: f64 = 2.0;
/// Deviations at which the number of arrangements, not the data, would limit the proof.
const BEYOND_CHANCE_SIGMA: f64 = 6.0;
/// How much likelier a change is to begin with another revision than with the same one again.
const NEW_REVISION_WEIGHT: f64 = 10.0;
/// Runs by which the likeliest place may differ from that of the best evidence.
const PLACE_REACH: usize = 6;

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
    /// Correlation of neighbouring runs that was allowed for.
    pub(super) rho: f64,
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

/// Level changes of a series among whose newest runs one is searched; none of a rate, nor of a series that is too short
/// for an older level.
pub(super) fn level_changes(case: &Case<'_>, settings: &GateSettings) -> Vec<ChangePoint> {
    let is_level = case.fixed_split.is_none() && case.key.metric != Metric::SuccessRate;
    if !is_level || case.values.len() <= settings.last + settings.baseline_count_min {
        return Vec::new();
    }
    find_lasting_changes(&case.values, &Settings::default())
}

/// Looks at one series; `changes` are its [`level_changes`], `rho` the correlation of neighbouring runs to allow for.
pub(super) fn examine(case: &Case<'_>, changes: &[ChangePoint], rho: f64, settings: &GateSettings) -> Examined {
    let n = case.values.len();
    let (newest_min, baseline_min) = (settings.newest_count_min, settings.baseline_count_min);
    if let Some(split) = case.fixed_split {
        let needed = newest_min.saturating_sub(n - split).max(baseline_min.saturating_sub(split));
        if needed > 0 {
            return Examined::Insufficient { needed };
        }
        return Examined::Checked(best_of(case, 0, split..=split, rho, settings));
    }
    if n < newest_min + baseline_min {
        return Examined::Insufficient { needed: newest_min + baseline_min - n };
    }
    let start = baseline_start(n, changes, settings);
    let first = n.saturating_sub(settings.last).max(start + baseline_min);
    Examined::Checked(best_of(case, start, first..=n - newest_min, rho, settings))
}

// Begins after the last change that is too old to be judged again; with at least a baseline's worth of runs.
fn baseline_start(n: usize, changes: &[ChangePoint], settings: &GateSettings) -> usize {
    let oldest_judged = n.saturating_sub(settings.last);
    changes
        .iter()
        .map(|point| point.index)
        .filter(|index| *index < oldest_judged && n - index >= settings.baseline_count_min + settings.newest_count_min)
        .max()
        .unwrap_or(0)
}

fn best_of(case: &Case<'_>, start: usize, splits: RangeInclusive<usize>, rho: f64, settings: &GateSettings) -> Change {
    if case.key.metric == Metric::SuccessRate {
        best_rate_split(case, start, splits, settings)
    } else {
        best_level_split(case, start, splits, rho, settings)
    }
}

// How likely a change is to begin with a run, before its values are looked at: with another revision rather than amid one.
fn split_weight(case: &Case<'_>, at: usize) -> f64 {
    let revision = |place: usize| case.points.get(place).and_then(|p| p.revision.as_deref());
    match (at.checked_sub(1).and_then(revision), revision(at)) {
        (Some(old), Some(new)) if old != new => NEW_REVISION_WEIGHT,
        _ => 1.0,
    }
}

struct Split {
    at: usize,
    from: usize,
    level: Level,
    found: Comparison,
    /// Up or down.
    sign: f64,
}

fn best_level_split(
    case: &Case<'_>,
    start: usize,
    splits: RangeInclusive<usize>,
    rho: f64,
    settings: &GateSettings,
) -> Change {
    let n = case.values.len();
    let judged = JudgedValues::new(&case.values);
    let all = judged.slice(0, n);
    let pool = start.max(splits.start().saturating_sub(settings.baseline_count_max));
    let scores = clipped_scores(&all[pool..]);
    let factors =
        SplitFactors::new(&scores, n - splits.end()..=n - splits.start(), |count| split_weight(case, n - count));
    let (count, sign) = factors.best_count(&scores);
    let at = n - count;
    let from = start.max(at.saturating_sub(settings.baseline_count_max));
    let mut level: Level = describe(&all[from..at], None, judged.sigma_floor(from, n));
    level.rho = rho;
    let found = compare(&level, &all[at..]);
    let mut best = Split { at, from, level, found, sign };
    let p_value = level_p_value(&scores, &factors, &best, n, &splits);
    let share = judged.shift_share(n, found.shift, level.median).abs();
    let reaches_floor = share >= settings.effect_share_min
        && found.effect_sigma.abs() >= settings.effect_sigma_min
        && (n - at >= SHUFFLED_COUNT_MIN || bears_the_shift(&all[at..], level.median, found.shift));
    if splits.start() < splits.end() {
        best.at = place_anew(all, &best, &splits);
    }
    let (before, after) = (&case.values[best.from..best.at], &case.values[best.at..]);
    Change {
        split: best.at,
        start: best.from,
        kind: FindingKind::Step,
        before: median(before),
        after: median(after),
        p_value,
        rho,
        reaches_floor,
    }
}

/// 95 % interval of after minus before, in the metric's unit.
pub(super) fn difference_of(case: &Case<'_>, change: &Change) -> (f64, f64) {
    if change.kind == FindingKind::Rate {
        let (before, after) = (&case.values[change.start..change.split], &case.values[change.split..]);
        let count_failed = |part: &[f64]| part.iter().filter(|v| **v < 0.5).count() as u64;
        let (failed_before, failed_after) = (count_failed(before), count_failed(after));
        let (low, high) =
            rate_difference_interval(failed_before, before.len() as u64, failed_after, after.len() as u64);
        return (-high, -low);
    }
    // It is drawn where the values are judged: what multiplies a skewed metric shifts its logarithm, and only there have
    // both sides the same spread. Autocorrelation widens it.
    let judged = JudgedValues::new(&case.values);
    let all = judged.slice(0, case.values.len());
    let shift = estimate_shift(&all[change.start..change.split], &all[change.split..], 0.95);
    let widen = mean_variance_inflation(change.rho, (all.len() - change.split) as f64).sqrt();
    let in_unit = |end: f64| {
        let moved = shift.estimate + (end - shift.estimate) * widen;
        if judged.is_log(all.len()) { change.before * moved.exp_m1() } else { moved }
    };
    (in_unit(shift.low), in_unit(shift.high))
}

// The likeliest place near the best evidence: where two levels leave the least rest. A window's own noise, which tempers
// evidence, says nothing of places.
fn place_anew(all: &[f64], best: &Split, splits: &RangeInclusive<usize>) -> usize {
    let level = median(&all[best.from..best.at]);
    let after = median(&all[best.at..]);
    let (low, high) = (level.min(after), level.max(after));
    let reach = 0.5 * (high - low);
    let clipped: Vec<f64> = all[best.from..].iter().map(|v| v.clamp(low - reach, high + reach)).collect();
    let count_min = (all.len() - splits.end()).min(all.len() - best.at);
    let at = best.from + best_split(&clipped, count_min.max(1));
    if splits.contains(&at) && at.abs_diff(best.at) <= PLACE_REACH { at } else { best.at }
}

// By shuffling where it can tell, else by the normal deviate; autocorrelation makes either less of a surprise.
fn level_p_value(
    scores: &[f64],
    factors: &SplitFactors,
    best: &Split,
    n: usize,
    splits: &RangeInclusive<usize>,
) -> f64 {
    let by_deviate = adjust_for_search(two_sided(best.found.evidence), splits.clone().count());
    if best.found.effect_sigma.abs() >= BEYOND_CHANCE_SIGMA {
        return by_deviate;
    }
    if splits.start() == splits.end() && n - best.at < SHUFFLED_COUNT_MIN {
        return (FEW_RUNS_PENALTY * by_deviate).min(1.0);
    }
    let test = factors.test_by_shuffling(scores, best.sign, by_deviate);
    let inflation = mean_variance_inflation(best.level.rho, (n - best.at) as f64);
    let shuffled = two_sided(upper_quantile(test.p_value / 2.0) / inflation.sqrt());
    if test.at_limit { by_deviate.min(shuffled) } else { shuffled }
}

fn best_rate_split(case: &Case<'_>, start: usize, splits: RangeInclusive<usize>, settings: &GateSettings) -> Change {
    let n = case.values.len();
    let from = start.max(splits.start().saturating_sub(settings.baseline_count_max));
    let failed: Vec<bool> = case.values[from..].iter().map(|v| *v < 0.5).collect();
    let passed: Vec<bool> = failed.iter().map(|f| !f).collect();
    let counts = n - splits.end()..=n - splits.start();
    let (rise, fall) =
        (scan_rise(&failed, counts.clone(), RatePrior::RARE), scan_rise(&passed, counts, RatePrior::USUAL));
    let scan = if rise.p_value <= fall.p_value { rise } else { fall };
    let at = n - scan.count;
    Change {
        split: at,
        start: from,
        kind: FindingKind::Rate,
        before: mean(&case.values[from..at]),
        after: mean(&case.values[at..]),
        p_value: (2.0 * scan.p_value).min(1.0),
        rho: 0.0,
        reaches_floor: scan.p_value < 1.0,
    }
}
