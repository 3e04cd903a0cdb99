//! Fills a bundle from the store: one statement a question, over all pipelines at once.

mod alerts;
mod alike;
mod compare;
mod depth;
mod levels;
mod models;
mod outlook;
mod parallel;
mod pipeline;
mod quality;
mod rows;
mod series;
mod slices;
mod tracks;

use std::collections::{BTreeMap, HashMap};

use crate::detect::gate::GateSettings;
use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::model::{Metric, Run, Verdict, VerdictWord};
use crate::store::{Reader, RunValues, Store, StoreError};
use crate::track::Health;
use crate::track::health::{HealthInput, score};

use super::Estimate;
use super::bundle::{Alert, Branding, Bundle, SCHEMA_VERSION};
use super::comparison::Comparison;
use super::outlook::HealthPoint;
use super::profile::{MetricSummary, Outcomes, PipelineProfile};
use super::render::Kind;
use super::slices::{Slice, StepSlice};
use super::words::sort_worst_first;
pub use alike::{Alike, alike, say_context};
use compare::WINDOW_RUNS;
pub use compare::{compare_series, order_worst_first};
use depth::Depth;
use pipeline::{Judged, Told, add_levels, judge_pipeline, open_severities};
use rows::{BarRow, MetricRow, ModelDayRow, ModelRow, Owner, ProfileRow, QualityRow, SampleRow, SpendingRow, StepRow};
use slices::{SliceRow, StepSliceRow};
use tracks::collect_tracks;

/// Newest closed runs that health, the waterfalls and the resources look at.
const RECENT_RUNS: usize = 60;
/// Pipelines that are told: those with the newest runs.
const PIPELINES_MAX: usize = 2_000;
/// Steps of a pipeline.
const STEPS_MAX: i64 = 200;
/// Models of a pipeline.
const MODELS_MAX: i64 = 50;
/// Bars of a waterfall.
const BARS_MAX: i64 = 200;
/// Models of the history over time; further ones are told as one.
const MODELS_OVER_TIME_MAX: i64 = 20;
/// Contexts, newest periods and models by which runs are sliced.
const SLICES_MAX: [i64; 3] = [8, 60, 20];
/// Steps, contexts and newest periods by which steps are sliced.
const STEP_SLICES_MAX: [i64; 3] = [50, 4, 12];
/// Samples of a run.
const SAMPLES_MAX: i64 = 500;
/// Fewer runs than this in a week say nothing of it.
const WEEK_RUNS_MIN: u64 = 5;

/// Fills a bundle with what is acknowledged so far, of one pipeline or of all.
///
/// `Kind::Pipeline` fills everything, as all pages together need it; the other kinds leave out what their own page
/// does not show. Verdict, health and trends are the same in each.
pub fn build(store: &Store, kind: Kind, pipeline: Option<&str>) -> Result<Bundle, StoreError> {
    let verdicts = crate::detect::verdicts(store)?;
    let (now, settings) = (store.clock().now(), crate::detect::settings(store)?);
    let mut read = store.reader()?.in_snapshot(|reader| read(reader, kind, pipeline, &verdicts))?;
    let judged = judge_all(&read, &verdicts, &settings);
    let verdict = merge(judged.iter().map(|one| &one.verdict), &settings);
    let mut told: BTreeMap<Owner, Told> = judged.into_iter().flat_map(|one| one.told).collect();
    let compared = read.depth.compared.then(|| comparison(&mut told));
    let data_quality = quality::describe(&read, &told, &verdict, store.stats().rows_undecodable, now);
    let present = quality::present(&read, now);
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

/// What was read of one state of the store.
#[derive(Debug)]
struct Read {
    depth: Depth,
    profiles: Vec<ProfileRow>,
    /// Pipelines that are left out.
    profiles_over: usize,
    metrics: HashMap<Owner, Vec<MetricSummary>>,
    spending: HashMap<Owner, SpendingRow>,
    models: HashMap<Owner, Vec<ModelRow>>,
    /// Of each pipeline for pages, else of all under a nameless one.
    model_days: BTreeMap<Owner, Vec<ModelDayRow>>,
    slices: HashMap<Owner, Vec<Slice>>,
    step_slices: HashMap<Owner, Vec<StepSlice>>,
    alerts: Vec<Alert>,
    steps: HashMap<Owner, Vec<StepRow>>,
    bars: HashMap<Owner, Vec<BarRow>>,
    samples: HashMap<Owner, Vec<SampleRow>>,
    recent: HashMap<Owner, Vec<Run>>,
    quality: QualityRow,
    runs: RunValues,
    tracks: BTreeMap<String, Vec<tracks::Track>>,
}

fn read(
    reader: &Reader,
    kind: Kind,
    pipeline: Option<&str>,
    verdicts: &BTreeMap<String, Verdict>,
) -> Result<Read, StoreError> {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut profiles: Vec<ProfileRow> = reader.track_profiles(pipeline, count(RECENT_RUNS))?;
    let profiles_over = profiles.len().saturating_sub(PIPELINES_MAX);
    if profiles_over > 0 {
        profiles.sort_by_key(|row| std::cmp::Reverse(row.to_ns));
        profiles.truncate(PIPELINES_MAX);
        profiles.sort_by(|a, b| a.owner.cmp(&b.owner));
    }
    let depth = Depth::of(kind, profiles.len());
    let only = pipeline.map(|name| [name.to_owned()]);
    let only = only.as_ref().map(|names| &names[..]);
    let runs = reader.run_values(only, count(depth.runs_max))?;
    let stepped = depth.stepped(pipeline, verdicts);
    let steps = reader.step_values(stepped.as_deref(), &runs, count(depth.runs_max), count(depth.step_runs_max))?;
    let tracks = collect_tracks(&runs, steps);
    let mut read = Read {
        depth,
        profiles,
        profiles_over,
        metrics: by_owner(reader.track_metrics(pipeline)?, |row: &MetricRow| row.owner.clone(), |row| row.summary),
        spending: reader.track_spending(pipeline)?.into_iter().map(|r: SpendingRow| (r.owner.clone(), r)).collect(),
        models: HashMap::new(),
        model_days: BTreeMap::new(),
        slices: HashMap::new(),
        step_slices: HashMap::new(),
        alerts: alerts::read(reader, pipeline)?,
        steps: HashMap::new(),
        bars: HashMap::new(),
        samples: HashMap::new(),
        recent: HashMap::new(),
        quality: reader.track_quality(pipeline)?.into_iter().next().unwrap_or_default(),
        runs,
        tracks,
    };
    if depth.models {
        let models: Vec<ModelRow> = reader.track_models(pipeline, MODELS_MAX, depth.pages)?;
        let days: Vec<ModelDayRow> = reader.track_model_days(pipeline, MODELS_OVER_TIME_MAX, depth.pages)?;
        read.models = by_owner(models, |row| row.owner.clone(), |row| row);
        read.model_days = by_owner(days, |row| row.owner.clone(), |row| row).into_iter().collect();
    }
    if depth.pages {
        let steps: Vec<StepRow> = reader.track_steps(pipeline, STEPS_MAX)?;
        let bars: Vec<BarRow> = reader.track_waterfalls(pipeline, count(RECENT_RUNS), BARS_MAX)?;
        let samples: Vec<SampleRow> = reader.track_resources(pipeline, count(RECENT_RUNS), SAMPLES_MAX)?;
        let recent: Vec<Run> = reader.track_recent_runs(pipeline, count(depth.recent_max))?;
        let owner = |run: &Run| Owner { pipeline: run.pipeline.clone(), service: run.service.clone() };
        let slices: Vec<SliceRow> = reader.track_slices(pipeline, SLICES_MAX)?;
        let step_slices: Vec<StepSliceRow> = reader.track_step_slices(pipeline, STEP_SLICES_MAX)?;
        read.slices = by_owner(slices, SliceRow::owner, SliceRow::told);
        read.step_slices = by_owner(step_slices, StepSliceRow::owner, StepSliceRow::told);
        read.steps = by_owner(steps, |row| row.owner.clone(), |row| row);
        read.bars = by_owner(bars, |row| row.owner.clone(), |row| row);
        read.samples = by_owner(samples, |row| row.owner.clone(), |row| row);
        read.recent = by_owner(recent, owner, |run| run);
    }
    Ok(read)
}

fn by_owner<R, T>(rows: Vec<R>, owner: impl Fn(&R) -> Owner, keep: impl Fn(R) -> T) -> HashMap<Owner, Vec<T>> {
    let mut sorted: HashMap<Owner, Vec<T>> = HashMap::new();
    for row in rows {
        sorted.entry(owner(&row)).or_default().push(keep(row));
    }
    sorted
}

fn judge_all(read: &Read, verdicts: &BTreeMap<String, Verdict>, settings: &GateSettings) -> Vec<Judged> {
    let mut own: BTreeMap<&str, BTreeMap<Owner, Vec<usize>>> = BTreeMap::new();
    for (place, run) in read.runs.runs.iter().enumerate() {
        let (pipeline, context) = &read.runs.contexts[run.context];
        let owner = Owner { pipeline: pipeline.clone(), service: context.service.clone() };
        own.entry(pipeline).or_default().entry(owner).or_default().push(place);
    }
    let none = BTreeMap::new();
    let pipelines: Vec<_> = read.tracks.iter().collect();
    parallel::map(&pipelines, |(pipeline, tracks)| {
        let own = own.get(pipeline.as_str()).unwrap_or(&none);
        // What came in since the evaluation waits for the next: the verdict is that of `check`.
        let verdict = verdicts.get(*pipeline).cloned().unwrap_or_else(|| merge(std::iter::empty(), settings));
        judge_pipeline(verdict, pipeline, tracks, &read.runs, own, read.depth, settings)
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
    let health = score(&health_input(&row, &told, present));
    let mut steps: Vec<_> = read.steps.remove(owner).unwrap_or_default().into_iter().map(|row| row.step).collect();
    add_levels(&mut steps, &told.steps);
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

fn health_input(row: &ProfileRow, told: &Told, present: UnixNanos) -> HealthInput {
    HealthInput {
        runs: row.recent_runs,
        succeeded: row.recent_succeeded,
        failed: row.recent_failed,
        regressions: told.has_baseline.then(|| open_severities(told.findings.iter())),
        // The success rate is judged by itself: reliability.
        trends: told.trends.iter().filter(|trend| trend.metric != Metric::SuccessRate).map(|t| t.word).collect(),
        spread: row
            .recent_median_s
            .zip(row.recent_mad_s)
            .filter(|(median, _)| *median > 0.0)
            .map(|(median, mad)| crate::detect::stats::robust::MAD_TO_SIGMA * mad / median),
        quality: row.recent_quality.map(quality::as_share),
        silent_intervals: quality::silent_intervals(row, present),
    }
}
