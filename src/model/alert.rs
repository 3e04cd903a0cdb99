//! A finding with a life.

use serde::{Deserialize, Serialize};

use super::clock::UnixNanos;
use super::finding::Finding;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Looks like a change; more runs will tell. Shown, never gating.
    Suspected,
    /// Nobody has looked.
    Open,
    /// Somebody looks.
    Acknowledged,
    /// Silenced on purpose.
    Muted,
    /// Gone, or said to be.
    Resolved,
    /// Said to be none.
    FalsePositive,
}

impl AlertState {
    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::Resolved => "resolved",
            Self::FalsePositive => "false_positive",
        }
    }

    /// Confirmed, and not over yet.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Muted)
    }

    /// Somebody wants to hear no more of it.
    #[must_use]
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Muted | Self::FalsePositive)
    }
}

/// An alert as it is stored. Times are nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Fingerprint of the finding that opened it.
    pub alert_id: String,
    /// Where it stands.
    pub state: AlertState,
    /// The finding as it was last seen; of several that moved together the one that causes the others.
    pub finding: Finding,
    /// What moved with it at the same run.
    #[serde(default)]
    pub members: Vec<Finding>,
    /// When it was opened.
    pub opened_ns: UnixNanos,
    /// When an evaluation last confirmed it.
    pub seen_ns: UnixNanos,
    /// When its state last changed.
    pub changed_ns: UnixNanos,
    /// Start of the newest run that was judged.
    pub latest_run_ns: UnixNanos,
    /// Judgements in a row, each with new runs, after which it seemed to be over.
    pub missed: u32,
    /// Until when it is muted; none: not muted, or for good.
    pub muted_until_ns: Option<UnixNanos>,
    /// Who last changed it; perfline itself where none.
    pub changed_by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

/// A line of the audit trail; the store adds the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Who; perfline itself where none.
    pub actor: Option<String>,
    /// What was done.
    pub action: String,
    /// An alert's id, or a series as JSON.
    pub subject: String,
    /// Why.
    pub note: Option<String>,
}

/// What a person does with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// Somebody looks.
    Acknowledge,
    /// Silence it.
    Mute,
    /// It is over.
    Resolve,
    /// It never was one.
    FalsePositive,
}

impl AlertAction {
    /// The word on the wire and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Mute => "mute",
            Self::Resolve => "resolve",
            Self::FalsePositive => "false_positive",
        }
    }

    /// Reads the word that `as_str` gives.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Acknowledge, Self::Mute, Self::Resolve, Self::FalsePositive].into_iter().find(|a| a.as_str() == word)
    }

    /// Where it leaves the alert.
    #[must_use]
    pub fn state(self) -> AlertState {
        match self {
            Self::Acknowledge => AlertState::Acknowledged,
            Self::Mute => AlertState::Muted,
            Self::Resolve => AlertState::Resolved,
            Self::FalsePositive => AlertState::FalsePositive,
        }
    }
}
