//! Why the store refused.

use std::path::PathBuf;

use super::bounds::Exceeded;
use super::log::LogError;

/// What helps where the DuckDB file is damaged.
pub(crate) const RESTORE: &str = "`perfline restore` brings a backup back; the folder `<store>.log` beside the old file, \
                                  moved beside the restored one, gives what was not loaded yet";

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("open store `{}`: another process has it open", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// DuckDB could not open the file.
    #[error("open store `{}`", path.display())]
    Open {
        /// The store.
        path: PathBuf,
        /// The cause.
        source: duckdb::Error,
    },
    /// The file was written by a newer build.
    #[error("open store `{store}`: schema {found} is newer than this build ({known})")]
    NewerSchema {
        /// The store.
        store: String,
        /// Its schema.
        found: i32,
        /// This build's newest.
        known: i32,
    },
    /// A migration that was applied is not the one this build knows.
    #[error("open store `{store}`: migration {version} differs from this build's")]
    ChangedMigration {
        /// The store.
        store: String,
        /// Which one.
        version: i32,
    },
    /// A statement failed.
    #[error("{action}")]
    Sql {
        /// What was tried, as a verb.
        action: &'static str,
        /// The cause.
        source: duckdb::Error,
    },
    /// Columns could not be built.
    #[error("{action}")]
    Arrow {
        /// What was tried, as a verb.
        action: &'static str,
        /// The cause.
        source: duckdb::arrow::error::ArrowError,
    },
    /// The user's own query failed.
    #[error("{0}")]
    Query(String),
    /// The user's own query wants more than it may have.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A row did not have the shape that was expected.
    #[error("read {what}")]
    Shape {
        /// What was read.
        what: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
    /// A file beside the store refused.
    #[error("{action} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The disk is nearly full: DuckDB must not run into its end.
    #[error("the disk is nearly full: {} MB are free, loads need 64 MiB", free / 1_000_000)]
    Full {
        /// Bytes that are free.
        free: u64,
    },
    /// What was acknowledged cannot be loaded now.
    #[error("the store cannot be written now: what was acknowledged last is safe in the log and cannot be read yet")]
    Stalled,
    /// The store's threads have ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(in crate::store) fn sql(action: &'static str) -> impl FnOnce(duckdb::Error) -> Self {
        move |source| Self::Sql { action, source }
    }

    pub(in crate::store) fn arrow(action: &'static str) -> impl FnOnce(duckdb::arrow::error::ArrowError) -> Self {
        move |source| Self::Arrow { action, source }
    }

    pub(in crate::store) fn shape(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Shape { what, source }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => Some(
                "name the running service instead (--store http://127.0.0.1:4318), or stop the process that has it open"
                    .to_owned(),
            ),
            Self::NewerSchema { .. } => Some("upgrade perfline, or pass --store".to_owned()),
            Self::ChangedMigration { .. } => {
                Some("the store was written by a build of another line: use that build, or pass --store".to_owned())
            }
            Self::Query(message) if message.contains("Corrupt database file") => Some(RESTORE.to_owned()),
            Self::Query(_) => Some(
                "docs/query.md names the views and their columns; `perfline query 'describe runs'` lists those of one"
                    .to_owned(),
            ),
            Self::Exceeded(_) => Some(Exceeded::HELP.to_owned()),
            Self::Open { .. } => Some(format!("is it a DuckDB file, and readable? {RESTORE}")),
            Self::Sql { source, .. } if source.to_string().contains("Corrupt database file") => Some(RESTORE.to_owned()),
            Self::Log(LogError::Damaged { .. } | LogError::Missing { .. }) => Some(
                "`perfline doctor --repair` loads whatever is whole, keeps what is damaged, and says what is lost"
                    .to_owned(),
            ),
            Self::Log(LogError::Cursor { .. }) => Some(
                "delete the file: what waited for that destination is then not sent to it, and it goes on with what comes"
                    .to_owned(),
            ),
            Self::Full { .. } => {
                Some("make room; everything acknowledged is safe in the log, and is loaded as soon as there is".to_owned())
            }
            Self::Stalled => Some(
                "is the disk full? it goes on by itself when there is room; the service's own log says what failed"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
