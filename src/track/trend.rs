//! Where a metric is heading: Theil-Sen slope with its interval, Mann-Kendall significance.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::model::{Better, Metric};

/// Fewer values than this give no trend.
pub const VALUES_MIN: usize = 10;
/// The newest values that are looked at: the work grows with the square.
pub const VALUES_MAX: usize = 1000;
/// Smaller changes over the period than this share of the median are called stable.
pub const EFFECT_MIN: f64 = 0.05;
/// Above this the change may be chance.
pub const P_MAX: f64 = 0.05;

/// The trend in one word, by what is better for the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendWord {
    /// Significant and for the better.
    Improving,
    /// Not significant, or too small to matter.
    Stable,
    /// Significant and for the worse.
    Degrading,
    /// Too few runs to say.
    NotEnoughData,
}

impl TrendWord {
    /// What a person reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Improving => "improving",
            Self::Stable => "stable",
            Self::Degrading => "degrading",
            Self::NotEnoughData => "not enough data",
        }
    }
}

/// Trend of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Metric.
    pub metric: Metric,
    /// Its trend in one word.
    pub word: TrendWord,
    /// Values behind it.
    pub n: usize,
    /// Theil-Sen slope, in the metric's unit per day; null without enough values.
    pub slope_per_day: Option<f64>,
    /// Lower end of its 95 % interval.
    pub slope_low: Option<f64>,
    /// Upper end.
    pub slope_high: Option<f64>,
    /// Mann-Kendall, two-sided.
    pub p_value: Option<f64>,
    /// Change along the slope over the whole period, in percent of the median.
    pub change_percent: Option<f64>,
}

/// What all pairs of a series' points say together. Reports read it from `track/trends.sql`; where no store is asked,
/// [`Pairs::of`] gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Pairs {
    /// Median slope, in units a day; none where all points are of one time.
    pub slope: Option<f64>,
    /// Lower end of its 95 % interval.
    pub slope_low: Option<f64>,
    /// Upper end.
    pub slope_high: Option<f64>,
    /// Mann and Kendall's S: pairs that rise less those that fall.
    pub s: i64,
    /// Its variance without a trend, ties corrected.
    pub s_variance: f64,
}

impl Pairs {
    /// Those of `(day, value)`, oldest first.
    #[must_use]
    pub fn of(values: &[(f64, f64)]) -> Self {
        let slope = theil_sen(values);
        Self {
            slope: slope.as_ref().map(|slope| slope.middle),
            slope_low: slope.as_ref().map(|slope| slope.low),
            slope_high: slope.as_ref().map(|slope| slope.high),
            s: rises_less_falls(values),
            s_variance: s_variance(values),
        }
    }

    fn slope(&self) -> Option<Slope> {
        Some(Slope { middle: self.slope?, low: self.slope_low?, high: self.slope_high? })
    }

    /// Two-sided p of S, normal approximation with continuity correction (Gilbert 1987, 16.4).
    #[allow(clippy::cast_precision_loss, reason = "at most VALUES_MAX squared")]
    fn p_value(&self) -> f64 {
        if self.s_variance <= 0.0 {
            return 1.0;
        }
        let z = (self.s.abs() as f64 - 1.0).max(0.0) / self.s_variance.sqrt();
        (2.0 * Normal::standard().sf(z)).clamp(0.0, 1.0)
    }
}

/// Trend of `(day, value)` pairs in order of time; pairs that are not finite are passed over.
#[must_use]
pub fn trend(metric: Metric, values: &[(f64, f64)]) -> Trend {
    let finite: Vec<_> = values.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let newest = &finite[finite.len().saturating_sub(VALUES_MAX)..];
    trend_of_pairs(metric, newest, &Pairs::of(newest))
}

/// Trend of at most [`VALUES_MAX`] finite `(day, value)` pairs in order of time, of which `pairs` is known.
#[must_use]
pub fn trend_of_pairs(metric: Metric, values: &[(f64, f64)], pairs: &Pairs) -> Trend {
    let none = Trend {
        metric,
        word: TrendWord::NotEnoughData,
        n: values.len(),
        slope_per_day: None,
        slope_low: None,
        slope_high: None,
        p_value: None,
        change_percent: None,
    };
    let Some(slope) = pairs.slope().filter(|_| values.len() >= VALUES_MIN) else { return none };
    let p_value = pairs.p_value();
    let change = change_share(values, slope.middle);
    Trend {
        word: word(metric, change, p_value),
        slope_per_day: Some(slope.middle),
        slope_low: Some(slope.low),
        slope_high: Some(slope.high),
        p_value: Some(p_value),
        change_percent: change.map(|share| share * 100.0),
        ..none
    }
}

fn word(metric: Metric, change: Option<f64>, p_value: f64) -> TrendWord {
    let Some(change) = change.filter(|change| p_value < P_MAX && change.abs() >= EFFECT_MIN) else {
        return TrendWord::Stable;
    };
    let rises = change > 0.0;
    if rises == (metric.better() == Better::Higher) { TrendWord::Improving } else { TrendWord::Degrading }
}

/// None where the median is zero: no share of it exists.
fn change_share(values: &[(f64, f64)], slope: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|(_, y)| *y).collect();
    sorted.sort_by(f64::total_cmp);
    let median = middle(&sorted)?.abs();
    let days = values.last()?.0 - values.first()?.0;
    (median > 0.0).then(|| slope * days / median).filter(|share| share.is_finite())
}

pub(super) struct Slope {
    pub(super) middle: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Median of all pairwise slopes; interval by Sen (1968), as SciPy's `theilslopes`. None where all x are equal.
#[allow(clippy::cast_precision_loss, reason = "at most VALUES_MAX squared")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the list before use")]
pub(super) fn theil_sen(values: &[(f64, f64)]) -> Option<Slope> {
    let mut slopes = Vec::with_capacity(values.len() * values.len().saturating_sub(1) / 2);
    for (at, (x0, y0)) in values.iter().enumerate() {
        slopes.extend(values[at + 1..].iter().filter(|(x, _)| x > x0).map(|(x, y)| (y - y0) / (x - x0)));
    }
    slopes.retain(|slope| slope.is_finite());
    slopes.sort_by(f64::total_cmp);
    let middle = middle(&slopes)?;
    let n = values.len() as f64;
    let ties = tie_sum(values.iter().map(|(_, y)| *y)) + tie_sum(values.iter().map(|(x, _)| *x));
    let sigma = ((n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0).max(0.0).sqrt();
    let z = 1.959_963_984_540_054;
    let pairs = slopes.len() as f64;
    let last = slopes.len() - 1;
    let place = |rank: f64| slopes[(rank.max(0.0) as usize).min(last)];
    let high = place(((pairs + z * sigma) / 2.0).round_ties_even());
    let low = place(((pairs - z * sigma) / 2.0).round_ties_even() - 1.0);
    Some(Slope { middle, low, high })
}

/// Two-sided p of Mann-Kendall's S.
pub(super) fn mann_kendall(values: &[(f64, f64)]) -> f64 {
    Pairs {
        slope: None,
        slope_low: None,
        slope_high: None,
        s: rises_less_falls(values),
        s_variance: s_variance(values),
    }
    .p_value()
}

fn rises_less_falls(values: &[(f64, f64)]) -> i64 {
    let sign = |a: f64, b: f64| i64::from(b > a) - i64::from(b < a);
    let pairs = values.iter().enumerate().flat_map(|(at, old)| values[at + 1..].iter().map(move |new| (old.1, new.1)));
    pairs.map(|(old, new)| sign(old, new)).sum()
}

#[allow(clippy::cast_precision_loss, reason = "at most VALUES_MAX squared")]
fn s_variance(values: &[(f64, f64)]) -> f64 {
    let n = values.len() as f64;
    (n * (n - 1.0) * (2.0 * n + 5.0) - tie_sum(values.iter().map(|(_, y)| *y))) / 18.0
}

/// Sum of t (t - 1) (2 t + 5) over groups of equal values.
#[allow(clippy::cast_precision_loss, reason = "groups of at most VALUES_MAX")]
fn tie_sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let groups = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|group| group.len() as f64);
    groups.map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum()
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted {
        [] => None,
        _ if sorted.len() % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-9)
    }

    // Reference values: SciPy 1.17.1 `theilslopes(y, x, 0.95)`, pymannkendall 1.4.3 `original_test(y)`.
    #[test]
    fn a_rise_with_ties_agrees_with_scipy_and_pymannkendall() {
        let y = [10.0, 12.0, 11.0, 13.0, 13.0, 14.0, 13.0, 16.0, 15.0, 17.0, 16.0, 18.0];
        let values: Vec<_> = (0_u32..).map(f64::from).zip(y).collect();
        let found = trend(Metric::Duration, &values);
        assert!(close(found.slope_per_day, 0.625), "{found:?}");
        assert!(close(found.slope_low, 0.5) && close(found.slope_high, 0.8), "{found:?}");
        assert!(close(found.p_value, 0.000_237_953_030_079_118_83), "{found:?}");
        assert_eq!(found.word, TrendWord::Degrading);
    }

    #[test]
    fn ties_in_time_and_value_agree_with_scipy_and_pymannkendall() {
        let x = [0.0, 0.5, 0.5, 1.0, 2.0, 2.25, 3.0, 4.0, 5.5, 6.0, 6.0, 7.0, 9.0];
        let y = [5.0, 5.0, 4.0, 6.0, 5.0, 5.0, 7.0, 5.0, 4.0, 6.0, 5.0, 5.0, 6.0];
        let found = trend(Metric::Duration, &x.into_iter().zip(y).collect::<Vec<_>>());
        assert!(close(found.slope_per_day, 0.0) && close(found.slope_low, 0.0), "{found:?}");
        assert!(close(found.slope_high, 0.2) && close(found.p_value, 0.499_859_266_709_286_5), "{found:?}");
        assert_eq!(found.word, TrendWord::Stable);
    }

    #[test]
    fn the_same_fall_is_better_for_cost_and_worse_for_quality() {
        let y = [100.0, 98.5, 97.0, 97.0, 95.0, 96.0, 92.0, 91.0, 91.0, 88.0];
        let values: Vec<_> = (0_u32..).map(f64::from).zip(y).collect();
        let cost = trend(Metric::Cost, &values);
        assert!(close(cost.slope_per_day, -1.285_714_285_714_285_8), "{cost:?}");
        assert!(close(cost.slope_low, -1.5) && close(cost.slope_high, -1.0), "{cost:?}");
        assert!(close(cost.p_value, 0.000_310_141_489_182_402_8), "{cost:?}");
        assert_eq!(cost.word, TrendWord::Improving);
        assert_eq!(trend(Metric::Quality, &values).word, TrendWord::Degrading);
    }

    #[test]
    fn a_significant_but_tiny_trend_is_stable() {
        let values: Vec<_> = (0_u32..50).map(|at| (f64::from(at), 100.0 + 0.01 * f64::from(at))).collect();
        let found = trend(Metric::Duration, &values);
        assert!(found.p_value.is_some_and(|p| p < 1e-6));
        assert_eq!(found.word, TrendWord::Stable);
    }

    #[test]
    fn few_values_one_moment_and_nonsense_give_no_trend() {
        let nine: Vec<_> = (0_u32..9).map(|at| (f64::from(at), f64::from(at))).collect();
        assert_eq!(trend(Metric::Duration, &nine).word, TrendWord::NotEnoughData);
        assert_eq!(trend(Metric::Duration, &[(1.0, 2.0); 20]).word, TrendWord::NotEnoughData);
        assert_eq!(trend(Metric::Duration, &[(f64::NAN, f64::INFINITY); 20]).word, TrendWord::NotEnoughData);
    }

    #[test]
    fn values_that_never_move_are_stable_with_p_1() {
        let flat: Vec<_> = (0_u32..20).map(|at| (f64::from(at), 3.0)).collect();
        let found = trend(Metric::Duration, &flat);
        assert_eq!((found.word, found.p_value), (TrendWord::Stable, Some(1.0)));
    }
}
