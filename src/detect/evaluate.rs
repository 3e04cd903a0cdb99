//! Evaluation against the store: what is stale is judged, its alerts move, and what was said is kept.
//!
//! One pass in SQL looks at all series of the stale pipelines; only pipelines in which one may have changed, or has a
//! live alert, are read into memory. What is not stale is answered from what was said before.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::alerts::{Action, RunOrder, Seen, Transition, annotate, transitions};
use super::baseline::{accepted_versions, known_versions};
use super::explain::explain_attributes;
use super::gate::{GateSettings, Newest};
use super::history::{GATE_RUNS, read_series};
use super::simulate::parallel::map_seeds;
use super::whole::{Judgement, SUSPECTED_P_MAX, add, empty_verdict, judge_whole, settle};
use crate::model::{AlertRecord, AlertState, AuditRecord, BaselineKind, Policy, Series, Verdict, VerdictWord};
use crate::store::{AlertChanges, Reader, Screen, Screened, Store, StoreError};

/// Counted up whenever the same runs would be judged otherwise than by the build before.
const DETECTOR_VERSION: u32 = 6;
/// Pipelines that are in memory at one time.
const PIPELINES_AT_ONCE: usize = 100;
/// Runs of a context that are read where the newest set is fixed by time or branch.
const FIXED_RUNS: usize = 5_000;
/// By how much the search over splits at least makes a deviation likelier, in the screen's reckoning: not at all where a
/// new revision says where to look.
const SCREEN_SEARCH_FACTOR: f64 = 1.0;
/// Deviations from which one newest run is odd.
const SCREEN_ODD_MIN: f64 = 5.0;
/// Share of the distance from the level that an hour or weekday may leave over to count as a pattern: somewhat less gain
/// than the gate asks for, since the screen sees fewer runs.
const SCREEN_PATTERN_MAX: f64 = 0.92;
/// Runs before the newest with which the screen knows level and spread.
const SCREEN_KNOWN_MIN: i64 = 30;

/// The defaults with what the team decided: policy, accepted changes, pinned baselines.
pub fn settings(store: &Store) -> Result<GateSettings, StoreError> {
    let mut settings = GateSettings { policy: store.policy(), ..GateSettings::default() };
    for (version, runs) in known_versions(&store.reader()?)?.into_values() {
        match version.kind {
            BaselineKind::Accepted => drop(settings.accepted.insert(version.key, version.since_ns)),
            BaselineKind::Pinned => drop(settings.pinned.insert(version.key, runs)),
            BaselineKind::Learned | BaselineKind::Reset => {}
        }
    }
    Ok(settings)
}

/// Judges what is stale and moves the alerts; gives what is worth telling.
pub fn evaluate(store: &Store) -> Result<Vec<Transition>, StoreError> {
    store.flush()?;
    let _only = store.evaluating();
    let settings = settings(store)?;
    let print = fingerprint(&settings.policy);
    let stale = stale(store, &print)?;
    if stale.is_empty() {
        return Ok(Vec::new());
    }
    store.take_stale()?;
    let reader = store.reader()?;
    let alive: BTreeSet<String> =
        reader.alerts()?.into_iter().filter(watched).map(|alert| alert.finding.pipeline).collect();
    let mut judged = judge_stale(&reader, &stale, &alive, &settings)?;
    explain_attributes(&reader, judged.findings_mut())?;
    // Nobody waits for the loader with a connection in hand: it may have to wait for that.
    drop(reader);
    let policy = settings.policy.clone();
    store.change_alerts(move |known, now| judged.write(known, &policy, now, stale, print))
}

/// What is said of each pipeline, brought up to date.
pub fn verdicts(store: &Store) -> Result<BTreeMap<String, Verdict>, StoreError> {
    evaluate(store)?;
    Ok(store.reader()?.evaluations(&fingerprint(&store.policy()))?.into_iter().collect())
}

/// The gate over the store, or over one pipeline of it.
pub fn check(store: &Store, pipeline: Option<&str>, settings: &GateSettings) -> Result<Verdict, StoreError> {
    let mut all = empty_verdict();
    let usual = GateSettings::default();
    if settings.newest == Newest::Last && settings.last == usual.last {
        let own = verdicts(store)?.into_iter().filter(|(name, _)| pipeline.is_none_or(|wanted| wanted == name));
        own.for_each(|(_, verdict)| add(&mut all, verdict));
    } else {
        evaluate(store)?;
        all = check_otherwise(&store.reader()?, pipeline, settings)?;
    }
    settle(&mut all, settings);
    Ok(all)
}

// Another newest set than the usual: judged for this question alone.
fn check_otherwise(reader: &Reader, pipeline: Option<&str>, settings: &GateSettings) -> Result<Verdict, StoreError> {
    let runs = match settings.newest {
        Newest::Last => GATE_RUNS.max(settings.last + GATE_RUNS - 20),
        _ => FIXED_RUNS,
    };
    let names = match pipeline {
        Some(name) => vec![name.to_owned()],
        None => reader.pipelines()?,
    };
    let (controls, alerts) = (control_series(reader, settings)?, reader.alerts()?);
    let mut all = empty_verdict();
    for names in names.chunks(PIPELINES_AT_ONCE) {
        let series: Vec<(String, Vec<Series>)> = read_series(reader, Some(names), runs)?.into_iter().collect();
        let judged = map_seeds(series.len(), |place| {
            let mut verdict = judge_whole(&series[place].1, &controls, settings).verdict;
            annotate(&mut verdict.findings, &alerts, &RunOrder::of(&series[place].1));
            verdict
        });
        judged.into_iter().for_each(|verdict| add(&mut all, verdict));
    }
    explain_attributes(reader, all.findings.iter_mut())?;
    Ok(all)
}

/// Names the settings under which something was judged.
fn fingerprint(policy: &Policy) -> String {
    let text = serde_json::to_string(policy).unwrap_or_default();
    let digest = Sha256::digest(format!("{DETECTOR_VERSION} {text}").as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

// Also where only time went by: somebody's silence is over.
fn stale(store: &Store, print: &str) -> Result<Vec<String>, StoreError> {
    let reader = store.reader()?;
    let now = store.clock().now();
    let over = |alert: &AlertRecord| {
        alert.state == AlertState::Muted && alert.muted_until_ns.is_some_and(|until| until <= now)
    };
    let mut names: BTreeSet<String> = reader.stale_pipelines(print)?.into_iter().collect();
    names.extend(reader.alerts()?.into_iter().filter(over).map(|alert| alert.finding.pipeline));
    Ok(names.into_iter().collect())
}

fn watched(alert: &AlertRecord) -> bool {
    alert.state.is_live() || alert.state == AlertState::Suspected
}

/// Pipelines as they were judged.
#[derive(Debug, Default)]
struct Judged {
    /// By pipeline; those without series here only for the count.
    pipelines: Vec<(String, Judgement)>,
    /// Series of those that have something to tell.
    series: Vec<Series>,
}

impl Judged {
    fn findings_mut(&mut self) -> impl Iterator<Item = &mut crate::model::Finding> {
        self.pipelines.iter_mut().flat_map(|(_, judgement)| judgement.verdict.findings.iter_mut())
    }

    fn write(
        self,
        known: &[AlertRecord],
        policy: &Policy,
        now: i64,
        judged: Vec<String>,
        settings: String,
    ) -> (AlertChanges, Vec<Transition>) {
        let findings: Vec<_> = self.pipelines.iter().flat_map(|(_, j)| j.verdict.findings.iter().cloned()).collect();
        let suspected: Vec<_> = self.pipelines.iter().flat_map(|(_, j)| j.suspected.iter().cloned()).collect();
        let seen = Seen { findings: &findings, suspected: &suspected, series: &self.series, policy, now };
        let moved = transitions(&seen, known);
        let told: Vec<Transition> = moved.iter().filter(|one| one.action != Action::Update).cloned().collect();
        let audit = told.iter().map(|one| audit_line(&one.alert, one.action.as_str(), None, None)).collect();
        let baselines = told
            .iter()
            .filter(|one| one.action == Action::Accept)
            .flat_map(|one| accepted_versions(&one.alert, None, Some("policy: it has stood long enough".to_owned())))
            .map(|version| (version, None))
            .collect();
        let mut alerts: Vec<AlertRecord> = moved.into_iter().map(|one| one.alert).collect();
        let changed = alerts.clone();
        alerts.extend(known.iter().filter(|old| changed.iter().all(|new| new.alert_id != old.alert_id)).cloned());
        let order = RunOrder::of(&self.series);
        let evaluations = self
            .pipelines
            .into_iter()
            .map(|(pipeline, mut judgement)| {
                annotate(&mut judgement.verdict.findings, &alerts, &order);
                (pipeline, judgement.verdict)
            })
            .collect();
        let changes =
            AlertChanges { alerts: changed, baselines, evaluations, settings, judged, audit, stale: Vec::new() };
        (changes, told)
    }
}

fn judge_stale(
    reader: &Reader,
    stale: &[String],
    alive: &BTreeSet<String>,
    settings: &GateSettings,
) -> Result<Judged, StoreError> {
    let screened = reader.screen(stale, &screen(settings))?;
    let mut judged = Judged::default();
    let mut names = Vec::new();
    for one in screened {
        if one.passes || alive.contains(&one.pipeline) || is_special(&one.pipeline, settings) {
            names.push(one.pipeline);
        } else {
            judged.pipelines.push((one.pipeline.clone(), quiet(&one)));
        }
    }
    let controls = control_series(reader, settings)?;
    for names in names.chunks(PIPELINES_AT_ONCE) {
        let series: Vec<(String, Vec<Series>)> = read_series(reader, Some(names), GATE_RUNS)?.into_iter().collect();
        let found = map_seeds(series.len(), |place| judge_whole(&series[place].1, &controls, settings));
        for ((pipeline, series), judgement) in series.into_iter().zip(found) {
            if !judgement.verdict.findings.is_empty() || !judgement.suspected.is_empty() || alive.contains(&pipeline) {
                judged.series.extend(series);
            }
            judged.pipelines.push((pipeline, judgement));
        }
    }
    Ok(judged)
}

fn screen(settings: &GateSettings) -> Screen {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Screen {
        run_count_max: count(settings.last + settings.baseline_count_max),
        newest_count: count(settings.last),
        baseline_count: count(settings.baseline_count_max),
        newest_min: count(settings.newest_count_min),
        needed_count: count(settings.newest_count_min + settings.baseline_count_min),
        known_min: SCREEN_KNOWN_MIN,
        chance_max: settings.false_discovery_max.max(SUSPECTED_P_MAX),
        search_factor: SCREEN_SEARCH_FACTOR,
        odd_min: SCREEN_ODD_MIN,
        pattern_max: SCREEN_PATTERN_MAX,
    }
}

// The screen knows nothing of decisions: what was decided about is always read.
fn is_special(pipeline: &str, settings: &GateSettings) -> bool {
    let named = |rule: &crate::model::policy::Rule| {
        rule.pipeline.as_deref().is_none_or(|pattern| crate::model::policy::matches(pattern, pipeline))
            && (rule.limit.is_some() || rule.ignore.is_some() || rule.control.is_some())
    };
    settings.accepted.keys().chain(settings.pinned.keys()).any(|key| key.pipeline == pipeline)
        || settings.policy.rules.iter().any(named)
}

fn quiet(one: &Screened) -> Judgement {
    let series_checked = one.series - one.insufficient;
    let verdict = if series_checked == 0 { VerdictWord::InsufficientData } else { VerdictWord::Pass };
    Judgement {
        verdict: Verdict {
            verdict,
            series_checked,
            series_insufficient: one.insufficient,
            runs_needed: one.runs_needed,
            ..empty_verdict()
        },
        suspected: Vec::new(),
    }
}

/// Series that measure the machine, of whichever pipeline: they speak for all others.
fn control_series(reader: &Reader, settings: &GateSettings) -> Result<Vec<Series>, StoreError> {
    let policy = &settings.policy;
    if policy.rules.iter().all(|rule| rule.control != Some(true)) {
        return Ok(Vec::new());
    }
    let fits = |name: &String| {
        policy.rules.iter().any(|rule| {
            rule.control == Some(true)
                && rule.pipeline.as_deref().is_none_or(|pattern| crate::model::policy::matches(pattern, name))
        })
    };
    let names: Vec<String> = reader.pipelines()?.into_iter().filter(fits).collect();
    let series = read_series(reader, Some(&names), GATE_RUNS)?;
    Ok(series.into_values().flatten().filter(|one| policy.is_control(&one.key)).collect())
}

pub(super) fn audit_line(
    alert: &AlertRecord,
    action: &str,
    actor: Option<String>,
    note: Option<String>,
) -> AuditRecord {
    AuditRecord { actor, action: action.to_owned(), subject: alert.alert_id.clone(), note }
}
