//! One entry of a segment: a 32-byte header, then the request body.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::model::Signal;
use crate::otlp::sink::Accepted;

/// Bytes before the first entry of a segment: magic and segment number.
pub(super) const SEGMENT_HEADER: usize = 16;
/// Bytes before the body of an entry.
pub(super) const ENTRY_HEADER: usize = 32;
/// No request may be larger; a larger length in a header is damage.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

const SEGMENT_MAGIC: [u8; 8] = *b"PLSEG001";
pub(super) const ENTRY_MAGIC: [u8; 4] = *b"PLE1";

/// A place in the log: everything before it has been dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Segment number; 0 is before the first.
    pub(crate) segment: u64,
    /// Byte within the segment.
    pub(crate) offset: u64,
}

/// One acknowledged request on its way to DuckDB.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The request.
    pub(crate) request: Accepted,
    /// Where the next entry begins.
    pub(crate) end: Position,
}

pub(super) fn segment_header(number: u64) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    header[..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8..].copy_from_slice(&number.to_le_bytes());
    header
}

/// The header of an entry; its checksum covers the header's first 24 bytes and the body.
pub(super) fn entry_header(request: &Accepted) -> [u8; ENTRY_HEADER] {
    let mut header = [0; ENTRY_HEADER];
    header[..4].copy_from_slice(&ENTRY_MAGIC);
    let length = u32::try_from(request.body.len()).unwrap_or(u32::MAX);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8] = signal_code(request.signal);
    header[12..16].copy_from_slice(&request.items.to_le_bytes());
    let checksum = checksum(&header, &request.body);
    header[24..].copy_from_slice(&checksum.to_le_bytes());
    header
}

fn checksum(header: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&header[..24]);
    hash.update(body);
    hash.digest()
}

/// The entry at the start of `bytes`, and its length; `None` where none stands there whole.
pub(super) fn read_entry(bytes: &Bytes) -> Option<(Accepted, usize)> {
    let header = bytes.get(..ENTRY_HEADER)?;
    if header[..4] != ENTRY_MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?) as usize;
    if length > BODY_BYTES_MAX {
        return None;
    }
    let end = ENTRY_HEADER.checked_add(length)?;
    let body = bytes.get(ENTRY_HEADER..end)?;
    if checksum(header, body).to_le_bytes() != header[24..] {
        return None;
    }
    let signal = signal_of(header[8])?;
    let items = u32::from_le_bytes(header[12..16].try_into().ok()?);
    Some((Accepted { signal, body: bytes.slice(ENTRY_HEADER..end), items }, end))
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
