//! Rank tests and the shift that goes with them.

use super::normal::{two_sided, upper_quantile};
use super::robust::{median_sorted, sort};

/// Result of a Mann-Whitney test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankTest {
    /// U of the second sample: pairs in which it is the larger, ties counted half.
    pub u: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Mann-Whitney U: exact where there are no ties and at most 400 pairs, else normal with tie and continuity correction
/// (Conover 1999, 5.1). p is 1 where either side is empty.
#[must_use]
pub fn test_rank_sum(before: &[f64], after: &[f64]) -> RankTest {
    let (n, m) = (before.len(), after.len());
    if n == 0 || m == 0 {
        return RankTest { u: 0.0, p_value: 1.0 };
    }
    let mut pooled: Vec<(f64, bool)> =
        before.iter().map(|v| (*v, false)).chain(after.iter().map(|v| (*v, true))).collect();
    pooled.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut tie_term, mut start) = (0.0, 0.0, 0);
    while start < pooled.len() {
        let mut end = start + 1;
        while end < pooled.len() && pooled[end].0.total_cmp(&pooled[start].0).is_eq() {
            end += 1;
        }
        let (ties, midrank) = ((end - start) as f64, (start + end + 1) as f64 / 2.0);
        rank_sum += midrank * pooled[start..end].iter().filter(|(_, is_after)| *is_after).count() as f64;
        tie_term += ties.powi(3) - ties;
        start = end;
    }
    let (nf, mf) = (n as f64, m as f64);
    let u = rank_sum - mf * (mf + 1.0) / 2.0;
    let p_value = if tie_term == 0.0 && n * m <= 400 {
        exact_p_value(n, m, u)
    } else {
        let total = nf + mf;
        let variance = nf * mf / 12.0 * (total + 1.0 - tie_term / (total * (total - 1.0)));
        if variance <= 0.0 {
            1.0
        } else {
            two_sided(((u - nf * mf / 2.0).abs() - 0.5).max(0.0) / variance.sqrt()).min(1.0)
        }
    };
    RankTest { u, p_value }
}

// Counts the arrangements for every U: c(n, m, u) = c(n - 1, m, u - m) + c(n, m - 1, u).
fn exact_p_value(n: usize, m: usize, u: f64) -> f64 {
    let pairs = n * m;
    // rows[first] holds the counts for the current size of the second sample; it starts at size zero.
    let mut rows = vec![vec![0.0_f64; pairs + 1]; n + 1];
    for row in &mut rows {
        row[0] = 1.0;
    }
    for second in 1..=m {
        for first in 1..=n {
            let (smaller, current) = rows.split_at_mut(first);
            for value in second..=first * second {
                current[0][value] += smaller[first - 1][value - second];
            }
        }
    }
    let total: f64 = rows[n].iter().sum();
    let extreme = u.max(pairs as f64 - u).round() as usize;
    (2.0 * rows[n][extreme..].iter().sum::<f64>() / total).min(1.0)
}

/// The shift from one sample to another with its interval, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Hodges-Lehmann estimate: median of all pairwise differences.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Hodges-Lehmann shift with the interval that inverts the Mann-Whitney test at `level` (0.95 for 95 %), normal
/// approximation (Hollander and Wolfe 1999, 4.3). NaN where either side is empty. Work grows with the number of pairs.
#[must_use]
pub fn estimate_shift(before: &[f64], after: &[f64], level: f64) -> Shift {
    let mut differences: Vec<f64> =
        after.iter().flat_map(|a| before.iter().map(move |b| a - b)).filter(|d| !d.is_nan()).collect();
    if differences.is_empty() {
        return Shift { estimate: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    sort(&mut differences);
    let (n, m) = (before.len() as f64, after.len() as f64);
    let z = upper_quantile((1.0 - level) / 2.0);
    let place = (n * m / 2.0 - z * (n * m * (n + m + 1.0) / 12.0).sqrt()).floor().max(0.0) as usize;
    let place = place.min((differences.len() - 1) / 2);
    Shift {
        estimate: median_sorted(&differences),
        low: differences[place],
        high: differences[differences.len() - 1 - place],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.16.3: stats.mannwhitneyu(before, after, method="exact" | "asymptotic").
    #[test]
    fn rank_sums_match_scipy() {
        let exact = test_rank_sum(&[1.1, 2.2, 3.3, 4.4, 5.5], &[3.1, 4.1, 6.2, 7.9]);
        assert!((exact.u - 15.0).abs() < 1e-12);
        assert!((exact.p_value - 0.285_714_285_714_285_7).abs() < 1e-12, "{exact:?}");
        let tied = test_rank_sum(&[1.0, 2.0, 2.0, 3.0, 4.0, 4.0], &[3.0, 4.0, 5.0, 5.0, 6.0]);
        assert!((tied.u - 26.5).abs() < 1e-12);
        assert!((tied.p_value - 0.041_245_879_610_516_72).abs() < 1e-9, "{tied:?}");
    }

    #[test]
    fn the_shift_is_the_median_of_pairwise_differences() {
        let shift = estimate_shift(&[1.0, 2.0, 3.0, 4.0], &[11.0, 12.0, 13.0, 14.0], 0.95);
        assert!((shift.estimate - 10.0).abs() < 1e-12);
        assert!(shift.low <= 10.0 && shift.high >= 10.0);
    }

    #[test]
    fn an_empty_side_is_no_evidence() {
        assert!((test_rank_sum(&[], &[1.0]).p_value - 1.0).abs() < 1e-12);
        assert!(estimate_shift(&[], &[1.0], 0.95).estimate.is_nan());
    }
}
