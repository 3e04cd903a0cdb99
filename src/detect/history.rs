//! Series out of the store, and the gate over them.

use serde::Deserialize;

use super::gate::{GateSettings, judge};
use crate::model::clock::UnixNanos;
use crate::model::{Metric, Series, SeriesContext, SeriesKey, SeriesPoint, Verdict};
use crate::store::{Reader, Row, StoreError};

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
}

/// Every series of the store, or of one pipeline: oldest run first, grouped by pipeline.
pub fn read_series(reader: &Reader, pipeline: Option<&str>) -> Result<Vec<Series>, StoreError> {
    Ok(group(reader.series(pipeline)?))
}

/// The question of [`read_series`] as one query, for a store that is asked from afar.
#[must_use]
pub fn series_question(pipeline: Option<&str>) -> String {
    crate::store::series_question(pipeline)
}

/// The answer to [`series_question`] as series.
pub fn series_of_rows(rows: Vec<Row>) -> Result<Vec<Series>, serde_json::Error> {
    let rows: Result<Vec<PointRow>, _> =
        rows.into_iter().map(|row| serde_json::from_value(serde_json::Value::Object(row))).collect();
    rows.map(group)
}

fn group(rows: Vec<PointRow>) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let context = SeriesContext {
            service: row.service,
            branch: row.branch,
            environment: row.environment,
            host_class: row.host_class,
        };
        let key = SeriesKey { pipeline: row.pipeline, step: row.step, metric: row.metric, context };
        let point = SeriesPoint {
            run_key: row.run_key,
            run_id: row.run_id,
            started_at: row.started_ns,
            value: row.value,
            revision: row.revision,
            model: row.model,
        };
        match all.last_mut() {
            Some(series) if series.key == key => series.points.push(point),
            _ => all.push(Series { key, points: vec![point] }),
        }
    }
    all
}

/// The gate over the store, or over one pipeline of it.
pub fn check(reader: &Reader, pipeline: Option<&str>, settings: &GateSettings) -> Result<Verdict, StoreError> {
    Ok(judge(&read_series(reader, pipeline)?, settings))
}
