//! A door on free ports, a sink in memory, and clients that show every byte.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use perfline::otlp::access::{Access, Tokens};
use perfline::otlp::receive::{DoorSettings, DoorState};
use perfline::otlp::serve::{ServeLimits, serve};
use perfline::otlp::sink::{Accepted, Sink, SubmitError};
use perfline::otlp::{grpc, http};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Keeps what it gets; may be told to refuse, or to hold back until enough requests wait.
#[derive(Clone, Default)]
pub struct Memory {
    pub taken: Arc<Mutex<Vec<Accepted>>>,
    pub refuse: Arc<Mutex<Option<SubmitError>>>,
    pub barrier: Option<Arc<tokio::sync::Barrier>>,
}

impl Sink for Memory {
    async fn submit(&self, request: Accepted) -> Result<(), SubmitError> {
        if let Some(barrier) = &self.barrier {
            barrier.wait().await;
        }
        if let Some(error) = self.refuse.lock().unwrap().clone() {
            return Err(error);
        }
        self.taken.lock().unwrap().push(request);
        Ok(())
    }
}

/// A running door.
pub struct Door {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub sink: Memory,
    pub state: DoorState<Memory>,
    pub health: tonic_health::server::HealthReporter,
    _stop: [oneshot::Sender<()>; 2],
}

pub async fn door() -> Door {
    door_with(Memory::default(), |_| ()).await
}

pub async fn door_with(sink: Memory, change: impl FnOnce(&mut DoorState<Memory>)) -> Door {
    let mut state = DoorState::new(sink.clone());
    change(&mut state);
    let (routes, health) = grpc::grpc_routes(state.clone(), &[]).await.unwrap();
    let (grpc, stop_grpc) = start(routes.into_axum_router()).await;
    let (http, stop_http) = start(http::router(state.clone())).await;
    Door { grpc, http, sink, state, health, _stop: [stop_grpc, stop_http] }
}

/// Changes what may be changed while the door is open.
pub fn set(state: &DoorState<Memory>, change: impl FnOnce(&mut DoorSettings)) {
    let mut settings = (*state.settings.get()).clone();
    change(&mut settings);
    state.settings.set(settings);
}

/// A token that may do everything.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Only these tokens may.
pub fn access<const N: usize>(tokens: [&str; N]) -> Access {
    Access::new(Some(Tokens::read(tokens.into_iter()).unwrap()))
}

/// Serves within limits until the test ends.
pub async fn start_with(routes: axum::Router, limits: ServeLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, routes, limits, std::future::pending()));
    address
}

pub async fn start(routes: axum::Router) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _gone = stopped.await;
    };
    tokio::spawn(serve(listener, routes, ServeLimits::default(), shutdown));
    (address, stop)
}

impl Door {
    pub fn taken(&self) -> Vec<Accepted> {
        self.sink.taken.lock().unwrap().clone()
    }

    pub async fn channel(&self) -> tonic::transport::Channel {
        channel(self.grpc).await
    }

    /// POSTs one body.
    pub async fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("content-type", content_type)], body).await
    }

    pub async fn json(&self, path: &str, body: &str) -> Reply {
        self.post(path, "application/json", body.as_bytes()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        Reply::read(&mut stream).await
    }
}

pub async fn channel(address: SocketAddr) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// An HTTP/1.1 answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// Whatever comes until the connection is closed.
    pub async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes));
        read.await.expect("the connection is closed after the answer").unwrap();
        bytes
    }

    pub async fn read(stream: &mut TcpStream) -> Self {
        let bytes = Self::read_all(stream).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as `google.rpc.Status`: code and message.
    pub fn status_message(&self) -> (i64, String) {
        if self.header("content-type") == Some("application/json") {
            let status = self.json();
            return (status["code"].as_i64().unwrap(), status["message"].as_str().unwrap().to_owned());
        }
        assert_eq!(self.header("content-type"), Some("application/x-protobuf"));
        let status = <RpcStatus as prost::Message>::decode(&self.body[..]).unwrap();
        (status.code.into(), status.message)
    }
}

/// google/rpc/status.proto and error_details.proto, as far as they are needed here.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<RpcAny>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcAny {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<RpcDuration>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct RpcDuration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub fn span(index: u8) -> Span {
    Span {
        trace_id: vec![index; 16],
        span_id: vec![index; 8],
        name: format!("span {index}"),
        kind: 1,
        start_time_unix_nano: 1_790_000_000_000_000_000,
        end_time_unix_nano: 1_790_000_001_000_000_000,
        attributes: vec![attribute("n", Value::IntValue(index.into()))],
        ..Span::default()
    }
}

pub fn request_of(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

pub fn traces(count: u8) -> ExportTraceServiceRequest {
    request_of((1..=count).map(span).collect())
}

/// The span names of an admitted request.
pub fn names(accepted: &Accepted) -> Vec<String> {
    let mut names = Vec::new();
    perfline::otlp::wire::traces::each_span(&accepted.body, |_, _, span| names.push(span.name.to_owned())).unwrap();
    names
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gRPC frame around a message.
pub fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = vec![flag];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}
