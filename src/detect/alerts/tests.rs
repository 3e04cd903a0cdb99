//! Alerts over judgement after judgement.

use super::*;
use crate::model::unit::format_time;
use crate::model::{Explanation, Metric, SeriesContext, SeriesKey, SeriesPoint};

const HOUR: i64 = 3_600_000_000_000;

fn finding(metric: Metric, step: Option<&str>, since: usize) -> Finding {
    Finding {
        pipeline: "nightly".to_owned(),
        step: step.map(str::to_owned),
        metric,
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
        since_run: since.to_string(),
        since_run_key: format!("k{since}"),
        since_time: format_time(since as i64 * HOUR),
        since_revision: None,
        difference_low: 4.0,
        difference_high: 6.0,
        context: SeriesContext::default(),
        recommendation: String::new(),
        explanation: Explanation::default(),
    }
}

fn duration(since: usize) -> Finding {
    finding(Metric::Duration, None, since)
}

fn series(metric: Metric, step: Option<&str>, values: &[f64]) -> Series {
    let points = values
        .iter()
        .enumerate()
        .map(|(at, value)| SeriesPoint {
            run_key: format!("k{at}").into(),
            run_id: at.to_string().into(),
            started_at: at as i64 * HOUR,
            value: *value,
            revision: None,
            model: None,
            input_size: None,
        })
        .collect();
    let key = SeriesKey {
        pipeline: "nightly".to_owned(),
        step: step.map(str::to_owned),
        metric,
        context: SeriesContext::default(),
    };
    Series { key, points }
}

/// Ten runs at 10, then those at 15, then those at 10 again.
fn history(high: usize, back: usize) -> Vec<Series> {
    let values = [vec![10.0; 10], vec![15.0; high], vec![10.0; back]].concat();
    vec![series(Metric::Duration, None, &values)]
}

struct Told {
    known: Vec<AlertRecord>,
    policy: Policy,
}

impl Told {
    fn new() -> Self {
        Self { known: Vec::new(), policy: Policy::default() }
    }

    fn step(&mut self, findings: &[Finding], suspected: &[Finding], series: &[Series], now: i64) -> Vec<Action> {
        let seen = Seen { findings, suspected, series, policy: &self.policy, now };
        let moved = transitions(&seen, &self.known);
        for one in &moved {
            self.known.retain(|alert| alert.alert_id != one.alert.alert_id);
            self.known.push(one.alert.clone());
        }
        moved.iter().map(|one| one.action).collect()
    }
}

#[test]
fn a_change_is_opened_once_even_where_more_runs_move_its_place() {
    let mut told = Told::new();
    assert_eq!(told.step(&[duration(10)], &[], &history(4, 0), 1), [Action::Open]);
    assert_eq!(told.step(&[duration(10)], &[], &history(5, 0), 2), []);
    assert_eq!(told.step(&[duration(12)], &[], &history(6, 0), 3), [Action::Update]);
    assert_eq!(told.known.len(), 1);
}

#[test]
fn what_moved_together_is_one_alert_with_the_cause_first() {
    let mut told = Told::new();
    let found = [finding(Metric::Cost, Some("draft"), 10), duration(11), finding(Metric::Cost, None, 10)];
    let mut given = history(5, 0);
    given.push(series(Metric::Cost, None, &[1.0; 15]));
    assert_eq!(told.step(&found, &[], &given, 1), [Action::Open]);
    let alert = &told.known[0];
    assert_eq!((alert.finding.step.as_deref(), alert.members.len()), (Some("draft"), 2));
    // The order among them may change, the alert does not.
    assert_eq!(told.step(&[found[1].clone(), found[0].clone()], &[], &given, 2), [Action::Update]);
    assert_eq!(told.known.len(), 1);
}

#[test]
fn a_later_change_is_an_alert_of_its_own() {
    let mut told = Told::new();
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    assert_eq!(told.step(&[duration(30)], &[], &history(30, 0), 2), [Action::Open]);
    assert_eq!(told.known.iter().filter(|alert| alert.state == AlertState::Open).count(), 2);
}

#[test]
fn an_alert_is_resolved_when_the_level_returns_and_not_when_it_merely_grows_old() {
    let mut told = Told::new();
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    assert_eq!(told.step(&[], &[], &history(60, 0), 2), []);
    assert_eq!(told.step(&[], &[], &history(60, 2), 3), []);
    assert_eq!(told.step(&[], &[], &history(60, 5), 4), [Action::Resolve]);
    assert_eq!(told.known[0].state, AlertState::Resolved);
}

#[test]
fn what_perfline_resolved_too_early_comes_back_under_its_name() {
    let mut told = Told::new();
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    let id = told.known[0].alert_id.clone();
    told.step(&[], &[], &history(5, 5), 2);
    assert_eq!(told.step(&[duration(10)], &[], &history(20, 0), 3), [Action::Reopen]);
    assert_eq!((told.known.len(), &told.known[0].alert_id), (1, &id));
}

#[test]
fn what_is_suspected_is_opened_or_cleared_by_more_runs() {
    let mut told = Told::new();
    assert_eq!(told.step(&[], &[duration(10)], &history(3, 0), 1), [Action::Suspect]);
    let suspected = &told.known[0];
    assert_eq!((suspected.state, suspected.finding.actionable), (AlertState::Suspected, false));
    assert_eq!(told.step(&[], &[duration(10)], &history(4, 0), 2), []);
    assert_eq!(told.step(&[duration(10)], &[], &history(5, 0), 3), [Action::Open]);
    let mut other = Told::new();
    other.step(&[], &[duration(10)], &history(3, 0), 1);
    assert_eq!(other.step(&[], &[], &history(3, 1), 2), [Action::Clear]);
}

#[test]
fn what_a_person_said_stands_and_silence_ends_in_time() {
    let mut told = Told::new();
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    for state in [AlertState::FalsePositive, AlertState::Resolved] {
        (told.known[0].state, told.known[0].changed_by) = (state, Some("ana".to_owned()));
        assert_eq!(told.step(&[duration(10)], &[], &history(6, 0), 2), []);
    }
    (told.known[0].state, told.known[0].muted_until_ns) = (AlertState::Muted, Some(5));
    assert_eq!(told.step(&[duration(11)], &[], &history(7, 0), 4), [Action::Update]);
    assert_eq!(told.step(&[duration(11)], &[], &history(8, 0), 5), [Action::Unmute]);
}

#[test]
fn what_gets_worse_is_told_again_once() {
    let mut told = Told::new();
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    let worse = Finding { severity: Severity::Critical, ..duration(10) };
    assert_eq!(told.step(std::slice::from_ref(&worse), &[], &history(6, 0), 2), [Action::Escalate]);
    assert_eq!(told.step(&[worse], &[], &history(7, 0), 3), []);
}

#[test]
fn policy_accepts_what_has_stood_long_enough() {
    let mut told = Told::new();
    told.policy.promote_after_runs = 30;
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    assert_eq!(told.step(&[], &[], &history(29, 0), 2), []);
    assert_eq!(told.step(&[], &[], &history(30, 0), 3), [Action::Accept]);
}

#[test]
fn a_limit_that_is_kept_again_is_resolved_at_the_second_look_with_new_runs() {
    let limit = |since| Finding { kind: FindingKind::Limit, ..duration(since) };
    let mut told = Told::new();
    assert_eq!(told.step(&[limit(10)], &[], &history(5, 0), 1), [Action::Open]);
    assert_eq!(told.step(&[limit(14)], &[], &history(9, 0), 2), [Action::Update]);
    assert_eq!(told.step(&[], &[], &history(9, 1), 3), [Action::Update]);
    assert_eq!(told.step(&[], &[], &history(9, 1), 4), []);
    assert_eq!(told.step(&[], &[], &history(9, 2), 5), [Action::Resolve]);
}

#[test]
fn what_is_not_actionable_or_of_another_pipeline_is_left_alone() {
    let better = Finding { actionable: false, ..duration(10) };
    let mut told = Told::new();
    assert_eq!(told.step(&[better], &[], &history(5, 0), 1), []);
    told.step(&[duration(10)], &[], &history(5, 0), 1);
    assert_eq!(told.step(&[], &[], &[], 2), []);
}
