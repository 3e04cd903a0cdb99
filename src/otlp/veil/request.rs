//! Walks an export request and covers every text that may be a name.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::{DecodeError, Message};

use super::Veil;
use super::text::veil;
use super::value::{attributes, name, value};
use crate::model::Signal;
use crate::otlp::history::HISTORY_SCOPE;

/// Schemas of others than these may name their owner.
const SCHEMAS: &str = "https://opentelemetry.io/schemas/";
/// Words that loggers have for how bad it is, apart from a number behind them.
const SEVERITIES: [&str; 14] = [
    "trace",
    "verbose",
    "debug",
    "info",
    "information",
    "notice",
    "warn",
    "warning",
    "error",
    "err",
    "critical",
    "fatal",
    "alert",
    "emergency",
];

/// The request again, covered.
pub(super) fn cover(with: &Veil, signal: Signal, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Ok(match signal {
        Signal::Traces => {
            let mut request = ExportTraceServiceRequest::decode(body)?;
            for part in &mut request.resource_spans {
                resource(with, part.resource.as_mut(), &mut part.schema_url);
                for part in &mut part.scope_spans {
                    schema(with, &mut part.schema_url);
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
                resource(with, part.resource.as_mut(), &mut part.schema_url);
                for part in &mut part.scope_metrics {
                    schema(with, &mut part.schema_url);
                    scope(with, part.scope.as_mut());
                    part.metrics.iter_mut().for_each(|one| metric(with, one));
                }
            }
            request.encode_to_vec()
        }
        Signal::Logs => {
            let mut request = ExportLogsServiceRequest::decode(body)?;
            for part in &mut request.resource_logs {
                resource(with, part.resource.as_mut(), &mut part.schema_url);
                for part in &mut part.scope_logs {
                    schema(with, &mut part.schema_url);
                    scope(with, part.scope.as_mut());
                    for record in &mut part.log_records {
                        event_name(with, &mut record.event_name);
                        severity(with, &mut record.severity_text);
                        attributes(with, &mut record.attributes);
                        record.body.iter_mut().for_each(|body| value(with, "", body));
                    }
                }
            }
            request.encode_to_vec()
        }
    })
}

fn resource(with: &Veil, resource: Option<&mut Resource>, schema_url: &mut String) {
    schema(with, schema_url);
    if let Some(resource) = resource {
        attributes(with, &mut resource.attributes);
    }
}

fn schema(with: &Veil, url: &mut String) {
    if !url.starts_with(SCHEMAS) {
        *url = veil(&with.key, url);
    }
}

fn severity(with: &Veil, text: &mut String) {
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if !SEVERITIES.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        *text = veil(&with.key, text);
    }
}

fn scope(with: &Veil, scope: Option<&mut InstrumentationScope>) {
    if let Some(scope) = scope {
        if !with.rules.readable().is_scope(&scope.name) {
            scope.name = veil(&with.key, &scope.name);
            scope.version = veil(&with.key, &scope.version);
        }
        attributes(with, &mut scope.attributes);
    }
}

fn span(with: &Veil, span: &mut Span) {
    span.name = name(with, &span.name);
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
    let is_readable = with.rules.readable().is_metric(&metric.name);
    if !is_readable {
        metric.name = veil(&with.key, &metric.name);
        metric.unit = unit(with, &metric.unit);
    }
    metric.description.clear();
    attributes(with, &mut metric.metadata);
    let of_point = |list: &mut [KeyValue]| {
        let readable = with.rules.readable();
        for pair in list.iter_mut().filter(|pair| !(is_readable && readable.is_point_key(&pair.key))) {
            attributes(with, std::slice::from_mut(pair));
        }
    };
    macro_rules! points {
        ($points:expr) => {
            for point in $points {
                of_point(&mut point.attributes);
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
            data.data_points.iter_mut().for_each(|point| of_point(&mut point.attributes));
        }
        None => {}
    }
}

/// What is counted (`{order}`) is a name, what it is measured in is none.
fn unit(with: &Veil, unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    let mut rest = unit;
    while let Some((head, tail)) = rest.split_once('{') {
        let (inside, after) = tail.split_once('}').unwrap_or((tail, ""));
        out.push_str(head);
        out.push('{');
        out.push_str(&veil(&with.key, inside));
        out.push('}');
        rest = after;
    }
    out.push_str(rest);
    out
}

fn exemplars(with: &Veil, list: &mut [Exemplar]) {
    list.iter_mut().for_each(|one| attributes(with, &mut one.filtered_attributes));
}

#[cfg(test)]
mod tests;
