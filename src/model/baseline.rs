//! What runs are compared with: learned, accepted, or pinned by hand, in versions.

use serde::{Deserialize, Serialize};

use super::clock::UnixNanos;
use super::series::SeriesKey;

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// From the runs themselves: those at the newest level.
    Learned,
    /// A change was accepted: it begins there.
    Accepted,
    /// Fixed to a stretch of runs by hand.
    Pinned,
    /// What was set by hand was taken back.
    Reset,
}

impl BaselineKind {
    /// The word used in JSON, SQL and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Accepted => "accepted",
            Self::Pinned => "pinned",
            Self::Reset => "reset",
        }
    }
}

/// One decision about the baseline of a series: the newest one counts, all are kept. Times are nanoseconds since the
/// Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineVersion {
    /// The series.
    pub key: SeriesKey,
    /// 1 is the first.
    pub version: u32,
    /// Where it comes from.
    pub kind: BaselineKind,
    /// Start of its first run.
    pub since_ns: UnixNanos,
    /// Start of its last run; none: it grows.
    pub until_ns: Option<UnixNanos>,
    /// When it was decided.
    pub set_ns: UnixNanos,
    /// By whom; by policy where none.
    pub set_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// The baseline of a series as it stands. The JSON names are a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The series.
    #[serde(flatten)]
    pub key: SeriesKey,
    /// Decisions so far; 0 where everything was learned.
    pub version: u32,
    /// Where it comes from.
    pub kind: BaselineKind,
    /// Runs in it.
    pub n: usize,
    /// Median, in the metric's unit; the mean of a rate.
    pub level: Option<f64>,
    /// Median absolute deviation times 1.4826.
    pub spread: Option<f64>,
    /// Its quantiles .05 and .95.
    pub p05: Option<f64>,
    /// See `p05`.
    pub p95: Option<f64>,
    /// Its first run.
    pub from_run: Option<String>,
    /// Start of that, RFC 3339.
    pub from_time: Option<String>,
    /// Its last run.
    pub to_run: Option<String>,
    /// Start of that, RFC 3339.
    pub to_time: Option<String>,
    /// What weakens it: too few runs, or too old; null where nothing does.
    pub warning: Option<String>,
    /// By whom it was decided, where it was.
    pub set_by: Option<String>,
    /// When, RFC 3339.
    pub set_at: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Which series are meant: all parts that are given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesSelector {
    /// Pipeline.
    pub pipeline: Option<String>,
    /// Step; the empty text is the whole run.
    pub step: Option<String>,
    /// Metric by its word.
    pub metric: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Kind of machine.
    pub host_class: Option<String>,
}

impl SeriesSelector {
    /// Whether a series is meant.
    #[must_use]
    pub fn fits(&self, key: &SeriesKey) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        self.pipeline.as_ref().is_none_or(|wanted| *wanted == key.pipeline)
            && self.step.as_deref().is_none_or(|wanted| wanted == key.step.as_deref().unwrap_or_default())
            && self.metric.as_deref().is_none_or(|wanted| wanted == key.metric.as_str())
            && same(&self.branch, &key.context.branch)
            && same(&self.environment, &key.context.environment)
            && same(&self.host_class, &key.context.host_class)
    }
}
