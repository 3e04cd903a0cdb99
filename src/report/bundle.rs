//! Everything that a report shows. `report = f(bundle)`: the same bundle gives the same bytes.
//!
//! Units: times RFC 3339 in UTC, durations seconds, money US dollars, memory bytes, shares 0 to 1.
//! Unknown is null, never 0. Every list may be empty; the pages then say so.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Finding, Severity, Verdict};

use super::ReportError;
use super::comparison::Comparison;
use super::outlook::Limit;
use super::profile::{ModelHistory, PipelineProfile};
use super::render::Kind;

/// Version of the JSON form; a newer one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// JSON Schema of `report.json`.
pub const SCHEMA: &str = include_str!("report.schema.json");

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Version of this form.
    pub schema_version: u32,
    /// The report that it was filled for; `pipeline` is everything, the others hold what their own page shows. None
    /// where an earlier build filled it.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// When the bundle was filled, RFC 3339.
    pub generated_at: String,
    /// The store that it was filled from, as the user names it.
    pub store: String,
    /// Findings at or above this fail the gate.
    pub fail_on: Severity,
    /// The gate's answer over all pipelines.
    pub verdict: Verdict,
    /// One per pipeline and service.
    #[serde(default)]
    pub pipelines: Vec<PipelineProfile>,
    /// Use of models by all pipelines over time.
    #[serde(default)]
    pub model_history: Option<ModelHistory>,
    /// What the reader should know of the data before trusting it.
    #[serde(default)]
    pub data_quality: DataQuality,
    /// Two windows side by side.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// Findings with a life; findings of the verdict that have none are shown beside them.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// What must not be crossed, as the user gave it.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// The user's own title, logo and CSS.
    #[serde(default)]
    pub branding: Branding,
}

impl Bundle {
    /// Sets what must not be crossed, and says in each forecast whether it was before.
    pub fn set_limits(&mut self, limits: &[Limit]) {
        self.limits = limits.to_vec();
        super::charts::set_limits(&mut self.pipelines, limits);
    }
}

/// A finding with a life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// perfline's id of the alert.
    pub id: String,
    /// Where it stands.
    pub state: AlertState,
    /// When it was first raised, RFC 3339.
    pub opened_at: String,
    /// When it was last confirmed, RFC 3339.
    #[serde(default)]
    pub seen_at: Option<String>,
    /// What people did with it, oldest first.
    #[serde(default)]
    pub history: Vec<AlertEvent>,
    /// The finding.
    pub finding: Finding,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Seen once, not confirmed yet.
    Suspected,
    /// Nobody has looked.
    Open,
    /// Somebody looks.
    Acknowledged,
    /// Silenced on purpose.
    Muted,
    /// Gone.
    Resolved,
    /// Somebody said that it is none.
    FalsePositive,
}

/// Something that was done with an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// RFC 3339.
    pub at: String,
    /// Who; perfline itself where none.
    #[serde(default)]
    pub actor: Option<String>,
    /// What was done, in words.
    pub action: String,
}

/// What the reader should know of the data before trusting it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataQuality {
    /// Runs in the store.
    #[serde(default)]
    pub runs: u64,
    /// Runs that are still open.
    #[serde(default)]
    pub runs_open: u64,
    /// Closed runs that do not say how they ended.
    #[serde(default)]
    pub runs_outcome_unknown: u64,
    /// Start of the first run, RFC 3339.
    #[serde(default)]
    pub first_run: Option<String>,
    /// Start of the last run, RFC 3339.
    #[serde(default)]
    pub last_run: Option<String>,
    /// Telemetry that was refused, by reason.
    #[serde(default)]
    pub drops: Vec<Drop>,
    /// Anything else, worst first.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// Telemetry that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// traces, metrics, logs or history.
    pub signal: String,
    /// Why.
    pub reason: String,
    /// Items.
    pub count: u64,
}

/// Something the reader should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// It weakens what the report says; else it is for information.
    #[serde(default)]
    pub warning: bool,
    /// Whose data; everybody's where none.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// The note.
    pub text: String,
}

/// The user's own title, logo and CSS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Branding {
    /// Title of the pages; `perfline` where none.
    #[serde(default)]
    pub title: Option<String>,
    /// `data:image/...` URI; anything else is refused, since the page may load nothing.
    #[serde(default)]
    pub logo: Option<String>,
    /// Appended to the page's own.
    #[serde(default)]
    pub css: Option<String>,
}

impl Bundle {
    /// Reads `report.json`. Refuses what is no bundle, or is newer than this build.
    pub fn from_json(text: &str) -> Result<Self, ReportError> {
        let mut value: Value = serde_json::from_str(text).map_err(ReportError::Parse)?;
        let version = value.get("schema_version").and_then(Value::as_u64);
        if version.is_some_and(|version| version > u64::from(SCHEMA_VERSION)) {
            return Err(ReportError::Newer { found: version.unwrap_or_default(), known: SCHEMA_VERSION });
        }
        mark_infinite(&mut value);
        let mut bundle: Self = serde_json::from_value(value).map_err(ReportError::Parse)?;
        bundle.unmark_infinite();
        Ok(bundle)
    }

    /// Writes `report.json`: pretty, with a final newline.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let mut text = serde_json::to_string_pretty(self).map_err(ReportError::Write)?;
        text.push('\n');
        Ok(text)
    }

    fn unmark_infinite(&mut self) {
        let own = self.pipelines.iter_mut().flat_map(|profile| profile.findings.iter_mut());
        let all = self.verdict.findings.iter_mut().chain(own).chain(self.alerts.iter_mut().map(|a| &mut a.finding));
        for finding in all {
            for number in [&mut finding.change_percent, &mut finding.difference_low, &mut finding.difference_high] {
                if number.abs() >= MARK {
                    *number = number.signum() * f64::INFINITY;
                }
            }
        }
    }
}

/// Stands for infinity while a bundle is read.
const MARK: f64 = 1e308;

/// JSON knows no infinity: serde writes a change from zero as null, and then refuses to read it. Findings are
/// told by their `since_run_key`.
fn mark_infinite(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mark_infinite),
        Value::Object(fields) => {
            if fields.contains_key("since_run_key") && fields.contains_key("change_percent") {
                let level = |name: &str| fields.get(name).and_then(Value::as_f64).unwrap_or_default();
                let change = if level("current") < level("baseline") { -MARK } else { MARK };
                for (name, mark) in [("change_percent", change), ("difference_low", -MARK), ("difference_high", MARK)] {
                    if let Some(field) = fields.get_mut(name).filter(|field| field.is_null()) {
                        *field = Value::from(mark);
                    }
                }
            }
            fields.values_mut().for_each(mark_infinite);
        }
        _ => {}
    }
}
