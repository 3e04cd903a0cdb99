//! The service's own metrics as an OTLP request, under the names that `/metrics` has for them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::exposition::{Family, FamilyKind, Sample};
use crate::model::clock::UnixNanos;

/// Who says it, and since when its counters count.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// `service.instance.id`: differs from one start to the next.
    pub instance: String,
    /// When the counters were 0.
    pub started_ns: UnixNanos,
}

/// Counters as cumulative sums, gauges as gauges. Histograms, which only speak of pipelines, are not the service's own
/// and are left out.
#[must_use]
pub fn own_request(families: &[Family], speaker: &Speaker, now_ns: UnixNanos) -> ExportMetricsServiceRequest {
    let metrics = families.iter().filter(|family| !family.samples.is_empty()).filter_map(|family| {
        let point = |sample: &Sample| point(sample, speaker.started_ns, now_ns);
        let data_points: Vec<NumberDataPoint> = family.samples.iter().map(point).collect();
        let data = match family.kind {
            FamilyKind::Counter => Data::Sum(Sum {
                data_points,
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
                is_monotonic: true,
            }),
            FamilyKind::Gauge => Data::Gauge(Gauge { data_points }),
            FamilyKind::Histogram => return None,
        };
        Some(Metric {
            name: family.name.to_owned(),
            description: family.help.to_owned(),
            data: Some(data),
            ..Metric::default()
        })
    });
    let scope = InstrumentationScope {
        name: "perfline".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![
            text("service.name", "perfline"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", &speaker.instance),
        ],
        ..Resource::default()
    };
    let scope_metrics =
        vec![ScopeMetrics { scope: Some(scope), metrics: metrics.collect(), ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn point(sample: &Sample, started_ns: UnixNanos, now_ns: UnixNanos) -> NumberDataPoint {
    NumberDataPoint {
        attributes: sample.labels.iter().map(|(name, value)| text(name, value)).collect(),
        start_time_unix_nano: u64::try_from(started_ns).unwrap_or(0),
        time_unix_nano: u64::try_from(now_ns).unwrap_or(0),
        value: Some(Number::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// How many points a request has.
#[must_use]
pub fn points_in(request: &ExportMetricsServiceRequest) -> usize {
    let metrics = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics);
    metrics
        .map(|metric| match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.len(),
            Some(Data::Gauge(gauge)) => gauge.data_points.len(),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_sums_since_the_start_and_gauges_stay_gauges() {
        let families = [
            Family::new("perfline_loads", FamilyKind::Counter, "Loads.").with(vec![("port", "http".to_owned())], 3.0),
            Family::new("perfline_buffer_free_bytes", FamilyKind::Gauge, "Room.").with(Vec::new(), 7.0),
            Family::new("perfline_empty", FamilyKind::Gauge, "Nothing."),
            Family::new("pipeline_seconds", FamilyKind::Histogram, "Of pipelines.").with(Vec::new(), 1.0),
        ];
        let speaker = Speaker { instance: "one".to_owned(), started_ns: 5 };
        let request = own_request(&families, &speaker, 9);
        assert_eq!(points_in(&request), 2);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert_eq!(
            metrics.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["perfline_loads", "perfline_buffer_free_bytes"]
        );
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("no sum: {:?}", metrics[0]) };
        assert!(sum.is_monotonic);
        let point = &sum.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 9));
        assert_eq!((point.value, point.attributes[0].key.as_str()), (Some(Number::AsDouble(3.0)), "port"));
        assert!(matches!(&metrics[1].data, Some(Data::Gauge(_))));
    }
}
