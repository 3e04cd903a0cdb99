//! Borrowed views over OTLP's protobuf bytes: nothing is copied and nothing allocated.
//!
//! A view's own fields are checked when it is made. What lies deeper (attributes,
//! events, links, exemplars) is read when asked for, and an iterator simply ends
//! at a malformed field: the door has checked every byte before a body is stored,
//! so on a stored body that cannot happen. Unknown fields are skipped at every depth.
//! A singular message that occurs twice is not merged: the last one counts.

mod common;
mod cursor;
pub mod logs;
pub mod metrics;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
pub mod points;
pub mod traces;

pub use common::{Array, Attributes, Map, Nested, Resource, Scope, attr_value, key_value, nested};
pub use cursor::{Cursor, Field, Fixed64s, Repeated, Varints};

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A length or a scalar runs past the end.
    #[error("the message is cut short")]
    Truncated,
    /// A varint longer than 64 bits.
    #[error("a varint is longer than 64 bits")]
    Varint,
    /// Field number 0, an unknown wire type, or a group that is not closed as it was opened.
    #[error("a field's tag is malformed")]
    Tag,
    /// A known field with another wire type than its own.
    #[error("a field has the wrong wire type")]
    WireType,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Values or groups nested too deep.
    #[error("values are nested too deep")]
    Depth,
    /// A trace id that is neither 16 bytes nor, where it may be, absent.
    #[error("a trace id is not 16 bytes, or all zero")]
    TraceId,
    /// A span id that is neither 8 bytes nor, where it may be, absent.
    #[error("a span id is not 8 bytes, or all zero")]
    SpanId,
    /// More attributes in one message than the limit allows.
    #[error("too many attributes")]
    Attributes,
    /// A list of more entries than any program sends.
    #[error("a list has too many entries")]
    Parts,
}

impl WireError {
    /// Whether only the item that holds it is refused; otherwise the whole body is.
    #[must_use]
    pub fn is_item_level(self) -> bool {
        matches!(self, Self::Utf8 | Self::Depth | Self::TraceId | Self::SpanId | Self::Attributes | Self::Parts)
    }
}
