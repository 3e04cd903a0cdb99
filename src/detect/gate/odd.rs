//! Newest runs that are odd and too few for a level: suspected, shown, never gating. The next runs confirm or clear them.

use std::borrow::Borrow;

use super::case::{Case, collect_cases};
use super::examine::Change;
use super::{GateSettings, describe};
use crate::detect::compare::describe as describe_level;
use crate::detect::confidence::confidence_of_gate;
use crate::detect::judged::JudgedValues;
use crate::detect::stats::robust::{median, quantile_sorted, sort};
use crate::model::unit::format_metric;
use crate::model::{Finding, FindingKind, Metric, Series};

/// Deviations from which a run is odd.
const ODD_SIGMA: f64 = 5.0;

/// For each series whose newest runs are odd, in one direction, and farther off than any run of the baseline, a finding
/// of kind `suspected`. Where such runs were seen before, one more is no news.
#[must_use]
pub fn find_odd<S: Borrow<Series>>(series: &[S], settings: &GateSettings) -> Vec<Finding> {
    collect_cases(series, settings).iter().filter_map(|case| find_in(case, settings)).collect()
}

fn find_in(case: &Case<'_>, settings: &GateSettings) -> Option<Finding> {
    if case.key.metric == Metric::SuccessRate || case.fixed_split.is_some() {
        return None;
    }
    let n = case.values.len();
    // The longest such stretch: one run more, and the gate judges it as a level.
    let judged = JudgedValues::new(&case.values);
    let count = (1..settings.newest_count_min).rev().find(|count| are_odd(&judged, n, *count, settings))?;
    let split = n - count;
    let start = split.saturating_sub(settings.baseline_count_max);
    let (before, after) = (&case.values[start..split], &case.values[split..]);
    let (level, current) = (median(before), median(after));
    let mut sorted = before.to_vec();
    sort(&mut sorted);
    let change = Change {
        split,
        start,
        kind: FindingKind::Suspected,
        before: level,
        after: current,
        p_value: chance_of_newest(before.len(), count),
        rho: 0.0,
        reaches_floor: true,
    };
    // From where 95 of 100 runs lie.
    let difference = (current - quantile_sorted(&sorted, 0.975), current - quantile_sorted(&sorted, 0.025));
    let sure = (change.p_value, confidence_of_gate(change.p_value));
    let mut finding = describe(case, &change, sure, difference, settings);
    finding.recommendation = say(case, &change);
    Some(finding)
}

fn are_odd(judged: &JudgedValues<'_>, n: usize, count: usize, settings: &GateSettings) -> bool {
    let all = judged.slice(0, n);
    let Some(split) = n.checked_sub(count).filter(|split| *split >= settings.baseline_count_min) else { return false };
    let start = split.saturating_sub(settings.baseline_count_max);
    let level = describe_level(&all[start..split], None, judged.sigma_floor(start, n));
    let sign = (all[split] - level.median).signum();
    let farthest = all[start..split].iter().map(|v| (v - level.median).abs()).fold(0.0, f64::max);
    let nearest = all[split..].iter().map(|v| (v - level.median) * sign).fold(f64::INFINITY, f64::min);
    nearest >= ODD_SIGMA * level.sigma && nearest > farthest
}

// Chance that of so many runs the newest are those that lie farthest off, up or down, were all orders alike.
fn chance_of_newest(before: usize, count: usize) -> f64 {
    let arrangements: f64 = (0..count).map(|i| (before + count - i) as f64 / (i + 1) as f64).product();
    (2.0 / arrangements).min(1.0)
}

fn say(case: &Case<'_>, change: &Change) -> String {
    let (key, metric) = (&case.key, case.key.metric);
    let what = match &key.step {
        Some(step) => format!("{} of step {step}", metric.title()),
        None => format!("{} of {}", metric.title(), key.pipeline),
    };
    let (usual, current) = (format_metric(metric, change.before), format_metric(metric, change.after));
    let run = &case.points[change.split].run_id;
    format!("{what} was {current} in run {run}, where {usual} is usual: more runs will tell whether it stays so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_sixty_runs_is_the_farthest_in_one_of_sixty_orders() {
        assert!((chance_of_newest(59, 1) - 2.0 / 60.0).abs() < 1e-12);
        // Of 60 x 59 / 2 pairs one is the upper, one the lower.
        assert!((chance_of_newest(58, 2) - 2.0 / 1770.0).abs() < 1e-12);
    }
}
