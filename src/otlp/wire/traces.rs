//! Spans, borrowed from an `ExportTraceServiceRequest`.

use super::WireError;
use super::common::{Attributes, Resource, Scope, each_block, each_item, enum8, optional_span_id, optional_trace_id};
use super::cursor::{Cursor, Extent, Repeated};

/// One span.
#[derive(Clone, Copy, Debug)]
pub struct SpanView<'a> {
    /// The encoded `Span` message.
    pub raw: &'a [u8],
    /// Never all zero.
    pub trace_id: [u8; 16],
    /// Never all zero.
    pub span_id: [u8; 8],
    /// `None` at the root of a trace; empty and all-zero ids count as none.
    pub parent_span_id: Option<[u8; 8]>,
    /// W3C tracestate; mostly empty.
    pub trace_state: &'a str,
    /// W3C trace flags in bits 0 to 7; bits 8 and 9: whether the parent is remote.
    pub flags: u32,
    /// Span name; may be empty.
    pub name: &'a str,
    /// OTLP `SpanKind` as sent: 0 unspecified to 5 consumer, or a number that is not defined yet.
    pub kind: u8,
    /// Nanoseconds since the Unix epoch; 0 where unset.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch; may lie before the start, as clocks do.
    pub end_ns: u64,
    /// OTLP `StatusCode`: 0 unset, 1 ok, 2 error.
    pub status: u8,
    /// The status's text; mostly empty.
    pub status_message: &'a str,
    /// Attributes that the emitter dropped.
    pub dropped_attributes: u32,
    /// Events that the emitter dropped.
    pub dropped_events: u32,
    /// Links that the emitter dropped.
    pub dropped_links: u32,
    attributes: &'a [u8],
    events: &'a [u8],
    links: &'a [u8],
}

impl<'a> SpanView<'a> {
    /// Reads one encoded `Span`; what lies inside attributes, events and links is left alone.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut span = Self::blank(raw);
        let (mut trace_id, mut span_id, mut status): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let (mut attributes, mut events, mut links) = (Extent::default(), Extent::default(), Extent::default());
        let mut cursor = Cursor::new(raw);
        let mut start = 0;
        while let Some((number, field)) = cursor.field()? {
            let end = raw.len() - cursor.remaining();
            match number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => span.trace_state = field.text()?,
                4 => span.parent_span_id = optional_span_id(field.bytes()?)?,
                5 => span.name = field.text()?,
                6 => span.kind = enum8(field)?,
                7 => span.start_ns = field.fixed64()?,
                8 => span.end_ns = field.fixed64()?,
                9 => attributes.note(start, end),
                10 => span.dropped_attributes = field.uint32()?,
                11 => events.note(start, end),
                12 => span.dropped_events = field.uint32()?,
                13 => links.note(start, end),
                14 => span.dropped_links = field.uint32()?,
                15 => status = field.bytes()?,
                16 => span.flags = field.fixed32()?,
                _ => {}
            }
            start = end;
        }
        span.trace_id = optional_trace_id(trace_id)?.ok_or(WireError::TraceId)?;
        span.span_id = optional_span_id(span_id)?.ok_or(WireError::SpanId)?;
        span.read_status(status)?;
        span.attributes = attributes.of(raw);
        span.events = events.of(raw);
        span.links = links.of(raw);
        Ok(span)
    }

    fn blank(raw: &'a [u8]) -> Self {
        Self {
            raw,
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_span_id: None,
            trace_state: "",
            flags: 0,
            name: "",
            kind: 0,
            start_ns: 0,
            end_ns: 0,
            status: 0,
            status_message: "",
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            attributes: &[],
            events: &[],
            links: &[],
        }
    }

    fn read_status(&mut self, raw: &'a [u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => self.status_message = field.text()?,
                3 => self.status = enum8(field)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The span's attributes.
    #[must_use]
    #[inline]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes, 9)
    }

    /// The encoded `KeyValue` messages of the span's attributes: to compare them without reading them.
    #[must_use]
    #[inline]
    pub fn raw_attributes(&self) -> Repeated<'a> {
        Repeated::new(self.attributes, 9)
    }

    /// The span's events.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + Clone + use<'a> {
        Repeated::new(self.events, 11).map_while(|raw| EventView::parse(raw).ok())
    }

    /// The span's links.
    pub fn links(&self) -> impl Iterator<Item = LinkView<'a>> + Clone + use<'a> {
        Repeated::new(self.links, 13).map_while(|raw| LinkView::parse(raw).ok())
    }
}

/// Something that happened during a span.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventView<'a> {
    /// The encoded `Span.Event` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The event's name, such as `exception`.
    pub name: &'a str,
    /// Attributes that the emitter dropped.
    pub dropped_attributes: u32,
}

impl<'a> EventView<'a> {
    /// Reads one encoded event.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut event = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                1 => event.time_ns = field.fixed64()?,
                2 => event.name = field.text()?,
                4 => event.dropped_attributes = field.uint32()?,
                _ => {}
            }
        }
        Ok(event)
    }

    /// The event's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 3)
    }
}

/// A pointer from one span to another, perhaps in another trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkView<'a> {
    /// The encoded `Span.Link` message.
    pub raw: &'a [u8],
    /// `None` where empty or all zero.
    pub trace_id: Option<[u8; 16]>,
    /// `None` where empty or all zero.
    pub span_id: Option<[u8; 8]>,
    /// W3C tracestate of the linked span.
    pub trace_state: &'a str,
    /// W3C trace flags of the linked span.
    pub flags: u32,
    /// Attributes that the emitter dropped.
    pub dropped_attributes: u32,
}

impl<'a> LinkView<'a> {
    /// Reads one encoded link.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut link = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                1 => link.trace_id = optional_trace_id(field.bytes()?)?,
                2 => link.span_id = optional_span_id(field.bytes()?)?,
                3 => link.trace_state = field.text()?,
                5 => link.dropped_attributes = field.uint32()?,
                6 => link.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(link)
    }

    /// The link's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 4)
    }
}

/// Calls `visit` with every span, in the order of the wire. Spans of one resource and one scope follow
/// one another, and `resource.raw` and `scope.raw` keep their addresses between them.
pub fn each_span<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(&Resource<'a>, &Scope<'a>, &SpanView<'a>),
) -> Result<(), WireError> {
    each_block(body, |block| {
        for scope_spans in block.scopes {
            each_item(scope_spans, |scope, raw| {
                visit(&block.resource, scope, &SpanView::parse(raw)?);
                Ok(())
            })?;
        }
        Ok(())
    })
}
