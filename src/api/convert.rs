//! Between the model's nouns and the messages of the wire.

use super::backend::CheckQuery;
use super::v1;
use crate::model::{
    Finding, FindingKind, Metric, Outcome, Run, RunState, SeriesContext, Severity, Step, Verdict, VerdictWord,
};

impl From<Run> for v1::Run {
    fn from(run: Run) -> Self {
        Self {
            run_key: run.run_key,
            run_id: run.run_id,
            pipeline: run.pipeline,
            service: run.service,
            trace_id: run.trace_id,
            started_at: run.started_at,
            duration_s: run.duration_s,
            outcome: run.outcome.as_str().to_owned(),
            state: run.state.as_str().to_owned(),
            branch: run.branch,
            revision: run.revision,
            environment: run.environment,
            host_class: run.host_class,
            model: run.model,
            cost_usd: run.cost_usd,
            cost_source: run.cost_source,
            unpriced_calls: run.unpriced_calls,
            cached_tokens: run.cached_tokens,
            reasoning_tokens: run.reasoning_tokens,
            attributes_json: run.attributes.map(|attributes| attributes.to_string()),
            input_tokens: run.input_tokens,
            output_tokens: run.output_tokens,
            api_calls: run.api_calls,
            peak_memory_bytes: run.peak_memory_bytes,
            cpu_s: run.cpu_s,
            quality_score: run.quality_score,
            items: run.items,
            steps: run.steps,
            retries: run.retries,
            error: run.error,
        }
    }
}

impl From<v1::Run> for Run {
    fn from(run: v1::Run) -> Self {
        Self {
            run_key: run.run_key,
            run_id: run.run_id,
            pipeline: run.pipeline,
            service: run.service,
            trace_id: run.trace_id,
            started_at: run.started_at,
            duration_s: run.duration_s,
            outcome: Outcome::from_word(&run.outcome),
            state: if run.state == "closed" { RunState::Closed } else { RunState::Open },
            branch: run.branch,
            revision: run.revision,
            environment: run.environment,
            host_class: run.host_class,
            model: run.model,
            cost_usd: run.cost_usd,
            cost_source: run.cost_source,
            unpriced_calls: run.unpriced_calls,
            cached_tokens: run.cached_tokens,
            reasoning_tokens: run.reasoning_tokens,
            attributes: run.attributes_json.and_then(|text| serde_json::from_str(&text).ok()),
            input_tokens: run.input_tokens,
            output_tokens: run.output_tokens,
            api_calls: run.api_calls,
            peak_memory_bytes: run.peak_memory_bytes,
            cpu_s: run.cpu_s,
            quality_score: run.quality_score,
            items: run.items,
            steps: run.steps,
            retries: run.retries,
            error: run.error,
        }
    }
}

impl From<Step> for v1::Step {
    fn from(step: Step) -> Self {
        Self {
            run_key: step.run_key,
            step: step.step,
            attempt: step.attempt,
            started_at: step.started_at,
            duration_s: step.duration_s,
            outcome: step.outcome.as_str().to_owned(),
            model: step.model,
            input_tokens: step.input_tokens,
            output_tokens: step.output_tokens,
            cost_usd: step.cost_usd,
            cost_source: step.cost_source,
            peak_memory_bytes: step.peak_memory_bytes,
            cpu_s: step.cpu_s,
            items: step.items,
            quality_score: step.quality_score,
            error: step.error,
        }
    }
}

impl From<v1::Step> for Step {
    fn from(step: v1::Step) -> Self {
        Self {
            run_key: step.run_key,
            step: step.step,
            attempt: step.attempt,
            started_at: step.started_at,
            duration_s: step.duration_s,
            outcome: Outcome::from_word(&step.outcome),
            model: step.model,
            input_tokens: step.input_tokens,
            output_tokens: step.output_tokens,
            cost_usd: step.cost_usd,
            cost_source: step.cost_source,
            peak_memory_bytes: step.peak_memory_bytes,
            cpu_s: step.cpu_s,
            items: step.items,
            quality_score: step.quality_score,
            error: step.error,
        }
    }
}

impl From<Finding> for v1::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            kind: word(&finding.kind),
            metric: finding.metric.as_str().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            pipeline: finding.pipeline,
            step: finding.step,
            actionable: finding.actionable,
            confidence: finding.confidence,
            p_value: finding.p_value,
            baseline: finding.baseline,
            current: finding.current,
            change_percent: finding.change_percent,
            n_baseline: finding.n_baseline as u64,
            n_current: finding.n_current as u64,
            since_run: finding.since_run,
            since_run_key: finding.since_run_key,
            since_time: finding.since_time,
            since_revision: finding.since_revision,
            difference_low: finding.difference_low,
            difference_high: finding.difference_high,
            service: finding.context.service,
            branch: finding.context.branch,
            environment: finding.context.environment,
            host_class: finding.context.host_class,
            recommendation: finding.recommendation,
            explanation: Some(finding.explanation.into()),
        }
    }
}

impl TryFrom<v1::Finding> for Finding {
    type Error = String;

    fn try_from(finding: v1::Finding) -> Result<Self, String> {
        Ok(Self {
            kind: read_word::<FindingKind>("kind", &finding.kind)?,
            metric: Metric::from_word(&finding.metric).ok_or_else(|| format!("unknown metric `{}`", finding.metric))?,
            severity: Severity::parse(&finding.severity)?,
            pipeline: finding.pipeline,
            step: finding.step,
            actionable: finding.actionable,
            confidence: finding.confidence,
            p_value: finding.p_value,
            baseline: finding.baseline,
            current: finding.current,
            change_percent: finding.change_percent,
            n_baseline: size(finding.n_baseline),
            n_current: size(finding.n_current),
            since_run: finding.since_run,
            since_run_key: finding.since_run_key,
            since_time: finding.since_time,
            since_revision: finding.since_revision,
            difference_low: finding.difference_low,
            difference_high: finding.difference_high,
            context: SeriesContext {
                service: finding.service,
                branch: finding.branch,
                environment: finding.environment,
                host_class: finding.host_class,
            },
            recommendation: finding.recommendation,
            explanation: finding.explanation.map(Into::into).unwrap_or_default(),
        })
    }
}

impl From<Verdict> for v1::CheckResponse {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict: word(&verdict.verdict),
            findings: verdict.findings.into_iter().map(Into::into).collect(),
            series_checked: verdict.series_checked as u64,
            series_insufficient: verdict.series_insufficient as u64,
            runs_needed: verdict.runs_needed.map(|runs| runs as u64),
        }
    }
}

impl TryFrom<v1::CheckResponse> for Verdict {
    type Error = String;

    fn try_from(response: v1::CheckResponse) -> Result<Self, String> {
        Ok(Self {
            verdict: read_word::<VerdictWord>("verdict", &response.verdict)?,
            findings: response.findings.into_iter().map(Finding::try_from).collect::<Result<_, _>>()?,
            series_checked: size(response.series_checked),
            series_insufficient: size(response.series_insufficient),
            runs_needed: response.runs_needed.map(size),
        })
    }
}

// The words of the wire are the words of the JSON contract.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn read_word<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_e| format!("unknown {what} `{text}`"))
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl From<&CheckQuery> for v1::CheckRequest {
    fn from(query: &CheckQuery) -> Self {
        Self {
            pipeline: query.pipeline.clone(),
            last: query.last,
            since_ns: query.since_ns,
            branch: query.branch.clone(),
            base_branch: query.base_branch.clone(),
        }
    }
}

impl From<v1::CheckRequest> for CheckQuery {
    fn from(request: v1::CheckRequest) -> Self {
        Self {
            pipeline: request.pipeline,
            last: request.last,
            since_ns: request.since_ns,
            branch: request.branch,
            base_branch: request.base_branch,
        }
    }
}
