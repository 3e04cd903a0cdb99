//! What the three signals share: resource, scope, attributes and nested values.

use super::WireError;
use super::cursor::{Cursor, Extent, Field, Repeated};
use crate::otlp::value::AttrValue;

/// Who emitted: a `Resource` and the schema it follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resource<'a> {
    /// The encoded `Resource` message; empty where none was sent. Hash it once a block, with `schema_url`.
    pub raw: &'a [u8],
    /// The schema of the resource's attributes; empty where none was sent.
    pub schema_url: &'a str,
}

impl<'a> Resource<'a> {
    /// The resource's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 1)
    }

    /// The text of one attribute, such as `service.name`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        text_of(self.attributes(), key)
    }

    /// Attributes that the emitter dropped.
    #[must_use]
    pub fn dropped_attributes(&self) -> u32 {
        dropped(self.raw, 2)
    }
}

/// Which library emitted: an `InstrumentationScope` and the schema of what it emits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The encoded `InstrumentationScope` message; empty where none was sent.
    pub raw: &'a [u8],
    /// The library's name; may be empty.
    pub name: &'a str,
    /// The library's version; may be empty.
    pub version: &'a str,
    /// The schema of the items' attributes; empty where none was sent.
    pub schema_url: &'a str,
}

impl<'a> Scope<'a> {
    /// The scope's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 3)
    }

    /// Attributes that the emitter dropped.
    #[must_use]
    pub fn dropped_attributes(&self) -> u32 {
        dropped(self.raw, 4)
    }

    fn parse(raw: &'a [u8], schema_url: &'a str) -> Result<Self, WireError> {
        let mut scope = Self { raw, schema_url, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                1 => scope.name = field.text()?,
                2 => scope.version = field.text()?,
                _ => {}
            }
        }
        Ok(scope)
    }
}

fn text_of<'a>(attributes: Attributes<'a>, wanted: &str) -> Option<&'a str> {
    for (key, value) in attributes {
        if key == wanted
            && let AttrValue::Str(text) = value
        {
            return Some(text);
        }
    }
    None
}

fn dropped(raw: &[u8], wanted: u32) -> u32 {
    let mut cursor = Cursor::new(raw);
    let mut dropped = 0;
    while let Ok(Some((number, field))) = cursor.field() {
        if number == wanted {
            dropped = field.uint32().unwrap_or_default();
        }
    }
    dropped
}

/// The attributes of a message, in the order in which they were sent; keys may repeat.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    fields: Repeated<'a>,
}

impl<'a> Attributes<'a> {
    /// The attributes that a message holds in field `number`.
    #[must_use]
    #[inline]
    pub fn new(message: &'a [u8], number: u32) -> Self {
        Self { fields: Repeated::new(message, number) }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, AttrValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        key_value(self.fields.next()?).ok()
    }
}

/// Reads one `KeyValue` message.
#[inline]
pub fn key_value(raw: &[u8]) -> Result<(&str, AttrValue<'_>), WireError> {
    let mut cursor = Cursor::new(raw);
    let (mut key, mut value) = ("", AttrValue::Empty);
    while let Some((number, field)) = cursor.field()? {
        match number {
            1 => key = field.text()?,
            2 => value = attr_value(field.bytes()?)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Reads one `AnyValue` message; where several kinds are set, the last counts.
#[inline]
pub fn attr_value(raw: &[u8]) -> Result<AttrValue<'_>, WireError> {
    let mut cursor = Cursor::new(raw);
    let mut value = AttrValue::Empty;
    while let Some((number, field)) = cursor.field()? {
        match number {
            1 => value = AttrValue::Str(field.text()?),
            2 => value = AttrValue::Bool(field.varint()? != 0),
            3 => value = AttrValue::Int(field.varint()?.cast_signed()),
            4 => value = AttrValue::Double(field.double()?),
            5 | 6 => {
                field.bytes()?;
                value = AttrValue::Nested(raw);
            }
            7 => value = AttrValue::Bytes(field.bytes()?),
            _ => {}
        }
    }
    Ok(value)
}

/// What an `AttrValue::Nested` holds.
#[derive(Clone, Copy, Debug)]
pub enum Nested<'a> {
    /// An array of values.
    Array(Array<'a>),
    /// A map; keys may repeat.
    Map(Map<'a>),
}

/// The values of an `ArrayValue`; ends at the first malformed one.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a>(Repeated<'a>);

impl<'a> Iterator for Array<'a> {
    type Item = AttrValue<'a>;

    fn next(&mut self) -> Option<AttrValue<'a>> {
        attr_value(self.0.next()?).ok()
    }
}

/// The entries of a `KeyValueList`.
pub type Map<'a> = Attributes<'a>;

/// Opens the bytes of an `AttrValue::Nested`; `None` where they hold neither an array nor a map.
#[must_use]
pub fn nested(raw: &[u8]) -> Option<Nested<'_>> {
    let mut cursor = Cursor::new(raw);
    let mut last = None;
    while let Ok(Some((number, field))) = cursor.field() {
        match (number, field) {
            (5, Field::Len(array)) => last = Some(Nested::Array(Array(Repeated::new(array, 1)))),
            (6, Field::Len(map)) => last = Some(Nested::Map(Attributes::new(map, 1))),
            _ => {}
        }
    }
    last
}

/// A block of one resource: `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
pub(super) struct Block<'a> {
    pub(super) resource: Resource<'a>,
    /// The block's scopes: `ScopeSpans` and its like, in field 2.
    pub(super) scopes: Repeated<'a>,
}

/// Calls `visit` with every resource block of an export request.
pub(super) fn each_block<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(&Block<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut cursor = Cursor::new(body);
    while let Some((number, field)) = cursor.field()? {
        if number == 1 {
            visit(&block(field.bytes()?)?)?;
        }
    }
    Ok(())
}

/// The schema follows the scopes on the wire, so the block is skimmed once before its scopes are read.
fn block(raw: &[u8]) -> Result<Block<'_>, WireError> {
    let mut resource = Resource::default();
    let mut scopes = Extent::default();
    let mut cursor = Cursor::new(raw);
    let mut start = 0;
    while let Some((number, field)) = cursor.field()? {
        let end = raw.len() - cursor.remaining();
        match number {
            1 => resource.raw = field.bytes()?,
            2 => {
                field.bytes()?;
                scopes.note(start, end);
            }
            3 => resource.schema_url = field.text()?,
            _ => {}
        }
        start = end;
    }
    Ok(Block { resource, scopes: Repeated::new(scopes.of(raw), 2) })
}

/// Calls `visit` with every item (field 2) of one scope block.
pub(super) fn each_item<'a>(
    raw: &'a [u8],
    mut visit: impl FnMut(&Scope<'a>, &'a [u8]) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let (mut scope, mut schema_url): (&[u8], &str) = (&[], "");
    let mut items = Extent::default();
    let mut cursor = Cursor::new(raw);
    let mut start = 0;
    while let Some((number, field)) = cursor.field()? {
        let end = raw.len() - cursor.remaining();
        match number {
            1 => scope = field.bytes()?,
            2 => {
                field.bytes()?;
                items.note(start, end);
            }
            3 => schema_url = field.text()?,
            _ => {}
        }
        start = end;
    }
    let scope = Scope::parse(scope, schema_url)?;
    for item in Repeated::new(items.of(raw), 2) {
        visit(&scope, item)?;
    }
    Ok(())
}

/// A trace id that may be absent: empty and all-zero mean none.
#[inline]
pub(super) fn optional_trace_id(bytes: &[u8]) -> Result<Option<[u8; 16]>, WireError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = <[u8; 16]>::try_from(bytes).map_err(|_length| WireError::TraceId)?;
    Ok((id != [0; 16]).then_some(id))
}

/// A span id that may be absent: empty and all-zero mean none.
#[inline]
pub(super) fn optional_span_id(bytes: &[u8]) -> Result<Option<[u8; 8]>, WireError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = <[u8; 8]>::try_from(bytes).map_err(|_length| WireError::SpanId)?;
    Ok((id != [0; 8]).then_some(id))
}

/// An enum as it is stored: one byte; numbers outside it count as 0, unspecified.
#[inline]
pub(super) fn enum8(field: Field<'_>) -> Result<u8, WireError> {
    Ok(u8::try_from(field.varint()?).unwrap_or_default())
}
