//! Shares with their intervals.

/// 95 % interval of a share by Wilson's score (Wilson 1927). The whole of 0 to 1 where nothing was counted.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
pub fn wilson_interval(hits: u64, count: u64) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (count as f64, 1.959_963_984_540_054);
    let share = hits.min(count) as f64 / n;
    let center = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.17.1: binomtest(k, n).proportion_ci(0.95, method="wilson").
    #[test]
    fn the_interval_agrees_with_scipy() {
        for (hits, count, low, high) in [
            (4, 5, 0.3755346297625253, 0.9637758913675698),
            (57, 60, 0.8629948352365148, 0.9828504978356044),
            (60, 60, 0.9398281478579101, 1.0),
            (0, 7, 0.0, 0.35433043506668743),
        ] {
            let got = wilson_interval(hits, count);
            assert!((got.0 - low).abs() < 1e-9 && (got.1 - high).abs() < 1e-9, "{hits} of {count}: {got:?}");
        }
    }

    #[test]
    fn nothing_counted_says_nothing() {
        assert_eq!(wilson_interval(0, 0), (0.0, 1.0));
    }
}
