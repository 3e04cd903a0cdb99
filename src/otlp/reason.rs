//! Why a single item was refused, and how many were.

use super::wire::WireError;

/// Why an item was refused while its request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A trace id that is not 16 bytes, or all zero where one must be.
    TraceId,
    /// A span id that is not 8 bytes, or all zero where one must be.
    SpanId,
    /// Text that is not UTF-8.
    Utf8,
    /// More attributes than the limit.
    Attributes,
    /// A list of more entries than the limit.
    Parts,
    /// Values nested deeper than the limit.
    Depth,
    /// JSON: a value of another type than the field's, or out of its range.
    Value,
    /// JSON: an enum by name, where OTLP has numbers only.
    EnumName,
}

impl Reason {
    /// Every reason, in the order in which counters are listed.
    pub const ALL: [Self; 8] = [
        Self::TraceId,
        Self::SpanId,
        Self::Utf8,
        Self::Attributes,
        Self::Parts,
        Self::Depth,
        Self::Value,
        Self::EnumName,
    ];

    /// The label in metrics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::Utf8 => "invalid_utf8",
            Self::Attributes => "too_many_attributes",
            Self::Parts => "too_many_entries",
            Self::Depth => "nested_too_deep",
            Self::Value => "invalid_value",
            Self::EnumName => "enum_name",
        }
    }

    /// The reason behind an error that concerns one item only; `None` where the whole body is unreadable.
    pub(super) fn of(error: WireError) -> Option<Self> {
        match error {
            WireError::TraceId => Some(Self::TraceId),
            WireError::SpanId => Some(Self::SpanId),
            WireError::Utf8 => Some(Self::Utf8),
            WireError::Attributes => Some(Self::Attributes),
            WireError::Parts => Some(Self::Parts),
            WireError::Depth => Some(Self::Depth),
            WireError::Truncated | WireError::Varint | WireError::Tag | WireError::WireType => None,
        }
    }
}

/// Items of one request: how many may be stored, and how many not, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Items that may be stored.
    pub(super) items: u64,
    /// A block cannot be read: it must be cut out, also where it holds no item that would be counted.
    pub(super) cut: bool,
    refused: [u64; Reason::ALL.len()],
}

impl Census {
    pub(super) fn refuse(&mut self, reason: Reason, count: u64) {
        if let Some(refused) = self.refused.get_mut(reason as usize) {
            *refused += count;
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Reasons that occurred, with their counts.
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().zip(self.refused).filter(|(_, count)| *count > 0)
    }

    /// Takes over what another pass over the same request refused.
    pub(super) fn add_refused(&mut self, other: &Self) {
        for (reason, count) in other.by_reason() {
            self.refuse(reason, count);
        }
    }
}
