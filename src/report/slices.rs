//! Runs of a pipeline by context, by period and by model; steps by context and period.

use serde::{Deserialize, Serialize};

use crate::model::SeriesContext;

use super::estimate::Estimate;
use super::profile::Outcomes;

/// The runs of one context, of one period of a context, or of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slice {
    /// What it is one of: `context`, `model`, `day`, `week`, `month`.
    pub slice: String,
    /// Branch, environment, host class; none for a model, which is told over all of them.
    pub context: Option<SeriesContext>,
    /// Start of the period, RFC 3339; none for a whole context or model.
    pub from: Option<String>,
    /// The model with the most tokens in a run; none but for models.
    pub model: Option<String>,
    /// Runs, of any outcome.
    pub runs: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Share of finished runs that succeeded, with its interval.
    pub success_rate: Option<Estimate>,
    /// Duration, seconds: lower quarter.
    pub p25_s: Option<f64>,
    /// Median.
    pub p50_s: Option<f64>,
    /// Upper quarter.
    pub p75_s: Option<f64>,
    /// 95th percentile.
    pub p95_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// (upper - lower quarter) / 1.349 / median: about the coefficient of variation of a normal.
    pub spread: Option<f64>,
    /// US dollars per run, median.
    pub cost_usd: Option<f64>,
    /// US dollars of all runs, also of those that failed.
    pub spent_usd: Option<f64>,
    /// Tokens sent per run, median.
    pub input_tokens: Option<f64>,
    /// Tokens received per run, median.
    pub output_tokens: Option<f64>,
    /// Calls per run, median.
    pub api_calls: Option<f64>,
    /// Bytes, median.
    pub peak_memory_bytes: Option<f64>,
    /// Seconds of CPU, median.
    pub cpu_s: Option<f64>,
    /// Items per second, median.
    pub throughput: Option<f64>,
    /// Median.
    pub quality_score: Option<f64>,
    /// Attempts beyond the first, of all runs.
    pub retries: u64,
}

/// The executions of one step in one context, or in one period of the busiest context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepSlice {
    /// Its name.
    pub step: String,
    /// What it is one of: `context`, `day`, `week`, `month`.
    pub slice: String,
    /// Branch, environment, host class.
    pub context: SeriesContext,
    /// Start of the period, RFC 3339; none for a whole context.
    pub from: Option<String>,
    /// Executions, of any outcome.
    pub n: u64,
    /// Share of finished ones that succeeded, with its interval.
    pub success_rate: Option<Estimate>,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Duration, seconds: median.
    pub p50_s: Option<f64>,
    /// 95th percentile.
    pub p95_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// As for runs.
    pub spread: Option<f64>,
    /// US dollars of all.
    pub cost_usd: Option<f64>,
    /// Tokens sent, of all.
    pub input_tokens: Option<f64>,
    /// Tokens received, of all.
    pub output_tokens: Option<f64>,
    /// Peak memory in bytes of the process while it ran, median.
    pub peak_memory_bytes: Option<f64>,
    /// Seconds of CPU, median.
    pub cpu_s: Option<f64>,
    /// Items per second, median.
    pub throughput: Option<f64>,
    /// Mean score of an execution, median.
    pub quality_score: Option<f64>,
    /// A model that it called.
    pub model: Option<String>,
}
