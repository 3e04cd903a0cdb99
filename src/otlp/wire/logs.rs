//! Log records, borrowed from an `ExportLogsServiceRequest`.

use super::WireError;
use super::common::{
    Attributes, Resource, Scope, attr_value, each_block, each_item, enum8, optional_span_id, optional_trace_id,
};
use super::cursor::{Cursor, Extent};
use crate::otlp::value::AttrValue;

/// One log record.
#[derive(Clone, Copy, Debug)]
pub struct LogView<'a> {
    /// The encoded `LogRecord` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch; 0 where unknown.
    pub time_ns: u64,
    /// When it was observed, nanoseconds since the Unix epoch; 0 where unknown.
    pub observed_ns: u64,
    /// OTLP `SeverityNumber`: 0 unspecified, 1 trace to 24 fatal.
    pub severity_number: u8,
    /// The severity in the emitter's own words.
    pub severity_text: &'a str,
    /// The name of an event; empty for an ordinary record.
    pub event_name: &'a str,
    /// The body; `Empty` where there is none.
    pub body: AttrValue<'a>,
    /// The trace it belongs to; `None` where empty or all zero.
    pub trace_id: Option<[u8; 16]>,
    /// The span it belongs to; `None` where empty or all zero.
    pub span_id: Option<[u8; 8]>,
    /// W3C trace flags in bits 0 to 7.
    pub flags: u32,
    /// Attributes that the emitter dropped.
    pub dropped_attributes: u32,
    attributes: &'a [u8],
}

impl<'a> LogView<'a> {
    /// Reads one encoded `LogRecord`; what lies inside its attributes is left alone.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut log = Self {
            raw,
            time_ns: 0,
            observed_ns: 0,
            severity_number: 0,
            severity_text: "",
            event_name: "",
            body: AttrValue::Empty,
            trace_id: None,
            span_id: None,
            flags: 0,
            dropped_attributes: 0,
            attributes: &[],
        };
        let mut attributes = Extent::default();
        let mut cursor = Cursor::new(raw);
        let mut start = 0;
        while let Some((number, field)) = cursor.field()? {
            let end = raw.len() - cursor.remaining();
            match number {
                1 => log.time_ns = field.fixed64()?,
                2 => log.severity_number = enum8(field)?,
                3 => log.severity_text = field.text()?,
                5 => log.body = attr_value(field.bytes()?)?,
                6 => attributes.note(start, end),
                7 => log.dropped_attributes = field.uint32()?,
                8 => log.flags = field.fixed32()?,
                9 => log.trace_id = optional_trace_id(field.bytes()?)?,
                10 => log.span_id = optional_span_id(field.bytes()?)?,
                11 => log.observed_ns = field.fixed64()?,
                12 => log.event_name = field.text()?,
                _ => {}
            }
            start = end;
        }
        log.attributes = attributes.of(raw);
        Ok(log)
    }

    /// The record's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes, 6)
    }
}

/// Calls `visit` with every log record, in the order of the wire.
pub fn each_log<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(&Resource<'a>, &Scope<'a>, &LogView<'a>),
) -> Result<(), WireError> {
    each_block(body, |block| {
        for scope_logs in block.scopes {
            each_item(scope_logs, |scope, raw| {
                visit(&block.resource, scope, &LogView::parse(raw)?);
                Ok(())
            })?;
        }
        Ok(())
    })
}
