//! The bodies of successful answers: empty, or with `partial_success`.

use bytes::Bytes;

use super::check::{close, open, push_varint};
use super::door::{Admission, Encoding};
use crate::model::Signal;

/// `Export*Response`: empty where everything was taken. The three signals number their fields alike.
pub(super) fn body(signal: Signal, encoding: Encoding, admission: &Admission) -> Bytes {
    match (encoding, &admission.message) {
        (Encoding::Protobuf, None) => Bytes::new(),
        (Encoding::Json, None) => Bytes::from_static(b"{}"),
        (Encoding::Protobuf, Some(message)) => {
            let mut out = Vec::new();
            let partial = open(&mut out, 1);
            let refused = admission.refused_count();
            if refused > 0 {
                push_varint(&mut out, 1 << 3);
                push_varint(&mut out, refused);
            }
            let text = open(&mut out, 2);
            out.extend_from_slice(message.as_bytes());
            close(&mut out, text);
            close(&mut out, partial);
            out.into()
        }
        (Encoding::Json, Some(message)) => {
            let rejected = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
            };
            // proto3 JSON writes 64-bit integers as text.
            let count = admission.refused_count().to_string();
            serde_json::json!({"partialSuccess": {rejected: count, "errorMessage": message}}).to_string().into()
        }
    }
}
