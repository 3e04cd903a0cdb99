//! Alerts and baselines live in the store: opened once, kept over a restart, told in the audit trail.

use perfline::detect::gate::GateSettings;
use perfline::detect::{
    Decision, baselines, change_alert, check, evaluate, promote, reset_baseline, set_baseline, settings,
};
use perfline::model::{AlertAction, BaselineKind, Policy, SeriesSelector, VerdictWord, policy::Rule};
use perfline::model::{Metric, Signal};
use perfline::otlp::history;
use perfline::otlp::sink::Accepted;
use prost::Message;

use super::support::{TempStore, fixtures, requests};

fn filled() -> TempStore {
    let store = TempStore::new();
    for request in requests(&fixtures().join("otlp/pytest-opentelemetry-series")) {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    store
}

/// Run history as `perfline import` takes it.
fn import(store: &TempStore, csv: &str) {
    for request in history::read_csv(csv.as_bytes()).unwrap().requests {
        let body = request.encode_to_vec().into();
        store.store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 1 }).unwrap();
    }
    store.store.settle().unwrap();
}

/// Runs of `nightly`, an hour apart, with a wobble of 2 %, that cost a tenth of what they take; `more` is revision and
/// host class.
fn nightly(from: usize, durations: &[f64], more: &str) -> String {
    let mut csv = "pipeline,run_id,started_at,duration_s,cost_usd,outcome,revision,host_class\n".to_owned();
    for (at, duration) in durations.iter().enumerate() {
        let (run, wobble) = (from + at, 1.0 + 0.02 * ((from + at) as f64 * 2.399_963).sin());
        let started = 1_700_000_000_000_000_000_i64 + run as i64 * 3_600_000_000_000;
        let taken = duration * wobble;
        csv += &format!("nightly,r{run},{started},{taken},{},success,{more}\n", taken / 10.0);
    }
    csv
}

fn decision(by: &str, note: &str) -> Decision {
    Decision { by: Some(by.to_owned()), note: Some(note.to_owned()) }
}

fn selector(pipeline: &str) -> SeriesSelector {
    SeriesSelector { pipeline: Some(pipeline.to_owned()), ..SeriesSelector::default() }
}

fn verdict(store: &TempStore) -> perfline::model::Verdict {
    check(&store.store, None, &settings(&store.store).unwrap()).unwrap()
}

#[test]
fn a_regression_opens_its_alerts_once_and_a_restart_forgets_nothing() {
    let mut store = filled();
    let opened = evaluate(&store.store).unwrap();
    assert!(!opened.is_empty());
    store.restart();
    assert!(evaluate(&store.store).unwrap().is_empty());
    let count = store.value("select count(*) from alerts where state = 'open'");
    let opens = opened.iter().filter(|one| one.action.as_str() == "open").count();
    assert_eq!(count, opens);
    assert_eq!(store.value("select count(*) from audit where action = 'open'"), opens);
}

#[test]
fn what_a_person_says_is_kept_with_name_and_reason_and_counts_for_precision() {
    let store = filled();
    let id = evaluate(&store.store).unwrap()[0].alert.alert_id.clone();
    let looking = decision("ana", "looking");
    let changed = change_alert(&store.store, &id[..8], AlertAction::Acknowledge, None, &looking).unwrap();
    assert_eq!(changed.len(), 1);
    evaluate(&store.store).unwrap();
    let sql = format!("select state || ' ' || changed_by || ' ' || note from alerts where alert_id = '{id}'");
    assert_eq!(store.value(&sql), "acknowledged ana looking");
    let sql = format!("select actor from audit where subject = '{id}' and action = 'acknowledged'");
    assert_eq!(store.value(&sql), "ana");
    let precision = "select \"real\" || ' of ' || judged from alert_precision where pipeline is null";
    assert_eq!(store.value(precision), "1 of 1");
}

#[test]
fn what_moved_together_is_one_alert_with_its_cause_first() {
    let store = TempStore::new();
    import(&store, &nightly(0, &[[10.0; 40].as_slice(), &[18.0; 10]].concat(), "old,large"));
    let opened = evaluate(&store.store).unwrap();
    assert_eq!(opened.iter().map(|one| one.action.as_str()).collect::<Vec<_>>(), ["open"]);
    let alert = &opened[0].alert;
    // 81 % of cost is critical, of a duration high: the worse one speaks for both.
    assert_eq!((alert.finding.metric, alert.members.len()), (Metric::Cost, 1));
    let verdict = verdict(&store);
    let ids: Vec<_> = verdict.findings.iter().map(|f| f.explanation.alert_id.as_ref()).collect();
    assert_eq!(ids, [Some(&alert.alert_id), Some(&alert.alert_id)]);
}

#[test]
fn a_step_that_carries_a_change_is_told_with_its_share() {
    let verdict = verdict(&filled());
    let steps = &verdict.findings[0].explanation.steps;
    assert!(steps[0].step.ends_with("test_transform") && steps[0].share > 0.8, "{steps:?}");
}

#[test]
fn a_false_positive_gates_no_more() {
    let store = TempStore::new();
    import(&store, &nightly(0, &[[10.0; 40].as_slice(), &[20.0; 10]].concat(), "old,large"));
    assert_eq!(verdict(&store).verdict, VerdictWord::Fail);
    let id = store.value("select alert_id from alerts").as_str().unwrap().to_owned();
    change_alert(&store.store, &id, AlertAction::FalsePositive, None, &decision("ana", "busy runner")).unwrap();
    let after = verdict(&store);
    assert_eq!(after.verdict, VerdictWord::Pass);
    assert_eq!(after.findings[0].explanation.alert_state.as_deref(), Some("false_positive"));
    import(&store, &nightly(50, &[20.0; 3], "old,large"));
    assert_eq!(verdict(&store).verdict, VerdictWord::Pass, "more runs must not raise it again");
}

#[test]
fn an_alert_resolves_itself_when_the_level_returns_and_only_then() {
    let store = TempStore::new();
    import(&store, &nightly(0, &[[10.0; 40].as_slice(), &[20.0; 10]].concat(), "old,large"));
    evaluate(&store.store).unwrap();
    import(&store, &nightly(50, &[20.0; 60], "old,large"));
    assert!(evaluate(&store.store).unwrap().iter().all(|one| one.action.as_str() != "resolve"));
    assert_eq!(store.value("select state from alerts"), "open");
    import(&store, &nightly(110, &[10.0; 6], "old,large"));
    let moved = evaluate(&store.store).unwrap();
    assert!(moved.iter().any(|one| one.action.as_str() == "resolve"), "{moved:?}");
    assert_eq!(store.value("select count(*) from audit where action = 'resolve'"), 1);
}

#[test]
fn an_accepted_change_restarts_its_baseline_and_a_reset_takes_that_back() {
    let mut store = TempStore::new();
    import(&store, &nightly(0, &[[10.0; 40].as_slice(), &[20.0; 12]].concat(), "old,large"));
    let opened = evaluate(&store.store).unwrap();
    promote(&store.store, &opened[0].alert.alert_id, &decision("ana", "bigger input")).unwrap();
    store.restart();
    assert!(verdict(&store).findings.is_empty());
    let found = baselines(&store.store, &selector("nightly")).unwrap();
    let duration = found.iter().find(|one| one.key.metric == Metric::Duration).unwrap();
    assert_eq!((duration.kind, duration.version, duration.n), (BaselineKind::Accepted, 1, 12));
    assert_eq!(duration.set_by.as_deref(), Some("ana"));
    assert!(duration.warning.as_deref().is_some_and(|text| text.starts_with("thin")));
    let taken_back = reset_baseline(&store.store, &selector("nightly"), &decision("bo", "no")).unwrap();
    assert!(!taken_back.is_empty());
    assert_eq!(store.value("select max(version) from baselines"), 2);
    let found = baselines(&store.store, &selector("nightly")).unwrap();
    assert!(found.iter().all(|one| one.kind == BaselineKind::Learned));
}

#[test]
fn a_pinned_baseline_shows_a_drift_that_a_sliding_one_carries_along() {
    let store = TempStore::new();
    let drift: Vec<f64> = (0..120).map(|at| 10.0 * (1.0 + 0.004 * f64::from(at))).collect();
    import(&store, &nightly(0, &drift, "old,large"));
    set_baseline(&store.store, &selector("nightly"), "r0", Some("r29"), &decision("ana", "release 1")).unwrap();
    let found = verdict(&store);
    let finding = found.findings.iter().find(|f| f.metric == Metric::Duration).unwrap();
    assert!(finding.change_percent > 30.0, "{finding:?}");
    assert_eq!(store.value("select kind from baselines where metric = 'duration'"), "pinned");
}

#[test]
fn a_limit_is_found_beside_what_is_learned() {
    let store = TempStore::new();
    import(&store, &nightly(0, &[10.0; 40], "old,large"));
    assert_eq!(verdict(&store).verdict, VerdictWord::Pass);
    let rule = Rule { metric: Some(Metric::Duration), limit: Some(9.0), ..Rule::default() };
    store.store.set_policy(Policy { rules: vec![rule], ..Policy::default() });
    let found = verdict(&store);
    assert_eq!(found.verdict, VerdictWord::Fail);
    assert_eq!(found.findings[0].kind, perfline::model::FindingKind::Limit);
    assert_eq!(store.value("select kind || ' ' || state from alerts"), "limit open");
}

#[test]
fn another_host_class_is_the_cause_and_an_attribute_that_came_along_is_told() {
    let store = TempStore::new();
    import(&store, &nightly(0, &[10.0; 40], "old,large"));
    import(&store, &nightly(40, &[18.0; 12], "old,small"));
    let found = verdict(&store);
    assert_eq!(found.verdict, VerdictWord::Pass);
    let cause = found.findings.iter().find_map(|f| f.explanation.cause.clone()).unwrap();
    assert_eq!((cause.attribute.as_str(), cause.after.as_deref()), ("host_class", Some("small")));
    let other = TempStore::new();
    import(&other, &nightly(0, &[10.0; 40], "old,large"));
    import(&other, &nightly(40, &[18.0; 12], "new,large"));
    let found = verdict(&other);
    let lift = &found.findings[0].explanation.attributes;
    assert!(lift.iter().any(|one| (one.attribute.as_str(), one.value.as_str()) == ("revision", "new")), "{found:?}");
    assert!(found.findings[0].recommendation.contains("old..new"), "{}", found.findings[0].recommendation);
}

#[test]
fn one_pipeline_alone_fares_as_among_all() {
    let store = filled();
    let all = verdict(&store);
    let settings = GateSettings { ..settings(&store.store).unwrap() };
    let name = all.findings[0].pipeline.clone();
    let alone = check(&store.store, Some(&name), &settings).unwrap();
    let own: Vec<_> = all.findings.iter().filter(|f| f.pipeline == name).cloned().collect();
    assert_eq!(alone.findings, own);
}
