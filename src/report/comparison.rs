//! Two windows side by side.

use serde::{Deserialize, Serialize};

use crate::model::{Metric, SeriesContext};

use super::estimate::Estimate;

/// Two windows side by side, pipeline by pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What A is: `the 20 runs before`, `branch main`.
    pub a: String,
    /// What B is: `newest 20 runs`, `branch fix/cache`.
    pub b: String,
    /// Worst first.
    pub pipelines: Vec<PipelineComparison>,
}

/// One pipeline in both windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineComparison {
    /// Pipeline.
    pub pipeline: String,
    /// `service.name` of the emitter.
    #[serde(default)]
    pub service: Option<String>,
    /// Branch, environment, host class of the runs that are compared; none where those of A and B differ.
    #[serde(default)]
    pub context: Option<SeriesContext>,
    /// What was left out so that like is compared with like, or that it is not.
    #[serde(default)]
    pub note: Option<String>,
    /// Runs in A.
    pub a: Window,
    /// Runs in B.
    pub b: Window,
    /// Metrics of the whole run.
    #[serde(default)]
    pub metrics: Vec<Change>,
    /// Steps, aligned by name, by what they add to the run.
    #[serde(default)]
    pub steps: Vec<StepChange>,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Runs.
    pub runs: u64,
    /// Start of the first, RFC 3339.
    #[serde(default)]
    pub from: Option<String>,
    /// Start of the last.
    #[serde(default)]
    pub to: Option<String>,
}

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeWord {
    /// Significant and for the worse.
    Regressed,
    /// Significant and for the better.
    Improved,
    /// A difference that chance explains.
    WithinNoise,
    /// The same.
    NoChange,
    /// Too few runs to say.
    NotEnoughData,
}

/// One metric in both windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Metric.
    pub metric: Metric,
    /// Median in A.
    #[serde(default)]
    pub a: Option<f64>,
    /// Median in B.
    #[serde(default)]
    pub b: Option<f64>,
    /// Change in percent with its 95 % interval.
    #[serde(default)]
    pub change_percent: Option<Estimate>,
    /// Of no difference, adjusted for the pipeline's other metrics and steps: it decided the word.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// In one word.
    pub word: ChangeWord,
}

/// One step in both windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepChange {
    /// Step.
    pub step: String,
    /// Median duration in A, seconds; null where it is only in B.
    #[serde(default)]
    pub a_s: Option<f64>,
    /// Median duration in B; null where it is only in A.
    #[serde(default)]
    pub b_s: Option<f64>,
    /// Change in percent with its 95 % interval.
    #[serde(default)]
    pub change_percent: Option<Estimate>,
    /// In one word.
    pub word: ChangeWord,
}
