//! Values with their intervals, and what a change of one means.

use serde::{Deserialize, Serialize};

use crate::model::{Better, Metric};
use crate::track::wilson_interval;

use super::comparison::ChangeWord;

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

/// Changes of less than this many percent are noise to a reader, however sure.
const EFFECT_MIN_PERCENT: f64 = 2.0;
/// Above this the change may be chance.
const P_MAX: f64 = 0.05;

impl ChangeWord {
    /// What a change in percent means: regressed or improved where p is below 0.05, the interval leaves out zero
    /// and the change is 2 % or more. Without an interval or a p there was not enough data.
    #[must_use]
    pub fn of(metric: Metric, change_percent: Option<Estimate>, p_value: Option<f64>) -> Self {
        let (Some(change), Some(p)) = (change_percent, p_value) else { return Self::NotEnoughData };
        if change.value == 0.0 {
            return Self::NoChange;
        }
        let sure = p < P_MAX && (change.low > 0.0 || change.high < 0.0);
        if !sure || change.value.abs() < EFFECT_MIN_PERCENT {
            return Self::WithinNoise;
        }
        let rises = change.value > 0.0;
        if rises == (metric.better() == Better::Higher) { Self::Improved } else { Self::Regressed }
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

    #[test]
    fn the_same_rise_is_worse_for_cost_and_better_for_throughput() {
        let rise = Some(Estimate { value: 12.0, low: 8.0, high: 16.0 });
        assert_eq!(ChangeWord::of(Metric::Cost, rise, Some(0.001)), ChangeWord::Regressed);
        assert_eq!(ChangeWord::of(Metric::Throughput, rise, Some(0.001)), ChangeWord::Improved);
        assert_eq!(ChangeWord::of(Metric::Cost, rise, Some(0.2)), ChangeWord::WithinNoise);
        assert_eq!(ChangeWord::of(Metric::Cost, rise, None), ChangeWord::NotEnoughData);
    }
}
