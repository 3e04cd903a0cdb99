//! How often chance alone puts the newest runs so far apart: by shuffling the runs themselves.
//!
//! Exact for any noise whose values may be exchanged (Fisher, Pitman), with the search over splits inside the shuffle.

use std::ops::RangeInclusive;

use crate::detect::stats::robust::{MAD_TO_SIGMA, mad, median};

/// Most shuffles; a p-value below some ten of these parts is the shuffle's limit, not the truth.
const SHUFFLES_MAX: u32 = 20_000;
/// Shuffles at least as extreme after which the p-value is known well enough.
const EXTREMES_MAX: u32 = 60;
/// The same where at least one shuffle in [`LARGE_SHARE`] is: far from any limit of a finding.
const EXTREMES_LARGE: u32 = 20;
const LARGE_SHARE: u32 = 20;
/// Shuffles without one as extreme that bear out a p-value by the deviate as small as [`DEVIATE_PLAIN`].
const SHUFFLES_PLAIN: u32 = 5_000;
const DEVIATE_PLAIN: f64 = 1e-5;
/// Deviations beyond which a value counts as if it lay there: spikes keep their side and lose their weight.
const CLIP_SIGMA: f64 = 3.0;
/// Typical size of a change, in deviations: the spread of the effect under the alternative.
const EFFECT_SIGMA: f64 = 3.0;

/// A p-value by shuffling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ShuffleTest {
    /// Twice (extreme + 1) / (shuffles + 1).
    pub(super) p_value: f64,
    /// Few enough were as extreme that the true value may be far smaller.
    pub(super) at_limit: bool,
}

/// Values about their median in deviations, clipped. Both come from the pool alone, whatever its order, so that a
/// shuffle of the scores is as fair as one of the values.
pub(super) fn clipped_scores(values: &[f64]) -> Vec<f64> {
    let center = median(values);
    let mut sigma = MAD_TO_SIGMA * mad(values, center);
    if sigma <= 0.0 {
        // More than half of the values are equal: the mean deviation of the others speaks.
        let apart: Vec<f64> = values.iter().map(|v| (v - center).abs()).filter(|d| *d > 0.0).collect();
        sigma = if apart.is_empty() { 1.0 } else { median(&apart) };
    }
    values.iter().map(|v| ((v - center) / sigma).clamp(-CLIP_SIGMA, CLIP_SIGMA)).collect()
}

/// Evidence of a change at any of several splits: the Bayes factor of a shift whose size is normal with deviation
/// [`EFFECT_SIGMA`] against none, averaged over the splits.
///
/// The average over places, not the best place alone, is what has the most power where the place is unknown; and a
/// Bayes factor weighs short windows, which there are many of, against long ones without a penalty made up for it.
pub(super) struct SplitFactors {
    counts: RangeInclusive<usize>,
    mean: f64,
    /// For each count, (offset, rate): the logarithm of the factor is offset + rate x (distance of the sum)^2.
    terms: Vec<(f64, f64)>,
}

impl SplitFactors {
    /// For the newest `counts` values of `scores`; `counts` must lie in 1..scores.len(). `weight_of` says how likely a
    /// change with so many new values is beforehand: any scale, but never from the values themselves.
    pub(super) fn new(scores: &[f64], counts: RangeInclusive<usize>, weight_of: impl Fn(usize) -> f64) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let term = |count: usize| {
            let k = count as f64;
            // Values that a split's two means together are worth.
            let worth = k * (n - k) / n;
            let gain = worth * EFFECT_SIGMA.powi(2);
            let spread = variance * worth;
            (
                weight_of(count).ln() - 0.5 * gain.ln_1p(),
                if spread > 0.0 { 0.5 * gain / (1.0 + gain) / spread } else { 0.0 },
            )
        };
        Self { terms: counts.clone().map(term).collect(), counts, mean }
    }

    // Tells of each count the logarithm of its factor, signed distance beside it.
    fn for_each(&self, newest: impl Iterator<Item = f64>, mut tell: impl FnMut(usize, f64, f64)) {
        let mut distance = 0.0;
        for (count, value) in (1..=*self.counts.end()).zip(newest) {
            distance += value - self.mean;
            if let Some((offset, rate)) = count.checked_sub(*self.counts.start()).and_then(|i| self.terms.get(i)) {
                tell(count, offset + rate * distance * distance, distance);
            }
        }
    }

    // What points the other way speaks against, as much as no distance does.
    fn total(&self, newest: impl Iterator<Item = f64>, sign: f64) -> f64 {
        let mut sum = 0.0;
        self.for_each(newest, |_, log_factor, distance| {
            sum += if distance * sign > 0.0 { log_factor.exp() } else { 0.0 };
        });
        sum
    }

    /// The number of newest values whose factor is largest, and which way they lie.
    pub(super) fn best_count(&self, scores: &[f64]) -> (usize, f64) {
        let mut best = (*self.counts.end(), f64::NEG_INFINITY, 1.0);
        self.for_each(scores.iter().rev().copied(), |count, log_factor, distance| {
            if log_factor > best.1 {
                best = (count, log_factor, distance.signum());
            }
        });
        (best.0, best.2)
    }

    /// The averaged factor of `scores`, newest last, in the direction `sign`, against that of shuffled ones; twice the
    /// one-sided chance, since the direction was looked up. The shuffles are the same for the same input.
    ///
    /// Where `by_deviate`, which holds beyond the limit of the shuffles, is far smaller than that limit, a few thousand
    /// without one as extreme are enough.
    pub(super) fn test_by_shuffling(&self, scores: &[f64], sign: f64, by_deviate: f64) -> ShuffleTest {
        let longest = (*self.counts.end()).min(scores.len());
        let observed = self.total(scores.iter().rev().copied(), sign);
        if observed <= 0.0 {
            // Nothing points this way: every order says as much.
            return ShuffleTest { p_value: 1.0, at_limit: false };
        }
        let limit = self.limit(observed * (1.0 - 1e-9));
        // Turned so that what points the way of `sign` is positive.
        let mut pool: Vec<f64> = scores.iter().map(|score| (score - self.mean) * sign).collect();
        let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ scores.len() as u64);
        let (mut extreme, mut shuffles) = (0, 0);
        while shuffles < SHUFFLES_MAX && !is_known(extreme, shuffles) {
            if shuffles == SHUFFLES_PLAIN && extreme == 0 && by_deviate <= DEVIATE_PLAIN {
                break;
            }
            for place in 0..longest {
                let other = place + dice.below(pool.len() - place);
                pool.swap(place, other);
            }
            shuffles += 1;
            extreme += u32::from(self.reaches(&pool[..longest], &limit));
        }
        let one_sided = f64::from(extreme + 1) / f64::from(shuffles + 1);
        ShuffleTest { p_value: (2.0 * one_sided).min(1.0), at_limit: extreme < 10 }
    }

    // Distances from which a single split reaches `sum`, and below which all together cannot: between them factors must
    // be added up, which takes an exponential each.
    fn limit(&self, sum: f64) -> Limit {
        let log_sum = sum.ln();
        let at = |log_factor: f64, &(offset, rate): &(f64, f64)| match log_factor - offset {
            excess if excess <= 0.0 => 0.0,
            excess => (excess / rate).sqrt(),
        };
        let share = (self.terms.len() as f64).ln();
        Limit {
            sum,
            enough: self.terms.iter().map(|term| at(log_sum + 1e-12, term)).collect(),
            too_little: self.terms.iter().map(|term| at(log_sum - share - 1e-12, term)).collect(),
        }
    }

    // Whether the factors of `newest`, newest first and turned, reach the limit together.
    fn reaches(&self, newest: &[f64], limit: &Limit) -> bool {
        let (before, from) = newest.split_at((*self.counts.start() - 1).min(newest.len()));
        let begin: f64 = before.iter().sum();
        let (mut distance, mut undecided) = (begin, false);
        for ((value, enough), too_little) in from.iter().zip(&limit.enough).zip(&limit.too_little) {
            distance += value;
            if distance > *enough {
                return true;
            }
            undecided |= distance > *too_little;
        }
        if !undecided {
            return false;
        }
        let (mut distance, mut sum) = (begin, 0.0);
        for (value, (offset, rate)) in from.iter().zip(&self.terms) {
            distance += value;
            sum += if distance > 0.0 { (offset + rate * distance * distance).exp() } else { 0.0 };
        }
        sum >= limit.sum
    }
}

/// What a sum of factors is held against; distances are those of the splits, shortest window first.
struct Limit {
    sum: f64,
    enough: Vec<f64>,
    too_little: Vec<f64>,
}

// A p-value that no limit is near need not be known as well (Besag and Clifford 1991).
fn is_known(extreme: u32, shuffles: u32) -> bool {
    extreme >= EXTREMES_MAX || (extreme >= EXTREMES_LARGE && extreme * LARGE_SHARE > shuffles)
}

// SplitMix64 (Steele, Lea and Flood 2014): fast, and the same on every machine and in every version.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // High half of the product: without the bias of a remainder, and without a division.
        ((u128::from(z) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_split_is_as_rare_as_its_arrangement() {
        // Of the 3,003 ways to choose 5 of 15, one is the largest and one the smallest.
        let values: Vec<f64> = (0..15).map(f64::from).collect();
        let scores = clipped_scores(&values);
        let test = SplitFactors::new(&scores, 5..=5, |_| 1.0).test_by_shuffling(&scores, 1.0, 1.0);
        assert!((test.p_value - 2.0 / 3003.0).abs() < 4e-4, "{test:?}");
    }

    #[test]
    fn equal_values_are_no_evidence() {
        let scores = clipped_scores(&[1.0; 20]);
        assert!(SplitFactors::new(&scores, 3..=10, |_| 1.0).test_by_shuffling(&scores, 1.0, 1.0).p_value > 0.9);
    }

    // SciPy 1.16.3: permutation_test of mean - mean, two-sided (twice the smaller tail), all 495 arrangements: 0.016162.
    #[test]
    fn one_split_is_the_permutation_test_of_two_means() {
        let scores = [0.1, -0.4, 0.3, 0.0, -0.2, 0.5, -0.1, 0.2, 0.4, 0.6, 0.35, 0.55];
        let test = SplitFactors::new(&scores, 4..=4, |_| 1.0).test_by_shuffling(&scores, 1.0, 1.0);
        assert!((test.p_value - 0.016_162).abs() < 0.006, "{test:?}");
    }
}
