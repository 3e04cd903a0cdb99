//! Reads the log on behind its writer, one entry after another, with no more than one body in memory.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use bytes::Bytes;

use super::reader::{Chain, read_header};
use super::record::{ENTRY_HEADER, EntryHeader, Position, SEGMENT_HEADER};
use super::segment::{Piece, Segment};
use super::{LogError, list_segments, segment_path};
use crate::model::Signal;

/// An entry as its header tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    /// What it holds.
    pub signal: Signal,
    /// Spans, points or records in it.
    pub items: u32,
    /// Bytes of its body.
    pub length: usize,
    /// Seconds since it was acknowledged.
    pub age_s: u64,
    /// Where the next entry begins.
    pub end: Position,
    begin: u64,
}

/// What stands at a place of the log.
#[derive(Debug)]
pub enum Found {
    /// An entry.
    Entry(Next),
    /// Acknowledged bytes that cannot be read, up to a place.
    Unreadable {
        /// The segment.
        path: PathBuf,
        /// How many; none where the segment is missing.
        bytes: Option<u64>,
        /// Behind them.
        end: Position,
    },
}

impl Next {
    /// Bytes that it takes in the log.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.end.offset.saturating_sub(self.begin)
    }
}

impl Found {
    /// Where what follows begins.
    #[must_use]
    pub fn end(&self) -> Position {
        match self {
            Self::Entry(next) => next.end,
            Self::Unreadable { end, .. } => *end,
        }
    }
}

/// The segment that is being read.
#[derive(Debug)]
struct Open {
    number: u64,
    file: File,
    /// `None` where the header is not whole.
    seed: Option<u64>,
    /// Up to where it was synced; `None` for the newest, which is still growing.
    synced: Option<u64>,
}

/// Reads one log.
#[derive(Debug)]
pub(super) struct Tail {
    folder: PathBuf,
    open: Option<Open>,
}

impl Tail {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: None }
    }

    /// What stands at `at`; `None` where nothing follows before `tip`, up to which the log is synced.
    pub(super) fn look(&mut self, mut at: Position, tip: Position, now_s: u64) -> Result<Option<Found>, LogError> {
        while at < tip {
            let Some(open) = self.open(at.segment, tip)? else {
                let next = self.following(at.segment, tip)?;
                // Where nothing of it was read it may have been empty; what was read of it was there.
                if at.offset > SEGMENT_HEADER as u64 {
                    let path = segment_path(&self.folder, at.segment);
                    return Ok(Some(Found::Unreadable { path, bytes: None, end: next }));
                }
                at = next;
                continue;
            };
            at.offset = at.offset.max(SEGMENT_HEADER as u64);
            let limit = open.synced.unwrap_or(tip.offset);
            if at.offset < limit {
                let entry = open.entry(at, limit, now_s);
                let path = segment_path(&self.folder, at.segment);
                return match entry.map_err(LogError::io("read segment", &path))? {
                    Some(next) => Ok(Some(Found::Entry(next))),
                    None => self.behind_damage(at, limit).map(Some),
                };
            }
            at = self.following(at.segment, tip)?;
        }
        Ok(None)
    }

    /// The body of an entry; `None` where it is not what was written.
    pub(super) fn body(&mut self, next: &Next) -> Result<Option<Bytes>, LogError> {
        let path = segment_path(&self.folder, next.end.segment);
        let Some(open) = self.open.as_ref().filter(|open| open.number == next.end.segment) else {
            return Ok(None);
        };
        let failed = LogError::io("read segment", &path);
        let mut entry = vec![0; ENTRY_HEADER + next.length];
        open.file.read_exact_at(&mut entry, next.begin).map_err(failed)?;
        let entry = Bytes::from(entry);
        let header = open.seed.and_then(|seed| Some((EntryHeader::decode(&entry, seed)?, seed)));
        let body = entry.slice(ENTRY_HEADER..);
        Ok(header.is_some_and(|(header, seed)| header.fits(&body, seed)).then_some(body))
    }

    /// Where the segment behind one begins.
    fn following(&self, segment: u64, tip: Position) -> Result<Position, LogError> {
        let numbers = list_segments(&self.folder)?;
        let number = numbers.into_iter().find(|number| *number > segment).unwrap_or(tip.segment);
        // Behind the newest segment there is nothing to wait for but a newer one.
        Ok(if number <= tip.segment && segment < number { Position { segment: number, offset: 0 } } else { tip })
    }

    fn open(&mut self, number: u64, tip: Position) -> Result<Option<&Open>, LogError> {
        let newest = number == tip.segment;
        let usable = self.open.as_ref().is_some_and(|open| open.number == number && open.synced.is_none() == newest);
        if !usable {
            let path = segment_path(&self.folder, number);
            if !path.exists() {
                return Ok(None);
            }
            let file = File::open(&path).map_err(LogError::io("open segment", &path))?;
            let seed = read_header(&path, number)?.map(|header| header.seed);
            let synced = if newest {
                None
            } else {
                let length = file.metadata().map_err(LogError::io("measure segment", &path))?.len();
                // A segment of which no other knows ends with its file: it was cut to what is whole.
                Some(match Chain::read(&self.folder)?.synced(number) {
                    0 => length,
                    synced => synced,
                })
            };
            self.open = Some(Open { number, file, seed, synced });
        }
        Ok(self.open.as_ref())
    }

    /// How far nothing can be read. Rare: the whole segment is read for it.
    fn behind_damage(&self, at: Position, limit: u64) -> Result<Found, LogError> {
        let path = segment_path(&self.folder, at.segment);
        let bytes = Bytes::from(fs::read(&path).map_err(LogError::io("read segment", &path))?);
        let mut segment = Segment::new(bytes, at.segment, at.offset, limit);
        let behind = match segment.next() {
            Some(Piece::Damaged { at, bytes }) => (at + bytes) as u64,
            // It can be read now: to be looked at once more, not to be given up.
            Some(Piece::Entry { .. }) => {
                let passing = std::io::Error::other("its header was unreadable a moment ago");
                return Err(LogError::io("read segment", &path)(passing));
            }
            _ => limit,
        };
        let end = Position { segment: at.segment, offset: behind.clamp(at.offset + 1, limit) };
        Ok(Found::Unreadable { path, bytes: Some(end.offset - at.offset), end })
    }
}

impl Open {
    /// The entry at a place; `None` where what stands there is damaged.
    fn entry(&self, at: Position, limit: u64, now_s: u64) -> std::io::Result<Option<Next>> {
        let mut bytes = [0; ENTRY_HEADER];
        match self.file.read_exact_at(&mut bytes, at.offset) {
            Ok(()) => Ok(self.decoded(&bytes, at, limit, now_s)),
            // The file ends amid the header.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            // A disk that fails for a moment is no damage to the log.
            Err(error) => Err(error),
        }
    }

    fn decoded(&self, bytes: &[u8; ENTRY_HEADER], at: Position, limit: u64, now_s: u64) -> Option<Next> {
        let header = EntryHeader::decode(bytes, self.seed?)?;
        let offset = at.offset.checked_add(ENTRY_HEADER as u64)?.checked_add(header.length as u64)?;
        (offset <= limit).then_some(Next {
            signal: header.signal,
            items: header.items,
            length: header.length,
            age_s: header.stamp.age(now_s),
            end: Position { segment: at.segment, offset },
            begin: at.offset,
        })
    }
}
