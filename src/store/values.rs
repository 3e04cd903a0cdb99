//! What runs and steps measured: the large part of a report, read column by column.

use std::collections::HashMap;

use duckdb::ToSql;
use duckdb::arrow::array::{Array, Float64Array, Int64Array, StringArray, UInt64Array};
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;

use super::read::Parameters;
use super::track::json_of;
use super::{Reader, StoreError, sql};
use crate::model::clock::UnixNanos;
use crate::model::{Metric, Outcome, SeriesContext, SharedText};

/// Metrics of a run, in the order of [`RunValue::values`].
pub(crate) const RUN_METRICS: [Metric; 10] = [
    Metric::Duration,
    Metric::Cost,
    Metric::InputTokens,
    Metric::OutputTokens,
    Metric::ApiCalls,
    Metric::PeakMemory,
    Metric::Cpu,
    Metric::Quality,
    Metric::Throughput,
    Metric::SuccessRate,
];

/// Metrics of a step, in the order of [`StepValue::values`].
pub(crate) const STEP_METRICS: [Metric; 4] =
    [Metric::Duration, Metric::Cost, Metric::InputTokens, Metric::OutputTokens];

/// What the closed runs measured.
#[derive(Debug, Default)]
pub(crate) struct RunValues {
    /// Pipelines with the contexts in which they ran.
    pub(crate) contexts: Vec<(String, SeriesContext)>,
    /// Places among the contexts, by the store's numbers for them.
    pub(crate) context_keys: HashMap<u64, usize>,
    /// Oldest first.
    pub(crate) runs: Vec<RunValue>,
}

/// What one run measured. NaN where it did not.
#[derive(Debug)]
pub(crate) struct RunValue {
    /// Its place among [`RunValues::contexts`].
    pub(crate) context: usize,
    pub(crate) run_key: SharedText,
    pub(crate) run_id: SharedText,
    pub(crate) revision: Option<SharedText>,
    pub(crate) model: Option<SharedText>,
    pub(crate) outcome: Outcome,
    pub(crate) started_ns: UnixNanos,
    /// How much it had to do; NaN where unknown.
    pub(crate) input_size: f64,
    /// Seconds, also of a run that failed.
    pub(crate) taken_s: f64,
    /// By [`RUN_METRICS`]; finite, or NaN.
    pub(crate) values: [f64; 10],
}

/// What the steps measured.
#[derive(Debug, Default)]
pub(crate) struct StepValues {
    /// Names of steps.
    pub(crate) steps: Vec<String>,
    /// In no order.
    pub(crate) rows: Vec<StepValue>,
}

/// What one step of one run measured.
#[derive(Debug)]
pub(crate) struct StepValue {
    /// Its run, as a place among [`RunValues::runs`].
    pub(crate) place: usize,
    /// Its name, as a place among [`StepValues::steps`].
    pub(crate) step: usize,
    /// By [`STEP_METRICS`]; finite, or NaN.
    pub(crate) values: [f64; 4],
}

impl Reader {
    /// What the newest `run_count_max` closed runs of each context measured, of some pipelines or of all.
    pub(crate) fn run_values(&self, pipelines: Option<&[String]>, run_count_max: i64) -> Result<RunValues, StoreError> {
        let pipelines = pipelines.map(json_of);
        let parameters = Parameters::from([("pipelines", &pipelines as &dyn ToSql), ("run_count_max", &run_count_max)]);
        let batches = self.batches("read runs", sql::TRACK_SERIES_RUNS, &parameters)?;
        let (mut rows, mut contexts) = (Vec::new(), HashMap::new());
        for batch in &batches {
            read_runs(batch, &mut contexts, &mut rows).map_err(StoreError::arrow("read runs"))?;
        }
        Ok(in_order(rows, contexts))
    }

    /// What the steps of the newest `step_run_count_max` of those `runs` measured, of some of their pipelines or of all.
    pub(crate) fn step_values(
        &self,
        pipelines: Option<&[String]>,
        runs: &RunValues,
        step_run_count_max: i64,
    ) -> Result<StepValues, StoreError> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); runs.contexts.len()];
        for (place, run) in runs.runs.iter().enumerate() {
            places[run.context].push(place);
        }
        let is_asked = |name: &String| pipelines.is_none_or(|names| names.contains(name));
        let asked = places.iter().zip(&runs.contexts).filter(|(_, (name, _))| is_asked(name)).map(|(places, _)| places);
        let newest = usize::try_from(step_run_count_max).unwrap_or(usize::MAX);
        let oldest = asked.filter_map(|places| places.get(places.len().saturating_sub(newest)));
        let mut found = StepValues::default();
        let Some(from_ns) = oldest.map(|place| runs.runs[*place].started_ns).min() else { return Ok(found) };
        let pipelines = pipelines.map(json_of);
        let parameters = Parameters::from([
            ("pipelines", &pipelines as &dyn ToSql),
            ("step_run_count_max", &step_run_count_max),
            ("from_ns", &from_ns),
        ]);
        let batches = self.batches("read steps", sql::TRACK_SERIES_STEPS, &parameters)?;
        let place = |context: u64, newest: i64| {
            let own = &places[*runs.context_keys.get(&context)?];
            own.get(own.len().checked_sub(usize::try_from(newest).ok()?)?).copied()
        };
        let mut names = HashMap::new();
        for batch in &batches {
            read_steps(batch, place, &mut names, &mut found).map_err(StoreError::arrow("read steps"))?;
        }
        Ok(found)
    }
}

type Context = (String, SeriesContext);

/// Sorts runs that came in any order, and numbers their contexts in the order of their first runs.
fn in_order(mut rows: Vec<(u64, RunValue)>, mut contexts: HashMap<u64, Context>) -> RunValues {
    rows.sort_unstable_by(|(_, a), (_, b)| (a.started_ns, &a.run_key).cmp(&(b.started_ns, &b.run_key)));
    let mut found = RunValues { runs: Vec::with_capacity(rows.len()), ..RunValues::default() };
    for (key, mut run) in rows {
        run.context = *found.context_keys.entry(key).or_insert_with(|| {
            found.contexts.push(contexts.remove(&key).unwrap_or_default());
            found.contexts.len() - 1
        });
        found.runs.push(run);
    }
    found
}

fn read_runs(
    batch: &RecordBatch,
    contexts: &mut HashMap<u64, Context>,
    rows: &mut Vec<(u64, RunValue)>,
) -> Result<(), ArrowError> {
    let texts = |name| text_column(batch, name);
    let [pipeline, service, branch, environment, host_class] =
        [texts("pipeline")?, texts("service")?, texts("branch")?, texts("environment")?, texts("host_class")?];
    let [run_key, run_id, outcome] = [texts("run_key")?, texts("run_id")?, texts("outcome")?];
    let [revision, model] = [texts("revision")?, texts("model")?];
    let (context, started) = (key_column(batch, "context")?, whole_column(batch, "started_ns")?);
    let (taken, input_size) = (number_column(batch, "taken_s")?, number_column(batch, "input_size")?);
    let values: Vec<&Float64Array> =
        RUN_METRICS.iter().map(|metric| number_column(batch, metric.as_str())).collect::<Result<_, _>>()?;
    rows.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let key = context.value(row);
        contexts.entry(key).or_insert_with(|| {
            let [service, branch, environment, host_class] =
                [service, branch, environment, host_class].map(|column| text_at(column, row));
            (pipeline.value(row).to_owned(), SeriesContext { service, branch, environment, host_class })
        });
        let run = RunValue {
            context: 0,
            run_key: run_key.value(row).into(),
            run_id: run_id.value(row).into(),
            revision: text_at(revision, row).map(Into::into),
            model: text_at(model, row).map(Into::into),
            outcome: Outcome::from_word(outcome.value(row)),
            started_ns: started.value(row),
            input_size: number_at(input_size, row),
            taken_s: number_at(taken, row),
            values: std::array::from_fn(|place| number_at(values[place], row)),
        };
        rows.push((key, run));
    }
    Ok(())
}

fn read_steps(
    batch: &RecordBatch,
    place: impl Fn(u64, i64) -> Option<usize>,
    names: &mut HashMap<String, usize>,
    found: &mut StepValues,
) -> Result<(), ArrowError> {
    let (context, newest) = (key_column(batch, "context")?, whole_column(batch, "newest")?);
    let step = text_column(batch, "step")?;
    let values: Vec<&Float64Array> =
        STEP_METRICS.iter().map(|metric| number_column(batch, metric.as_str())).collect::<Result<_, _>>()?;
    found.rows.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let Some(place) = place(context.value(row), newest.value(row)) else { continue };
        let name = step.value(row);
        let step = match names.get(name) {
            Some(known) => *known,
            None => {
                found.steps.push(name.to_owned());
                names.insert(name.to_owned(), found.steps.len() - 1);
                found.steps.len() - 1
            }
        };
        found.rows.push(StepValue {
            place,
            step,
            values: std::array::from_fn(|metric| number_at(values[metric], row)),
        });
    }
    Ok(())
}

fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str, wanted: &str) -> Result<&'a A, ArrowError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<A>());
    column.ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` is not {wanted}")))
}

fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    column(batch, name, "text")
}

fn key_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a UInt64Array, ArrowError> {
    column(batch, name, "a hash")
}

fn whole_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, ArrowError> {
    column(batch, name, "a 64-bit integer")
}

fn number_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Float64Array, ArrowError> {
    column(batch, name, "a double")
}

fn text_at(column: &StringArray, row: usize) -> Option<String> {
    (!column.is_null(row)).then(|| column.value(row).to_owned())
}

// Finite, or NaN: infinite values are no measurement.
fn number_at(column: &Float64Array, row: usize) -> f64 {
    if column.is_null(row) || !column.value(row).is_finite() { f64::NAN } else { column.value(row) }
}
