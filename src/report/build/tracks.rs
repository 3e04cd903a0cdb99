//! Series put together from what runs and steps measured, pipeline by pipeline.

use std::collections::BTreeMap;

use crate::detect::{GATE_RUNS, collect_series};
use crate::model::{Metric, Series, SeriesContext, SeriesPoint};
use crate::store::{RunValues, StepValues};

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

    /// What was known of its newest runs at a time; none where nothing was.
    pub(super) fn until(&self, at: i64) -> Option<Self> {
        let end = self.series.points.partition_point(|point| point.started_at <= at);
        let from = end.saturating_sub(GATE_RUNS);
        (end > 0).then(|| Self {
            series: Series { key: self.series.key.clone(), points: self.series.points[from..end].to_vec() },
            places: self.places[from..end].to_vec(),
            recent_from: 0,
        })
    }

    /// The series as the gate sees it.
    pub(super) fn for_gate(&self) -> Series {
        Series { key: self.series.key.clone(), points: self.recent().to_vec() }
    }
}

/// Every track by pipeline: those of whole runs first, then steps by name.
pub(super) fn collect_tracks(runs: &RunValues, steps: StepValues) -> BTreeMap<String, Vec<Track>> {
    let mut of_context: Vec<Vec<usize>> = vec![Vec::new(); runs.contexts.len()];
    for (place, run) in runs.runs.iter().enumerate() {
        of_context[run.context].push(place);
    }
    let first_recent = |places: &Vec<usize>| places.get(places.len().saturating_sub(GATE_RUNS)).copied();
    let recent: Vec<usize> = of_context.iter().map(|places| first_recent(places).unwrap_or(0)).collect();
    let mut tracks: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    for (series, places) in collect_series(runs, steps) {
        let first = places.first().map_or(0, |place| recent[runs.runs[*place].context]);
        let recent_from = places.partition_point(|place| *place < first);
        tracks.entry(series.key.pipeline.clone()).or_default().push(Track { series, places, recent_from });
    }
    tracks
}
