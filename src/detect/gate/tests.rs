//! The gate on small histories.

use super::*;
use crate::model::{SeriesContext, SeriesPoint};

fn series(step: Option<&str>, metric: Metric, values: &[f64]) -> Series {
    let points = values
        .iter()
        .enumerate()
        .map(|(i, value)| SeriesPoint {
            run_key: format!("key-{i}").into(),
            run_id: format!("run-{i}").into(),
            started_at: 1_700_000_000_000_000_000 + i as i64 * 3_600_000_000_000,
            value: *value,
            revision: Some(format!("rev{i}").into()),
            model: None,
            input_size: None,
        })
        .collect();
    let key = SeriesKey {
        pipeline: "build".to_owned(),
        step: step.map(str::to_owned),
        metric,
        context: SeriesContext::default(),
    };
    Series { key, points }
}

fn wobble(count: usize, level: f64) -> Vec<f64> {
    (0..count).map(|i| level * (1.0 + 0.02 * (i as f64 * 2.399_963).sin())).collect()
}

#[test]
fn a_step_that_doubles_is_found_at_its_run_and_named_as_the_carrier() {
    let mut inner = wobble(12, 0.05);
    inner.extend(wobble(4, 0.12));
    let mut total = wobble(12, 0.30);
    total.extend(wobble(4, 0.37));
    let verdict = judge(
        &[
            series(None, Metric::Duration, &total),
            series(Some("transform"), Metric::Duration, &inner),
            series(Some("load"), Metric::Duration, &wobble(16, 0.2)),
        ],
        &GateSettings::default(),
    );
    assert_eq!(verdict.verdict, VerdictWord::Fail);
    let first = &verdict.findings[0];
    assert_eq!((first.step.as_deref(), first.since_run.as_str()), (Some("transform"), "run-12"));
    assert_eq!(first.severity, Severity::Critical);
    assert!(verdict.findings.iter().all(|f| f.step.as_deref() != Some("load")));
    let whole = verdict.findings.iter().find(|f| f.step.is_none()).map(|f| f.recommendation.clone());
    assert!(whole.is_some_and(|text| text.contains("Step transform carries")), "{:?}", verdict.findings);
}

#[test]
fn too_few_runs_are_said_with_how_many_are_missing() {
    let verdict = judge(&[series(None, Metric::Duration, &wobble(6, 1.0))], &GateSettings::default());
    assert_eq!(verdict.verdict, VerdictWord::InsufficientData);
    assert_eq!(verdict.runs_needed, Some(5));
}

#[test]
fn a_single_odd_run_never_fails_the_gate() {
    let mut values = wobble(30, 1.0);
    values.push(9.0);
    let verdict = judge(&[series(None, Metric::Duration, &values)], &GateSettings::default());
    assert_eq!(verdict.verdict, VerdictWord::Pass);
    assert!(verdict.findings.is_empty());
}

#[test]
fn runs_that_begin_to_fail_are_a_rate_finding() {
    let mut values = vec![1.0; 30];
    values.extend([0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let verdict = judge(&[series(None, Metric::SuccessRate, &values)], &GateSettings::default());
    assert_eq!(verdict.verdict, VerdictWord::Fail);
    assert_eq!(verdict.findings[0].kind, FindingKind::Rate);
    assert_eq!(verdict.findings[0].since_run, "run-30");
}

#[test]
fn an_improvement_is_found_and_never_fails() {
    let mut values = wobble(30, 1.0);
    values.extend(wobble(10, 0.5));
    let verdict = judge(&[series(None, Metric::Duration, &values)], &GateSettings::default());
    assert_eq!(verdict.verdict, VerdictWord::Pass);
    assert!(verdict.findings.len() == 1 && !verdict.findings[0].actionable);
}

#[test]
fn a_branch_is_compared_with_its_base() {
    let mut base = series(None, Metric::Duration, &wobble(30, 1.0));
    base.key.context.branch = Some("main".to_owned());
    let mut head = series(None, Metric::Duration, &wobble(3, 2.0));
    head.key.context.branch = Some("topic".to_owned());
    let settings = GateSettings {
        newest: Newest::Branch { branch: "topic".to_owned(), base: "main".to_owned() },
        ..GateSettings::default()
    };
    let verdict = judge(&[base.clone(), head.clone()], &settings);
    assert_eq!(verdict.verdict, VerdictWord::Fail);
    assert_eq!((verdict.findings[0].n_baseline, verdict.findings[0].n_current), (30, 3));
    head.points.truncate(1);
    let verdict = judge(&[base, head], &settings);
    assert_eq!((verdict.verdict, verdict.runs_needed), (VerdictWord::InsufficientData, Some(2)));
}

#[test]
fn an_accepted_change_starts_the_baseline_anew() {
    let mut values = wobble(30, 1.0);
    values.extend(wobble(14, 2.0));
    let one = series(None, Metric::Duration, &values);
    let accepted = BTreeMap::from([(one.key.clone(), one.points[30].started_at)]);
    let verdict = judge(&[one], &GateSettings { accepted, ..GateSettings::default() });
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
}
