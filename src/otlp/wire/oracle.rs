//! The views against prost: both must read the same out of the same request.
#![allow(clippy::unwrap_used, reason = "an oracle that finds a difference stops")]

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1 as pm;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::logs::{LogView, each_log};
use super::metrics::{PointView, each_point};
use super::points::{Exemplars, Number};
use super::traces::{SpanView, each_span};
use super::{Attributes, Nested, nested};
use crate::model::Signal;
use crate::otlp::value::AttrValue;

#[cfg(test)]
mod tests;

/// Reads a request by both and stops at the first difference; returns how many items there were.
pub(crate) fn compare(signal: Signal, body: &[u8]) -> usize {
    match signal {
        Signal::Traces => compare_traces(body),
        Signal::Metrics => compare_metrics(body),
        Signal::Logs => compare_logs(body),
    }
}

/// The request as prost writes it: nothing unknown, no singular message twice.
pub(crate) fn canonical(signal: Signal, body: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    Ok(match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(body)?.encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(body)?.encode_to_vec(),
        Signal::Logs => ExportLogsServiceRequest::decode(body)?.encode_to_vec(),
    })
}

fn value_of(value: AttrValue<'_>) -> Option<Value> {
    Some(match value {
        AttrValue::Empty => return None,
        AttrValue::Str(text) => Value::StringValue(text.to_owned()),
        AttrValue::Bool(value) => Value::BoolValue(value),
        AttrValue::Int(value) => Value::IntValue(value),
        AttrValue::Double(value) => Value::DoubleValue(value),
        AttrValue::Bytes(bytes) => Value::BytesValue(bytes.to_vec()),
        AttrValue::Nested(raw) => match nested(raw).unwrap() {
            Nested::Array(array) => {
                let values = array.map(|value| AnyValue { value: value_of(value) }).collect();
                Value::ArrayValue(ArrayValue { values })
            }
            Nested::Map(map) => Value::KvlistValue(KeyValueList { values: attributes_of(map) }),
        },
    })
}

fn attributes_of(attributes: Attributes<'_>) -> Vec<KeyValue> {
    let key_value = |(key, value): (&str, AttrValue<'_>)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: value_of(value) }),
        ..KeyValue::default()
    };
    attributes.map(key_value).collect()
}

/// Compares by Debug text: NaN equals itself there. A value that is unset and one that is absent read alike.
fn assert_same_attributes(ours: Attributes<'_>, theirs: &[KeyValue]) {
    let mut theirs = theirs.to_vec();
    for attribute in &mut theirs {
        attribute.value.get_or_insert_with(AnyValue::default);
    }
    assert_eq!(format!("{:?}", attributes_of(ours)), format!("{theirs:?}"));
}

fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok().filter(|id| *id != [0; N])
}

fn assert_same_span(ours: &SpanView<'_>, theirs: &Span) {
    assert_eq!(ours.trace_id[..], theirs.trace_id[..]);
    assert_eq!(ours.span_id[..], theirs.span_id[..]);
    assert_eq!(ours.parent_span_id, id(&theirs.parent_span_id));
    assert_eq!((ours.name, ours.trace_state, ours.flags), (&*theirs.name, &*theirs.trace_state, theirs.flags));
    assert_eq!(i32::from(ours.kind), theirs.kind);
    assert_eq!((ours.start_ns, ours.end_ns), (theirs.start_time_unix_nano, theirs.end_time_unix_nano));
    let status = theirs.status.clone().unwrap_or_default();
    assert_eq!((i32::from(ours.status), ours.status_message), (status.code, &*status.message));
    assert_eq!(
        (ours.dropped_attributes, ours.dropped_events, ours.dropped_links),
        (theirs.dropped_attributes_count, theirs.dropped_events_count, theirs.dropped_links_count)
    );
    assert_same_attributes(ours.attributes(), &theirs.attributes);
    assert_eq!(ours.events().count(), theirs.events.len());
    for (ours, theirs) in ours.events().zip(&theirs.events) {
        assert_eq!((ours.time_ns, ours.name), (theirs.time_unix_nano, &*theirs.name));
        assert_eq!(ours.dropped_attributes, theirs.dropped_attributes_count);
        assert_same_attributes(ours.attributes(), &theirs.attributes);
    }
    assert_eq!(ours.links().count(), theirs.links.len());
    for (ours, theirs) in ours.links().zip(&theirs.links) {
        assert_eq!((ours.trace_id, ours.span_id), (id(&theirs.trace_id), id(&theirs.span_id)));
        assert_eq!((ours.trace_state, ours.flags), (&*theirs.trace_state, theirs.flags));
        assert_eq!(ours.dropped_attributes, theirs.dropped_attributes_count);
        assert_same_attributes(ours.attributes(), &theirs.attributes);
    }
}

/// Spans whose ids the views refuse are left out on prost's side too.
fn compare_traces(body: &[u8]) -> usize {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut theirs = Vec::new();
    for block in &request.resource_spans {
        for scope in &block.scope_spans {
            theirs.extend(scope.spans.iter().map(|span| (block, scope, span)));
        }
    }
    if theirs.iter().any(|(_, _, span)| SpanView::parse(&span.encode_to_vec()).is_err()) {
        assert!(each_span(body, |_, _, _| ()).unwrap_err().is_item_level());
        return 0;
    }
    let mut theirs = theirs.into_iter();
    let mut count = 0;
    each_span(body, |resource, scope, ours| {
        let (their_block, their_scope, their_span) = theirs.next().unwrap();
        let their_resource = their_block.resource.clone().unwrap_or_default();
        assert_same_attributes(resource.attributes(), &their_resource.attributes);
        assert_eq!(resource.dropped_attributes(), their_resource.dropped_attributes_count);
        assert_eq!(resource.schema_url, their_block.schema_url);
        assert_same_scope(scope, their_scope.scope.as_ref());
        assert_eq!(scope.schema_url, their_scope.schema_url);
        assert_same_span(ours, their_span);
        count += 1;
    })
    .unwrap();
    assert!(theirs.next().is_none());
    count
}

fn assert_same_scope(ours: &super::Scope<'_>, theirs: Option<&InstrumentationScope>) {
    let theirs = theirs.cloned().unwrap_or_default();
    assert_eq!((ours.name, ours.version), (&*theirs.name, &*theirs.version));
    assert_eq!(ours.dropped_attributes(), theirs.dropped_attributes_count);
    assert_same_attributes(ours.attributes(), &theirs.attributes);
}

fn assert_same_log(ours: &LogView<'_>, theirs: &opentelemetry_proto::tonic::logs::v1::LogRecord) {
    assert_eq!((ours.time_ns, ours.observed_ns), (theirs.time_unix_nano, theirs.observed_time_unix_nano));
    assert_eq!((i32::from(ours.severity_number), ours.severity_text), (theirs.severity_number, &*theirs.severity_text));
    assert_eq!((ours.event_name, ours.flags), (&*theirs.event_name, theirs.flags));
    assert_eq!((ours.trace_id, ours.span_id), (id(&theirs.trace_id), id(&theirs.span_id)));
    assert_eq!(ours.dropped_attributes, theirs.dropped_attributes_count);
    let body = theirs.body.clone().and_then(|body| body.value);
    assert_eq!(format!("{:?}", value_of(ours.body)), format!("{body:?}"));
    assert_same_attributes(ours.attributes(), &theirs.attributes);
}

fn compare_logs(body: &[u8]) -> usize {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_logs.iter().flat_map(|block| &block.scope_logs);
    let mut theirs = scopes.flat_map(|scope| &scope.log_records);
    let mut count = 0;
    each_log(body, |_, _, ours| {
        assert_same_log(ours, theirs.next().unwrap());
        count += 1;
    })
    .unwrap();
    assert!(theirs.next().is_none());
    count
}

/// A point as text, in one form for both sides.
fn describe_ours(point: &PointView<'_>) -> String {
    let shape = match point {
        PointView::Number(point) => match point.value {
            None => "none".to_owned(),
            Some(Number::Int(value)) => format!("int {value}"),
            Some(Number::Double(value)) => format!("double {value:?}"),
        },
        PointView::Histogram(point) => {
            let (counts, bounds): (Vec<_>, Vec<_>) = (point.bucket_counts().collect(), point.bounds().collect());
            format!("{} {:?} {:?} {:?} {counts:?} {bounds:?}", point.count, point.sum, point.min, point.max)
        }
        PointView::Exponential(point) => {
            let side = |side: Option<super::points::Buckets<'_>>| {
                side.map(|buckets| (buckets.offset, buckets.counts().collect::<Vec<_>>()))
            };
            let (up, down) = (side(point.positive), side(point.negative));
            let (scale, zero, width) = (point.scale, point.zero_count, point.zero_threshold);
            let range = (point.sum, point.min, point.max);
            format!("{} {range:?} {scale} {zero} {width:?} {up:?} {down:?}", point.count)
        }
        PointView::Summary(point) => {
            format!("{} {:?} {:?}", point.count, point.sum, point.quantiles().collect::<Vec<_>>())
        }
    };
    format!("{} {} {} {shape} {:?}", point.start_ns(), point.time_ns(), point.flags(), exemplars(point.exemplars()))
}

fn exemplars(exemplars: Exemplars<'_>) -> Vec<String> {
    exemplars
        .map(|exemplar| {
            let value = exemplar.value.map(|value| match value {
                Number::Int(value) => format!("int {value}"),
                Number::Double(value) => format!("double {value:?}"),
            });
            let attributes = attributes_of(exemplar.attributes());
            format!("{} {value:?} {:?} {:?} {attributes:?}", exemplar.time_ns, exemplar.trace_id, exemplar.span_id)
        })
        .collect()
}

fn their_exemplars(exemplars: &[pm::Exemplar]) -> Vec<String> {
    exemplars
        .iter()
        .map(|exemplar| {
            let value = exemplar.value.map(|value| match value {
                pm::exemplar::Value::AsInt(value) => format!("int {value}"),
                pm::exemplar::Value::AsDouble(value) => format!("double {value:?}"),
            });
            let (trace, span) = (id::<16>(&exemplar.trace_id), id::<8>(&exemplar.span_id));
            format!("{} {value:?} {trace:?} {span:?} {:?}", exemplar.time_unix_nano, exemplar.filtered_attributes)
        })
        .collect()
}

fn describe_number(p: &pm::NumberDataPoint) -> String {
    let shape = match p.value {
        None => "none".to_owned(),
        Some(pm::number_data_point::Value::AsInt(value)) => format!("int {value}"),
        Some(pm::number_data_point::Value::AsDouble(value)) => format!("double {value:?}"),
    };
    let exemplars = their_exemplars(&p.exemplars);
    format!("{} {} {} {shape} {exemplars:?}", p.start_time_unix_nano, p.time_unix_nano, p.flags)
}

fn describe_theirs(data: &pm::metric::Data) -> Vec<(String, Vec<KeyValue>)> {
    use pm::metric::Data;
    match data {
        Data::Gauge(pm::Gauge { data_points }) | Data::Sum(pm::Sum { data_points, .. }) => {
            data_points.iter().map(|p| (describe_number(p), p.attributes.clone())).collect()
        }
        Data::Histogram(histogram) => histogram.data_points.iter().map(describe_histogram).collect(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.iter().map(describe_exponential).collect(),
        Data::Summary(summary) => summary.data_points.iter().map(describe_summary).collect(),
    }
}

fn describe_histogram(p: &pm::HistogramDataPoint) -> (String, Vec<KeyValue>) {
    let (counts, bounds) = (&p.bucket_counts, &p.explicit_bounds);
    let shape = format!("{} {:?} {:?} {:?} {counts:?} {bounds:?}", p.count, p.sum, p.min, p.max);
    let exemplars = their_exemplars(&p.exemplars);
    (format!("{} {} {} {shape} {exemplars:?}", p.start_time_unix_nano, p.time_unix_nano, p.flags), p.attributes.clone())
}

fn describe_exponential(p: &pm::ExponentialHistogramDataPoint) -> (String, Vec<KeyValue>) {
    let side = |side: &Option<pm::exponential_histogram_data_point::Buckets>| {
        side.clone().map(|buckets| (buckets.offset, buckets.bucket_counts))
    };
    let (up, down) = (side(&p.positive), side(&p.negative));
    let (scale, zero, width) = (p.scale, p.zero_count, p.zero_threshold);
    let range = (p.sum, p.min, p.max);
    let shape = format!("{} {range:?} {scale} {zero} {width:?} {up:?} {down:?}", p.count);
    let exemplars = their_exemplars(&p.exemplars);
    (format!("{} {} {} {shape} {exemplars:?}", p.start_time_unix_nano, p.time_unix_nano, p.flags), p.attributes.clone())
}

fn describe_summary(p: &pm::SummaryDataPoint) -> (String, Vec<KeyValue>) {
    let quantiles: Vec<_> = p.quantile_values.iter().map(|at| (at.quantile, at.value)).collect();
    let shape = format!("{} {:?} {quantiles:?}", p.count, p.sum);
    (format!("{} {} {} {shape} []", p.start_time_unix_nano, p.time_unix_nano, p.flags), p.attributes.clone())
}

fn compare_metrics(body: &[u8]) -> usize {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_metrics.iter().flat_map(|block| &block.scope_metrics);
    let mut theirs = scopes.flat_map(|scope| &scope.metrics).flat_map(|metric| {
        let points = metric.data.as_ref().map(describe_theirs).unwrap_or_default();
        points.into_iter().map(move |point| (metric, point))
    });
    let mut count = 0;
    each_point(body, |_, _, metric, ours| {
        let (their_metric, (shape, attributes)) = theirs.next().unwrap();
        assert_eq!((metric.name, metric.unit), (&*their_metric.name, &*their_metric.unit));
        assert_eq!(metric.description, their_metric.description);
        assert_same_attributes(metric.metadata(), &their_metric.metadata);
        let (temporality, monotonic) = match their_metric.data.as_ref().unwrap() {
            pm::metric::Data::Sum(sum) => (sum.aggregation_temporality, sum.is_monotonic),
            pm::metric::Data::Histogram(histogram) => (histogram.aggregation_temporality, false),
            pm::metric::Data::ExponentialHistogram(histogram) => (histogram.aggregation_temporality, false),
            _ => (0, false),
        };
        assert_eq!((i32::from(metric.temporality), metric.monotonic), (temporality, monotonic));
        assert_eq!(describe_ours(ours), shape);
        assert_same_attributes(ours.attributes(), &attributes);
        count += 1;
    })
    .unwrap();
    assert!(theirs.next().is_none());
    count
}
