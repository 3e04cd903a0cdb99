//! OTLP requests for the benchmarks: what real instrumentation sends, with fresh ids and values.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
use prost::Message;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::model::Signal;

/// Spans of one trace: a root of one second, the others below it.
const TRACE_SPANS: usize = 10;
/// Nanoseconds from one span's slot to the next.
const SPAN_EVERY_NS: u64 = 20_000;
/// When the first span begins: the autumn of 2026, nanoseconds since the Unix epoch.
const FIRST_NS: u64 = 1_790_000_000_000_000_000;
/// A second, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

/// Makes one request after another; the same seed makes the same requests.
pub(super) struct Payloads {
    random: SmallRng,
    signal: Signal,
    items: usize,
    made: u64,
}

impl Payloads {
    pub(super) fn new(signal: Signal, items: usize, seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), signal, items, made: 0 }
    }

    /// The next request, encoded.
    pub(super) fn next_body(&mut self) -> Vec<u8> {
        let body = match self.signal {
            Signal::Traces => self.traces().encode_to_vec(),
            Signal::Metrics => self.metrics().encode_to_vec(),
            Signal::Logs => self.logs().encode_to_vec(),
        };
        self.made += self.items as u64;
        body
    }

    /// Bytes of randomness in one span: what no storage can do without.
    /// Ids, start, duration, user, path, port and host are drawn evenly, so each counts the logarithm of its range.
    pub(super) fn span_entropy_bytes() -> f64 {
        let bits = 128.0 / TRACE_SPANS as f64 + 64.0 + 64.0 + 1e8_f64.log2() + 8e8_f64.log2();
        (bits + 5_000_f64.log2() + 60_000_f64.log2() + 40_f64.log2()) / 8.0
    }

    fn traces(&mut self) -> ExportTraceServiceRequest {
        let (mut trace_id, mut root_id, mut root_ns) = (Vec::new(), Vec::new(), 0);
        let spans = (0..self.items)
            .map(|at| {
                let is_root = at % TRACE_SPANS == 0;
                let span_id = self.bytes::<8>();
                if is_root {
                    trace_id = self.bytes::<16>();
                    root_ns = FIRST_NS + (self.made + at as u64) * SPAN_EVERY_NS;
                    root_id.clone_from(&span_id);
                }
                let start_ns = if is_root { root_ns } else { root_ns + self.random.random_range(0..SECOND_NS / 10) };
                let length_ns =
                    if is_root { SECOND_NS } else { self.random.random_range(SECOND_NS / 1_000..SECOND_NS / 10 * 8) };
                Span {
                    trace_id: trace_id.clone(),
                    span_id,
                    parent_span_id: if is_root { Vec::new() } else { root_id.clone() },
                    name: format!("GET /api/{}", at % 40),
                    kind: 2,
                    start_time_unix_nano: start_ns,
                    end_time_unix_nano: start_ns + length_ns,
                    attributes: self.span_attributes(),
                    events: vec![Event { name: "ev".into(), time_unix_nano: start_ns, ..Event::default() }],
                    ..Span::default()
                }
            })
            .collect();
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource()),
                scope_spans: vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }],
        }
    }

    fn span_attributes(&mut self) -> Vec<KeyValue> {
        vec![
            text("http.request.method", "GET"),
            text("url.path", &format!("/api/v1/items/{}", self.random.random_range(0..5_000))),
            text("server.address", &format!("host-{}", self.random.random_range(0..40))),
            text("user.id", &format!("{:016x}", self.random.next_u64())),
            text("net.peer.name", "10.0.0.1"),
            text("thread.name", "worker-7"),
            number("http.response.status_code", 200),
            number("net.peer.port", self.random.random_range(1_024..61_024)),
        ]
    }

    /// Gauges and histograms of forty hosts, one reading every ten seconds.
    fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let round = self.made / self.items.max(1) as u64;
        let time = FIRST_NS + round * 10 * SECOND_NS;
        let half = self.items / 2;
        let gauge = (0..self.items - half)
            .map(|at| NumberDataPoint {
                attributes: series_attributes(at),
                time_unix_nano: time,
                value: Some(number_data_point::Value::AsDouble(self.random.random_range(0.0..100.0))),
                ..NumberDataPoint::default()
            })
            .collect();
        let histogram = (0..half).map(|at| self.histogram_point(at, round, time)).collect();
        let metrics = vec![
            metric("process.cpu.utilization", "1", Data::Gauge(Gauge { data_points: gauge })),
            metric(
                "http.server.request.duration",
                "s",
                Data::Histogram(Histogram { data_points: histogram, aggregation_temporality: 2 }),
            ),
        ];
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource()),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }],
                ..ResourceMetrics::default()
            }],
        }
    }

    fn histogram_point(&mut self, at: usize, round: u64, time: u64) -> HistogramDataPoint {
        let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let counts: Vec<u64> = (0..=bounds.len()).map(|_| round * 3 + self.random.random_range(0..10)).collect();
        HistogramDataPoint {
            attributes: series_attributes(at),
            start_time_unix_nano: FIRST_NS - SECOND_NS,
            time_unix_nano: time,
            count: counts.iter().sum(),
            sum: Some(self.random.random_range(0.0..1_000.0)),
            bucket_counts: counts,
            explicit_bounds: bounds.to_vec(),
            ..HistogramDataPoint::default()
        }
    }

    fn logs(&mut self) -> ExportLogsServiceRequest {
        let log_records = (0..self.items)
            .map(|at| {
                let time = FIRST_NS + (self.made + at as u64) * SPAN_EVERY_NS;
                let user = self.random.next_u64();
                let said = format!("order {} of user {user:016x} accepted", self.random.random_range(0..1_000_000));
                LogRecord {
                    time_unix_nano: time,
                    observed_time_unix_nano: time + 1_000,
                    severity_number: 9,
                    severity_text: "INFO".into(),
                    body: Some(AnyValue { value: Some(Value::StringValue(said)) }),
                    attributes: vec![
                        text("code.function.name", "accept_order"),
                        text("thread.name", "worker-7"),
                        number("order.items", self.random.random_range(1..20)),
                    ],
                    trace_id: self.bytes::<16>(),
                    span_id: self.bytes::<8>(),
                    ..LogRecord::default()
                }
            })
            .collect();
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(resource()),
                scope_logs: vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }],
                ..ResourceLogs::default()
            }],
        }
    }

    fn bytes<const N: usize>(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), unit: unit.into(), data: Some(data), ..Metric::default() }
}

fn series_attributes(at: usize) -> Vec<KeyValue> {
    vec![
        text("host.name", &format!("host-{}", at % 40)),
        text("http.route", &format!("/api/{}", at / 40)),
        number("http.response.status_code", 200),
    ]
}

fn resource() -> Resource {
    let attributes = vec![
        text("service.name", "checkout"),
        text("service.instance.id", "i-1"),
        text("deployment.environment.name", "prod"),
        text("host.name", "h1"),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "lib".into(), version: "1.0".into(), ..InstrumentationScope::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
