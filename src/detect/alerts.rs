//! The life of alerts. Pure: findings, series, known alerts and the present in; what changed out.
//!
//! suspected → open → acknowledged | muted | false positive | resolved. What people say stands; what perfline says, it
//! takes back when the level returns.

mod group;
mod level;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::clock::UnixNanos;
use crate::model::{AlertRecord, AlertState, Finding, FindingKind, Policy, Series, Severity};
pub(super) use group::RunOrder;
use group::{Class, Group, SAME_PLACE_RUNS, group};
use level::has_returned;

/// Runs by which a drift, told of the newest 20, may have begun to show as a step before.
const DRIFT_PLACE_RUNS: usize = 20;
/// Judgements in a row, each with new runs, that find a limit kept or a drift gone before its alert is resolved.
const MISSES_TO_RESOLVE: u32 = 2;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something may have changed; more runs will tell.
    Suspect,
    /// It did not.
    Clear,
    /// A new alert.
    Open,
    /// Resolved by perfline, and back.
    Reopen,
    /// Worse than when it was last told.
    Escalate,
    /// Seen again: nothing to tell.
    Update,
    /// The level returned.
    Resolve,
    /// Its time of silence is over.
    Unmute,
    /// It has stood for so long that policy takes the new level for the baseline.
    Accept,
}

impl Action {
    /// The word used in JSON and in the audit trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Clear => "clear",
            Self::Open => "open",
            Self::Reopen => "reopen",
            Self::Escalate => "escalate",
            Self::Update => "update",
            Self::Resolve => "resolve",
            Self::Unmute => "unmute",
            Self::Accept => "accept",
        }
    }
}

/// An alert as it is to be stored, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// What happened.
    pub action: Action,
    /// The alert afterwards.
    pub alert: AlertRecord,
}

/// What an evaluation saw. Only alerts of pipelines with series here are touched.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Confirmed, the cause before what it causes.
    pub findings: &'a [Finding],
    /// Not yet confirmed.
    pub suspected: &'a [Finding],
    /// What was judged.
    pub series: &'a [Series],
    /// When policy accepts a change.
    pub policy: &'a Policy,
    /// The present.
    pub now: UnixNanos,
}

/// Names a finding's change: pipeline, context, and the first run at the new level; for what has no run of its own its
/// step and metric. 16 hex digits.
#[must_use]
pub fn fingerprint(finding: &Finding) -> String {
    let (context, class) = (&finding.context, Class::of(finding));
    let own = class != Class::Step;
    let mut hash = Sha256::new();
    let parts = [
        Some(finding.pipeline.as_str()),
        context.service.as_deref(),
        context.branch.as_deref(),
        context.environment.as_deref(),
        context.host_class.as_deref(),
        finding.step.as_deref().filter(|_| own),
        Some(finding.metric.as_str()).filter(|_| own),
        Some(finding.since_run_key.as_str()).filter(|_| class != Class::Limit),
    ];
    for part in parts {
        // Length first, so that neighbours cannot run into one another; absent is not empty.
        hash.update(part.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What an evaluation means for the alerts.
#[must_use]
pub fn transitions(seen: &Seen<'_>, known: &[AlertRecord]) -> Vec<Transition> {
    let order = RunOrder::of(seen.series);
    let mut life = Life { seen, order: &order, known, touched: BTreeSet::new(), changed: Vec::new() };
    for group in group(seen.findings, &order) {
        if group.all().any(|finding| finding.actionable) {
            life.confirm(&group);
        }
    }
    for group in group(seen.suspected, &order) {
        life.suspect(&group);
    }
    life.go_on();
    life.changed
}

/// Writes into findings which alert tells of them. What somebody silenced, or called over, does not gate.
pub(super) fn annotate(findings: &mut [Finding], alerts: &[AlertRecord], order: &RunOrder) {
    for finding in findings {
        let Some(alert) = alerts.iter().rfind(|alert| tells_of(alert, finding, order)) else { continue };
        finding.explanation.alert_id = Some(alert.alert_id.clone());
        finding.explanation.alert_state = Some(alert.state.as_str().to_owned());
        let over = alert.state == AlertState::Resolved && alert.changed_by.is_some();
        finding.actionable &= !alert.state.is_silent() && !over;
    }
}

fn tells_of(alert: &AlertRecord, finding: &Finding, order: &RunOrder) -> bool {
    let near = match (Class::of(&alert.finding), Class::of(finding)) {
        (Class::Step, Class::Step) => Some(SAME_PLACE_RUNS),
        // What looked like a step may turn out to be the begin of a drift.
        (Class::Step, Class::Drift) => Some(DRIFT_PLACE_RUNS),
        (a, b) if a == b => None,
        _ => return false,
    };
    std::iter::once(&alert.finding).chain(&alert.members).any(|known| known.is_of_series(finding))
        && near.is_none_or(|runs| order.are_near(&alert.finding, finding, runs))
}

struct Life<'a> {
    seen: &'a Seen<'a>,
    order: &'a RunOrder,
    known: &'a [AlertRecord],
    /// Places of the known alerts that were seen again.
    touched: BTreeSet<usize>,
    changed: Vec<Transition>,
}

impl Life<'_> {
    fn confirm(&mut self, group: &Group) {
        match self.find(group) {
            Some(place) if self.touched.insert(place) => {
                let transition = self.confirm_known(&self.known[place], group);
                self.changed.extend(transition);
            }
            Some(_) => {}
            None => {
                let alert = self.make(group, AlertState::Open);
                self.changed.push(Transition { action: Action::Open, alert });
            }
        }
    }

    // The alert that tells of this event already. More runs may place it a few runs earlier or later.
    fn find(&self, group: &Group) -> Option<usize> {
        let id = fingerprint(&group.head);
        let same = |alert: &AlertRecord| group.all().any(|finding| tells_of(alert, finding, self.order));
        let exact = self.known.iter().position(|alert| alert.alert_id == id);
        // Of several the newest: what was over long ago is another story.
        exact.or_else(|| self.known.iter().rposition(same))
    }

    fn make(&self, group: &Group, state: AlertState) -> AlertRecord {
        let now = self.seen.now;
        AlertRecord {
            alert_id: fingerprint(&group.head),
            state,
            finding: group.head.clone(),
            members: group.members.clone(),
            opened_ns: now,
            seen_ns: now,
            changed_ns: now,
            latest_run_ns: self.newest(&group.head),
            missed: 0,
            muted_until_ns: None,
            changed_by: None,
            note: None,
        }
    }

    fn newest(&self, finding: &Finding) -> UnixNanos {
        self.order.newest(&finding.pipeline).unwrap_or(self.seen.now)
    }

    fn confirm_known(&self, known: &AlertRecord, group: &Group) -> Option<Transition> {
        let now = self.seen.now;
        let fresh = AlertRecord {
            finding: group.head.clone(),
            members: group.members.clone(),
            seen_ns: now,
            latest_run_ns: self.newest(&group.head),
            missed: 0,
            ..known.clone()
        };
        let by_person = known.changed_by.is_some();
        let recurs = Class::of(&known.finding) != Class::Step && known.missed > 0;
        let open = |action| {
            let (state, changed_by, note) = (AlertState::Open, None, None);
            let alert = AlertRecord { state, changed_by, note, changed_ns: now, muted_until_ns: None, ..fresh.clone() };
            Some(Transition { action, alert })
        };
        match known.state {
            AlertState::Suspected => open(Action::Open),
            AlertState::Muted if known.muted_until_ns.is_some_and(|until| until <= now) => open(Action::Unmute),
            AlertState::Resolved if !by_person || recurs => open(Action::Reopen),
            AlertState::FalsePositive if recurs => open(Action::Reopen),
            // What a person closed stays as that person left it.
            AlertState::Resolved | AlertState::FalsePositive => None,
            AlertState::Open if worst(&fresh) > worst(known) => {
                Some(Transition { action: Action::Escalate, alert: AlertRecord { changed_ns: now, ..fresh } })
            }
            _ if fresh.finding == known.finding && fresh.members == known.members && known.missed == 0 => None,
            _ => Some(Transition { action: Action::Update, alert: fresh }),
        }
    }

    fn suspect(&mut self, group: &Group) {
        let told = |one: &Transition| {
            let finding = &one.alert.finding;
            (&finding.pipeline, &finding.context) == (&group.head.pipeline, &group.head.context)
                && self.order.are_near(finding, &group.head, SAME_PLACE_RUNS)
        };
        if self.changed.iter().any(told) {
            return;
        }
        match self.find(group) {
            Some(place) => drop(self.touched.insert(place)),
            None => {
                let mut alert = self.make(group, AlertState::Suspected);
                for finding in std::iter::once(&mut alert.finding).chain(&mut alert.members) {
                    // Not confirmed: whatever its size, it is no regression yet.
                    (finding.kind, finding.severity, finding.actionable) =
                        (FindingKind::Suspected, Severity::None, false);
                }
                self.changed.push(Transition { action: Action::Suspect, alert });
            }
        }
    }

    // What was not seen again: over, or still so.
    fn go_on(&mut self) {
        for (place, alert) in self.known.iter().enumerate() {
            let Some(newest) = self.order.newest(&alert.finding.pipeline) else { continue };
            let seen_again = self.touched.contains(&place);
            let moved = if self.is_accepted(alert) {
                self.close(alert, Action::Accept)
            } else if seen_again {
                None
            } else {
                self.unseen(alert, newest)
            };
            if let Some(moved) = moved {
                self.changed.retain(|one| one.alert.alert_id != alert.alert_id);
                self.changed.push(moved);
            }
        }
    }

    fn is_accepted(&self, alert: &AlertRecord) -> bool {
        let key = alert.finding.series_key();
        alert.state.is_live()
            && Class::of(&alert.finding) != Class::Limit
            && self.seen.policy.promote_after(&key).is_some_and(|runs| self.order.runs_since(&alert.finding) >= runs)
    }

    fn unseen(&self, alert: &AlertRecord, newest: UnixNanos) -> Option<Transition> {
        let has_news = newest > alert.latest_run_ns;
        match (alert.state, Class::of(&alert.finding)) {
            (AlertState::Suspected, _) if has_news => self.close(alert, Action::Clear),
            (AlertState::Suspected, _) => None,
            (state, Class::Step) if state.is_live() => {
                if has_returned(alert, self.seen.series) {
                    return self.close(alert, Action::Resolve);
                }
                let over = alert.state == AlertState::Muted
                    && alert.muted_until_ns.is_some_and(|until| until <= self.seen.now);
                over.then(|| {
                    let (state, changed_by) = (AlertState::Open, None);
                    let changed_ns = self.seen.now;
                    let alert = AlertRecord { state, changed_by, changed_ns, muted_until_ns: None, ..alert.clone() };
                    Transition { action: Action::Unmute, alert }
                })
            }
            (_, Class::Step) => None,
            (state, _) if has_news => {
                let alert = AlertRecord { latest_run_ns: newest, missed: alert.missed + 1, ..alert.clone() };
                if state.is_live() && alert.missed >= MISSES_TO_RESOLVE {
                    return self.close(&alert, Action::Resolve);
                }
                Some(Transition { action: Action::Update, alert })
            }
            _ => None,
        }
    }

    fn close(&self, alert: &AlertRecord, action: Action) -> Option<Transition> {
        let alert = AlertRecord {
            state: AlertState::Resolved,
            changed_ns: self.seen.now,
            changed_by: None,
            muted_until_ns: None,
            ..alert.clone()
        };
        Some(Transition { action, alert })
    }
}

fn worst(alert: &AlertRecord) -> Severity {
    let own = std::iter::once(&alert.finding).chain(&alert.members);
    own.filter(|finding| finding.actionable).map(|finding| finding.severity).max().unwrap_or_default()
}
