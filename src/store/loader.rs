//! Moves acknowledged requests from the log into DuckDB, in large transactions that carry the log
//! position with them. Owns the writing connection.

mod mend;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use duckdb::Connection;
use tokio::sync::OwnedSemaphorePermit;

use super::columns::{Batch, BatchBuilder, Cut, Horizons};
use super::fatal::{has_room, told};
use super::handle::Handle;
use super::log::{Bodies, OnDamage, Place, Position, Replay, Segments, replay};
use super::position::{read_position, write_position};
use super::stats::{Committer, LoaderStats, elapsed_ns};
use super::{StoreError, StoreOptions, derive};
use crate::model::clock::Clock;
use crate::model::live::Live;
use crate::otlp::conventions::Rules;
use crate::price::Prices;

/// Requests that are decoded for one load at most, bytes.
const LOAD_BYTES: usize = 32 * 1024 * 1024;
/// How often waiting runs are derived and idle ones settled.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Pause in which requests gather.
const NAP: Duration = Duration::from_millis(4);
/// From one look to the next at whether the log's thread has gone, once loading was given up.
const GIVEN_UP_PAUSE: Duration = Duration::from_secs(1);

/// What reaches the loader.
pub(crate) enum Work {
    /// Load one request.
    Load {
        /// Where it lies in the log.
        place: Place,
        /// Given back once it is loaded.
        permit: OwnedSemaphorePermit,
    },
    /// Load everything that waits, derive, then answer.
    Flush {
        /// Answered when all is queryable.
        done: SyncSender<Result<(), StoreError>>,
    },
    /// Run on the writing connection, after everything that waits was loaded.
    Job(Box<dyn FnOnce(&Connection) + Send>),
}

/// The loader's thread.
pub(super) struct Loader {
    handle: Arc<Handle>,
    connection: Connection,
    /// DuckDB's own log.
    wal: PathBuf,
    segments: Segments,
    bodies: Bodies,
    rules: Arc<Rules>,
    /// Made anew after a load that failed: what the old one knew to be stored may have been undone with the rest.
    builder: Option<BatchBuilder>,
    horizons: Horizons,
    stats: Arc<LoaderStats>,
    load_interval: Duration,
    run_idle_timeout: Duration,
    prices: Live<Prices>,
    clock: Clock,
    load: Load,
    /// Traces were loaded whose runs are not derived yet.
    stale: bool,
    upkeep: Instant,
    /// Loading failed while the store was closed: the log keeps the rest for the next start. To load a later request
    /// would move the log position past the earlier ones.
    given_up: bool,
}

/// What is on its way into DuckDB. Until it is committed its requests stay in the log, and are read again if it fails.
#[derive(Default)]
struct Load {
    requests: VecDeque<(Place, Option<OwnedSemaphorePermit>)>,
    /// How many of the requests were decoded.
    decoded: usize,
    /// Their bytes.
    bytes: usize,
    since: Option<Instant>,
}

impl Loader {
    pub(super) fn new(
        handle: Arc<Handle>,
        connection: Connection,
        segments: Segments,
        rules: Arc<Rules>,
        options: &StoreOptions,
        prices: Live<Prices>,
        stats: Arc<LoaderStats>,
    ) -> Result<Self, StoreError> {
        let builder = Some(BatchBuilder::new(&connection, Arc::clone(&rules))?);
        derive::name_run_ids(&connection, &rules)?;
        Ok(Self {
            handle,
            connection,
            wal: wal_path(&options.path),
            bodies: Bodies::new(segments.folder().to_owned()),
            segments,
            rules,
            builder,
            horizons: Horizons::default(),
            stats,
            load_interval: options.load_interval,
            run_idle_timeout: options.run_idle_timeout,
            prices,
            clock: options.clock,
            load: Load::default(),
            stale: true,
            upkeep: Instant::now(),
            given_up: false,
        })
    }

    /// Loads what was acknowledged and not yet loaded.
    pub(super) fn recover(&mut self, on_damage: OnDamage) -> Result<Replay, StoreError> {
        let from = read_position(&self.connection)?;
        self.segments.release(from)?;
        let folder = self.segments.folder().to_owned();
        let found = replay(&folder, from, on_damage, |entry| {
            self.take(Place::of(&entry), None);
            self.go_on()
        })?;
        self.load()?;
        if !found.losses.is_empty() {
            self.skip_to(found.end)?;
        }
        if found.torn_bytes > 0 {
            tracing::info!(
                bytes = found.torn_bytes,
                "cut off what lay behind the last whole entry of the log: it was never acknowledged"
            );
        }
        if found.gone {
            tracing::warn!(
                log = %folder.display(),
                "the segment log is gone, though this store has read from one: what was acknowledged and not loaded went with it"
            );
        }
        if found.entries > 0 {
            tracing::info!(requests = found.entries, "loaded what was acknowledged before the last stop");
        }
        Ok(found)
    }

    /// Goes on behind damage, so that the next start does not meet it again.
    fn skip_to(&self, end: Position) -> Result<(), StoreError> {
        self.connection.execute_batch("begin transaction").map_err(StoreError::sql("write the log position"))?;
        write_position(&self.connection, end)?;
        self.connection.execute_batch("commit").map_err(StoreError::sql("write the log position"))?;
        Ok(self.segments.release(end)?)
    }

    /// Runs until the log thread is gone, then loads the rest and checkpoints.
    pub(super) fn run(mut self, inbox: Receiver<Work>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(work) => {
                    self.handle(work);
                    while let Ok(work) = inbox.try_recv() {
                        self.handle(work);
                    }
                    // To wake for every request costs more than to load it.
                    std::thread::sleep(NAP);
                }
                Err(RecvTimeoutError::Timeout) => self.load_until_it_goes_through(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.keep_up();
        }
        if self.given_up {
            tracing::error!("loading failed to the end; the log keeps what is missing");
            return;
        }
        if let Err(error) = self.load().and_then(|()| self.derive()).and_then(|()| self.checkpoint()) {
            tracing::error!(error = told(&error), "the last load failed; the log keeps what is missing");
        }
    }

    fn handle(&mut self, work: Work) {
        if self.given_up {
            if let Work::Flush { done } = work {
                // Who asked may have gone meanwhile.
                drop(done.try_send(Err(StoreError::Stalled)));
            }
            return;
        }
        match work {
            Work::Load { place, permit } => {
                self.take(place, Some(permit));
                let gone_on = self.go_on();
                if self.failed(gone_on) || self.patience().is_zero() {
                    self.load_until_it_goes_through();
                }
            }
            Work::Flush { done } => {
                let flushed = self.load_for_a_reader().and_then(|()| self.derive());
                let broken = flushed.as_ref().err().filter(|_| self.is_refused()).map(told);
                // Who asked may have gone meanwhile. What DuckDB says of its file is nothing that they could mend.
                drop(done.try_send(if broken.is_some() { Err(StoreError::Stalled) } else { flushed }));
                if let Some(error) = broken {
                    tracing::error!(error, "deriving runs failed; trying again");
                    self.reopen();
                }
            }
            Work::Job(job) => {
                self.load_until_it_goes_through();
                if !self.given_up {
                    job(&self.connection);
                    self.look_after_a_job();
                }
            }
        }
    }

    fn look_after_a_job(&mut self) {
        if self.stats.forgets.swap(false, Relaxed) {
            // All that came was loaded: it holds nothing but what it knows.
            self.builder = None;
        }
        // Whoever asked for the job hears how it failed; whether the file can still be used is found out here.
        if self.mend() {
            tracing::warn!("a change of the store failed in the midst of a write");
        }
    }

    fn patience(&self) -> Duration {
        if self.given_up {
            return GIVEN_UP_PAUSE;
        }
        self.load.since.map_or(Duration::from_secs(1), |since| self.load_interval.saturating_sub(since.elapsed()))
    }

    fn take(&mut self, place: Place, permit: Option<OwnedSemaphorePermit>) {
        if self.load.requests.is_empty() {
            self.stats.waits(true);
        }
        self.load.requests.push_back((place, permit));
        self.load.since.get_or_insert_with(Instant::now);
    }

    /// Decodes what came; commits whenever a table has a row group.
    fn go_on(&mut self) -> Result<(), StoreError> {
        while let Some((place, _)) = self.load.requests.get(self.load.decoded) {
            let body = self.bodies.read(place)?;
            let builder = match &mut self.builder {
                Some(builder) => builder,
                none => none.insert(BatchBuilder::new(&self.connection, Arc::clone(&self.rules))?),
            };
            if let Err(error) = builder.add(place.signal, body) {
                self.stats.rows_undecodable.fetch_add(u64::from(place.items), Relaxed);
                tracing::error!(%error, "a request in the log could not be decoded");
            }
            self.load.bytes += place.length;
            self.load.decoded += 1;
            if builder.is_full() {
                self.commit(Cut::RowGroups)?;
            } else if self.load.bytes >= LOAD_BYTES {
                self.commit(Cut::Whole)?;
            }
        }
        Ok(())
    }

    /// One transaction: what was decoded, as far as the cut lets it, and how far the log is loaded with that.
    fn commit(&mut self, cut: Cut) -> Result<(), StoreError> {
        let Some(builder) = self.builder.as_mut().filter(|_| self.load.decoded > 0) else { return Ok(()) };
        let began = Instant::now();
        has_room(self.segments.folder())?;
        let batch = builder.take(cut)?;
        // Rows that were left behind are of the last request: it stays until they are stored.
        let loaded = self.load.decoded - usize::from(batch.is_cut());
        let end = loaded.checked_sub(1).and_then(|last| self.load.requests.get(last)).map(|(place, _)| place.end);
        let counts = self.write(&batch, end)?;
        self.load.requests.drain(..loaded);
        self.load.decoded -= loaded;
        self.load.bytes = self.load.requests.iter().take(self.load.decoded).map(|(place, _)| place.length).sum();
        self.load.since = (!self.load.requests.is_empty()).then(Instant::now);
        self.stats.lag_ns.store(self.stats.waiting_ns(), Relaxed);
        self.stats.waits(self.load.since.is_some());
        self.horizons.advance();
        self.stale |= batch.touches_runs() || counts.quiet_touched > 0;
        self.stats.failing.store(false, Relaxed);
        self.stats.loads.fetch_add(1, Relaxed);
        self.stats.rows_stored.fetch_add(counts.stored, Relaxed);
        self.stats.rows_duplicate.fetch_add(counts.duplicate, Relaxed);
        self.stats.busy_ns.fetch_add(elapsed_ns(began), Relaxed);
        // What is stored is stored, whether or not its segments can be deleted now: the next load tries that again.
        if let Some(end) = end
            && let Err(error) = self.segments.release(end)
        {
            tracing::warn!(%error, "segments that are loaded could not be deleted");
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch, end: Option<Position>) -> Result<LoadCounts, StoreError> {
        let connection = &self.connection;
        connection.execute_batch("begin transaction").map_err(StoreError::sql("begin a load"))?;
        let written = batch.append(connection, &mut self.horizons).and_then(|counts| {
            if let Some(end) = end {
                write_position(connection, end)?;
            }
            let committer = Committer { wal: &self.wal, stats: &self.stats };
            committer.commit(connection).map_err(StoreError::sql("commit a load"))?;
            Ok(counts)
        });
        if written.is_err() {
            // The first failure is the one to report.
            drop(connection.execute_batch("rollback"));
        }
        written
    }

    fn load_for_a_reader(&mut self) -> Result<(), StoreError> {
        self.load().map_err(|error| {
            tracing::error!(error = told(&error), "loading failed; a reader is told so");
            self.mend();
            StoreError::Stalled
        })
    }

    /// Loads everything that waits. What fails is undone, and stays in the log for the next try.
    fn load(&mut self) -> Result<(), StoreError> {
        let loaded = self.go_on().and_then(|()| self.commit(Cut::Whole));
        match loaded {
            Ok(()) => self.stats.failing.store(false, Relaxed),
            Err(_) => self.undo(),
        }
        loaded
    }

    fn derive(&mut self) -> Result<(), StoreError> {
        if self.stale {
            let began = Instant::now();
            let committer = Committer { wal: &self.wal, stats: &self.stats };
            derive::derive_pending(&self.connection, &self.prices.get(), &committer)?;
            self.stats.derive_busy_ns.fetch_add(elapsed_ns(began), Relaxed);
            self.stale = false;
        }
        Ok(())
    }

    fn keep_up(&mut self) {
        if self.given_up || self.upkeep.elapsed() < UPKEEP_INTERVAL {
            return;
        }
        let kept = self
            .load()
            .and_then(|()| self.derive())
            .and_then(|()| derive::settle(&self.connection, self.clock.now(), self.run_idle_timeout));
        if let Err(error) = kept {
            tracing::error!(error = told(&error), "deriving runs failed; trying again");
            self.mend();
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

/// Where DuckDB keeps its own log.
fn wal_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".wal");
    PathBuf::from(name)
}
