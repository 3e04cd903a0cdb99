//! A real OTLP receiver on a free port, for tests: gRPC and HTTP/protobuf, everything kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Everything that arrived.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

impl Receiver {
    /// Listens for gRPC; gives the URL.
    pub(crate) async fn grpc(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let (traces, metrics) = (TraceServiceServer::new(self.clone()), MetricsServiceServer::new(self.clone()));
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(traces)
                .add_service(metrics)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        url
    }

    /// Listens for HTTP/protobuf; gives the URL with a path in front of `/v1/...`.
    pub(crate) async fn http(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}/otlp", listener.local_addr().expect("address"));
        let (traces, metrics) = (Arc::clone(&self.traces), Arc::clone(&self.metrics));
        let router = axum::Router::new()
            .route(
                "/otlp/v1/traces",
                post(async move |body: Bytes| {
                    traces.lock().expect("lock").push(ExportTraceServiceRequest::decode(body).expect("traces"));
                }),
            )
            .route(
                "/otlp/v1/metrics",
                post(async move |body: Bytes| {
                    metrics.lock().expect("lock").push(ExportMetricsServiceRequest::decode(body).expect("metrics"));
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Every span, in order of arrival.
    pub(crate) fn spans(&self) -> Vec<Span> {
        spans_in(self.traces.lock().expect("lock").iter())
    }

    /// Requests with spans.
    pub(crate) fn trace_requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.traces.lock().expect("lock").clone()
    }

    /// Every metric, in order of arrival.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        metrics_in(self.metrics.lock().expect("lock").iter())
    }
}

/// The spans of some requests.
pub(crate) fn spans_in<'a>(requests: impl Iterator<Item = &'a ExportTraceServiceRequest>) -> Vec<Span> {
    requests.flat_map(|r| &r.resource_spans).flat_map(|r| &r.scope_spans).flat_map(|s| s.spans.clone()).collect()
}

/// The metrics of some requests.
pub(crate) fn metrics_in<'a>(requests: impl Iterator<Item = &'a ExportMetricsServiceRequest>) -> Vec<Metric> {
    requests.flat_map(|r| &r.resource_metrics).flat_map(|r| &r.scope_metrics).flat_map(|s| s.metrics.clone()).collect()
}

/// Attributes as text by key.
pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |kv: &KeyValue| Some((kv.key.clone(), text(kv.value.as_ref()?.value.as_ref()?)));
    attributes.iter().filter_map(pair).collect()
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
