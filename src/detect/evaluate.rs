//! Evaluation against the store: judge every series, move its alerts, keep the audit trail.

use std::collections::BTreeMap;

use super::alerts::{Action, Transition, transitions};
use super::gate::{GateSettings, judge};
use super::history::read_series;
use crate::model::clock::UnixNanos;
use crate::model::unit::parse_time;
use crate::model::{AcceptedChange, AlertRecord, AlertState, AuditRecord, Finding, SeriesKey};
use crate::store::{AlertChanges, Reader, Store, StoreError};

/// The defaults with what people accepted.
pub fn settings(reader: &Reader) -> Result<GateSettings, StoreError> {
    let accepted = reader.accepted_changes()?.into_iter().map(|change| (change.key, change.since_ns)).collect();
    Ok(GateSettings { accepted, ..GateSettings::default() })
}

/// Judges all series and moves the alerts; gives what is worth telling.
pub fn evaluate(store: &Store) -> Result<Vec<Transition>, StoreError> {
    store.flush()?;
    let reader = store.reader()?;
    let series = read_series(&reader, None)?;
    let verdict = judge(&series, &settings(&reader)?);
    let mut latest: BTreeMap<String, UnixNanos> = BTreeMap::new();
    for one in &series {
        if let Some(last) = one.points.last() {
            let newest = latest.entry(one.key.pipeline.clone()).or_insert(last.started_at);
            *newest = last.started_at.max(*newest);
        }
    }
    store.change_alerts(move |known, now| {
        let moved = transitions(&verdict.findings, known, &latest, now);
        let told: Vec<Transition> = moved.iter().filter(|one| one.action != Action::Update).cloned().collect();
        let audit = told.iter().map(|one| line(&one.alert, word(one.action), None, None)).collect();
        let alerts = moved.into_iter().map(|one| one.alert).collect();
        (AlertChanges { alerts, audit, ..AlertChanges::default() }, told)
    })
}

/// Sets the state of the alerts whose id begins with `prefix`, if that is one; gives those that fit.
pub fn change_alert(
    store: &Store,
    prefix: &str,
    state: AlertState,
    until: Option<UnixNanos>,
    by: Option<String>,
    note: Option<String>,
) -> Result<Vec<AlertRecord>, StoreError> {
    let prefix = prefix.to_owned();
    store.change_alerts(move |known, now| {
        let mut fitting: Vec<AlertRecord> =
            known.iter().filter(|alert| alert.alert_id.starts_with(&prefix)).cloned().collect();
        let mut changes = AlertChanges::default();
        if let [alert] = fitting.as_mut_slice() {
            (alert.state, alert.changed_ns, alert.muted_until_ns) = (state, now, until);
            // Named, so that an evaluation knows a person's word from its own.
            alert.changed_by = Some(by.unwrap_or_else(|| "unknown".to_owned()));
            alert.note = note;
            changes.audit.push(line(alert, state.as_str(), alert.changed_by.clone(), alert.note.clone()));
            changes.alerts.push(alert.clone());
        }
        (changes, fitting)
    })
}

/// Accepts the change behind the alert with this id: its series' baseline begins there, the alert is resolved.
pub fn accept_change(
    store: &Store,
    prefix: &str,
    by: Option<String>,
    reason: Option<String>,
) -> Result<Vec<AlertRecord>, StoreError> {
    let prefix = prefix.to_owned();
    store.change_alerts(move |known, now| {
        let mut fitting: Vec<AlertRecord> =
            known.iter().filter(|alert| alert.alert_id.starts_with(&prefix)).cloned().collect();
        let mut changes = AlertChanges::default();
        if let [alert] = fitting.as_mut_slice() {
            let by = by.unwrap_or_else(|| "unknown".to_owned());
            (alert.state, alert.changed_ns, alert.muted_until_ns) = (AlertState::Resolved, now, None);
            (alert.changed_by, alert.note) = (Some(by.clone()), reason.clone());
            changes.audit.push(line(alert, "accept", Some(by.clone()), reason.clone()));
            changes.accepted.push(AcceptedChange {
                key: key_of(&alert.finding),
                since_ns: parse_time(&alert.finding.since_time).unwrap_or(now),
                set_ns: now,
                set_by: Some(by),
                reason,
            });
            changes.alerts.push(alert.clone());
        }
        (changes, fitting)
    })
}

/// Forgets the accepted changes of a pipeline; gives how many.
pub fn forget_changes(
    store: &Store,
    pipeline: &str,
    by: Option<String>,
    reason: Option<String>,
) -> Result<usize, StoreError> {
    store.flush()?;
    let known = store.reader()?.accepted_changes()?;
    let forgotten: Vec<SeriesKey> =
        known.into_iter().map(|change| change.key).filter(|key| key.pipeline == pipeline).collect();
    let subject = pipeline.to_owned();
    let actor = Some(by.unwrap_or_else(|| "unknown".to_owned()));
    store.change_alerts(move |_known, _now| {
        let count = forgotten.len();
        let audit = vec![AuditRecord { actor, action: "reset".to_owned(), subject, note: reason }];
        (AlertChanges { forgotten, audit, ..AlertChanges::default() }, count)
    })
}

fn key_of(finding: &Finding) -> SeriesKey {
    SeriesKey {
        pipeline: finding.pipeline.clone(),
        step: finding.step.clone(),
        metric: finding.metric,
        context: finding.context.clone(),
    }
}

fn line(alert: &AlertRecord, action: &str, actor: Option<String>, note: Option<String>) -> AuditRecord {
    AuditRecord { actor, action: action.to_owned(), subject: alert.alert_id.clone(), note }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Open => "open",
        Action::Reopen => "reopen",
        Action::Update => "update",
        Action::Resolve => "resolve",
        Action::Unmute => "unmute",
    }
}
