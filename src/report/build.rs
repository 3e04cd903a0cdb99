//! Fills a bundle from the store: one statement a question, over all pipelines at once.

mod alerts;
mod alike;
mod compare;
mod depth;
mod health;
mod levels;
mod models;
mod outlook;
mod parallel;
mod pipeline;
mod quality;
mod read;
mod rows;
mod series;
mod slices;
mod tracks;
mod trends;

use std::collections::BTreeMap;

use crate::detect::gate::GateSettings;
use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::model::{Verdict, VerdictWord};
use crate::store::{Store, StoreError};
use crate::track::Health;

use super::Estimate;
use super::bundle::{Branding, Bundle, SCHEMA_VERSION};
use super::comparison::Comparison;
use super::outlook::HealthPoint;
use super::profile::{MetricSummary, Outcomes, PipelineProfile};
use super::render::Kind;
use super::words::sort_worst_first;
pub use alike::{Alike, alike, say_context};
use compare::WINDOW_RUNS;
pub use compare::{compare_series, order_worst_first};
use depth::Depth;
use health::Known;
pub use health::{PipelineHealth, health_of_all};
use pipeline::{Judged, Told, add_levels, add_trends, judge_pipeline};
use read::{PIPELINES_MAX, RECENT_RUNS, Read, Series};
use rows::{Owner, ProfileRow, SpendingRow};

/// Fewer runs than this in a week say nothing of it.
const WEEK_RUNS_MIN: u64 = 5;

/// Fills a bundle with what is acknowledged so far, of one pipeline or of all.
///
/// `Kind::Pipeline` fills everything, as all pages together need it; the other kinds leave out what their own page
/// does not show. Verdict, health and trends are the same in each.
pub fn build(store: &Store, kind: Kind, pipeline: Option<&str>) -> Result<Bundle, StoreError> {
    let verdicts = crate::detect::verdicts(store)?;
    let (now, settings) = (store.clock().now(), crate::detect::settings(store)?);
    let (mut read, trends, judged) = store.reader()?.in_snapshot(|reader| {
        let (head, series) = read::series(reader, kind, pipeline, &verdicts)?;
        // Judging takes as long as the rest of the reading, and needs nothing of it: side by side.
        std::thread::scope(|scope| {
            let judging = scope.spawn(|| judge_all(&series, &verdicts, &settings));
            let read = read::rest(reader, head, series.depth, pipeline);
            let trends = if series.depth.pages { trends::read(reader, &series.tracks) } else { Ok(BTreeMap::new()) };
            // It cannot fail but by a panic, and that is carried on as one.
            let judged = judging.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
            Ok((read?, trends?, judged))
        })
    })?;
    let verdict = merge(judged.iter().map(|one| &one.verdict), &settings);
    let mut told: BTreeMap<Owner, Told> = judged.into_iter().flat_map(|one| one.told).collect();
    for (owner, trends) in trends {
        let told = told.entry(owner).or_default();
        (told.trends, told.step_trends) = (trends.runs, trends.steps);
    }
    let compared = read.depth.compared.then(|| comparison(&mut told));
    let present = quality::present(read.quality.store_last_ns, store.receives_since(), now);
    let data_quality = quality::describe(&read, &told, &verdict, store.stats().rows_undecodable, (present, now));
    Ok(Bundle {
        schema_version: SCHEMA_VERSION,
        kind: Some(kind),
        generated_at: format_time(now),
        store: store.path().display().to_string(),
        fail_on: settings.fail_on,
        verdict,
        model_history: models::history(read.model_days.values().flatten()),
        alerts: std::mem::take(&mut read.alerts),
        pipelines: profiles(read, told, present),
        data_quality,
        comparison: compared,
        limits: Vec::new(),
        branding: Branding::default(),
    })
}

fn judge_all(series: &Series, verdicts: &BTreeMap<String, Verdict>, settings: &GateSettings) -> Vec<Judged> {
    let mut own: BTreeMap<&str, BTreeMap<Owner, Vec<usize>>> = BTreeMap::new();
    for (place, run) in series.runs.runs.iter().enumerate() {
        let (pipeline, context) = &series.runs.contexts[run.context];
        let owner = Owner { pipeline: pipeline.clone(), service: context.service.clone() };
        own.entry(pipeline).or_default().entry(owner).or_default().push(place);
    }
    let none = BTreeMap::new();
    let pipelines: Vec<_> = series.tracks.iter().collect();
    parallel::map(&pipelines, |(pipeline, tracks)| {
        let own = own.get(pipeline.as_str()).unwrap_or(&none);
        // What came in since the evaluation waits for the next: the verdict is that of `check`.
        let verdict = verdicts.get(*pipeline).cloned().unwrap_or_else(|| merge(std::iter::empty(), settings));
        judge_pipeline(verdict, pipeline, tracks, &series.runs, own, series.depth, settings)
    })
}

/// The families are the pipelines': judging them apart and together gives the same.
fn merge<'a>(verdicts: impl Iterator<Item = &'a Verdict>, settings: &GateSettings) -> Verdict {
    let mut all = Verdict {
        verdict: VerdictWord::InsufficientData,
        findings: Vec::new(),
        series_checked: 0,
        series_insufficient: 0,
        runs_needed: None,
    };
    for one in verdicts {
        all.findings.extend(one.findings.iter().cloned());
        all.series_checked += one.series_checked;
        all.series_insufficient += one.series_insufficient;
        all.runs_needed = [all.runs_needed, one.runs_needed].into_iter().flatten().min();
    }
    sort_worst_first(&mut all.findings, |finding| finding);
    if all.findings.iter().any(|finding| finding.actionable && finding.severity >= settings.fail_on) {
        all.verdict = VerdictWord::Fail;
    } else if all.series_checked > 0 {
        all.verdict = VerdictWord::Pass;
    }
    all
}

fn comparison(told: &mut BTreeMap<Owner, Told>) -> Comparison {
    let mut pipelines: Vec<_> = told.values_mut().flat_map(|told| std::mem::take(&mut told.comparisons)).collect();
    order_worst_first(&mut pipelines);
    Comparison {
        a: format!("the {WINDOW_RUNS} runs before"),
        b: format!("newest {WINDOW_RUNS} runs of a context"),
        pipelines,
    }
}

fn profiles(mut read: Read, mut told: BTreeMap<Owner, Told>, present: UnixNanos) -> Vec<PipelineProfile> {
    std::mem::take(&mut read.profiles)
        .into_iter()
        .map(|row| {
            let told = told.remove(&row.owner).unwrap_or_default();
            profile(row, told, &mut read, present)
        })
        .collect()
}

fn profile(row: ProfileRow, told: Told, read: &mut Read, present: UnixNanos) -> PipelineProfile {
    let owner = &row.owner;
    let health = Known::of(&told).health(&row, present);
    let mut steps: Vec<_> = read.steps.remove(owner).unwrap_or_default().into_iter().map(|row| row.step).collect();
    add_levels(&mut steps, &told.steps);
    add_trends(&mut steps, &told.step_trends);
    let model_days = read.model_days.get(owner).filter(|_| read.depth.pages);
    PipelineProfile {
        model_history: model_days.and_then(models::history),
        health_history: history(told.history, &row, &health, present),
        forecasts: told.forecasts,
        slices: read.slices.remove(owner).unwrap_or_default(),
        step_slices: read.step_slices.remove(owner).unwrap_or_default(),
        pipeline: owner.pipeline.clone(),
        service: owner.service.clone(),
        from: Some(format_time(row.from_ns)),
        to: Some(format_time(row.to_ns)),
        runs: row.runs,
        outcomes: row.outcomes,
        success_rate: success_rate(&row.outcomes),
        metrics: metrics(read.metrics.remove(owner).unwrap_or_default(), read.spending.get(owner)),
        models: read.models.remove(owner).unwrap_or_default().into_iter().map(|row| row.used).collect(),
        health,
        change_7_days_percent: change_7_days(&row),
        trends: told.trends,
        series: told.series,
        steps,
        waterfalls: rows::waterfalls(read.bars.remove(owner).unwrap_or_default()),
        resources: rows::resources(read.samples.remove(owner).unwrap_or_default()),
        recent_runs: read.recent.remove(owner).unwrap_or_default(),
        baselines: told.baselines,
        findings: told.findings,
    }
}

/// What was, and what is; none without what was.
fn history(mut before: Vec<HealthPoint>, row: &ProfileRow, health: &Health, present: UnixNanos) -> Vec<HealthPoint> {
    if !before.is_empty() {
        let at = format_time(present.max(row.to_ns));
        before.push(HealthPoint { at, score: health.score, word: health.word, reason: health.reason.clone() });
    }
    before
}

fn success_rate(outcomes: &Outcomes) -> Option<Estimate> {
    Estimate::of_share(outcomes.success, outcomes.success + outcomes.failure + outcomes.timed_out)
}

// What is spent counts also where the run failed.
fn metrics(mut metrics: Vec<MetricSummary>, spending: Option<&SpendingRow>) -> Vec<MetricSummary> {
    for summary in &mut metrics {
        summary.total = spending.and_then(|row| row.total(summary.metric)).or(summary.total);
    }
    metrics.sort_by_key(|summary| summary.metric);
    metrics
}

fn change_7_days(row: &ProfileRow) -> Option<f64> {
    let enough = row.week_count >= WEEK_RUNS_MIN && row.week_before_count >= WEEK_RUNS_MIN;
    let (now, before) = row.week_s.zip(row.week_before_s).filter(|(_, before)| enough && *before > 0.0)?;
    Some((now / before - 1.0) * 100.0)
}
