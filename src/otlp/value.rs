//! An attribute's value, borrowed from the request that carried it.

/// An OTLP `AnyValue` without a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttrValue<'a> {
    /// No value was set.
    Empty,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double; may be NaN or infinite.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array or a map: its encoded `AnyValue` message.
    Nested(&'a [u8]),
}
