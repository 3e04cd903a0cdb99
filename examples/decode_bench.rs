//! Spans per CPU-second: the borrowed walk, the check at the door, JSON, and prost on the same bytes.
//! CPU time, not the clock: other work on the machine does not change what is printed.
//! Run it with `cargo run --release --no-default-features --example decode_bench`.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use perfline::model::Signal;
use perfline::otlp::door::{Encoding, Limits, admit};
use perfline::otlp::value::write_attributes_json;
use perfline::otlp::wire::traces::each_span;
use prost::Message as _;

const SPANS: usize = 1000;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// About 325 bytes: 8 attributes and 1 event.
fn span(index: usize) -> Span {
    let id = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    Span {
        trace_id: [id, id].concat(),
        span_id: id.to_vec(),
        parent_span_id: id.to_vec(),
        name: "GET /api/items".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_790_000_000_000_000_000,
        end_time_unix_nano: 1_790_000_000_050_000_000,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/api/items"),
            attribute("http.response.status_code", Value::IntValue(200)),
            text("server.address", "api.internal"),
            attribute("server.port", Value::IntValue(8080)),
            text("user.id", &format!("u-{index:08}")),
            attribute("retry", Value::BoolValue(false)),
            attribute("load", Value::DoubleValue(0.25)),
        ],
        events: vec![Event {
            time_unix_nano: 1_790_000_000_010_000_000,
            name: "cache.miss".to_owned(),
            ..Event::default()
        }],
        ..Span::default()
    }
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    let times =
        usage.map(|usage| [usage.user_time(), usage.system_time()]).unwrap_or([nix::sys::time::TimeVal::new(0, 0); 2]);
    times.iter().map(|time| Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)).sum()
}

/// Runs `work` for two CPU-seconds and prints what it did.
fn measure(name: &str, bytes_a_span: usize, mut work: impl FnMut()) {
    work();
    let (start, mut rounds) = (cpu_time(), 0_u32);
    while cpu_time() - start < Duration::from_secs(2) {
        work();
        rounds += 1;
    }
    let rate = f64::from(rounds) * SPANS as f64 / (cpu_time() - start).as_secs_f64();
    println!("{name:<44} {:>7.2} M spans/s {:>8.0} MB/s", rate / 1e6, rate * bytes_a_span as f64 / 1e6);
}

fn main() {
    let scope_spans = vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() }];
    let block = ResourceSpans { scope_spans, ..ResourceSpans::default() };
    let body = Bytes::from(ExportTraceServiceRequest { resource_spans: vec![block] }.encode_to_vec());
    let bytes = body.len() / SPANS;
    println!("{SPANS} spans of {bytes} bytes a request");
    measure("prost: decode", bytes, || {
        black_box(ExportTraceServiceRequest::decode(black_box(&body[..])).is_ok());
    });
    measure("wire: span fields", bytes, || {
        let mut sum = 0;
        each_span(black_box(&body), |_, _, span| sum ^= span.start_ns ^ u64::from(span.kind)).ok();
        black_box(sum);
    });
    measure("wire: span fields, attributes and events", bytes, || {
        let mut sum = 0;
        each_span(black_box(&body), |_, _, span| {
            sum += span.attributes().map(|(key, _)| key.len()).sum::<usize>();
            sum += span.events().map(|event| event.name.len()).sum::<usize>();
        })
        .ok();
        black_box(sum);
    });
    let mut json = String::new();
    measure("wire: span fields, attributes as JSON text", bytes, || {
        each_span(black_box(&body), |_, _, span| {
            json.clear();
            write_attributes_json(span.attributes(), &mut json);
            black_box(&json);
        })
        .ok();
    });
    let limits = Limits::default();
    measure("door: check every byte (protobuf)", bytes, || {
        black_box(admit(Signal::Traces, Encoding::Protobuf, body.clone(), &limits).is_ok());
    });
    let document = Bytes::from(to_json());
    measure("door: JSON to protobuf, checked", document.len() / SPANS, || {
        black_box(admit(Signal::Traces, Encoding::Json, document.clone(), &limits).is_ok());
    });
}

/// The same spans as an SDK writes them in OTLP/JSON.
fn to_json() -> String {
    let spans: Vec<_> = (0..SPANS)
        .map(|index| {
            let span = span(index);
            let hex = |bytes: &[u8]| {
                let mut out = String::new();
                perfline::otlp::value::write_hex(bytes, &mut out);
                out
            };
            let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
            serde_json::json!({
                "traceId": hex(&span.trace_id), "spanId": hex(&span.span_id), "parentSpanId": hex(&span.parent_span_id),
                "name": span.name, "kind": span.kind,
                "startTimeUnixNano": span.start_time_unix_nano.to_string(),
                "endTimeUnixNano": span.end_time_unix_nano.to_string(),
                "attributes": [
                    text("http.request.method", "GET"), text("url.path", "/api/items"),
                    {"key": "http.response.status_code", "value": {"intValue": "200"}},
                    text("server.address", "api.internal"),
                    {"key": "server.port", "value": {"intValue": "8080"}},
                    text("user.id", &format!("u-{index:08}")),
                    {"key": "retry", "value": {"boolValue": false}},
                    {"key": "load", "value": {"doubleValue": 0.25}},
                ],
                "events": [{"timeUnixNano": "1790000000010000000", "name": "cache.miss"}],
            })
        })
        .collect();
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}
