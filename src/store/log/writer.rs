//! Appends requests and syncs them in groups, on a thread of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::record::{Entry, Position};
use super::{Appender, LogError, Place};
use crate::otlp::sink::{Accepted, SubmitError};
use crate::store::fatal::stop_without_loader;
use crate::store::loader::Work;

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

/// The log's thread: owns the end of the log.
pub(crate) struct LogWriter {
    log: Appender,
    stats: Arc<LogStats>,
    loader: SyncSender<Work>,
}

struct Waiting {
    permit: tokio::sync::OwnedSemaphorePermit,
    done: oneshot::Sender<Result<(), SubmitError>>,
}

impl LogWriter {
    /// A writer that hands what it appended to `loader`.
    pub(crate) fn new(log: Appender, stats: Arc<LogStats>, loader: SyncSender<Work>) -> Self {
        Self { log, stats, loader }
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
            if probe(self.log.folder()).is_ok() {
                tracing::info!("the log can be written again");
                self.stats.failing.store(false, Relaxed);
            }
        }
        inbox.blocking_recv()
    }

    fn commit(&mut self, group: Vec<Accepted>, waiting: Vec<Waiting>) {
        let began = Instant::now();
        let ends = self.log.append(&group);
        self.stats.busy_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        let failed_before = self.stats.failing.swap(ends.is_err(), Relaxed);
        match ends {
            Ok(ends) => {
                self.stats.syncs.fetch_add(1, Relaxed);
                self.stats.requests.fetch_add(group.len() as u64, Relaxed);
                self.stats.bytes.fetch_add(self.log.group_bytes() as u64, Relaxed);
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

    // Entries reach the loader before clients hear of it: a read that follows an acknowledgement finds them.
    fn hand_over(&self, group: Vec<Accepted>, ends: Vec<Position>, waiting: Vec<Waiting>) {
        let mut answers = Vec::with_capacity(waiting.len());
        for ((request, end), waiter) in group.into_iter().zip(ends).zip(waiting) {
            let place = Place::of(&Entry { request, end });
            if self.loader.send(Work::Load { place, permit: waiter.permit }).is_err() {
                stop_without_loader();
            }
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
