//! OTLP/gRPC. The frames of a unary call are read here, not by a codec: so the limit and the memory budget hold
//! before a byte is buffered, every overflow is RESOURCE_EXHAUSTED, and prost never sees the request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::{HeaderMap, HeaderValue, Method, Request, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::answer;
use super::door::{Admission, Encoding};
use super::inflate::Compression;
use super::receive::{DoorState, Incoming};
use super::refusal::Refusal;
use super::sink::Sink;
use super::stats::{Outcome, Transport};
use crate::model::Signal;

/// The port of OTLP/gRPC.
pub const DEFAULT_PORT: u16 = 4317;

/// A flag byte and a 32-bit length stand before every message.
const FRAME_HEAD: usize = 5;

/// The three OTLP services, health and reflection (v1 and v1alpha). `descriptors` are the encoded file descriptor
/// sets of the services that the caller adds. The reporter lets the caller say
/// NOT_SERVING when it cannot store, and when it drains.
pub async fn grpc_routes<S: Sink>(
    state: DoorState<S>,
    descriptors: &[&'static [u8]],
) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for signal in &state.signals {
        reporter.set_service_status(service_name(*signal), ServingStatus::Serving).await;
    }
    let reflection = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(opentelemetry_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        for set in descriptors {
            builder = builder.register_encoded_file_descriptor_set(set);
        }
        builder
    };
    let routes = Routes::new(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(TraceService(Export { state: state.clone(), signal: Signal::Traces }))
        .add_service(MetricsService(Export { state: state.clone(), signal: Signal::Metrics }))
        .add_service(LogsService(Export { state, signal: Signal::Logs }));
    Ok((routes, reporter))
}

const TRACES: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const METRICS: &str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
const LOGS: &str = "opentelemetry.proto.collector.logs.v1.LogsService";

/// The full name of the service of a signal.
pub(crate) fn service_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => TRACES,
        Signal::Metrics => METRICS,
        Signal::Logs => LOGS,
    }
}

/// What the three services have in common.
#[derive(Clone)]
struct Export<S> {
    state: DoorState<S>,
    signal: Signal,
}

/// tonic routes by a name that is part of the type: one type a signal.
macro_rules! service {
    ($name:ident, $path:expr) => {
        #[derive(Clone)]
        struct $name<S>(Export<S>);

        impl<S> NamedService for $name<S> {
            const NAME: &'static str = $path;
        }

        impl<S: Sink> tower::Service<Request<tonic::body::Body>> for $name<S> {
            type Response = Response<tonic::body::Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

            fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
                let export = self.0.clone();
                Box::pin(async move { Ok(export.call(request).await) })
            }
        }
    };
}

service!(TraceService, TRACES);
service!(MetricsService, METRICS);
service!(LogsService, LOGS);

impl<S: Sink> Export<S> {
    async fn call(self, request: Request<tonic::body::Body>) -> Response<tonic::body::Body> {
        let mut wire_bytes = 0;
        let outcome = self.receive(request, &mut wire_bytes).await;
        let counted = match &outcome {
            Ok(admission) if admission.refused.is_empty() => Outcome::Success,
            Ok(_) => Outcome::Partial,
            Err(refusal) => refusal.outcome(),
        };
        self.state.stats.request(self.signal, Transport::Grpc, counted, wire_bytes as u64);
        match outcome {
            Ok(admission) => success(&answer::body(self.signal, Encoding::Protobuf, &admission)),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn receive(&self, request: Request<tonic::body::Body>, wire_bytes: &mut usize) -> Result<Admission, Refusal> {
        let state = &self.state;
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if parts.method != Method::POST || !parts.uri.path().ends_with("/Export") {
            return Err(Refusal::NotFound);
        }
        state.authorized(header("authorization"))?;
        state.enabled(self.signal)?;
        let compression = Compression::from_name(header("grpc-encoding").unwrap_or_default());
        let compression = compression.ok_or(Refusal::Compression)?;
        let settings = state.settings.get();
        let limit = settings.limits.body_bytes_max;
        let mut stream = axum::body::Body::new(body).into_data_stream();
        let mut incoming = Incoming::new(state.budget.lease(), limit.saturating_add(FRAME_HEAD));
        let collected = incoming.collect(&mut stream, settings.body_timeout, |bytes| check_head(bytes, limit)).await;
        *wire_bytes = incoming.length;
        collected?;
        let (frame, lease) = incoming.finish();
        let (message, compressed) = message_of(&frame)?;
        let compression = match (compressed, compression) {
            (false, _) => Compression::Identity,
            (true, Compression::Identity) => return Err(Refusal::Frame("compressed, but grpc-encoding is not set")),
            (true, compression) => compression,
        };
        state.take(self.signal, Encoding::Protobuf, compression, message, lease).await
    }
}

/// Looks at the announced length as soon as it is there, before more is buffered.
fn check_head(bytes: &[u8], limit: usize) -> Result<(), Refusal> {
    match head_of(bytes) {
        Some((_, length)) if length > limit => Err(Refusal::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// The flag and the length of the first frame.
fn head_of(bytes: &[u8]) -> Option<(u8, usize)> {
    let ([flag, length @ ..], _) = bytes.split_first_chunk::<FRAME_HEAD>()?;
    Some((*flag, u32::from_be_bytes(*length) as usize))
}

/// The one message of a unary call, and whether it is compressed.
fn message_of(frame: &Bytes) -> Result<(Bytes, bool), Refusal> {
    let (flag, length) = head_of(frame).ok_or(Refusal::Frame("cut short"))?;
    if flag > 1 {
        return Err(Refusal::Frame("unknown flag"));
    }
    if frame.len() - FRAME_HEAD != length {
        return Err(Refusal::Frame("its length does not fit the body"));
    }
    Ok((frame.slice(FRAME_HEAD..), flag == 1))
}

fn success(message: &[u8]) -> Response<tonic::body::Body> {
    let mut data = BytesMut::with_capacity(FRAME_HEAD + message.len());
    data.put_u8(0);
    data.put_u32(u32::try_from(message.len()).unwrap_or_default());
    data.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Reply { data: Some(data.freeze()), trailers: Some(trailers) };
    let mut response = Response::new(tonic::body::Body::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    accept_encodings(response.headers_mut());
    response
}

pub(super) fn refuse(refusal: &Refusal) -> Response<tonic::body::Body> {
    let details = if refusal.retry_after().is_some() { refusal.rpc_status().into() } else { Bytes::new() };
    let status = tonic::Status::with_details(refusal.code(), refusal.message(), details);
    let mut response = status.into_http();
    accept_encodings(response.headers_mut());
    response
}

fn accept_encodings(headers: &mut HeaderMap) {
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,deflate,zstd"));
}

/// One message, then the trailers that gRPC ends with.
struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
