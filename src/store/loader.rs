//! Moves acknowledged requests from the log into DuckDB, in large transactions that carry the log
//! position with them. Owns the writing connection.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use duckdb::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::columns::{Batch, BatchBuilder, Horizons};
use super::log::{Entry, Position, Segments, replay};
use super::{StoreError, StoreOptions, derive};
use crate::model::clock::Clock;
use crate::otlp::conventions::Rules;

/// Rows that make a load go straight to the file: two DuckDB row groups.
const LOAD_ROWS: usize = 2 * 122_880;
/// Requests whose bodies are held at most while a load is gathered, bytes.
const LOAD_BYTES: usize = 96 * 1024 * 1024;
/// How often waiting runs are derived and idle ones settled.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Pause after a load that failed, before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// DuckDB's own log is folded into the file once it is this long and nothing waits.
const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;

/// What reaches the loader.
pub(crate) enum Work {
    /// Load one request.
    Load {
        /// The request and where the log goes on behind it.
        entry: Entry,
        /// Given back once it is loaded.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// Load everything that waits, derive, then answer.
    Flush {
        /// Answered when all is queryable.
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Run on the writing connection, after everything that waits was loaded.
    Job(Box<dyn FnOnce(&Connection) + Send>),
}

/// Counters of the loader, read by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct LoaderStats {
    pub(super) loads: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) busy_ns: AtomicU64,
    pub(super) rows_stored: AtomicU64,
    pub(super) rows_duplicate: AtomicU64,
    pub(super) rows_undecodable: AtomicU64,
    failing: AtomicBool,
}

impl LoaderStats {
    pub(super) fn writable(&self) -> bool {
        !self.failing.load(Relaxed)
    }
}

/// The loader's thread.
pub(super) struct Loader {
    connection: Connection,
    segments: Segments,
    builder: BatchBuilder,
    horizons: Horizons,
    stats: Arc<LoaderStats>,
    load_interval: Duration,
    run_idle_timeout: Duration,
    clock: Clock,
    wal: std::path::PathBuf,
    waiting: Waiting,
    /// A load that failed.
    pending: Option<Pending>,
    /// Traces were loaded whose runs are not derived yet.
    stale: bool,
    upkeep: Instant,
}

/// Requests decoded and not yet in DuckDB.
#[derive(Default)]
struct Waiting {
    end: Option<Position>,
    bytes: usize,
    permits: Vec<OwnedSemaphorePermit>,
    since: Option<Instant>,
}

/// Columns on their way into DuckDB.
struct Pending {
    batch: Batch,
    end: Position,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Loader {
    pub(super) fn new(
        connection: Connection,
        segments: Segments,
        rules: Arc<Rules>,
        options: &StoreOptions,
        stats: Arc<LoaderStats>,
    ) -> Result<Self, StoreError> {
        let builder = BatchBuilder::new(&connection, rules)?;
        let mut wal = options.path.as_os_str().to_owned();
        wal.push(".wal");
        Ok(Self {
            connection,
            segments,
            builder,
            horizons: Horizons::default(),
            stats,
            load_interval: options.load_interval,
            run_idle_timeout: options.run_idle_timeout,
            clock: options.clock,
            wal: wal.into(),
            waiting: Waiting::default(),
            pending: None,
            stale: true,
            upkeep: Instant::now(),
        })
    }

    /// Loads what was acknowledged and not yet loaded. Returns the next free segment number.
    pub(super) fn recover(&mut self) -> Result<u64, StoreError> {
        let from = read_position(&self.connection)?;
        let folder = self.segments.folder().to_owned();
        let found = replay(&folder, from, |entry| {
            self.take(entry, None);
            if self.is_full() { self.load() } else { Ok(()) }
        })?;
        self.load()?;
        if found.torn_bytes > 0 {
            tracing::warn!(bytes = found.torn_bytes, "cut off a torn last write; it was never acknowledged");
        }
        if found.entries > 0 {
            tracing::info!(requests = found.entries, "loaded what was acknowledged before the last stop");
        }
        Ok(found.next_segment)
    }

    /// Runs until the log thread is gone, then loads the rest and checkpoints.
    pub(super) fn run(mut self, inbox: Receiver<Work>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(Work::Load { entry, permit }) => {
                    self.take(entry, permit);
                    if self.is_full() || self.patience().is_zero() {
                        self.load_until_it_goes_through();
                    }
                }
                Ok(Work::Flush { done }) => {
                    let flushed = self.load().and_then(|()| self.derive());
                    drop(done.send(flushed));
                }
                Ok(Work::Job(job)) => {
                    self.load_until_it_goes_through();
                    job(&self.connection);
                }
                Err(RecvTimeoutError::Timeout) => self.load_until_it_goes_through(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.keep_up();
        }
        if let Err(error) = self.load().and_then(|()| self.derive()).and_then(|()| self.checkpoint()) {
            tracing::error!(%error, "the last load failed; the log keeps what is missing");
        }
    }

    fn patience(&self) -> Duration {
        self.waiting.since.map_or(Duration::from_secs(1), |since| self.load_interval.saturating_sub(since.elapsed()))
    }

    fn is_full(&self) -> bool {
        self.builder.rows() >= LOAD_ROWS || self.waiting.bytes >= LOAD_BYTES
    }

    fn take(&mut self, entry: Entry, permit: Option<OwnedSemaphorePermit>) {
        self.waiting.bytes += entry.request.body.len();
        self.waiting.end = Some(entry.end);
        self.waiting.permits.extend(permit);
        self.waiting.since.get_or_insert_with(Instant::now);
        if let Err(error) = self.builder.add(&entry.request) {
            self.stats.rows_undecodable.fetch_add(u64::from(entry.request.items), Relaxed);
            tracing::error!(%error, "a request in the log could not be decoded");
        }
    }

    fn load_until_it_goes_through(&mut self) {
        while let Err(error) = self.load() {
            tracing::error!(%error, "loading failed; trying again, the log keeps everything");
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    /// Loads everything that waits. What fails stays where it is, and is tried again by the next call.
    fn load(&mut self) -> Result<(), StoreError> {
        loop {
            let pending = match self.pending.take() {
                Some(pending) => pending,
                None => match self.waiting.end {
                    None => return Ok(()),
                    Some(end) => {
                        let permits = std::mem::take(&mut self.waiting).permits;
                        Pending { batch: self.builder.take()?, end, permits }
                    }
                },
            };
            self.commit(pending)?;
        }
    }

    fn commit(&mut self, pending: Pending) -> Result<(), StoreError> {
        let began = Instant::now();
        let loaded = commit(&self.connection, &pending.batch, pending.end, &mut self.horizons);
        self.stats.failing.store(loaded.is_err(), Relaxed);
        let counts = match loaded {
            Ok(counts) => counts,
            Err(error) => {
                self.stats.failures.fetch_add(1, Relaxed);
                self.pending = Some(pending);
                return Err(error);
            }
        };
        self.horizons.advance(&pending.batch);
        self.stale |= pending.batch.touches_runs() || counts.quiet_touched > 0;
        drop(pending.permits);
        self.stats.loads.fetch_add(1, Relaxed);
        self.stats.rows_stored.fetch_add(counts.stored, Relaxed);
        self.stats.rows_duplicate.fetch_add(counts.duplicate, Relaxed);
        self.stats.busy_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        Ok(self.segments.release(pending.end)?)
    }

    fn derive(&mut self) -> Result<(), StoreError> {
        if self.stale {
            derive::derive_pending(&self.connection)?;
            self.stale = false;
        }
        Ok(())
    }

    fn keep_up(&mut self) {
        if self.upkeep.elapsed() < UPKEEP_INTERVAL {
            return;
        }
        let kept = self
            .derive()
            .and_then(|()| derive::settle(&self.connection, self.clock.now(), self.run_idle_timeout))
            .and_then(|()| if file_len(&self.wal) >= CHECKPOINT_BYTES { self.checkpoint() } else { Ok(()) });
        if let Err(error) = kept {
            tracing::error!(%error, "deriving runs failed; trying again");
        }
        self.upkeep = Instant::now();
    }

    fn checkpoint(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("checkpoint").map_err(StoreError::sql("checkpoint the store"))
    }
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadCounts {
    pub(super) stored: u64,
    pub(super) duplicate: u64,
    /// Traces of runs that got nothing but quiet spans.
    pub(super) quiet_touched: u64,
}

fn commit(
    connection: &Connection,
    batch: &Batch,
    end: Position,
    horizons: &mut Horizons,
) -> Result<LoadCounts, StoreError> {
    connection.execute_batch("begin transaction").map_err(StoreError::sql("begin a load"))?;
    let loaded = batch.append(connection, horizons).and_then(|counts| {
        write_position(connection, end)?;
        connection.execute_batch("commit").map_err(StoreError::sql("commit a load"))?;
        Ok(counts)
    });
    if loaded.is_err() {
        // The first failure is the one to report.
        drop(connection.execute_batch("rollback"));
    }
    loaded
}

fn read_position(connection: &Connection) -> Result<Position, StoreError> {
    let found = connection.query_row(
        "select coalesce(max(segment), 0), coalesce(max_by(position, segment), 0) from ingest_positions",
        [],
        |row| Ok(Position { segment: row.get(0)?, offset: row.get(1)? }),
    );
    found.map_err(StoreError::sql("read the log position"))
}

fn write_position(connection: &Connection, end: Position) -> Result<(), StoreError> {
    connection
        .execute_batch("delete from ingest_positions where collector = 'local'")
        .and_then(|()| {
            connection.execute(
                "insert into ingest_positions values ('local', ?, ?)",
                duckdb::params![end.segment, end.offset],
            )
        })
        .map(drop)
        .map_err(StoreError::sql("write the log position"))
}

fn file_len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}
