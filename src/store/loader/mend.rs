//! What the loader does where something failed: the load begins anew, and where DuckDB refuses everything its file is
//! opened again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use duckdb::Connection;

use super::super::columns::Horizons;
use super::super::fatal::told;
use super::super::{StoreError, derive};
use super::Loader;

/// Pause after what failed, before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

impl Loader {
    /// Takes the load back to its beginning: its requests are read from the log again.
    pub(super) fn undo(&mut self) {
        self.stats.failing.store(true, Relaxed);
        self.stats.failures.fetch_add(1, Relaxed);
        self.forget();
    }

    fn forget(&mut self) {
        (self.load.decoded, self.load.bytes) = (0, 0);
        self.horizons = Horizons::default();
        self.builder = None;
    }

    /// Whether a step failed; then it is undone.
    pub(super) fn failed(&mut self, step: Result<(), StoreError>) -> bool {
        let Err(error) = step else { return false };
        tracing::error!(error = told(&error), "loading failed; trying again, the log keeps everything");
        self.undo();
        self.mend();
        true
    }

    pub(super) fn load_until_it_goes_through(&mut self) {
        if self.given_up {
            return;
        }
        while let Err(error) = self.load() {
            tracing::error!(error = told(&error), "loading failed; trying again, the log keeps everything");
            if !self.mend() {
                self.pause();
            }
            if self.given_up {
                return;
            }
        }
    }

    /// Before something is tried again; or there is no more trying.
    fn pause(&mut self) {
        if self.stats.is_closing() {
            self.given_up = true;
        } else {
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    /// Opens the file again where that alone helps; whether it did.
    pub(super) fn mend(&mut self) -> bool {
        let is_refused = self.is_refused();
        if is_refused {
            self.reopen();
        }
        is_refused
    }

    /// Whether DuckDB refuses everything, as it does after a failed sync or a checkpoint that broke off. It is asked,
    /// since what it says of a failure may quote what a client sent.
    pub(super) fn is_refused(&self) -> bool {
        self.connection.execute_batch("select 1").is_err_and(|error| error.to_string().starts_with("FATAL Error"))
    }

    /// Returns once the file is open again, or loading is given up. Readers and jobs that wait hear meanwhile that the
    /// store is stalled, so that none of them waits for the loader while the loader waits for them.
    pub(super) fn reopen(&mut self) {
        tracing::warn!("the store is opened again; the log keeps everything");
        self.stats.failing.store(true, Relaxed);
        self.forget();
        while !self.given_up {
            match self.open_again() {
                Ok(()) => {
                    self.stale = true;
                    self.stats.reopenings.fetch_add(1, Relaxed);
                    tracing::info!("the store is open again");
                    return;
                }
                Err(error) => {
                    tracing::error!(error = told(&error), "the store could not be opened again; trying again");
                    self.pause();
                }
            }
        }
    }

    fn open_again(&mut self) -> Result<(), StoreError> {
        // The last connection closes the file, so that this one must go first. What stands in its place is empty: nothing
        // runs on it, since this is tried until it succeeds or is given up.
        self.connection = Connection::open_in_memory().map_err(StoreError::sql("let go of the store"))?;
        let connection = self.handle.reopen(|| self.stats.is_closing())?;
        derive::name_run_ids(&connection, &self.rules)?;
        self.connection = connection;
        Ok(())
    }
}
