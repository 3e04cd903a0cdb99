//! One pipeline as the reports show it.

use serde::{Deserialize, Serialize};

use crate::model::{Finding, Metric, Outcome, Run, SeriesContext};
use crate::track::{Health, Trend};

use super::estimate::Estimate;
use super::outlook::{Forecast, HealthPoint};
use super::slices::{Slice, StepSlice};

mod series;

pub use series::{ChangeView, LevelView, PointView, SeriesView};

/// One pipeline of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineProfile {
    /// Its name.
    pub pipeline: String,
    /// `service.name` of the emitter.
    #[serde(default)]
    pub service: Option<String>,
    /// Start of the first run that is counted here, RFC 3339.
    #[serde(default)]
    pub from: Option<String>,
    /// Start of the last.
    #[serde(default)]
    pub to: Option<String>,
    /// Runs, of any outcome.
    pub runs: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Share of finished runs that succeeded, with its interval.
    #[serde(default)]
    pub success_rate: Option<Estimate>,
    /// What is measured, one row a metric.
    #[serde(default)]
    pub metrics: Vec<MetricSummary>,
    /// Use of models, dearest first.
    #[serde(default)]
    pub models: Vec<ModelUse>,
    /// The same over time.
    #[serde(default)]
    pub model_history: Option<ModelHistory>,
    /// 0 to 100 with its parts.
    pub health: Health,
    /// The same as it would have been told before, oldest first.
    #[serde(default)]
    pub health_history: Vec<HealthPoint>,
    /// Where metrics of the whole run are expected to stand, from the newest run on.
    #[serde(default)]
    pub forecasts: Vec<Forecast>,
    /// Runs by context, by period and by model.
    #[serde(default)]
    pub slices: Vec<Slice>,
    /// Steps by context and by period.
    #[serde(default)]
    pub step_slices: Vec<StepSlice>,
    /// Where the metrics are heading.
    #[serde(default)]
    pub trends: Vec<Trend>,
    /// Median duration of the last 7 days against the 7 before, in percent.
    #[serde(default)]
    pub change_7_days_percent: Option<f64>,
    /// Run-level series first, then those of steps that have findings.
    #[serde(default)]
    pub series: Vec<SeriesView>,
    /// Steps, longest first.
    #[serde(default)]
    pub steps: Vec<StepProfile>,
    /// Median run and slowest run.
    #[serde(default)]
    pub waterfalls: Vec<Waterfall>,
    /// Resource use within one run.
    #[serde(default)]
    pub resources: Option<RunResources>,
    /// Newest first.
    #[serde(default)]
    pub recent_runs: Vec<Run>,
    /// What runs are compared with.
    #[serde(default)]
    pub baselines: Vec<BaselineProvenance>,
    /// What was found, worst first; also what does not gate.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl PipelineProfile {
    /// The run-level series of a metric.
    #[must_use]
    pub fn run_series(&self, metric: Metric) -> Option<&SeriesView> {
        self.series.iter().find(|series| series.metric == metric && series.step.is_none())
    }
}

/// How runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcomes {
    /// They did what they should.
    pub success: u64,
    /// They did not.
    pub failure: u64,
    /// Somebody stopped them.
    pub cancelled: u64,
    /// Passed over on purpose.
    pub skipped: u64,
    /// Out of time.
    pub timed_out: u64,
    /// Nothing says.
    pub unknown: u64,
}

/// One metric over the runs of the period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Metric.
    pub metric: Metric,
    /// Runs that have it.
    pub n: u64,
    /// Median.
    #[serde(default)]
    pub p50: Option<f64>,
    /// 95th percentile.
    #[serde(default)]
    pub p95: Option<f64>,
    /// 99th percentile.
    #[serde(default)]
    pub p99: Option<f64>,
    /// Sum; null where a sum means nothing.
    #[serde(default)]
    pub total: Option<f64>,
}

/// Use of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelUse {
    /// Model.
    pub model: String,
    /// Calls.
    pub calls: u64,
    /// Tokens sent.
    #[serde(default)]
    pub input_tokens: Option<f64>,
    /// Tokens received.
    #[serde(default)]
    pub output_tokens: Option<f64>,
    /// US dollars.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// Median duration of a call, seconds.
    #[serde(default)]
    pub p50_s: Option<f64>,
    /// Failed calls.
    #[serde(default)]
    pub failed: u64,
}

/// Use of models over time. A row for each model, a value for each period: null where it is unknown, 0 where
/// there was none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelHistory {
    /// What one period is: `day`, `week`.
    pub period: String,
    /// Starts of the periods, RFC 3339, oldest first.
    pub periods: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// US dollars.
    #[serde(default)]
    pub cost_usd: Vec<Vec<Option<f64>>>,
    /// Tokens sent.
    #[serde(default)]
    pub input_tokens: Vec<Vec<Option<f64>>>,
    /// Tokens received.
    #[serde(default)]
    pub output_tokens: Vec<Vec<Option<f64>>>,
}

/// One step over the runs of the period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepProfile {
    /// Name.
    pub step: String,
    /// Executions.
    pub n: u64,
    /// Median duration, seconds.
    #[serde(default)]
    pub p50_s: Option<f64>,
    /// 95th percentile.
    #[serde(default)]
    pub p95_s: Option<f64>,
    /// 99th percentile.
    #[serde(default)]
    pub p99_s: Option<f64>,
    /// Share of the executions that failed.
    #[serde(default)]
    pub failure_share: Option<f64>,
    /// Attempts beyond the first.
    #[serde(default)]
    pub retries: u64,
    /// US dollars over the period.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// Tokens sent over the period.
    #[serde(default)]
    pub input_tokens: Option<f64>,
    /// Tokens received.
    #[serde(default)]
    pub output_tokens: Option<f64>,
    /// Peak memory in bytes of the process while it ran, median.
    #[serde(default)]
    pub peak_memory_bytes: Option<f64>,
    /// Seconds of CPU, median.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// Items per second, median.
    #[serde(default)]
    pub throughput: Option<f64>,
    /// Mean score of an execution, median.
    #[serde(default)]
    pub quality_score: Option<f64>,
    /// Median duration before the last change of the pipeline (else of the older half), seconds.
    #[serde(default)]
    pub before_s: Option<f64>,
    /// Median duration since then.
    #[serde(default)]
    pub after_s: Option<f64>,
    /// Where its duration is heading; only on pages of pipelines.
    #[serde(default)]
    pub trend: Option<Trend>,
}

/// One run, step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    /// What the run stands for: `median run`, `slowest run`.
    pub label: String,
    /// The emitter's id of the run.
    pub run_id: String,
    /// RFC 3339.
    pub started_at: String,
    /// Seconds.
    pub duration_s: f64,
    /// In order of start.
    pub bars: Vec<WaterfallBar>,
}

/// One step of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaterfallBar {
    /// Step.
    pub step: String,
    /// Step that it lies in.
    #[serde(default)]
    pub parent: Option<String>,
    /// Seconds after the start of the run.
    pub start_s: f64,
    /// Seconds.
    pub duration_s: f64,
    /// How it ended.
    #[serde(default)]
    pub outcome: Outcome,
    /// 1 is the first.
    #[serde(default)]
    pub attempt: i64,
}

/// Resource use within one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResources {
    /// The emitter's id of the run.
    pub run_id: String,
    /// In order of time.
    pub samples: Vec<ResourceSample>,
}

/// One sample of the process tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceSample {
    /// Seconds after the start of the run.
    pub at_s: f64,
    /// Cores in use.
    #[serde(default)]
    pub cpu_cores: Option<f64>,
    /// Resident memory, bytes.
    #[serde(default)]
    pub memory_bytes: Option<f64>,
    /// Read since the sample before, bytes.
    #[serde(default)]
    pub disk_read_bytes: Option<f64>,
    /// Written since the sample before, bytes.
    #[serde(default)]
    pub disk_write_bytes: Option<f64>,
}

/// What the runs of a series are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineProvenance {
    /// Metric.
    pub metric: Metric,
    /// Step; the whole run where none.
    #[serde(default)]
    pub step: Option<String>,
    /// Branch, environment, host class.
    #[serde(default)]
    pub context: SeriesContext,
    /// Runs behind it.
    pub n: u64,
    /// Its first run.
    #[serde(default)]
    pub from_run: Option<String>,
    /// Its last run.
    #[serde(default)]
    pub to_run: Option<String>,
    /// Median.
    #[serde(default)]
    pub median: Option<f64>,
    /// Median absolute deviation.
    #[serde(default)]
    pub mad: Option<f64>,
    /// Why these runs: `since the last accepted change`, `promoted by hand`.
    pub reason: String,
}
