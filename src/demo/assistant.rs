//! An LLM workflow that answers support tickets, after the GenAI semantic conventions.
//!
//! Planted: from [`DEARER_SINCE`] on the step `draft` asks a dearer model, which also says more.
//! How long it takes does not change.

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::noise::Noise;
use super::sample::{SampleRun, SampleSpan, starts};
use crate::model::clock::UnixNanos;

pub(super) const PIPELINE: &str = "answer-tickets";
pub(super) const RUNS: usize = 80;
/// Index of the first run with the dearer model.
pub(super) const DEARER_SINCE: usize = 66;
/// How much more the dearer model says.
pub(super) const TALKATIVE: f64 = 1.3;

/// Median tokens into and out of `draft`.
const DRAFT_TOKENS: (f64, f64) = (2400.0, 480.0);
const FAILURE_SHARE: f64 = 0.04;
const TIMEOUT_S: f64 = 30.0;

/// A model with its list price, US dollars per million tokens (OpenAI, 2025).
struct Model {
    name: &'static str,
    input_usd: f64,
    output_usd: f64,
}

const CHEAP: Model = Model { name: "gpt-4.1-mini", input_usd: 0.40, output_usd: 1.60 };
const DEAR: Model = Model { name: "gpt-4.1", input_usd: 2.00, output_usd: 8.00 };
const EMBEDDING: Model = Model { name: "text-embedding-3-small", input_usd: 0.02, output_usd: 0.0 };

/// Names of the cheap and the dear model.
pub(super) fn models() -> (&'static str, &'static str) {
    (CHEAP.name, DEAR.name)
}

/// By how much the cost of `draft` grows, percent, before noise.
pub(super) fn draft_cost_change_percent() -> f64 {
    let (input, output) = DRAFT_TOKENS;
    let cost = |model: &Model, talk: f64| input * model.input_usd + output * talk * model.output_usd;
    (cost(&DEAR, TALKATIVE) / cost(&CHEAP, 1.0) - 1.0) * 100.0
}

pub(super) fn runs(seed: u64, now: UnixNanos, days: u32) -> Vec<SampleRun> {
    let mut noise = Noise::new(seed ^ 0xA551);
    let starts = starts(&mut noise, now, days, RUNS, 300.0);
    starts.into_iter().enumerate().map(|(index, start)| run(&mut noise, index, start)).collect()
}

fn run(noise: &mut Noise, index: usize, start_ns: UnixNanos) -> SampleRun {
    // The first run with the dearer model succeeds: a failed one has no cost that could be seen to change.
    let timed_out = (noise.happens(FAILURE_SHARE) && index != DEARER_SINCE).then_some("timeout");
    let mut root = SampleSpan::new(format!("invoke_workflow {PIPELINE}"), SpanKind::Internal, start_ns, 0.0).with([
        KeyValue::new("gen_ai.operation.name", "invoke_workflow"),
        KeyValue::new("gen_ai.workflow.name", PIPELINE),
    ]);
    root.push(retrieve(noise, start_ns));
    root.push(draft(noise, index, root.end_ns, timed_out));
    if timed_out.is_none() {
        root.push(review(noise, root.end_ns));
    }
    // A little work of its own behind the last step.
    root.end_ns = super::sample::after(root.end_ns, noise.around(0.05, 0.2));
    SampleRun { run_id: None, root: root.failed(timed_out) }
}

fn retrieve(noise: &mut Noise, start_ns: UnixNanos) -> SampleSpan {
    let mut tool = SampleSpan::new("execute_tool retrieve", SpanKind::Internal, start_ns, noise.duration_s(0.42, 0.12))
        .with([KeyValue::new("gen_ai.operation.name", "execute_tool"), KeyValue::new("gen_ai.tool.name", "retrieve")]);
    let tokens = noise.count(64.0, 0.3);
    tool.push(call(&EMBEDDING, "embeddings", start_ns, noise.around(0.09, 0.15), (tokens, 0)));
    tool
}

fn draft(noise: &mut Noise, index: usize, start_ns: UnixNanos, timed_out: Option<&'static str>) -> SampleSpan {
    let (model, talk) = if index >= DEARER_SINCE { (&DEAR, TALKATIVE) } else { (&CHEAP, 1.0) };
    let mut agent = agent("draft", start_ns);
    let duration_s = noise.duration_s(6.2, 0.14);
    let tokens = (noise.count(DRAFT_TOKENS.0, 0.10), noise.count(DRAFT_TOKENS.1 * talk, 0.12));
    agent.push(match timed_out {
        // The provider never answered: no usage, hence no cost.
        Some(_) => SampleSpan::new(format!("chat {}", model.name), SpanKind::Client, start_ns, TIMEOUT_S)
            .with(request_attributes(model, "chat"))
            .failed(timed_out),
        None => call(model, "chat", start_ns, duration_s, tokens),
    });
    agent.failed(timed_out)
}

fn review(noise: &mut Noise, start_ns: UnixNanos) -> SampleSpan {
    let mut agent = agent("review", start_ns);
    let duration_s = noise.duration_s(3.1, 0.14);
    let tokens = (noise.count(1500.0, 0.10), noise.count(160.0, 0.12));
    agent.push(call(&CHEAP, "chat", start_ns, duration_s, tokens));
    let score = noise.score(0.88, 0.03);
    agent.events.push((
        "gen_ai.evaluation.result",
        vec![
            KeyValue::new("gen_ai.evaluation.name", "faithfulness"),
            KeyValue::new("gen_ai.evaluation.score.value", score),
            KeyValue::new("gen_ai.evaluation.score.label", if score >= 0.7 { "pass" } else { "fail" }),
        ],
    ));
    agent
}

fn agent(name: &'static str, start_ns: UnixNanos) -> SampleSpan {
    SampleSpan::new(format!("invoke_agent {name}"), SpanKind::Internal, start_ns, 0.0)
        .with([KeyValue::new("gen_ai.operation.name", "invoke_agent"), KeyValue::new("gen_ai.agent.name", name)])
}

fn call(
    model: &Model,
    operation: &'static str,
    start_ns: UnixNanos,
    duration_s: f64,
    tokens: (i64, i64),
) -> SampleSpan {
    let (input, output) = tokens;
    let cost = (input as f64 * model.input_usd + output as f64 * model.output_usd) / 1e6;
    let mut span = SampleSpan::new(format!("{operation} {}", model.name), SpanKind::Client, start_ns, duration_s)
        .with(request_attributes(model, operation))
        .with([
            KeyValue::new("gen_ai.response.model", model.name),
            KeyValue::new("gen_ai.usage.input_tokens", input),
            KeyValue::new("gen_ai.usage.cost", cost),
        ]);
    if operation == "chat" {
        span = span.with([KeyValue::new("gen_ai.usage.output_tokens", output)]);
    }
    span
}

fn request_attributes(model: &Model, operation: &'static str) -> [KeyValue; 3] {
    [
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.provider.name", "openai"),
        KeyValue::new("gen_ai.request.model", model.name),
    ]
}
