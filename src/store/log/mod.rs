//! The segment log: what was acknowledged and is not yet in DuckDB.
//!
//! Requests are appended to numbered segment files and synced by group commit:
//! all requests that wait at the same moment share one `fdatasync`. A request is
//! acknowledged after that sync. The loader moves the log into DuckDB together
//! with the position it has reached, so a restart replays exactly the rest.
//! Who sends the telemetry onward reads the log too, each destination behind a
//! [`Queue`] of its own: a segment stays until all have passed it. A few full ones
//! are then written over, which is cheaper than making files longer.

mod append;
#[cfg(feature = "store")]
mod bodies;
mod cursor;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod queue;
mod reader;
mod record;
mod segment;
mod segments;
mod spare;
mod tail;
#[cfg(test)]
mod tests;
#[cfg(feature = "store")]
mod writer;

pub use append::{Appender, SEGMENT_BYTES_MAX};
#[cfg(feature = "store")]
pub(crate) use bodies::{Bodies, Place};
pub use cursor::QueueName;
pub use queue::{Queue, Waiting};
pub use reader::{Loss, OnDamage, Replay, replay};
pub use record::{Entry, Position};
pub use segments::Segments;
pub use tail::{Found, Next};
#[cfg(feature = "store")]
pub(crate) use writer::{LogStats, LogWriter, Submission};

use std::path::{Path, PathBuf};

/// Why the log could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb: "open segment".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Acknowledged bytes cannot be read: something other than a torn last write happened.
    #[error("segment `{}` is damaged at byte {at}: acknowledged telemetry there cannot be read", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the first damaged entry begins.
        at: u64,
    },
    /// How far a queue has come is not known.
    #[error("`{}` does not say up to where its destination has got", path.display())]
    Cursor {
        /// The file.
        path: PathBuf,
    },
    /// A segment says that this one was before it.
    #[error("segment `{}` is missing: it held acknowledged telemetry that is not in the store", path.display())]
    Missing {
        /// The segment.
        path: PathBuf,
    },
}

impl LogError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.segment"))
}

/// The segments in a folder, by number.
fn list_segments(folder: &Path) -> Result<Vec<u64>, LogError> {
    let mut numbers = Vec::new();
    for file in std::fs::read_dir(folder).map_err(LogError::io("list segments in", folder))? {
        let name = file.map_err(LogError::io("list segments in", folder))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".segment")).and_then(|stem| stem.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
