//! The segment files: which are there, and which may go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::append::{SEGMENT_BYTES_MAX, sync_folder};
use super::cursor::{self, QueueName};
use super::{LogError, Position, Queue, list_segments, segment_path, spare};

/// The segment files of one log. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Segments {
    folder: PathBuf,
    /// From this length on a segment is worth being written over.
    spare_bytes_min: u64,
    readers: Arc<Mutex<Readers>>,
}

/// Up to where everybody has got who reads the log. A segment goes once all have passed it.
#[derive(Debug, Default)]
struct Readers {
    loaded: Position,
    /// As synced: behind a power cut nobody reads on further back.
    queues: BTreeMap<QueueName, Position>,
}

impl Segments {
    /// Opens the folder, making it where it is missing. What a queue has not passed stays, whoever opens the folder.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(folder).map_err(LogError::io("create log folder", folder))?;
        let readers = Readers { loaded: Position::default(), queues: cursor::list(folder)? };
        let readers = Arc::new(Mutex::new(readers));
        let segments = Self { folder: folder.to_owned(), spare_bytes_min: SEGMENT_BYTES_MAX, readers };
        segments.sync_names()?;
        Ok(segments)
    }

    /// Full segments have this many bytes.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        Self { spare_bytes_min: bytes, ..self }
    }

    /// Syncs the folder in which the log and the store lie: DuckDB syncs what its files hold, but not that they are there.
    fn sync_names(&self) -> Result<(), LogError> {
        let parent = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(parent)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The queues by name, with the place up to which each has got.
    #[must_use]
    pub fn queues(&self) -> BTreeMap<QueueName, Position> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).queues.clone()
    }

    /// The queue of a name: it goes on where it was, a new one at what is acknowledged from now on.
    pub fn queue(&self, name: QueueName, tip: watch::Receiver<Position>) -> Result<Queue, LogError> {
        let known = self.queues().get(&name).copied();
        let begin = known.unwrap_or_else(|| *tip.borrow());
        if known.is_none() {
            self.passed(&name, begin)?;
        }
        Ok(Queue::new(self.clone(), name, begin, tip))
    }

    /// Gives up a queue, with whatever waits in it.
    pub fn forget(&self, name: &QueueName) -> Result<(), LogError> {
        cursor::remove(&self.folder, name)?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).queues.remove(name);
        self.sweep()
    }

    /// Notes durably up to where a queue has got, and deletes what nobody needs any more.
    pub(super) fn passed(&self, name: &QueueName, position: Position) -> Result<(), LogError> {
        cursor::write(&self.folder, name, position)?;
        let before = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.queues.insert(name.clone(), position)
        };
        if before.is_some_and(|before| before.segment < position.segment) { self.sweep() } else { Ok(()) }
    }

    /// Notes up to where the store has loaded, and deletes what nobody needs any more.
    pub fn release(&self, loaded: Position) -> Result<(), LogError> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).loaded = loaded;
        self.sweep()
    }

    /// Deletes or keeps for reuse the segments that lie wholly before every reader.
    fn sweep(&self) -> Result<(), LogError> {
        // Held to the end: of two at a time one would not find what the other has deleted.
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = readers.queues.values().copied().fold(readers.loaded, Position::min).segment;
        let mut numbers = list_segments(&self.folder)?;
        numbers.retain(|number| *number < needed);
        if numbers.is_empty() {
            return Ok(());
        }
        // DuckDB's log is a new file after every checkpoint: what is in it must be found again before the segments go.
        self.sync_names()?;
        for number in numbers {
            let path = segment_path(&self.folder, number);
            spare::retire(&self.folder, &path, self.spare_bytes_min)?;
        }
        Ok(())
    }

    /// Deletes what is kept for reuse.
    pub fn delete_spares(&self) -> Result<(), LogError> {
        spare::delete_all(&self.folder)
    }
}
