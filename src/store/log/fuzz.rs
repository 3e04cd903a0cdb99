//! What must hold for a segment however it is damaged. The fuzzer of `fuzz/` looks for damage for which it does not.
#![allow(clippy::unwrap_used, reason = "a fuzzer reports what stops")]

use bytes::Bytes;

use super::record::{Position, SEGMENT_HEADER, SegmentHeader, Stamp, entry_header};
use super::segment::{Piece, Segment};
use crate::model::Signal;
use crate::otlp::sink::Accepted;

const NUMBER: u64 = 7;
const STAMP: Stamp = Stamp(1_790_000_000);

/// The first byte chooses: the rest is a segment as it stands, or a recipe for one and for what befell it.
pub fn segment(data: &[u8]) {
    let Some((selector, rest)) = data.split_first() else { return };
    if selector % 2 == 0 {
        walk(&Bytes::copy_from_slice(rest), 0);
    } else {
        damaged(&mut Recipe { rest });
    }
}

/// Where a read came to.
#[derive(Debug, Default)]
struct Walk {
    entries: Vec<(usize, Bytes)>,
    damaged: bool,
    torn: bool,
}

/// Reads to the end: pieces follow one another, and what is not whole is never handed over.
fn walk(bytes: &Bytes, synced: u64) -> Walk {
    let (mut found, mut offset) = (Walk::default(), 0);
    let mut segment = Segment::new(bytes.clone(), NUMBER, 0, synced);
    while let Some(piece) = segment.next() {
        assert!(!found.torn, "something follows a torn end");
        match piece {
            Piece::Entry { request, end } => {
                assert!(end > offset && end <= bytes.len());
                offset = end;
                found.entries.push((end, request.body));
            }
            Piece::Torn { at } => {
                assert!(at >= offset && at < bytes.len());
                found.torn = true;
            }
            Piece::Damaged { at, bytes } => {
                assert!(at == 0 || at >= offset);
                assert!(bytes > 0);
                offset = at + bytes;
                found.damaged = true;
            }
        }
    }
    found
}

/// A recipe's bytes, one after the other; zeros once they are spent.
struct Recipe<'a> {
    rest: &'a [u8],
}

impl Recipe<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn place(&mut self, below: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % below.max(1)
    }

    fn body(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (body, rest) = self.rest.split_at(length);
        self.rest = rest;
        Bytes::copy_from_slice(body)
    }
}

/// A segment written well: where each entry begins and ends, and where the last group begins.
struct Written {
    bytes: Vec<u8>,
    entries: Vec<(usize, usize, Bytes)>,
    last_group: usize,
}

fn write(recipe: &mut Recipe<'_>) -> Written {
    // Not the fuzzer's to choose: with the key in hand it could write entries of its own into a body.
    let seed = xxhash_rust::xxh3::xxh3_64(recipe.rest);
    let header = SegmentHeader { number: NUMBER, seed, previous: Position::default() };
    let mut written = Written { bytes: header.encode().to_vec(), entries: Vec::new(), last_group: SEGMENT_HEADER };
    for _ in 0..recipe.byte() % 5 {
        written.last_group = written.bytes.len();
        for _ in 0..=recipe.byte() % 3 {
            let signal = Signal::ALL[usize::from(recipe.byte() % 3)];
            let request = Accepted { signal, body: recipe.body(), items: 1 };
            let begin = written.bytes.len();
            written.bytes.extend_from_slice(&entry_header(&request, written.last_group as u64, STAMP, seed));
            written.bytes.extend_from_slice(&request.body);
            written.entries.push((begin, written.bytes.len(), request.body));
        }
    }
    written
}

/// Flips, blanks and cuts; returns the places that differ.
fn damage(recipe: &mut Recipe<'_>, bytes: &mut Vec<u8>) -> std::ops::Range<usize> {
    let before = bytes.clone();
    for _ in 0..=recipe.byte() % 3 {
        let at = recipe.place(bytes.len());
        match recipe.byte() % 3 {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + usize::from(recipe.byte())).min(bytes.len());
                bytes[at..end].fill(0);
            }
            _ => {
                let bits = recipe.byte();
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
            }
        }
    }
    let differs = |at: &usize| bytes.get(*at) != before.get(*at);
    let first = (0..before.len()).find(differs).unwrap_or(before.len());
    let last = (0..before.len()).rev().find(differs).map_or(first, |last| last + 1);
    first..last
}

fn damaged(recipe: &mut Recipe<'_>) {
    let written = write(recipe);
    let mut bytes = written.bytes.clone();
    let hurt = damage(recipe, &mut bytes);
    let bytes = Bytes::from(bytes);
    let intact =
        written.entries.iter().filter(|(begin, end, _)| bytes.get(*begin..*end) == Some(&written.bytes[*begin..*end]));
    let intact: Vec<_> = intact.map(|(_, end, body)| (*end, body.clone())).collect();
    let before_last: Vec<_> = intact.iter().filter(|(end, _)| *end <= written.last_group).cloned().collect();
    let header_hurt = !hurt.is_empty() && hurt.start < SEGMENT_HEADER;
    for synced in [0, written.bytes.len() as u64] {
        let found = walk(&bytes, synced);
        assert!(found.entries.iter().all(|entry| intact.contains(entry)), "an entry that nobody wrote");
        if hurt.is_empty() {
            assert!(!found.damaged && !found.torn && found.entries == intact);
        } else if header_hurt {
            assert!(found.entries.is_empty());
        } else if synced > 0 || hurt.end <= written.last_group {
            // The next segment, or the last group, proves that what is hurt was synced.
            assert!(found.damaged && found.entries == intact, "damage takes what it hit and no more");
        } else if hurt.start >= written.last_group {
            // Only the last group is hurt, which may never have been acknowledged: as if the power had gone.
            assert!(!found.damaged && found.entries.starts_with(&before_last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::fuzz::replay;

    #[test]
    fn the_corpus_of_segments_holds() {
        replay("segment", segment);
    }
}
