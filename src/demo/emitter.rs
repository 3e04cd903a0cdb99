//! Sends sample runs through the OpenTelemetry SDK, and makes sure that every span arrived.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{Span, SpanBuilder, SpanId, Status, TraceContextExt, TraceId, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};

use super::DemoError;
use super::noise::Noise;
use super::sample::SampleSpan;
use crate::monitor::spans::system_time;

/// Room for every span between two flushes; the SDK drops what finds no room.
const QUEUE_SPANS: usize = 8_192;
/// Spans of one request.
const BATCH_SPANS: usize = 1_024;
/// Longest time that one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How a pipeline speaks to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    Http,
}

/// One emitting program.
pub(super) struct Emitter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    tally: Arc<Tally>,
    emitted: usize,
}

impl Emitter {
    /// A program named `service`. Must be built where a tokio runtime is at hand, for gRPC.
    pub(super) fn new(
        transport: Transport,
        endpoint: &str,
        service: &'static str,
        scope: &'static str,
        id_seed: u64,
    ) -> Result<Self, DemoError> {
        let tally = Arc::new(Tally::default());
        let inner = exporter(transport, endpoint)?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_SPANS)
            .with_max_export_batch_size(BATCH_SPANS)
            .build();
        let processor = BatchSpanProcessor::builder(Counting { inner, tally: Arc::clone(&tally) })
            .with_batch_config(config)
            .build();
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", service),
                KeyValue::new("service.version", "1.0.0"),
                KeyValue::new("deployment.environment.name", "production"),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            // Not the environment's sampler: the demo must not lose runs.
            .with_sampler(Sampler::AlwaysOn)
            .with_id_generator(SeededIds(Mutex::new(Noise::new(id_seed))))
            .build();
        Ok(Self { tracer: provider.tracer(scope), provider, tally, emitted: 0 })
    }

    /// Emits one run; gives its trace id.
    pub(super) fn emit(&mut self, root: &SampleSpan) -> TraceId {
        self.emitted += root.count();
        emit_below(&self.tracer, root, &Context::new())
    }

    /// Returns once the collector has acknowledged everything emitted so far.
    pub(super) fn flush(&self) -> Result<(), DemoError> {
        let flushed = self.provider.force_flush();
        let acknowledged = self.tally.spans.load(Ordering::Acquire);
        if flushed.is_ok() && acknowledged == self.emitted {
            return Ok(());
        }
        let said = self.tally.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reason = said.or_else(|| flushed.err().map(|error| error.to_string())).unwrap_or_default();
        Err(DemoError::Lost { emitted: self.emitted, acknowledged, reason })
    }

    /// Flushes and ends.
    pub(super) fn finish(self) -> Result<usize, DemoError> {
        self.flush()?;
        // Everything has arrived: what a shutdown could still say no longer matters.
        drop(self.provider.shutdown());
        Ok(self.emitted)
    }
}

fn emit_below(tracer: &SdkTracer, sample: &SampleSpan, parent: &Context) -> TraceId {
    let builder = SpanBuilder::from_name(sample.name.clone())
        .with_kind(sample.kind.clone())
        .with_start_time(system_time(sample.start_ns))
        .with_attributes(sample.attributes.clone());
    let mut span = tracer.build_with_context(builder, parent);
    for (name, attributes) in &sample.events {
        span.add_event_with_timestamp(*name, system_time(sample.end_ns), attributes.clone());
    }
    if let Some(error) = sample.error {
        span.set_status(Status::error(error));
    }
    let context = parent.with_span(span);
    for child in &sample.children {
        emit_below(tracer, child, &context);
    }
    context.span().end_with_timestamp(system_time(sample.end_ns));
    context.span().span_context().trace_id()
}

fn exporter(transport: Transport, endpoint: &str) -> Result<opentelemetry_otlp::SpanExporter, DemoError> {
    let endpoint = endpoint.trim_end_matches('/');
    let builder = opentelemetry_otlp::SpanExporter::builder();
    let built = match transport {
        Transport::Grpc => builder.with_tonic().with_endpoint(endpoint).with_timeout(REQUEST_TIMEOUT).build(),
        Transport::Http => builder
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(REQUEST_TIMEOUT)
            .build(),
    };
    built.map_err(|error| DemoError::Exporter { endpoint: endpoint.to_owned(), reason: error.to_string() })
}

/// What the collector has taken.
#[derive(Debug, Default)]
struct Tally {
    spans: AtomicUsize,
    failure: Mutex<Option<String>>,
}

/// Counts what passes: the SDK says nothing about spans that it dropped.
#[derive(Debug)]
struct Counting {
    inner: opentelemetry_otlp::SpanExporter,
    tally: Arc<Tally>,
}

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        match &result {
            Ok(()) => {
                self.tally.spans.fetch_add(spans, Ordering::AcqRel);
            }
            Err(error) => {
                let mut failure = self.tally.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error.to_string());
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Repeatable ids.
struct SeededIds(Mutex<Noise>);

impl std::fmt::Debug for SeededIds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SeededIds")
    }
}

impl SeededIds {
    fn draw(&self) -> u64 {
        // 0 is not an id.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bits().max(1)
    }
}

impl IdGenerator for SeededIds {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(self.draw()) << 64 | u128::from(self.draw()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.draw())
    }
}
