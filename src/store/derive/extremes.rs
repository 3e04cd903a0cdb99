//! Values at the ends of their types come from clocks that are not set, counters that ran over and readings that failed:
//! they are stored, read and derived like any other.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::super::{Store, StoreOptions};
use crate::model::Signal;
use crate::otlp::conventions::Rules;
use crate::otlp::sink::Accepted;

const BEGIN_NS: u64 = 1_790_000_000_000_000_000;
const END_NS: u64 = BEGIN_NS + 1_000_000_000;

fn span(trace: u8, id: u8, parent: u8, times: (u64, u64), attributes: &[(&str, Value)]) -> Span {
    let attribute = |(key, value): &(&str, Value)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(value.clone()) }),
        ..KeyValue::default()
    };
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent > 0 { vec![parent; 8] } else { Vec::new() },
        name: "job".to_owned(),
        kind: 1,
        start_time_unix_nano: times.0,
        end_time_unix_nano: times.1,
        attributes: attributes.iter().map(attribute).collect(),
        ..Span::default()
    }
}

fn stored(spans: Vec<Span>, readings: &[(u64, f64)]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(folder.path().join("extremes.duckdb"));
    let store = Store::open(&options, Arc::new(Rules::embedded().unwrap())).unwrap();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let point = |(time_unix_nano, reading): &(u64, f64)| NumberDataPoint {
        time_unix_nano: *time_unix_nano,
        value: Some(number_data_point::Value::AsDouble(*reading)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: readings.iter().map(point).collect() }));
    let metrics = vec![Metric { name: "process.memory.usage".to_owned(), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    for (signal, body) in [
        (Signal::Traces, ExportTraceServiceRequest { resource_spans }.encode_to_vec()),
        (Signal::Metrics, ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()),
    ] {
        store.submit_blocking(Accepted { signal, body: body.into(), items: 1 }).unwrap();
    }
    store.settle().unwrap();
    (folder, store)
}

fn ask(store: &Store, query: &str) -> serde_json::Value {
    serde_json::Value::from(
        store.reader().unwrap().query(query).unwrap().into_iter().map(serde_json::Value::Object).collect::<Vec<_>>(),
    )
}

#[test]
fn of_spans_that_never_end_or_begin_before_all_time() {
    let plain = |trace| span(trace, 1, 0, (BEGIN_NS, END_NS), &[]);
    let mut quiet = span(9, 1, 0, (BEGIN_NS, u64::MAX), &[]);
    quiet.kind = 2;
    let spans = vec![
        plain(1),
        span(2, 1, 0, (BEGIN_NS, u64::MAX), &[]),
        span(2, 2, 1, (BEGIN_NS, END_NS), &[]),
        span(3, 1, 0, (u64::MAX, u64::MAX), &[]),
        span(3, 2, 1, (u64::MAX, 0), &[]),
        span(4, 1, 0, (0, 0), &[]),
        quiet,
    ];
    let (_folder, store) = stored(spans, &[(u64::MAX, 1.0), (0, 1.0)]);
    let found = ask(
        &store,
        "select (select count(start_time) from spans where end_time is not null) as spans, \
        (select count(*) from runs where duration_s >= 0) as runs, (select count(time) from metric_points) as points",
    );
    // One of the seven came with an end of 0: it has not ended.
    assert_eq!((found[0]["spans"].as_u64(), found[0]["points"].as_u64()), (Some(6), Some(2)));
    assert!(found[0]["runs"].as_u64() >= Some(2), "{found}");
    // What comes behind them is loaded and derived, too.
    let resource_spans = vec![ResourceSpans {
        scope_spans: vec![ScopeSpans { spans: vec![plain(5)], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
    store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 1 }).unwrap();
    store.flush().unwrap();
    assert_eq!(ask(&store, "select count(*) as n from runs where trace_id = repeat('05', 16)")[0]["n"], 1);
    store.close().unwrap();
}

#[test]
fn of_readings_that_are_no_number_of_bytes() {
    let spans = vec![span(1, 1, 0, (BEGIN_NS, END_NS), &[])];
    let readings = [(1, f64::NAN), (2, f64::INFINITY), (3, 4096.0), (4, f64::NEG_INFINITY)];
    let (_folder, store) = stored(spans, &readings.map(|(at, reading)| (BEGIN_NS + at, reading)));
    assert_eq!(ask(&store, "select peak_memory_bytes as bytes from runs"), serde_json::json!([{"bytes": 4096}]));
    store.close().unwrap();
    let spans = vec![span(1, 1, 0, (BEGIN_NS, END_NS), &[])];
    let (_folder, store) = stored(spans, &[(BEGIN_NS + 1, 1e300)]);
    assert_eq!(ask(&store, "select peak_memory_bytes as bytes from runs"), serde_json::json!([{"bytes": null}]));
    store.close().unwrap();
}

#[test]
fn of_attempts_and_tokens_whose_sums_do_not_fit() {
    let step = |id: u8| {
        let name = Value::StringValue(format!("step {id}"));
        let attempt = Value::IntValue(i64::from(i32::MAX));
        let attributes = [("cicd.pipeline.task.name", name), ("perfline.attempt", attempt)];
        span(1, id, 1, (BEGIN_NS, END_NS), &attributes)
    };
    let calls = (0..1_100_u64).map(|at| Span {
        span_id: (at + 1_000).to_be_bytes().to_vec(),
        start_time_unix_nano: BEGIN_NS + at,
        ..span(
            1,
            0,
            1,
            (BEGIN_NS, END_NS),
            &[
                ("gen_ai.operation.name", Value::StringValue("chat".to_owned())),
                ("gen_ai.request.model", Value::StringValue("any".to_owned())),
                ("gen_ai.usage.input_tokens", Value::IntValue(1 << 53)),
            ],
        )
    });
    let root = span(1, 1, 0, (BEGIN_NS, END_NS), &[("cicd.pipeline.name", Value::StringValue("nightly".to_owned()))]);
    let spans = [root, step(2), step(3)].into_iter().chain(calls).collect();
    let (_folder, store) = stored(spans, &[]);
    let found = ask(&store, "select input_tokens as tokens from runs");
    assert_eq!(found, serde_json::json!([{"tokens": i64::MAX}]));
    store.close().unwrap();
}

#[test]
fn of_traces_that_are_deeper_than_any_program_and_of_spans_that_are_their_own_ancestors() {
    let within = |trace: u8, id: u64, parent: u64, attributes: &[(&str, Value)]| Span {
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent > 0 { parent.to_be_bytes().to_vec() } else { Vec::new() },
        ..span(trace, 0, 0, (BEGIN_NS + id, END_NS), attributes)
    };
    let nightly = [("cicd.pipeline.name", Value::StringValue("nightly".to_owned()))];
    let call = [
        ("gen_ai.operation.name", Value::StringValue("chat".to_owned())),
        ("gen_ai.request.model", Value::StringValue("any".to_owned())),
        ("gen_ai.usage.input_tokens", Value::IntValue(7)),
    ];
    let mut spans = vec![within(1, 1, 0, &nightly)];
    spans.extend((2..=1_000).map(|id| match id {
        300 | 600 => within(1, id, id - 1, &[("cicd.pipeline.task.name", Value::StringValue(format!("step {id}")))]),
        1_000 => within(1, id, id - 1, &call),
        _ => within(1, id, id - 1, &[]),
    }));
    spans.push(within(2, 1, 0, &nightly));
    spans.extend((2..=3_000).map(|id| within(2, id, id - 1, &[])));
    spans.extend([within(3, 1, 3, &nightly), within(3, 2, 1, &call), within(3, 3, 2, &[])]);
    let (_folder, store) = stored(spans, &[]);
    let runs = "select input_tokens as tokens from runs where pipeline = 'nightly' and trace_id = repeat('01', 16)";
    assert_eq!(ask(&store, runs), serde_json::json!([{"tokens": 7}]));
    let steps = "select step, parent_step, input_tokens as tokens from steps where step like 'step %' order by step";
    assert_eq!(
        ask(&store, steps),
        serde_json::json!([
            {"step": "step 300", "parent_step": null, "tokens": null},
            {"step": "step 600", "parent_step": "step 300", "tokens": 7},
        ])
    );
    let deep = "select count(*) as n from runs where pipeline = 'nightly' and trace_id = repeat('02', 16)";
    assert_eq!(ask(&store, deep)[0]["n"], 1);
    let circle = "select sum(input_tokens)::bigint as tokens from runs where trace_id = repeat('03', 16)";
    assert_eq!(ask(&store, circle)[0]["tokens"], 7);
    store.close().unwrap();
}
