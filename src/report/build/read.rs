//! Reads one state of the store: first what is judged, then what is only told.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Run, Verdict};
use crate::report::bundle::Alert;
use crate::report::profile::MetricSummary;
use crate::report::render::Kind;
use crate::report::slices::{Slice, StepSlice};
use crate::store::{Held, Reader, RunValues, StoreError};

use super::alerts;
use super::depth::Depth;
use super::rows::{
    BarRow, MetricRow, ModelDayRow, ModelRow, Owner, ProfileRow, QualityRow, SampleRow, SpendingRow, StepRow,
};
use super::slices::{SliceRow, StepSliceRow};
use super::tracks::{Track, collect_tracks};

/// Newest closed runs that health, the waterfalls and the resources look at.
pub(super) const RECENT_RUNS: usize = 60;
/// Pipelines that are told: those with the newest runs.
pub(super) const PIPELINES_MAX: usize = 2_000;
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

/// What is judged.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) depth: Depth,
    pub(super) runs: RunValues,
    pub(super) tracks: BTreeMap<String, Vec<Track>>,
}

/// What is read before it.
#[derive(Debug)]
pub(super) struct Head {
    held: Held,
    profiles: Vec<ProfileRow>,
    profiles_over: usize,
    quality: QualityRow,
}

/// What is only told.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) depth: Depth,
    pub(super) profiles: Vec<ProfileRow>,
    /// Pipelines that are left out.
    pub(super) profiles_over: usize,
    pub(super) metrics: HashMap<Owner, Vec<MetricSummary>>,
    pub(super) spending: HashMap<Owner, SpendingRow>,
    pub(super) models: HashMap<Owner, Vec<ModelRow>>,
    /// Of each pipeline for pages, else of all under a nameless one.
    pub(super) model_days: BTreeMap<Owner, Vec<ModelDayRow>>,
    pub(super) slices: HashMap<Owner, Vec<Slice>>,
    pub(super) step_slices: HashMap<Owner, Vec<StepSlice>>,
    pub(super) alerts: Vec<Alert>,
    pub(super) steps: HashMap<Owner, Vec<StepRow>>,
    pub(super) bars: HashMap<Owner, Vec<BarRow>>,
    pub(super) samples: HashMap<Owner, Vec<SampleRow>>,
    pub(super) recent: HashMap<Owner, Vec<Run>>,
    pub(super) quality: QualityRow,
}

/// Reads what is judged.
pub(super) fn series(
    reader: &Reader,
    kind: Kind,
    pipeline: Option<&str>,
    verdicts: &BTreeMap<String, Verdict>,
) -> Result<(Head, Series), StoreError> {
    // The one question that looks beyond the pipeline; what follows is asked of its rows alone.
    let quality = reader.track_quality(pipeline)?.into_iter().next().unwrap_or_default();
    let held = pipeline.map_or(Ok(Held::ANYTHING), |name| reader.narrow(name))?;
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
    let steps = reader.step_values(stepped.as_deref(), &runs, count(depth.step_runs_max))?;
    let tracks = collect_tracks(&runs, steps);
    Ok((Head { held, profiles, profiles_over, quality }, Series { depth, runs, tracks }))
}

/// Reads the rest, of the same state.
pub(super) fn rest(reader: &Reader, head: Head, depth: Depth, pipeline: Option<&str>) -> Result<Read, StoreError> {
    let Head { held, profiles, profiles_over, quality } = head;
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
        quality,
    };
    if depth.models && held.calls {
        let models: Vec<ModelRow> = reader.track_models(pipeline, MODELS_MAX, depth.pages)?;
        let days: Vec<ModelDayRow> = reader.track_model_days(pipeline, MODELS_OVER_TIME_MAX, depth.pages)?;
        read.models = by_owner(models, |row| row.owner.clone(), |row| row);
        read.model_days = by_owner(days, |row| row.owner.clone(), |row| row).into_iter().collect();
    }
    if depth.pages {
        let steps: Vec<StepRow> = reader.track_steps(pipeline, STEPS_MAX)?;
        let bars: Vec<BarRow> = reader.track_waterfalls(pipeline, count(RECENT_RUNS), BARS_MAX)?;
        let samples: Vec<SampleRow> =
            if held.samples { reader.track_resources(pipeline, count(RECENT_RUNS), SAMPLES_MAX)? } else { Vec::new() };
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

pub(super) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
