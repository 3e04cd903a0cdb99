//! Walks a document along the schema's tables and writes protobuf as it goes.

use super::super::check::{close, open, push_varint};
use super::super::reason::{Census, Reason};
use super::super::schema::{FieldSpec, Id, Kind, Label, Message, Role};
use super::super::value::DEPTH_MAX;
use super::JsonError;
use super::reader::Reader;
use super::scalar;

/// A document as protobuf.
#[derive(Debug)]
pub(in super::super) struct Decoded {
    /// The export request.
    pub(in super::super) body: Vec<u8>,
    /// What was read and what refused.
    pub(in super::super) census: Census,
    /// Enums that came as names and were taken, by the lenient switch.
    pub(in super::super) enum_names: u64,
}

/// Decodes one document to at most `out_max` bytes and one scalar more.
pub(in super::super) fn decode(
    request: &'static Message,
    document: &[u8],
    lenient_enum_names: bool,
    out_max: usize,
) -> Result<Decoded, JsonError> {
    let mut decoder = Decoder {
        out: Vec::with_capacity(document.len() / 2),
        out_max,
        census: Census::default(),
        lenient_enum_names,
        enum_names: 0,
    };
    let mut reader = Reader::new(document);
    if reader.peek() != Some(b'{') {
        return Err(JsonError::Syntax { at: reader.position(), expected: "an object" });
    }
    decoder.message(request, &mut reader, 0)?;
    reader.end()?;
    Ok(Decoded { body: decoder.out, census: decoder.census, enum_names: decoder.enum_names })
}

struct Decoder {
    out: Vec<u8>,
    out_max: usize,
    census: Census,
    lenient_enum_names: bool,
    enum_names: u64,
}

impl Decoder {
    /// Appends the fields of one JSON object; null is an empty message.
    fn message(&mut self, message: &'static Message, reader: &mut Reader<'_>, depth: u32) -> Result<(), JsonError> {
        if reader.take_null()? {
            return Ok(());
        }
        if reader.peek() != Some(b'{') {
            return Err(JsonError::VALUE);
        }
        let depth = depth + u32::from(message.nests);
        if depth > DEPTH_MAX {
            return Err(JsonError::Item(Reason::Depth));
        }
        reader.each_member(|reader, key| match message.named(key) {
            None => reader.skip_value(),
            Some(_) if reader.take_null()? => Ok(()),
            Some(spec) if spec.label == Label::Repeated => self.repeated(spec, reader, depth),
            Some(spec) => self.single(spec, reader, depth),
        })
    }

    fn single(&mut self, spec: &'static FieldSpec, reader: &mut Reader<'_>, depth: u32) -> Result<(), JsonError> {
        if let Kind::Message(child) = spec.kind {
            let place = open(&mut self.out, spec.number);
            self.message(child, reader, depth)?;
            close(&mut self.out, place);
            return Ok(());
        }
        self.scalar(spec, reader)
    }

    fn repeated(&mut self, spec: &'static FieldSpec, reader: &mut Reader<'_>, depth: u32) -> Result<(), JsonError> {
        if reader.peek() != Some(b'[') {
            return Err(JsonError::VALUE);
        }
        match spec.kind {
            Kind::Message(child) => reader.each_element(|reader| self.element(spec, child, reader, depth)),
            Kind::Text => reader.each_element(|reader| {
                let text = if reader.take_null()? { "".into() } else { scalar::text(reader)? };
                self.bytes(spec.number, text.as_bytes());
                Ok(())
            }),
            kind => {
                let place = open(&mut self.out, spec.number);
                reader.each_element(|reader| self.packed(kind, reader))?;
                close(&mut self.out, place);
                Ok(())
            }
        }
    }

    /// One message of many. Where it is an item or holds items, what fails inside it fails alone.
    fn element(
        &mut self,
        spec: &'static FieldSpec,
        child: &'static Message,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<(), JsonError> {
        let (start, written, census, names) = (reader.position(), self.out.len(), self.census, self.enum_names);
        self.within_bounds()?;
        let place = open(&mut self.out, spec.number);
        let outcome = self.message(child, reader, depth);
        let reason = match (outcome, child.role) {
            (Ok(()), role) => {
                close(&mut self.out, place);
                self.census.items += u64::from(role == Role::Item);
                return Ok(());
            }
            (Err(JsonError::Item(reason)), Role::Item | Role::Container) => reason,
            (Err(error), _) => return Err(error),
        };
        self.out.truncate(written);
        (self.census, self.enum_names) = (census, names);
        reader.rewind(start);
        let items = if child.role == Role::Item {
            reader.skip_value()?;
            1
        } else {
            items_below(child, reader)?
        };
        // A block that is refused and holds no item would vanish without a trace.
        if items == 0 {
            return Err(JsonError::Item(reason));
        }
        self.census.refuse(reason, items);
        Ok(())
    }

    // Only what is repeated can grow: an element of two characters may be eight bytes.
    fn within_bounds(&self) -> Result<(), JsonError> {
        if self.out.len() > self.out_max { Err(JsonError::TooLarge) } else { Ok(()) }
    }

    /// One scalar of a packed field; null is 0.
    fn packed(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        self.within_bounds()?;
        let null = reader.take_null()?;
        match kind {
            Kind::Double => {
                let value = if null { 0.0 } else { scalar::double(reader)? };
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Fixed64 => {
                let value: u64 = if null { 0 } else { scalar::integer(reader)? };
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            _ => {
                let value: u64 = if null { 0 } else { scalar::integer(reader)? };
                push_varint(&mut self.out, value);
            }
        }
        Ok(())
    }

    fn scalar(&mut self, spec: &'static FieldSpec, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let keep = spec.label == Label::Present;
        match spec.kind {
            Kind::Text => {
                let text = scalar::text(reader)?;
                if keep || !text.is_empty() {
                    self.bytes(spec.number, text.as_bytes());
                }
            }
            Kind::Bytes => {
                let bytes = scalar::base64(&scalar::text(reader)?).ok_or(JsonError::VALUE)?;
                self.bytes(spec.number, &bytes);
            }
            Kind::Id(id) => {
                let bytes = scalar::hex(&scalar::text(reader)?).ok_or(JsonError::Item(reason_of(id)))?;
                if !bytes.is_empty() {
                    self.bytes(spec.number, &bytes);
                }
            }
            Kind::Bool => self.varint(spec.number, u64::from(scalar::boolean(reader)?), keep),
            Kind::Int64 => self.varint(spec.number, scalar::integer::<i64>(reader)?.cast_unsigned(), keep),
            Kind::Uint32 => self.varint(spec.number, u64::from(scalar::integer::<u32>(reader)?), keep),
            Kind::Uint64 => self.varint(spec.number, scalar::integer(reader)?, keep),
            Kind::Sint32 => {
                let value: i32 = scalar::integer(reader)?;
                self.varint(spec.number, u64::from((value << 1 ^ value >> 31).cast_unsigned()), keep);
            }
            Kind::Enum(names) => {
                let value = self.enum_number(names, reader)?;
                self.varint(spec.number, i64::from(value).cast_unsigned(), keep);
            }
            Kind::Fixed32 => {
                let value: u32 = scalar::integer(reader)?;
                if keep || value != 0 {
                    push_varint(&mut self.out, u64::from(spec.number << 3 | 5));
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
            }
            Kind::Fixed64 => self.fixed64(spec.number, scalar::integer(reader)?, keep),
            Kind::Sfixed64 => self.fixed64(spec.number, scalar::integer::<i64>(reader)?.cast_unsigned(), keep),
            Kind::Double => self.fixed64(spec.number, scalar::double(reader)?.to_bits(), keep),
            Kind::Message(_) => return Err(JsonError::VALUE),
        }
        Ok(())
    }

    /// OTLP/JSON has enums as numbers; a name is taken only by the lenient switch, and counted.
    fn enum_number(&mut self, names: &[(&str, i32)], reader: &mut Reader<'_>) -> Result<i32, JsonError> {
        let start = reader.position();
        if reader.peek() == Some(b'"') {
            let text = reader.string()?;
            let named = names.iter().find(|(name, _)| *name == text);
            match named {
                Some((_, number)) if self.lenient_enum_names => {
                    self.enum_names += 1;
                    return Ok(*number);
                }
                Some(_) => return Err(JsonError::Item(Reason::EnumName)),
                None => reader.rewind(start),
            }
        }
        scalar::integer(reader)
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        push_varint(&mut self.out, u64::from(number << 3 | 2));
        push_varint(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn varint(&mut self, number: u32, value: u64, keep: bool) {
        if keep || value != 0 {
            push_varint(&mut self.out, u64::from(number << 3));
            push_varint(&mut self.out, value);
        }
    }

    fn fixed64(&mut self, number: u32, value: u64, keep: bool) {
        if keep || value != 0 {
            push_varint(&mut self.out, u64::from(number << 3 | 1));
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

fn reason_of(id: Id) -> Reason {
    match id {
        Id::Trace | Id::OptionalTrace => Reason::TraceId,
        Id::Span | Id::OptionalSpan => Reason::SpanId,
    }
}

/// Counts the items below a block, whatever they look like, and passes over it.
fn items_below(message: &'static Message, reader: &mut Reader<'_>) -> Result<u64, JsonError> {
    if reader.peek() != Some(b'{') {
        reader.skip_value()?;
        return Ok(0);
    }
    let mut items = 0;
    reader.each_member(|reader, key| {
        let below = match message.named(key).map(|spec| spec.kind) {
            Some(Kind::Message(child)) if child.role != Role::Part => child,
            _ => return reader.skip_value(),
        };
        if reader.peek() != Some(b'[') {
            items += items_below(below, reader)?;
            return Ok(());
        }
        reader.each_element(|reader| {
            if below.role == Role::Item {
                items += 1;
                return reader.skip_value();
            }
            items += items_below(below, reader)?;
            Ok(())
        })
    })?;
    Ok(items)
}
