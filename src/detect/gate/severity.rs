//! How bad a change is, from its size alone.

pub use crate::model::Size;
use crate::model::metric::Bands;
use crate::model::{Metric, Severity};

/// The severity of a confirmed change.
#[must_use]
pub fn grade(size: Size, metric: Metric, bands: &Bands) -> Severity {
    let amount = if bands.points { size.points() } else { size.change_percent() }.abs();
    // A change from zero has no percentage, yet a size: counted metrics may go from none to some.
    let amount = if amount.is_nan() { 0.0 } else { amount };
    // Shares of 0.9 and 0.8 are 10 points apart on paper, 9.999... in binary.
    let reaches = |band: f64| amount >= band - 1e-9 * band;
    match metric {
        _ if reaches(bands.critical) => Severity::Critical,
        _ if reaches(bands.high) => Severity::High,
        _ if reaches(bands.medium) => Severity::Medium,
        _ if amount > 0.0 => Severity::Low,
        _ => Severity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(metric: Metric, before: f64, after: f64) -> Severity {
        grade(Size { before, after }, metric, &metric.bands())
    }

    #[test]
    fn every_level_is_reached_at_its_band() {
        assert_eq!(graded(Metric::Duration, 10.0, 10.4), Severity::Low);
        assert_eq!(graded(Metric::Duration, 10.0, 10.5), Severity::Medium);
        assert_eq!(graded(Metric::Duration, 10.0, 13.0), Severity::High);
        assert_eq!(graded(Metric::Duration, 10.0, 20.0), Severity::Critical);
        assert_eq!(graded(Metric::Duration, 10.0, 10.0), Severity::None);
    }

    #[test]
    fn rates_and_scores_are_graded_by_points() {
        assert_eq!(graded(Metric::SuccessRate, 0.9, 0.8), Severity::High);
        assert_eq!(graded(Metric::SuccessRate, 1.0, 0.75), Severity::Critical);
        assert_eq!(graded(Metric::Quality, 0.9, 0.885), Severity::Low);
        assert_eq!(graded(Metric::Quality, 90.0, 87.0), Severity::Medium);
    }

    #[test]
    fn from_zero_is_the_worst() {
        assert_eq!(graded(Metric::Retries, 0.0, 1.0), Severity::Critical);
    }
}
