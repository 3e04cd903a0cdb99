//! Points 37 to 41: what requests may hold, and what must not get lost.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Span;
use perfline::model::Signal;
use perfline::otlp::door::{Admission, Encoding, Limits, Reason, admit};
use perfline::otlp::value::write_attributes_json;
use perfline::otlp::wire::{logs, metrics, traces};
use prost::Message as _;

use crate::harness::{attribute, door, names, request_of, span, traces as some_traces};

fn take(request: &ExportTraceServiceRequest) -> Admission {
    admit(Signal::Traces, Encoding::Protobuf, request.encode_to_vec().into(), &Limits::default()).unwrap()
}

#[test]
fn point_37_empty_bytes_nested_and_heterogeneous_attributes_are_taken_as_they_are() {
    let any = |value| AnyValue { value };
    let mixed = ArrayValue {
        values: vec![
            any(Some(Value::IntValue(1))),
            any(Some(Value::StringValue("a".to_owned()))),
            any(None),
            any(Some(Value::KvlistValue(KeyValueList { values: vec![attribute("k", Value::BoolValue(true))] }))),
        ],
    };
    let mut item = span(1);
    item.attributes = vec![
        attribute("", Value::StringValue(String::new())),
        attribute("bytes", Value::BytesValue(vec![0, 255])),
        attribute("mixed", Value::ArrayValue(mixed)),
        attribute("empty", Value::ArrayValue(ArrayValue::default())),
    ];
    let request = request_of(vec![item]);
    let accepted = take(&request).accepted.unwrap();
    assert_eq!(accepted.body, request.encode_to_vec());
    let mut json = String::new();
    traces::each_span(&accepted.body, |_, _, span| write_attributes_json(span.attributes(), &mut json)).unwrap();
    assert_eq!(json, r#"{"":"","bytes":"AP8=","mixed":[1,"a",null,{"k":true}],"empty":[]}"#);
}

#[test]
fn a_request_without_a_fault_passes_without_a_copy() {
    let body = Bytes::from(some_traces(5).encode_to_vec());
    let accepted = admit(Signal::Traces, Encoding::Protobuf, body.clone(), &Limits::default()).unwrap().accepted;
    assert_eq!(accepted.unwrap().body.as_ptr(), body.as_ptr());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_39_a_request_sent_twice_is_taken_twice_and_is_the_same_bytes() {
    let door = door().await;
    for _ in 0..2 {
        let body = some_traces(2).encode_to_vec();
        assert_eq!(door.post("/v1/traces", "application/x-protobuf", &body).await.status, 200);
    }
    let taken = door.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].body, taken[1].body);
    let twice = request_of(vec![span(1), span(1)]);
    assert_eq!(take(&twice).accepted.unwrap().items, 2);
}

#[test]
fn point_40_ids_of_the_wrong_length_cost_their_own_item_only() {
    type Fault = fn(&mut Span);
    let faults: [(Fault, Reason); 7] = [
        (|span| span.trace_id = vec![1; 15], Reason::TraceId),
        (|span| span.trace_id = vec![1; 17], Reason::TraceId),
        (|span| span.trace_id = vec![], Reason::TraceId),
        (|span| span.trace_id = vec![0; 16], Reason::TraceId),
        (|span| span.span_id = vec![1; 16], Reason::SpanId),
        (|span| span.span_id = vec![0; 8], Reason::SpanId),
        (|span| span.parent_span_id = vec![1; 4], Reason::SpanId),
    ];
    for (spoil, reason) in faults {
        let mut bad = span(2);
        spoil(&mut bad);
        let admission = take(&request_of(vec![span(1), bad, span(3)]));
        assert_eq!(admission.refused, [(reason, 1)]);
        assert_eq!(names(&admission.accepted.unwrap()), ["span 1", "span 3"]);
    }
    let mut root = span(1);
    root.parent_span_id = vec![0; 8];
    assert_eq!(take(&request_of(vec![root])).refused, []);
}

#[test]
fn an_end_before_the_start_and_a_year_far_off_are_taken() {
    let mut odd = span(1);
    (odd.start_time_unix_nano, odd.end_time_unix_nano) = (u64::MAX, 0);
    assert_eq!(take(&request_of(vec![odd])).refused, []);
}

#[test]
fn text_that_is_not_utf8_costs_its_item_and_in_a_resource_its_block() {
    let mut request = some_traces(3);
    request.resource_spans[0].scope_spans[0].spans[1].name = "BAD!".to_owned();
    request.resource_spans.push(some_traces(2).resource_spans[0].clone());
    request.resource_spans[1].schema_url = "EVIL".to_owned();
    let mut body = request.encode_to_vec();
    for marker in ["BAD!", "EVIL"] {
        let at = body.windows(4).position(|window| window == marker.as_bytes()).unwrap();
        body[at] = 0xff;
    }
    let admission = admit(Signal::Traces, Encoding::Protobuf, body.into(), &Limits::default()).unwrap();
    assert_eq!(admission.refused, [(Reason::Utf8, 3)]);
    assert_eq!(names(&admission.accepted.unwrap()), ["span 1", "span 3"]);
}

#[test]
fn a_span_of_too_many_attributes_is_refused_and_a_resource_too() {
    let attributes = |count: usize| vec![attribute("k", Value::IntValue(1)); count];
    let mut bad = span(2);
    bad.attributes = attributes(100_000);
    let mut most = span(1);
    most.attributes = attributes(1024);
    let admission = take(&request_of(vec![most, bad]));
    assert_eq!(admission.refused, [(Reason::Attributes, 1)]);
    let mut request = some_traces(4);
    request.resource_spans[0].resource.get_or_insert_default().attributes = attributes(1025);
    let admission = take(&request);
    assert_eq!(admission.refused, [(Reason::Attributes, 4)]);
    assert!(admission.accepted.is_none());
}

#[test]
fn values_nested_too_deep_are_refused_however_deep() {
    let nested = |depth: usize| {
        let mut value = AnyValue { value: Some(Value::IntValue(1)) }.encode_to_vec();
        for _ in 0..depth {
            let wrap = |tag: u8, inner: &[u8]| {
                let mut out = vec![tag];
                prost::encoding::encode_varint(inner.len() as u64, &mut out);
                out.extend_from_slice(inner);
                out
            };
            value = wrap(0x2a, &wrap(0x0a, &value));
        }
        value
    };
    let span_of = |value: &[u8]| {
        let mut raw = span(1).encode_to_vec();
        let mut key_value = vec![0x12];
        prost::encoding::encode_varint(value.len() as u64, &mut key_value);
        key_value.extend_from_slice(value);
        raw.push(0x4a);
        prost::encoding::encode_varint(key_value.len() as u64, &mut raw);
        raw.extend_from_slice(&key_value);
        let mut body = raw;
        for tag in [0x12, 0x12, 0x0a] {
            let mut out = vec![tag];
            prost::encoding::encode_varint(body.len() as u64, &mut out);
            out.extend_from_slice(&body);
            body = out;
        }
        Bytes::from(body)
    };
    for (depth, refused) in [(63, vec![]), (64, vec![(Reason::Depth, 1)]), (20_000, vec![(Reason::Depth, 1)])] {
        let body = span_of(&nested(depth));
        let admission = admit(Signal::Traces, Encoding::Protobuf, body, &Limits::default()).unwrap();
        assert_eq!(admission.refused, refused, "{depth}");
    }
}

/// One document of each signal, with everything that is easily lost.
const SPAN: &str = r#"{"resourceSpans":[{"schemaUrl":"r1","resource":{"droppedAttributesCount":1},"scopeSpans":[{
    "schemaUrl":"s1","scope":{"name":"n","version":"v","droppedAttributesCount":2},"spans":[{
    "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","traceState":"a=b","flags":257,
    "droppedAttributesCount":3,"droppedEventsCount":4,"droppedLinksCount":5,
    "events":[{"name":"e","droppedAttributesCount":6}],
    "links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","traceState":"c=d",
              "flags":1,"droppedAttributesCount":7}]}]}]}]}"#;
const POINT: &str = r#"{"resourceMetrics":[{"schemaUrl":"r2","scopeMetrics":[{"schemaUrl":"s2","metrics":[{
    "name":"m","unit":"s","description":"d","metadata":[{"key":"k","value":{"stringValue":"v"}}],
    "gauge":{"dataPoints":[{"timeUnixNano":"9","startTimeUnixNano":"8","flags":1}]}}]}]}]}"#;
const LOG: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"ev","flags":1,
    "droppedAttributesCount":2,"observedTimeUnixNano":"3","severityNumber":9,"severityText":"Info"}]}]}]}"#;

#[test]
fn point_41_flags_schemas_dropped_counts_metadata_no_value_and_event_names_are_kept() {
    let body = |signal, json: &str| {
        let json = Bytes::copy_from_slice(json.as_bytes());
        admit(signal, Encoding::Json, json, &Limits::default()).unwrap().accepted.unwrap().body
    };
    let mut seen = 0;
    traces::each_span(&body(Signal::Traces, SPAN), |resource, scope, span| {
        assert_eq!((resource.schema_url, resource.dropped_attributes()), ("r1", 1));
        assert_eq!((scope.schema_url, scope.name, scope.version, scope.dropped_attributes()), ("s1", "n", "v", 2));
        assert_eq!((span.flags, span.trace_state), (257, "a=b"));
        assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (3, 4, 5));
        assert_eq!(span.events().next().unwrap().dropped_attributes, 6);
        let link = span.links().next().unwrap();
        assert_eq!((link.flags, link.trace_state, link.dropped_attributes), (1, "c=d", 7));
        seen += 1;
    })
    .unwrap();
    metrics::each_point(&body(Signal::Metrics, POINT), |resource, scope, metric, point| {
        assert_eq!((resource.schema_url, scope.schema_url), ("r2", "s2"));
        assert_eq!((metric.name, metric.unit, metric.description), ("m", "s", "d"));
        assert_eq!(metric.metadata().count(), 1);
        assert_eq!((point.flags(), point.time_ns(), point.start_ns()), (1, 9, 8));
        seen += 1;
    })
    .unwrap();
    logs::each_log(&body(Signal::Logs, LOG), |_, _, log| {
        assert_eq!((log.event_name, log.flags, log.dropped_attributes, log.observed_ns), ("ev", 1, 2, 3));
        assert_eq!((log.severity_number, log.severity_text), (9, "Info"));
        seen += 1;
    })
    .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn unknown_fields_survive_where_a_request_is_cut_and_where_it_is_not() {
    let mut body = request_of(vec![span(1), Span::default()]).encode_to_vec();
    body.extend_from_slice(&[0xfa, 0x07, 2, b'h', b'i']);
    let admission = admit(Signal::Traces, Encoding::Protobuf, body.into(), &Limits::default()).unwrap();
    assert_eq!(admission.refused, [(Reason::TraceId, 1)]);
    let accepted = admission.accepted.unwrap();
    assert!(accepted.body.ends_with(&[0xfa, 0x07, 2, b'h', b'i']));
    assert_eq!(names(&accepted), ["span 1"]);
}
