//! Pipelines that moved to another kind of machine: told, and never blamed on the code.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use super::gate::{GateSettings, Newest, judge, tell_cause};
use crate::model::clock::UnixNanos;
use crate::model::{Cause, Finding, Series, SeriesKey};

/// Old and new runs as one series, the start of the first new one, and the old kind of machine.
type Moved<'a> = (Series, UnixNanos, Option<&'a str>);

/// Findings between the last runs on the old kind of machine and the first on the new one.
#[must_use]
pub fn find_moved<S: Borrow<Series>>(series: &[S], settings: &GateSettings) -> Vec<Finding> {
    let mut groups: BTreeMap<SeriesKey, Vec<&Series>> = BTreeMap::new();
    for one in series.iter().map(Borrow::borrow).filter(|one| !one.points.is_empty()) {
        let mut key = one.key.clone();
        key.context.host_class = None;
        groups.entry(key).or_default().push(one);
    }
    // By pipeline: its series are one family, and they moved at about the same run.
    let mut bridged: BTreeMap<&str, Vec<Moved<'_>>> = BTreeMap::new();
    for group in groups.values() {
        if let Some((old, new)) = last_move(group, settings) {
            let mut joined = new.clone();
            joined.points = old.points.iter().chain(&new.points).cloned().collect();
            let first = new.points[0].started_at;
            bridged.entry(&new.key.pipeline).or_default().push((joined, first, old.key.context.host_class.as_deref()));
        }
    }
    bridged.into_values().flat_map(|moved| judge_moved(&moved, settings)).collect()
}

// The newest series, where it took over within the newest runs from one that ended.
fn last_move<'a>(group: &[&'a Series], settings: &GateSettings) -> Option<(&'a Series, &'a Series)> {
    let (first, last) = (|s: &Series| s.points[0].started_at, |s: &Series| s.points[s.points.len() - 1].started_at);
    let new = *group.iter().max_by_key(|s| last(s))?;
    let old = *group.iter().filter(|s| last(s) < first(new)).max_by_key(|s| last(s))?;
    let named = new.key.context.host_class.is_some() && old.key.context.host_class.is_some();
    (named && new.points.len() <= settings.last).then_some((old, new))
}

fn judge_moved(moved: &[Moved<'_>], settings: &GateSettings) -> Vec<Finding> {
    let Some(since) = moved.iter().map(|(_, first, _)| *first).min() else { return Vec::new() };
    let joined: Vec<Series> = moved.iter().map(|(series, _, _)| series.clone()).collect();
    let mut findings = judge(&joined, &GateSettings { newest: Newest::Since(since), ..settings.clone() }).findings;
    for finding in &mut findings {
        let old = moved.iter().find(|(series, ..)| series.key == finding.series_key()).and_then(|(.., old)| *old);
        let cause = Cause {
            attribute: "host_class".to_owned(),
            before: old.map(str::to_owned),
            after: finding.context.host_class.clone(),
        };
        // What to do about the code was said in vain: the machine comes first.
        let fact = finding.recommendation.split_inclusive(". ").next().unwrap_or_default().trim_end().to_owned();
        finding.recommendation = fact + &tell_cause(&cause);
        finding.explanation.cause = Some(cause);
        finding.actionable = false;
    }
    findings
}
