//! Alerts and accepted changes live in the store: opened once, kept over a restart, told in the audit trail.

use perfline::detect::{accept_change, change_alert, evaluate, settings};
use perfline::model::AlertState;

use super::support::{TempStore, fixtures, requests};

fn filled() -> TempStore {
    let store = TempStore::new();
    for request in requests(&fixtures().join("otlp/pytest-opentelemetry-series")) {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    store
}

#[test]
fn a_regression_opens_its_alerts_once_and_a_restart_forgets_nothing() {
    let mut store = filled();
    let opened = evaluate(&store.store).unwrap();
    assert!(!opened.is_empty());
    store.restart();
    assert!(evaluate(&store.store).unwrap().is_empty());
    let count = store.value("select count(*) from alerts where state = 'open'");
    assert_eq!(count, opened.len());
    assert_eq!(store.value("select count(*) from audit where action = 'open'"), opened.len());
}

#[test]
fn what_a_person_says_is_kept_with_name_and_reason() {
    let store = filled();
    let id = evaluate(&store.store).unwrap()[0].alert.alert_id.clone();
    let (by, note) = (Some("ana".to_owned()), Some("looking".to_owned()));
    let changed = change_alert(&store.store, &id[..8], AlertState::Acknowledged, None, by, note).unwrap();
    assert_eq!(changed.len(), 1);
    evaluate(&store.store).unwrap();
    let sql = format!("select state || ' ' || changed_by || ' ' || note from alerts where alert_id = '{id}'");
    assert_eq!(store.value(&sql), "acknowledged ana looking");
    let sql = format!("select actor from audit where subject = '{id}' and action = 'acknowledged'");
    assert_eq!(store.value(&sql), "ana");
}

#[test]
fn an_accepted_change_restarts_its_series_baseline() {
    let mut store = filled();
    let opened = evaluate(&store.store).unwrap();
    let alert = &opened[0].alert;
    accept_change(&store.store, &alert.alert_id, Some("ana".to_owned()), None).unwrap();
    store.restart();
    let reader = store.store.reader().unwrap();
    let verdict = perfline::detect::check(&reader, None, &settings(&reader).unwrap()).unwrap();
    let same = |f: &perfline::model::Finding| {
        (&f.pipeline, &f.step, f.metric) == (&alert.finding.pipeline, &alert.finding.step, alert.finding.metric)
    };
    assert!(!verdict.findings.iter().any(same));
    assert_eq!(store.value("select count(*) from baselines"), 1);
}
