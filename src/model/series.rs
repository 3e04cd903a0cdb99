//! One metric of one pipeline or step, in one context, run by run.

use serde::{Deserialize, Serialize};

use super::clock::UnixNanos;
use super::metric::Metric;
use super::shared_text::SharedText;

/// What like is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesContext {
    /// `service.name` of the emitter.
    pub service: Option<String>,
    /// Branch of the source.
    pub branch: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Kind of machine.
    pub host_class: Option<String>,
}

/// Names one series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Pipeline.
    pub pipeline: String,
    /// Step; the whole run where none.
    pub step: Option<String>,
    /// Metric.
    pub metric: Metric,
    /// Context.
    pub context: SeriesContext,
}

/// One run's value in a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// perfline's own key of the run.
    pub run_key: SharedText,
    /// The emitter's id of the run.
    pub run_id: SharedText,
    /// Start of the run.
    pub started_at: UnixNanos,
    /// The value, in the metric's unit.
    pub value: f64,
    /// Source revision of the run, where known.
    pub revision: Option<SharedText>,
    /// Model used, where known.
    pub model: Option<SharedText>,
    /// How much the run had to do, in the emitter's unit, where known.
    pub input_size: Option<f64>,
}

/// A series, oldest run first.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub key: SeriesKey,
    /// Its values, by start of the run.
    pub points: Vec<SeriesPoint>,
}
