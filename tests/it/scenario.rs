//! Spans and log records written down as JSON (`tests/fixtures/tools/README.md`), as export requests.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use perfline::model::Signal;
use perfline::otlp::sink::Accepted;
use prost::Message;
use serde_json::Value;

/// 2026-05-01T00:00:00Z.
pub const BEGIN_NS: u64 = 1_777_593_600_000_000_000;

/// One tool, written down.
pub struct Scenario {
    pub tool: String,
    pub want: Value,
    document: Value,
}

impl Scenario {
    pub fn read(file: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(file).unwrap())
    }

    pub fn parse(text: &str) -> Self {
        let document: Value = serde_json::from_str(text).unwrap();
        let tool = document["tool"].as_str().unwrap().to_owned();
        Self { tool, want: document["want"].clone(), document }
    }

    /// One request a span and a log record.
    pub fn requests(&self) -> Vec<Accepted> {
        let list = |name: &str| self.document.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let spans = list("spans").into_iter().map(|span| self.span_request(&span));
        spans.chain(list("logs").into_iter().map(|log| self.log_request(&log))).collect()
    }

    /// The id of a span.
    pub fn id(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.tool, name).hash(&mut hasher);
        hasher.finish() | 1
    }

    /// The id of a trace.
    pub fn trace_id(&self, name: &str) -> Vec<u8> {
        let (high, low) = (self.id(&format!("trace {name}")), self.id(&format!("trace {name} low")));
        [high.to_be_bytes(), low.to_be_bytes()].concat()
    }

    fn resource(&self, of: &Value) -> Resource {
        let attributes = of.get("resource").unwrap_or(&self.document["resource"]);
        Resource { attributes: key_values(attributes), ..Resource::default() }
    }

    fn scope(&self, of: &Value) -> InstrumentationScope {
        let name = of.get("scope").unwrap_or(&self.document["scope"]).as_str().unwrap().to_owned();
        InstrumentationScope { name, ..InstrumentationScope::default() }
    }

    fn span_request(&self, of: &Value) -> Accepted {
        let text = |name: &str| of.get(name).and_then(Value::as_str);
        let code = match text("status") {
            Some("ok") => 1,
            Some("error") => 2,
            _ => 0,
        };
        let kind = match text("kind") {
            Some("server") => 2,
            Some("client") => 3,
            Some("producer") => 4,
            Some("consumer") => 5,
            _ => 1,
        };
        let events = of.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        let events = events.iter().map(|event| Event {
            name: event["name"].as_str().unwrap().to_owned(),
            time_unix_nano: at(&event["at"]),
            attributes: key_values(&event["attributes"]),
            ..Event::default()
        });
        let span = Span {
            trace_id: self.trace_id(text("trace").unwrap_or("1")),
            span_id: self.id(text("id").unwrap()).to_be_bytes().to_vec(),
            parent_span_id: text("parent").map_or(Vec::new(), |parent| self.id(parent).to_be_bytes().to_vec()),
            name: text("name").unwrap().to_owned(),
            kind,
            start_time_unix_nano: at(&of["at"][0]),
            end_time_unix_nano: at(&of["at"][1]),
            attributes: key_values(of.get("attributes").unwrap_or(&Value::Null)),
            events: events.collect(),
            status: Some(Status { code, message: text("message").unwrap_or_default().to_owned() }),
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(self.scope(of)), spans: vec![span], ..ScopeSpans::default() }];
        let part = ResourceSpans { resource: Some(self.resource(of)), scope_spans, ..ResourceSpans::default() };
        let body = ExportTraceServiceRequest { resource_spans: vec![part] }.encode_to_vec();
        Accepted { signal: Signal::Traces, body: body.into(), items: 1 }
    }

    fn log_request(&self, of: &Value) -> Accepted {
        let span = of.get("span").and_then(Value::as_str);
        let record = LogRecord {
            time_unix_nano: at(&of["at"]),
            event_name: of["event"].as_str().unwrap_or_default().to_owned(),
            attributes: key_values(&of["attributes"]),
            trace_id: self.trace_id(of.get("trace_only").and_then(Value::as_str).unwrap_or("1")),
            span_id: span.map_or(Vec::new(), |span| self.id(span).to_be_bytes().to_vec()),
            ..LogRecord::default()
        };
        let scope_logs =
            vec![ScopeLogs { scope: Some(self.scope(of)), log_records: vec![record], ..ScopeLogs::default() }];
        let part = ResourceLogs { resource: Some(self.resource(of)), scope_logs, ..ResourceLogs::default() };
        let body = ExportLogsServiceRequest { resource_logs: vec![part] }.encode_to_vec();
        Accepted { signal: Signal::Logs, body: body.into(), items: 1 }
    }
}

/// Seconds after the beginning.
fn at(seconds: &Value) -> u64 {
    BEGIN_NS.saturating_add_signed((seconds.as_f64().unwrap() * 1e9).round() as i64)
}

fn key_values(object: &Value) -> Vec<KeyValue> {
    let object = object.as_object().cloned().unwrap_or_default();
    object
        .into_iter()
        .map(|(key, value)| KeyValue { key, value: Some(AnyValue { value: Some(any(&value)) }), ..KeyValue::default() })
        .collect()
}

fn any(value: &Value) -> Any {
    match value {
        Value::Bool(flag) => Any::BoolValue(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Any::DoubleValue(number.as_f64().unwrap()), Any::IntValue)
        }
        Value::String(text) => Any::StringValue(text.clone()),
        other => panic!("no attribute: {other}"),
    }
}
