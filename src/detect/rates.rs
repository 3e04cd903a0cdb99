//! Series of zeros and ones, such as runs that failed or not: shares have no noise to be measured, so they are judged by
//! exact chances instead.

use std::ops::Range;

use super::online::{Alarm, ChangeKind};
use super::stats::normal::upper_quantile;
use super::stats::rate::{RatePrior, predict_hits};

/// Longest window of new values: a failure rate that goes from 5 to 25 % takes some 30 values to show.
const WINDOW_COUNT_MAX: usize = 60;
/// Shortest: three failures in a row are the least that can be told from bad luck.
const WINDOW_COUNT_MIN: usize = 3;
/// Most values before a window.
const BASELINE_COUNT_MAX: usize = 200;

/// Share below which hits are taken to be rare.
const RARE_SHARE: f64 = 0.15;

/// How many of the first values are all zero or one, where both occur or nothing else does.
#[must_use]
pub fn count_binary(values: &[f64]) -> usize {
    values.iter().position(|v| *v != 0.0 && (*v - 1.0).abs() > 0.0).unwrap_or(values.len())
}

/// The strongest rise of either value among windows that end with the newest; `values` are those since the last change.
///
/// `offset` is the position of the first of them. Evidence below `evidence_min`, a normal deviate, is none.
#[must_use]
pub fn find_rate_step(values: &[f64], offset: usize, baseline_min: usize, evidence_min: f64) -> Option<Alarm> {
    let n = values.len();
    let hit = *values.last()? > 0.5;
    let is_hit = |v: &f64| (*v > 0.5) == hit;
    let longest = WINDOW_COUNT_MAX.min(n.checked_sub(baseline_min)?);
    let mut hits = 0_u64;
    let mut best: Option<Alarm> = None;
    for count in 1..=longest {
        // A window that does not begin with a hit is weaker than the one that begins with the next.
        let opens = is_hit(&values[n - count]);
        hits += u64::from(opens);
        if !opens || count < WINDOW_COUNT_MIN {
            continue;
        }
        let from = (n - count).saturating_sub(BASELINE_COUNT_MAX);
        let evidence = rise_evidence(&values[from..n - count], hits, count as u64, is_hit);
        if evidence >= evidence_min && best.is_none_or(|held| evidence > held.evidence.abs()) {
            best = Some(Alarm {
                index: offset + n - count,
                seen_at: offset + n - 1,
                kind: ChangeKind::Step,
                baseline_start: offset + from,
                evidence: if hit { evidence } else { -evidence },
                effect_sigma: evidence / (count as f64).sqrt(),
                splits: longest,
            });
        }
    }
    best
}

// Normal deviate as rare as so many hits, from what the values before predict (mid-p); 0 where the share did not rise.
fn rise_evidence(before: &[f64], hits: u64, count: u64, is_hit: impl Fn(&f64) -> bool) -> f64 {
    let known = before.len() as u64;
    let hits_before = before.iter().filter(|v| is_hit(v)).count() as u64;
    if hits * known <= hits_before * count {
        return 0.0;
    }
    let prior = match hits_before as f64 / known as f64 {
        share if share < RARE_SHARE => RatePrior::RARE,
        share if share > 1.0 - RARE_SHARE => RatePrior::USUAL,
        _ => RatePrior::JEFFREYS,
    };
    let chances = predict_hits(prior, hits_before, known, count);
    let place = hits as usize;
    let tail = chances[place + 1..].iter().sum::<f64>() + 0.5 * chances[place];
    upper_quantile(tail.max(1e-300))
}

/// Of `splits`, those that still stand with hindsight, each placed where the shares before and after differ most, with
/// their evidence.
#[must_use]
pub fn settle_rate_splits(
    values: &[f64],
    mut splits: Vec<usize>,
    evidence_min: f64,
) -> Vec<(usize, Range<usize>, f64)> {
    loop {
        let mut settled: Vec<(usize, Range<usize>, f64)> = Vec::new();
        for place in 0..splits.len() {
            let from = settled.last().map_or(0, |(at, _, _)| *at);
            let to = splits.get(place + 1).copied().unwrap_or(values.len());
            let at = from + super::place::best_split(&values[from..to], WINDOW_COUNT_MIN);
            settled.push((at, from..to, two_sided_evidence(&values[from..at], &values[at..to])));
        }
        let weakest = settled.iter().enumerate().min_by(|a, b| a.1.2.abs().total_cmp(&b.1.2.abs()));
        match weakest {
            Some((place, (_, _, evidence))) if evidence.abs() < evidence_min => {
                splits.remove(place);
            }
            _ => return settled,
        }
    }
}

fn two_sided_evidence(before: &[f64], after: &[f64]) -> f64 {
    let rise = |is_hit: fn(&f64) -> bool| {
        let hits = after.iter().filter(|v| is_hit(v)).count() as u64;
        rise_evidence(before, hits, after.len() as u64, is_hit)
    };
    let (ones, zeros) = (rise(|v| *v > 0.5), rise(|v| *v <= 0.5));
    if ones >= zeros { ones } else { -zeros }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::online::replay;
    use crate::detect::segment::find_change_points;
    use crate::detect::settings::Settings;
    use crate::detect::simulate::noise::Draws;

    fn failures(seed: u64, shares: &[(usize, f64)]) -> Vec<f64> {
        let mut draws = Draws::new(seed, 9);
        let draw = |(count, share): &(usize, f64)| -> Vec<f64> {
            (0..*count).map(|_| f64::from(u8::from(draws.uniform() < *share))).collect()
        };
        shares.iter().flat_map(draw).collect()
    }

    #[test]
    fn a_failure_rate_that_rises_is_a_change_in_replay_and_with_hindsight() {
        let values = failures(4, &[(100, 0.05), (100, 0.4)]);
        let raised = replay(&values, &Settings::default());
        assert!(raised[0].index.abs_diff(100) <= 8 && raised[0].evidence > 0.0, "{raised:?}");
        let points = find_change_points(&values, &Settings::default());
        assert!(points[0].index.abs_diff(100) <= 8 && points[0].evidence > 0.0, "{points:?}");
    }

    #[test]
    fn a_steady_failure_rate_raises_less_than_one_alarm_in_a_thousand_looks() {
        let raised = |seed| replay(&failures(seed, &[(200, 0.1)]), &Settings::default()).len();
        assert!((0..50).map(raised).sum::<usize>() < 10);
    }

    // SciPy 1.16.3: norm.isf(betabinom.sf(4, 10, 2.5, 62.5) + betabinom.pmf(4, 10, 2.5, 62.5) / 2) = 3.147426.
    #[test]
    fn evidence_is_the_deviate_of_the_predictive_tail() {
        let before: Vec<f64> = (0..60).map(|i| f64::from(u8::from(i < 2))).collect();
        let evidence = rise_evidence(&before, 4, 10, |v| *v > 0.5);
        assert!((evidence - 3.147_426_422_844).abs() < 1e-6, "{evidence}");
    }
}
