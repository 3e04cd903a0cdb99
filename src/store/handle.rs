//! The open DuckDB file, which those who read share with the loader, and opening it again where only that helps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duckdb::{Connection, InterruptHandle};

use super::fatal::stop_with_readers;
use super::{StoreError, StoreOptions, options, read};

/// How long those who read have to give their connections back. What they ask is interrupted, and fails from then on.
const READERS_PATIENCE: Duration = Duration::from_secs(120);
/// The same, where the store is closing and what is not loaded stays in the log.
const READERS_PATIENCE_CLOSING: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const READERS_PAUSE: Duration = Duration::from_millis(20);

/// The open file. DuckDB keeps it open for as long as one connection stands, so that every one is counted.
pub(super) struct Handle {
    options: StoreOptions,
    /// What readers are made of; none while the file is opened again.
    root: Mutex<Option<Connection>>,
    readers: Arc<Readers>,
}

/// How to interrupt those who read.
#[derive(Default)]
struct Readers(Mutex<Vec<Arc<InterruptHandle>>>);

/// Held by a reader for as long as it has a connection.
pub(super) struct Lent {
    reader: Arc<InterruptHandle>,
    readers: Arc<Readers>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.readers.all().retain(|one| !Arc::ptr_eq(one, &self.reader));
    }
}

impl Readers {
    fn lend(self: &Arc<Self>, connection: &Connection) -> Lent {
        let reader = connection.interrupt_handle();
        self.all().push(Arc::clone(&reader));
        Lent { reader, readers: Arc::clone(self) }
    }

    /// Interrupts what they ask; whether there are any. A long question would not notice by itself that the file is gone.
    fn interrupt(&self) -> bool {
        let readers = self.all();
        readers.iter().for_each(|reader| reader.interrupt());
        !readers.is_empty()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<InterruptHandle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Opens the file; the second part is the connection that writes.
    pub(super) fn open(options: &StoreOptions) -> Result<(Self, Connection), StoreError> {
        let writer = options::connect(options)?;
        let root = cloned(&writer)?;
        Ok((Self { options: options.clone(), root: Mutex::new(Some(root)), readers: Arc::default() }, writer))
    }

    /// One more connection that reads.
    pub(super) fn connection(&self) -> Result<(Connection, Lent), StoreError> {
        // Counted before anybody may take the root away.
        let root = self.root();
        let connection = cloned(root.as_ref().ok_or(StoreError::Stalled)?)?;
        let lent = self.readers.lend(&connection);
        Ok((connection, lent))
    }

    /// Closes the file once nobody has it open any more, and opens it again. The connection that wrote must be gone
    /// already. A failure leaves it closed: try again. `is_closing`: the store is, and does not wait as long.
    pub(super) fn reopen(&self, is_closing: impl Fn() -> bool) -> Result<Connection, StoreError> {
        drop(self.root().take());
        let begun = Instant::now();
        while self.readers.interrupt() {
            if is_closing() && begun.elapsed() > READERS_PATIENCE_CLOSING {
                return Err(StoreError::Stalled);
            }
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

    /// An open store that nobody writes any more.
    fn opened() -> (tempfile::TempDir, Handle) {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(folder.path().join("store.duckdb"));
        let (handle, writer) = Handle::open(&options).unwrap();
        migrate(&writer, "store.duckdb", options.clock).unwrap();
        (folder, handle)
    }

    #[test]
    fn it_is_opened_again_once_nobody_reads_and_nobody_begins_meanwhile() {
        let (_folder, handle) = opened();
        let (connection, lent) = handle.connection().unwrap();
        let kept = std::thread::scope(|scope| {
            let reopening = scope.spawn(|| handle.reopen(|| false));
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

    #[test]
    fn a_question_that_would_go_on_for_hours_is_interrupted() {
        let (_folder, handle) = opened();
        let (connection, lent) = handle.connection().unwrap();
        let long = "select sum((a.range * b.range) % 7) from range(100000000) as a, range(100000000) as b";
        std::thread::scope(|scope| {
            let asking = scope.spawn(move || {
                let answer = connection.execute_batch(long);
                drop((connection, lent));
                answer
            });
            assert!(handle.reopen(|| false).is_ok());
            assert!(asking.join().unwrap().unwrap_err().to_string().starts_with("INTERRUPT Error"));
        });
    }

    #[test]
    fn a_store_that_closes_leaves_those_who_read_on_behind() {
        let (_folder, handle) = opened();
        let _kept = handle.connection().unwrap();
        assert!(matches!(handle.reopen(|| true), Err(StoreError::Stalled)));
    }
}
