//! Series out of the store: columns in, one series per metric, step and context out.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::clock::UnixNanos;
use crate::model::{Metric, Series, SeriesContext, SeriesKey, SeriesPoint};
use crate::store::{RUN_METRICS, Reader, Row, RunValue, RunValues, STEP_METRICS, StepValue, StepValues, StoreError};

/// Newest runs of a context that are judged: the newest 20, the 60 before them, and as many again to find where that
/// level began.
pub(crate) const GATE_RUNS: usize = 200;

/// Series with the places of their points among the runs.
pub(crate) type PlacedSeries = (Series, Vec<usize>);

/// Every series of some pipelines or of all, by pipeline, of the newest `run_count` runs of each context.
pub(crate) fn read_series(
    reader: &Reader,
    pipelines: Option<&[String]>,
    run_count: usize,
) -> Result<BTreeMap<String, Vec<Series>>, StoreError> {
    let count = i64::try_from(run_count).unwrap_or(i64::MAX);
    let (runs, steps) = reader.in_snapshot(|reader| {
        let runs = reader.run_values(pipelines, count)?;
        let steps = reader.step_values(pipelines, &runs, count)?;
        Ok((runs, steps))
    })?;
    let mut series: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for (one, _) in collect_series(&runs, steps) {
        series.entry(one.key.pipeline.clone()).or_default().push(one);
    }
    Ok(series)
}

/// Puts series together from what runs and steps measured: by pipeline, whole runs first, then steps by name.
pub(crate) fn collect_series(runs: &RunValues, steps: StepValues) -> Vec<PlacedSeries> {
    let mut all = Vec::new();
    let mut of_context: Vec<Vec<usize>> = vec![Vec::new(); runs.contexts.len()];
    for (place, run) in runs.runs.iter().enumerate() {
        of_context[run.context].push(place);
    }
    for (context, places) in of_context.iter().enumerate() {
        for (at, metric) in RUN_METRICS.into_iter().enumerate() {
            let value = |place: &usize| (*place, runs.runs[*place].values[at]);
            all.extend(series_of(runs, context, (None, metric), places.iter().map(value)));
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
            all.extend(series_of(runs, context, (Some(step), metric), values));
        }
    }
    all.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    all
}

fn series_of(
    runs: &RunValues,
    context: usize,
    (step, metric): (Option<&String>, Metric),
    values: impl Iterator<Item = (usize, f64)>,
) -> Option<PlacedSeries> {
    let known: Vec<(usize, f64)> = values.filter(|(_, value)| value.is_finite()).collect();
    let (pipeline, context) = runs.contexts[context].clone();
    let points: Vec<SeriesPoint> = known.iter().map(|(place, value)| point(&runs.runs[*place], *value)).collect();
    let key = SeriesKey { pipeline, step: step.cloned(), metric, context };
    let places = known.into_iter().map(|(place, _)| place).collect();
    (!points.is_empty()).then_some((Series { key, points }, places))
}

fn point(run: &RunValue, value: f64) -> SeriesPoint {
    SeriesPoint {
        run_key: run.run_key.clone(),
        run_id: run.run_id.clone(),
        started_at: run.started_ns,
        value,
        revision: run.revision.clone(),
        model: run.model.clone(),
        input_size: Some(run.input_size).filter(|size| size.is_finite()),
    }
}

/// Every value of every series as one query, for a store that is asked from afar.
#[must_use]
pub fn series_question(pipeline: Option<&str>) -> String {
    crate::store::series_question(pipeline)
}

#[derive(Deserialize)]
struct PointRow {
    pipeline: String,
    step: Option<String>,
    metric: Metric,
    service: Option<String>,
    branch: Option<String>,
    environment: Option<String>,
    host_class: Option<String>,
    run_key: String,
    run_id: String,
    started_ns: UnixNanos,
    value: f64,
    revision: Option<String>,
    model: Option<String>,
    input_size: Option<f64>,
}

/// The answer to [`series_question`] as series.
pub fn series_of_rows(rows: Vec<Row>) -> Result<Vec<Series>, serde_json::Error> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let row: PointRow = serde_json::from_value(serde_json::Value::Object(row))?;
        let context = SeriesContext {
            service: row.service,
            branch: row.branch,
            environment: row.environment,
            host_class: row.host_class,
        };
        let key = SeriesKey { pipeline: row.pipeline, step: row.step, metric: row.metric, context };
        let point = SeriesPoint {
            run_key: row.run_key.into(),
            run_id: row.run_id.into(),
            started_at: row.started_ns,
            value: row.value,
            revision: row.revision.map(Into::into),
            model: row.model.map(Into::into),
            input_size: row.input_size,
        };
        match all.last_mut() {
            Some(series) if series.key == key => series.points.push(point),
            _ => all.push(Series { key, points: vec![point] }),
        }
    }
    Ok(all)
}
