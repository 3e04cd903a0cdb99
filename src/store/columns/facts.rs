//! What the conventions say of spans and log records, as rows for the derivation of runs.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::append::Small;
use super::{ended, halves, signed};
use crate::otlp::conventions::{LogFact, Marker, Score, SpanFacts, Usage};
use crate::otlp::wire::logs::LogView;
use crate::otlp::wire::traces::SpanView;

/// Facts gathered for one load.
#[derive(Default)]
pub(super) struct FactRows {
    spans: Vec<(u128, String)>,
    scores: Vec<(u128, String)>,
    names: Vec<String>,
    /// Spans that came again within this load, and how many rows there were: those of them are of the shorter one.
    again: Vec<(u128, usize, usize)>,
}

impl FactRows {
    /// What is known of one span. `identity` tells it from others.
    pub(super) fn span(&mut self, identity: u128, span: &SpanView<'_>, facts: &SpanFacts) {
        self.spans.push((identity, span_row(span, facts).to_string()));
        let (hi, lo) = halves(span.trace_id);
        for score in &facts.scores {
            let at_ns = score.at_ns.unwrap_or_else(|| ended(span.end_ns).max(signed(span.start_ns)));
            let span_id = u64::from_be_bytes(span.span_id);
            let row = score_row(score, hi, lo, span_id, Some(signed(span.start_ns)), at_ns);
            self.scores.push((identity, row.to_string()));
        }
    }

    /// What one log record says of a run or a span.
    pub(super) fn log(&mut self, record: &LogView<'_>, time_ns: i64, fact: LogFact) {
        let trace = record.trace_id.map(halves);
        match fact {
            LogFact::Name { id, name } => self.names.push(
                json!({
                    "id": id,
                    "name": name,
                    "at_ns": time_ns,
                    "trace_hi": trace.map(|(hi, _)| hi),
                    "trace_lo": trace.map(|(_, lo)| lo),
                })
                .to_string(),
            ),
            LogFact::Score(score) => {
                if let Some((hi, lo)) = trace {
                    let span_id = record.span_id.map_or(0, u64::from_be_bytes);
                    let at_ns = score.at_ns.unwrap_or(time_ns);
                    // No span has this identity.
                    self.scores.push((0, score_row(&score, hi, lo, span_id, None, at_ns).to_string()));
                }
            }
        }
    }

    /// What was known of a span so far is of a shorter row of it.
    pub(super) fn forget(&mut self, identity: u128) {
        self.again.push((identity, self.spans.len(), self.scores.len()));
    }

    pub(super) fn take(&mut self) -> [Small; 3] {
        let again: HashMap<u128, (usize, usize)> =
            self.again.drain(..).map(|(identity, spans, scores)| (identity, (spans, scores))).collect();
        let from = |identity: u128| again.get(&identity).copied().unwrap_or_default();
        [
            Small {
                table: "span_facts",
                key: &["trace_hi", "trace_lo", "span_id", "start_ns"],
                rows: rest(&mut self.spans, |identity| from(identity).0),
            },
            Small {
                table: "score_rows",
                key: &["trace_hi", "trace_lo", "span_id", "start_ns", "name", "at_ns"],
                rows: rest(&mut self.scores, |identity| from(identity).1),
            },
            Small {
                table: "id_names",
                key: &["id", "name", "trace_hi", "trace_lo"],
                rows: std::mem::take(&mut self.names),
            },
        ]
    }
}

/// The rows without those that stand before the place from which their span's count.
fn rest(rows: &mut Vec<(u128, String)>, from: impl Fn(u128) -> usize) -> Vec<String> {
    let kept = rows.drain(..).enumerate().filter(|(place, (identity, _))| *place >= from(*identity));
    kept.map(|(_, (_, row))| row).collect()
}

fn score_row(score: &Score, hi: u64, lo: u64, span_id: u64, start_ns: Option<i64>, at_ns: i64) -> Value {
    json!({
        "trace_hi": hi,
        "trace_lo": lo,
        "span_id": span_id,
        "start_ns": start_ns,
        "name": score.name,
        "score": score.score,
        "label": score.label,
        "at_ns": at_ns,
    })
}

fn span_row(span: &SpanView<'_>, facts: &SpanFacts) -> Value {
    let (hi, lo) = halves(span.trace_id);
    let marker = facts.marker.map(|marker| match marker {
        Marker::Run => "run",
        Marker::Root => "root",
    });
    let usage = match facts.usage {
        Usage::None => None,
        Usage::Call => Some("call"),
        Usage::Aggregate => Some("aggregate"),
    };
    let mut row = json!({
        "trace_hi": hi,
        "trace_lo": lo,
        "span_id": u64::from_be_bytes(span.span_id),
        "start_ns": signed(span.start_ns),
        "rule": facts.rule,
        "root": facts.root,
        "marker": marker,
        "quiet": facts.quiet,
        "ignored": facts.ignored,
        "pipeline": facts.pipeline,
        "fallback": facts.fallback,
        "run_id": facts.run_id,
        "name_id": facts.name_id,
        "step": facts.step,
        "top_only": facts.top_only,
        "attempt": facts.attempt,
        "retried": facts.retried,
        "failure_is_final": facts.failure_is_final,
        "failure_is_nothing": facts.failure_is_nothing,
        "fails_inside": facts.fails_inside,
        "outcome": facts.outcome.map(|outcome| outcome.as_str()),
        "unset_outcome": facts.unset_outcome.map(|outcome| outcome.as_str()),
        "lost_outcome": facts.lost_outcome.map(|outcome| outcome.as_str()),
        "ok_is_weak": facts.ok_is_weak,
        "error": facts.error,
        "error_type": facts.error_type,
        "usage": usage,
        "model": facts.model,
        "provider": facts.provider,
        "operation": facts.operation,
    });
    if let (Value::Object(row), Value::Object(measured)) = (&mut row, measured(facts)) {
        row.extend(measured);
    }
    row
}

fn measured(facts: &SpanFacts) -> Value {
    json!({
        "input_tokens": facts.input_tokens,
        "output_tokens": facts.output_tokens,
        "cached_tokens": facts.cached_tokens,
        "cache_write_tokens": facts.cache_write_tokens,
        "reasoning_tokens": facts.reasoning_tokens,
        "cost_usd": facts.cost_usd,
        "branch": facts.branch,
        "revision": facts.revision,
        "environment": facts.environment,
        "host_class": facts.host_class,
        "cpu_model": facts.cpu_model,
        "cpu_cores": facts.cpu_cores,
        "host_memory_bytes": facts.host_memory_bytes,
        "runner": facts.runner,
        "attributes": facts.attributes,
        "items": facts.items,
        "input_size": facts.input_size,
        "api_calls": facts.api_calls,
        "duration_s": facts.duration_s,
        "peak_memory_bytes": facts.peak_memory_bytes,
        "mean_memory_bytes": facts.mean_memory_bytes,
        "cpu_s": facts.cpu_s,
        "disk_read_bytes": facts.disk_read_bytes,
        "disk_write_bytes": facts.disk_write_bytes,
    })
}
