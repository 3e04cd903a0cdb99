//! Checks every byte of a protobuf request, item by item, and cuts out the items that cannot be taken.

use super::reason::{Census, Reason};
use super::schema::{Id, KEY_VALUE, Kind, Label, Message, Role};
use super::value::DEPTH_MAX;
use super::wire::{Cursor, Field, WireError};

/// Entries of one message's lists at most: events and links of a span, counts and quantiles of a point, members of an
/// array. An entry may take a byte on the wire, and many times that as a column.
pub(super) const PARTS_MAX: usize = 1 << 17;

/// How strictly a request is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checker {
    /// Attributes that one message may carry.
    pub(super) attributes_max: usize,
    /// Whether unknown fields are errors, as when a file's signal is guessed.
    pub(super) strict: bool,
}

impl Checker {
    /// Counts the items of a request; an error means that the body as a whole is unreadable.
    pub(super) fn census(self, request: &'static Message, body: &[u8]) -> Result<Census, WireError> {
        let mut census = Census::default();
        self.count(request, body, &mut census)?;
        Ok(census)
    }

    fn count(self, message: &'static Message, raw: &[u8], census: &mut Census) -> Result<(), WireError> {
        if let Err(error) = self.own_parts(message, raw) {
            let reason = Reason::of(error).ok_or(error)?;
            census.refuse(reason, items_below(message, raw)?);
            census.cut = true;
            return Ok(());
        }
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            let Some((child, raw)) = child_of(message, number, field) else { continue };
            if child.role == Role::Container {
                self.count(child, raw, census)?;
                continue;
            }
            match self.part(child, raw, 0) {
                Ok(()) => census.items += 1,
                Err(error) => census.refuse(Reason::of(error).ok_or(error)?, 1),
            }
        }
        Ok(())
    }

    /// Appends the request without the items, and without the blocks, that `census` refused.
    pub(super) fn rewrite(self, message: &'static Message, raw: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut cursor = Cursor::new(raw);
        let mut start = 0;
        while let Some((number, field)) = cursor.field()? {
            let end = raw.len() - cursor.remaining();
            let whole = raw.get(start..end).unwrap_or_default();
            start = end;
            match child_of(message, number, field) {
                None => out.extend_from_slice(whole),
                Some((item, inner)) if item.role == Role::Item => {
                    if self.part(item, inner, 0).is_ok() {
                        out.extend_from_slice(whole);
                    }
                }
                Some((container, inner)) => {
                    if self.own_parts(container, inner).is_ok() {
                        let place = open(out, number);
                        self.rewrite(container, inner, out)?;
                        close(out, place);
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks what a container holds beside its containers and items: resource, scope, names.
    fn own_parts(self, message: &'static Message, raw: &[u8]) -> Result<(), WireError> {
        let mut attributes = 0;
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match message.field(number) {
                None if self.strict => return Err(WireError::Tag),
                None => {}
                Some(spec) if is_below(spec.kind) => {
                    field.bytes()?;
                }
                Some(spec) => {
                    attributes += usize::from(is_attribute(spec.kind));
                    self.field(spec.kind, spec.label, field, 0)?;
                }
            }
        }
        if attributes > self.attributes_max { Err(WireError::Attributes) } else { Ok(()) }
    }

    /// Checks a message that is taken or refused as one.
    fn part(self, message: &'static Message, raw: &[u8], depth: u32) -> Result<(), WireError> {
        if depth > DEPTH_MAX {
            return Err(WireError::Depth);
        }
        let (mut attributes, mut parts) = (0, 0);
        let (mut trace_id, mut span_id) = (false, false);
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            let Some(spec) = message.field(number) else {
                if self.strict {
                    return Err(WireError::Tag);
                }
                continue;
            };
            match spec.kind {
                Kind::Id(Id::Trace) => trace_id = true,
                Kind::Id(Id::Span) => span_id = true,
                kind => attributes += usize::from(is_attribute(kind)),
            }
            if spec.label == Label::Repeated {
                parts += entries_in(spec.kind, field);
            }
            self.field(spec.kind, spec.label, field, depth)?;
        }
        if parts > PARTS_MAX {
            return Err(WireError::Parts);
        }
        if message.needs_ids && !trace_id {
            return Err(WireError::TraceId);
        }
        if message.needs_ids && !span_id {
            return Err(WireError::SpanId);
        }
        if attributes > self.attributes_max && !message.is_map() { Err(WireError::Attributes) } else { Ok(()) }
    }

    #[inline]
    fn field(self, kind: Kind, label: Label, field: Field<'_>, depth: u32) -> Result<(), WireError> {
        match (kind, field) {
            (Kind::Text, _) => check_text(field.bytes()?),
            (Kind::Message(message), Field::Len(raw))
                if std::ptr::eq(message, &raw const KEY_VALUE) && depth < DEPTH_MAX && is_plain_attribute(raw) =>
            {
                Ok(())
            }
            (Kind::Message(message), Field::Len(raw)) => self.part(message, raw, depth + u32::from(message.nests)),
            (Kind::Id(id), Field::Len(bytes)) => id.check(bytes),
            (Kind::Bytes, Field::Len(_))
            | (
                Kind::Bool | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Enum(_),
                Field::Varint(_),
            )
            | (Kind::Fixed64 | Kind::Sfixed64 | Kind::Double, Field::Fixed64(_))
            | (Kind::Fixed32, Field::Fixed32(_)) => Ok(()),
            (Kind::Fixed64 | Kind::Double, Field::Len(packed)) if label == Label::Repeated => {
                if packed.len().is_multiple_of(8) { Ok(()) } else { Err(WireError::Truncated) }
            }
            (Kind::Uint64, Field::Len(packed)) if label == Label::Repeated => {
                let mut cursor = Cursor::new(packed);
                while cursor.remaining() > 0 {
                    cursor.varint()?;
                }
                Ok(())
            }
            _ => Err(WireError::WireType),
        }
    }
}

/// Whether these bytes are a `KeyValue` as nearly all of them are: a short ASCII key, then ASCII text, a number or a
/// flag, and nothing else. What is not is read field by field.
#[inline]
fn is_plain_attribute(raw: &[u8]) -> bool {
    let Some((key, value)) = short_field(raw, 0x0a) else { return false };
    let Some((value, [])) = short_field(value, 0x12) else { return false };
    if !key.is_ascii() {
        return false;
    }
    match value {
        [0x0a, ..] => matches!(short_field(value, 0x0a), Some((text, [])) if text.is_ascii()),
        // A flag or an integer: one byte, or as many as say that another follows.
        [0x10 | 0x18, digits @ .., last] => *last < 0x80 && digits.len() < 9 && digits.iter().all(|byte| *byte >= 0x80),
        [0x21, double @ ..] => double.len() == 8,
        _ => false,
    }
}

/// The content of a first field with this tag and a length below 128, and what follows it.
#[inline]
fn short_field(raw: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match raw {
        [first, length @ 0..0x80, rest @ ..] if *first == tag => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

/// How many entries of a list a field holds: one, or where they are packed at most so many.
#[inline]
fn entries_in(kind: Kind, field: Field<'_>) -> usize {
    match (kind, field) {
        (Kind::Fixed64 | Kind::Double, Field::Len(packed)) => packed.len() / 8,
        (Kind::Uint64, Field::Len(packed)) => packed.len(),
        _ => 1,
    }
}

/// Most text is ASCII, which is told faster than UTF-8.
#[inline]
fn check_text(bytes: &[u8]) -> Result<(), WireError> {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() { Ok(()) } else { Err(WireError::Utf8) }
}

fn is_below(kind: Kind) -> bool {
    matches!(kind, Kind::Message(message) if message.role != Role::Part)
}

fn is_attribute(kind: Kind) -> bool {
    matches!(kind, Kind::Message(message) if std::ptr::eq(message, &raw const KEY_VALUE))
}

/// The container or item in a field, if it is one.
pub(super) fn child_of<'a>(
    message: &'static Message,
    number: u32,
    field: Field<'a>,
) -> Option<(&'static Message, &'a [u8])> {
    match (message.field(number)?.kind, field) {
        (Kind::Message(child), Field::Len(raw)) if child.role != Role::Part => Some((child, raw)),
        _ => None,
    }
}

/// How many items a container holds, whatever they look like inside.
pub(super) fn items_below(message: &'static Message, raw: &[u8]) -> Result<u64, WireError> {
    let mut items = 0;
    let mut cursor = Cursor::new(raw);
    while let Some((number, field)) = cursor.field()? {
        if let Some((child, raw)) = child_of(message, number, field) {
            items += if child.role == Role::Item { 1 } else { items_below(child, raw)? };
        }
    }
    Ok(items)
}

/// Begins a length-delimited field: its tag, and one byte kept for the length. Returns where that byte is.
pub(super) fn open(out: &mut Vec<u8>, number: u32) -> usize {
    push_varint(out, u64::from(number << 3 | 2));
    out.push(0);
    out.len() - 1
}

/// Ends a length-delimited field: writes its length, moving the content where one byte is too few.
pub(super) fn close(out: &mut Vec<u8>, place: usize) {
    let length = out.len() - place - 1;
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        if let Some(byte) = out.get_mut(place) {
            *byte = short;
        }
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    push_varint(&mut prefix, length as u64);
    out.splice(place..=place, prefix);
}

/// Appends a varint.
#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{
        Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics, metric::Data,
    };
    use prost::Message as _;

    use super::super::schema::request;
    use super::*;
    use crate::model::Signal;

    #[test]
    fn a_list_of_too_many_entries_makes_its_item_unfit_and_no_other() {
        let point =
            |count: usize| HistogramDataPoint { bucket_counts: vec![1; count], ..HistogramDataPoint::default() };
        let data = Data::Histogram(Histogram {
            data_points: vec![point(PARTS_MAX), point(PARTS_MAX + 1)],
            ..Histogram::default()
        });
        let metrics = vec![Metric { name: "latency".to_owned(), data: Some(data), ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        let checker = Checker { attributes_max: 10, strict: false };
        let census = checker.census(request(Signal::Metrics), &body).unwrap();
        assert_eq!(census.items, 1);
        assert_eq!(census.by_reason().collect::<Vec<_>>(), [(Reason::Parts, 1)]);
    }

    #[test]
    fn a_plain_attribute_is_one_that_the_full_check_takes() {
        let plain: [&[u8]; 5] = [
            b"\x0a\x01k\x12\x04\x0a\x02hi",
            b"\x0a\x01k\x12\x02\x18\x07",
            b"\x0a\x01k\x12\x03\x18\x80\x01",
            b"\x0a\x00\x12\x02\x10\x01",
            b"\x0a\x01k\x12\x09\x21\x00\x00\x00\x00\x00\x00\x00\x00",
        ];
        let checker = Checker { attributes_max: 8, strict: true };
        for raw in plain {
            assert!(is_plain_attribute(raw), "{raw:?}");
            assert_eq!(checker.part(&KEY_VALUE, raw, 0), Ok(()), "{raw:?}");
        }
    }

    #[test]
    fn whatever_is_odd_is_left_to_the_full_check() {
        let odd: [&[u8]; 8] = [
            b"",
            b"\x0a\x01k",
            b"\x12\x02\x18\x07\x0a\x01k",
            b"\x0a\x01\xff\x12\x02\x18\x07",
            b"\x0a\x01k\x12\x04\x0a\x02\xc3\xa4",
            b"\x0a\x01k\x12\x02\x18\x80",
            b"\x0a\x01k\x12\x02\x18\x07\x20\x01",
            b"\x0a\x01k\x12\x05\x0a\x02hi\x00",
        ];
        assert!(odd.iter().all(|raw| !is_plain_attribute(raw)));
    }
}
