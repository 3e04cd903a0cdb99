//! What to look at first: the step that carries the change, the run and revision it began with, one thing to do.

use super::case::Case;
use super::examine::Change;
use crate::detect::stats::robust::median;
use crate::model::unit::{format_count, format_metric, format_points, format_share, format_size_percent};
use crate::model::{Cause, Finding, Metric, Size, StepShare};

/// A confirmed change with its series and its p-value within the family.
pub(super) type Confirmed<'a> = (&'a Case<'a>, &'a Change, f64);

/// Runs by which the first runs of two changes may differ and still be the same event.
const SAME_EVENT_RUNS: usize = 2;

/// Puts the findings of one pipeline in order: together what began together, within it the largest cause first.
pub(super) fn order_by_cause(confirmed: &mut [Confirmed<'_>], cases: &[Case<'_>]) {
    let weight = |(case, change, _): &Confirmed<'_>| -> f64 {
        let percent = ((change.after - change.before) / change.before).abs();
        let share = share_of_total(case, change, cases).unwrap_or(0.0);
        if percent.is_nan() { 0.0 } else { percent.min(1e6) * (1.0 + share) }
    };
    confirmed.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
}

/// Says why, as far as the series tell, and what to look at first.
pub(super) fn explain(
    finding: &mut Finding,
    case: &Case<'_>,
    change: &Change,
    confirmed: &[Confirmed<'_>],
    cases: &[Case<'_>],
) {
    finding.explanation.cause = model_switch(case, change)
        .map(|(before, after)| Cause { attribute: "model".to_owned(), before: Some(before), after: Some(after) })
        .or_else(|| input_growth(case, change));
    finding.explanation.steps = step_shares(case, change, cases);
    // More work is no regression: what grew no faster than the input does not gate.
    if finding.explanation.cause.as_ref().is_some_and(|cause| cause.attribute == "input_size") {
        finding.actionable = false;
    }
    finding.recommendation = recommend(finding, case, change, confirmed, cases);
}

/// The sentence for one finding.
fn recommend(
    finding: &Finding,
    case: &Case<'_>,
    change: &Change,
    confirmed: &[Confirmed<'_>],
    cases: &[Case<'_>],
) -> String {
    let label = finding.metric.title();
    let what = finding
        .step
        .as_ref()
        .map_or_else(|| format!("{label} of {}", finding.pipeline), |step| format!("{label} of step {step}"));
    let direction = if finding.current >= finding.baseline { "rose" } else { "fell" };
    let size = size_of(finding);
    let (before, after) = (format_metric(case.key.metric, change.before), format_metric(case.key.metric, change.after));
    let since = revision_range(case, change, finding);
    let mut text = format!("{what} {direction} {size} ({before} to {after}) since run {}{since}.", finding.since_run);
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
    if let Some(cause) = &finding.explanation.cause {
        text.push_str(&tell_cause(cause));
        return text;
    }
    if !finding.actionable {
        return text;
    }
    let place = carrier.map(|(step, _)| step).or_else(|| finding.step.clone());
    text.push(' ');
    text.push_str(&next_action(finding, place.as_deref()));
    text
}

/// The sentence that names what changed beside the code.
pub(in crate::detect) fn tell_cause(cause: &Cause) -> String {
    let (before, after) = (cause.before.as_deref().unwrap_or("unknown"), cause.after.as_deref().unwrap_or("unknown"));
    match cause.attribute.as_str() {
        "model" => format!(" The model changed from {before} to {after} at that run: compare the two before the code."),
        "host_class" => format!(
            " The host class changed from {before} to {after} at that run: compare the machines; the code need not be \
             the cause."
        ),
        "input_size" => {
            format!(" The input grew from {before} to {after} at that run, which explains it: there was more to do.")
        }
        "control" => format!(
            " The control {after} moved at the same time: look at the machine or the service behind it, not at the code."
        ),
        other => format!(" {other} changed from {before} to {after} at that run: look there before the code."),
    }
}

// What grew in step with the input, and no faster, grew because of it.
fn input_growth(case: &Case<'_>, change: &Change) -> Option<Cause> {
    let grows = !matches!(case.key.metric, Metric::Quality | Metric::SuccessRate | Metric::Throughput);
    let level = |from: usize, to: usize| {
        let sizes: Option<Vec<f64>> = case.points[from..to].iter().map(|p| p.input_size).collect();
        sizes.map(|sizes| median(&sizes)).filter(|size| *size > 0.0)
    };
    let (before, after) = (level(change.start, change.split)?, level(change.split, case.points.len())?);
    let (work, growth) = (after / before, change.after / change.before);
    let explained = grows && work >= 1.1 && growth > 1.0 && growth.ln() <= 1.1 * work.ln();
    explained.then(|| Cause {
        attribute: "input_size".to_owned(),
        before: Some(format_count(before)),
        after: Some(format_count(after)),
    })
}

/// Steps told in a differential.
const SHARES_MAX: usize = 20;

// How the change of the whole run is spread over its steps, whichever of them the finding is about.
fn step_shares(case: &Case<'_>, change: &Change, cases: &[Case<'_>]) -> Vec<StepShare> {
    if !adds_up(case.key.metric) {
        return Vec::new();
    }
    let whole = cases.iter().find(|other| other.key.step.is_none() && same_family(other, case));
    let total = whole.and_then(|whole| levels_at(whole, case, change)).map(|(before, after)| after - before);
    let Some(total) = total.filter(|total| *total != 0.0) else { return Vec::new() };
    let mut shares: Vec<StepShare> = cases
        .iter()
        .filter(|other| same_family(other, case))
        .filter_map(|other| {
            let (before, after) = levels_at(other, case, change)?;
            Some(StepShare { step: other.key.step.clone()?, before, after, share: (after - before) / total })
        })
        .filter(|share| share.share.is_finite())
        .collect();
    shares.sort_by(|a, b| b.share.abs().total_cmp(&a.share.abs()));
    shares.truncate(SHARES_MAX);
    shares
}

fn size_of(finding: &Finding) -> String {
    if finding.metric.bands().points {
        let points = Size { before: finding.baseline, after: finding.current }.points().abs();
        format!("by {}", format_points(points).trim_start_matches('+'))
    } else {
        format_size_percent(finding.change_percent)
    }
}

fn revision_range(case: &Case<'_>, change: &Change, finding: &Finding) -> String {
    let last_good = change.split.checked_sub(1).and_then(|place| case.points[place].revision.as_deref());
    match (last_good, &finding.since_revision) {
        (Some(old), Some(new)) if old != new.as_str() => format!(" (revisions {old}..{new})"),
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
fn model_switch(case: &Case<'_>, change: &Change) -> Option<(String, String)> {
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

fn same_family(a: &Case<'_>, b: &Case<'_>) -> bool {
    a.key.pipeline == b.key.pipeline && a.key.metric == b.key.metric && a.key.context == b.key.context
}

// How much a series moved at the run at which another changed.
fn difference_at(case: &Case<'_>, of: &Case<'_>, change: &Change) -> Option<f64> {
    levels_at(case, of, change).map(|(before, after)| after - before)
}

// Medians of a series before and since the run at which another changed.
fn levels_at(case: &Case<'_>, of: &Case<'_>, change: &Change) -> Option<(f64, f64)> {
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
    (before.len() >= 3 && !after.is_empty()).then(|| (median(before), median(after)))
}

// The step that explains most of a change of the whole run; of steps that explain it alike, the smallest: wrappers
// carry what is inside them.
fn find_carrier(case: &Case<'_>, change: &Change, cases: &[Case<'_>]) -> Option<(String, f64)> {
    if !adds_up(case.key.metric) {
        return None;
    }
    let total = change.after - change.before;
    let shares: Vec<(&Case<'_>, f64)> = cases
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
fn share_of_total(case: &Case<'_>, change: &Change, cases: &[Case<'_>]) -> Option<f64> {
    if case.key.step.is_none() || !adds_up(case.key.metric) {
        return None;
    }
    let whole = cases.iter().find(|other| other.key.step.is_none() && same_family(other, case))?;
    let total = difference_at(whole, case, change)?;
    let share = (change.after - change.before) / total;
    (share.is_finite() && share > 0.05 && share <= 1.5).then(|| share.min(1.0))
}

// Other findings that began at the same run: at most four names.
fn moved_together(case: &Case<'_>, change: &Change, confirmed: &[Confirmed<'_>]) -> String {
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

fn began_together(a: &Case<'_>, change_a: &Change, b: &Case<'_>, change_b: &Change) -> bool {
    let at = b.points[change_b.split].started_at;
    let place = a.points.partition_point(|p| p.started_at < at);
    place.abs_diff(change_a.split) <= SAME_EVENT_RUNS
}
