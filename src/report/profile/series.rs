//! Series as they are drawn: runs, levels, changes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{Metric, Outcome, SeriesContext, Severity};
use crate::report::statistics::Statistics;

/// A series ready to be drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesView {
    /// Metric.
    pub metric: Metric,
    /// Step; the whole run where none.
    #[serde(default)]
    pub step: Option<String>,
    /// Branch, environment, host class.
    #[serde(default)]
    pub context: SeriesContext,
    /// Oldest first. Where runs are many: the newest, and the lowest and the highest of every stretch.
    pub points: Vec<PointView>,
    /// What all runs say together, where some are not among the points.
    #[serde(default)]
    pub whole: Option<Statistics>,
    /// Stretches at one level, oldest first; none without a baseline.
    #[serde(default)]
    pub levels: Vec<LevelView>,
    /// Change points, oldest first.
    #[serde(default)]
    pub changes: Vec<ChangeView>,
}

impl SeriesView {
    /// What all runs say together.
    #[must_use]
    pub fn statistics(&self) -> Cow<'_, Statistics> {
        self.whole.as_ref().map_or_else(|| Cow::Owned(Statistics::of(self)), Cow::Borrowed)
    }
}

/// One run of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointView {
    /// The emitter's id of the run.
    pub run_id: String,
    /// RFC 3339.
    pub started_at: String,
    /// In the metric's unit.
    #[serde(default)]
    pub value: Option<f64>,
    /// How the run ended.
    #[serde(default)]
    pub outcome: Outcome,
    /// One odd run, level unchanged.
    #[serde(default)]
    pub outlier: bool,
}

/// A stretch of runs at one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelView {
    /// Start of its first run, RFC 3339.
    pub from: String,
    /// Start of its last run.
    pub to: String,
    /// The level.
    pub value: f64,
    /// Lower edge of the band in which runs are expected.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
}

/// The first run at a new level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeView {
    /// The emitter's id of the run.
    pub run_id: String,
    /// Its start, RFC 3339.
    pub time: String,
    /// Its revision.
    #[serde(default)]
    pub revision: Option<String>,
    /// Level before.
    pub before: f64,
    /// Level after.
    pub after: f64,
    /// (after - before) / before x 100; null from zero.
    #[serde(default)]
    pub change_percent: Option<f64>,
    /// How bad.
    #[serde(default)]
    pub severity: Severity,
}
