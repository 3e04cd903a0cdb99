//! Reads the log again after a restart.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::record::{Entry, Position, SEGMENT_HEADER, SegmentHeader};
use super::segment::{Piece, Segment};
use super::{LogError, list_segments, segment_path};

/// What to do where acknowledged bytes cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Stop, and name the place: nothing is lost without somebody's knowledge.
    #[default]
    Stop,
    /// Keep a copy of the segment, read whatever is whole, and say what is not.
    Skip,
}

/// What a replay found.
#[derive(Debug, Default)]
pub struct Replay {
    /// Entries handed over.
    pub entries: u64,
    /// Bytes behind the last whole entry that were cut off: of a torn last write, or of what a file that is written
    /// over held before. They were never acknowledged here.
    pub torn_bytes: u64,
    /// The next free segment number.
    pub next_segment: u64,
    /// Where the log ends.
    pub end: Position,
    /// The store has read a log of which nothing is left.
    pub gone: bool,
    /// What could not be read, where that was to be skipped.
    pub losses: Vec<Loss>,
}

/// Acknowledged bytes that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub at: u64,
    /// How many they are; none where the whole file is missing and nobody knows.
    pub bytes: Option<u64>,
}

impl Loss {
    fn error(self) -> LogError {
        match self.bytes {
            Some(_) => LogError::Damaged { path: self.path, at: self.at },
            None => LogError::Missing { path: self.path },
        }
    }
}

/// Hands every entry after `from` to `take`, oldest first.
///
/// A segment may end in a torn write (the power went while it was written, so it was never
/// acknowledged): it is cut off. See [`super::segment`] for how damage is told from that.
pub fn replay<E: From<LogError>>(
    folder: &Path,
    from: Position,
    on_damage: OnDamage,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<Replay, E> {
    let chain = Chain::read(folder)?;
    let last = chain.numbers.last().copied().unwrap_or_default();
    let mut found = Replay { next_segment: last.max(from.segment) + 1, end: from, ..Replay::default() };
    found.gone = from.segment > 0 && last < from.segment;
    for missing in chain.missing(folder, from) {
        report(&mut found, missing, on_damage)?;
    }
    for number in chain.numbers.iter().copied().filter(|number| *number >= from.segment) {
        let path = segment_path(folder, number);
        let bytes = Bytes::from(fs::read(&path).map_err(LogError::io("read segment", &path))?);
        let mut length = bytes.len() as u64;
        let begin = if number == from.segment { from.offset } else { 0 };
        let mut segment = Segment::new(bytes, number, begin, chain.synced(number));
        let mut damaged = false;
        while let Some(piece) = segment.next() {
            match piece {
                Piece::Entry { request, end } => {
                    found.entries += 1;
                    take(Entry { request, end: Position { segment: number, offset: end as u64 } })?;
                }
                Piece::Damaged { at, bytes } => {
                    damaged = true;
                    report(
                        &mut found,
                        Loss { path: path.clone(), at: at as u64, bytes: Some(bytes as u64) },
                        on_damage,
                    )?;
                }
                // What was left out of a segment that is kept for study stays there.
                Piece::Torn { .. } if damaged => {}
                Piece::Torn { at } => {
                    found.torn_bytes += cut_off(&path, at)?;
                    length = at as u64;
                }
            }
        }
        if damaged {
            keep(&path)?;
        }
        let read = length.max(chain.synced(number));
        found.end = Position { segment: number, offset: read }.max(found.end);
    }
    Ok(found)
}

fn report(found: &mut Replay, loss: Loss, on_damage: OnDamage) -> Result<(), LogError> {
    match on_damage {
        OnDamage::Stop => Err(loss.error()),
        OnDamage::Skip => {
            found.losses.push(loss);
            Ok(())
        }
    }
}

/// Which segments are there, and what they say of one another.
pub(super) struct Chain {
    pub(super) numbers: Vec<u64>,
    /// Up to where a segment was synced, as the header of a later one says.
    synced: BTreeMap<u64, u64>,
}

impl Chain {
    pub(super) fn read(folder: &Path) -> Result<Self, LogError> {
        let numbers = list_segments(folder)?;
        let mut synced: BTreeMap<u64, u64> = BTreeMap::new();
        for number in &numbers {
            if let Some(header) = read_header(&segment_path(folder, *number), *number)? {
                let known = synced.entry(header.previous.segment).or_default();
                *known = header.previous.offset.max(*known);
            }
        }
        Ok(Self { numbers, synced })
    }

    /// Up to where a segment was synced, as far as a later one says; else 0.
    pub(super) fn synced(&self, number: u64) -> u64 {
        self.synced.get(&number).copied().unwrap_or_default()
    }

    /// Segments of which another one says that they held more than the store has read, and that are not there.
    fn missing(&self, folder: &Path, from: Position) -> Vec<Loss> {
        // A store that has read nothing of this log begins with what is there: older segments went when they were loaded.
        let known = self.synced.iter().filter(|_| from.segment > 0);
        known
            .filter(|(segment, offset)| Position { segment: **segment, offset: **offset } > from)
            .filter(|(segment, offset)| **offset > SEGMENT_HEADER as u64 && !self.numbers.contains(segment))
            .map(|(segment, _)| Loss { path: segment_path(folder, *segment), at: 0, bytes: None })
            .collect()
    }
}

pub(super) fn read_header(path: &Path, number: u64) -> Result<Option<SegmentHeader>, LogError> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
    File::open(path)
        .and_then(|file| file.take(SEGMENT_HEADER as u64).read_to_end(&mut bytes))
        .map_err(LogError::io("read segment", path))?;
    Ok(SegmentHeader::decode(&bytes, number))
}

fn cut_off(path: &Path, at: usize) -> Result<u64, LogError> {
    let file = OpenOptions::new().write(true).open(path).map_err(LogError::io("open segment", path))?;
    let length = file.metadata().map_err(LogError::io("measure segment", path))?.len();
    file.set_len(at as u64).map_err(LogError::io("cut the torn end of segment", path))?;
    file.sync_all().map_err(LogError::io("sync segment", path))?;
    Ok(length.saturating_sub(at as u64))
}

/// A second name for a damaged segment: the first goes once what is whole has been loaded.
fn keep(path: &Path) -> Result<(), LogError> {
    let kept = path.with_extension("segment.damaged");
    if kept.exists() {
        return Ok(());
    }
    fs::hard_link(path, &kept)
        .or_else(|_unsupported| fs::copy(path, &kept).map(drop))
        .map_err(LogError::io("keep a copy of segment", path))
}
