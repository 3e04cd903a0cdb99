//! Values with their intervals.

use serde::{Deserialize, Serialize};

use crate::track::wilson_interval;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// Share of `total` that `successes` are, with Wilson's 95 % interval (Wilson 1927). None of nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
    pub fn of_share(successes: u64, total: u64) -> Option<Self> {
        if total == 0 || successes > total {
            return None;
        }
        let (low, high) = wilson_interval(successes, total);
        Some(Self { value: successes as f64 / total as f64, low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Reference values: SciPy 1.17.1, `binomtest(k, n).proportion_ci(method="wilson")`.
    #[test]
    fn shares_agree_with_scipy() {
        for (k, n, low, high) in [
            (0, 10, 0.000000000000, 0.277532799863),
            (10, 10, 0.722467200137, 1.000000000000),
            (47, 60, 0.663799724268, 0.868769559518),
            (1, 3, 0.061491944720, 0.792340399198),
        ] {
            let found = Estimate::of_share(k, n).expect("a share");
            assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{k} of {n}: {found:?}");
        }
        assert_eq!(Estimate::of_share(0, 0), None);
    }
}
