//! Runs and steps as every command shows them. The JSON names are a contract.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::{Outcome, RunState};

/// One execution of a pipeline. Unknown is null, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Pipeline.
    pub pipeline: String,
    /// The emitter's id; may repeat.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Branch of the source.
    pub branch: Option<String>,
    /// Revision of the source.
    pub revision: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Kind of machine.
    pub host_class: Option<String>,
    /// US dollars.
    pub cost_usd: Option<f64>,
    /// Tokens sent to models.
    pub input_tokens: Option<i64>,
    /// Tokens received.
    pub output_tokens: Option<i64>,
    /// Model calls and other counted calls.
    pub api_calls: Option<i64>,
    /// Largest resident memory, bytes.
    pub peak_memory_bytes: Option<i64>,
    /// CPU seconds.
    pub cpu_s: Option<f64>,
    /// Quality score.
    pub quality_score: Option<f64>,
    /// Items processed.
    pub items: Option<f64>,
    /// perfline's own key: unique, stable across re-import.
    pub run_key: String,
    /// Lower-case hex.
    pub trace_id: Option<String>,
    /// `service.name`.
    pub service: Option<String>,
    /// Open or closed.
    pub state: RunState,
    /// Distinct steps.
    pub steps: i64,
    /// Attempts beyond the first.
    pub retries: i64,
    /// Error, trimmed.
    pub error: Option<String>,
    /// Model with the most tokens.
    pub model: Option<String>,
    /// Where the cost comes from: stated, user, bundled; mixed where calls differ.
    pub cost_source: Option<String>,
    /// Model calls whose cost nobody knows; the cost is without them.
    #[serde(default)]
    pub unpriced_calls: Option<i64>,
    /// Part of the input tokens that came from a cache.
    #[serde(default)]
    pub cached_tokens: Option<i64>,
    /// Part of the output tokens spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: Option<i64>,
    /// What else the run says of itself: an object.
    #[serde(default, deserialize_with = "object")]
    pub attributes: Option<Value>,
}

/// JSON that a statement hands over as text is read, so that nobody sees JSON within JSON.
fn object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        other => other,
    })
}

/// One attempt of one step of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Name.
    pub step: String,
    /// 1 is the first.
    pub attempt: i64,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Model with the most tokens.
    pub model: Option<String>,
    /// Tokens sent to models.
    pub input_tokens: Option<i64>,
    /// Tokens received.
    pub output_tokens: Option<i64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
    /// Where the cost comes from: stated, user, bundled; mixed where calls differ.
    #[serde(default)]
    pub cost_source: Option<String>,
    /// Highest memory of its process tree.
    #[serde(default)]
    pub peak_memory_bytes: Option<i64>,
    /// CPU time, seconds.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// Things that it worked on.
    #[serde(default)]
    pub items: Option<f64>,
    /// Mean of the scores of what it made.
    #[serde(default)]
    pub quality_score: Option<f64>,
    /// Error, trimmed.
    pub error: Option<String>,
    /// The run that it belongs to.
    pub run_key: String,
}
