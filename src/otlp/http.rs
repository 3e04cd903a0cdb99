//! OTLP/HTTP: three paths, two encodings, and a `google.rpc.Status` in every answer that is not success.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;

use super::answer;
use super::cors::cors;
use super::door::{Admission, Encoding};
use super::inflate::Compression;
use super::receive::{DoorState, Incoming};
use super::refusal::Refusal;
use super::sink::Sink;
use super::stats::{Outcome, Transport};
use crate::model::Signal;

/// The port of OTLP/HTTP.
pub const DEFAULT_PORT: u16 = 4318;

/// The routes of OTLP/HTTP. It brings its own fallback (404 as a Status; paths that end in `/v1/traces` and its
/// like are served under any prefix, since some emitters put one before them), so merge it into a router
/// that has none.
pub fn router<S: Sink>(state: DoorState<S>) -> Router {
    let settings = state.settings.clone();
    Router::new()
        .route("/v1/traces", post(|State(state), request| export::<S>(state, Signal::Traces, request)))
        .route("/v1/metrics", post(|State(state), request| export::<S>(state, Signal::Metrics, request)))
        .route("/v1/logs", post(|State(state), request| export::<S>(state, Signal::Logs, request)))
        .fallback(elsewhere::<S>)
        .method_not_allowed_fallback(
            |headers: HeaderMap| async move { refuse(&Refusal::Method, encoding_of(&headers)) },
        )
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(settings, cors))
}

async fn elsewhere<S: Sink>(State(state): State<DoorState<S>>, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let signal = Signal::ALL
        .into_iter()
        .find(|signal| path.strip_suffix(signal.as_str()).is_some_and(|prefix| prefix.ends_with("/v1/")));
    match signal {
        Some(signal) if request.method() == Method::POST => export(state, signal, request).await,
        Some(_) => refuse(&Refusal::Method, encoding_of(request.headers())),
        None => refuse(&Refusal::NotFound, encoding_of(request.headers())),
    }
}

async fn export<S: Sink>(state: DoorState<S>, signal: Signal, request: Request) -> Response {
    let encoding = encoding_of(request.headers());
    let transport = match encoding {
        Encoding::Protobuf => Transport::HttpProtobuf,
        Encoding::Json => Transport::HttpJson,
    };
    let mut wire_bytes = 0;
    let outcome = receive(&state, signal, request, &mut wire_bytes).await;
    let counted = match &outcome {
        Ok(admission) if admission.refused.is_empty() => Outcome::Success,
        Ok(_) => Outcome::Partial,
        Err(refusal) => refusal.outcome(),
    };
    state.stats.request(signal, transport, counted, wire_bytes as u64);
    match outcome {
        Ok(admission) => answer(StatusCode::OK, encoding, answer::body(signal, encoding, &admission)),
        Err(refusal) => refuse(&refusal, encoding),
    }
}

async fn receive<S: Sink>(
    state: &DoorState<S>,
    signal: Signal,
    request: Request,
    wire_bytes: &mut usize,
) -> Result<Admission, Refusal> {
    let (parts, body) = request.into_parts();
    let settings = state.settings.get();
    let (limit, body_timeout) = (settings.limits.body_bytes_max, settings.body_timeout);
    let (encoding, compression) = inspect(state, signal, &parts.headers)?;
    let mut incoming = Incoming::new(state.budget.lease(), limit);
    let collected = incoming.collect(&mut body.into_data_stream(), body_timeout, |_| Ok(())).await;
    *wire_bytes = incoming.length;
    collected?;
    let (body, lease) = incoming.finish();
    state.take(signal, encoding, compression, body, lease).await
}

/// What the headers say, before a byte of the body is read.
fn inspect<S: Sink>(
    state: &DoorState<S>,
    signal: Signal,
    headers: &HeaderMap,
) -> Result<(Encoding, Compression), Refusal> {
    state.authorized(text(headers, &AUTHORIZATION))?;
    state.enabled(signal)?;
    let encoding = match media_type(headers).as_str() {
        "application/x-protobuf" => Encoding::Protobuf,
        "application/json" => Encoding::Json,
        _ => return Err(Refusal::ContentType),
    };
    let compression = match headers.get(CONTENT_ENCODING) {
        None => Compression::Identity,
        Some(value) => value.to_str().ok().and_then(Compression::from_name).ok_or(Refusal::Compression)?,
    };
    let limit = state.settings.get().limits.body_bytes_max;
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    Ok((encoding, compression))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The content type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let whole = text(headers, &CONTENT_TYPE).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The encoding of an answer: the request's; JSON, which people can read, where the request names neither.
pub(super) fn encoding_of(headers: &HeaderMap) -> Encoding {
    if media_type(headers) == "application/x-protobuf" { Encoding::Protobuf } else { Encoding::Json }
}

fn answer(status: StatusCode, encoding: Encoding, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn refuse(refusal: &Refusal, encoding: Encoding) -> Response {
    let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, encoding, refusal.http_body(encoding));
    let headers = response.headers_mut();
    if let Some(delay) = refusal.retry_after() {
        // Whole seconds, rounded up: coming early would be refused again.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    match refusal {
        Refusal::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
        Refusal::Compression => headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Compression::ACCEPTED)),
        Refusal::Unauthenticated => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        _ => None,
    };
    response
}
