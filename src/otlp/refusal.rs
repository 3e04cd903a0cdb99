//! Why a request is not answered with success, and how each transport says so.

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;
#[cfg(feature = "store")]
use tonic::Status;

use super::check::{close, open, push_varint};
use super::door::{DoorError, Encoding};
use super::inflate::{Compression, InflateError};
use super::sink::SubmitError;
use super::stats::Outcome;

/// When a client should come again, where the sink does not say.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Longest text of a status, in bytes: gRPC puts it into a header.
const MESSAGE_BYTES_MAX: usize = 512;

/// A request that was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Door(#[from] DoorError),
    #[error("{0}")]
    Inflate(#[from] InflateError),
    #[error("{0}")]
    Submit(#[from] SubmitError),
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("no memory left for bodies, try again")]
    Busy,
    #[error("the body did not arrive within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the body broke off")]
    BrokenBody,
    #[error("unknown compression; accepted are {}", Compression::ACCEPTED)]
    Compression,
    #[error("unknown content type; accepted are application/x-protobuf and application/json")]
    ContentType,
    #[error("a valid bearer token is needed")]
    Unauthenticated,
    #[error("this token may not do that")]
    Forbidden,
    #[error("this signal is switched off")]
    Disabled,
    #[error("the message's frame is malformed: {0}")]
    Frame(&'static str),
    #[error("the decoder failed")]
    Internal,
    #[error("no such path; OTLP is served at /v1/traces, /v1/metrics and /v1/logs")]
    NotFound,
    #[error("only POST is allowed here")]
    Method,
}

impl Refusal {
    /// The HTTP status. Only 429, 502, 503 and 504 are retried by clients.
    pub(super) fn http_status(&self) -> u16 {
        match self {
            Self::Door(DoorError::TooLarge { .. } | DoorError::TooMany)
            | Self::Inflate(InflateError::TooLarge { .. })
            | Self::TooLarge { .. } => 413,
            Self::Door(_) | Self::Inflate(InflateError::Corrupt { .. }) | Self::BrokenBody | Self::Frame(_) => 400,
            Self::Submit(SubmitError::Unfit(_)) => 400,
            // 408 would be the plain word for a slow body, but clients throw away what is answered with it.
            Self::Inflate(InflateError::Busy) | Self::Submit(_) | Self::Busy | Self::Timeout(_) => 503,
            Self::Compression | Self::ContentType => 415,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::Disabled | Self::NotFound => 404,
            Self::Method => 405,
            Self::Internal => 500,
        }
    }

    /// The gRPC code; a permanent error never gets one that clients retry.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Door(DoorError::TooLarge { .. } | DoorError::TooMany)
            | Self::Inflate(InflateError::TooLarge { .. })
            | Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Door(_)
            | Self::Inflate(InflateError::Corrupt { .. })
            | Self::BrokenBody
            | Self::ContentType
            | Self::Submit(SubmitError::Unfit(_)) => Code::InvalidArgument,
            Self::Inflate(InflateError::Busy) | Self::Submit(_) | Self::Busy | Self::Timeout(_) => Code::Unavailable,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::Compression | Self::Disabled | Self::NotFound | Self::Method => Code::Unimplemented,
            Self::Frame(_) | Self::Internal => Code::Internal,
        }
    }

    /// When to come again; `None` where that would change nothing.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Submit(SubmitError::Busy { retry_after }) => Some(*retry_after),
            Self::Submit(SubmitError::Unfit(_)) => None,
            Self::Submit(_) | Self::Busy | Self::Inflate(InflateError::Busy) | Self::Timeout(_) => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The label under which it is counted.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Door(DoorError::TooLarge { .. } | DoorError::TooMany)
            | Self::Inflate(InflateError::TooLarge { .. })
            | Self::TooLarge { .. } => Outcome::TooLarge,
            Self::Door(_)
            | Self::Inflate(InflateError::Corrupt { .. })
            | Self::BrokenBody
            | Self::Frame(_)
            | Self::Internal
            | Self::Submit(SubmitError::Unfit(_)) => Outcome::Malformed,
            Self::Submit(SubmitError::Unwritable(_) | SubmitError::Closed) => Outcome::Unavailable,
            Self::Submit(SubmitError::Busy { .. }) | Self::Busy | Self::Inflate(InflateError::Busy) => Outcome::Busy,
            Self::Timeout(_) => Outcome::Timeout,
            Self::Compression | Self::ContentType | Self::NotFound | Self::Method => Outcome::Unsupported,
            Self::Unauthenticated => Outcome::Unauthenticated,
            Self::Forbidden => Outcome::Forbidden,
            Self::Disabled => Outcome::Disabled,
        }
    }

    /// The text of the status, bounded.
    pub(super) fn message(&self) -> String {
        let mut text = self.to_string();
        if text.len() > MESSAGE_BYTES_MAX {
            let mut end = MESSAGE_BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    }

    /// The `google.rpc.Status` as gRPC carries it in `grpc-status-details-bin`, with RetryInfo where there is one.
    pub(super) fn rpc_status(&self) -> Vec<u8> {
        rpc_status(self.code(), &self.message(), self.retry_after())
    }

    /// The body of an HTTP answer: a `google.rpc.Status` in the request's encoding.
    pub(super) fn http_body(&self, encoding: Encoding) -> Bytes {
        match encoding {
            Encoding::Protobuf => self.rpc_status().into(),
            Encoding::Json => {
                let mut details = Vec::new();
                if let Some(delay) = self.retry_after() {
                    details.push(serde_json::json!({
                        "@type": "type.googleapis.com/google.rpc.RetryInfo",
                        "retryDelay": format!("{}s", delay.as_secs_f64()),
                    }));
                }
                let status = serde_json::json!({
                    "code": self.code() as i32,
                    "message": self.message(),
                    "details": details,
                });
                status.to_string().into()
            }
        }
    }
}

/// A status for one who would be answered later.
#[cfg(feature = "store")]
pub(crate) fn come_again(message: &str, after: Duration) -> Status {
    let details = rpc_status(Code::Unavailable, message, Some(after));
    Status::with_details(Code::Unavailable, message, details.into())
}

fn rpc_status(code: Code, message: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::new();
    push_varint(&mut out, 1 << 3);
    push_varint(&mut out, u64::from(code as i32 as u32));
    push_text(&mut out, 2, message);
    if let Some(delay) = retry_after {
        let any = open(&mut out, 3);
        push_text(&mut out, 1, "type.googleapis.com/google.rpc.RetryInfo");
        let info = open(&mut out, 2);
        let duration = open(&mut out, 1);
        push_varint(&mut out, 1 << 3);
        push_varint(&mut out, delay.as_secs());
        push_varint(&mut out, 2 << 3);
        push_varint(&mut out, u64::from(delay.subsec_nanos()));
        close(&mut out, duration);
        close(&mut out, info);
        close(&mut out, any);
    }
    out
}

fn push_text(out: &mut Vec<u8>, number: u32, text: &str) {
    let place = open(out, number);
    out.extend_from_slice(text.as_bytes());
    close(out, place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_permanent_error_has_a_code_that_clients_retry() {
        // OTLP/gRPC: clients retry these.
        let retried = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        let permanent = [
            Refusal::TooLarge { limit: 1 },
            Refusal::BrokenBody,
            Refusal::Compression,
            Refusal::ContentType,
            Refusal::Unauthenticated,
            Refusal::Forbidden,
            Refusal::Disabled,
            Refusal::Frame("x"),
            Refusal::Submit(SubmitError::Unfit("too deep".to_owned())),
            Refusal::Internal,
            Refusal::NotFound,
            Refusal::Method,
        ];
        for refusal in permanent {
            assert!(!retried.contains(&refusal.code()), "{refusal:?}");
            assert!(![429, 502, 503, 504].contains(&refusal.http_status()), "{refusal:?}");
            assert_eq!(refusal.retry_after(), None, "{refusal:?}");
        }
    }

    #[test]
    fn a_passing_fault_is_retried_on_both_transports() {
        let busy = SubmitError::Busy { retry_after: Duration::from_millis(1500) };
        for refusal in
            [Refusal::Submit(busy), Refusal::Submit(SubmitError::Closed), Refusal::Busy, Refusal::Timeout(RETRY_AFTER)]
        {
            assert_eq!((refusal.code(), refusal.http_status()), (Code::Unavailable, 503));
            assert!(refusal.retry_after().is_some());
        }
    }
}
