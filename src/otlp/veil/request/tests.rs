//! What is covered in a request, and what stays.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::*;
use crate::otlp::conventions::Rules;
use crate::otlp::veil::Key;

fn with() -> Veil {
    let key = Key::new(b"a key for tests, no secret").unwrap();
    Veil::new(key, Arc::new(Rules::embedded().unwrap()))
}

fn of(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: of(Any::StringValue(value.to_owned())), ..KeyValue::default() }
}

fn text(pair: &KeyValue) -> &str {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// What becomes of an attribute of a span.
fn attribute(key: &str, value: &str) -> String {
    let mut pairs = [pair(key, value)];
    attributes(&with(), &mut pairs);
    text(&pairs[0]).to_owned()
}

#[test]
fn names_in_odd_places_go_as_well() {
    let scope = InstrumentationScope { name: "acme".into(), version: "acme-7".into(), ..Default::default() };
    let nested = KeyValueList { values: vec![pair("acme client", "acme")] };
    let record = LogRecord {
        severity_text: "acme".into(),
        body: of(Any::KvlistValue(nested)),
        attributes: vec![pair("note", "inf"), pair("acme.type", "acme"), pair("type", "acme")],
        ..LogRecord::default()
    };
    let logs = ScopeLogs {
        scope: Some(scope),
        log_records: vec![record],
        schema_url: "https://acme.example/schemas/1.0".into(),
    };
    let part = ResourceLogs { scope_logs: vec![logs], schema_url: "https://acme.example".into(), resource: None };
    let body = ExportLogsServiceRequest { resource_logs: vec![part] }.encode_to_vec();
    let covered = cover(&with(), Signal::Logs, &body).unwrap();
    let covered = ExportLogsServiceRequest::decode(covered.as_slice()).unwrap();
    // Keys of attributes stay.
    let shown = format!("{covered:?}").replace("acme.type", "");
    assert!(!shown.contains("acme") && !shown.contains("\"inf\""), "{shown}");
}

#[test]
fn what_says_how_bad_it_is_and_whose_schema_it_is_stays() {
    for word in ["", "ERROR", "Warning", "debug3"] {
        let mut covered = word.to_owned();
        severity(&with(), &mut covered);
        assert_eq!(covered, word);
    }
    let mut url = format!("{SCHEMAS}1.30.0");
    schema(&with(), &mut url);
    assert_eq!(url, format!("{SCHEMAS}1.30.0"));
}

#[test]
fn plain_words_of_points_stay_only_where_the_metric_does() {
    let metric = |name: &str| Metric {
        name: name.to_owned(),
        unit: "{order}".into(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint { attributes: vec![pair("type", "rss")], ..Default::default() }],
        })),
        ..Metric::default()
    };
    let metrics = vec![metric("process.runtime.cpython.memory"), metric("acme.orders")];
    let part = ResourceMetrics {
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let body = ExportMetricsServiceRequest { resource_metrics: vec![part] }.encode_to_vec();
    let covered = cover(&with(), Signal::Metrics, &body).unwrap();
    let covered = ExportMetricsServiceRequest::decode(covered.as_slice()).unwrap();
    let kind = |metric: &Metric| match &metric.data {
        Some(Data::Gauge(gauge)) => text(&gauge.data_points[0].attributes[0]).to_owned(),
        other => panic!("{other:?}"),
    };
    let metrics = &covered.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!((kind(&metrics[0]).as_str(), metrics[0].unit.as_str()), ("rss", "{order}"));
    assert!(kind(&metrics[1]) != "rss" && !metrics[1].unit.contains("order"), "{metrics:?}");
    assert!(metrics[1].unit.starts_with('{') && metrics[1].unit.ends_with('}'));
    assert_ne!(attribute("type", "rss"), "rss");
}

#[test]
fn addresses_of_machines_are_no_numbers() {
    for address in ["10.0.3.17", "10.0.3.17:5432", "fe80::17", "[::1]:80"] {
        let covered = attribute("server.address", address);
        assert!(covered.chars().all(char::is_alphabetic), "{covered}");
    }
    assert_eq!(attribute("server.port", "5432"), "5432");
}

#[test]
fn what_rules_find_within_a_value_is_found_as_before() {
    let command = attribute("cmd", "flows/train.py step start --run-id 12 --task-id 3");
    let (before, after) = command.split_once(" step ").unwrap();
    assert!(!before.contains("train") && !after.contains("start"), "{command}");
    assert!(after.ends_with(" --run-id 12 --task-id 3"), "{command}");
    let branch = attribute("vcs.ref.head.name", "refs/heads/main");
    assert_eq!(branch.strip_prefix("refs/heads/"), Some(attribute("vcs.ref.head.name", "main").as_str()));
    let outcome = attribute("cicd.pipeline.result", "AcmeState.FAILED");
    assert!(outcome.ends_with(".FAILED") && !outcome.contains("Acme"), "{outcome}");
    assert!(attribute("cmd", &" step".repeat(100_000)).len() < 10_000);
}

#[test]
fn a_name_and_the_attribute_that_repeats_it_stay_alike() {
    let id = "run/test_orders.py::test_load";
    let mut one = Span { name: id.to_owned(), attributes: vec![pair("pytest.nodeid", id)], ..Span::default() };
    span(&with(), &mut one);
    assert_eq!(one.name, text(&one.attributes[0]));
    assert!(!one.name.contains("orders"));
}

#[test]
fn ids_of_history_are_covered_and_others_stay() {
    let request = |scope: &str| {
        let one = Span { trace_id: vec![7; 16], span_id: vec![7; 8], ..Span::default() };
        let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
        let spans = ScopeSpans { scope: Some(scope), spans: vec![one], ..ScopeSpans::default() };
        let part = ResourceSpans { scope_spans: vec![spans], ..ResourceSpans::default() };
        let body = ExportTraceServiceRequest { resource_spans: vec![part] }.encode_to_vec();
        let covered = cover(&with(), Signal::Traces, &body).unwrap();
        let covered = ExportTraceServiceRequest::decode(covered.as_slice()).unwrap();
        covered.resource_spans[0].scope_spans[0].spans[0].trace_id.clone()
    };
    assert_eq!(request("app"), vec![7; 16]);
    assert_ne!(request(HISTORY_SCOPE), vec![7; 16]);
}
