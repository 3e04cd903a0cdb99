//! Appends groups of requests to the newest segment and syncs each group once.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::record::{Position, SEGMENT_HEADER, SegmentHeader, Stamp, entry_header};
use super::{LogError, Replay, segment_path, spare};
use crate::model::clock::Clock;
use crate::otlp::sink::Accepted;

/// A segment is closed once it is this long, where nothing else is said.
pub const SEGMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The name itself must survive a power cut, not only the bytes.
pub(super) fn sync_folder(folder: &Path) -> Result<(), LogError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LogError::io("sync folder", folder))
}

/// The present in Unix seconds.
pub(super) fn now_s() -> u64 {
    Duration::from_nanos(u64::try_from(Clock::Wall.now()).unwrap_or(0)).as_secs()
}

struct OpenSegment {
    file: File,
    path: PathBuf,
    number: u64,
    seed: u64,
    synced: u64,
    /// Behind `synced` may stand what the file held before.
    reused: bool,
}

impl OpenSegment {
    fn create(folder: &Path, number: u64, previous: Position) -> Result<Self, LogError> {
        // Drawn by chance; a hasher of its own is the standard library's way to get at that.
        let seed = RandomState::new().build_hasher().finish();
        let header = SegmentHeader { number, seed, previous };
        let path = segment_path(folder, number);
        let spare = spare::find(folder)?;
        // A spare is written under its own name: under its new one nobody ever sees the header that it had.
        let at = spare.as_deref().unwrap_or(&path);
        let opened = OpenOptions::new().write(true).create_new(spare.is_none()).open(at);
        let file = opened.map_err(LogError::io("create segment", at))?;
        let mut segment =
            Self { file, path: at.to_owned(), number, seed, synced: SEGMENT_HEADER as u64, reused: spare.is_some() };
        let begun =
            segment.begin(&header.encode()).and_then(|()| segment.rename(path)).and_then(|()| sync_folder(folder));
        if begun.is_err() {
            segment.remove();
        }
        begun.map(|()| segment)
    }

    fn rename(&mut self, path: PathBuf) -> Result<(), LogError> {
        if self.path != path {
            std::fs::rename(&self.path, &path).map_err(LogError::io("create segment", &path))?;
            self.path = path;
        }
        Ok(())
    }

    fn begin(&mut self, header: &[u8]) -> Result<(), LogError> {
        self.file.write_all(header).map_err(LogError::io("write segment", &self.path))?;
        self.file.sync_all().map_err(LogError::io("sync segment", &self.path))
    }

    /// Takes away the file of a segment that holds nothing: on a full disk each try would leave one behind. What stays
    /// is passed over by who reads.
    fn remove(&self) -> bool {
        std::fs::remove_file(&self.path).is_ok()
    }

    fn append(&mut self, group: &[Accepted], buffer: &mut Vec<u8>) -> Result<Vec<Position>, LogError> {
        buffer.clear();
        let stamp = Stamp(now_s());
        let mut ends = Vec::with_capacity(group.len());
        for request in group {
            buffer.extend_from_slice(&entry_header(request, self.synced, stamp, self.seed));
            buffer.extend_from_slice(&request.body);
            ends.push(Position { segment: self.number, offset: self.synced + buffer.len() as u64 });
        }
        self.file.write_all(buffer).map_err(LogError::io("write segment", &self.path))?;
        self.file.sync_data().map_err(LogError::io("sync segment", &self.path))?;
        self.synced += buffer.len() as u64;
        Ok(ends)
    }
}

impl Drop for OpenSegment {
    /// A segment ends with its last entry. Where this fails, or is undone by a power cut, who reads stops there all the
    /// same: what the file held before has the checksums of another segment.
    fn drop(&mut self) {
        if self.reused {
            drop(self.file.set_len(self.synced));
        }
    }
}

/// The end of the log that is written.
pub struct Appender {
    folder: PathBuf,
    segment_bytes_max: u64,
    next_segment: u64,
    /// Where the newest segment ends.
    end: Position,
    open: Option<OpenSegment>,
    buffer: Vec<u8>,
    tip: watch::Sender<Position>,
}

impl Appender {
    /// Goes on behind what was replayed.
    #[must_use]
    pub fn new(folder: PathBuf, replayed: &Replay) -> Self {
        let (next_segment, end) = (replayed.next_segment, replayed.end);
        Self {
            folder,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            next_segment,
            end,
            open: None,
            buffer: Vec::new(),
            tip: watch::Sender::new(end),
        }
    }

    /// Closes segments once they have this many bytes.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        Self { segment_bytes_max: bytes, ..self }
    }

    /// Up to where the log is synced: tells everybody who reads on behind it.
    #[must_use]
    pub fn tip(&self) -> watch::Receiver<Position> {
        self.tip.subscribe()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of the last group.
    pub(super) fn group_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Appends and syncs; says where each request ends. Nothing of a group that fails is ever read.
    pub fn append(&mut self, group: &[Accepted]) -> Result<Vec<Position>, LogError> {
        if self.open.as_ref().is_none_or(|segment| segment.synced >= self.segment_bytes_max) {
            self.open = None;
            // Counted before it is tried: a number whose file could only half be made is never used again.
            let number = self.next_segment;
            self.next_segment += 1;
            self.open = Some(OpenSegment::create(&self.folder, number, self.end)?);
        }
        let Some(segment) = self.open.as_mut() else {
            return Ok(Vec::new());
        };
        let appended = segment.append(group, &mut self.buffer);
        if appended.is_err() && segment.synced == SEGMENT_HEADER as u64 && segment.remove() {
            self.open = None;
            return appended;
        }
        self.end = Position { segment: segment.number, offset: segment.synced };
        if appended.is_err() {
            // After a failed write or sync nothing is known of the tail: cut it off and never write here again.
            let (length, path) = (segment.synced, segment.path.clone());
            if let Err(source) = segment.file.set_len(length) {
                tracing::warn!(segment = %path.display(), %source, "the unacknowledged end of the segment could not be cut off");
            }
            self.open = None;
        } else {
            self.tip.send_replace(self.end);
        }
        appended
    }
}
