//! How a run or a step ended.

use serde::{Deserialize, Serialize};

/// How a run or a step ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Success,
    /// It did not.
    Failure,
    /// Somebody stopped it.
    Cancelled,
    /// It was passed over on purpose.
    Skipped,
    /// It ran out of time.
    TimedOut,
    /// Nothing says how it ended.
    #[default]
    Unknown,
}

impl Outcome {
    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed_out",
            Self::Unknown => "unknown",
        }
    }

    /// Reads perfline's own six words; anything else is `Unknown`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "success" => Self::Success,
            "failure" => Self::Failure,
            "cancelled" => Self::Cancelled,
            "skipped" => Self::Skipped,
            "timed_out" => Self::TimedOut,
            _ => Self::Unknown,
        }
    }
}

/// Whether a run may still change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Spans of it may still be under way.
    #[default]
    Open,
    /// Its root has ended, or it was settled without one.
    Closed,
}

impl RunState {
    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}
