//! OTLP's messages as data: one table serves the JSON decoder, the check at the door and the strict check of imports.
//!
//! Names are those of OTLP/JSON (lowerCamelCase), numbers those of opentelemetry-proto 1.10.

mod tables;

use tables::KEY_VALUE_LIST;
pub(super) use tables::{KEY_VALUE, request};

use super::wire::WireError;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes: Base64 in JSON.
    Bytes,
    /// A trace or span id: hex in JSON.
    Id(Id),
    Bool,
    /// int64, as a varint.
    Int64,
    /// uint32, as a varint.
    Uint32,
    /// uint64, as a varint; repeated ones are packed.
    Uint64,
    /// sint32, as a zigzag varint.
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    /// An enum: a number; the names are for the lenient switch.
    Enum(&'static [(&'static str, i32)]),
    Message(&'static Message),
}

/// Which id, and whether the item is refused without it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    Trace,
    Span,
    OptionalTrace,
    OptionalSpan,
}

impl Id {
    /// Checks length and content; where the id may be absent, empty and all-zero mean that it is.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), WireError> {
        let (length, required, refusal) = match self {
            Self::Trace => (16, true, WireError::TraceId),
            Self::Span => (8, true, WireError::SpanId),
            Self::OptionalTrace => (16, false, WireError::TraceId),
            Self::OptionalSpan => (8, false, WireError::SpanId),
        };
        let absent = bytes.iter().all(|byte| *byte == 0);
        let fits = bytes.len() == length || (bytes.is_empty() && !required);
        if fits && !(required && absent) { Ok(()) } else { Err(refusal) }
    }
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Once; the default is left out.
    Single,
    /// Once; the default is written, since presence says something (oneof and optional).
    Present,
    /// Any number of times.
    Repeated,
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldSpec {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) label: Label,
}

/// What a message means to the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Holds items somewhere below: refused as a whole only when it is itself unreadable.
    Container,
    /// A span, point or log record: what is refused and counted singly.
    Item,
    /// Part of an item or of a resource.
    Part,
}

/// One message type.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) fields: &'static [FieldSpec],
    /// Place in `fields` by number, plus one; 0: no such field.
    by_number: [u8; 20],
    /// Whether a trace and a span id must be there.
    pub(super) needs_ids: bool,
    /// Whether it counts towards the depth of nested values.
    pub(super) nests: bool,
}

impl Message {
    #[expect(clippy::cast_possible_truncation, reason = "no message has 255 fields")]
    const fn new(role: Role, fields: &'static [FieldSpec]) -> Self {
        let mut by_number = [0; 20];
        let mut index = 0;
        while index < fields.len() {
            by_number[fields[index].number as usize] = index as u8 + 1;
            index += 1;
        }
        Self { role, fields, by_number, needs_ids: false, nests: false }
    }

    /// The field of a number.
    #[inline]
    pub(super) fn field(&self, number: u32) -> Option<&'static FieldSpec> {
        let place = *self.by_number.get(number as usize)?;
        self.fields.get(usize::from(place.checked_sub(1)?))
    }

    /// Whether it is a map among values, to which the limit of attributes does not apply.
    pub(super) fn is_map(&self) -> bool {
        std::ptr::eq(self, &raw const KEY_VALUE_LIST)
    }

    /// The field of a JSON name.
    pub(super) fn named(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
}
