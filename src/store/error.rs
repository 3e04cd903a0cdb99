//! Why the store refused.

use std::path::PathBuf;

use super::bounds::Exceeded;
use super::log::LogError;

/// What helps where the DuckDB file is damaged.
pub(crate) const RESTORE: &str = "`perfline restore` brings a backup back; the folder `<store>.log` beside the old file, \
                                  moved beside the restored one, gives what was not loaded yet";

/// Bounds what DuckDB takes, for all questions together.
pub(crate) const MEMORY_KEY: &str = "store.duckdb_memory_bytes_max";
/// What helps where that was not enough.
pub(crate) const MEMORY_HELP: &str = "ask for less: fewer runs, columns or groups, a shorter period; or raise \
                                      store.duckdb_memory_bytes_max of the service";

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

    /// Whether DuckDB had not the memory for a question.
    pub(crate) fn wants_memory(&self) -> bool {
        self.begins(&["Out of Memory Error"])
    }

    /// Whether it passes by itself: nothing is wrong with what was asked.
    pub(crate) fn is_passing(&self) -> bool {
        let is_known = matches!(self, Self::Stalled | Self::Full { .. } | Self::Closed);
        // DuckDB refuses everything until its file is opened again, and then those who read are interrupted.
        is_known || self.begins(&["FATAL Error", "INTERRUPT Error"])
    }

    /// Whether what DuckDB said begins with one of these. What it quotes of a question stands further on.
    fn begins(&self, words: &[&str]) -> bool {
        let said = match self {
            Self::Query(said) => said.clone(),
            Self::Sql { source, .. } => source.to_string(),
            _ => return false,
        };
        words.iter().any(|word| said.starts_with(word))
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            error if error.wants_memory() => Some(MEMORY_HELP.to_owned()),
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

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::super::read::Reader;

    #[test]
    fn a_question_that_duckdb_has_no_memory_for_is_told_with_what_to_do() {
        let connection = Connection::open_in_memory().unwrap();
        // Nothing is put aside on the disk.
        connection.execute_batch("set memory_limit = '4MB'; set max_temp_directory_size = '0KB'").unwrap();
        let error = Reader::new(connection)
            .query("select list(range::varchar || repeat('x', 100)) as a from range(1000000)")
            .unwrap_err();
        assert!(error.wants_memory() && !error.is_passing(), "{error}");
        assert!(error.help().is_some_and(|help| help.contains("store.duckdb_memory_bytes_max")));
        let said = error.to_string();
        assert!(said.starts_with("Out of Memory Error") && said.lines().count() == 1, "{said}");
    }

    #[test]
    fn what_a_question_quotes_is_not_taken_for_what_duckdb_says() {
        let connection = Connection::open_in_memory().unwrap();
        let error = Reader::new(connection).query("select error('Out of Memory Error: FATAL Error')").unwrap_err();
        assert!(!error.wants_memory() && !error.is_passing(), "{error}");
    }
}
