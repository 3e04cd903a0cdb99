//! The open DuckDB file, which those who read share with the loader, and opening it again where only that helps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duckdb::Connection;

use super::fatal::stop_with_readers;
use super::{StoreError, StoreOptions, options, read};

/// How long those who read have to notice that the file refuses everything. Their next statement fails at once.
const READERS_PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether they have.
const READERS_PAUSE: Duration = Duration::from_millis(20);

/// The open file. DuckDB keeps it open for as long as one connection stands, so that every one is counted.
pub(super) struct Handle {
    options: StoreOptions,
    /// What readers are made of; none while the file is opened again.
    root: Mutex<Option<Connection>>,
    lent: Lent,
}

/// Held by a reader for as long as it has a connection.
#[derive(Clone)]
pub(super) struct Lent(Arc<()>);

impl Lent {
    fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Handle {
    /// Opens the file; the second part is the connection that writes.
    pub(super) fn open(options: &StoreOptions) -> Result<(Self, Connection), StoreError> {
        let writer = options::connect(options)?;
        let root = cloned(&writer)?;
        Ok((Self { options: options.clone(), root: Mutex::new(Some(root)), lent: Lent(Arc::default()) }, writer))
    }

    /// One more connection that reads.
    pub(super) fn connection(&self) -> Result<(Connection, Lent), StoreError> {
        let root = self.root();
        Ok((cloned(root.as_ref().ok_or(StoreError::Stalled)?)?, self.lent.clone()))
    }

    /// Closes the file once nobody has it open any more, and opens it again. The connection that wrote must be gone
    /// already. A failure leaves it closed: try again.
    pub(super) fn reopen(&self) -> Result<Connection, StoreError> {
        drop(self.root().take());
        let begun = Instant::now();
        while self.lent.is_held_elsewhere() {
            if begun.elapsed() > READERS_PATIENCE {
                stop_with_readers();
            }
            std::thread::sleep(READERS_PAUSE);
        }
        let writer = options::connect(&self.options)?;
        read::define_views(&writer)?;
        // What a failed sync left in memory alone reads as if it were on the disk: it is written out once more before
        // the log forgets it.
        writer.execute_batch("force checkpoint").map_err(StoreError::sql("checkpoint the store"))?;
        *self.root() = Some(cloned(&writer)?);
        Ok(writer)
    }

    fn root(&self) -> MutexGuard<'_, Option<Connection>> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cloned(connection: &Connection) -> Result<Connection, StoreError> {
    connection.try_clone().map_err(StoreError::sql("open a reader"))
}

#[cfg(test)]
mod tests {
    use super::super::migrate::migrate;
    use super::*;

    #[test]
    fn it_is_opened_again_once_nobody_reads_and_nobody_begins_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(folder.path().join("store.duckdb"));
        let (handle, writer) = Handle::open(&options).unwrap();
        migrate(&writer, "store.duckdb", options.clock).unwrap();
        drop(writer);
        let (connection, lent) = handle.connection().unwrap();
        let kept = std::thread::scope(|scope| {
            let reopening = scope.spawn(|| handle.reopen());
            while !matches!(handle.connection(), Err(StoreError::Stalled)) {
                std::thread::sleep(READERS_PAUSE);
            }
            assert!(!reopening.is_finished(), "somebody still reads");
            drop((connection, lent));
            reopening.join().unwrap()
        });
        let runs =
            |connection: &Connection| connection.query_row("select count(*) from runs", [], |row| row.get::<_, i64>(0));
        assert_eq!(runs(&kept.unwrap()).unwrap(), 0);
        assert_eq!(runs(&handle.connection().unwrap().0).unwrap(), 0);
    }
}
