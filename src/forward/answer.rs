//! What a destination's answer means: taken, taken in part, come again, too large, or never.
//!
//! Source: the OTLP specification, "Failures" of OTLP/gRPC and OTLP/HTTP; gRPC's "HTTP to gRPC Status Code Mapping".

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use super::backoff::retry_after;
use super::stats::LossReason;
use crate::model::clock::UnixNanos;

/// Longest text of a destination's that is told, in characters.
const TOLD_MAX: usize = 200;

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) trailers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the body is whole; a very long one is not read to its end.
    pub(super) whole: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it was taken; perhaps with a remark.
    Taken(Option<String>),
    /// It is not to be sent again, though not all was taken.
    Partly { rejected: u64, why: String },
    /// Worth another try, not before that long.
    Again { why: String, after: Option<Duration> },
    /// Less of it at once may be taken.
    TooLarge { reason: LossReason, why: String },
    /// It will never be taken. `content`: it may be for one part of it only.
    Never { reason: LossReason, why: String, content: bool },
}

/// `Export*Response` of all three signals: they number their fields alike.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Judges an answer over HTTP.
pub(super) fn judge_http(reply: &Reply, now: UnixNanos) -> Verdict {
    let status = reply.status;
    if status.is_success() {
        return judge_success(reply);
    }
    let why = with_text(&status.to_string(), &error_text(reply));
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Again { why, after: retry_after(&reply.headers, now) },
        413 => Verdict::TooLarge { reason: LossReason::http(413), why },
        code => Verdict::Never { reason: LossReason::http(code), why, content: matches!(code, 400 | 422 | 500) },
    }
}

fn judge_success(reply: &Reply) -> Verdict {
    let content_type = content_type(reply);
    if content_type == "text/html" {
        // A portal, or the wrong address: nobody has taken anything.
        let why = "it answered with a web page: is an OTLP receiver there?".to_owned();
        return Verdict::Again { why, after: None };
    }
    if !reply.whole {
        return Verdict::Taken(Some("its answer was too long to be read".to_owned()));
    }
    if reply.body.is_empty() {
        return Verdict::Taken(None);
    }
    let partial = if content_type == "application/json" {
        partial_in_json(&reply.body)
    } else {
        ExportResponse::decode(&reply.body[..]).ok().map(|response| response.partial_success)
    };
    match partial {
        Some(partial) => judge_partial(partial),
        // The status says success, and who sends again what was taken doubles it.
        None => Verdict::Taken(Some("its answer was no Export*Response".to_owned())),
    }
}

fn judge_partial(partial: Option<PartialSuccess>) -> Verdict {
    let Some(partial) = partial else { return Verdict::Taken(None) };
    let why = told(&partial.error_message);
    match u64::try_from(partial.rejected) {
        Ok(rejected) if rejected > 0 => Verdict::Partly { rejected, why },
        _ => Verdict::Taken((!why.is_empty()).then_some(why)),
    }
}

/// `{"partialSuccess": {"rejectedSpans": "1", "errorMessage": ""}}`: from who answers JSON where protobuf was sent.
fn partial_in_json(body: &[u8]) -> Option<Option<PartialSuccess>> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let Some(partial) = answer.as_object()?.get("partialSuccess").filter(|partial| !partial.is_null()) else {
        return Some(None);
    };
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"].iter().find_map(|name| {
        let count = partial.get(*name)?;
        count.as_i64().or_else(|| count.as_str()?.parse().ok())
    });
    let message = partial.get("errorMessage").and_then(serde_json::Value::as_str).unwrap_or_default();
    Some(Some(PartialSuccess { rejected: rejected.unwrap_or(0), error_message: message.to_owned() }))
}

/// Judges an answer over gRPC.
pub(super) fn judge_grpc(reply: &Reply, now: UnixNanos) -> Verdict {
    if reply.status != StatusCode::OK {
        return match judge_http(reply, now) {
            // A status between 200 and 300 that gRPC does not have.
            Verdict::Taken(_) | Verdict::Partly { .. } => not_grpc(reply),
            verdict => verdict,
        };
    }
    if !content_type(reply).starts_with("application/grpc") {
        return not_grpc(reply);
    }
    let status = Status::from_header_map(&reply.trailers).or_else(|| Status::from_header_map(&reply.headers));
    let Some(status) = status else {
        return Verdict::Again { why: "its answer broke off before the status".to_owned(), after: None };
    };
    if status.code() == Code::Ok {
        return match message_of_frame(&reply.body).map(ExportResponse::decode) {
            Some(Ok(response)) => judge_partial(response.partial_success),
            _ => Verdict::Taken(Some("its answer was no Export*Response".to_owned())),
        };
    }
    judge_status(&status)
}

fn judge_status(status: &Status) -> Verdict {
    let code = status.code();
    let why = with_text(code_name(code), &told(status.message()));
    let after = retry_info(status.details());
    let reason = LossReason::Grpc(code);
    match code {
        // What tonic answers to a message that is too long, though clients take the code for a passing fault.
        Code::OutOfRange if status.message().contains("message length too large") => Verdict::TooLarge { reason, why },
        Code::ResourceExhausted if after.is_none() => Verdict::TooLarge { reason, why },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted => Verdict::Again { why, after },
        Code::InvalidArgument | Code::Internal | Code::Unknown => Verdict::Never { reason, why, content: true },
        _ => Verdict::Never { reason, why, content: false },
    }
}

fn not_grpc(reply: &Reply) -> Verdict {
    let content_type = told(content_type(reply));
    let why = format!("{} with content type `{content_type}`: no gRPC is spoken there", reply.status.as_u16());
    Verdict::Again { why, after: None }
}

/// The one message of an unary answer, where it is there whole and not compressed: we asked for none that is.
fn message_of_frame(body: &[u8]) -> Option<&[u8]> {
    let (head, rest) = body.split_first_chunk::<5>()?;
    let length = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).ok()?;
    (head[0] == 0).then(|| rest.get(..length)).flatten()
}

/// How long RetryInfo asks for.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let detail = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&detail.value[..]).ok()?.retry_delay.unwrap_or_default();
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(u64::try_from(delay.seconds).unwrap_or(0), nanos))
}

fn content_type(reply: &Reply) -> &str {
    let value = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The text of a refusal: a `google.rpc.Status`, or what stands there instead.
fn error_text(reply: &Reply) -> String {
    let text = match content_type(reply) {
        "application/x-protobuf" => RpcStatus::decode(&reply.body[..]).map(|status| status.message).ok(),
        "application/json" => serde_json::from_slice::<serde_json::Value>(&reply.body)
            .ok()
            .and_then(|status| Some(status.get("message")?.as_str()?.to_owned())),
        "text/html" => None,
        _ => std::str::from_utf8(&reply.body).ok().map(ToOwned::to_owned),
    };
    told(&text.unwrap_or_default())
}

/// What a stranger wrote, so that it can stand in one line of a log.
pub(super) fn told(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(TOLD_MAX).collect()
}

fn with_text(what: &str, text: &str) -> String {
    if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
}

/// gRPC's own name of a code.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests;
