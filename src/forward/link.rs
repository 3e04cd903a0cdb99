//! The connection to one destination: opened when something is sent, kept, and thrown away after any failure.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, Version, header};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::answer::Reply;
use super::destination::{Destination, Protocol};
use crate::net::{ClientFiles, NetError, Peer};

/// An answer is read up to here: OTLP's own limit for it is 4 MiB, and what matters of it is short.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no answer. All of it is worth another try.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Connect(#[from] NetError),
    #[error("the connection to {peer} broke: {cause}")]
    Broken { peer: String, cause: String },
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

struct Open {
    sender: Sender,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A connection, open or not.
pub(super) struct Link {
    peer: Peer,
    protocol: Protocol,
    files: ClientFiles,
    open: Option<Open>,
}

impl Link {
    pub(super) fn new(destination: &Destination) -> Self {
        let peer = destination.endpoint.peer.clone();
        Self { peer, protocol: destination.protocol, files: destination.files.clone(), open: None }
    }

    /// Sends one request and reads its answer. Where that fails, or where it is dropped before it ends, the connection is
    /// not used again.
    pub(super) async fn exchange(&mut self, path: &str, headers: HeaderMap, body: Bytes) -> Result<Reply, LinkError> {
        // Out of its place: a half-read answer must not meet the next request.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let mut ready = open.sender.ready().await;
        if ready.is_err() {
            // Kept open, it was closed by the other side meanwhile: nothing was sent on it.
            open = self.connect().await?;
            ready = open.sender.ready().await;
        }
        let answered = match ready {
            Ok(()) => open.sender.send(self.request(path, headers, body)).await,
            Err(error) => Err(error),
        };
        let reply = match answered {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        let reply = reply.map_err(|error| self.broken(&error))?;
        if reply.whole {
            self.open = Some(open);
        }
        Ok(reply)
    }

    async fn connect(&self) -> Result<Open, LinkError> {
        let stream = TokioIo::new(self.peer.connect(&self.files, self.protocol.alpn()).await?);
        let opened = match self.protocol {
            Protocol::Http => http1::handshake(stream).await.map(|(sender, connection)| Open {
                sender: Sender::Http1(sender),
                // What ends the connection is told to whoever sends next.
                driver: tokio::spawn(async { drop(connection.await) }),
            }),
            Protocol::Grpc => http2::handshake(TokioExecutor::new(), stream).await.map(|(sender, connection)| Open {
                sender: Sender::Http2(sender),
                driver: tokio::spawn(async { drop(connection.await) }),
            }),
        };
        opened.map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &hyper::Error) -> LinkError {
        let mut cause = error.to_string();
        let mut below = std::error::Error::source(error);
        while let Some(error) = below {
            cause = format!("{cause}: {error}");
            below = error.source();
        }
        LinkError::Broken { peer: self.peer.authority(), cause }
    }

    fn request(&self, path: &str, headers: HeaderMap, body: Bytes) -> Request<Body> {
        let authority = self.peer.authority();
        let (uri, version) = match self.protocol {
            Protocol::Http => (path.to_owned(), Version::HTTP_11),
            Protocol::Grpc => {
                let scheme = if self.peer.tls { "https" } else { "http" };
                (format!("{scheme}://{authority}{path}"), Version::HTTP_2)
            }
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        // Host and path were checked when the destination was read.
        if let Ok(uri) = uri.parse() {
            *request.uri_mut() = uri;
        }
        if self.protocol == Protocol::Http
            && let Ok(host) = authority.parse()
        {
            request.headers_mut().insert(header::HOST, host);
        }
        request
    }
}

impl Sender {
    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        }
    }

    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}

async fn read(response: Response<Incoming>) -> hyper::Result<Reply> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut reply = Reply { status: head.status, headers: head.headers, whole: true, ..Reply::default() };
    while let Some(frame) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
        match frame?.into_data() {
            Ok(data) if body.len() + data.len() > ANSWER_BYTES_MAX => {
                reply.whole = false;
                break;
            }
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => reply.trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    reply.body = body.freeze();
    Ok(reply)
}
