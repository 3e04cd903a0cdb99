//! One pipeline: judged, then told service by service.

use std::collections::BTreeMap;

use crate::detect::gate::GateSettings;
use crate::detect::stats::robust::median;
use crate::model::clock::UnixNanos;
use crate::model::{AlertState, Better, Cause, Finding, Metric, SeriesContext, Severity, Verdict};
use crate::report::comparison::PipelineComparison;
use crate::report::outlook::{Forecast, HealthPoint};
use crate::report::profile::{BaselineProvenance, SeriesView, StepProfile};
use crate::store::RunValues;
use crate::track::Trend;

use super::Depth;
use super::compare::compare;
use super::levels::{Levels, find_levels};
use super::outlook::{forecast_of, health_history};
use super::rows::Owner;
use super::series::{baseline, view};
use super::tracks::Track;
use super::trends::recent_trends;

/// Contexts of a metric, besides the busiest, that are shown.
const CONTEXTS_MAX: usize = 3;
/// Series of steps that are shown.
const STEP_SERIES_MAX: usize = 20;
/// Fewer values than this are not shown beside the busiest context.
const SERIES_COUNT_MIN: usize = 8;

/// One pipeline, judged.
#[derive(Debug)]
pub(super) struct Judged {
    /// Its own part of the verdict.
    pub(super) verdict: Verdict,
    /// By service.
    pub(super) told: BTreeMap<Owner, Told>,
}

/// What the series of one pipeline of one service say.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) findings: Vec<Finding>,
    /// At least one series has enough runs for a baseline.
    pub(super) has_baseline: bool,
    pub(super) trends: Vec<Trend>,
    /// Of the duration of each step; only for pages.
    pub(super) step_trends: BTreeMap<String, Trend>,
    pub(super) series: Vec<SeriesView>,
    pub(super) baselines: Vec<BaselineProvenance>,
    pub(super) forecasts: Vec<Forecast>,
    pub(super) history: Vec<HealthPoint>,
    /// Median duration of each step before and after, seconds.
    pub(super) steps: BTreeMap<String, (Option<f64>, Option<f64>)>,
    pub(super) comparisons: Vec<PipelineComparison>,
}

/// Tells the series of one pipeline, whose verdict is known, as deep as asked. `own` are the runs of each service.
pub(super) fn judge_pipeline(
    verdict: Verdict,
    pipeline: &str,
    tracks: &[Track],
    runs: &RunValues,
    own: &BTreeMap<Owner, Vec<usize>>,
    depth: Depth,
    settings: &GateSettings,
) -> Judged {
    let mut by_service: BTreeMap<Option<String>, Vec<&Track>> = BTreeMap::new();
    for track in tracks {
        by_service.entry(track.context().service.clone()).or_default().push(track);
    }
    let told = by_service
        .into_iter()
        .map(|(service, tracks)| {
            let owner = Owner { pipeline: pipeline.to_owned(), service };
            let findings: Vec<&Finding> =
                verdict.findings.iter().filter(|finding| finding.context.service == owner.service).collect();
            let own = own.get(&owner).map_or(&[][..], Vec::as_slice);
            let mut told = tell(&tracks, &findings, (runs, own), depth, settings);
            if depth.compared {
                told.comparisons = compare(&owner, &tracks, runs, own);
            }
            (owner, told)
        })
        .collect();
    let mut judged = Judged { verdict, told };
    if depth.history_max > 0 {
        for (owner, history) in health_history(tracks, runs, own, settings, depth.history_max) {
            if let Some(told) = judged.told.get_mut(&owner) {
                told.history = history;
            }
        }
    }
    judged
}

fn tell(
    tracks: &[&Track],
    findings: &[&Finding],
    (runs, own): (&RunValues, &[usize]),
    depth: Depth,
    settings: &GateSettings,
) -> Told {
    let busiest = busiest(tracks);
    let chosen = choose(tracks, &busiest, findings, depth);
    let levels: Vec<Levels> = chosen.iter().map(|track| find_levels(track, findings, settings)).collect();
    let needed = settings.baseline_count_min + settings.newest_count_min;
    let changed = last_change(&chosen, &levels, &busiest);
    Told {
        findings: findings.iter().map(|finding| (*finding).clone()).collect(),
        has_baseline: tracks.iter().any(|track| track.recent().len() >= needed),
        // Of a page the store itself is asked, for all its series at once.
        trends: if depth.pages { Vec::new() } else { recent_trends(&busiest) },
        step_trends: BTreeMap::new(),
        forecasts: if depth.pages { forecasts(&chosen, &levels, &busiest) } else { Vec::new() },
        history: Vec::new(),
        series: chosen.iter().zip(&levels).map(|(track, levels)| view(track, levels, runs, own, depth)).collect(),
        baselines: chosen
            .iter()
            .zip(&levels)
            .filter_map(|(track, levels)| baseline(track, levels, findings, settings))
            .collect(),
        steps: if depth.pages { step_levels(tracks, &busiest, changed) } else { BTreeMap::new() },
        comparisons: Vec::new(),
    }
}

/// Of each metric of the whole run, in its busiest context.
fn forecasts(chosen: &[&Track], levels: &[Levels], busiest: &BTreeMap<Metric, &Track>) -> Vec<Forecast> {
    let is_main = |track: &Track| busiest.get(&track.metric()).is_some_and(|main| std::ptr::eq(*main, track));
    let main = chosen.iter().zip(levels).filter(|(track, _)| is_main(track));
    main.filter_map(|(track, levels)| forecast_of(track, levels)).collect()
}

/// Severities of the regressions that are open.
pub(super) fn open_severities<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Severity> {
    findings.filter(|finding| is_open(finding)).map(|finding| finding.severity).collect()
}

// What is muted is silenced, not gone. What people called none or over, and what the code is not to blame for, is no
// regression of the pipeline.
fn is_open(finding: &Finding) -> bool {
    let worse = finding.severity > Severity::None
        && (finding.current > finding.baseline) == (finding.metric.better() == Better::Lower);
    let state = finding.explanation.alert_state.as_deref();
    let off = [AlertState::FalsePositive, AlertState::Resolved].iter().any(|off| state == Some(off.as_str()));
    let excused = finding.explanation.cause.as_ref().is_some_and(Cause::excuses);
    worse && (finding.actionable || !(off || excused))
}

/// For each metric of the whole run the context with the most values of late; of equals that of the newest run.
pub(super) fn busiest<'a>(tracks: &[&'a Track]) -> BTreeMap<Metric, &'a Track> {
    let mut busiest: BTreeMap<Metric, &Track> = BTreeMap::new();
    let size = |track: &Track| (track.recent().len(), track.places.last().copied());
    for track in tracks.iter().filter(|track| track.step().is_none()) {
        let known = busiest.entry(track.metric()).or_insert(track);
        if size(track) > size(known) {
            *known = track;
        }
    }
    busiest
}

// The whole run in its busiest context, metric by metric; then other contexts; then steps that have findings.
fn choose<'a>(
    tracks: &[&'a Track],
    busiest: &BTreeMap<Metric, &'a Track>,
    findings: &[&Finding],
    depth: Depth,
) -> Vec<&'a Track> {
    let has_finding = |track: &Track| {
        let key = &track.series.key;
        findings.iter().any(|f| f.metric == key.metric && f.step == key.step && f.context == key.context)
    };
    let mut chosen: Vec<&Track> = if depth.pages {
        busiest.values().copied().collect()
    } else {
        let first = busiest.values().next().copied().into_iter();
        first.chain(busiest.values().skip(1).copied().filter(|track| has_finding(track))).collect()
    };
    let is_main = |track: &Track| busiest.get(&track.metric()).is_some_and(|main| std::ptr::eq(*main, track));
    let mut others: Vec<&Track> = tracks
        .iter()
        .copied()
        .filter(|track| track.step().is_none() && !is_main(track) && track.len() >= SERIES_COUNT_MIN)
        .filter(|track| depth.pages || has_finding(track))
        .collect();
    others.sort_by_key(|track| (track.metric(), std::cmp::Reverse((has_finding(track), track.len()))));
    for same in others.chunk_by(|a, b| a.metric() == b.metric()) {
        chosen.extend(same.iter().take(CONTEXTS_MAX));
    }
    // In the order of the findings: the worst first.
    let mut steps: Vec<&Track> = Vec::new();
    for finding in findings.iter().filter(|finding| depth.step_series && finding.step.is_some()) {
        let found = tracks.iter().find(|track| {
            let key = &track.series.key;
            key.step == finding.step && key.metric == finding.metric && key.context == finding.context
        });
        steps.extend(found);
    }
    chosen.extend(steps.into_iter().take(STEP_SERIES_MAX));
    chosen
}

/// Start of the newest run at which a duration of the busiest context changed: of the whole run, else of a step. A change
/// elsewhere is none of the steps that are told. The page names that run by the same rule (`pages/pipeline.rs`).
fn last_change(
    chosen: &[&Track],
    levels: &[Levels],
    busiest: &BTreeMap<Metric, &Track>,
) -> Option<(UnixNanos, UnixNanos)> {
    let context = busiest.get(&Metric::Duration)?.context();
    let of = |whole: bool| {
        let durations = chosen.iter().zip(levels).filter(move |(track, _)| {
            track.metric() == Metric::Duration && track.step().is_none() == whole && track.context() == context
        });
        durations
            .filter_map(|(track, levels)| {
                let at = |place: usize| track.series.points[place].started_at;
                let newest = levels.splits.last()?;
                let before = levels.splits.iter().rev().nth(1).map_or(UnixNanos::MIN, |split| at(split.at));
                Some((at(newest.at), before))
            })
            .max()
    };
    of(true).or_else(|| of(false))
}

/// Median duration of each step before and after the last change, in the busiest context.
fn step_levels(
    tracks: &[&Track],
    busiest: &BTreeMap<Metric, &Track>,
    changed: Option<(UnixNanos, UnixNanos)>,
) -> BTreeMap<String, (Option<f64>, Option<f64>)> {
    let Some(main) = busiest.get(&Metric::Duration).or_else(|| busiest.values().next()) else {
        return BTreeMap::new();
    };
    let context: &SeriesContext = main.context();
    let middle = main.series.points.get(main.len() / 2).map(|point| (point.started_at, UnixNanos::MIN));
    let Some((at, from)) = changed.or(middle) else { return BTreeMap::new() };
    let level = |values: Vec<f64>| Some(median(&values)).filter(|level| level.is_finite());
    tracks
        .iter()
        .filter(|track| track.metric() == Metric::Duration && track.context() == context)
        .filter_map(|track| Some((track.step()?.to_owned(), &track.series.points)))
        .map(|(step, points)| {
            let between = |from: UnixNanos, to: UnixNanos| {
                points.iter().filter(|p| p.started_at >= from && p.started_at < to).map(|p| p.value).collect()
            };
            (step, (level(between(from, at)), level(between(at, UnixNanos::MAX))))
        })
        .collect()
}

/// Puts the levels before and after into the rows of the steps.
pub(super) fn add_levels(steps: &mut [StepProfile], levels: &BTreeMap<String, (Option<f64>, Option<f64>)>) {
    for step in steps {
        if let Some((before, after)) = levels.get(&step.step) {
            (step.before_s, step.after_s) = (*before, *after);
        }
    }
}

/// Puts where they are heading into the rows of the steps.
pub(super) fn add_trends(steps: &mut [StepProfile], trends: &BTreeMap<String, Trend>) {
    for step in steps {
        step.trend = trends.get(&step.step).cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Explanation;
    use crate::report::samples::finding;

    #[test]
    fn what_people_called_off_or_the_machine_explains_is_no_open_regression() {
        let of = |actionable: bool, state: Option<&str>, cause: Option<&str>| Finding {
            actionable,
            explanation: Explanation {
                alert_state: state.map(str::to_owned),
                cause: cause.map(|attribute| Cause { attribute: attribute.to_owned(), before: None, after: None }),
                ..Explanation::default()
            },
            ..finding()
        };
        for (found, open) in [
            (of(true, Some("open"), None), true),
            (of(true, Some("open"), Some("model")), true),
            (of(false, Some("muted"), None), true),
            (of(false, Some("false_positive"), None), false),
            (of(false, Some("resolved"), None), false),
            // Over by itself, and confirmed again: nobody called it off.
            (of(true, Some("resolved"), None), true),
            (of(false, None, Some("host_class")), false),
            (of(false, None, Some("control")), false),
            (of(false, None, Some("input_size")), false),
            (Finding { severity: Severity::Low, ..of(false, None, None) }, true),
            (Finding { severity: Severity::Low, ..of(false, Some("false_positive"), None) }, false),
            (Finding { current: 0.01, ..of(false, None, None) }, false),
        ] {
            assert_eq!(open_severities([&found].into_iter()).len(), usize::from(open), "{:?}", found.explanation);
        }
    }
}
