//! Slopes that outliers cannot bend.

use super::robust::{median_sorted, sort};

/// Theil-Sen slope per value of evenly spaced values: the median of the slopes of all pairs.
///
/// Long input is thinned to 200 values, so that work stays bounded. 0 where there are fewer than two values.
#[must_use]
pub fn estimate_slope(values: &[f64]) -> f64 {
    let stride = values.len().div_ceil(200).max(1);
    let kept: Vec<(f64, f64)> = values.iter().enumerate().step_by(stride).map(|(i, v)| (i as f64, *v)).collect();
    let mut slopes: Vec<f64> = Vec::with_capacity(kept.len() * kept.len().saturating_sub(1) / 2);
    for (place, (x0, y0)) in kept.iter().enumerate() {
        slopes.extend(kept[place + 1..].iter().map(|(x1, y1)| (y1 - y0) / (x1 - x0)).filter(|s| s.is_finite()));
    }
    if slopes.is_empty() {
        return 0.0;
    }
    sort(&mut slopes);
    median_sorted(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.16.3: stats.theilslopes([1, 2, 4, 3, 50, 6]).slope = 1.0.
    #[test]
    fn the_slope_matches_scipy_and_ignores_an_outlier() {
        assert!((estimate_slope(&[1.0, 2.0, 4.0, 3.0, 50.0, 6.0]) - 1.0).abs() < 1e-12);
    }
}
