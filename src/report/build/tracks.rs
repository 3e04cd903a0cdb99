//! Series put together from what runs and steps measured, pipeline by pipeline.

use std::collections::BTreeMap;

use crate::model::{Metric, Series, SeriesContext, SeriesKey, SeriesPoint};
use crate::store::{RUN_METRICS, RunValue, RunValues, STEP_METRICS, StepValue, StepValues};

/// Newest runs of a context that the gate is given, and that trends are drawn through, whatever the kind of report: the
/// gate looks at the newest 20 values, the 60 before them, and as many again to find where that level began.
pub(super) const GATE_RUNS: usize = 200;

/// One series with the run behind each point.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) series: Series,
    /// For each point its place among the runs that were read.
    pub(super) places: Vec<usize>,
    /// First of the points that lie within the newest [`GATE_RUNS`] runs of the context.
    pub(super) recent_from: usize,
}

impl Track {
    pub(super) fn metric(&self) -> Metric {
        self.series.key.metric
    }

    pub(super) fn step(&self) -> Option<&str> {
        self.series.key.step.as_deref()
    }

    pub(super) fn context(&self) -> &SeriesContext {
        &self.series.key.context
    }

    pub(super) fn len(&self) -> usize {
        self.series.points.len()
    }

    pub(super) fn values(&self) -> Vec<f64> {
        self.series.points.iter().map(|point| point.value).collect()
    }

    /// Its points within the newest runs.
    pub(super) fn recent(&self) -> &[SeriesPoint] {
        &self.series.points[self.recent_from.min(self.len())..]
    }

    /// The series as the gate sees it.
    pub(super) fn for_gate(&self) -> Series {
        Series { key: self.series.key.clone(), points: self.recent().to_vec() }
    }
}

/// Every track by pipeline: those of whole runs first, then steps by name.
pub(super) fn collect_tracks(runs: &RunValues, steps: StepValues) -> BTreeMap<String, Vec<Track>> {
    let mut tracks: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    let mut of_context: Vec<Vec<usize>> = vec![Vec::new(); runs.contexts.len()];
    for (place, run) in runs.runs.iter().enumerate() {
        of_context[run.context].push(place);
    }
    let first_recent = |places: &Vec<usize>| places.get(places.len().saturating_sub(GATE_RUNS)).copied();
    let recent: Vec<usize> = of_context.iter().map(|places| first_recent(places).unwrap_or(0)).collect();
    for (context, places) in of_context.iter().enumerate() {
        for (at, metric) in RUN_METRICS.into_iter().enumerate() {
            let value = |place: &usize| (*place, runs.runs[*place].values[at]);
            push(&mut tracks, runs, (context, recent[context]), (None, metric), places.iter().map(value));
        }
    }
    let mut rows = steps.rows;
    rows.retain(|row| row.place < runs.runs.len());
    let key = |row: &StepValue| (runs.runs[row.place].context, row.step, row.place);
    rows.sort_unstable_by_key(key);
    for group in rows.chunk_by(|a, b| (key(a).0, a.step) == (key(b).0, b.step)) {
        let Some(first) = group.first() else { continue };
        let (context, step) = (key(first).0, &steps.steps[first.step]);
        for (at, metric) in STEP_METRICS.into_iter().enumerate() {
            let values = group.iter().map(|row| (row.place, row.values[at]));
            push(&mut tracks, runs, (context, recent[context]), (Some(step), metric), values);
        }
    }
    for own in tracks.values_mut() {
        own.sort_by(|a, b| a.series.key.cmp(&b.series.key));
    }
    tracks
}

fn push(
    tracks: &mut BTreeMap<String, Vec<Track>>,
    runs: &RunValues,
    (context, recent): (usize, usize),
    (step, metric): (Option<&String>, Metric),
    values: impl Iterator<Item = (usize, f64)>,
) {
    let known: Vec<(usize, f64)> = values.filter(|(_, value)| value.is_finite()).collect();
    if known.is_empty() {
        return;
    }
    let (pipeline, context) = runs.contexts[context].clone();
    let points = known.iter().map(|(place, value)| point(&runs.runs[*place], *value)).collect();
    let key = SeriesKey { pipeline: pipeline.clone(), step: step.cloned(), metric, context };
    let recent_from = known.partition_point(|(place, _)| *place < recent);
    let places = known.into_iter().map(|(place, _)| place).collect();
    tracks.entry(pipeline).or_default().push(Track { series: Series { key, points }, places, recent_from });
}

fn point(run: &RunValue, value: f64) -> SeriesPoint {
    SeriesPoint {
        run_key: run.run_key.clone(),
        run_id: run.run_id.clone(),
        started_at: run.started_ns,
        value,
        revision: run.revision.clone(),
        model: run.model.clone(),
    }
}
