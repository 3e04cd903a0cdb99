//! How bad a change is. Not a log severity.

use serde::{Deserialize, Serialize};

/// How bad a change is, from its size alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// No confirmed change, or one below the effect floor.
    #[default]
    None,
    /// Confirmed, under 5 % (2 points for rates and scores).
    Low,
    /// Confirmed, 5 % (2 points) or more.
    Medium,
    /// At or above the metric's first band.
    High,
    /// At or above the metric's second band.
    Critical,
}

impl Severity {
    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Reads the word in either case. Errors with the words that exist.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word.to_ascii_uppercase().as_str() {
            "NONE" => Ok(Self::None),
            "LOW" => Ok(Self::Low),
            "MEDIUM" => Ok(Self::Medium),
            "HIGH" => Ok(Self::High),
            "CRITICAL" => Ok(Self::Critical),
            _ => Err(format!("`{word}` is no severity; one of NONE, LOW, MEDIUM, HIGH, CRITICAL")),
        }
    }
}
