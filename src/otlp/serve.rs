//! Serves routes on a listener: HTTP/1.1 and HTTP/2 on one port, bounded against slow clients, drained at shutdown.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::linger::linger;
use crate::net::ServerTls;

/// What a connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections open at once; more wait in the listener's queue.
    pub connections_max: usize,
    /// How long the headers of a request may take to arrive, counted from the end of the request before it; also how
    /// long a new connection may say nothing.
    pub header_timeout: Duration,
    /// How often an HTTP/2 client is asked whether it is still there; it has as long again to answer.
    pub keep_alive: Duration,
    /// Requests open at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long requests under way may take once shutdown began.
    pub drain_time: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            header_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(20),
            streams_max: 256,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// Connections of one port, as they stand.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    /// Open now.
    pub open: AtomicU64,
    /// Opened since the start.
    pub opened: AtomicU64,
    /// TLS handshakes that failed: no certificate, a wrong one, or no TLS at all.
    pub handshakes_failed: AtomicU64,
}

/// How a port is served.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// What a connection may cost.
    pub limits: ServeLimits,
    /// Encryption; `None`: plain.
    pub tls: Option<ServerTls>,
    /// What is counted.
    pub stats: Arc<ConnectionStats>,
}

/// Serves plainly: see [`serve_with`].
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_with(listener, routes, Serving { limits, ..Serving::default() }, shutdown).await
}

/// Serves until `shutdown` is ready, then takes no new connection, finishes what is under way, and returns.
/// gRPC routes come as `tonic::service::Routes::into_axum_router()`; both kinds may share one router.
pub async fn serve_with(
    listener: TcpListener,
    routes: Router,
    serving: Serving,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = serving.limits;
    let shared = Arc::new(Port { builder: builder(&limits), serving });
    let room = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, permit))
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (shared, routes, stopped) = (Arc::clone(&shared), routes.clone(), stopped.clone());
                connections.spawn(async move {
                    shared.connection(stream, routes, stopped).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, or a client that went away: the next accept may succeed.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_time, drained).await.is_err() {
        tracing::warn!("connections were cut off after {} s", limits.drain_time.as_secs_f64());
    }
    Ok(())
}

/// What the connections of one port share.
struct Port {
    builder: Builder<TokioExecutor>,
    serving: Serving,
}

impl Port {
    async fn connection(&self, stream: TcpStream, routes: Router, stopped: watch::Receiver<bool>) {
        let stats = &self.serving.stats;
        stats.opened.fetch_add(1, Relaxed);
        stats.open.fetch_add(1, Relaxed);
        // Answers are small: they must not wait for more to send.
        let _unsupported = stream.set_nodelay(true);
        match &self.serving.tls {
            None => self.converse(stream, routes, stopped).await,
            Some(tls) => {
                let patience = self.serving.limits.header_timeout;
                match tokio::time::timeout(patience, tls.acceptor().accept(stream)).await {
                    Ok(Ok(stream)) => self.converse(stream, routes, stopped).await,
                    Ok(Err(error)) => self.failed(&error),
                    Err(late) => self.failed(&late),
                }
            }
        }
        stats.open.fetch_sub(1, Relaxed);
    }

    async fn converse<S>(&self, stream: S, routes: Router, mut stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(AtomicUsize::new(0));
        let stream = Heard { stream, bytes: Arc::clone(&heard) };
        let service = TowerToHyperService::new(routes.map_request(linger));
        let serving = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(serving);
        let stopping = async {
            // A sender that is gone means the same as one that says stop.
            let _closed = stopped.wait_for(|stopped| *stopped).await.is_err();
        };
        // hyper's own clocks begin once it knows which version of HTTP is spoken.
        let silent = async {
            tokio::time::sleep(self.serving.limits.header_timeout).await;
            if heard.load(Relaxed) >= VERSION_BYTES {
                std::future::pending::<()>().await;
            }
        };
        let outcome = tokio::select! {
            outcome = &mut serving => outcome,
            () = silent => {
                tracing::debug!("a connection said nothing and was closed");
                return;
            }
            () = stopping => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(error, "a connection ended badly");
        }
    }

    fn failed(&self, error: &dyn std::error::Error) {
        self.serving.stats.handshakes_failed.fetch_add(1, Relaxed);
        tracing::debug!(%error, "a TLS handshake failed");
    }
}

/// Both kinds of routes behind one port: what says `application/grpc` goes to the gRPC routes.
/// Each keeps its own fallback, which `Router::merge` would not allow.
pub fn one_port(http: Router, grpc: Router) -> Router {
    Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let routes = if content_type.starts_with(b"application/grpc") { grpc.clone() } else { http.clone() };
        routes.oneshot(request)
    }))
}

fn builder(limits: &ServeLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(64 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    builder
}

/// Bytes after which it is clear which version of HTTP is spoken: as many as the preface of HTTP/2 has (RFC 9113, 3.4).
const VERSION_BYTES: usize = 24;

/// A stream that counts what it has read.
struct Heard<S> {
    stream: S,
    bytes: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, into))?;
        this.bytes.fetch_add(into.filled().len() - before, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
