//! Looking after a store: copies that are checked, retention, files for other tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use duckdb::Connection;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, out_folder, sql};
use crate::model::clock::UnixNanos;

/// How the folders begin in which files wait until they are handed on.
const WAY_OUT: &str = ".perfline-";

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// The view by which users know it, else the table.
    pub table: String,
    /// Rows.
    pub rows: u64,
}

/// A copy of a store, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What the store held.
    pub held: Vec<TableRows>,
    /// What the copy holds, read from it.
    pub rows: Vec<TableRows>,
}

/// What pruning took.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// What ended before this went, nanoseconds since the epoch; none where nothing had to go.
    pub cutoff_ns: Option<UnixNanos>,
    /// Rows that went.
    pub removed: Vec<TableRows>,
    /// Bytes in use before; free blocks within the file are not counted.
    pub bytes_before: u64,
    /// Bytes in use after.
    pub bytes_after: u64,
    /// Nothing was taken: it was only asked.
    pub dry_run: bool,
}

/// What is to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct PruneRequest {
    /// Everything that ended before this time, nanoseconds since the epoch.
    pub before_ns: Option<UnixNanos>,
    /// Of what is there the oldest share, so that about this much stays in use, bytes.
    pub bytes_max: Option<u64>,
    /// Say what would go, and keep it.
    pub dry_run: bool,
}

/// A file format of [`Store::export`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Parquet, compressed by zstd.
    Parquet,
    /// CSV with a header.
    Csv,
}

impl ExportFormat {
    /// The word of the command line, and the ending of a file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Parquet, Self::Csv].into_iter().find(|format| format.as_str() == word)
    }
}

/// Views that are exported where none are named.
pub const EXPORT_VIEWS: [&str; 8] =
    ["runs", "steps", "spans", "span_events", "span_links", "metric_points", "logs", "resource_samples"];

impl Store {
    /// A folder of one's own for a file on its way out; it goes when it is dropped.
    pub(crate) fn way_out(&self) -> std::io::Result<tempfile::TempDir> {
        let folder = out_folder(self.path());
        std::fs::create_dir_all(&folder)?;
        tempfile::Builder::new().prefix(WAY_OUT).tempdir_in(folder)
    }

    /// Takes away what an end amid a backup or an export left there.
    pub(super) fn clear_way_out(&self) {
        let Ok(entries) = std::fs::read_dir(out_folder(self.path())) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(WAY_OUT)) {
            if let Err(error) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!(%error, path = %entry.path().display(), "a copy that was never finished could not be deleted");
            }
        }
    }

    /// Copies everything that is acknowledged into a new DuckDB file, which must not exist. Nothing is loaded meanwhile.
    pub fn copy_to(&self, file: &Path) -> Result<Copied, StoreError> {
        let target = file.to_owned();
        self.flush()?;
        self.write(move |connection, _| {
            let held = counts(connection)?;
            Ok(Copied { held, rows: copy_into(connection, &target)? })
        })?
    }

    /// Rows by table.
    pub fn table_rows(&self) -> Result<Vec<TableRows>, StoreError> {
        self.flush()?;
        self.write(|connection, _| counts(connection))?
    }

    /// Takes away what is older or too much, whole runs at a time, and checkpoints.
    pub fn prune(&self, request: PruneRequest) -> Result<Pruned, StoreError> {
        self.flush()?;
        let stats = Arc::clone(&self.inner.loader_stats);
        self.write(move |connection, _| {
            // Also where it fails: what the loader knows to be stored may be gone.
            stats.forgets.store(true, Relaxed);
            prune(connection, request)
        })?
    }

    /// Writes a view into a file, through a file beside it that is moved into place. What comes meanwhile is loaded: it
    /// reads one state of the store.
    pub fn export(&self, view: &str, format: ExportFormat, file: &Path) -> Result<u64, StoreError> {
        self.flush()?;
        export(self.reader()?.connection(), view, format, file)
    }
}

fn export(connection: &Connection, view: &str, format: ExportFormat, file: &Path) -> Result<u64, StoreError> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".partial");
    let aside = PathBuf::from(aside);
    let options = match format {
        ExportFormat::Parquet => "format parquet, compression zstd",
        ExportFormat::Csv => "format csv, header",
    };
    let statement = format!("copy (from {}) to {} ({options})", identifier(view), literal(&aside));
    let copied = connection.execute(&statement, []).map_err(StoreError::sql("export a view"));
    let moved = copied.and_then(|rows| {
        std::fs::rename(&aside, file).map_err(|source| StoreError::File {
            action: "write",
            path: file.to_owned(),
            source,
        })?;
        Ok(rows as u64)
    });
    if moved.is_err() {
        // The first failure is the one to report.
        drop(std::fs::remove_file(&aside));
    }
    moved
}

fn copy_into(connection: &Connection, file: &Path) -> Result<Vec<TableRows>, StoreError> {
    let failed = "copy the store";
    let source: String =
        connection.query_row("select current_database()", [], |row| row.get(0)).map_err(StoreError::sql(failed))?;
    connection.execute_batch(&format!("attach {} as perfline_copy", literal(file))).map_err(StoreError::sql(failed))?;
    let copied = connection
        // The copy has a log of its own, which begins anew.
        .execute_batch(&format!(
            "copy from database {} to perfline_copy; delete from perfline_copy.ingest_positions; checkpoint perfline_copy",
            identifier(&source)
        ))
        .map_err(StoreError::sql(failed))
        .and_then(|()| counts_in(connection, "perfline_copy", &source));
    connection.execute_batch("detach perfline_copy").map_err(StoreError::sql(failed)).and(copied)
}

fn counts_in(connection: &Connection, database: &str, back: &str) -> Result<Vec<TableRows>, StoreError> {
    let failed = "count the rows of the copy";
    connection.execute_batch(&format!("use {}", identifier(database))).map_err(StoreError::sql(failed))?;
    let counted = counts(connection);
    connection.execute_batch(&format!("use {}", identifier(back))).map_err(StoreError::sql(failed))?;
    counted
}

fn counts(connection: &Connection) -> Result<Vec<TableRows>, StoreError> {
    let failed = "count the rows";
    let mut statement = connection.prepare(sql::UPKEEP_COUNTS).map_err(StoreError::sql(failed))?;
    let rows = statement
        .query_map([], |row| Ok(TableRows { table: row.get(0)?, rows: row.get(1)? }))
        .map_err(StoreError::sql(failed))?;
    rows.collect::<Result<_, _>>().map_err(StoreError::sql(failed))
}

fn bytes_in_use(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row(
            "select cast(sum(block_size * used_blocks) as ubigint) from pragma_database_size() \
             where database_name = current_database()",
            [],
            |row| row.get(0),
        )
        .map_err(StoreError::sql("measure the store"))
}

fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("force checkpoint").map_err(StoreError::sql("checkpoint the store"))
}

fn prune(connection: &Connection, request: PruneRequest) -> Result<Pruned, StoreError> {
    checkpoint(connection)?;
    let bytes_before = bytes_in_use(connection)?;
    let before = counts(connection)?;
    let mut cutoff_ns = request.before_ns;
    let mut after = match cutoff_ns {
        Some(ns) => remove(connection, ns, request.dry_run)?,
        None => before.clone(),
    };
    let mut bytes_after = bytes_in_use(connection)?;
    // Once, by share: DuckDB gives blocks back by whole row groups, so what is in use tells too late when to stop.
    if let Some(most) = request.bytes_max.filter(|most| bytes_after > *most)
        && let Some(ns) = older_share(connection, share_over(bytes_after, most))?
    {
        let ns = cutoff_ns.unwrap_or(UnixNanos::MIN).max(ns);
        cutoff_ns = Some(ns);
        after = remove(connection, ns, request.dry_run)?;
        bytes_after = bytes_in_use(connection)?;
    }
    let removed = before
        .into_iter()
        .zip(&after)
        .map(|(before, after)| TableRows { rows: before.rows.saturating_sub(after.rows), table: before.table })
        .collect();
    Ok(Pruned { cutoff_ns, removed, bytes_before, bytes_after, dry_run: request.dry_run })
}

#[allow(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
fn share_over(bytes: u64, most: u64) -> f64 {
    (1.0 - most as f64 / bytes.max(1) as f64).clamp(0.0, 1.0)
}

fn older_share(connection: &Connection, share: f64) -> Result<Option<UnixNanos>, StoreError> {
    let failed = "find the oldest";
    let mut statement = connection.prepare(sql::UPKEEP_OLDEST).map_err(StoreError::sql(failed))?;
    let parameters: &[(&str, &dyn duckdb::ToSql)] = &[("share", &share)];
    statement.query_row(parameters, |row| row.get(0)).map_err(StoreError::sql(failed))
}

/// Removes what ended before `cutoff_ns`, or tries it; returns the rows that are left, or would be.
fn remove(connection: &Connection, cutoff_ns: UnixNanos, dry_run: bool) -> Result<Vec<TableRows>, StoreError> {
    let failed = "prune the store";
    connection.execute_batch("begin transaction").map_err(StoreError::sql(failed))?;
    let removed = connection
        .execute_batch(&format!(
            "create or replace temp table prune_cutoff as select cast({cutoff_ns} as bigint) as ns"
        ))
        .and_then(|()| connection.execute_batch(sql::UPKEEP_PRUNE))
        .map_err(StoreError::sql(failed))
        .and_then(|()| counts(connection));
    if removed.is_err() || dry_run {
        // A failure above is the one to report.
        drop(connection.execute_batch("rollback"));
        return removed;
    }
    connection.execute_batch("commit").map_err(StoreError::sql(failed))?;
    checkpoint(connection)?;
    removed
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}
