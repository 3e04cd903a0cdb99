//! Points 30 to 36: OTLP/JSON as it is written, and as it is met.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::Span;
use perfline::model::Signal;
use perfline::otlp::door::{Admission, DoorError, Encoding, Limits, Reason, admit, strict_signal};
use prost::Message as _;

use crate::harness::door;

fn take(signal: Signal, json: &str) -> Admission {
    admit(signal, Encoding::Json, Bytes::copy_from_slice(json.as_bytes()), &Limits::default()).unwrap()
}

/// Spans of a document whose spans are given as JSON.
fn spans(json: &str) -> Admission {
    take(Signal::Traces, &format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{json}]}}]}}]}}"#))
}

fn first_span(admission: &Admission) -> Span {
    let body = &admission.accepted.as_ref().unwrap_or_else(|| panic!("{admission:?}")).body;
    ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans[0].scope_spans[0].spans[0].clone()
}

/// A span with valid ids and more fields.
fn span_with(fields: &str) -> String {
    format!(r#"{{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",{fields}}}"#)
}

fn value_of(json: &str) -> Option<Value> {
    let span = spans(&span_with(&format!(r#""attributes":[{{"key":"k","value":{json}}}]"#)));
    first_span(&span).attributes[0].value.clone().unwrap_or_default().value
}

#[test]
fn point_30_ids_are_hex_in_either_case() {
    let upper = r#"{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","parentSpanId":""}"#;
    let span = first_span(&spans(upper));
    assert_eq!(span, first_span(&spans(&span_with(r#""parentSpanId":null"#))));
    assert_eq!(span.trace_id[..3], [0x5b, 0x8e, 0xff]);
    let base64 = r#"{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ="}"#;
    assert_eq!(spans(base64).refused, [(Reason::TraceId, 1)]);
}

#[test]
fn point_31_enums_are_numbers_and_names_only_behind_the_switch() {
    assert_eq!(first_span(&spans(&span_with(r#""kind":3,"status":{"code":2}"#))).kind, 3);
    let named = span_with(r#""kind":"SPAN_KIND_CLIENT","status":{"code":"STATUS_CODE_ERROR"}"#);
    assert_eq!(spans(&named).refused, [(Reason::EnumName, 1)]);
    let lenient = Limits { lenient_enum_names: true, ..Limits::default() };
    let document = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{named}]}}]}}]}}"#);
    let admission = admit(Signal::Traces, Encoding::Json, document.into(), &lenient).unwrap();
    assert_eq!((admission.enum_names, admission.refused.len()), (2, 0));
    let span = first_span(&admission);
    assert_eq!((span.kind, span.status.unwrap().code), (3, 2));
}

#[test]
fn point_32_unknown_fields_are_ignored_at_every_depth() {
    let unknown = r#""future":{"a":[1,{"b":null}]}"#;
    let span = format!(
        r#"{{{unknown},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
            "attributes":[{{"key":"k",{unknown},"value":{{"stringValue":"v",{unknown}}}}}],
            "events":[{{"name":"e",{unknown}}}],"status":{{{unknown},"code":1}}}}"#
    );
    let document = format!(
        r#"{{{unknown},"resourceSpans":[{{{unknown},"resource":{{{unknown}}},
            "scopeSpans":[{{{unknown},"scope":{{"name":"s",{unknown}}},"spans":[{span}]}}]}}]}}"#
    );
    let admission = take(Signal::Traces, &document);
    let span = first_span(&admission);
    assert_eq!((span.attributes.len(), &*span.events[0].name, span.status.unwrap().code), (1, "e", 1));
    assert_eq!(admission.refused, []);
}

#[test]
fn point_33_names_are_lower_camel_case_and_others_are_unknown() {
    let span = first_span(&spans(&span_with(r#""start_time_unix_nano":"5","startTimeUnixNano":"7","Name":"x""#)));
    assert_eq!((span.start_time_unix_nano, &*span.name), (7, ""));
}

#[test]
fn point_34_64_bit_integers_are_text_or_numbers() {
    for time in ["1790000000123456789", "\"1790000000123456789\""] {
        let span = first_span(&spans(&span_with(&format!(r#""startTimeUnixNano":{time}"#))));
        assert_eq!(span.start_time_unix_nano, 1_790_000_000_123_456_789);
    }
    assert_eq!(value_of(r#"{"intValue":"-9223372036854775808"}"#), Some(Value::IntValue(i64::MIN)));
    assert_eq!(value_of(r#"{"intValue":-5}"#), Some(Value::IntValue(-5)));
    assert_eq!(spans(&span_with(r#""startTimeUnixNano":-1"#)).refused, [(Reason::Value, 1)]);
    assert_eq!(spans(&span_with(r#""startTimeUnixNano":"18446744073709551616""#)).refused, [(Reason::Value, 1)]);
}

#[test]
fn point_35_numbers_with_names_quoted_numbers_both_base64_alphabets_and_null() {
    assert_eq!(value_of(r#"{"doubleValue":"Infinity"}"#), Some(Value::DoubleValue(f64::INFINITY)));
    assert_eq!(value_of(r#"{"doubleValue":"-Infinity"}"#), Some(Value::DoubleValue(f64::NEG_INFINITY)));
    assert!(matches!(value_of(r#"{"doubleValue":"NaN"}"#), Some(Value::DoubleValue(nan)) if nan.is_nan()));
    assert_eq!(value_of(r#"{"doubleValue":"1.5"}"#), Some(Value::DoubleValue(1.5)));
    assert_eq!(value_of(r#"{"doubleValue":1}"#), Some(Value::DoubleValue(1.0)));
    assert_eq!(value_of(r#"{"bytesValue":"+/8="}"#), Some(Value::BytesValue(vec![0xfb, 0xff])));
    assert_eq!(value_of(r#"{"bytesValue":"-_8"}"#), Some(Value::BytesValue(vec![0xfb, 0xff])));
    assert_eq!(value_of("null"), None);
    assert_eq!(value_of("{}"), None);
    assert_eq!(value_of(r#"{"stringValue":""}"#), Some(Value::StringValue(String::new())));
    assert_eq!(value_of(r#"{"intValue":0}"#), Some(Value::IntValue(0)));
    assert!(matches!(value_of(r#"{"arrayValue":{}}"#), Some(Value::ArrayValue(array)) if array.values.is_empty()));
    assert!(matches!(value_of(r#"{"kvlistValue":{"values":null}}"#), Some(Value::KvlistValue(_))));
    let nulls = span_with(
        r#""attributes":null,"events":null,"links":null,"status":null,"name":null,"kind":null,
           "startTimeUnixNano":null,"flags":null,"droppedAttributesCount":"7""#,
    );
    let span = first_span(&spans(&nulls));
    assert_eq!((span.dropped_attributes_count, span.attributes.len(), &*span.name), (7, 0, ""));
    assert_eq!(take(Signal::Traces, r#"{"resourceSpans":null}"#).refused, []);
}

#[test]
fn metric_data_survives_what_makes_the_usual_decoder_lose_it() {
    let document = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"nan","gauge":{"dataPoints":[{"asDouble":"NaN","attributes":null}]}},
        {"name":"inf","sum":{"aggregationTemporality":"2","isMonotonic":true,"dataPoints":[{"asDouble":"Infinity"}]}},
        {"name":"zero","gauge":{"dataPoints":[{"asInt":"0","timeUnixNano":5}]}},
        {"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[
            {"count":"3","sum":"1.5","bucketCounts":["1",2],"explicitBounds":[0.5],"min":null,"max":2}]}},
        {"name":"bad","gauge":{"dataPoints":[{"asInt":1.5},{"asInt":2}]}}
    ]}]}]}"#;
    let admission = take(Signal::Metrics, document);
    assert_eq!(admission.refused, [(Reason::Value, 1)]);
    let accepted = admission.accepted.unwrap();
    assert_eq!(accepted.items, 5);
    let request = ExportMetricsServiceRequest::decode(&accepted.body[..]).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Gauge(gauge)) = &metrics[0].data else { panic!("{metrics:?}") };
    assert!(matches!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(nan)) if nan.is_nan()));
    let Some(Data::Sum(sum)) = &metrics[1].data else { panic!("{metrics:?}") };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    let Some(Data::Gauge(gauge)) = &metrics[2].data else { panic!("{metrics:?}") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsInt(0)));
    let Some(Data::Histogram(histogram)) = &metrics[3].data else { panic!("{metrics:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.min, point.max), (3, Some(1.5), None, Some(2.0)));
    assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[1, 2][..], &[0.5][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn point_36_success_is_an_empty_object() {
    let door = door().await;
    let document = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, span_with(r#""name":"x""#));
    let reply = door.json("/v1/traces", &document).await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"{}"[..]));
    assert_eq!(door.taken().len(), 1);
}

#[test]
fn a_bad_item_is_refused_alone_and_its_block_only_where_the_block_itself_is_bad() {
    let good = span_with(r#""name":"good""#);
    let bad = [
        (span_with(r#""name":5"#), Reason::Value),
        (span_with(r#""attributes":{}"#), Reason::Value),
        (span_with(r#""flags":4294967296"#), Reason::Value),
        (span_with(r#""attributes":[{"key":"k","value":{"bytesValue":"*"}}]"#), Reason::Value),
        (r#"{"traceId":"zz","spanId":"eee19b7ec3c1b174"}"#.to_owned(), Reason::TraceId),
        (r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"00"}"#.to_owned(), Reason::SpanId),
        ("null".to_owned(), Reason::TraceId),
        ("7".to_owned(), Reason::Value),
    ];
    for (bad, reason) in bad {
        let admission = spans(&format!("{good},{bad},{good}"));
        assert_eq!(admission.refused, [(reason, 1)], "{bad}");
        assert_eq!(admission.accepted.unwrap().items, 2, "{bad}");
    }
    let block = |resource: &str| format!(r#"{{"resource":{resource},"scopeSpans":[{{"spans":[{good},{good}]}}]}}"#);
    let document = format!(r#"{{"resourceSpans":[{},{}]}}"#, block("5"), block("null"));
    let admission = take(Signal::Traces, &document);
    assert_eq!(admission.refused, [(Reason::Value, 2)]);
    assert_eq!(admission.accepted.unwrap().items, 2);
}

#[test]
fn deep_nesting_is_refused_with_its_item_and_never_overflows_the_stack() {
    let nested = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        let close = "]}}".repeat(depth);
        span_with(&format!(r#""attributes":[{{"key":"k","value":{open}{{"intValue":1}}{close}}}]"#))
    };
    assert_eq!(spans(&nested(60)).refused, []);
    for depth in [65, 5_001, 200_000] {
        let admission = spans(&format!("{},{}", nested(depth), nested(1)));
        assert_eq!(admission.refused, [(Reason::Depth, 1)], "{depth}");
        assert_eq!(admission.accepted.unwrap().items, 1, "{depth}");
    }
    let bottomless = "{\"a\":".repeat(1_000_000);
    let outcome = admit(Signal::Logs, Encoding::Json, bottomless.into(), &Limits::default());
    assert!(matches!(outcome, Err(DoorError::Json { .. })));
}

fn fixtures(ending: &str) -> Vec<PathBuf> {
    let mut roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/otlp")];
    roots.extend(std::env::var_os("PERFLINE_FIXTURES").map(PathBuf::from));
    let folders = roots.iter().flat_map(|root| std::fs::read_dir(root).unwrap());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).into_iter().flatten());
    files.map(|file| file.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// Both bodies as text, so that NaN equals itself.
fn decoded(signal: Signal, body: &[u8]) -> String {
    match signal {
        Signal::Traces => format!("{:?}", ExportTraceServiceRequest::decode(body).unwrap()),
        Signal::Metrics => format!("{:?}", ExportMetricsServiceRequest::decode(body).unwrap()),
        Signal::Logs => format!("{:?}", ExportLogsServiceRequest::decode(body).unwrap()),
    }
}

#[test]
fn every_captured_document_becomes_the_protobuf_that_was_captured_beside_it() {
    let mut compared = 0;
    for signal in Signal::ALL {
        for path in fixtures(&format!("-{}.json", signal.as_str())) {
            let json = std::fs::read(&path).unwrap();
            let protobuf = std::fs::read(path.with_extension("pb")).unwrap();
            let limits = Limits::default();
            let ours = admit(signal, Encoding::Json, json.into(), &limits).unwrap();
            let theirs = admit(signal, Encoding::Protobuf, protobuf.into(), &limits).unwrap();
            assert_eq!(ours.refused, theirs.refused, "{path:?}");
            match (&ours.accepted, &theirs.accepted) {
                (Some(ours), Some(theirs)) => {
                    assert_eq!(decoded(signal, &ours.body), decoded(signal, &theirs.body), "{path:?}");
                    compared += 1;
                }
                (None, None) => {}
                _ => panic!("{path:?}"),
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn what_a_client_really_sent_as_json_is_taken() {
    let mut taken = 0;
    for signal in Signal::ALL {
        for path in fixtures(&format!("-{}.wire.json", signal.as_str())) {
            let body = std::fs::read(&path).unwrap();
            let admission = admit(signal, Encoding::Json, body.into(), &Limits::default());
            taken += u32::from(admission.is_ok_and(|admission| admission.accepted.is_some()));
        }
    }
    assert!(taken > 3, "{taken}");
}

#[test]
fn the_signal_of_every_captured_request_is_told_from_its_bytes() {
    let mut told = 0;
    for signal in Signal::ALL {
        for path in fixtures(&format!("-{}.pb", signal.as_str())) {
            let body = std::fs::read(&path).unwrap();
            let admission = admit(signal, Encoding::Protobuf, body.clone().into(), &Limits::default()).unwrap();
            let clean = admission.accepted.is_some() && admission.refused.is_empty();
            assert_eq!(strict_signal(&body), clean.then_some(signal), "{path:?}");
            told += u32::from(clean);
        }
    }
    assert!(told > 20, "{told}");
}

#[test]
fn the_signal_of_a_document_is_told_from_its_first_key() {
    use perfline::otlp::json::signal_of;
    assert_eq!(signal_of(br#"{"x":[1],"resourceLogs":[]}"#), Some(Signal::Logs));
    assert_eq!(signal_of(br#"{"resourceSpans":"#), Some(Signal::Traces));
    assert_eq!(signal_of(br#"{"x":1}"#), None);
    assert_eq!(signal_of(b"pipeline,run_id"), None);
}
