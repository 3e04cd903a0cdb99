//! Appends requests and syncs them in groups, on a thread of its own.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::record::{Entry, Position, SEGMENT_HEADER, SegmentHeader, entry_header};
use super::{LogError, Place, Replay, list_segments, segment_path};
use crate::otlp::sink::{Accepted, SubmitError};
use crate::store::loader::Work;

/// A segment is closed once it is this long.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// At most this many bytes share one sync.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// While nothing can be written and nobody sends, how often that is tried.
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// There is room again once this much can be written.
const PROBE_BYTES: usize = 1024 * 1024;

/// What reaches the log thread.
pub(crate) enum Submission {
    /// Append, sync, answer.
    Request {
        /// What to append.
        request: Accepted,
        /// Frees the request's share of the buffers once it is loaded.
        permit: tokio::sync::OwnedSemaphorePermit,
        /// Answered after the sync.
        done: oneshot::Sender<Result<(), SubmitError>>,
    },
    /// Pass on to the loader, behind everything before it.
    Work(Work),
}

/// Counters of the log, read by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct LogStats {
    /// Syncs done.
    pub(crate) syncs: AtomicU64,
    /// Requests synced.
    pub(crate) requests: AtomicU64,
    /// Bytes appended.
    pub(crate) bytes: AtomicU64,
    /// Nanoseconds spent in writes and syncs.
    pub(crate) busy_ns: AtomicU64,
    /// Groups that could not be written.
    pub(crate) failures: AtomicU64,
    /// The last group, or the last try without one, could not be written.
    failing: AtomicBool,
}

impl LogStats {
    pub(crate) fn writable(&self) -> bool {
        !self.failing.load(Relaxed)
    }
}

/// The segment files: which are there, which may go.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
}

impl Segments {
    /// Opens the folder, making it where it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(folder).map_err(LogError::io("create log folder", folder))?;
        let segments = Self { folder: folder.to_owned() };
        segments.sync_names()?;
        Ok(segments)
    }

    /// Syncs the folder in which the log and the store lie: DuckDB syncs what its files hold, but not that they are there.
    fn sync_names(&self) -> Result<(), LogError> {
        let parent = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(parent)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deletes the segments that lie wholly before `loaded`.
    pub(crate) fn release(&self, loaded: Position) -> Result<(), LogError> {
        let mut numbers = list_segments(&self.folder)?;
        numbers.retain(|number| *number < loaded.segment);
        if numbers.is_empty() {
            return Ok(());
        }
        // DuckDB's log is a new file after every checkpoint: what is in it must be found again before the segments go.
        self.sync_names()?;
        for number in numbers {
            let path = segment_path(&self.folder, number);
            fs::remove_file(&path).map_err(LogError::io("delete segment", &path))?;
        }
        Ok(())
    }
}

/// The name itself must survive a power cut, not only the bytes.
fn sync_folder(folder: &Path) -> Result<(), LogError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LogError::io("sync folder", folder))
}

struct OpenSegment {
    file: File,
    path: PathBuf,
    number: u64,
    seed: u64,
    synced: u64,
}

impl OpenSegment {
    fn create(folder: &Path, number: u64, previous: Position) -> Result<Self, LogError> {
        // Drawn by chance; a hasher of its own is the standard library's way to get at that.
        let seed = RandomState::new().build_hasher().finish();
        let header = SegmentHeader { number, seed, previous };
        let path = segment_path(folder, number);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(LogError::io("create segment", &path))?;
        file.write_all(&header.encode()).map_err(LogError::io("write segment", &path))?;
        file.sync_all().map_err(LogError::io("sync segment", &path))?;
        sync_folder(folder)?;
        Ok(Self { file, path, number, seed, synced: SEGMENT_HEADER as u64 })
    }

    fn append(&mut self, group: &[Accepted], buffer: &mut Vec<u8>) -> Result<Vec<Position>, LogError> {
        buffer.clear();
        let mut ends = Vec::with_capacity(group.len());
        for request in group {
            buffer.extend_from_slice(&entry_header(request, self.synced, self.seed));
            buffer.extend_from_slice(&request.body);
            ends.push(Position { segment: self.number, offset: self.synced + buffer.len() as u64 });
        }
        self.file.write_all(buffer).map_err(LogError::io("write segment", &self.path))?;
        self.file.sync_data().map_err(LogError::io("sync segment", &self.path))?;
        self.synced += buffer.len() as u64;
        Ok(ends)
    }
}

/// The log's thread: owns the open segment.
pub(crate) struct LogWriter {
    folder: PathBuf,
    next_segment: u64,
    /// Where the newest segment ends.
    end: Position,
    open: Option<OpenSegment>,
    buffer: Vec<u8>,
    stats: Arc<LogStats>,
    loader: SyncSender<Work>,
}

struct Waiting {
    permit: tokio::sync::OwnedSemaphorePermit,
    done: oneshot::Sender<Result<(), SubmitError>>,
}

impl LogWriter {
    /// A writer that goes on behind what was replayed, and hands entries to `loader`.
    pub(crate) fn new(folder: PathBuf, replayed: &Replay, stats: Arc<LogStats>, loader: SyncSender<Work>) -> Self {
        let (next_segment, end) = (replayed.next_segment, replayed.end);
        Self { folder, next_segment, end, open: None, buffer: Vec::new(), stats, loader }
    }

    /// Runs until every sender is gone.
    pub(crate) fn run(mut self, mut inbox: mpsc::Receiver<Submission>) {
        while let Some(first) = self.receive(&mut inbox) {
            let mut group = Vec::new();
            let mut waiting = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            let mut work = None;
            while let Some(submission) = next {
                match submission {
                    Submission::Request { request, permit, done } => {
                        bytes += request.body.len();
                        group.push(request);
                        waiting.push(Waiting { permit, done });
                    }
                    Submission::Work(passed) => {
                        work = Some(passed);
                        break;
                    }
                }
                if bytes >= GROUP_BYTES_MAX {
                    break;
                }
                next = inbox.try_recv().ok();
            }
            if !group.is_empty() {
                self.commit(group, waiting);
            }
            if let Some(work) = work {
                // The loader is gone only when the store is closing.
                drop(self.loader.send(work));
            }
        }
    }

    /// Waits for the next submission. While nothing can be written it tries now and then: nobody sends to a
    /// service that says that it is not ready, so nobody else would find out.
    fn receive(&self, inbox: &mut mpsc::Receiver<Submission>) -> Option<Submission> {
        while !self.stats.writable() {
            match inbox.try_recv() {
                Ok(submission) => return Some(submission),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => {}
            }
            std::thread::sleep(PROBE_PAUSE);
            if probe(&self.folder).is_ok() {
                tracing::info!("the log can be written again");
                self.stats.failing.store(false, Relaxed);
            }
        }
        inbox.blocking_recv()
    }

    fn commit(&mut self, group: Vec<Accepted>, waiting: Vec<Waiting>) {
        let began = Instant::now();
        let ends = self.append(&group);
        self.stats.busy_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        let failed_before = self.stats.failing.swap(ends.is_err(), Relaxed);
        match ends {
            Ok(ends) => {
                self.stats.syncs.fetch_add(1, Relaxed);
                self.stats.requests.fetch_add(group.len() as u64, Relaxed);
                self.stats.bytes.fetch_add(self.buffer.len() as u64, Relaxed);
                self.hand_over(group, ends, waiting);
            }
            Err(error) => {
                self.stats.failures.fetch_add(1, Relaxed);
                let said = describe(&error);
                if failed_before {
                    // Once is enough: every client that comes again fails again.
                    tracing::debug!(error = %said, requests = group.len(), "the log still cannot be written");
                } else {
                    tracing::error!(error = %said, "the log cannot be written; clients are told to try again");
                }
                // Where the log lies is nobody's business but the operator's.
                let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
                for waiter in waiting {
                    drop(waiter.done.send(Err(SubmitError::Unwritable(cause.clone()))));
                }
            }
        }
    }

    fn append(&mut self, group: &[Accepted]) -> Result<Vec<Position>, LogError> {
        if self.open.as_ref().is_none_or(|segment| segment.synced >= SEGMENT_BYTES_MAX) {
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
        self.end = Position { segment: segment.number, offset: segment.synced };
        if appended.is_err() {
            // After a failed write or sync nothing is known of the tail: cut it off and never write here again.
            let (length, path) = (segment.synced, segment.path.clone());
            if let Err(source) = segment.file.set_len(length) {
                tracing::warn!(segment = %path.display(), %source, "the unacknowledged end of the segment could not be cut off");
            }
            self.open = None;
        }
        appended
    }

    // Entries reach the loader before clients hear of it: a read that follows an acknowledgement finds them.
    fn hand_over(&self, group: Vec<Accepted>, ends: Vec<Position>, waiting: Vec<Waiting>) {
        let mut answers = Vec::with_capacity(waiting.len());
        for ((request, end), waiter) in group.into_iter().zip(ends).zip(waiting) {
            let place = Place::of(&Entry { request, end });
            drop(self.loader.send(Work::Load { place, permit: waiter.permit }));
            answers.push(waiter.done);
        }
        for answer in answers {
            drop(answer.send(Ok(())));
        }
    }
}

/// Writes and syncs a file of some size, and deletes it.
fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    });
    fs::remove_file(&path)?;
    written
}

fn describe(error: &LogError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
