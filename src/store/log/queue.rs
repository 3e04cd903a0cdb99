//! What waits for one destination: the part of the log that it has not passed.
//!
//! Nothing is written twice: the queue is a place in the log, kept durably, and the segments behind it stay.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::watch;

use super::append::now_s;
use super::record::Position;
use super::tail::{Found, Next, Tail};
use super::{LogError, QueueName, Segments, list_segments, segment_path};

/// A durable reader of the log.
#[derive(Debug)]
pub struct Queue {
    segments: Segments,
    name: QueueName,
    tail: Tail,
    tip: watch::Receiver<Position>,
    /// Before it everything was read.
    at: Position,
    /// Before it everything is dealt with.
    passed: Position,
    /// Up to there that is on the disk.
    saved: Position,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Bytes of the log.
    pub bytes: u64,
    /// Seconds since the oldest was acknowledged; 0 where nothing waits.
    pub age_s: u64,
}

impl Queue {
    pub(super) fn new(segments: Segments, name: QueueName, begin: Position, tip: watch::Receiver<Position>) -> Self {
        let tail = Tail::new(segments.folder().to_owned());
        Self { segments, name, tail, tip, at: begin, passed: begin, saved: begin }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &QueueName {
        &self.name
    }

    /// The end of the log, to wait for more.
    #[must_use]
    pub fn tip(&self) -> watch::Receiver<Position> {
        self.tip.clone()
    }

    /// Whether the log goes on behind what was read.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.at < *self.tip.borrow()
    }

    /// Before it everything is dealt with.
    #[must_use]
    pub fn passed(&self) -> Position {
        self.passed
    }

    /// The next entry, or a stretch that cannot be read; `None` where nothing waits. Blocks on the disk.
    pub fn peek(&mut self) -> Result<Option<Found>, LogError> {
        let tip = *self.tip.borrow();
        self.tail.look(self.at, tip, now_s())
    }

    /// Goes on behind what [`Queue::peek`] found.
    pub fn step(&mut self, end: Position) {
        self.at = end;
    }

    /// The body of what [`Queue::peek`] found; `None` where it is not what was written.
    pub fn body(&mut self, next: &Next) -> Result<Option<Bytes>, LogError> {
        self.tail.body(next)
    }

    /// Everything up to a place is dealt with. [`Queue::save`] makes that durable.
    pub fn pass(&mut self, end: Position) {
        self.passed = self.passed.max(end);
        self.at = self.at.max(end);
    }

    /// Reads again what was read and is not dealt with.
    pub fn rewind(&mut self) {
        self.at = self.passed;
    }

    /// Keeps on the disk up to where everything is dealt with, and lets segments go.
    pub fn save(&mut self) -> Result<(), LogError> {
        if self.saved != self.passed {
            self.segments.passed(&self.name, self.passed)?;
            self.saved = self.passed;
        }
        Ok(())
    }

    /// How much is not dealt with. Blocks on the disk.
    pub fn waiting(&mut self) -> Result<Waiting, LogError> {
        let tip = *self.tip.borrow();
        if self.passed >= tip {
            return Ok(Waiting::default());
        }
        let bytes = bytes_between(self.segments.folder(), self.passed, tip)?;
        let age_s = match self.tail.look(self.passed, tip, now_s())? {
            Some(Found::Entry(next)) => next.age_s,
            _ => 0,
        };
        Ok(Waiting { bytes, age_s })
    }
}

/// Bytes of the log between two places.
pub(super) fn bytes_between(folder: &std::path::Path, from: Position, to: Position) -> Result<u64, LogError> {
    let mut bytes = 0;
    for number in list_segments(folder)? {
        if number < from.segment || number > to.segment {
            continue;
        }
        let path: PathBuf = segment_path(folder, number);
        // One that went meanwhile was passed by somebody else: by everybody.
        let length = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        let end = if number == to.segment { to.offset } else { length };
        let begin = if number == from.segment { from.offset } else { 0 };
        bytes += end.saturating_sub(begin);
    }
    Ok(bytes)
}
