//! Baselines: what a series is compared with, who decided it, and what weakens it.

use std::collections::BTreeMap;

use super::evaluate::{audit_line, settings};
use super::gate::GateSettings;
use super::history::{GATE_RUNS, read_series};
use super::segment::find_lasting_changes;
use super::settings::Settings;
use super::stats::robust::{MAD_TO_SIGMA, mad, mean, median, quantile_sorted, sort};
use crate::model::clock::UnixNanos;
use crate::model::unit::{format_time, parse_time};
use crate::model::{
    AlertAction, AlertRecord, AlertState, AuditRecord, Baseline, BaselineKind, BaselineVersion, Metric, Policy, Series,
    SeriesKey, SeriesPoint, SeriesSelector,
};
use crate::store::{AlertChanges, Reader, Store, StoreError};

/// Runs of a context among which a run may be named.
const NAMED_RUNS: usize = 5_000;
/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// Who decides, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Who; `unknown` where nobody says.
    pub by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

impl Decision {
    // Named, so that an evaluation knows a person's word from its own.
    fn person(&self) -> Option<String> {
        Some(self.by.clone().unwrap_or_else(|| "unknown".to_owned()))
    }
}

/// The newest decision about each series, with the runs of a pinned one.
pub(super) fn known_versions(
    reader: &Reader,
) -> Result<BTreeMap<SeriesKey, (BaselineVersion, Vec<SeriesPoint>)>, StoreError> {
    let mut newest = BTreeMap::new();
    // Oldest first: later ones replace.
    for (version, runs) in reader.baseline_versions()? {
        let runs = runs.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
        newest.insert(
            version.key.clone(),
            (version, runs.map_err(|e| StoreError::Query(format!("a pinned baseline cannot be read: {e}")))?),
        );
    }
    Ok(newest)
}

/// The versions that accept what an alert tells of, for all series that moved.
pub(super) fn accepted_versions(
    alert: &AlertRecord,
    by: Option<String>,
    reason: Option<String>,
) -> Vec<BaselineVersion> {
    let moved = std::iter::once(&alert.finding).chain(&alert.members);
    moved
        .filter_map(|finding| {
            Some(BaselineVersion {
                key: finding.series_key(),
                version: 0,
                kind: BaselineKind::Accepted,
                since_ns: parse_time(&finding.since_time).ok()?,
                until_ns: None,
                set_ns: 0,
                set_by: by.clone(),
                reason: reason.clone(),
            })
        })
        .collect()
}

/// Does something with the alert whose id begins with `prefix`, if that is one; gives those that fit.
pub fn change_alert(
    store: &Store,
    prefix: &str,
    action: AlertAction,
    until: Option<UnixNanos>,
    decision: &Decision,
) -> Result<Vec<AlertRecord>, StoreError> {
    let decision = decision.clone();
    with_alert(store, prefix, move |alert, now, changes| {
        (alert.state, alert.changed_ns) = (action.state(), now);
        alert.muted_until_ns = until.filter(|_| action == AlertAction::Mute);
        (alert.changed_by, alert.note) = (decision.person(), decision.note.clone());
        changes.audit.push(audit_line(alert, alert.state.as_str(), decision.person(), decision.note));
    })
}

/// Accepts the change behind an alert: the baselines of all series that moved begin there, the alert is resolved.
pub fn promote(store: &Store, prefix: &str, decision: &Decision) -> Result<Vec<AlertRecord>, StoreError> {
    let decision = decision.clone();
    with_alert(store, prefix, move |alert, now, changes| {
        (alert.state, alert.changed_ns, alert.muted_until_ns) = (AlertState::Resolved, now, None);
        (alert.changed_by, alert.note) = (decision.person(), decision.note.clone());
        changes.audit.push(audit_line(alert, "accept", decision.person(), decision.note.clone()));
        let versions = accepted_versions(alert, decision.person(), decision.note);
        changes.baselines.extend(versions.into_iter().map(|version| (version, None)));
    })
}

fn with_alert(
    store: &Store,
    prefix: &str,
    change: impl FnOnce(&mut AlertRecord, UnixNanos, &mut AlertChanges) + Send + 'static,
) -> Result<Vec<AlertRecord>, StoreError> {
    let prefix = prefix.to_owned();
    store.change_alerts(move |known, now| {
        let mut fitting: Vec<AlertRecord> =
            known.iter().filter(|alert| alert.alert_id.starts_with(&prefix)).cloned().collect();
        let mut changes = AlertChanges::default();
        if let [alert] = fitting.as_mut_slice() {
            change(alert, now, &mut changes);
            changes.stale.push(alert.finding.pipeline.clone());
            changes.alerts.push(alert.clone());
        }
        (changes, fitting)
    })
}

/// Sets the baseline of the series that fit: from a run on, or to the runs between two, both counted.
pub fn set_baseline(
    store: &Store,
    selector: &SeriesSelector,
    from_run: &str,
    to_run: Option<&str>,
    decision: &Decision,
) -> Result<Vec<BaselineVersion>, StoreError> {
    store.flush()?;
    let pipelines = selector.pipeline.clone().map(|name| vec![name]);
    let series = read_series(&store.reader()?, pipelines.as_deref(), NAMED_RUNS)?;
    let least = GateSettings::default();
    let mut decided = Vec::new();
    for one in series.values().flatten().filter(|one| selector.fits(&one.key)) {
        let place = |run: &str| one.points.iter().position(|p| p.run_id == run || p.run_key == run);
        let Some(from) = place(from_run) else { continue };
        let to = match to_run {
            Some(run) => match place(run) {
                Some(to) if to + 1 >= from + least.baseline_count_min => Some(to),
                _ => continue,
            },
            None => None,
        };
        decided.push(decide(one, from, to, least.baseline_count_max, decision));
    }
    if decided.is_empty() {
        let needed = least.baseline_count_min;
        return Err(StoreError::Query(format!(
            "no series that fits has a run `{from_run}`, or none has {needed} runs from there on; `perfline runs` lists them"
        )));
    }
    write_versions(store, decided, "set", decision)
}

fn decide(
    series: &Series,
    from: usize,
    to: Option<usize>,
    count_max: usize,
    decision: &Decision,
) -> (BaselineVersion, Option<Vec<SeriesPoint>>) {
    let runs = to.map(|to| series.points[from.max((to + 1).saturating_sub(count_max))..=to].to_vec());
    let version = BaselineVersion {
        key: series.key.clone(),
        version: 0,
        kind: if to.is_some() { BaselineKind::Pinned } else { BaselineKind::Accepted },
        since_ns: series.points[from].started_at,
        until_ns: to.map(|to| series.points[to].started_at),
        set_ns: 0,
        set_by: decision.person(),
        reason: decision.note.clone(),
    };
    (version, runs)
}

/// Takes back what was decided about the series that fit: they are learned again.
pub fn reset_baseline(
    store: &Store,
    selector: &SeriesSelector,
    decision: &Decision,
) -> Result<Vec<BaselineVersion>, StoreError> {
    store.flush()?;
    let decided = known_versions(&store.reader()?)?
        .into_values()
        .filter(|(version, _)| version.kind != BaselineKind::Reset && selector.fits(&version.key))
        .map(|(version, _)| {
            let (set_by, reason) = (decision.person(), decision.note.clone());
            (BaselineVersion { kind: BaselineKind::Reset, until_ns: None, set_by, reason, ..version }, None)
        })
        .collect();
    write_versions(store, decided, "reset", decision)
}

fn write_versions(
    store: &Store,
    decided: Vec<(BaselineVersion, Option<Vec<SeriesPoint>>)>,
    action: &'static str,
    decision: &Decision,
) -> Result<Vec<BaselineVersion>, StoreError> {
    let failed = |e: serde_json::Error| StoreError::Query(format!("a baseline cannot be written: {e}"));
    let mut changes = AlertChanges::default();
    for (version, runs) in decided {
        let subject = serde_json::to_string(&version.key).map_err(failed)?;
        let (actor, note) = (decision.person(), decision.note.clone());
        changes.audit.push(AuditRecord { actor, action: action.to_owned(), subject, note });
        let runs = runs.map(|runs| serde_json::to_string(&runs)).transpose().map_err(failed)?;
        changes.baselines.push((version, runs));
    }
    let told = changes.baselines.iter().map(|(version, _)| version.clone()).collect();
    store.change_alerts(move |_known, _now| (changes, told))
}

/// The baselines of the series that fit, as they stand.
pub fn baselines(store: &Store, selector: &SeriesSelector) -> Result<Vec<Baseline>, StoreError> {
    let verdicts = super::evaluate::verdicts(store)?;
    let (reader, settings) = (store.reader()?, settings(store)?);
    let pipelines = selector.pipeline.clone().map(|name| vec![name]);
    let series = read_series(&reader, pipelines.as_deref(), GATE_RUNS)?;
    let versions = known_versions(&reader)?;
    let newest = series.values().flatten().filter_map(|one| one.points.last()).map(|p| p.started_at).max();
    let mut all = Vec::new();
    for one in series.values().flatten().filter(|one| selector.fits(&one.key)) {
        let findings = verdicts.get(&one.key.pipeline).map_or(&[][..], |verdict| &verdict.findings);
        let since = findings.iter().find(|f| f.series_key() == one.key).map(|f| f.since_run_key.as_str());
        let version = versions.get(&one.key);
        all.push(describe(one, since, version, &settings, newest.unwrap_or_default()));
    }
    Ok(all)
}

/// The baseline of one series: the runs before its newest change, since the one before that.
fn describe(
    series: &Series,
    changed_at: Option<&str>,
    version: Option<&(BaselineVersion, Vec<SeriesPoint>)>,
    settings: &GateSettings,
    newest_ns: UnixNanos,
) -> Baseline {
    let decided = version.map(|(version, _)| version);
    let kind = decided.map_or(BaselineKind::Learned, |version| version.kind);
    let runs: Vec<&SeriesPoint> = match version {
        Some((version, runs)) if version.kind == BaselineKind::Pinned => runs.iter().collect(),
        _ => learned(series, changed_at, decided, settings),
    };
    let mut values: Vec<f64> = runs.iter().map(|p| p.value).collect();
    let is_rate = series.key.metric == Metric::SuccessRate;
    let level = if is_rate { mean(&values) } else { median(&values) };
    let spread = MAD_TO_SIGMA * mad(&values, level);
    sort(&mut values);
    let known = |value: f64| Some(value).filter(|value| value.is_finite());
    let (first, last) = (runs.first(), runs.last());
    Baseline {
        key: series.key.clone(),
        version: decided.map_or(0, |version| version.version),
        kind: if kind == BaselineKind::Reset { BaselineKind::Learned } else { kind },
        n: runs.len(),
        level: known(level),
        spread: known(spread),
        p05: known(quantile_sorted(&values, 0.05)),
        p95: known(quantile_sorted(&values, 0.95)),
        from_run: first.map(|p| p.run_id.to_string()),
        from_time: first.map(|p| format_time(p.started_at)),
        to_run: last.map(|p| p.run_id.to_string()),
        to_time: last.map(|p| format_time(p.started_at)),
        warning: warn(&runs, settings, newest_ns),
        set_by: decided.and_then(|version| version.set_by.clone()),
        set_at: decided.map(|version| format_time(version.set_ns)),
        reason: decided.and_then(|version| version.reason.clone()),
    }
}

fn learned<'a>(
    series: &'a Series,
    changed_at: Option<&str>,
    decided: Option<&BaselineVersion>,
    settings: &GateSettings,
) -> Vec<&'a SeriesPoint> {
    let accepted = decided.filter(|version| version.kind == BaselineKind::Accepted);
    let from_ns = accepted.map_or(UnixNanos::MIN, |version| version.since_ns);
    let known: Vec<&SeriesPoint> =
        series.points.iter().filter(|p| p.value.is_finite() && p.started_at >= from_ns).collect();
    let end = changed_at.and_then(|run| known.iter().position(|p| p.run_key == run)).unwrap_or(known.len());
    let values: Vec<f64> = known[..end].iter().map(|p| p.value).collect();
    let level_from = if series.key.metric == Metric::SuccessRate {
        0
    } else {
        let found = find_lasting_changes(&values, &Settings::default());
        found.last().map_or(0, |point| point.index)
    };
    known[level_from.max(end.saturating_sub(settings.baseline_count_max))..end].to_vec()
}

fn warn(runs: &[&SeriesPoint], settings: &GateSettings, newest_ns: UnixNanos) -> Option<String> {
    let Some(last) = runs.last() else { return Some("empty: no run is left of it".to_owned()) };
    weakness(runs.len(), newest_ns.saturating_sub(last.started_at) / DAY_NS, &settings.policy)
}

/// What weakens a baseline of so many runs whose newest is so many days older than the newest run of the store.
#[must_use]
pub fn weakness(count: usize, age_days: i64, policy: &Policy) -> Option<String> {
    let least = GateSettings::default().baseline_count_min;
    if count < least {
        return Some(format!("too thin to judge by: {count} of at least {least} runs"));
    }
    if age_days >= i64::try_from(policy.baseline_stale_days).unwrap_or(i64::MAX) {
        return Some(format!("stale: its newest run is {age_days} days older than the newest run of the store"));
    }
    let thin = policy.baseline_thin_runs;
    (count < thin).then(|| format!("thin: {count} runs, from {thin} on it is trusted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeriesContext;

    fn series(values: &[f64]) -> Series {
        let points = values
            .iter()
            .enumerate()
            .map(|(at, value)| SeriesPoint {
                run_key: format!("k{at}").into(),
                run_id: at.to_string().into(),
                started_at: at as i64 * DAY_NS,
                value: *value,
                revision: None,
                model: None,
                input_size: None,
            })
            .collect();
        let key = SeriesKey {
            pipeline: "p".to_owned(),
            step: None,
            metric: Metric::Duration,
            context: SeriesContext::default(),
        };
        Series { key, points }
    }

    fn wobble(count: usize, level: f64) -> Vec<f64> {
        (0..count).map(|i| level * (1.0 + 0.02 * (i as f64 * 2.399_963).sin())).collect()
    }

    #[test]
    fn a_learned_baseline_ends_before_the_change_and_says_where_it_is_thin_or_stale() {
        let given = series(&[wobble(15, 10.0), wobble(10, 20.0)].concat());
        let settings = GateSettings::default();
        let found = describe(&given, Some("k15"), None, &settings, 24 * DAY_NS);
        assert_eq!((found.n, found.from_run.as_deref(), found.to_run.as_deref()), (15, Some("0"), Some("14")));
        assert!(found.level.is_some_and(|level| (level - 10.0).abs() < 0.2));
        assert!(found.warning.is_some_and(|text| text.starts_with("thin: 15 runs")));
        let found = describe(&given, Some("k15"), None, &settings, 60 * DAY_NS);
        assert!(found.warning.is_some_and(|text| text.contains("stale: its newest run is 46 days")));
    }

    #[test]
    fn an_accepted_change_begins_it_anew_and_a_pin_holds_it() {
        let given = series(&[wobble(30, 10.0), wobble(30, 20.0)].concat());
        let version = |kind| BaselineVersion {
            key: given.key.clone(),
            version: 3,
            kind,
            since_ns: 30 * DAY_NS,
            until_ns: None,
            set_ns: 0,
            set_by: Some("ana".to_owned()),
            reason: None,
        };
        let settings = GateSettings::default();
        let accepted = (version(BaselineKind::Accepted), Vec::new());
        let found = describe(&given, None, Some(&accepted), &settings, 0);
        assert_eq!((found.n, found.version, found.from_run.as_deref()), (30, 3, Some("30")));
        let pinned = (version(BaselineKind::Pinned), given.points[..12].to_vec());
        let found = describe(&given, None, Some(&pinned), &settings, 0);
        assert_eq!((found.n, found.kind, found.to_run.as_deref()), (12, BaselineKind::Pinned, Some("11")));
    }
}
