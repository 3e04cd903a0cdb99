//! One detector's verdict on one series, with its evidence; and a gate's.

use serde::{Deserialize, Deserializer, Serialize};

use super::metric::{Better, Metric};
use super::series::{SeriesContext, SeriesKey};
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

impl FindingKind {
    /// The word used in JSON, SQL and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Drift => "drift",
            Self::Rate => "rate",
            Self::Outlier => "outlier",
            Self::Suspected => "suspected",
            Self::Variance => "variance",
            Self::Limit => "limit",
        }
    }
}

/// Something beside the code that changed at the same run and explains the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `model`, `host_class`, or `control`: a series that measures the machine moved too.
    pub attribute: String,
    /// What it was.
    pub before: Option<String>,
    /// What it is; the name of the series for a control.
    pub after: Option<String>,
}

impl Cause {
    /// Whether it takes the blame from the code: more work, another machine, a control that moved too. Another model
    /// does not: somebody chose it.
    #[must_use]
    pub fn excuses(&self) -> bool {
        matches!(self.attribute.as_str(), "input_size" | "host_class" | "control")
    }
}

/// How much of a change one step explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepShare {
    /// Step.
    pub step: String,
    /// Its level before, in the metric's unit.
    pub before: f64,
    /// Its level after.
    pub after: f64,
    /// Its difference as a share of the whole run's; steps that lie within others count in both.
    pub share: f64,
}

/// An attribute that is more frequent in the new runs than in those before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// Name of the attribute.
    pub attribute: String,
    /// Its value.
    pub value: String,
    /// Share of the runs before that have it, 0 to 1.
    pub before: f64,
    /// Share of the new runs that have it.
    pub after: f64,
    /// How much likelier a run with it is a new one: `after / before`, each smoothed by half a run.
    pub lift: f64,
}

/// Why, as far as the data tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// What changed beside the code.
    pub cause: Option<Cause>,
    /// How the change is spread over the steps, largest first.
    pub steps: Vec<StepShare>,
    /// Attributes that differ in the new runs, most telling first.
    pub attributes: Vec<Lift>,
    /// Covariates that were taken out before the change was judged: `input_size`, `model`, `hour`, `weekday`.
    pub adjusted_for: Vec<String>,
    /// The alert that tells of it.
    pub alert_id: Option<String>,
    /// Where that stands.
    pub alert_state: Option<String>,
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
    /// (current - baseline) / baseline x 100; infinite from zero, which JSON writes as null.
    #[serde(deserialize_with = "or_infinite")]
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
    #[serde(deserialize_with = "or_minus_infinite")]
    pub difference_low: f64,
    /// Upper end.
    #[serde(deserialize_with = "or_infinite")]
    pub difference_high: f64,
    /// Where the series comes from.
    pub context: SeriesContext,
    /// What to look at first.
    pub recommendation: String,
    /// Why, as far as the data tell.
    #[serde(default)]
    pub explanation: Explanation,
}

// What is measured is never negative: a change from zero goes up.
fn or_infinite<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(from).map(|number| number.unwrap_or(f64::INFINITY))
}

fn or_minus_infinite<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(from).map(|number| number.unwrap_or(f64::NEG_INFINITY))
}

impl Finding {
    /// The series it is about.
    #[must_use]
    pub fn series_key(&self) -> SeriesKey {
        SeriesKey {
            pipeline: self.pipeline.clone(),
            step: self.step.clone(),
            metric: self.metric,
            context: self.context.clone(),
        }
    }

    /// Whether it is about the same series as another.
    #[must_use]
    pub fn is_of_series(&self, other: &Self) -> bool {
        (&self.pipeline, &self.step, self.metric, &self.context)
            == (&other.pipeline, &other.step, other.metric, &other.context)
    }

    /// Whether the value moved for the worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        match self.metric.better() {
            Better::Lower => self.current > self.baseline,
            Better::Higher => self.current < self.baseline,
        }
    }
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
