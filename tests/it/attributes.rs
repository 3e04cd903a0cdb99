//! Attributes come back as they were sent, however the store packs them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use perfline::model::Signal;
use perfline::otlp::sink::Accepted;
use prost::Message;
use serde_json::{Value, json};

use super::scenario::BEGIN_NS;
use super::support::TempStore;

const SPANS: u64 = 400;

/// What one span carries: values that are shared, numbers with all kinds of text around them, texts, and keys that
/// look like formats.
fn attributes(at: u64) -> Vec<(String, Value)> {
    let word: String = (0..6).map(|place| char::from(b'a' + ((at * 7 + place * 11) % 26) as u8)).collect();
    let all: [(&str, Value); 8] = [
        ("http.request.method", json!("GET")),
        ("url.path", json!(format!("/v1/{{items}}/{at}?q=\"{{}}\"\\"))),
        ("user.id", json!(format!("{:016x}", at.wrapping_mul(0x9e37_79b9_7f4a_7c15)))),
        ("run.{}", json!(format!("{at:05}"))),
        ("change", json!(200 - at.cast_signed())),
        ("{:016x}", json!(format!("é{{{{{at}}}}}\n"))),
        ("word", json!(word)),
        ("share", json!(at as f64 / 8.0 + 0.1)),
    ];
    // Another selection each time: the columns of the values change their meaning from span to span.
    let chosen = all.into_iter().enumerate().filter(|(place, _)| !(at + *place as u64).is_multiple_of(5));
    chosen.map(|(_, (key, value))| (key.to_owned(), value)).collect()
}

fn key_value((key, value): (String, Value)) -> KeyValue {
    let value = match value {
        Value::String(text) => Any::StringValue(text),
        Value::Number(number) if number.is_i64() || number.is_u64() => Any::IntValue(number.as_i64().unwrap()),
        other => Any::DoubleValue(other.as_f64().unwrap()),
    };
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn request(spans: std::ops::Range<u64>) -> Accepted {
    let span = |at: u64| Span {
        trace_id: u128::from(at + 1).to_be_bytes().to_vec(),
        span_id: (at + 1).to_be_bytes().to_vec(),
        name: "call".to_owned(),
        start_time_unix_nano: BEGIN_NS + at,
        end_time_unix_nano: BEGIN_NS + at + 1,
        attributes: attributes(at).into_iter().map(key_value).collect(),
        ..Span::default()
    };
    let spans = spans.map(span).collect();
    let part =
        ResourceSpans { scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }], ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![part] }.encode_to_vec();
    Accepted { signal: Signal::Traces, body: body.into(), items: 1 }
}

#[test]
fn every_attribute_comes_back_as_it_was_sent_also_after_a_restart() {
    let mut kept = TempStore::new();
    kept.store.submit_blocking(request(0..SPANS / 2)).unwrap();
    // What is known of the keys is forgotten; the sets are not.
    kept.restart();
    kept.store.submit_blocking(request(SPANS / 2..SPANS)).unwrap();
    kept.store.settle().unwrap();
    let rows = kept.query("select cast(attributes as varchar) as attributes from spans order by start_time");
    assert_eq!(rows.len() as u64, SPANS);
    for (at, row) in rows.iter().enumerate() {
        let stored: Value = serde_json::from_str(row["attributes"].as_str().unwrap()).unwrap();
        let sent: Value = attributes(at as u64).into_iter().collect::<serde_json::Map<_, _>>().into();
        assert_eq!(stored, sent, "span {at}");
    }
    let numbers = kept.value("select count(*) from span_rows where number_1 is not null or number_2 is not null");
    assert!(numbers.as_u64().unwrap() > SPANS / 2, "most spans have a number: {numbers}");
}
