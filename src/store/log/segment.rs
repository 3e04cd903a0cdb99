//! Walks the entries of one segment and tells a torn last write from damage.
//!
//! A group of entries is written and synced as one. Where the power goes meanwhile, any part of that last group may be
//! missing, in any order: none of it was acknowledged, and it is left out. Damage before the last group is another
//! matter. Three things prove it: an entry of a later group, the header of the next segment, which says how far this
//! one was synced, and a segment header that is not whole though entries follow.

use bytes::Bytes;

use super::record::{ENTRY_HEADER, ENTRY_MAGIC, EntryHeader, SEGMENT_HEADER, SegmentHeader, read_entry};
use crate::otlp::sink::Accepted;

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum Piece {
    /// A whole entry; the next begins at `end`.
    Entry {
        /// The request.
        request: Accepted,
        /// Where the next begins.
        end: usize,
    },
    /// What was being written when the power went, or what the file held before it was written over: up to its end.
    Torn {
        /// Where it begins.
        at: usize,
    },
    /// Acknowledged bytes that cannot be read.
    Damaged {
        /// Where they begin.
        at: usize,
        /// How many they are, up to the next whole entry or to the end.
        bytes: usize,
    },
}

/// A segment that is being read.
pub(super) struct Segment {
    bytes: Bytes,
    /// `None` where the header is not whole.
    header: Option<SegmentHeader>,
    offset: usize,
    synced: usize,
}

impl Segment {
    /// Reads from `offset`; `synced` bytes are known to have been synced once.
    pub(super) fn new(bytes: Bytes, number: u64, offset: u64, synced: u64) -> Self {
        let header = SegmentHeader::decode(&bytes, number);
        Self { bytes, header, offset: to_index(offset).max(SEGMENT_HEADER), synced: to_index(synced) }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Piece> {
        let (at, end) = (self.offset, self.bytes.len());
        if at >= end && at >= self.synced {
            // A file that ends within its header was being made when the power went.
            return None;
        }
        let Some(header) = self.header else {
            self.offset = end.max(self.synced);
            return Some(Piece::Damaged { at: 0, bytes: self.offset });
        };
        if let Some((request, end)) = read_entry(&self.bytes, at, header.seed) {
            self.offset = end;
            return Some(Piece::Entry { request, end });
        }
        if at < self.synced || self.later_group_follows(at, header.seed) {
            self.offset = self.next_whole(at, header.seed).unwrap_or(end.max(self.synced));
            return Some(Piece::Damaged { at, bytes: self.offset - at });
        }
        self.offset = end;
        Some(Piece::Torn { at })
    }

    fn later_group_follows(&self, at: usize, seed: u64) -> bool {
        self.headers_behind(at, seed).any(|(_, header)| to_index(header.group_start) > at)
    }

    fn next_whole(&self, at: usize, seed: u64) -> Option<usize> {
        self.headers_behind(at, seed)
            .map(|(place, _)| place)
            .find(|place| read_entry(&self.bytes, *place, seed).is_some())
    }

    /// Whatever looks like the header of an entry behind `at`. Their checksum is keyed: bodies hold none by intent.
    fn headers_behind(&self, at: usize, seed: u64) -> impl Iterator<Item = (usize, EntryHeader)> {
        let tail = self.bytes.get(at.saturating_add(1)..).unwrap_or_default();
        tail.windows(ENTRY_HEADER)
            .enumerate()
            .filter(|(_, window)| window[..ENTRY_MAGIC.len()] == ENTRY_MAGIC)
            .filter_map(move |(place, window)| Some((at + 1 + place, EntryHeader::decode(window, seed)?)))
    }
}

fn to_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
