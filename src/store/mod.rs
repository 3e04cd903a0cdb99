//! The store: one DuckDB file and the segment log beside it. The only room that knows DuckDB.
//!
//! Two threads own what is mutable: the log thread appends and syncs, the loader thread writes
//! DuckDB. Readers have connections of their own.

mod alerts;
mod bench;
mod bounds;
mod columns;
mod derive;
mod error;
mod fatal;
mod handle;
mod loader;
pub mod log;
mod migrate;
mod options;
mod parquet;
mod position;
mod prices;
mod read;
mod rows;
mod sql;
mod stats;
mod submit;
mod track;
mod upkeep;
mod values;

pub(crate) use alerts::{AlertChanges, Screen, Screened};
pub use bounds::{Exceeded, QueryBounds};
pub use error::StoreError;
pub(crate) use error::{MEMORY_HELP, MEMORY_KEY, RESTORE};
pub use options::StoreOptions;
pub use parquet::{TextColumns, read_parquet};
pub use prices::Recosted;
pub use read::Reader;
pub(crate) use read::series_question;
pub use rows::Row;
pub use stats::StoreStats;
pub(crate) use track::Held;
pub use upkeep::{Copied, EXPORT_VIEWS, ExportFormat, PruneRequest, Pruned, TableRows};
pub(crate) use values::{RUN_METRICS, RunValue, RunValues, STEP_METRICS, StepValue, StepValues};

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use duckdb::Connection;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::model::Policy;
use crate::model::clock::{Clock, UnixNanos};
use crate::model::live::Live;
use crate::otlp::conventions::Rules;
use crate::otlp::veil::Veil;
use crate::price::Prices;
use handle::Handle;
use loader::{Loader, Work};
use log::{Appender, LogStats, LogWriter, Position, Queue, QueueName, Segments, Submission};
pub use log::{Loss, OnDamage};
use stats::LoaderStats;
use submit::BUDGET_UNIT;

/// An open store. Cheap to clone; closes when [`Store::close`] is called.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// Replaced where the configuration is read anew, as is the policy.
    prices: Live<Prices>,
    veil: Option<Arc<Veil>>,
    clock: Clock,
    receives_since: Option<UnixNanos>,
    policy: Live<Policy>,
    query_bounds: Live<QueryBounds>,
    /// Held while the store is evaluated: two at a time would tell everything twice.
    evaluating: Mutex<()>,
    submissions: Mutex<Option<mpsc::Sender<Submission>>>,
    budget: Arc<Semaphore>,
    handle: Arc<Handle>,
    losses: Vec<Loss>,
    log_gone: bool,
    log_stats: Arc<LogStats>,
    loader_stats: Arc<LoaderStats>,
    segments: Segments,
    tip: watch::Receiver<Position>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Requests that may wait for the log thread, and as many for the loader: what the budget allows at its default, so
/// that it is the budget that is full first.
const SUBMISSIONS_MAX: usize = 65_536;
/// How often a reader that waits for a load looks whether loads go through at all.
const STALL_PAUSE: Duration = Duration::from_millis(250);

impl Store {
    /// Opens the file, brings its schema up to date and loads what the log still holds.
    pub fn open(options: &StoreOptions, rules: Arc<Rules>) -> Result<Self, StoreError> {
        let (handle, connection) = Handle::open(options)?;
        let handle = Arc::new(handle);
        migrate::migrate(&connection, &options.path.display().to_string(), options.clock)?;
        read::define_views(&connection)?;
        let segments = Segments::open(&log_folder(&options.path))?.with_segments_of(options.segment_bytes_max);
        let folder = segments.folder().to_owned();
        let loader_stats = Arc::new(LoaderStats::default());
        let log_stats = Arc::new(LogStats::default());
        let prices = Live::new(Arc::clone(&options.prices));
        let mut loader = Loader::new(
            Arc::clone(&handle),
            connection,
            segments.clone(),
            rules,
            options,
            prices.clone(),
            Arc::clone(&loader_stats),
        )?;
        let replayed = loader.recover(options.on_damage)?;
        let (work_in, work_out) = sync_channel(SUBMISSIONS_MAX);
        let (submissions, inbox) = mpsc::channel(SUBMISSIONS_MAX);
        let appender = Appender::new(folder, &replayed).with_segments_of(options.segment_bytes_max);
        let tip = appender.tip();
        let writer = LogWriter::new(appender, Arc::clone(&log_stats), work_in);
        let threads = vec![
            spawn("perfline-log", move || writer.run(inbox))?,
            spawn("perfline-load", move || loader.run(work_out))?,
        ];
        let inner = Inner {
            path: options.path.clone(),
            prices,
            veil: options.veil.clone(),
            clock: options.clock,
            receives_since: options.serves.then(|| options.clock.now()),
            policy: Live::default(),
            query_bounds: Live::default(),
            evaluating: Mutex::new(()),
            submissions: Mutex::new(Some(submissions)),
            budget: Arc::new(Semaphore::new(options.buffer_bytes_max / BUDGET_UNIT)),
            handle,
            log_gone: replayed.gone,
            losses: replayed.losses,
            log_stats,
            loader_stats,
            segments,
            tip,
            threads: Mutex::new(threads),
        };
        let store = Self { inner: Arc::new(inner) };
        store.clear_way_out();
        Ok(store)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The store has read from a log of which nothing is left.
    #[must_use]
    pub fn log_gone(&self) -> bool {
        self.inner.log_gone
    }

    /// What could not be read when the store was opened with [`OnDamage::Skip`].
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.inner.losses
    }

    /// What waits for one who reads the log on: from where it was, or from now on.
    pub fn queue(&self, name: QueueName) -> Result<Queue, StoreError> {
        Ok(self.inner.segments.queue(name, self.inner.tip.clone())?)
    }

    /// The queues that there are, whether somebody reads them or not.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueName> {
        self.inner.segments.queues().into_keys().collect()
    }

    /// Gives up a queue with what waits in it: its segments go.
    pub fn forget_queue(&self, name: &QueueName) -> Result<(), StoreError> {
        Ok(self.inner.segments.forget(name)?)
    }

    /// Since when a service would have received what came; none where no service has it open.
    #[must_use]
    pub fn receives_since(&self) -> Option<UnixNanos> {
        self.inner.receives_since
    }

    /// Where the present comes from.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// How series are judged.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.inner.policy.get()
    }

    /// Judges series by `policy` from now on; what was said under another is said anew when somebody asks.
    pub fn set_policy(&self, policy: Policy) {
        self.inner.policy.set(policy);
    }

    /// Prices calls by these from now on; [`Store::recost`] prices those that are stored.
    pub fn set_prices(&self, prices: Arc<Prices>) {
        self.inner.prices.set(prices);
    }

    /// Answers [`Reader::query`] within `bounds` from now on; before that it takes what it wants.
    pub fn set_query_bounds(&self, bounds: QueryBounds) {
        self.inner.query_bounds.set(bounds);
    }

    /// One evaluation at a time: the next waits here.
    pub(crate) fn evaluating(&self) -> MutexGuard<'_, ()> {
        self.inner.evaluating.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until everything acknowledged so far is in DuckDB and its runs are derived.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (done, answer) = sync_channel(1);
        self.work(Work::Flush { done })?;
        loop {
            match answer.recv_timeout(STALL_PAUSE) {
                Ok(flushed) => return flushed,
                Err(RecvTimeoutError::Disconnected) => return Err(StoreError::Closed),
                // Whoever reads hears of it, rather than waiting for room on the disk.
                Err(RecvTimeoutError::Timeout) if !self.inner.loader_stats.writable() => {
                    return Err(StoreError::Stalled);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// As [`Store::flush`], and closes every run that has no root: no more is coming.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.write(|connection, clock| derive::settle(connection, clock.now(), Duration::ZERO))?
    }

    /// Prices every stored call again whose cost no span stated, by [`StoreOptions::prices`] or what came after
    /// them, and sums up its steps and
    /// runs anew.
    pub fn recost(&self) -> Result<Recosted, StoreError> {
        self.flush()?;
        let known = self.inner.prices.get();
        self.write(move |connection, _| prices::recost(connection, &known))?
    }

    /// Runs `job` on the writing connection, after everything acknowledged so far was loaded.
    pub fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, Clock) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, answer) = sync_channel(1);
        let clock = self.inner.clock;
        // Set by whoever comes first: the job that begins, or the asker who gives up. What an asker was told is not done
        // must not be done later.
        let taken = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&taken);
        let job = Box::new(move |connection: &Connection| {
            if !begun.swap(true, AcqRel) {
                drop(done.send(job(connection, clock)));
            }
        });
        self.work(Work::Job(job))?;
        loop {
            match answer.recv_timeout(STALL_PAUSE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(StoreError::Closed),
                Err(RecvTimeoutError::Timeout) if !self.inner.loader_stats.writable() && !taken.swap(true, AcqRel) => {
                    return Err(StoreError::Stalled);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// A connection that reads. Call [`Store::flush`] first to see everything acknowledged.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let (connection, lent) = self.inner.handle.connection()?;
        Ok(Reader::new(connection).counted(lent).within(*self.inner.query_bounds.get()))
    }

    /// Loads what is left, checkpoints and ends the threads. Later calls answer `Closed`.
    pub fn close(&self) -> Result<(), StoreError> {
        let flushed = self.flush();
        self.inner.loader_stats.close();
        self.inner.submissions.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads: Vec<_> = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for thread in threads {
            // A panic there was reported when it happened.
            drop(thread.join());
        }
        if let Err(error) = self.inner.segments.delete_spares() {
            tracing::warn!(%error, "segments that were kept for reuse could not be deleted");
        }
        // It is there only where a file went out, and stays where one is left in it.
        drop(std::fs::remove_dir(out_folder(self.path())));
        match flushed {
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }

    /// Numbers about itself, for `/metrics` and the benchmarks.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let free = self.inner.budget.available_permits() * BUDGET_UNIT;
        StoreStats::of(&self.inner.log_stats, &self.inner.loader_stats, free)
    }

    fn work(&self, work: Work) -> Result<(), StoreError> {
        let sender = self.sender().ok_or(StoreError::Closed)?;
        let mut submission = Submission::Work(work);
        // Called from plain threads and from async ones: a full queue is waited out, not awaited.
        loop {
            match sender.try_send(submission) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(StoreError::Closed),
                // Also where both queues are full while the loader waits for whoever asks here.
                Err(mpsc::error::TrySendError::Full(_)) if !self.inner.loader_stats.writable() => {
                    return Err(StoreError::Stalled);
                }
                Err(mpsc::error::TrySendError::Full(back)) => {
                    submission = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Submission>> {
        self.inner.submissions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|source| {
        StoreError::Log(log::LogError::Io { action: "start thread for", path: PathBuf::from(name), source })
    })
}

/// Where the log of a store lies: beside it.
#[must_use]
pub fn log_folder(store: &Path) -> PathBuf {
    beside(store, ".log")
}

/// Where files lie that are on their way out of a store, for as long as that takes: beside it.
#[must_use]
pub fn out_folder(store: &Path) -> PathBuf {
    beside(store, ".out")
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
