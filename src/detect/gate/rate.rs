//! Did the newest runs begin to fail? An exact scan over the splits of a series of zeros and ones.
//!
//! At each split the new runs are held against what the runs before it predict (beta-binomial). The
//! rarest split is the likeliest; how often chance gives one as rare is counted, not bounded: given how many of the
//! newest runs fail in all, every order of them is as likely, and the orders that never cross the limit are summed by
//! recursion over the runs; how many fail is again as the runs before all splits predict.

use std::ops::RangeInclusive;

use crate::detect::stats::rate::{RatePrior, predict_hits};

/// Most of the newest runs among which a split is searched.
const SEARCHED_COUNT_MAX: usize = 100;

/// A scan's outcome in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RateScan {
    /// Newest runs at the likeliest split.
    pub(super) count: usize,
    /// Mid-p value, adjusted for the search (Lancaster 1961): half of what is exactly as rare counts.
    pub(super) p_value: f64,
}

/// Looks for a rise of the hits among the newest `counts` runs; `hits` are oldest first, and `counts` must not be empty
/// nor reach beyond them.
pub(super) fn scan_rise(hits: &[bool], counts: RangeInclusive<usize>, prior: RatePrior) -> RateScan {
    if counts.start() == counts.end() {
        return RateScan { count: *counts.end(), p_value: test_rise(hits, *counts.end(), prior) };
    }
    // The recursion grows with the cube of the runs searched.
    let longest = (*counts.end()).min(SEARCHED_COUNT_MAX);
    let counts = (*counts.start()).min(longest)..=longest;
    let known = hits.len() - longest;
    let known_hits = hits[..known].iter().filter(|hit| **hit).count();
    if !rises(hits, &counts) {
        return RateScan { count: longest, p_value: 1.0 };
    }
    let rarity = Rarity::new(known_hits, known, counts, prior);
    let total = hits[known..].iter().filter(|hit| **hit).count();
    let (mut seen, mut best) = (0, (longest, 1.0));
    for (count, hit) in (1..=longest).zip(hits.iter().rev()) {
        seen += usize::from(*hit);
        let found = rarity.of(count, seen, total);
        if found < best.1 {
            best = (count, found);
        }
    }
    let chance_of = predict_hits(prior, known_hits as u64, known as u64, longest as u64);
    let reach = |limit: f64| -> f64 {
        chance_of.iter().enumerate().map(|(hits, chance)| chance * rarity.crossing_chance(hits, limit)).sum()
    };
    let p_value = 0.5 * (reach(best.1 * (1.0 + 1e-9)) + reach(best.1 * (1.0 - 1e-9)));
    RateScan { count: best.0, p_value: p_value.min(1.0) }
}

// Whether the newest runs hit more often than those before them at any split: else nothing need be weighed.
fn rises(hits: &[bool], counts: &RangeInclusive<usize>) -> bool {
    let all = hits.iter().filter(|hit| **hit).count();
    let mut seen = 0;
    (1..=*counts.end()).zip(hits.iter().rev()).any(|(count, hit)| {
        seen += usize::from(*hit);
        counts.contains(&count) && seen * (hits.len() - count) > (all - seen) * count
    })
}

// Where the split is given there is nothing to search: the predictive mid-p value.
fn test_rise(hits: &[bool], count: usize, prior: RatePrior) -> f64 {
    let (before, after) = hits.split_at(hits.len() - count);
    let count_hits = |part: &[bool]| part.iter().filter(|hit| **hit).count();
    let seen = count_hits(after);
    let chances = predict_hits(prior, count_hits(before) as u64, before.len() as u64, count as u64);
    chances[seen + 1..].iter().sum::<f64>() + 0.5 * chances[seen]
}

/// Predictive tails of every split: `tails[count][hits between][hits]`, where the hits between are those of the newest
/// runs that lie before the split.
struct Rarity {
    longest: usize,
    tails: Vec<Vec<Vec<f64>>>,
}

impl Rarity {
    fn new(known_hits: usize, known: usize, counts: RangeInclusive<usize>, prior: RatePrior) -> Self {
        let longest = *counts.end();
        let tail = |count: usize, between: usize| -> Vec<f64> {
            let (hits_before, before) = (known_hits + between, known + longest - count);
            let mut tail = predict_hits(prior, hits_before as u64, before as u64, count as u64);
            for hits in (0..count).rev() {
                tail[hits] += tail[hits + 1];
            }
            // Only a rise counts.
            tail.into_iter()
                .enumerate()
                .map(|(hits, p)| if hits * before > hits_before * count { p } else { 1.0 })
                .collect()
        };
        let tails = (0..=longest)
            .map(|count| {
                if counts.contains(&count) {
                    (0..=longest - count).map(|b| tail(count, b)).collect()
                } else {
                    Vec::new()
                }
            })
            .collect();
        Self { longest, tails }
    }

    fn of(&self, count: usize, hits: usize, total: usize) -> f64 {
        let tail = total.checked_sub(hits).and_then(|between| self.tails[count].get(between));
        tail.and_then(|tail| tail.get(hits)).copied().unwrap_or(1.0)
    }

    // Chance that a random order of `total` hits is, at some split, as rare as `limit`.
    fn crossing_chance(&self, total: usize, limit: f64) -> f64 {
        let mut quiet = vec![0.0; total + 1];
        quiet[0] = 1.0;
        for count in 1..=self.longest {
            let left = (self.longest - count + 1) as f64;
            for hits in (0..=total.min(count)).rev() {
                let stays = quiet[hits] * (1.0 - ((total - hits) as f64 / left).min(1.0));
                let joins = if hits > 0 { quiet[hits - 1] * ((total - hits + 1) as f64 / left).min(1.0) } else { 0.0 };
                quiet[hits] = if self.of(count, hits, total) <= limit { 0.0 } else { stays + joins };
            }
        }
        (1.0 - quiet.iter().sum::<f64>()).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::noise::Draws;

    fn hits(before: usize, failed: usize, newest: &str) -> Vec<bool> {
        (0..before).map(|i| i < failed).chain(newest.chars().map(|c| c == 'x')).collect()
    }

    // SciPy 1.16.3: betabinom.sf(3, 10, 1.5, 29.5) - betabinom.pmf(4, 10, 1.5, 29.5) / 2.
    #[test]
    fn one_split_is_the_predictive_tail() {
        let scan = scan_rise(&hits(30, 1, "x.x..x.x.."), 10..=10, RatePrior::JEFFREYS);
        assert!((scan.p_value - (0.005_266_046_466_165_02 - 0.004_292_653_160_126_515 / 2.0)).abs() < 1e-9, "{scan:?}");
    }

    #[test]
    fn the_scan_finds_where_failures_begin() {
        let scan = scan_rise(&hits(40, 1, "............x.xx.xxx"), 3..=20, RatePrior::RARE);
        assert_eq!(scan.count, 8);
        assert!(scan.p_value < 1e-3, "{scan:?}");
    }

    // The recursion against plain simulation of the same question.
    #[test]
    fn the_chance_of_a_crossing_is_that_of_simulated_orders() {
        let rarity = Rarity::new(1, 20, 3..=12, RatePrior::RARE);
        let (total, limit, mut draws) = (4, 0.02, Draws::new(3, 3));
        let mut crossed = 0;
        for _ in 0..20_000 {
            let mut order: Vec<bool> = (0..12).map(|i| i < total).collect();
            for place in 0..12 {
                order.swap(place, place + (draws.uniform() * (12 - place) as f64) as usize);
            }
            let mut seen = 0;
            crossed += u32::from((1..=12).any(|count| {
                seen += usize::from(order[count - 1]);
                rarity.of(count, seen, total) <= limit
            }));
        }
        let simulated = f64::from(crossed) / 20_000.0;
        assert!((rarity.crossing_chance(total, limit) - simulated).abs() < 0.015, "{simulated}");
    }

    #[test]
    fn nothing_failing_is_no_evidence() {
        assert!((scan_rise(&hits(30, 0, ".........."), 3..=10, RatePrior::RARE).p_value - 1.0).abs() < 1e-12);
    }
}
