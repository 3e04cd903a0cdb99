//! Reading for profiles and reports: one statement a question, over all pipelines at once.

use duckdb::ToSql;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::read::Parameters;
use super::{Reader, StoreError, sql};

/// What there is to ask for.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Held {
    /// Calls of models.
    pub(crate) calls: bool,
    /// Metric points of runs.
    pub(crate) samples: bool,
}

impl Held {
    /// Nothing is known of it.
    pub(crate) const ANYTHING: Self = Self { calls: true, samples: true };
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

    /// From here to the end of the snapshot its runs, steps and model calls are those of one pipeline, read once:
    /// tables of the reader's own stand before the store's of the same names, also where a view asks for them.
    pub(crate) fn narrow(&self, pipeline: &str) -> Result<Held, StoreError> {
        let what = "read one pipeline";
        let (named, none) = (Parameters::from([("pipeline", &pipeline as &dyn ToSql)]), Parameters::new());
        self.execute(what, sql::TRACK_ONLY_RUNS, &named)?;
        self.execute(what, sql::TRACK_ONLY_STEPS, &named)?;
        self.execute(what, sql::TRACK_ONLY_CALLS, &none)?;
        let held: Vec<Held> = self.rows(what, sql::TRACK_ONLY_HELD, &none)?;
        Ok(held.into_iter().next().unwrap_or(Held::ANYTHING))
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

    /// What the pairs of points of each of some series say, by its place from 1 on; nothing of a series with a single
    /// point. A series is an object with `x` and `y`.
    pub(crate) fn track_trends<T: DeserializeOwned>(&self, series: &[impl Serialize]) -> Result<Vec<T>, StoreError> {
        let what = "find trends";
        let series = serde_json::to_string(series).map_err(StoreError::shape(what))?;
        self.rows(what, sql::TRACK_TRENDS, &Parameters::from([("series", &series as &dyn ToSql)]))
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
}

/// Names as a JSON array, for statements that take several.
pub(super) fn json_of(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}
