//! The whole judgement of series: covariates out, the gate, moved hosts, slow drift, limits, controls.

use std::collections::BTreeMap;

use super::covariates::{Adjusted, take_out};
use super::drift::find_drifts;
use super::gate::{GateSettings, Newest, find_odd, judge, judge_with_changes};
use super::limits::find_crossed;
use super::moved::find_moved;
use crate::model::{Cause, Finding, FindingKind, Series, SeriesKey, Severity, Verdict, VerdictWord};

/// Largest adjusted p-value of what is suspected.
pub(super) const SUSPECTED_P_MAX: f64 = 0.05;

/// What the series of one or many pipelines say.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The gate's answer.
    pub verdict: Verdict,
    /// What may become a finding: for the worse, MEDIUM or above, not yet proven. Never gates.
    pub suspected: Vec<Finding>,
}

/// Judges all series given; `controls` are further series that measure the machine. Those of one pipeline are one family, so that a pipeline fares the same alone and among
/// others.
#[must_use]
pub fn judge_whole(series: &[Series], controls: &[Series], settings: &GateSettings) -> Judgement {
    let policy = &settings.policy;
    let judged = |one: &&Series| !policy.is_ignored(&one.key) && !policy.is_control(&one.key);
    let adjusted: Vec<Adjusted<'_>> = series.iter().filter(judged).map(take_out).collect();
    let own: Vec<&Series> = adjusted.iter().map(|one| &*one.series).collect();
    let loose =
        GateSettings { false_discovery_max: settings.false_discovery_max.max(SUSPECTED_P_MAX), ..settings.clone() };
    let (mut verdict, changes) = judge_with_changes(&own, &loose);
    let (proven, open): (Vec<Finding>, Vec<Finding>) =
        std::mem::take(&mut verdict.findings).into_iter().partition(|f| f.p_value <= settings.false_discovery_max);
    verdict.findings = proven;
    if settings.newest == Newest::Last {
        let moved = find_moved(&own, settings);
        let drifts = find_drifts(&own, &changes, &verdict.findings, settings);
        // A step that is part of a ramp is told as what it is.
        verdict.findings.retain(|step| drifts.iter().all(|drift| !drift.is_of_series(step)));
        verdict.findings.extend(drifts);
        verdict.findings.extend(moved);
        // A limit is kept or not, whatever explains it.
        verdict.findings.extend(find_crossed(series.iter().filter(judged), policy));
    }
    name_covariates(&mut verdict.findings, &adjusted);
    let machines: Vec<&Series> =
        controls.iter().chain(series.iter().filter(|one| policy.is_control(&one.key))).collect();
    excuse(&mut verdict.findings, &judge(&machines, settings).findings);
    let mut suspected: Vec<Finding> = open.into_iter().filter(|finding| finding.actionable).collect();
    if settings.newest == Newest::Last {
        suspect_odd(&own, &mut verdict.findings, &mut suspected, settings);
    }
    settle(&mut verdict, settings);
    Judgement { verdict, suspected }
}

// Newest runs that are odd where nothing else is found: shown beside what is confirmed, but no regression yet.
fn suspect_odd(series: &[&Series], findings: &mut Vec<Finding>, suspected: &mut Vec<Finding>, settings: &GateSettings) {
    let odd: Vec<Finding> = find_odd(series, settings)
        .into_iter()
        .filter(|odd| odd.actionable && findings.iter().chain(&*suspected).all(|known| !known.is_of_series(odd)))
        .collect();
    findings.extend(odd.iter().map(|odd| Finding { severity: Severity::None, actionable: false, ..odd.clone() }));
    suspected.extend(odd);
}

fn name_covariates(findings: &mut [Finding], adjusted: &[Adjusted<'_>]) {
    let known: BTreeMap<&SeriesKey, &Vec<String>> = adjusted
        .iter()
        .filter(|one| !one.adjusted_for.is_empty())
        .map(|one| (&one.series.key, &one.adjusted_for))
        .collect();
    for finding in findings.iter_mut().filter(|finding| finding.kind != FindingKind::Limit) {
        if let Some(names) = known.get(&finding.series_key()) {
            finding.explanation.adjusted_for.clone_from(names);
        }
    }
}

// What moved when a control on the same kind of machine moved the same way is the machine's doing.
fn excuse(findings: &mut [Finding], controls: &[Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.kind != FindingKind::Limit) {
        let moved = controls.iter().find(|control| {
            control.metric == finding.metric
                && control.context.host_class == finding.context.host_class
                && control.is_worse() == finding.is_worse()
                && overlap(control, finding)
        });
        let Some(control) = moved else { continue };
        let name = match &control.step {
            Some(step) => format!("{} / {step}", control.pipeline),
            None => control.pipeline.clone(),
        };
        let cause = Cause { attribute: "control".to_owned(), before: None, after: Some(name) };
        finding.recommendation.push_str(&super::gate::tell_cause(&cause));
        finding.explanation.cause = Some(cause);
        finding.actionable = false;
    }
}

// In percent the control must have moved at least half as far; otherwise it explains too little.
fn overlap(control: &Finding, finding: &Finding) -> bool {
    let together = control.since_run_key == finding.since_run_key || within_a_day(control, finding);
    together && control.change_percent.abs() >= 0.5 * finding.change_percent.abs()
}

fn within_a_day(a: &Finding, b: &Finding) -> bool {
    let at = |finding: &Finding| crate::model::unit::parse_time(&finding.since_time).unwrap_or_default();
    at(a).abs_diff(at(b)) <= 86_400_000_000_000
}

/// The verdict that its findings and counts give, worst first.
pub(super) fn settle(verdict: &mut Verdict, settings: &GateSettings) {
    // Stable: within a pipeline the order of cause stays.
    verdict.findings.sort_by_key(|f| std::cmp::Reverse((f.actionable, f.severity)));
    let fails = verdict.findings.iter().any(|f| f.actionable && f.severity >= settings.fail_on);
    verdict.verdict = match (fails, verdict.series_checked) {
        (true, _) => VerdictWord::Fail,
        (false, 0) => VerdictWord::InsufficientData,
        (false, _) => VerdictWord::Pass,
    };
}

/// A verdict over nothing.
#[must_use]
pub(super) fn empty_verdict() -> Verdict {
    Verdict {
        verdict: VerdictWord::InsufficientData,
        findings: Vec::new(),
        series_checked: 0,
        series_insufficient: 0,
        runs_needed: None,
    }
}

/// Adds the verdict of further pipelines.
pub(super) fn add(all: &mut Verdict, one: Verdict) {
    all.findings.extend(one.findings);
    all.series_checked += one.series_checked;
    all.series_insufficient += one.series_insufficient;
    all.runs_needed = [all.runs_needed, one.runs_needed].into_iter().flatten().min();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::noise::Draws;
    use crate::detect::simulate::patterns::draw_weekly;
    use crate::model::policy::Rule;
    use crate::model::{Metric, Policy, SeriesContext, SeriesPoint};
    use std::sync::Arc;

    fn series(pipeline: &str, host: &str, first: i64, values: Vec<f64>) -> Series {
        let points = values
            .into_iter()
            .zip(first..)
            .map(|(value, at)| SeriesPoint {
                run_key: format!("{pipeline}-{at}").into(),
                run_id: at.to_string().into(),
                started_at: at * 3_600_000_000_000,
                value,
                revision: None,
                model: None,
                input_size: None,
            })
            .collect();
        let context = SeriesContext { host_class: Some(host.to_owned()), ..SeriesContext::default() };
        Series {
            key: SeriesKey { pipeline: pipeline.to_owned(), step: None, metric: Metric::Duration, context },
            points,
        }
    }

    fn noisy(seed: u64, levels: &[(usize, f64)]) -> Vec<f64> {
        let mut draws = Draws::new(seed, 0);
        levels
            .iter()
            .flat_map(|(count, level)| std::iter::repeat_n(*level, *count))
            .map(|level| level * (0.03 * draws.normal()).exp())
            .collect()
    }

    #[test]
    fn a_control_that_moved_too_takes_the_blame() {
        let changed = |seed| noisy(seed, &[(40, 10.0), (10, 20.0)]);
        let given = [series("build", "large", 0, changed(1)), series("calibrate", "large", 0, changed(2))];
        let rule = Rule { pipeline: Some("calibrate".to_owned()), control: Some(true), ..Rule::default() };
        let policy = Arc::new(Policy { rules: vec![rule], ..Policy::default() });
        let alone = judge_whole(&given, &[], &GateSettings::default()).verdict;
        assert_eq!(alone.verdict, VerdictWord::Fail);
        let excused = judge_whole(&given, &[], &GateSettings { policy, ..GateSettings::default() }).verdict;
        assert_eq!(excused.verdict, VerdictWord::Pass);
        let cause = excused.findings[0].explanation.cause.as_ref();
        assert_eq!(cause.and_then(|c| c.after.as_deref()), Some("calibrate"));
    }

    #[test]
    fn another_kind_of_machine_is_named_as_the_cause_and_does_not_gate() {
        let given = [
            series("build", "large", 0, noisy(3, &[(40, 10.0)])),
            series("build", "small", 40, noisy(4, &[(12, 18.0)])),
        ];
        let verdict = judge_whole(&given, &[], &GateSettings::default()).verdict;
        assert_eq!(verdict.verdict, VerdictWord::Pass);
        assert_eq!(verdict.findings.len(), 1, "{verdict:?}");
        let finding = &verdict.findings[0];
        assert!(!finding.actionable && finding.severity >= Severity::High);
        let cause = finding.explanation.cause.as_ref();
        assert_eq!(cause.map(|c| c.attribute.as_str()), Some("host_class"));
        assert!(finding.recommendation.contains("large to small"), "{}", finding.recommendation);
        assert_eq!(finding.since_run, "40");
    }

    #[test]
    fn a_slow_drift_is_found_against_the_oldest_runs() {
        let mut draws = Draws::new(8, 2);
        let values = (0..180).map(|at| 10.0 * (0.0012 * f64::from(at) + 0.03 * draws.normal()).exp()).collect();
        let verdict = judge_whole(&[series("build", "large", 0, values)], &[], &GateSettings::default()).verdict;
        assert_eq!(verdict.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Drift], "{verdict:?}");
    }

    #[test]
    fn a_ramp_is_a_drift_and_a_step_is_none() {
        let kinds = |seed: u64, level: fn(usize) -> f64| -> Vec<FindingKind> {
            let mut draws = Draws::new(seed, 2);
            let values = (0..150).map(|at| 10.0 * (level(at) + 0.03 * draws.normal()).exp()).collect();
            let told = judge_whole(&[series("build", "large", 0, values)], &[], &GateSettings::default()).verdict;
            told.findings.iter().map(|finding| finding.kind).collect()
        };
        for seed in 0..10 {
            assert_eq!(kinds(seed, |at| 0.004 * at as f64), [FindingKind::Drift], "{seed}");
            assert_eq!(kinds(seed, |at| if at >= 140 { 0.15 } else { 0.0 }), [FindingKind::Step], "{seed}");
        }
    }

    fn daily(seed: u64, factor: f64) -> Series {
        let (times, mut values) = draw_weekly(70, 0.3, seed);
        values.iter_mut().skip(60).for_each(|value| *value *= factor);
        let mut one = series("build", "large", 0, values);
        one.points.iter_mut().zip(times).for_each(|(point, at)| point.started_at = at);
        one
    }

    #[test]
    fn beside_a_weekly_pattern_a_step_is_found_and_the_pattern_alone_raises_nothing() {
        let judged = |seed, factor| judge_whole(&[daily(seed, factor)], &[], &GateSettings::default()).verdict.findings;
        let found = judged(1, 1.12);
        assert!(matches!(&found[..], [one] if ["59", "60", "61"].contains(&one.since_run.as_str())), "{found:?}");
        assert_eq!(found[0].explanation.adjusted_for, ["weekday"]);
        assert!((0..60).filter(|seed| !judged(*seed, 1.0).is_empty()).count() <= 1);
    }

    #[test]
    fn odd_newest_runs_are_suspected_until_three_confirm_them() {
        let with = |odd: usize, factor: f64| {
            let values = noisy(5, &[(40, 10.0), (odd, 10.0 * factor)]);
            judge_whole(&[series("build", "large", 0, values)], &[], &GateSettings::default())
        };
        for odd in [1, 2] {
            let told = with(odd, 2.0);
            let [finding] = &told.verdict.findings[..] else { panic!("{told:?}") };
            assert_eq!((told.verdict.verdict, told.suspected.len()), (VerdictWord::Pass, 1));
            assert_eq!(
                (finding.kind, finding.severity, finding.actionable),
                (FindingKind::Suspected, Severity::None, false)
            );
            assert_eq!((finding.since_run.as_str(), finding.n_current), ("40", odd));
        }
        assert_eq!(with(3, 2.0).verdict.verdict, VerdictWord::Fail);
        // For the better there is nothing to suspect.
        assert!(with(1, 0.5).verdict.findings.is_empty());
    }

    #[test]
    fn an_odd_run_such_as_there_were_before_is_no_news() {
        let mut values = noisy(6, &[(50, 10.0)]);
        (values[20], values[49]) = (25.0, 20.0);
        let told = judge_whole(&[series("build", "large", 0, values)], &[], &GateSettings::default());
        assert!(told.verdict.findings.is_empty() && told.suspected.is_empty(), "{told:?}");
    }

    #[test]
    fn a_series_that_is_ignored_is_not_judged() {
        let given = [series("build", "large", 0, noisy(1, &[(40, 10.0), (10, 20.0)]))];
        let policy = Policy { rules: vec![Rule { ignore: Some(true), ..Rule::default() }], ..Policy::default() };
        let judged = judge_whole(&given, &[], &GateSettings { policy: Arc::new(policy), ..GateSettings::default() });
        assert_eq!((judged.verdict.findings.len(), judged.verdict.series_checked), (0, 0));
    }

    #[test]
    fn bands_of_the_team_set_the_severity() {
        let given = [series("build", "large", 0, noisy(1, &[(40, 10.0), (10, 12.0)]))];
        let with = |high: f64| {
            let rule = Rule { pipeline: Some("bu*".to_owned()), high: Some(high), ..Rule::default() };
            let policy = Arc::new(Policy { rules: vec![rule], ..Policy::default() });
            judge_whole(&given, &[], &GateSettings { policy, ..GateSettings::default() }).verdict.verdict
        };
        assert_eq!((with(15.0), with(40.0)), (VerdictWord::Fail, VerdictWord::Pass));
    }
}
