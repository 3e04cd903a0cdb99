//! A request as it is sent: framed, compressed, with its headers. Made once, however often it is tried.

use std::io::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::destination::{Destination, Protocol};
use crate::model::Signal;

/// What we are, to whom we send.
const AGENT: &str = concat!("perfline/", env!("CARGO_PKG_VERSION"));

/// Ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Shipment {
    pub(super) path: String,
    /// Without those of the destination's own, which may change between two attempts.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Shipment {
    pub(super) fn new(destination: &Destination, signal: Signal, body: &Bytes) -> Self {
        let packed = if destination.gzip { gzip(body) } else { None };
        let gzip = packed.is_some();
        let body = packed.unwrap_or_else(|| body.clone());
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
        set(header::USER_AGENT.as_str(), AGENT);
        match destination.protocol {
            Protocol::Http => {
                set("content-type", "application/x-protobuf");
                if gzip {
                    set("content-encoding", "gzip");
                }
                Self { path: destination.endpoint.path(signal), headers, body }
            }
            Protocol::Grpc => {
                set("content-type", "application/grpc");
                set("te", "trailers");
                if gzip {
                    set("grpc-encoding", "gzip");
                }
                Self { path: grpc_path(signal).to_owned(), headers, body: frame(gzip, &body) }
            }
        }
    }
}

fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// A flag and the length stand before a message.
fn frame(compressed: bool, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(u8::from(compressed));
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// Quick rather than small. `None` only where memory is out: then it goes as it is.
fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
