//! Levels and spreads that a few odd values cannot move.

/// MAD to standard deviation, for normal values.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Interquartile range to standard deviation, for normal values.
pub const IQR_TO_SIGMA: f64 = 0.741_301_109_252_801;

/// Sorts ascending. NaN goes last.
pub fn sort(values: &mut [f64]) {
    values.sort_unstable_by(f64::total_cmp);
}

/// Median of ascending values. NaN where there are none.
#[must_use]
pub fn median_sorted(sorted: &[f64]) -> f64 {
    let count = sorted.len();
    match count {
        0 => f64::NAN,
        _ if count % 2 == 1 => sorted[count / 2],
        // Halved before the sum: two huge values must not overflow.
        _ => sorted[count / 2 - 1] * 0.5 + sorted[count / 2] * 0.5,
    }
}

/// Median. NaN where there are no values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut copy = values.to_vec();
    sort(&mut copy);
    median_sorted(&copy)
}

/// Quantile of ascending values by linear interpolation (Hyndman and Fan type 7). NaN where there are none.
#[must_use]
pub fn quantile_sorted(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let part = place - below as f64;
    sorted[below] * (1.0 - part) + sorted[above] * part
}

/// Median absolute deviation from `center`, unscaled.
#[must_use]
pub fn mad(values: &[f64], center: f64) -> f64 {
    let mut distances: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    sort(&mut distances);
    median_sorted(&distances)
}

/// Mean. NaN where there are no values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Lag-1 autocorrelation of values about their mean; 0 where they do not vary.
#[must_use]
pub fn autocorrelation(values: &[f64]) -> f64 {
    let center = mean(values);
    let power: f64 = values.iter().map(|v| (v - center).powi(2)).sum();
    if power <= 0.0 || !power.is_finite() {
        return 0.0;
    }
    values.windows(2).map(|pair| (pair[0] - center) * (pair[1] - center)).sum::<f64>() / power
}

/// How much larger than independent noise makes it the variance of a mean of `count` values is, under a first-order
/// autoregression with correlation `rho` (0 to 1).
#[must_use]
pub fn mean_variance_inflation(rho: f64, count: f64) -> f64 {
    if rho <= 0.0 {
        return 1.0;
    }
    let rho = rho.min(0.99);
    (1.0 + rho) / (1.0 - rho) - 2.0 * rho * (1.0 - rho.powf(count)) / (count * (1.0 - rho).powi(2))
}

/// Lag-1 correlation that level changes do not inflate: mean square of lag-2 differences over that of lag-1 differences,
/// less one, both clipped where a normal difference would hardly come.
///
/// 0 for independent noise, 1 for a random walk, up to 3 for a smooth trend; negative for alternation.
#[must_use]
pub fn difference_correlation(values: &[f64]) -> f64 {
    let steps =
        |lag: usize| -> Vec<f64> { values.iter().zip(values.iter().skip(lag)).map(|(a, b)| (b - a).abs()).collect() };
    let (one, two) = (steps(1), steps(2));
    let reach = 3.0 * MAD_TO_SIGMA * median(&one);
    let power = |all: &[f64], most: f64| all.iter().map(|s| s.min(most).powi(2)).sum::<f64>() / all.len() as f64;
    // A smooth trend's lag-2 differences are twice as long; they must not be cut to fit.
    let (short, long) = (power(&one, reach), power(&two, 2.0 * reach));
    if short > 0.0 && long.is_finite() { long / short - 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 8] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];

    // NumPy 2.2.0: median, quantile; SciPy 1.16.3: stats.median_abs_deviation.
    #[test]
    fn level_and_spread_match_numpy_and_scipy() {
        let mut sorted = VALUES.to_vec();
        sort(&mut sorted);
        assert!((median(&VALUES) - 3.5).abs() < 1e-12);
        assert!((quantile_sorted(&sorted, 0.25) - 1.75).abs() < 1e-12);
        assert!((quantile_sorted(&sorted, 0.9) - 6.9).abs() < 1e-12);
        assert!((mad(&VALUES, 3.5) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_mean_of_correlated_values_varies_more() {
        assert!((mean_variance_inflation(0.0, 10.0) - 1.0).abs() < 1e-12);
        // Two values with correlation .5: variance of the mean is (1 + .5) / 2 instead of 1 / 2.
        assert!((mean_variance_inflation(0.5, 2.0) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn empty_slices_give_nan_and_never_panic() {
        assert!(median(&[]).is_nan() && quantile_sorted(&[], 0.5).is_nan() && mad(&[], 0.0).is_nan());
        assert!(autocorrelation(&[]).abs() < f64::EPSILON && difference_correlation(&[]).abs() < f64::EPSILON);
    }
}
