//! One detector's verdict on one series, with its evidence; and a gate's.

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::series::SeriesContext;
use super::severity::Severity;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The level moved at one run and stayed.
    Step,
    /// The level moved slowly over many runs.
    Drift,
    /// A share of runs (failures) moved.
    Rate,
    /// One odd run, level unchanged.
    Outlier,
    /// Looks like a change; more runs will tell.
    Suspected,
    /// The spread moved, the level did not.
    Variance,
    /// A static limit was crossed.
    Limit,
}

/// One verdict with its evidence. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Pipeline.
    pub pipeline: String,
    /// Step; null for the whole run.
    pub step: Option<String>,
    /// Metric.
    pub metric: Metric,
    /// What was found.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// Confirmed, for the worse, MEDIUM or above.
    pub actionable: bool,
    /// How sure, 0 to 1, calibrated.
    pub confidence: f64,
    /// Adjusted for the search over splits and for the pipeline's other series.
    pub p_value: f64,
    /// Level before, in the metric's unit.
    pub baseline: f64,
    /// Level after.
    pub current: f64,
    /// (current - baseline) / baseline x 100.
    pub change_percent: f64,
    /// Runs behind `baseline`.
    pub n_baseline: usize,
    /// Runs behind `current`.
    pub n_current: usize,
    /// The first run at the new level: the emitter's id.
    pub since_run: String,
    /// The same run's key.
    pub since_run_key: String,
    /// Its start, RFC 3339.
    pub since_time: String,
    /// Revision of that run, where known.
    pub since_revision: Option<String>,
    /// Lower end of the 95 % interval of the level difference, in the metric's unit.
    pub difference_low: f64,
    /// Upper end.
    pub difference_high: f64,
    /// Where the series comes from.
    pub context: SeriesContext,
    /// What to look at first.
    pub recommendation: String,
}

/// The gate's answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Nothing at or above the limit.
    Pass,
    /// A regression at or above the limit.
    Fail,
    /// No series had enough runs to say.
    InsufficientData,
}

/// The gate's answer. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub verdict: VerdictWord,
    /// Why, worst first.
    pub findings: Vec<Finding>,
    /// Series with enough runs.
    pub series_checked: usize,
    /// Series with too few.
    pub series_insufficient: usize,
    /// More runs that the shortest insufficient series needs, where any.
    pub runs_needed: Option<usize>,
}
