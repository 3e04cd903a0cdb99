//! What the store counts about itself, for `/metrics`, readiness and the benchmarks.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use duckdb::Connection;

use super::log::LogStats;
use crate::model::clock::Clock;

/// Numbers about a store, all since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreStats {
    /// Group commits of the log.
    pub log_syncs: u64,
    /// Requests acknowledged.
    pub log_requests: u64,
    /// Bytes appended to the log.
    pub log_bytes: u64,
    /// Nanoseconds spent writing and syncing the log.
    pub log_busy_ns: u64,
    /// Groups that could not be written.
    pub log_failures: u64,
    /// Transactions that loaded rows.
    pub loads: u64,
    /// Loads that failed and were tried again.
    pub load_failures: u64,
    /// How often the file was opened again because DuckDB refused everything.
    pub reopenings: u64,
    /// Nanoseconds spent loading.
    pub load_busy_ns: u64,
    /// Commits of loads and derivations.
    pub commits: u64,
    /// Nanoseconds that these commits took, checkpoints among them.
    pub commit_busy_ns: u64,
    /// Commits that moved DuckDB's own log into the file.
    pub checkpoints: u64,
    /// Nanoseconds that these commits took.
    pub checkpoint_busy_ns: u64,
    /// Nanoseconds spent deriving runs.
    pub derive_busy_ns: u64,
    /// Rows stored.
    pub rows_stored: u64,
    /// Rows that were there already.
    pub rows_duplicate: u64,
    /// Items of requests in the log of which a part could not be decoded.
    pub rows_undecodable: u64,
    /// Buffer bytes that are free.
    pub buffer_bytes_free: usize,
    /// The log and the last load could be written.
    pub writable: bool,
    /// Nanoseconds that the oldest acknowledged request has waited to be loaded; 0 where none waits.
    pub waiting_ns: u64,
    /// Nanoseconds from acknowledgement to queryable, of the oldest request of the last load.
    pub lag_ns: u64,
}

impl StoreStats {
    pub(super) fn of(log: &LogStats, load: &LoaderStats, buffer_bytes_free: usize) -> Self {
        Self {
            log_syncs: log.syncs.load(Relaxed),
            log_requests: log.requests.load(Relaxed),
            log_bytes: log.bytes.load(Relaxed),
            log_busy_ns: log.busy_ns.load(Relaxed),
            log_failures: log.failures.load(Relaxed),
            loads: load.loads.load(Relaxed),
            load_failures: load.failures.load(Relaxed),
            reopenings: load.reopenings.load(Relaxed),
            load_busy_ns: load.busy_ns.load(Relaxed),
            commits: load.commits.load(Relaxed),
            commit_busy_ns: load.commit_busy_ns.load(Relaxed),
            checkpoints: load.checkpoints.load(Relaxed),
            checkpoint_busy_ns: load.checkpoint_busy_ns.load(Relaxed),
            derive_busy_ns: load.derive_busy_ns.load(Relaxed),
            rows_stored: load.rows_stored.load(Relaxed),
            rows_duplicate: load.rows_duplicate.load(Relaxed),
            rows_undecodable: load.rows_undecodable.load(Relaxed),
            buffer_bytes_free,
            writable: load.writable() && log.writable(),
            waiting_ns: load.waiting_ns(),
            lag_ns: load.lag_ns.load(Relaxed),
        }
    }
}

/// Counters of the loader.
#[derive(Debug, Default)]
pub(crate) struct LoaderStats {
    pub(super) loads: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) reopenings: AtomicU64,
    pub(super) busy_ns: AtomicU64,
    pub(super) derive_busy_ns: AtomicU64,
    pub(super) rows_stored: AtomicU64,
    pub(super) rows_duplicate: AtomicU64,
    pub(super) rows_undecodable: AtomicU64,
    /// How long the oldest request of the last load had waited when its rows could be queried.
    pub(super) lag_ns: AtomicU64,
    /// The last load failed.
    pub(super) failing: AtomicBool,
    /// A job took away rows that the loader may know to be stored.
    pub(super) forgets: AtomicBool,
    commits: AtomicU64,
    commit_busy_ns: AtomicU64,
    checkpoints: AtomicU64,
    checkpoint_busy_ns: AtomicU64,
    /// Since when the oldest request waits, on the wall clock; 0: none does.
    waiting_since_ns: AtomicU64,
    closing: AtomicBool,
}

impl LoaderStats {
    /// From now on requests wait to be loaded, or none does.
    pub(super) fn waits(&self, waits: bool) {
        self.waiting_since_ns.store(if waits { wall_ns() } else { 0 }, Relaxed);
    }

    /// How long the oldest request waits.
    pub(super) fn waiting_ns(&self) -> u64 {
        match self.waiting_since_ns.load(Relaxed) {
            0 => 0,
            since => wall_ns().saturating_sub(since),
        }
    }

    pub(super) fn writable(&self) -> bool {
        !self.failing.load(Relaxed)
    }

    /// From now on a load that fails is left to the next start.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }
}

/// Commits transactions, and counts how long that takes.
pub(super) struct Committer<'a> {
    /// DuckDB's own log: a commit that finds it long moves it into the file, which is a checkpoint.
    pub(super) wal: &'a PathBuf,
    pub(super) stats: &'a LoaderStats,
}

impl Committer<'_> {
    pub(super) fn commit(&self, connection: &Connection) -> duckdb::Result<()> {
        let bytes = || std::fs::metadata(self.wal).map_or(0, |meta| meta.len());
        let (before, began) = (bytes(), Instant::now());
        connection.execute_batch("commit")?;
        let took = elapsed_ns(began);
        self.stats.commits.fetch_add(1, Relaxed);
        self.stats.commit_busy_ns.fetch_add(took, Relaxed);
        let after = bytes();
        if after < before || after == 0 {
            self.stats.checkpoints.fetch_add(1, Relaxed);
            self.stats.checkpoint_busy_ns.fetch_add(took, Relaxed);
        }
        Ok(())
    }
}

pub(super) fn elapsed_ns(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock, in nanoseconds.
fn wall_ns() -> u64 {
    u64::try_from(Clock::Wall.now()).unwrap_or(0)
}
