//! What is worth showing and never gates: odd single values, changes that are only suspected, shifts of the spread.

use serde::Serialize;

use super::segment::ChangePoint;
use super::settings::Settings;

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// One odd value, level unchanged.
    Outlier,
    /// Looks like a change; more values will tell.
    Suspected,
    /// The spread moved, the level did not.
    Variance,
}

impl EventKind {
    /// The word used in JSON and text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outlier => "outlier",
            Self::Suspected => "suspected",
            Self::Variance => "variance",
        }
    }
}

/// One event. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Position of the odd value, or of the first value of the new spread.
    pub index: usize,
    /// Position of the value on whose arrival it could be said.
    pub seen_at: usize,
    /// What it is.
    pub kind: EventKind,
    /// Deviations from the level; for spreads the ratio of the new to the old.
    pub size: f64,
}

/// Finds the events of finite values between their change points.
#[must_use]
pub fn find_events(_values: &[f64], _points: &[ChangePoint], _settings: &Settings) -> Vec<Event> {
    Vec::new()
}
