//! Reads protobuf's wire format field by field, without a copy and without a panic.

use super::WireError;

/// How many groups may nest inside one another before the bytes are refused.
const GROUP_DEPTH_MAX: u32 = 64;

/// One field's value, as its wire type says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1, little-endian.
    Fixed64(u64),
    /// Wire type 2: text, bytes, a message or packed scalars.
    Len(&'a [u8]),
    /// Wire type 5, little-endian.
    Fixed32(u32),
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field.
    #[inline]
    pub fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Len(bytes) => Ok(bytes),
            _ => Err(WireError::WireType),
        }
    }

    /// The text of a length-delimited field.
    #[inline]
    pub fn text(self) -> Result<&'a str, WireError> {
        // Dropping the position inside the text: the refusal names the reason, never the content.
        std::str::from_utf8(self.bytes()?).map_err(|_invalid| WireError::Utf8)
    }

    /// A varint.
    #[inline]
    pub fn varint(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(WireError::WireType),
        }
    }

    /// A varint cut to 32 bits, as protobuf does it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "protobuf cuts 32-bit fields to their low half")]
    pub fn uint32(self) -> Result<u32, WireError> {
        Ok(self.varint()? as u32)
    }

    /// An eight-byte field.
    #[inline]
    pub fn fixed64(self) -> Result<u64, WireError> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(WireError::WireType),
        }
    }

    /// An eight-byte field as a double.
    #[inline]
    pub fn double(self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    /// A four-byte field.
    #[inline]
    pub fn fixed32(self) -> Result<u32, WireError> {
        match self {
            Self::Fixed32(value) => Ok(value),
            _ => Err(WireError::WireType),
        }
    }
}

/// Walks the fields of one encoded message.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte of a message.
    #[must_use]
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes that were not read yet.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next field and its number; `None` at the end. Groups are skipped.
    // Always: as a call, the result goes through memory, and that costs more than reading the field.
    #[inline(always)]
    pub fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (number, wire_type) = self.tag()?;
            if wire_type != 3 {
                return Ok(Some((number, self.value(wire_type)?)));
            }
            self.skip_group(number)?;
        }
    }

    #[inline(always)]
    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                u32::from(*first)
            }
            _ => u32::try_from(self.varint()?).map_err(|_large| WireError::Tag)?,
        };
        if tag < 8 {
            return Err(WireError::Tag);
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    #[inline(always)]
    fn value(&mut self, wire_type: u8) -> Result<Field<'a>, WireError> {
        match wire_type {
            0 => self.varint().map(Field::Varint),
            1 => {
                let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(WireError::Truncated)?;
                self.rest = rest;
                Ok(Field::Fixed64(u64::from_le_bytes(*bytes)))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_large| WireError::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.rest = rest;
                Ok(Field::Len(bytes))
            }
            5 => {
                let (bytes, rest) = self.rest.split_first_chunk::<4>().ok_or(WireError::Truncated)?;
                self.rest = rest;
                Ok(Field::Fixed32(u32::from_le_bytes(*bytes)))
            }
            _ => Err(WireError::Tag),
        }
    }

    /// Reads one bare varint, as packed fields hold them.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_varint(),
        }
    }

    #[cold]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // Only one bit is left for the tenth byte.
                if index == 9 && *byte > 1 {
                    return Err(WireError::Varint);
                }
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

    /// Skips a group without recursion: its fields, and the groups inside it.
    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = [0_u32; GROUP_DEPTH_MAX as usize];
        let mut depth = 0_usize;
        open[0] = number;
        loop {
            if self.rest.is_empty() {
                return Err(WireError::Truncated);
            }
            let (number, wire_type) = self.tag()?;
            match wire_type {
                3 => {
                    depth += 1;
                    *open.get_mut(depth).ok_or(WireError::Depth)? = number;
                }
                4 if open.get(depth) != Some(&number) => return Err(WireError::Tag),
                4 if depth == 0 => return Ok(()),
                4 => depth -= 1,
                _ => {
                    self.value(wire_type)?;
                }
            }
        }
    }
}

/// Where the fields of one number lie in a message: from the first to the last of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    start: usize,
    end: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl Extent {
    /// Notes a field that begins at `start` and ends before `end`.
    #[inline]
    pub(super) fn note(&mut self, start: usize, end: usize) {
        if self.count == 0 {
            self.start = start;
        }
        self.end = end;
        self.count += 1;
    }

    /// The bytes between the first and the last of them.
    #[inline]
    pub(super) fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start..self.end).unwrap_or_default()
    }
}

/// The length-delimited fields of one number; ends at the first malformed field.
#[derive(Clone, Copy, Debug)]
pub struct Repeated<'a> {
    cursor: Cursor<'a>,
    number: u32,
}

impl<'a> Repeated<'a> {
    /// The fields of that number in a message, or in a part of one that begins at a tag.
    #[must_use]
    #[inline]
    pub fn new(message: &'a [u8], number: u32) -> Self {
        Self { cursor: Cursor::new(message), number }
    }
}

impl<'a> Iterator for Repeated<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while let Ok(Some((number, field))) = self.cursor.field() {
            if number == self.number
                && let Field::Len(bytes) = field
            {
                return Some(bytes);
            }
        }
        None
    }
}

/// Eight-byte scalars of one number, packed or not.
#[derive(Clone, Copy, Debug)]
pub struct Fixed64s<'a> {
    cursor: Cursor<'a>,
    number: u32,
    packed: &'a [u8],
}

impl<'a> Fixed64s<'a> {
    pub(super) fn new(message: &'a [u8], number: u32) -> Self {
        Self { cursor: Cursor::new(message), number, packed: &[] }
    }
}

impl Iterator for Fixed64s<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if let Some((bytes, rest)) = self.packed.split_first_chunk::<8>() {
                self.packed = rest;
                return Some(u64::from_le_bytes(*bytes));
            }
            match self.cursor.field() {
                Ok(Some((number, Field::Len(bytes)))) if number == self.number => self.packed = bytes,
                Ok(Some((number, Field::Fixed64(value)))) if number == self.number => return Some(value),
                Ok(Some(_other)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// Varint scalars of one number, packed or not.
#[derive(Clone, Copy, Debug)]
pub struct Varints<'a> {
    cursor: Cursor<'a>,
    number: u32,
    packed: Cursor<'a>,
}

impl<'a> Varints<'a> {
    pub(super) fn new(message: &'a [u8], number: u32) -> Self {
        Self { cursor: Cursor::new(message), number, packed: Cursor::new(&[]) }
    }
}

impl Iterator for Varints<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if self.packed.remaining() > 0 {
                return self.packed.varint().ok();
            }
            match self.cursor.field() {
                Ok(Some((number, Field::Len(bytes)))) if number == self.number => self.packed = Cursor::new(bytes),
                Ok(Some((number, Field::Varint(value)))) if number == self.number => return Some(value),
                Ok(Some(_other)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// Protobuf's zigzag: sint32 from its varint.
#[expect(clippy::cast_possible_truncation, reason = "protobuf cuts 32-bit fields to their low half")]
pub(super) fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, WireError> {
        let mut cursor = Cursor::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = cursor.field()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = [0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 2, 0, 0, 0];
        assert_eq!(
            fields(&bytes).unwrap(),
            [(1, Field::Varint(150)), (2, Field::Fixed64(1)), (3, Field::Len(b"hi")), (4, Field::Fixed32(2))]
        );
    }

    #[test]
    fn a_group_is_skipped_with_what_it_holds() {
        // group 5 { 1: 1, group 6 {} }, then field 1 = 7
        assert_eq!(fields(&[0x2b, 0x08, 1, 0x33, 0x34, 0x2c, 0x08, 7]).unwrap(), [(1, Field::Varint(7))]);
    }

    #[test]
    fn malformed_bytes_are_errors_with_a_name() {
        assert_eq!(fields(&[0x0a, 5, 1]), Err(WireError::Truncated));
        assert_eq!(fields(&[0x08]), Err(WireError::Truncated));
        assert_eq!(fields(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]), Err(WireError::Varint));
        assert_eq!(fields(&[0x00, 1]), Err(WireError::Tag));
        assert_eq!(fields(&[0x0e]), Err(WireError::Tag));
        assert_eq!(fields(&[0x2b, 0x08, 1]), Err(WireError::Truncated));
        assert_eq!(fields(&[0x2b, 0x34]), Err(WireError::Tag));
        assert_eq!(fields(&[0x2c]), Err(WireError::Tag));
        assert_eq!(fields(&[0x2b; 65]), Err(WireError::Depth));
    }

    #[test]
    fn packed_and_single_scalars_read_alike() {
        let packed: Vec<u64> = Varints::new(&[0x12, 3, 1, 0x96, 1], 2).collect();
        let single: Vec<u64> = Varints::new(&[0x10, 1, 0x10, 0x96, 1], 2).collect();
        assert_eq!(packed, [1, 150]);
        assert_eq!(single, packed);
    }

    #[test]
    fn zigzag_gives_the_sign_back() {
        assert_eq!([0, 1, 2, 3, 4_294_967_295].map(zigzag32), [0, -1, 1, -2, i32::MIN]);
    }
}
