//! One series under the gate: the best split among its newest runs, and how much it proves.

use std::ops::RangeInclusive;

use super::GateSettings;
use super::case::Case;
use super::permute::{normal_scores, score_distance, test_by_shuffling};
use crate::detect::compare::{Level, compare, describe};
use crate::detect::online::{JudgedValues, bears_the_shift, best_split};
use crate::detect::search::adjust_for_search;
use crate::detect::segment::find_change_points;
use crate::detect::settings::Settings;
use crate::detect::stats::normal::{two_sided, upper_quantile};
use crate::detect::stats::rank::{estimate_shift, test_rank_sum};
use crate::detect::stats::rate::{rate_difference_interval, test_rate_rise};
use crate::detect::stats::robust::{autocorrelation, mean, mean_variance_inflation, median};
use crate::model::{FindingKind, Metric};

/// New runs from which on a shuffle can tell; fewer have too few arrangements.
const SHUFFLED_COUNT_MIN: usize = 5;
/// Factor on the p-value of fewer new runs than that: clusters of odd runs are more frequent than any model of them.
const FEW_RUNS_PENALTY: f64 = 4.0;
/// Deviations at which the number of arrangements, not the data, would limit the proof.
const BEYOND_CHANCE_SIGMA: f64 = 6.0;
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

pub(super) fn examine(case: &Case, rho: f64, settings: &GateSettings) -> Examined {
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
    let start = baseline_start(case, settings);
    let first = n.saturating_sub(settings.last).max(start + baseline_min);
    Examined::Checked(best_of(case, start, first..=n - newest_min, rho, settings))
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

fn best_of(case: &Case, start: usize, splits: RangeInclusive<usize>, rho: f64, settings: &GateSettings) -> Change {
    if case.key.metric == Metric::SuccessRate {
        best_rate_split(case, start, splits, settings)
    } else {
        best_level_split(case, start, splits, rho, settings)
    }
}

struct Split {
    at: usize,
    from: usize,
    evidence: f64,
    effect_sigma: f64,
    bears: bool,
}

fn best_level_split(
    case: &Case,
    start: usize,
    splits: RangeInclusive<usize>,
    rho: f64,
    settings: &GateSettings,
) -> Change {
    let n = case.values.len();
    let judged = JudgedValues::new(&case.values);
    let all = judged.slice(0, n);
    let mut best = Split { at: *splits.end(), from: start, evidence: 0.0, effect_sigma: 0.0, bears: false };
    for at in splits.clone() {
        let from = start.max(at.saturating_sub(settings.baseline_count_max));
        let mut level: Level = describe(&all[from..at], None, judged.sigma_floor(from, n));
        level.rho = rho;
        let found = compare(&level, &all[at..]);
        if found.evidence.abs() > best.evidence.abs() {
            let share = judged.shift_share(n, found.shift, level.median).abs();
            let bears = share >= settings.effect_share_min
                && found.effect_sigma.abs() >= settings.effect_sigma_min
                && bears_the_shift(&all[at..], level.median, found.shift);
            let (evidence, effect_sigma) = (found.evidence, found.effect_sigma);
            best = Split { at, from, evidence, effect_sigma, bears };
        }
    }
    let p_value = level_p_value(all, &best, &splits, rho, settings);
    if splits.start() < splits.end() {
        best.at = place_anew(all, &best, &splits);
    }
    let (before, after) = (&case.values[best.from..best.at], &case.values[best.at..]);
    let shift = estimate_shift(before, after, 0.95);
    Change {
        split: best.at,
        start: best.from,
        kind: FindingKind::Step,
        before: median(before),
        after: median(after),
        p_value,
        difference: (shift.low, shift.high),
        reaches_floor: best.bears && test_rank_sum(before, after).p_value < 0.02,
    }
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
fn level_p_value(all: &[f64], best: &Split, splits: &RangeInclusive<usize>, rho: f64, settings: &GateSettings) -> f64 {
    let n = all.len();
    let by_deviate = adjust_for_search(two_sided(best.evidence), splits.clone().count());
    if best.effect_sigma.abs() >= BEYOND_CHANCE_SIGMA {
        return by_deviate;
    }
    if n - best.at < SHUFFLED_COUNT_MIN {
        return (FEW_RUNS_PENALTY * by_deviate).min(1.0);
    }
    let from = best.from.max(splits.start().saturating_sub(settings.baseline_count_max));
    let scores = normal_scores(&all[from..]);
    let counts = n - splits.end()..=n - splits.start();
    let test = test_by_shuffling(&scores, counts, score_distance(&scores));
    let inflation = mean_variance_inflation(rho, (n - best.at) as f64);
    let shuffled = two_sided(upper_quantile(test.p_value / 2.0) / inflation.sqrt());
    if test.at_limit { by_deviate.min(shuffled) } else { shuffled }
}

/// Lag-1 correlation of a series' noise with levels before and after its likeliest split taken out; none where it is
/// too short or a rate.
pub(super) fn own_correlation(case: &Case, settings: &GateSettings) -> Option<f64> {
    let n = case.values.len();
    let newest = n.min(settings.last + settings.baseline_count_max);
    if case.key.metric == Metric::SuccessRate || newest < 12 {
        return None;
    }
    let judged = JudgedValues::new(&case.values);
    let all = &judged.slice(0, n)[n - newest..];
    let split = case.fixed_split.map_or_else(|| best_split(all, 4), |s| s.saturating_sub(n - newest));
    let scores = normal_scores(all);
    let rests: Vec<f64> = [&scores[..split], &scores[split..]]
        .into_iter()
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let center = mean(part);
            part.iter().map(move |v| v - center)
        })
        .collect();
    let rho = autocorrelation(&rests);
    // Two means are estimated: each costs about (1 + 3 rho) / n (Kendall and Ord 1990, 6.5), and the search a little.
    Some(rho + (4.0 + 10.0 * rho) / newest as f64)
}

fn best_rate_split(case: &Case, start: usize, splits: RangeInclusive<usize>, settings: &GateSettings) -> Change {
    let n = case.values.len();
    let from = start.max(splits.start().saturating_sub(settings.baseline_count_max));
    let failed: Vec<f64> = case.values[from..].iter().map(|v| if *v < 0.5 { 1.0 } else { 0.0 }).collect();
    let count = failed.len() as u64;
    let total = failed.iter().sum::<f64>() as u64;
    let rarity = |newest: usize, fails: f64| -> f64 {
        let (after, failed_after) = (newest as u64, fails.round() as u64);
        let (before, failed_before) = (count - after, total - failed_after);
        let rise = test_rate_rise(failed_before, before, failed_after, after);
        let fall = test_rate_rise(before - failed_before, before, after - failed_after, after);
        -(2.0 * rise.min(fall)).min(1.0).ln()
    };
    // Fisher's test once for every split and number of failures: shuffles only look it up.
    let longest = n - splits.start();
    let table: Vec<Vec<f64>> = (0..=longest)
        .map(|newest| {
            (0..=newest.min(total as usize)).map(|f| rarity_or_zero(newest, f, count, total, &rarity)).collect()
        })
        .collect();
    let look_up = |newest: usize, fails: f64| {
        table.get(newest).and_then(|row| row.get(fails.round() as usize)).copied().unwrap_or(0.0)
    };
    let mut best = (f64::NEG_INFINITY, *splits.end());
    for at in splits.clone() {
        let found = look_up(n - at, failed[at - from..].iter().sum());
        if found > best.0 {
            best = (found, at);
        }
    }
    let (strength, at) = best;
    let test = test_by_shuffling(&failed, n - splits.end()..=longest, look_up);
    let bound = adjust_for_search((-strength).exp(), splits.count());
    let (after, failed_after) = ((n - at) as u64, failed[at - from..].iter().sum::<f64>() as u64);
    let (low, high) = rate_difference_interval(total - failed_after, count - after, failed_after, after);
    Change {
        split: at,
        start: from,
        kind: FindingKind::Rate,
        before: mean(&case.values[from..at]),
        after: mean(&case.values[at..]),
        p_value: if test.at_limit { bound.min(test.p_value) } else { test.p_value },
        difference: (-high, -low),
        reaches_floor: strength > 0.0,
    }
}

// Zero where the margins do not allow it.
fn rarity_or_zero(newest: usize, fails: usize, count: u64, total: u64, rarity: &impl Fn(usize, f64) -> f64) -> f64 {
    let possible = newest as u64 <= count && total.saturating_sub(fails as u64) <= count - newest as u64;
    if possible { rarity(newest, fails as f64) } else { 0.0 }
}
