//! A run as OTLP request bytes, for a store that is opened directly.
//!
//! The same spans and readings go through the same conversion that the OTLP exporter uses.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics as WireMetrics;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use super::Requests;

/// Encodes a run.
pub(super) fn encode(resource: &Resource, spans: Vec<SpanData>, readings: &[ResourceMetrics]) -> Requests {
    let points = readings.iter().map(ExportMetricsServiceRequest::from).map(|r| points_in(&r)).sum();
    let items = u32::try_from(spans.len()).unwrap_or(u32::MAX);
    let resource_spans = group_spans_by_resource_and_scope(spans, &ResourceAttributesWithSchema::from(resource));
    Requests {
        traces: ExportTraceServiceRequest { resource_spans }.encode_to_vec(),
        spans: items,
        metrics: ExportMetricsServiceRequest { resource_metrics: merge(readings) }.encode_to_vec(),
        points,
    }
}

/// One request out of many readings of the same resource and scope.
fn merge(readings: &[ResourceMetrics]) -> Vec<WireMetrics> {
    let mut merged: Vec<WireMetrics> = Vec::new();
    for reading in readings.iter().flat_map(|reading| ExportMetricsServiceRequest::from(reading).resource_metrics) {
        match merged.first_mut().zip(reading.scope_metrics.first()) {
            Some((WireMetrics { scope_metrics, .. }, _)) if !scope_metrics.is_empty() => {
                let more = reading.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                scope_metrics[0].metrics.extend(more);
            }
            _ => merged.push(reading),
        }
    }
    merged
}

fn points_in(request: &ExportMetricsServiceRequest) -> u32 {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    let points: usize = metrics
        .map(|metric| match &metric.data {
            Some(Data::Gauge(gauge)) => gauge.data_points.len(),
            Some(Data::Sum(sum)) => sum.data_points.len(),
            _ => 0,
        })
        .sum();
    u32::try_from(points).unwrap_or(u32::MAX)
}
