//! Rows of `store/sql/track`, by column name, and how they become parts of a profile.

use serde::Deserialize;

use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::model::{Metric, Outcome};
use crate::report::profile::{
    MetricSummary, ModelUse, Outcomes, ResourceSample, RunResources, StepProfile, Waterfall, WaterfallBar,
};

/// A pipeline of a service: what a profile is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub(super) struct Owner {
    pub(super) pipeline: String,
    pub(super) service: Option<String>,
}

/// `track/profiles.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct ProfileRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    pub(super) runs: u64,
    pub(super) from_ns: UnixNanos,
    pub(super) to_ns: UnixNanos,
    #[serde(flatten)]
    pub(super) outcomes: Outcomes,
    pub(super) week_s: Option<f64>,
    pub(super) week_count: u64,
    pub(super) week_before_s: Option<f64>,
    pub(super) week_before_count: u64,
    pub(super) recent_runs: u64,
    pub(super) recent_succeeded: u64,
    pub(super) recent_failed: u64,
    pub(super) recent_median_s: Option<f64>,
    pub(super) recent_mad_s: Option<f64>,
    pub(super) recent_quality: Option<f64>,
    pub(super) gap_s: Option<f64>,
}

/// `track/metrics.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct MetricRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    #[serde(flatten)]
    pub(super) summary: MetricSummary,
}

/// `track/spending.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct SpendingRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    cost_usd: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    api_calls: Option<f64>,
}

impl SpendingRow {
    /// What was spent, where the metric is one that is spent.
    pub(super) fn total(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Cost => self.cost_usd,
            Metric::InputTokens => self.input_tokens,
            Metric::OutputTokens => self.output_tokens,
            Metric::ApiCalls => self.api_calls,
            _ => None,
        }
    }
}

/// `track/models.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct ModelRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    #[serde(flatten)]
    pub(super) used: ModelUse,
}

/// `track/model_days.sql`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ModelDayRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    pub(super) model: String,
    /// Since 1970-01-01.
    pub(super) day: i64,
    pub(super) calls: u64,
    pub(super) calls_unpriced: u64,
    pub(super) cost_usd: Option<f64>,
    pub(super) input_tokens: Option<f64>,
    pub(super) output_tokens: Option<f64>,
}

/// `track/alert_history.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct AlertEventRow {
    pub(super) alert_id: String,
    pub(super) at_ns: UnixNanos,
    pub(super) actor: Option<String>,
    pub(super) action: String,
    pub(super) note: Option<String>,
}

/// `track/steps.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct StepRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    #[serde(flatten)]
    pub(super) step: StepProfile,
}

/// `track/waterfalls.sql`: one bar.
#[derive(Debug, Deserialize)]
pub(super) struct BarRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    label: String,
    run_id: String,
    started_ns: UnixNanos,
    run_duration_s: f64,
    step: String,
    parent: Option<String>,
    start_s: f64,
    duration_s: f64,
    outcome: Outcome,
    attempt: i64,
}

/// `track/resources.sql`: one sample.
#[derive(Debug, Deserialize)]
pub(super) struct SampleRow {
    #[serde(flatten)]
    pub(super) owner: Owner,
    run_id: String,
    #[serde(flatten)]
    sample: ResourceSample,
}

/// `track/quality.sql`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct QualityRow {
    pub(super) runs: u64,
    pub(super) runs_open: u64,
    pub(super) runs_outcome_unknown: u64,
    pub(super) first_ns: Option<UnixNanos>,
    pub(super) last_ns: Option<UnixNanos>,
    pub(super) store_last_ns: Option<UnixNanos>,
}

/// Bars of one pipeline, which come run by run.
pub(super) fn waterfalls(bars: Vec<BarRow>) -> Vec<Waterfall> {
    let mut runs: Vec<Waterfall> = Vec::new();
    for bar in bars {
        let started_at = format_time(bar.started_ns);
        let drawn = WaterfallBar {
            step: bar.step,
            parent: bar.parent,
            start_s: bar.start_s,
            duration_s: bar.duration_s,
            outcome: bar.outcome,
            attempt: bar.attempt,
        };
        match runs.last_mut().filter(|run| run.label == bar.label) {
            Some(run) => run.bars.push(drawn),
            None => runs.push(Waterfall {
                label: bar.label,
                run_id: bar.run_id,
                started_at,
                duration_s: bar.run_duration_s,
                bars: vec![drawn],
            }),
        }
    }
    runs
}

/// Samples of one pipeline, which are of one run.
pub(super) fn resources(samples: Vec<SampleRow>) -> Option<RunResources> {
    let run_id = samples.first()?.run_id.clone();
    Some(RunResources { run_id, samples: samples.into_iter().map(|row| row.sample).collect() })
}
