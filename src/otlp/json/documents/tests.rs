//! What is cut holds what it held as a whole.

use std::io::Cursor;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::otlp::door::{Encoding, Limits, admit};

fn read(text: &str, piece_bytes_max: u64) -> Result<Vec<(u64, Document)>, DocumentError> {
    let mut found = Vec::new();
    read_in_pieces(Cursor::new(text.as_bytes()), piece_bytes_max, &mut |at, document| {
        found.push((at, document));
        Ok::<(), DocumentError>(())
    })?;
    Ok(found)
}

/// Protobuf of each piece that has an item, as the door lets it in.
fn bodies(text: &str, piece_bytes_max: u64) -> Vec<Bytes> {
    let found = read(text, piece_bytes_max).unwrap();
    let body = |(_, document): (u64, Document)| {
        let Document::Telemetry(signal, text) = document else { panic!("{document:?}") };
        let admitted = admit(signal, Encoding::Json, text, &Limits::default()).unwrap();
        assert_eq!(admitted.refused_count(), 0);
        admitted.accepted.map(|accepted| accepted.body)
    };
    found.into_iter().filter_map(body).collect()
}

fn span(name: &str) -> Value {
    json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": name})
}

fn resource(name: &str) -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": name}}]})
}

/// Each span with its resource, its scope and their schemas.
fn told(bodies: &[Bytes]) -> Vec<String> {
    let mut told = Vec::new();
    for body in bodies {
        for block in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
            for scope in block.scope_spans {
                let name = scope.scope.unwrap_or_default().name;
                let around = format!("{:?} {} {name} {}", block.resource, block.schema_url, scope.schema_url);
                told.extend(scope.spans.iter().map(|span| format!("{around} {}", span.name)));
            }
        }
    }
    told
}

fn traces() -> String {
    let spans = |count: usize| (0..count).map(|at| span(&format!("s{at}"))).collect::<Vec<_>>();
    // What stands around the spans stands before them, behind them, and is missing.
    let first = format!(
        r#"{{"resource": {}, "scopeSpans": [{}, {{"spans": [], "scope": {{"name": "none"}}}}], "schemaUrl": "r", "x": [1]}}"#,
        resource("one"),
        json!({"spans": spans(40), "scope": {"name": "app"}, "schemaUrl": "s"}),
    );
    let second = json!({"scopeSpans": [{"spans": spans(3)}, {"spans": spans(30)}], "resource": null});
    let last = json!({"resource": resource("two"), "scopeSpans": [{"spans": [span("last")]}]});
    format!("{{\"y\": {{}}, \"resourceSpans\": [{first}, {second}, {last}]}}")
}

#[test]
fn pieces_hold_every_span_once_in_order_with_what_stands_around_it() {
    let text = traces();
    let whole = told(&bodies(&text, u64::MAX));
    assert_eq!(whole.len(), 74);
    for piece in [150, 300, 1_000, 5_000] {
        let pieces = bodies(&text, piece);
        assert!(pieces.len() > 1, "{piece}");
        assert_eq!(told(&pieces), whole, "{piece}");
    }
}

#[test]
fn pieces_are_as_long_as_they_may_be_and_what_stands_around_them() {
    for (_, document) in read(&traces(), 1_000).unwrap() {
        let Document::Telemetry(_, text) = document else { panic!("telemetry") };
        assert!(text.len() < 1_000 + 300, "{}", text.len());
    }
}

#[test]
fn a_metric_is_cut_between_its_points_and_keeps_its_temporality() {
    let points: Vec<Value> = (1..50).map(|at| json!({"timeUnixNano": at.to_string(), "asInt": "1"})).collect();
    let sum = json!({"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true});
    let metrics = json!([{"name": "m", "sum": sum, "unit": "By"}, {"name": "g", "gauge": {"dataPoints": points}}]);
    let text = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).to_string();
    let told = |piece| {
        let mut told = Vec::new();
        for body in bodies(&text, piece) {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            for metric in request.resource_metrics.into_iter().flat_map(|r| r.scope_metrics).flat_map(|s| s.metrics) {
                let (points, kind) = match metric.data.unwrap() {
                    Data::Sum(sum) => (sum.data_points, sum.aggregation_temporality + i32::from(sum.is_monotonic)),
                    Data::Gauge(gauge) => (gauge.data_points, 0),
                    other => panic!("{other:?}"),
                };
                let name = format!("{} {} {kind}", metric.name, metric.unit);
                told.extend(points.iter().map(|point| format!("{name} {}", point.time_unix_nano)));
            }
        }
        told
    };
    assert_eq!(told(u64::MAX).len(), 98);
    assert_eq!(told(200), told(u64::MAX));
}

#[test]
fn documents_arrays_of_them_and_what_is_none_come_with_their_places() {
    let logs = r#"{"resourceLogs": []}"#;
    let text = format!("{logs}\n[{logs}, 7, {{\"a\": 1}}]\n\"x\"");
    let found = read(&text, 1_000).unwrap();
    let places: Vec<u64> = found.iter().map(|(at, _)| *at).collect();
    assert_eq!(places, [0, 22, 44, 47, 57]);
    assert_eq!(found[1].1, Document::Telemetry(Signal::Logs, logs.into()));
    assert_eq!(found[3].1, Document::Other(r#"{"a": 1}"#.into()));
    assert_eq!(read(" \n", 1_000).unwrap(), []);
}

#[test]
fn of_a_broken_document_nothing_goes_on_and_the_byte_is_named() {
    let whole = traces();
    let mut told = 0;
    let text = format!("{whole}\n{}", &whole[..whole.len() - 2]);
    let outcome = read_in_pieces(Cursor::new(text.as_bytes()), 300, &mut |at, _| {
        assert!(at < whole.len() as u64, "nothing of the second");
        told += 1;
        Ok::<(), DocumentError>(())
    });
    assert!(told > 10, "the first is whole");
    let said = outcome.unwrap_err().to_string();
    assert_eq!(said, format!("not JSON: expected a comma or a closing bracket at byte {}", text.len()));
    let said = read("{\"resourceSpans\": [tru]}", 1_000).unwrap_err().to_string();
    assert_eq!(said, "not JSON: expected a value at byte 22");
}

#[test]
fn a_block_of_another_shape_is_left_to_the_door() {
    let text = json!({"resourceSpans": [{"scopeSpans": 5, "schemaUrl": "x".repeat(400)}, {"scopeSpans": [
        {"spans": [span("a"), 7, span(&"b".repeat(400))]}]}]})
    .to_string();
    let found = read(&text, 200).unwrap();
    let mut items = (0, 0);
    for (_, document) in found {
        let Document::Telemetry(signal, text) = document else { panic!("{document:?}") };
        let admitted = admit(signal, Encoding::Json, text, &Limits::default()).unwrap();
        items.0 += admitted.accepted.as_ref().map_or(0, |accepted| accepted.items);
        items.1 += admitted.refused_count();
    }
    assert_eq!(items, (2, 1));
}

/// Makes a document of any length as it is read, and keeps nothing of it.
struct Endless {
    at: u64,
    length: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"0"}}"#;
        let item = br#",{"body":{"stringValue":"a line of a log"}}"#;
        let tail = b"]}]}]}";
        let items = (self.length / item.len() as u64) * item.len() as u64;
        let mut count = 0;
        for slot in buffer {
            let at = self.at;
            let byte = match at.checked_sub(head.len() as u64) {
                None => head[at as usize],
                Some(at) if at < items => item[(at % item.len() as u64) as usize],
                Some(at) => match tail.get((at - items) as usize) {
                    Some(byte) => *byte,
                    None => break,
                },
            };
            *slot = byte;
            self.at += 1;
            count += 1;
        }
        Ok(count)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let io::SeekFrom::Start(at) = to else { panic!("{to:?}") };
        self.at = at;
        Ok(at)
    }
}

#[test]
fn a_document_that_is_never_whole_in_memory_comes_in_requests_of_bounded_length() {
    let length = 9 << 20;
    let (mut pieces, mut bytes, mut longest) = (0_u64, 0_u64, 0);
    read_documents(Endless { at: 0, length }, |_, document| {
        let Document::Telemetry(Signal::Logs, text) = document else { panic!("logs") };
        (pieces, bytes, longest) = (pieces + 1, bytes + text.len() as u64, longest.max(text.len()));
        Ok::<(), DocumentError>(())
    })
    .unwrap();
    assert!(pieces >= 4 && longest < 3 << 20, "{pieces} pieces of up to {longest} bytes");
    assert!(bytes > length - (1 << 20));
}
