//! A finding with a life, and the changes that people accepted.

use serde::{Deserialize, Serialize};

use super::clock::UnixNanos;
use super::finding::Finding;
use super::series::SeriesKey;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
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
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::Resolved => "resolved",
            Self::FalsePositive => "false_positive",
        }
    }

    /// Not over yet.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Muted)
    }
}

/// An alert as it is stored. Times are nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Fingerprint of the finding that opened it.
    pub alert_id: String,
    /// Where it stands.
    pub state: AlertState,
    /// The finding as it was last seen.
    pub finding: Finding,
    /// When it was opened.
    pub opened_ns: UnixNanos,
    /// When an evaluation last confirmed it.
    pub seen_ns: UnixNanos,
    /// When its state last changed.
    pub changed_ns: UnixNanos,
    /// Start of the newest run that was judged.
    pub latest_run_ns: UnixNanos,
    /// Judgements in a row, each with new runs, that did not confirm it.
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

/// A change that somebody accepted: the baseline of the series begins there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptedChange {
    /// The series.
    pub key: SeriesKey,
    /// Start of the first run of the new baseline.
    pub since_ns: UnixNanos,
    /// When it was accepted.
    pub set_ns: UnixNanos,
    /// By whom.
    pub set_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
