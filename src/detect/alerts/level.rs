//! Whether the level that an alert tells of has gone back.

use crate::detect::stats::robust::{mean, median};
use crate::model::{AlertRecord, Metric, Series};

/// Newest runs whose level must be back.
const BACK_RUNS: usize = 5;
/// Most runs that a rate is watched for.
const RATE_RUNS_MAX: usize = 60;
/// Part of the change that may be left of it: less than half, so that an alert neither flaps at the middle nor waits for
/// the last percent.
const LEFT_SHARE_MAX: f64 = 0.5;

/// Whether the newest runs lie nearer to the level before the change than to that after it.
pub(super) fn has_returned(alert: &AlertRecord, series: &[Series]) -> bool {
    let finding = &alert.finding;
    let key = finding.series_key();
    let Some(own) = series.iter().find(|one| one.key == key) else { return false };
    let since: Vec<f64> = own
        .points
        .iter()
        .filter(|p| p.started_at >= crate::model::unit::parse_time(&finding.since_time).unwrap_or(i64::MAX))
        .map(|p| p.value)
        .filter(|value| value.is_finite())
        .collect();
    let is_rate = finding.metric == Metric::SuccessRate;
    let needed = if is_rate { rate_runs(finding.baseline, finding.current) } else { BACK_RUNS };
    // The first new runs are those that raised it: they cannot speak for a return.
    if since.len() < needed + 1 {
        return false;
    }
    let newest = &since[since.len() - needed..];
    let level = if is_rate { mean(newest) } else { median(newest) };
    let left = (level - finding.baseline) / (finding.current - finding.baseline);
    left.is_finite() && left < LEFT_SHARE_MAX
}

/// Runs without a failure after which a share of failures as at the alert is ruled out at 95 %: 3 / share (Hanley and
/// Lippman-Hand 1983).
fn rate_runs(before: f64, after: f64) -> usize {
    let failing = (1.0 - before.min(after)).max(3.0 / RATE_RUNS_MAX as f64);
    ((3.0 / failing).ceil() as usize).clamp(BACK_RUNS, RATE_RUNS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_watched_until_chance_is_ruled_out() {
        assert_eq!(rate_runs(0.98, 0.70), 10);
        assert_eq!(rate_runs(1.0, 0.0), 5);
        assert_eq!(rate_runs(1.0, 0.97), 60);
    }
}
