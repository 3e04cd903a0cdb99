//! Static limits: what was promised, beside what was learned.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::gate::{Size, grade};
use super::stats::robust::{mean, quantile_sorted, sort};
use crate::model::policy::Limit;
use crate::model::unit::{format_metric, format_time};
use crate::model::{Better, Explanation, Finding, FindingKind, Metric, Policy, Series, SeriesPoint, Severity};

/// Fewest runs of which a quantile is taken.
const RUNS_MIN: usize = 5;

/// Findings of the limits that the newest runs do not keep.
#[must_use]
pub fn find_crossed<'a>(series: impl IntoIterator<Item = &'a Series>, policy: &Policy) -> Vec<Finding> {
    series.into_iter().filter_map(|one| crossed(one, policy.limit(&one.key)?, policy)).collect()
}

/// The value that must keep a limit, of the newest runs.
fn newest_level(metric: Metric, newest: &[SeriesPoint], limit: Limit) -> f64 {
    let mut values: Vec<f64> = newest.iter().map(|p| p.value).collect();
    if metric == Metric::SuccessRate {
        return mean(&values);
    }
    sort(&mut values);
    quantile_sorted(&values, limit.quantile)
}

fn is_beyond(metric: Metric, value: f64, limit: f64) -> bool {
    match metric.better() {
        Better::Lower => value > limit,
        Better::Higher => value < limit,
    }
}

fn crossed(series: &Series, limit: Limit, policy: &Policy) -> Option<Finding> {
    let (key, metric) = (&series.key, series.key.metric);
    let known: Vec<SeriesPoint> = series.points.iter().filter(|p| p.value.is_finite()).cloned().collect();
    let newest = &known[known.len().saturating_sub(limit.runs)..];
    if newest.len() < RUNS_MIN.min(limit.runs) {
        return None;
    }
    let level = newest_level(metric, newest, limit);
    if !is_beyond(metric, level, limit.value) {
        return None;
    }
    let over = newest.iter().filter(|p| is_beyond(metric, p.value, limit.value));
    let first = over.clone().next()?;
    let size = Size { before: limit.value, after: level };
    // A limit is a promise: broken it gates whatever the size, and the bands only say how badly.
    let severity = grade(size, metric, &policy.bands(key)).max(Severity::High);
    Some(Finding {
        pipeline: key.pipeline.clone(),
        step: key.step.clone(),
        metric,
        kind: FindingKind::Limit,
        severity,
        actionable: true,
        confidence: 1.0,
        p_value: chance(newest.len(), over.clone().count(), metric, limit),
        baseline: limit.value,
        current: level,
        change_percent: size.change_percent(),
        n_baseline: 0,
        n_current: newest.len(),
        since_run: first.run_id.to_string(),
        since_run_key: first.run_key.to_string(),
        since_time: format_time(first.started_at),
        since_revision: first.revision.as_deref().map(ToOwned::to_owned),
        difference_low: level - limit.value,
        difference_high: level - limit.value,
        context: key.context.clone(),
        recommendation: say(series, newest, over.count(), level, limit),
        explanation: Explanation::default(),
    })
}

/// Chance of so many runs beyond the limit where its quantile lies just at it: the exact sign test (Conover 1999, 3.2).
fn chance(runs: usize, over: usize, metric: Metric, limit: Limit) -> f64 {
    let share = match (metric, metric.better()) {
        (Metric::SuccessRate, _) => 1.0 - limit.value,
        (_, Better::Lower) => 1.0 - limit.quantile,
        (_, Better::Higher) => limit.quantile,
    };
    let before = (over as u64).checked_sub(1);
    match (Binomial::new(share.clamp(0.0, 1.0), runs as u64), before) {
        (Ok(law), Some(before)) => law.sf(before),
        _ => 1.0,
    }
}

fn say(series: &Series, newest: &[SeriesPoint], over: usize, level: f64, limit: Limit) -> String {
    let (key, metric) = (&series.key, series.key.metric);
    let is_rate = metric == Metric::SuccessRate;
    let label = if is_rate { metric.title() } else { metric.label().to_owned() };
    let what = match &key.step {
        Some(step) => format!("{label} of step {step}"),
        None => format!("{label} of {}", key.pipeline),
    };
    let (value, bound) = (format_metric(metric, level), format_metric(metric, limit.value));
    let side = if metric.better() == Better::Lower { "above" } else { "below" };
    let worst = newest.iter().max_by(|a, b| match metric.better() {
        Better::Lower => a.value.total_cmp(&b.value),
        Better::Higher => b.value.total_cmp(&a.value),
    });
    let look = worst.map_or(String::new(), |run| {
        format!(" Look at run {} first: {}.", run.run_id, format_metric(metric, run.value))
    });
    if is_rate {
        return format!("{what} is {value} over the newest {} runs, below its limit of {bound}.{look}", newest.len());
    }
    format!(
        "p{:.0} of {what} is {value} over the newest {} runs, {side} its limit of {bound}; {over} of them lie {side} it.{look}",
        limit.quantile * 100.0,
        newest.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Rule;
    use crate::model::{SeriesContext, SeriesKey};

    fn series(metric: Metric, values: &[f64]) -> Series {
        let points = values
            .iter()
            .enumerate()
            .map(|(at, value)| SeriesPoint {
                run_key: format!("k{at}").into(),
                run_id: at.to_string().into(),
                started_at: at as i64,
                value: *value,
                revision: None,
                model: None,
                input_size: None,
            })
            .collect();
        let key = SeriesKey { pipeline: "p".to_owned(), step: None, metric, context: SeriesContext::default() };
        Series { key, points }
    }

    fn policy(metric: Metric, limit: f64) -> Policy {
        let rule = Rule { metric: Some(metric), limit: Some(limit), ..Rule::default() };
        Policy { rules: vec![rule], ..Policy::default() }
    }

    #[test]
    fn a_p95_above_its_limit_is_a_finding_that_names_the_first_and_the_worst_run() {
        let mut values = vec![500.0; 30];
        (values[24], values[27]) = (650.0, 700.0);
        let found = find_crossed(&[series(Metric::Duration, &values)], &policy(Metric::Duration, 600.0));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].since_run.as_str()), (FindingKind::Limit, "24"));
        assert!(found[0].actionable && found[0].severity == Severity::High);
        assert!(found[0].recommendation.contains("run 27") && found[0].recommendation.contains("p95"));
        // R: pbinom(1, 20, 0.05, lower.tail = FALSE)
        assert!((found[0].p_value - 0.264_160_5).abs() < 1e-6, "{}", found[0].p_value);
    }

    #[test]
    fn what_keeps_its_limit_or_has_too_few_runs_says_nothing() {
        let kept = series(Metric::Cost, &[1.9; 30]);
        assert!(find_crossed(&[kept], &policy(Metric::Cost, 2.0)).is_empty());
        let few = series(Metric::Cost, &[9.0; 4]);
        assert!(find_crossed(&[few], &policy(Metric::Cost, 2.0)).is_empty());
    }

    #[test]
    fn a_rate_keeps_its_limit_by_its_mean() {
        let mut values = vec![1.0; 20];
        (values[3], values[9], values[15]) = (0.0, 0.0, 0.0);
        let rate = [series(Metric::SuccessRate, &values)];
        assert!(find_crossed(&rate, &policy(Metric::SuccessRate, 0.80)).is_empty());
        assert_eq!(find_crossed(&rate, &policy(Metric::SuccessRate, 0.90)).len(), 1);
    }
}
