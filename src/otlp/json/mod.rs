//! OTLP/JSON to OTLP protobuf, tolerant as proto3 JSON is: unknown fields are ignored at every depth, null is the
//! default, numbers may be quoted. An item that cannot be read is refused alone and counted.

mod decode;
mod documents;
mod reader;
mod scalar;
mod tape;

pub(super) use decode::decode;
pub use documents::{Document, DocumentError, read_documents};

use super::reason::Reason;
use crate::model::Signal;
use reader::Reader;

/// Why JSON could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON; the whole body is refused.
    #[error("not JSON: expected {expected} at byte {at}")]
    Syntax {
        /// Where, in bytes.
        at: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// One item cannot be taken. At the top of a document: it is not an export request.
    #[error("not an export request: {}", .0.as_str())]
    Item(Reason),
    /// As protobuf it is longer than it may be: short numbers grow.
    #[error("longer than allowed as protobuf")]
    TooLarge,
}

impl JsonError {
    const VALUE: Self = Self::Item(Reason::Value);
    const UTF8: Self = Self::Item(Reason::Utf8);
}

/// The signal of a document by its first known key: `resourceSpans`, `resourceMetrics` or `resourceLogs`.
#[must_use]
pub fn signal_of(document: &[u8]) -> Option<Signal> {
    let mut signal = None;
    let outcome = Reader::new(document).each_member(|reader, key| {
        let found = match key {
            "resourceSpans" => Some(Signal::Traces),
            "resourceMetrics" => Some(Signal::Metrics),
            "resourceLogs" => Some(Signal::Logs),
            _ => None,
        };
        signal = signal.or(found);
        if signal.is_some() { Err(JsonError::VALUE) } else { reader.skip_value() }
    });
    // The walk is broken off where the key is found; a document that breaks off by itself has none.
    let _broken_off = outcome;
    signal
}
