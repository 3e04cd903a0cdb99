//! Levels and spreads that a few odd values cannot move.

/// MAD to standard deviation, for normal values.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Interquartile range to standard deviation, for normal values.
pub const IQR_TO_SIGMA: f64 = 0.741_301_109_252_801;

/// Sorts ascending. NaN goes last.
pub fn sort(values: &mut [f64]) {
    // As whole numbers in the order of `total_cmp`: to compare floats in that order, both would be turned each time.
    let mut keys: Vec<i64> = values.iter().map(|value| to_key(*value)).collect();
    keys.sort_unstable();
    for (value, key) in values.iter_mut().zip(keys) {
        *value = from_key(key);
    }
}

/// A whole number that stands among others where the value stands among values, in the order of `total_cmp`.
#[must_use]
pub fn to_key(value: f64) -> i64 {
    turn(value.to_bits().cast_signed())
}

/// The value of a key.
#[must_use]
pub fn from_key(key: i64) -> f64 {
    f64::from_bits(turn(key).cast_unsigned())
}

// Negative numbers are written sign first, so that the larger is the smaller: their other bits are turned; its own
// inverse.
fn turn(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
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
    select_median(values.iter().copied())
}

// Median by selection, which costs less than sorting.
fn select_median(values: impl Iterator<Item = f64>) -> f64 {
    let mut keys: Vec<i64> = values.map(to_key).collect();
    let count = keys.len();
    if count == 0 {
        return f64::NAN;
    }
    let (below, upper, _) = keys.select_nth_unstable(count / 2);
    let upper = from_key(*upper);
    if count % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max().map_or(upper, from_key);
    lower * 0.5 + upper * 0.5
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
    select_median(values.iter().map(|value| (value - center).abs()))
}

/// The same of ascending values, without sorting their distances: from the center outwards they ascend on either side.
#[must_use]
pub fn mad_sorted(sorted: &[f64], center: f64) -> f64 {
    let count = sorted.len();
    let mut right = sorted.partition_point(|value| *value < center);
    let mut left = right;
    let (mut last, mut nearest) = (f64::NAN, f64::NAN);
    for _ in 0..=count / 2 {
        last = nearest;
        let below = left.checked_sub(1).and_then(|at| sorted.get(at)).map(|value| (value - center).abs());
        let above = sorted.get(right).map(|value| (value - center).abs());
        nearest = match (below, above) {
            (Some(below), above) if above.is_none_or(|above| below <= above) => {
                left -= 1;
                below
            }
            (_, Some(above)) => {
                right += 1;
                above
            }
            (_, None) => return nearest,
        };
    }
    if count % 2 == 1 { nearest } else { last * 0.5 + nearest * 0.5 }
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
    use proptest::prelude::*;

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
        assert!((mad_sorted(&sorted, 3.5) - 2.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn selecting_gives_what_sorting_gives(mut values in prop::collection::vec(-1e3_f64..1e3, 0..70)) {
            let (selected, center) = (median(&values), median(&values));
            let spread = mad(&values, center);
            sort(&mut values);
            prop_assert_eq!(selected.to_bits(), median_sorted(&values).to_bits());
            prop_assert_eq!(spread.to_bits(), mad_sorted(&values, center).to_bits());
        }
    }

    #[test]
    fn sorting_keeps_every_bit_and_puts_nan_last() {
        let mut values = [2.0, -0.0, f64::NAN, -3.5, 0.0, f64::INFINITY, -1e-300, f64::NEG_INFINITY];
        let mut wanted = values;
        wanted.sort_unstable_by(f64::total_cmp);
        sort(&mut values);
        assert_eq!(values.map(f64::to_bits), wanted.map(f64::to_bits));
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
