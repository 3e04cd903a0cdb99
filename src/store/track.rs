//! Reading for profiles and reports: one statement a question, over all pipelines at once.
//!
//! What is large (values of runs and steps) is read column by column; the rest row by row.

use std::collections::HashMap;

use duckdb::ToSql;
use duckdb::arrow::array::{Array, Float64Array, Int64Array, StringArray};
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use serde::de::DeserializeOwned;

use super::read::Parameters;
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
    /// Runs `body` over one state of the store, whatever is loaded meanwhile.
    pub(crate) fn in_snapshot<T>(&self, body: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let run = |text| self.connection().execute_batch(text).map_err(StoreError::sql("read one state of the store"));
        run("begin transaction read only")?;
        let done = body(self);
        // Nothing was written: ending it cannot lose anything.
        drop(run("rollback"));
        done
    }

    /// How the runs of each pipeline ended and how the newest `recent_count` fare.
    pub(crate) fn track_profiles<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        recent_count: i64,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([("pipeline", &pipeline as &dyn ToSql), ("recent_count", &recent_count)]);
        self.rows("read profiles", sql::TRACK_PROFILES, &parameters)
    }

    /// Quantiles of every metric of each pipeline.
    pub(crate) fn track_metrics<T: DeserializeOwned>(&self, pipeline: Option<&str>) -> Result<Vec<T>, StoreError> {
        self.of_pipeline("summarize metrics", sql::TRACK_METRICS, pipeline)
    }

    /// What each pipeline spent in all.
    pub(crate) fn track_spending<T: DeserializeOwned>(&self, pipeline: Option<&str>) -> Result<Vec<T>, StoreError> {
        self.of_pipeline("sum spending", sql::TRACK_SPENDING, pipeline)
    }

    /// Runs in the store and what is unsure about them.
    pub(crate) fn track_quality<T: DeserializeOwned>(&self, pipeline: Option<&str>) -> Result<Vec<T>, StoreError> {
        self.of_pipeline("judge the data", sql::TRACK_QUALITY, pipeline)
    }

    fn of_pipeline<T: DeserializeOwned>(
        &self,
        what: &'static str,
        statement: &str,
        pipeline: Option<&str>,
    ) -> Result<Vec<T>, StoreError> {
        self.rows(what, statement, &Parameters::from([("pipeline", &pipeline as &dyn ToSql)]))
    }

    /// The dearest models of each pipeline; how long their calls take only where that is asked for.
    pub(crate) fn track_models<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        model_count_max: i64,
        is_timed: bool,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("model_count_max", &model_count_max),
            ("is_timed", &is_timed),
        ]);
        self.rows("sum models", sql::TRACK_MODELS, &parameters)
    }

    /// What each pipeline spent on each model, day by day; or all of them together.
    pub(crate) fn track_model_days<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        model_count_max: i64,
        by_pipeline: bool,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("model_count_max", &model_count_max),
            ("by_pipeline", &by_pipeline),
        ]);
        self.rows("sum models by day", sql::TRACK_MODEL_DAYS, &parameters)
    }

    /// Runs of each pipeline by context, period and model: the busiest `context_count_max` and `model_count_max`, the
    /// newest `period_count_max`.
    pub(crate) fn track_slices<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        [context_count_max, period_count_max, model_count_max]: [i64; 3],
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("context_count_max", &context_count_max),
            ("period_count_max", &period_count_max),
            ("model_count_max", &model_count_max),
        ]);
        self.rows("slice runs", sql::TRACK_SLICES, &parameters)
    }

    /// Steps of each pipeline by context, and by period of the busiest one.
    pub(crate) fn track_step_slices<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        [step_count_max, context_count_max, period_count_max]: [i64; 3],
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("step_count_max", &step_count_max),
            ("context_count_max", &context_count_max),
            ("period_count_max", &period_count_max),
        ]);
        self.rows("slice steps", sql::TRACK_STEP_SLICES, &parameters)
    }

    /// What happened to every alert, oldest first.
    pub(crate) fn track_alert_history<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        self.rows("read the life of alerts", sql::TRACK_ALERT_HISTORY, &Parameters::new())
    }

    /// The longest steps of each pipeline.
    pub(crate) fn track_steps<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        step_count_max: i64,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([("pipeline", &pipeline as &dyn ToSql), ("step_count_max", &step_count_max)]);
        self.rows("summarize steps", sql::TRACK_STEPS, &parameters)
    }

    /// Bars of the median and of the slowest of the newest `recent_count` runs of each pipeline.
    pub(crate) fn track_waterfalls<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        recent_count: i64,
        bar_count_max: i64,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("recent_count", &recent_count),
            ("bar_count_max", &bar_count_max),
        ]);
        self.rows("lay out runs", sql::TRACK_WATERFALLS, &parameters)
    }

    /// Samples of the newest sampled run of each pipeline, among its newest `recent_count`.
    pub(crate) fn track_resources<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        recent_count: i64,
        sample_count_max: i64,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([
            ("pipeline", &pipeline as &dyn ToSql),
            ("recent_count", &recent_count),
            ("sample_count_max", &sample_count_max),
        ]);
        self.rows("read resource samples", sql::TRACK_RESOURCES, &parameters)
    }

    /// The newest runs of each pipeline, newest first.
    pub(crate) fn track_recent_runs<T: DeserializeOwned>(
        &self,
        pipeline: Option<&str>,
        run_count_max: i64,
    ) -> Result<Vec<T>, StoreError> {
        let parameters = Parameters::from([("pipeline", &pipeline as &dyn ToSql), ("run_count_max", &run_count_max)]);
        self.rows("list recent runs", sql::TRACK_RECENT_RUNS, &parameters)
    }

    /// What the newest `run_count_max` closed runs of each context measured, of some pipelines or of all.
    pub(crate) fn run_values(&self, pipelines: Option<&[String]>, run_count_max: i64) -> Result<RunValues, StoreError> {
        let pipelines = pipelines.map(json_of);
        let parameters = Parameters::from([("pipelines", &pipelines as &dyn ToSql), ("run_count_max", &run_count_max)]);
        let batches = self.batches("read runs", sql::TRACK_SERIES_RUNS, &parameters)?;
        let mut found = RunValues::default();
        let mut contexts = HashMap::new();
        for batch in &batches {
            read_runs(batch, &mut contexts, &mut found).map_err(StoreError::arrow("read runs"))?;
        }
        Ok(found)
    }

    /// What the steps of the newest `step_run_count_max` of those `runs` measured, of some of their pipelines or of all.
    pub(crate) fn step_values(
        &self,
        pipelines: Option<&[String]>,
        runs: &RunValues,
        run_count_max: i64,
        step_run_count_max: i64,
    ) -> Result<StepValues, StoreError> {
        let is_asked = |name: &String| pipelines.is_none_or(|names| names.contains(name));
        let asked: Vec<bool> = runs.contexts.iter().map(|(name, _)| is_asked(name)).collect();
        // The statement numbers the runs that it is asked for.
        let places: Vec<usize> = (0..runs.runs.len()).filter(|place| asked[runs.runs[*place].context]).collect();
        let mut found = StepValues::default();
        let Some(first) = places.first() else { return Ok(found) };
        let pipelines = pipelines.map(json_of);
        let from_ns = runs.runs[*first].started_ns;
        let parameters = Parameters::from([
            ("pipelines", &pipelines as &dyn ToSql),
            ("run_count_max", &run_count_max),
            ("step_run_count_max", &step_run_count_max),
            ("from_ns", &from_ns),
        ]);
        let batches = self.batches("read steps", sql::TRACK_SERIES_STEPS, &parameters)?;
        let mut names = HashMap::new();
        for batch in &batches {
            read_steps(batch, &places, &mut names, &mut found).map_err(StoreError::arrow("read steps"))?;
        }
        Ok(found)
    }
}

/// Names as a JSON array, for statements that take several.
pub(super) fn json_of(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

type ContextKey = [Option<String>; 5];

fn read_runs(
    batch: &RecordBatch,
    contexts: &mut HashMap<ContextKey, usize>,
    found: &mut RunValues,
) -> Result<(), ArrowError> {
    let texts = |name| text_column(batch, name);
    let [pipeline, service, branch, environment, host_class] =
        [texts("pipeline")?, texts("service")?, texts("branch")?, texts("environment")?, texts("host_class")?];
    let [run_key, run_id, outcome] = [texts("run_key")?, texts("run_id")?, texts("outcome")?];
    let [revision, model] = [texts("revision")?, texts("model")?];
    let started = whole_column(batch, "started_ns")?;
    let (taken, input_size) = (number_column(batch, "taken_s")?, number_column(batch, "input_size")?);
    let values: Vec<&Float64Array> =
        RUN_METRICS.iter().map(|metric| number_column(batch, metric.as_str())).collect::<Result<_, _>>()?;
    found.runs.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let key = [pipeline, service, branch, environment, host_class].map(|column| text_at(column, row));
        let context = *contexts.entry(key).or_insert_with_key(|key| {
            let [pipeline, service, branch, environment, host_class] = key.clone();
            let context = SeriesContext { service, branch, environment, host_class };
            found.contexts.push((pipeline.unwrap_or_default(), context));
            found.contexts.len() - 1
        });
        found.runs.push(RunValue {
            context,
            run_key: run_key.value(row).into(),
            run_id: run_id.value(row).into(),
            revision: text_at(revision, row).map(Into::into),
            model: text_at(model, row).map(Into::into),
            outcome: Outcome::from_word(outcome.value(row)),
            started_ns: started.value(row),
            input_size: number_at(input_size, row),
            taken_s: number_at(taken, row),
            values: std::array::from_fn(|place| number_at(values[place], row)),
        });
    }
    Ok(())
}

fn read_steps(
    batch: &RecordBatch,
    places: &[usize],
    names: &mut HashMap<String, usize>,
    found: &mut StepValues,
) -> Result<(), ArrowError> {
    let place = whole_column(batch, "place")?;
    let step = text_column(batch, "step")?;
    let values: Vec<&Float64Array> =
        STEP_METRICS.iter().map(|metric| number_column(batch, metric.as_str())).collect::<Result<_, _>>()?;
    found.rows.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
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
            place: usize::try_from(place.value(row)).ok().and_then(|at| places.get(at).copied()).unwrap_or(usize::MAX),
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
