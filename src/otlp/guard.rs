//! Asks for a token before pages and services that are no OTLP; OTLP's own paths ask for theirs at the door.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::access::{Access, Need};
use super::refusal::Refusal;
use super::stats::Stats;
use super::{grpc, http};
use crate::model::Signal;

/// What the guard knows; for `axum::middleware::from_fn_with_state`.
#[derive(Clone)]
pub struct Guard {
    /// The tokens.
    pub access: Access,
    /// Where denials are counted.
    pub stats: Arc<Stats>,
    /// What the path of a request needs.
    pub need: fn(&str) -> Need,
}

/// Lets a request through, or answers it in its own way: a gRPC status, or a `google.rpc.Status`.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if is_preflight(&request) || counted_at_the_door(&request) {
        return next.run(request).await;
    }
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match guard.access.check(header, (guard.need)(request.uri().path())) {
        Ok(()) => next.run(request).await,
        Err(denial) => {
            guard.stats.denied(denial);
            let refusal = Refusal::from(denial);
            let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            if kind.starts_with(b"application/grpc") {
                grpc::refuse(&refusal).map(axum::body::Body::new)
            } else {
                http::refuse(&refusal, http::encoding_of(request.headers()))
            }
        }
    }
}

/// A browser's question before it sends to OTLP/HTTP carries no token, and gets no data. Nowhere else: a gRPC service
/// answers a call whatever its method.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && is_otlp_http(request.uri().path())
}

/// What goes to OTLP, whose requests are counted by signal. Only POST: pages of ours may have such names, too.
fn counted_at_the_door(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST && (path.starts_with("/opentelemetry.proto.collector.") || is_otlp_http(path))
}

/// Such names below our own service are none of its methods.
fn is_otlp_http(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    Signal::ALL
        .into_iter()
        .any(|signal| path.strip_suffix(signal.as_str()).is_some_and(|prefix| prefix.ends_with("/v1/")))
}
