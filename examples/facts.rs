//! Prints the rows that a store would write for OTLP protobuf requests, as JSON lines: one object
//! per row with `file` and `table`. The derivation in SQL is developed and tested against these.
//!
//! Usage: `cargo run --no-default-features --example facts -- [--conventions DIR] FILE.pb...`
//! The signal of a file is in its name (`-traces`, `-metrics`, `-logs`).

#![recursion_limit = "256"]

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use perfline::otlp::conventions::{
    EventShape, LogFact, Marker, ResourceFacts, Rules, Score, SpanFacts, SpanShape, Usage, Verdict,
};
use perfline::otlp::value::AttrValue;
use prost::Message;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut directory = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--conventions" => directory = arguments.next().map(PathBuf::from),
            file => files.push(file.into()),
        }
    }
    let rules = Rules::with_directory(directory.as_deref())?;
    let mut printer = Printer { rules, out: std::io::stdout().lock(), file: String::new() };
    for file in files {
        printer.print_file(&file)?;
    }
    Ok(())
}

struct Printer<W: Write> {
    rules: Rules,
    out: W,
    file: String,
}

/// Attributes whose lists and maps are encoded, so that they can be borrowed.
struct Encoded {
    nested: Vec<Vec<u8>>,
}

impl Encoded {
    fn new(attributes: &[KeyValue]) -> Self {
        let encode = |pair: &KeyValue| pair.value.as_ref().map(Message::encode_to_vec).unwrap_or_default();
        Self { nested: attributes.iter().map(encode).collect() }
    }

    fn borrow<'a>(&'a self, attributes: &'a [KeyValue]) -> Vec<(&'a str, AttrValue<'a>)> {
        attributes
            .iter()
            .zip(&self.nested)
            .map(|(pair, bytes)| (pair.key.as_str(), borrow(pair.value.as_ref(), bytes)))
            .collect()
    }
}

fn borrow<'a>(value: Option<&'a AnyValue>, bytes: &'a [u8]) -> AttrValue<'a> {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => AttrValue::Str(text),
        Some(any_value::Value::BoolValue(flag)) => AttrValue::Bool(*flag),
        Some(any_value::Value::IntValue(number)) => AttrValue::Int(*number),
        Some(any_value::Value::DoubleValue(number)) => AttrValue::Double(*number),
        Some(any_value::Value::BytesValue(bytes)) => AttrValue::Bytes(bytes),
        Some(any_value::Value::ArrayValue(_) | any_value::Value::KvlistValue(_)) => AttrValue::Nested(bytes),
        _ => AttrValue::Empty,
    }
}

impl<W: Write> Printer<W> {
    fn print_file(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        self.file = path.display().to_string();
        match path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit('-').next()) {
            Some("traces") => self.print_traces(&ExportTraceServiceRequest::decode(bytes.as_slice())?),
            Some("metrics") => self.print_metrics(&ExportMetricsServiceRequest::decode(bytes.as_slice())?),
            Some("logs") => self.print_logs(&ExportLogsServiceRequest::decode(bytes.as_slice())?),
            _ => Err(format!("{}: the name says no signal", path.display()).into()),
        }
    }

    fn row(&mut self, table: &str, mut row: Value) -> Result<(), Box<dyn Error>> {
        if let Value::Object(map) = &mut row {
            map.insert("table".into(), table.into());
            map.insert("file".into(), self.file.clone().into());
        }
        writeln!(self.out, "{row}")?;
        Ok(())
    }

    fn print_resource(&mut self, resource: Option<&Resource>) -> Result<(u64, ResourceFacts), Box<dyn Error>> {
        let empty = Resource::default();
        let resource = resource.unwrap_or(&empty);
        let id = xxh3_64(&resource.encode_to_vec());
        let encoded = Encoded::new(&resource.attributes);
        let facts = self.rules.resource_facts(&encoded.borrow(&resource.attributes));
        self.row("resources", json!({"resource_id": id, "service": facts.service, "instance": facts.instance}))?;
        if facts.is_worth_a_row() {
            self.row(
                "resource_facts",
                json!({
                    "resource_id": id, "pipeline": facts.pipeline, "run_id": facts.run_id, "branch": facts.branch,
                    "revision": facts.revision, "environment": facts.environment, "host_class": facts.host_class,
                }),
            )?;
        }
        Ok((id, facts))
    }

    fn print_traces(&mut self, request: &ExportTraceServiceRequest) -> Result<(), Box<dyn Error>> {
        for group in &request.resource_spans {
            let (resource_id, resource) = self.print_resource(group.resource.as_ref())?;
            for scope in &group.scope_spans {
                let name = scope.scope.as_ref().map_or("", |scope| scope.name.as_str());
                for span in &scope.spans {
                    self.print_span(resource_id, &resource, name, span)?;
                }
            }
        }
        Ok(())
    }

    fn print_span(
        &mut self,
        resource_id: u64,
        resource: &ResourceFacts,
        scope: &str,
        span: &Span,
    ) -> Result<(), Box<dyn Error>> {
        let Some((hi, lo)) = split_trace(&span.trace_id) else { return Ok(()) };
        let Some(id) = read_id(&span.span_id) else { return Ok(()) };
        let parent = read_id(&span.parent_span_id).unwrap_or(0);
        let start = i64::try_from(span.start_time_unix_nano).unwrap_or(i64::MAX);
        let end = i64::try_from(span.end_time_unix_nano).unwrap_or(i64::MAX);
        let status = span.status.clone().unwrap_or_default();
        let verdict = self.classify(resource, scope, span, parent != 0);
        self.row(
            "span_rows",
            json!({
                "trace_hi": hi, "trace_lo": lo, "span_id": id, "parent_span_id": parent, "start_ns": start,
                "duration_ns": (end - start).max(0), "resource_id": resource_id, "name": span.name,
                "kind": span.kind, "status": status.code, "status_message": status.message,
                "quiet": verdict == Verdict::Quiet,
            }),
        )?;
        let Verdict::Known(facts) = verdict else { return Ok(()) };
        for score in &facts.scores {
            self.print_score((hi, lo, id), Some(start), end, score)?;
        }
        let mut row = facts_row(&facts);
        row["trace_hi"] = hi.into();
        row["trace_lo"] = lo.into();
        row["span_id"] = id.into();
        row["start_ns"] = start.into();
        self.row("span_facts", row)
    }

    fn classify(&self, resource: &ResourceFacts, scope: &str, span: &Span, has_parent: bool) -> Verdict {
        let event_bytes: Vec<Encoded> = span.events.iter().map(|event| Encoded::new(&event.attributes)).collect();
        let event_attributes: Vec<_> =
            span.events.iter().zip(&event_bytes).map(|(event, bytes)| bytes.borrow(&event.attributes)).collect();
        let events: Vec<EventShape<'_>> = span
            .events
            .iter()
            .zip(&event_attributes)
            .map(|(event, attributes)| EventShape {
                name: &event.name,
                time_ns: i64::try_from(event.time_unix_nano).unwrap_or(i64::MAX),
                attributes,
            })
            .collect();
        let status = span.status.clone().unwrap_or_default();
        let shape = SpanShape {
            name: &span.name,
            scope,
            kind: u8::try_from(span.kind).unwrap_or(0),
            status: u8::try_from(status.code).unwrap_or(0),
            status_message: &status.message,
            has_parent,
            events: &events,
        };
        let encoded = Encoded::new(&span.attributes);
        self.rules.classify(&shape, resource, &encoded.borrow(&span.attributes))
    }

    fn print_score(
        &mut self,
        (hi, lo, id): (u64, u64, u64),
        start: Option<i64>,
        at: i64,
        score: &Score,
    ) -> Result<(), Box<dyn Error>> {
        self.row(
            "score_rows",
            json!({
                "trace_hi": hi, "trace_lo": lo, "span_id": id, "start_ns": start, "name": score.name,
                "score": score.score, "label": score.label, "at_ns": score.at_ns.unwrap_or(at),
            }),
        )
    }

    fn print_logs(&mut self, request: &ExportLogsServiceRequest) -> Result<(), Box<dyn Error>> {
        for group in &request.resource_logs {
            self.print_resource(group.resource.as_ref())?;
            for record in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                let encoded = Encoded::new(&record.attributes);
                let at = i64::try_from(record.time_unix_nano.max(record.observed_time_unix_nano)).unwrap_or(i64::MAX);
                let facts = self.rules.classify_log(&record.event_name, at, &encoded.borrow(&record.attributes));
                let trace = split_trace(&record.trace_id);
                for fact in facts {
                    match (fact, trace) {
                        (LogFact::Name { id, name }, trace) => self.row(
                            "id_names",
                            json!({
                                "id": id, "name": name, "at_ns": at,
                                "trace_hi": trace.map(|t| t.0), "trace_lo": trace.map(|t| t.1),
                            }),
                        )?,
                        (LogFact::Score(score), Some((hi, lo))) => {
                            let id = read_id(&record.span_id).unwrap_or(0);
                            self.print_score((hi, lo, id), None, at, &score)?;
                        }
                        (LogFact::Score(_), None) => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn print_metrics(&mut self, request: &ExportMetricsServiceRequest) -> Result<(), Box<dyn Error>> {
        for group in &request.resource_metrics {
            let (resource_id, _) = self.print_resource(group.resource.as_ref())?;
            for metric in group.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                let (points, kind, temporality, monotonic) = match &metric.data {
                    Some(metric::Data::Gauge(gauge)) => (&gauge.data_points, "gauge", 0, false),
                    Some(metric::Data::Sum(sum)) => {
                        (&sum.data_points, "sum", sum.aggregation_temporality, sum.is_monotonic)
                    }
                    _ => continue,
                };
                for point in points {
                    let value = match point.value {
                        Some(number_data_point::Value::AsDouble(value)) => json!(value),
                        Some(number_data_point::Value::AsInt(value)) => json!(value),
                        None => Value::Null,
                    };
                    let attributes: serde_json::Map<_, _> = point
                        .attributes
                        .iter()
                        .filter_map(|pair| match pair.value.as_ref()?.value.as_ref()? {
                            any_value::Value::StringValue(text) => Some((pair.key.clone(), json!(text))),
                            any_value::Value::IntValue(number) => Some((pair.key.clone(), json!(number))),
                            _ => None,
                        })
                        .collect();
                    let attributes = (!attributes.is_empty()).then(|| Value::Object(attributes).to_string());
                    self.row(
                        "point_rows",
                        json!({
                            "time_ns": point.time_unix_nano, "start_ns": point.start_time_unix_nano,
                            "resource_id": resource_id, "name": metric.name, "unit": metric.unit, "type": kind,
                            "temporality": temporality, "monotonic": monotonic, "value": value,
                            "attributes": attributes,
                        }),
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn facts_row(facts: &SpanFacts) -> Value {
    json!({
        "rule": facts.rule,
        "marker": facts.marker.map(|marker| match marker { Marker::Run => "run", Marker::Root => "root" }),
        "root": facts.root, "quiet": facts.quiet, "ignored": facts.ignored, "pipeline": facts.pipeline, "fallback": facts.fallback,
        "run_id": facts.run_id, "name_id": facts.name_id, "step": facts.step, "top_only": facts.top_only,
        "attempt": facts.attempt, "retried": facts.retried, "failure_is_final": facts.failure_is_final,
        "failure_is_nothing": facts.failure_is_nothing,
        "fails_inside": facts.fails_inside,
        "outcome": facts.outcome.map(perfline::model::Outcome::as_str),
        "unset_outcome": facts.unset_outcome.map(perfline::model::Outcome::as_str),
        "lost_outcome": facts.lost_outcome.map(perfline::model::Outcome::as_str), "ok_is_weak": facts.ok_is_weak, "error": facts.error, "error_type": facts.error_type,
        "usage": match facts.usage { Usage::None => Value::Null, Usage::Call => json!("call"), Usage::Aggregate => json!("aggregate") },
        "model": facts.model, "provider": facts.provider, "operation": facts.operation,
        "input_tokens": facts.input_tokens, "output_tokens": facts.output_tokens,
        "cached_tokens": facts.cached_tokens, "cache_write_tokens": facts.cache_write_tokens,
        "reasoning_tokens": facts.reasoning_tokens, "cost_usd": facts.cost_usd, "branch": facts.branch,
        "revision": facts.revision, "environment": facts.environment, "host_class": facts.host_class,
        "items": facts.items, "input_size": facts.input_size, "api_calls": facts.api_calls,
        "duration_s": facts.duration_s, "peak_memory_bytes": facts.peak_memory_bytes,
        "mean_memory_bytes": facts.mean_memory_bytes, "cpu_s": facts.cpu_s,
        "disk_read_bytes": facts.disk_read_bytes, "disk_write_bytes": facts.disk_write_bytes,
    })
}

fn split_trace(id: &[u8]) -> Option<(u64, u64)> {
    let bytes: [u8; 16] = id.try_into().ok()?;
    let both = u128::from_be_bytes(bytes);
    let (hi, lo) = (u64::try_from(both >> 64).ok()?, u64::try_from(both & u128::from(u64::MAX)).ok()?);
    (both != 0).then_some((hi, lo))
}

fn read_id(id: &[u8]) -> Option<u64> {
    let id = u64::from_be_bytes(id.try_into().ok()?);
    (id != 0).then_some(id)
}
