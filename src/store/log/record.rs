//! The bytes of a segment: a header, then entries, each a header of its own and the body of a request.
//!
//! Every checksum is keyed by a number that the segment drew by chance. A client does not know it, so no body that it
//! sends can be taken for an entry, however the log is damaged.

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::model::Signal;
use crate::otlp::sink::Accepted;

/// Bytes before the first entry of a segment.
pub(super) const SEGMENT_HEADER: usize = 48;
/// Bytes before the body of an entry.
pub(super) const ENTRY_HEADER: usize = 40;

const SEGMENT_MAGIC: [u8; 8] = *b"PLSEG002";
pub(super) const ENTRY_MAGIC: [u8; 4] = *b"PLE2";

/// A place in the log: everything before it has been dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Segment number; 0 is before the first.
    pub segment: u64,
    /// Byte within the segment.
    pub offset: u64,
}

/// When an entry was written: Unix seconds, of which the log keeps the low 24 bits. That is enough to tell ages below
/// 194 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) u64);

/// Seconds after which a stamp comes again.
const STAMP_PERIOD: u64 = 1 << 24;

impl Stamp {
    fn encode(self) -> [u8; 3] {
        let [a, b, c, ..] = self.0.to_le_bytes();
        [a, b, c]
    }

    /// The seconds that have gone since, seen from `now` (Unix seconds); 0 where the clock was set back by less than
    /// half a day.
    pub(super) fn age(self, now: u64) -> u64 {
        let age = now.wrapping_sub(self.0) % STAMP_PERIOD;
        if age > STAMP_PERIOD - 43_200 { 0 } else { age }
    }
}

/// One acknowledged request on its way to DuckDB.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The request.
    pub request: Accepted,
    /// Where the next entry begins.
    pub end: Position,
}

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Number of the segment, also in its name.
    pub(super) number: u64,
    /// Keys the checksums.
    pub(super) seed: u64,
    /// Up to where the segment before it was synced when this one was begun: less than that there is a loss.
    pub(super) previous: Position,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        let numbers = [self.number, self.seed, self.previous.segment, self.previous.offset];
        for (place, number) in bytes[8..40].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = xxh3_64_with_seed(&bytes[..40], self.seed);
        bytes[40..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of segment `number`; `None` where it is not whole.
    pub(super) fn decode(bytes: &[u8], number: u64) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER)?;
        let header = Self {
            number: u64_at(bytes, 8)?,
            seed: u64_at(bytes, 16)?,
            previous: Position { segment: u64_at(bytes, 24)?, offset: u64_at(bytes, 32)? },
        };
        (header.number == number && header.encode() == *bytes).then_some(header)
    }
}

/// How an entry begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryHeader {
    pub(super) signal: Signal,
    pub(super) items: u32,
    pub(super) length: usize,
    pub(super) stamp: Stamp,
    /// Where the group began that was synced with this entry: everything before it was synced already.
    pub(super) group_start: u64,
    body_checksum: u64,
}

impl EntryHeader {
    /// The header of an entry; `None` where none stands here.
    pub(super) fn decode(bytes: &[u8], seed: u64) -> Option<Self> {
        let bytes = bytes.get(..ENTRY_HEADER)?;
        if bytes[..4] != ENTRY_MAGIC || u64_at(bytes, 32)? != xxh3_64_with_seed(&bytes[..32], seed) {
            return None;
        }
        Some(Self {
            signal: signal_of(bytes[8])?,
            items: u32::from_le_bytes(bytes[12..16].try_into().ok()?),
            length: u32::from_le_bytes(bytes[4..8].try_into().ok()?) as usize,
            stamp: Stamp(u64::from(u32::from_le_bytes([bytes[9], bytes[10], bytes[11], 0]))),
            group_start: u64_at(bytes, 16)?,
            body_checksum: u64_at(bytes, 24)?,
        })
    }

    /// Whether these bytes are the body that was written behind this header.
    pub(super) fn fits(&self, body: &[u8], seed: u64) -> bool {
        checksum(body, seed) == self.body_checksum
    }
}

/// The header of an entry of the group that begins at `group_start`.
pub(super) fn entry_header(request: &Accepted, group_start: u64, stamp: Stamp, seed: u64) -> [u8; ENTRY_HEADER] {
    let mut bytes = [0; ENTRY_HEADER];
    bytes[..4].copy_from_slice(&ENTRY_MAGIC);
    let length = u32::try_from(request.body.len()).unwrap_or(u32::MAX);
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[8] = signal_code(request.signal);
    bytes[9..12].copy_from_slice(&stamp.encode());
    bytes[12..16].copy_from_slice(&request.items.to_le_bytes());
    bytes[16..24].copy_from_slice(&group_start.to_le_bytes());
    bytes[24..32].copy_from_slice(&checksum(&request.body, seed).to_le_bytes());
    let header_checksum = xxh3_64_with_seed(&bytes[..32], seed);
    bytes[32..].copy_from_slice(&header_checksum.to_le_bytes());
    bytes
}

/// The entry at `offset` and where the next begins; `None` where none stands there whole.
pub(super) fn read_entry(bytes: &Bytes, offset: usize, seed: u64) -> Option<(Accepted, usize)> {
    let header = EntryHeader::decode(bytes.get(offset..)?, seed)?;
    let begin = offset.checked_add(ENTRY_HEADER)?;
    let end = begin.checked_add(header.length)?;
    if !header.fits(bytes.get(begin..end)?, seed) {
        return None;
    }
    Some((Accepted { signal: header.signal, body: bytes.slice(begin..end), items: header.items }, end))
}

fn checksum(body: &[u8], seed: u64) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(body);
    hash.digest()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Traces => 1,
        Signal::Metrics => 2,
        Signal::Logs => 3,
    }
}

fn signal_of(code: u8) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| signal_code(*signal) == code)
}
