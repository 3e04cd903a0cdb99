//! Cuts a request in two where it is too large for whom it goes to, without decoding its items.

use bytes::Bytes;

use super::check::{child_of, close, items_below, open};
use super::schema::{Message, Role, request};
use super::wire::Cursor;
use crate::model::Signal;

/// Spans, points or records in a request that the door has let in.
#[must_use]
pub fn count_items(signal: Signal, body: &[u8]) -> u64 {
    items_below(request(signal), body).unwrap_or(0)
}

/// Two requests that together hold what one held, each about half as long: blocks are dealt out, and what stands
/// around them (resource, scope, a metric's name) is repeated. `None` where there is only one item.
#[must_use]
pub fn halve(signal: Signal, body: &[u8]) -> Option<[Bytes; 2]> {
    let (mut first, mut second) = (Vec::with_capacity(body.len()), Vec::with_capacity(body.len()));
    halve_into(request(signal), body, &mut first, &mut second)?;
    Some([first.into(), second.into()])
}

fn halve_into(message: &'static Message, raw: &[u8], first: &mut Vec<u8>, second: &mut Vec<u8>) -> Option<()> {
    let (count, bytes) = children(message, raw)?;
    let mut cursor = Cursor::new(raw);
    let (mut start, mut dealt, mut dealt_bytes) = (0, 0, 0);
    while let Some((number, field)) = cursor.field().ok()? {
        let end = raw.len() - cursor.remaining();
        let whole = raw.get(start..end)?;
        start = end;
        match child_of(message, number, field) {
            // Last of several wins in both halves, as it did in one.
            None => {
                first.extend_from_slice(whole);
                second.extend_from_slice(whole);
            }
            Some((child, inner)) if count == 1 => {
                if child.role == Role::Item {
                    return None;
                }
                let (one, other) = (open(first, number), open(second, number));
                halve_into(child, inner, first, second)?;
                close(first, one);
                close(second, other);
            }
            Some((_, inner)) => {
                // The first always goes here, the last always there: neither half is empty.
                let here = dealt == 0 || (dealt + 1 < count && dealt_bytes + inner.len() / 2 < bytes / 2);
                if here { &mut *first } else { &mut *second }.extend_from_slice(whole);
                dealt += 1;
                dealt_bytes += inner.len();
            }
        }
    }
    (count > 0).then_some(())
}

/// How many blocks or items a message holds, and their bytes.
fn children(message: &'static Message, raw: &[u8]) -> Option<(usize, usize)> {
    let (mut count, mut bytes) = (0, 0);
    let mut cursor = Cursor::new(raw);
    while let Some((number, field)) = cursor.field().ok()? {
        if let Some((_, inner)) = child_of(message, number, field) {
            count += 1;
            bytes += inner.len();
        }
    }
    Some((count, bytes))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    fn resource(name: &str) -> Option<Resource> {
        let value = Some(AnyValue { value: Some(Value::StringValue(name.to_owned())) });
        let attribute = KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() };
        Some(Resource { attributes: vec![attribute], ..Resource::default() })
    }

    fn spans(names: &[&str]) -> ScopeSpans {
        let span = |name: &&str| Span { name: (*name).to_owned(), ..Span::default() };
        ScopeSpans { spans: names.iter().map(span).collect(), schema_url: "s".to_owned(), ..ScopeSpans::default() }
    }

    /// Halves until nothing can be halved; each piece is decoded by prost.
    fn pieces(signal: Signal, body: Bytes, out: &mut Vec<Bytes>) {
        match halve(signal, &body) {
            None => out.push(body),
            Some(halves) => {
                let items: u64 = halves.iter().map(|half| count_items(signal, half)).sum();
                assert_eq!(items, count_items(signal, &body), "no item is lost or doubled");
                assert!(halves.iter().all(|half| count_items(signal, half) > 0));
                halves.into_iter().for_each(|half| pieces(signal, half, out));
            }
        }
    }

    #[test]
    fn a_request_falls_into_single_spans_that_keep_what_stands_around_them() {
        let block =
            |name: &str, scopes| ResourceSpans { resource: resource(name), scope_spans: scopes, ..Default::default() };
        let blocks = vec![
            block("a", vec![spans(&["1", "2", "3"]), spans(&["4"])]),
            block("b", vec![spans(&["5"])]),
            block("c", vec![spans(&["6", "7"])]),
        ];
        let body = ExportTraceServiceRequest { resource_spans: blocks }.encode_to_vec();
        let mut out = Vec::new();
        pieces(Signal::Traces, body.into(), &mut out);
        let told: Vec<String> = out
            .iter()
            .map(|piece| {
                let block = ExportTraceServiceRequest::decode(piece.clone()).unwrap().resource_spans.remove(0);
                assert_eq!(block.scope_spans[0].schema_url, "s");
                let Some(Value::StringValue(name)) =
                    block.resource.unwrap().attributes[0].value.as_ref().unwrap().value.clone()
                else {
                    panic!("a name")
                };
                format!("{name}{}", block.scope_spans[0].spans[0].name)
            })
            .collect();
        assert_eq!(told, ["a1", "a2", "a3", "a4", "b5", "c6", "c7"]);
    }

    #[test]
    fn a_metric_of_many_points_is_cut_between_its_points() {
        let point = |at| NumberDataPoint { time_unix_nano: at, ..NumberDataPoint::default() };
        let data = Some(Data::Gauge(Gauge { data_points: (1..=5).map(point).collect() }));
        let metric = Metric { name: "m".to_owned(), unit: "By".to_owned(), data, ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let block = ResourceMetrics { resource: resource("a"), scope_metrics: vec![scope], ..Default::default() };
        let body = ExportMetricsServiceRequest { resource_metrics: vec![block] }.encode_to_vec();
        let mut out = Vec::new();
        pieces(Signal::Metrics, body.into(), &mut out);
        assert_eq!(out.len(), 5);
        for piece in out {
            let request = ExportMetricsServiceRequest::decode(piece).unwrap();
            let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
            assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("m", "By"));
        }
    }

    #[test]
    fn one_item_and_no_item_cannot_be_halved() {
        let block = ResourceSpans { scope_spans: vec![spans(&["1"])], ..ResourceSpans::default() };
        let body = ExportTraceServiceRequest { resource_spans: vec![block] }.encode_to_vec();
        assert_eq!(halve(Signal::Traces, &body), None);
        assert_eq!(halve(Signal::Traces, b""), None);
        assert_eq!(halve(Signal::Traces, b"\x0a\xff"), None);
    }
}
