//! The life of alerts. Pure: findings, known alerts and the present in; what changed out.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::clock::UnixNanos;
use crate::model::{AlertRecord, AlertState, Finding};

/// Judgements in a row, each with new runs, without the change before its alert is resolved.
pub const MISSES_TO_RESOLVE: u32 = 2;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A new alert.
    Open,
    /// Resolved by perfline, and back.
    Reopen,
    /// Confirmed again, or missed once: nothing to tell.
    Update,
    /// The level returned, or the change left the window.
    Resolve,
    /// Its time of silence is over.
    Unmute,
}

/// An alert as it is to be stored, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// What happened.
    pub action: Action,
    /// The alert afterwards.
    pub alert: AlertRecord,
}

/// Names a finding's change: pipeline, step, metric, context and first run at the new level. 16 hex digits.
#[must_use]
pub fn fingerprint(finding: &Finding) -> String {
    let context = &finding.context;
    let mut hash = Sha256::new();
    let parts = [
        Some(finding.pipeline.as_str()),
        finding.step.as_deref(),
        context.service.as_deref(),
        context.branch.as_deref(),
        context.environment.as_deref(),
        context.host_class.as_deref(),
        Some(finding.since_run_key.as_str()),
    ];
    for part in parts {
        // Length first, so that neighbours cannot run into one another; absent is not empty.
        hash.update(part.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.update(format!("{:?}", finding.metric));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn same_series(a: &Finding, b: &Finding) -> bool {
    (&a.pipeline, &a.step, a.metric, &a.context) == (&b.pipeline, &b.step, b.metric, &b.context)
}

/// What the findings mean for the alerts. `latest` holds the start of each pipeline's newest run: without a new run,
/// an alert that is not confirmed is left as it is.
#[must_use]
pub fn transitions(
    findings: &[Finding],
    known: &[AlertRecord],
    latest: &BTreeMap<String, UnixNanos>,
    now: UnixNanos,
) -> Vec<Transition> {
    let mut changed = Vec::new();
    let mut confirmed = vec![false; known.len()];
    for finding in findings.iter().filter(|finding| finding.actionable) {
        let id = fingerprint(finding);
        let newest = latest.get(&finding.pipeline).copied().unwrap_or(now);
        // More runs may place the same change a run earlier or later: that is no second alert.
        let place = known
            .iter()
            .position(|alert| alert.alert_id == id)
            .or_else(|| known.iter().position(|alert| alert.state.is_live() && same_series(&alert.finding, finding)));
        match place {
            Some(place) => {
                confirmed[place] = true;
                changed.push(confirm(&known[place], finding, newest, now));
            }
            None => changed.push(open(id, finding, newest, now)),
        }
    }
    for (alert, _) in known.iter().zip(confirmed).filter(|(alert, seen)| !seen && alert.state.is_live()) {
        changed.extend(miss(alert, latest, now));
    }
    changed
}

fn open(alert_id: String, finding: &Finding, newest: UnixNanos, now: UnixNanos) -> Transition {
    let alert = AlertRecord {
        alert_id,
        state: AlertState::Open,
        finding: finding.clone(),
        opened_ns: now,
        seen_ns: now,
        changed_ns: now,
        latest_run_ns: newest,
        missed: 0,
        muted_until_ns: None,
        changed_by: None,
        note: None,
    };
    Transition { action: Action::Open, alert }
}

fn confirm(known: &AlertRecord, finding: &Finding, newest: UnixNanos, now: UnixNanos) -> Transition {
    let mut alert =
        AlertRecord { finding: finding.clone(), seen_ns: now, latest_run_ns: newest, missed: 0, ..known.clone() };
    let silence_over = alert.state == AlertState::Muted && alert.muted_until_ns.is_some_and(|until| until <= now);
    // What a person resolved stays resolved; what perfline resolved too early comes back.
    let back = alert.state == AlertState::Resolved && alert.changed_by.is_none();
    let action = match (silence_over, back) {
        (true, _) => Action::Unmute,
        (_, true) => Action::Reopen,
        _ => return Transition { action: Action::Update, alert },
    };
    (alert.state, alert.changed_ns, alert.muted_until_ns, alert.changed_by) = (AlertState::Open, now, None, None);
    Transition { action, alert }
}

fn miss(known: &AlertRecord, latest: &BTreeMap<String, UnixNanos>, now: UnixNanos) -> Option<Transition> {
    let newest = *latest.get(&known.finding.pipeline)?;
    if newest <= known.latest_run_ns {
        return None;
    }
    let mut alert = AlertRecord { latest_run_ns: newest, missed: known.missed + 1, ..known.clone() };
    if alert.missed < MISSES_TO_RESOLVE {
        return Some(Transition { action: Action::Update, alert });
    }
    (alert.state, alert.changed_ns, alert.changed_by) = (AlertState::Resolved, now, None);
    Some(Transition { action: Action::Resolve, alert })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingKind, Metric, SeriesContext, Severity};

    fn finding(since: &str) -> Finding {
        Finding {
            pipeline: "nightly".to_owned(),
            step: None,
            metric: Metric::Duration,
            kind: FindingKind::Step,
            severity: Severity::High,
            actionable: true,
            confidence: 0.99,
            p_value: 0.001,
            baseline: 10.0,
            current: 15.0,
            change_percent: 50.0,
            n_baseline: 30,
            n_current: 8,
            since_run: since.to_owned(),
            since_run_key: since.to_owned(),
            since_time: "2026-01-01T00:00:00Z".to_owned(),
            since_revision: None,
            difference_low: 4.0,
            difference_high: 6.0,
            context: SeriesContext::default(),
            recommendation: String::new(),
        }
    }

    fn step(findings: &[Finding], known: &mut Vec<AlertRecord>, newest: UnixNanos) -> Vec<Action> {
        let latest = BTreeMap::from([("nightly".to_owned(), newest)]);
        let moved = transitions(findings, known, &latest, newest);
        for one in &moved {
            known.retain(|alert| alert.alert_id != one.alert.alert_id);
            known.push(one.alert.clone());
        }
        moved.iter().map(|one| one.action).collect()
    }

    #[test]
    fn a_change_is_opened_once_even_where_more_runs_move_its_place() {
        let mut known = Vec::new();
        assert_eq!(step(&[finding("a")], &mut known, 1), [Action::Open]);
        assert_eq!(step(&[finding("a")], &mut known, 2), [Action::Update]);
        assert_eq!(step(&[finding("b")], &mut known, 3), [Action::Update]);
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn an_alert_is_resolved_at_the_second_miss_with_new_runs_and_comes_back() {
        let mut known = Vec::new();
        step(&[finding("a")], &mut known, 1);
        assert_eq!(step(&[], &mut known, 1), []);
        assert_eq!(step(&[], &mut known, 2), [Action::Update]);
        assert_eq!(step(&[], &mut known, 2), []);
        assert_eq!(step(&[], &mut known, 3), [Action::Resolve]);
        assert_eq!(step(&[finding("a")], &mut known, 4), [Action::Reopen]);
    }

    #[test]
    fn what_a_person_said_stands_and_silence_ends_in_time() {
        let mut known = Vec::new();
        step(&[finding("a")], &mut known, 1);
        (known[0].state, known[0].changed_by) = (AlertState::Resolved, Some("ana".to_owned()));
        assert_eq!(step(&[finding("a")], &mut known, 2), [Action::Update]);
        assert_eq!(known[0].state, AlertState::Resolved);
        (known[0].state, known[0].muted_until_ns) = (AlertState::Muted, Some(5));
        assert_eq!(step(&[finding("a")], &mut known, 4), [Action::Update]);
        assert_eq!(step(&[finding("a")], &mut known, 5), [Action::Unmute]);
    }

    #[test]
    fn what_is_not_actionable_opens_nothing() {
        let better = Finding { actionable: false, ..finding("a") };
        assert_eq!(step(&[better], &mut Vec::new(), 1), []);
    }
}
