//! Walks an export request and covers every text that may be a name.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::{DecodeError, Message};
use serde_json::Value;

use super::Veil;
use super::text::veil;
use crate::model::Signal;
use crate::otlp::conventions::document;
use crate::otlp::history::HISTORY_SCOPE;

/// Longer JSON text is covered as text, bytes.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// The request again, covered.
pub(super) fn cover(with: &Veil, signal: Signal, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Ok(match signal {
        Signal::Traces => {
            let mut request = ExportTraceServiceRequest::decode(body)?;
            for part in &mut request.resource_spans {
                resource(with, part.resource.as_mut());
                for part in &mut part.scope_spans {
                    // The ids of imported history are made of names, without a key: whoever guesses could tell.
                    let is_history = part.scope.as_ref().is_some_and(|scope| scope.name == HISTORY_SCOPE);
                    scope(with, part.scope.as_mut());
                    for one in &mut part.spans {
                        span(with, one);
                        if is_history {
                            one.trace_id = with.key.hash(&one.trace_id)[..16].to_vec();
                            one.span_id = with.key.hash(&one.span_id)[..8].to_vec();
                        }
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Metrics => {
            let mut request = ExportMetricsServiceRequest::decode(body)?;
            for part in &mut request.resource_metrics {
                resource(with, part.resource.as_mut());
                for part in &mut part.scope_metrics {
                    scope(with, part.scope.as_mut());
                    part.metrics.iter_mut().for_each(|one| metric(with, one));
                }
            }
            request.encode_to_vec()
        }
        Signal::Logs => {
            let mut request = ExportLogsServiceRequest::decode(body)?;
            for part in &mut request.resource_logs {
                resource(with, part.resource.as_mut());
                for part in &mut part.scope_logs {
                    scope(with, part.scope.as_mut());
                    for record in &mut part.log_records {
                        event_name(with, &mut record.event_name);
                        attributes(with, &mut record.attributes);
                        record.body.iter_mut().for_each(|body| value(with, "", body));
                    }
                }
            }
            request.encode_to_vec()
        }
    })
}

fn resource(with: &Veil, resource: Option<&mut Resource>) {
    if let Some(resource) = resource {
        attributes(with, &mut resource.attributes);
    }
}

fn scope(with: &Veil, scope: Option<&mut InstrumentationScope>) {
    if let Some(scope) = scope {
        if !with.rules.readable().is_scope(&scope.name) {
            scope.name = veil(&with.key, &scope.name);
        }
        attributes(with, &mut scope.attributes);
    }
}

fn span(with: &Veil, span: &mut Span) {
    let (head, middle, tail) = with.rules.readable().split_name(&span.name);
    span.name = format!("{head}{}{tail}", veil(&with.key, middle));
    // Vendors' own; nobody reads it here.
    span.trace_state.clear();
    attributes(with, &mut span.attributes);
    if let Some(status) = &mut span.status {
        status.message = veil(&with.key, &status.message);
    }
    for event in &mut span.events {
        event_name(with, &mut event.name);
        attributes(with, &mut event.attributes);
    }
    for link in &mut span.links {
        link.trace_state.clear();
        attributes(with, &mut link.attributes);
    }
}

fn event_name(with: &Veil, name: &mut String) {
    if !with.rules.readable().is_event(name) {
        *name = veil(&with.key, name);
    }
}

fn metric(with: &Veil, metric: &mut Metric) {
    if !with.rules.readable().is_metric(&metric.name) {
        metric.name = veil(&with.key, &metric.name);
    }
    metric.description.clear();
    attributes(with, &mut metric.metadata);
    macro_rules! points {
        ($points:expr) => {
            for point in $points {
                attributes(with, &mut point.attributes);
                exemplars(with, &mut point.exemplars);
            }
        };
    }
    match &mut metric.data {
        Some(Data::Gauge(data)) => points!(&mut data.data_points),
        Some(Data::Sum(data)) => points!(&mut data.data_points),
        Some(Data::Histogram(data)) => points!(&mut data.data_points),
        Some(Data::ExponentialHistogram(data)) => points!(&mut data.data_points),
        Some(Data::Summary(data)) => {
            data.data_points.iter_mut().for_each(|point| attributes(with, &mut point.attributes));
        }
        None => {}
    }
}

fn exemplars(with: &Veil, list: &mut [Exemplar]) {
    list.iter_mut().for_each(|one| attributes(with, &mut one.filtered_attributes));
}

fn attributes(with: &Veil, list: &mut [KeyValue]) {
    for pair in list {
        if let Some(found) = &mut pair.value {
            value(with, &pair.key, found);
        }
    }
}

fn value(with: &Veil, key: &str, found: &mut AnyValue) {
    match &mut found.value {
        Some(Any::StringValue(text)) => {
            if let Some(covered) = covered(with, key, text) {
                *text = covered;
            }
        }
        Some(Any::BytesValue(bytes)) => *bytes = with.key.hash(bytes)[..16].to_vec(),
        Some(Any::ArrayValue(array)) => array.values.iter_mut().for_each(|one| value(with, key, one)),
        Some(Any::KvlistValue(list)) => attributes(with, &mut list.values),
        _ => {}
    }
}

/// What stands for a text; `None` where it may stay.
fn covered(with: &Veil, key: &str, text: &str) -> Option<String> {
    let readable = with.rules.readable();
    if readable.is_key(key) || readable.is_word(key, text) || text.trim().parse::<f64>().is_ok() {
        return None;
    }
    let is_json =
        matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"')) && text.len() <= JSON_BYTES_MAX;
    match is_json.then(|| document(text)).flatten() {
        Some(mut found) => {
            json(with, key, &mut found);
            Some(found.to_string())
        }
        None => Some(veil(&with.key, text)),
    }
}

fn json(with: &Veil, key: &str, found: &mut Value) {
    match found {
        Value::String(text) => {
            if let Some(covered) = covered(with, key, text) {
                *text = covered;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| json(with, key, item)),
        Value::Object(map) => {
            *map = std::mem::take(map)
                .into_iter()
                .map(|(name, mut value)| {
                    json(with, &name, &mut value);
                    let name = if with.rules.readable().is_json_key(&name) { name } else { veil(&with.key, &name) };
                    (name, value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
