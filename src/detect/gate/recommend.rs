//! What to look at first: the step that carries the change, the run and revision it began with, one thing to do.

use super::case::Case;
use super::examine::Change;
use crate::detect::stats::robust::median;
use crate::model::unit::{format_change_percent, format_metric, format_share};
use crate::model::{Finding, Metric};

/// A confirmed change with its series and its p-value within the family.
pub(super) type Confirmed<'a> = (&'a Case, &'a Change, f64);

/// Runs by which the first runs of two changes may differ and still be the same event.
const SAME_EVENT_RUNS: usize = 2;

/// Puts the findings of one pipeline in order: together what began together, within it the largest cause first.
pub(super) fn order_by_cause(confirmed: &mut [Confirmed], cases: &[Case]) {
    let weight = |(case, change, _): &Confirmed| -> f64 {
        let percent = ((change.after - change.before) / change.before).abs();
        let share = share_of_total(case, change, cases).unwrap_or(0.0);
        if percent.is_nan() { 0.0 } else { percent.min(1e6) * (1.0 + share) }
    };
    confirmed.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
}

/// The sentence for one finding.
pub(super) fn recommend(
    finding: &Finding,
    case: &Case,
    change: &Change,
    confirmed: &[Confirmed],
    cases: &[Case],
) -> String {
    let what = finding.step.as_ref().map_or_else(
        || format!("{} of {}", finding.metric.label(), finding.pipeline),
        |step| format!("{} of step {step}", finding.metric.label()),
    );
    let direction = if finding.current >= finding.baseline { "rose" } else { "fell" };
    let size = size_of(finding);
    let (before, after) = (format_metric(case.key.metric, change.before), format_metric(case.key.metric, change.after));
    let since = revision_range(case, change, finding);
    let mut text = format!("{what} {direction} {size} ({before} to {after}) since run {}{since}.", finding.since_run);
    let cause = model_switch(case, change);
    let carrier = if finding.step.is_none() { find_carrier(case, change, cases) } else { None };
    if let Some((step, share)) = &carrier {
        text.push_str(&format!(" Step {step} carries {} of it.", format_share(*share)));
    } else if let Some(share) = finding.step.as_ref().and_then(|_| share_of_total(case, change, cases)) {
        text.push_str(&format!(" It carries {} of the change of the whole run.", format_share(share)));
    }
    let together = moved_together(case, change, confirmed);
    if !together.is_empty() {
        text.push_str(&format!(" Moved with it: {together}."));
    }
    if !finding.actionable {
        return text;
    }
    if let Some((old, new)) = cause {
        text.push_str(&format!(" The model changed from {old} to {new} at that run: compare the two before the code."));
        return text;
    }
    let place = carrier.map(|(step, _)| step).or_else(|| finding.step.clone());
    text.push(' ');
    text.push_str(&next_action(finding, place.as_deref()));
    text
}

fn size_of(finding: &Finding) -> String {
    if finding.metric == Metric::SuccessRate {
        format!("by {:.0} points", (finding.current - finding.baseline).abs() * 100.0)
    } else {
        format_change_percent(finding.change_percent)
    }
}

fn revision_range(case: &Case, change: &Change, finding: &Finding) -> String {
    let last_good = change.split.checked_sub(1).and_then(|place| case.points[place].revision.clone());
    match (last_good, &finding.since_revision) {
        (Some(old), Some(new)) if old != *new => format!(" (revisions {old}..{new})"),
        (_, Some(new)) => format!(" (revision {new})"),
        _ => String::new(),
    }
}

fn next_action(finding: &Finding, step: Option<&str>) -> String {
    let place = step.map_or_else(|| "the run".to_owned(), |step| format!("step {step}"));
    let change = finding.since_revision.as_ref().map_or_else(
        || format!("what changed at run {}", finding.since_run),
        |revision| format!("the changes up to {revision}"),
    );
    match finding.metric {
        Metric::Duration => format!("Profile {place} and review {change}."),
        Metric::Cpu => format!("Take a CPU profile of {place} and review {change}."),
        Metric::PeakMemory => format!("Take a heap profile of {place} and review {change}."),
        Metric::Cost => format!("Compare calls, tokens and model of {place} before and after; review {change}."),
        Metric::InputTokens => format!("Compare the prompts of {place} before and after; review {change}."),
        Metric::OutputTokens => format!("Compare the answers and length limits of {place}; review {change}."),
        Metric::ApiCalls => format!("Look for repeated or uncached calls in {place}; review {change}."),
        Metric::Quality => format!("Compare outputs of {place} before and after by hand; review {change}."),
        Metric::SuccessRate => format!("Read the errors of the failed runs of {place} since then; review {change}."),
        Metric::Throughput => format!("Find where {place} waits or backs up; review {change}."),
        Metric::Retries => format!("Read the errors of the first attempts of {place}; review {change}."),
    }
}

// The model most used before and after, where it differs.
fn model_switch(case: &Case, change: &Change) -> Option<(String, String)> {
    let usual = |from: usize, to: usize| {
        let mut counts = std::collections::BTreeMap::new();
        for model in case.points[from..to].iter().filter_map(|p| p.model.as_deref()) {
            *counts.entry(model).or_insert(0_usize) += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(model, _)| model.to_owned())
    };
    let (old, new) = (usual(change.start, change.split)?, usual(change.split, case.points.len())?);
    (old != new).then_some((old, new))
}

// Totals are sums over steps only for these.
fn adds_up(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Duration
            | Metric::Cost
            | Metric::InputTokens
            | Metric::OutputTokens
            | Metric::ApiCalls
            | Metric::Cpu
            | Metric::Retries
    )
}

fn same_family(a: &Case, b: &Case) -> bool {
    a.key.pipeline == b.key.pipeline && a.key.metric == b.key.metric && a.key.context == b.key.context
}

// How much a series moved at the run at which another changed: median after minus median before.
fn difference_at(case: &Case, of: &Case, change: &Change) -> Option<f64> {
    let first = of.points[change.split].started_at;
    let start = of.points[change.start].started_at;
    let split = match case.fixed_split {
        Some(split) => split,
        None => {
            case.points.iter().position(|p| p.started_at >= first || p.run_key == of.points[change.split].run_key)?
        }
    };
    let from =
        if case.fixed_split.is_some() { 0 } else { case.points.partition_point(|p| p.started_at < start).min(split) };
    let (before, after) = (&case.values[from..split], &case.values[split..]);
    (before.len() >= 3 && !after.is_empty()).then(|| median(after) - median(before))
}

// The step that explains most of a change of the whole run; of steps that explain it alike, the smallest: wrappers
// carry what is inside them.
fn find_carrier(case: &Case, change: &Change, cases: &[Case]) -> Option<(String, f64)> {
    if !adds_up(case.key.metric) {
        return None;
    }
    let total = change.after - change.before;
    let shares: Vec<(&Case, f64)> = cases
        .iter()
        .filter(|other| other.key.step.is_some() && same_family(other, case))
        .filter_map(|other| difference_at(other, case, change).map(|d| (other, d / total)))
        .filter(|(_, share)| share.is_finite() && *share >= 0.3 && *share <= 1.5)
        .collect();
    let largest = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    shares
        .into_iter()
        .filter(|(_, share)| *share >= 0.9 * largest)
        .min_by(|a, b| median(&a.0.values).total_cmp(&median(&b.0.values)))
        .and_then(|(other, share)| other.key.step.clone().map(|step| (step, share.min(1.0))))
}

// What part of the whole run's movement, at the same runs, a step's change is.
fn share_of_total(case: &Case, change: &Change, cases: &[Case]) -> Option<f64> {
    if case.key.step.is_none() || !adds_up(case.key.metric) {
        return None;
    }
    let whole = cases.iter().find(|other| other.key.step.is_none() && same_family(other, case))?;
    let total = difference_at(whole, case, change)?;
    let share = (change.after - change.before) / total;
    (share.is_finite() && share > 0.05 && share <= 1.5).then(|| share.min(1.0))
}

// Other findings that began at the same run: at most four names.
fn moved_together(case: &Case, change: &Change, confirmed: &[Confirmed]) -> String {
    let names: Vec<String> = confirmed
        .iter()
        .filter(|(other, _, _)| other.key != case.key && other.key.context == case.key.context)
        .filter(|(other, at, _)| began_together(case, change, other, at))
        .map(|(other, _, _)| match &other.key.step {
            Some(step) => format!("{} of {step}", other.key.metric.label()),
            None => format!("{} of the run", other.key.metric.label()),
        })
        .collect();
    match names.len() {
        0..=4 => names.join(", "),
        more => format!("{} and {} more", names[..3].join(", "), more - 3),
    }
}

fn began_together(a: &Case, change_a: &Change, b: &Case, change_b: &Change) -> bool {
    let at = b.points[change_b.split].started_at;
    let place = a.points.partition_point(|p| p.started_at < at);
    place.abs_diff(change_a.split) <= SAME_EVENT_RUNS
}
