//! What is measured of a run or a step, and which way is better.

use serde::{Deserialize, Serialize};

/// A measured quantity of a run or a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Wall time, seconds.
    Duration,
    /// Money, US dollars.
    Cost,
    /// Tokens sent to models (cached ones included).
    InputTokens,
    /// Tokens received from models (reasoning included).
    OutputTokens,
    /// Calls of models and other paid interfaces.
    ApiCalls,
    /// Largest resident memory of the process tree, bytes.
    PeakMemory,
    /// CPU time of the process tree, seconds.
    Cpu,
    /// Quality score, 0 to 1 unless the emitter says otherwise.
    Quality,
    /// Share of runs that succeeded; each value is 0 or 1.
    SuccessRate,
    /// Items per second.
    Throughput,
    /// Attempts beyond the first.
    Retries,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// Sizes of change that set the severity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// From here on MEDIUM; percent, or points where `points` is set.
    pub medium: f64,
    /// From here on HIGH.
    pub high: f64,
    /// From here on CRITICAL.
    pub critical: f64,
    /// Sizes are points on a 0-to-100 scale instead of percent.
    pub points: bool,
}

impl Metric {
    /// Every metric, in the order in which they are listed.
    pub const ALL: [Self; 11] = [
        Self::Duration,
        Self::Cost,
        Self::InputTokens,
        Self::OutputTokens,
        Self::ApiCalls,
        Self::PeakMemory,
        Self::Cpu,
        Self::Quality,
        Self::SuccessRate,
        Self::Throughput,
        Self::Retries,
    ];

    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Cost => "cost",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::ApiCalls => "api_calls",
            Self::PeakMemory => "peak_memory",
            Self::Cpu => "cpu",
            Self::Quality => "quality",
            Self::SuccessRate => "success_rate",
            Self::Throughput => "throughput",
            Self::Retries => "retries",
        }
    }

    /// Reads the word that `as_str` gives.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == word)
    }

    /// What a person calls it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Cost => "cost",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::ApiCalls => "API calls",
            Self::PeakMemory => "peak memory",
            Self::Cpu => "CPU time",
            Self::Quality => "quality",
            Self::SuccessRate => "success rate",
            Self::Throughput => "throughput",
            Self::Retries => "retries",
        }
    }

    /// The same where a sentence begins.
    #[must_use]
    pub fn title(self) -> String {
        // Labels are ASCII.
        let (first, rest) = self.label().split_at(1);
        first.to_ascii_uppercase() + rest
    }

    /// Which way is better.
    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::Quality | Self::SuccessRate | Self::Throughput => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// Default severity bands (percent, or points for rates and scores).
    #[must_use]
    pub fn bands(self) -> Bands {
        let (medium, high, critical, points) = match self {
            Self::Duration => (5.0, 30.0, 100.0, false),
            Self::Cost | Self::InputTokens | Self::OutputTokens | Self::ApiCalls => (5.0, 25.0, 50.0, false),
            Self::PeakMemory | Self::Cpu | Self::Retries => (5.0, 40.0, 80.0, false),
            Self::Quality => (2.0, 10.0, 20.0, true),
            Self::SuccessRate => (2.0, 10.0, 25.0, true),
            Self::Throughput => (5.0, 20.0, 40.0, false),
        };
        Bands { medium, high, critical, points }
    }
}
