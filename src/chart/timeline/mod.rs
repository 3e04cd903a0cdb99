//! One metric of one pipeline, run by run: the baseline band, the levels, and since when they moved.

mod draw;

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::clock::UnixNanos;
use crate::model::metric::{Better, Metric};
use crate::model::unit::parse_time;

use super::axes::{Key, legend_height};
use super::calendar;
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, Plan};
use super::quantity::Unit;
use super::text::{brief, clean};

/// Most runs that are taken.
pub const POINTS_MAX: usize = 200_000;
/// Most levels, and most changes, that are taken.
pub const LEVELS_MAX: usize = 500;

/// Spec of a run timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Whose values: the pipeline, or the pipeline and the step.
    pub subject: String,
    /// What is measured: `duration`, `cost`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Which way is better.
    #[serde(default = "lower_is_better")]
    pub better: Better,
    /// Runs, oldest first.
    pub points: Vec<Point>,
    /// Levels with their bands, oldest first; none while there is no baseline.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Change points, oldest first.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// How many runs there are, where not each is among the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// Pixels of the plot itself, 60 to 2000.
    #[serde(default = "default_height")]
    pub height: u32,
}

fn lower_is_better() -> Better {
    Better::Lower
}

fn default_height() -> u32 {
    200
}

/// Numbers of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub runs: u64,
    /// Those that failed.
    pub failed: u64,
    /// Odd ones.
    pub outliers: u64,
}

/// What kind of run a point is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointMark {
    /// An ordinary run.
    #[default]
    Ok,
    /// A run that failed.
    Failed,
    /// One odd run, level unchanged.
    Outlier,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Start: Unix nanoseconds, or RFC 3339 in JSON.
    #[serde(deserialize_with = "time")]
    pub time: UnixNanos,
    /// Value; none where the run has none (a failed run's, say): then it is marked at the foot.
    #[serde(default)]
    pub value: Option<f64>,
    /// Name of the run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// What kind of run.
    #[serde(default, skip_serializing_if = "is_ok")]
    pub mark: PointMark,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_ok(mark: &PointMark) -> bool {
    *mark == PointMark::Ok
}

/// A stretch of runs at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Start of its first run.
    #[serde(deserialize_with = "time")]
    pub from: UnixNanos,
    /// Start of its last run.
    #[serde(deserialize_with = "time")]
    pub to: UnixNanos,
    /// The level, a median.
    pub value: f64,
    /// Lower edge of the band in which runs are expected.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
}

/// The first run at a new level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its start.
    #[serde(deserialize_with = "time")]
    pub time: UnixNanos,
    /// Its name.
    pub run: String,
    /// Level before.
    pub before: f64,
    /// Level after.
    pub after: f64,
}

/// Reads Unix nanoseconds as a number, or RFC 3339 as text.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<UnixNanos, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Nanos(i64),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Nanos(at) => Ok(at),
        Written::Text(text) => parse_time(&text).map_err(serde::de::Error::custom),
    }
}

impl Change {
    /// `+31 %`, or points where shares and scores are compared.
    fn words(&self, unit: Unit) -> String {
        unit.change(self.before, self.after)
    }

    fn is_worse(&self, better: Better) -> bool {
        (self.after > self.before) == (better == Better::Lower)
    }
}

impl Timeline {
    /// An empty timeline of a metric, to be filled with points, levels and changes.
    #[must_use]
    pub fn new(frame: Frame, subject: impl Into<String>, metric: Metric) -> Self {
        Self {
            frame,
            subject: subject.into(),
            quantity: metric.label().to_owned(),
            unit: metric.into(),
            better: metric.better(),
            points: Vec::new(),
            levels: Vec::new(),
            changes: Vec::new(),
            tally: None,
            height: default_height(),
        }
    }

    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        self.validate()?;
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| self.summary(), clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let height = self.legend_height() + draw::LABELS + f64::from(self.height) + super::axes::TIME_AXIS_HEIGHT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn validate(&self) -> Result<(), ChartError> {
        at_most("timeline points", self.points.len(), POINTS_MAX)?;
        at_most("timeline levels", self.levels.len(), LEVELS_MAX)?;
        at_most("timeline changes", self.changes.len(), LEVELS_MAX)?;
        if self.points.is_empty() {
            return Err(ChartError::Empty("timeline points"));
        }
        if !(60..=2000).contains(&self.height) {
            let value = self.height.to_string();
            return Err(ChartError::Number { what: "timeline height", value, expected: "60 to 2000 pixels" });
        }
        for value in self.points.iter().filter_map(|point| point.value) {
            finite("timeline point", value)?;
        }
        for value in self.levels.iter().flat_map(|level| [level.value, level.low, level.high]) {
            finite("timeline level", value)?;
        }
        for value in self.changes.iter().flat_map(|change| [change.before, change.after]) {
            finite("timeline change", value)?;
        }
        Ok(())
    }

    fn message(&self) -> String {
        let (subject, quantity) = (brief(&self.subject), clean(&self.quantity));
        match (self.changes.last(), self.levels.last()) {
            (Some(change), _) => {
                format!("{subject} {quantity} {} since run {}", change.words(self.unit), brief(&change.run))
            }
            (None, Some(level)) => format!("{subject} {quantity} steady at {}", self.unit.text(level.value)),
            (None, None) => format!("{subject} {quantity}: no baseline yet"),
        }
    }

    fn summary(&self) -> String {
        let (from, to) = self.times();
        let Tally { runs, failed, .. } = self.tally();
        #[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
        let said = |count: u64| Unit::Count.text(count as f64);
        let runs = match (runs, failed) {
            (1, 0) => "1 run".to_owned(),
            (n, 0) => format!("{} runs", said(n)),
            (n, failed) => format!("{} runs, {failed} failed", said(n)),
        };
        // Up and down say where the level went, and the colour whether that is good: so the words must, too.
        let levels = self.changes.last().map(|change| {
            let word = if change.is_worse(self.better) { "worse" } else { "better" };
            format!("{} → {}, {word} · ", self.unit.text(change.before), self.unit.text(change.after))
        });
        format!("{}{runs} · {}", levels.unwrap_or_default(), calendar::span(from, to))
    }

    /// What the picture shows, for those who cannot see it.
    fn description(&self) -> String {
        let values = || self.points.iter().filter_map(|point| point.value);
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let range = if low > high {
            "No run has a value".to_owned()
        } else {
            format!("Values from {} to {}", self.unit.text(low), self.unit.text(high))
        };
        let outliers = match self.tally().outliers {
            0 => String::new(),
            n => format!(", {n} of them outliers"),
        };
        let change = |change: &Change| {
            let (run, day, by) = (brief(&change.run), calendar::day(change.time), change.words(self.unit));
            format!(
                " Run {run} on {day}: {by}, from {} to {}.",
                self.unit.text(change.before),
                self.unit.text(change.after)
            )
        };
        let changes: String = self.changes.iter().rev().take(10).map(change).collect();
        format!("{}. {range}{outliers}.{changes}", self.summary())
    }

    /// First and last start.
    fn times(&self) -> (UnixNanos, UnixNanos) {
        let times = || self.points.iter().map(|point| point.time);
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    fn tally(&self) -> Tally {
        let number = |mark: PointMark| self.points.iter().filter(|point| point.mark == mark).count() as u64;
        let runs = self.points.len() as u64;
        let counted = || Tally { runs, failed: number(PointMark::Failed), outliers: number(PointMark::Outlier) };
        self.tally.unwrap_or_else(counted)
    }

    fn keys(&self) -> Vec<Key> {
        draw::keys(self)
    }

    fn legend_height(&self) -> f64 {
        let keys = self.keys();
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        legend_height(&texts, f64::from(self.frame.width))
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        draw::draw(self, canvas)
    }
}
