//! Fewer points than pixels, and no extreme lost.

/// What a column of pixels saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    /// Middle of the column, in the units of the x axis.
    pub x: f64,
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// Median.
    pub middle: f64,
}

/// Sorts points into `columns` of equal width from `from` to `to`, empty ones left out.
/// Points outside go to the outermost column.
pub(super) fn columns(points: impl Iterator<Item = (f64, f64)>, from: f64, to: f64, columns: usize) -> Vec<Column> {
    let columns = columns.clamp(1, 10_000);
    let width = (to - from) / super::frame::count(columns);
    let mut bins: Vec<Vec<f64>> = vec![Vec::new(); columns];
    for (x, y) in points {
        let place = if width > 0.0 { ((x - from) / width).clamp(0.0, super::frame::count(columns - 1)) } else { 0.0 };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins above")]
        bins[place as usize].push(y);
    }
    bins.into_iter()
        .enumerate()
        .filter_map(|(place, mut values)| {
            values.sort_by(f64::total_cmp);
            let (low, high) = (*values.first()?, *values.last()?);
            let x = from + (super::frame::count(place) + 0.5) * width;
            Some(Column { x, low, high, middle: quantile(&values, 0.5) })
        })
        .collect()
}

/// Quantile of sorted values, linear between neighbours (Hyndman and Fan 1996, type 7). NaN where empty.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * super::frame::count(last);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last index")]
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extreme_survives_thinning() {
        let values: Vec<(f64, f64)> = (0..100_000u32).map(|n| (f64::from(n), f64::from((n * 7919) % 1009))).collect();
        let thin = columns(values.iter().copied(), 0.0, 99_999.0, 300);
        assert_eq!(thin.len(), 300);
        let spike = |value: f64| {
            let mut spiked = values.clone();
            spiked[54_321].1 = value;
            columns(spiked.into_iter(), 0.0, 99_999.0, 300)
        };
        assert!(spike(1e6).iter().any(|column| column.high == 1e6));
        assert!(spike(-1e6).iter().any(|column| column.low == -1e6));
    }

    #[test]
    fn quantiles_agree_with_numpy() {
        // NumPy 2.3: np.quantile([1, 2, 4, 8, 16], [.1, .25, .5, .9]) = 1.4, 2, 4, 12.8
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (share, expected) in [(0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.9, 12.8)] {
            assert!((quantile(&sorted, share) - expected).abs() < 1e-12);
        }
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_single_moment_makes_a_single_column() {
        let thin = columns([(5.0, 1.0), (5.0, 3.0)].into_iter(), 5.0, 5.0, 100);
        assert_eq!(thin.len(), 1);
        assert_eq!((thin[0].low, thin[0].high), (1.0, 3.0));
    }
}
