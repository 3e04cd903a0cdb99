//! How often chance alone puts the newest runs so far apart: by shuffling the runs themselves.
//!
//! Exact for any noise whose values may be exchanged (Fisher, Pitman), with the search over splits inside the shuffle.

use crate::detect::stats::normal::upper_quantile;

/// Most shuffles; a p-value below some ten of these parts is the shuffle's limit, not the truth.
const SHUFFLES_MAX: u32 = 20_000;
/// Shuffles at least as extreme after which the p-value is known well enough.
const EXTREMES_MAX: u32 = 60;

/// A p-value by shuffling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ShuffleTest {
    /// (extreme + 1) / (shuffles + 1).
    pub(super) p_value: f64,
    /// Few enough were as extreme that the true value may be far smaller.
    pub(super) at_limit: bool,
}

/// Largest `statistic(count, sum of the newest count values)` over `counts`, against that of shuffled values.
///
/// `counts` must lie in 1..=values.len(). The shuffles are the same for the same input.
pub(super) fn test_by_shuffling(
    values: &[f64],
    counts: std::ops::RangeInclusive<usize>,
    statistic: impl Fn(usize, f64) -> f64,
) -> ShuffleTest {
    let longest = (*counts.end()).min(values.len());
    let largest = |newest: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut best) = (0.0, f64::NEG_INFINITY);
        for (place, value) in newest.take(longest).enumerate() {
            sum += value;
            if counts.contains(&(place + 1)) {
                best = statistic(place + 1, sum).max(best);
            }
        }
        best
    };
    let observed = largest(&mut values.iter().rev().copied());
    let limit = observed - 1e-9 * observed.abs();
    let mut pool = values.to_vec();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ values.len() as u64);
    let (mut extreme, mut shuffles) = (0, 0);
    while shuffles < SHUFFLES_MAX && extreme < EXTREMES_MAX {
        for place in 0..longest {
            let other = place + dice.below(pool.len() - place);
            pool.swap(place, other);
        }
        shuffles += 1;
        extreme += u32::from(largest(&mut pool.iter().copied()) >= limit);
    }
    ShuffleTest { p_value: f64::from(extreme + 1) / f64::from(shuffles + 1), at_limit: extreme < 10 }
}

/// Normal scores of midranks (van der Waerden): mean 0, and for normal noise as good as the values themselves.
pub(super) fn normal_scores(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut scores = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]].total_cmp(&values[order[start]]).is_eq() {
            end += 1;
        }
        let midrank = (start + end + 1) as f64 / 2.0;
        let score = -upper_quantile(midrank / (values.len() + 1) as f64);
        for place in &order[start..end] {
            scores[*place] = score;
        }
        start = end;
    }
    scores
}

/// Standardised distance of the sum of `count` scores, drawn without replacement, from its mean; less for short counts.
///
/// There are more short windows than long ones, and a short one can only ever show a large change: the penalty of
/// multiscale statistics (Dumbgen and Spokoiny 2001) leaves the long ones, which show small changes, their power.
pub(super) fn score_distance(scores: &[f64]) -> impl Fn(usize, f64) -> f64 + use<> {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    move |count, sum| {
        let k = count as f64;
        let spread = (variance * k * (n - k) / n).sqrt();
        let penalty = 0.6 * (2.0 + 2.0 * (n * n / (4.0 * k * (n - k).max(1.0))).ln()).sqrt();
        if spread > 0.0 { (sum - k * mean).abs() / spread - penalty } else { -penalty }
    }
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
        let scores = normal_scores(&values);
        let test = test_by_shuffling(&scores, 5..=5, score_distance(&scores));
        assert!((test.p_value - 2.0 / 3003.0).abs() < 4e-4, "{test:?}");
    }

    #[test]
    fn equal_values_are_no_evidence() {
        let scores = normal_scores(&[1.0; 20]);
        assert!(test_by_shuffling(&scores, 3..=10, score_distance(&scores)).p_value > 0.9);
    }
}
