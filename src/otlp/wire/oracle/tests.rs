//! Every fixture and generated requests, read by both.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message as _;

use super::super::attr_value;
use super::super::logs::each_log;
use super::super::metrics::each_point;
use super::super::traces::{SpanView, each_span};
use super::{compare_logs, compare_metrics, compare_traces, describe_ours};

/// `PERFLINE_FIXTURES` points at more captures than the repository holds.
fn fixture_folders() -> Vec<std::path::PathBuf> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/otlp")];
    folders.extend(std::env::var_os("PERFLINE_FIXTURES").map(Into::into));
    folders
}

#[test]
fn every_fixture_reads_as_prost_reads_it() {
    let mut items = [0; 3];
    for folder in fixture_folders().iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let folder = folder.unwrap().path();
        for file in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let body = std::fs::read(&path).unwrap();
            if name.ends_with("-traces.pb") {
                items[0] += compare_traces(&body);
            } else if name.ends_with("-metrics.pb") {
                items[1] += compare_metrics(&body);
            } else if name.ends_with("-logs.pb") {
                items[2] += compare_logs(&body);
            }
        }
    }
    assert!(items.iter().all(|count| *count > 0), "{items:?}");
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        ".*".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|value| Some(Value::BoolValue(value))),
        any::<i64>().prop_map(|value| Some(Value::IntValue(value))),
        any::<f64>().prop_map(|value| Some(Value::DoubleValue(value))),
        any::<Vec<u8>>().prop_map(|bytes| Some(Value::BytesValue(bytes))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }),
            prop::collection::vec(key_value(inner), 0..4)
                .prop_map(|values| AnyValue { value: Some(Value::KvlistValue(KeyValueList { values })) }),
        ]
    })
}

fn key_value(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    ("[a-z.]{0,12}", value).prop_map(|(key, value)| KeyValue { key, value: Some(value), ..KeyValue::default() })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec(key_value(any_value()), 0..5)
}

fn id_bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=u8::MAX, length)
}

fn span() -> impl Strategy<Value = Span> {
    let event = (any::<u64>(), ".*", attributes(), any::<u32>()).prop_map(|(time, name, attributes, dropped)| Event {
        time_unix_nano: time,
        name,
        attributes,
        dropped_attributes_count: dropped,
    });
    let link = (id_bytes(16), id_bytes(8), attributes(), any::<u32>()).prop_map(|(trace, span, attributes, flags)| {
        Link { trace_id: trace, span_id: span, attributes, flags, ..Link::default() }
    });
    let head = (id_bytes(16), id_bytes(8), prop_oneof![Just(vec![]), id_bytes(8)], ".*", 0..6_i32);
    let times = (any::<u64>(), any::<u64>(), any::<u32>(), ".*", 0..3_i32);
    let body = (attributes(), prop::collection::vec(event, 0..3), prop::collection::vec(link, 0..3));
    (head, times, body).prop_map(|(head, times, body)| Span {
        trace_id: head.0,
        span_id: head.1,
        parent_span_id: head.2,
        name: head.3,
        kind: head.4,
        start_time_unix_nano: times.0,
        end_time_unix_nano: times.1,
        flags: times.2,
        status: Some(Status { message: times.3, code: times.4 }),
        attributes: body.0,
        events: body.1,
        links: body.2,
        ..Span::default()
    })
}

proptest! {
    #[test]
    fn generated_spans_read_as_they_were_written(spans in prop::collection::vec(span(), 0..4), url in ".*") {
        let scope_spans = vec![ScopeSpans { spans, schema_url: url.clone(), ..ScopeSpans::default() }];
        let block = ResourceSpans { resource: None, scope_spans, schema_url: url };
        compare_traces(&ExportTraceServiceRequest { resource_spans: vec![block] }.encode_to_vec());
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        let walk = |span: &SpanView<'_>| span.attributes().count() + span.events().count() + span.links().count();
        let _refused = each_span(&bytes, |_, _, span| { walk(span); });
        let _refused = each_log(&bytes, |_, _, log| { log.attributes().count(); });
        let _refused = each_point(&bytes, |_, _, _, point| { describe_ours(point); });
        let _refused = SpanView::parse(&bytes).map(|span| walk(&span));
        if let Ok(value) = attr_value(&bytes) {
            crate::otlp::value::write_json(&value, &mut String::new());
        }
    }

    #[test]
    fn a_cut_or_flipped_request_never_panics(spans in prop::collection::vec(span(), 1..3), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let block = ResourceSpans { scope_spans, ..ResourceSpans::default() };
        let mut body = ExportTraceServiceRequest { resource_spans: vec![block] }.encode_to_vec();
        let index = at.index(body.len());
        let _refused = each_span(&body[..index], |_, _, span| { span.attributes().count(); });
        body[index] ^= 1 << bit;
        let _refused = each_span(&body, |_, _, span| { span.attributes().count(); });
    }
}
