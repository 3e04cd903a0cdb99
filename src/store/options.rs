//! How a store is opened, and DuckDB with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use duckdb::{Config, Connection};

use super::log::SEGMENT_BYTES_MAX;
use super::{OnDamage, StoreError, out_folder};
use crate::model::clock::Clock;
use crate::otlp::veil::Veil;
use crate::price::Prices;

/// Bytes in DuckDB's own log that make it checkpoint.
const CHECKPOINT_THRESHOLD: &str = "12MB";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The DuckDB file; made where it is missing.
    pub path: PathBuf,
    /// Requests may take this many bytes of memory between acknowledgement and DuckDB.
    pub buffer_bytes_max: usize,
    /// A segment of the log is closed once it has this many bytes.
    pub segment_bytes_max: u64,
    /// DuckDB's own memory limit, bytes.
    pub duckdb_memory_bytes_max: usize,
    /// DuckDB's threads; 0: one a core. One costs the least CPU where rows are loaded all the time.
    pub duckdb_threads: i64,
    /// What waits at most this long is loaded.
    pub load_interval: Duration,
    /// Runs without a root are settled after this long without news.
    pub run_idle_timeout: Duration,
    /// What to do where the segment log is damaged.
    pub on_damage: OnDamage,
    /// What calls of models cost that do not say so.
    pub prices: Arc<Prices>,
    /// Names become pseudonyms before anything is stored; `None`: they stay.
    pub veil: Option<Arc<Veil>>,
    /// Whether a service opens it, which receives from here on: silence is then heard. A service answers questions of
    /// others with its own rights, so that SQL reaches no file but the store's own and those in its
    /// [`super::out_folder`].
    pub serves: bool,
    /// Where the present comes from.
    pub clock: Clock,
}

impl StoreOptions {
    /// The defaults for a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            buffer_bytes_max: 256 * 1024 * 1024,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            duckdb_memory_bytes_max: 2 * 1024 * 1024 * 1024,
            duckdb_threads: 0,
            load_interval: Duration::from_millis(1500),
            run_idle_timeout: Duration::from_secs(60),
            on_damage: OnDamage::Stop,
            prices: Arc::new(Prices::default()),
            veil: None,
            serves: false,
            clock: Clock::Wall,
        }
    }
}

pub(super) fn connect(options: &StoreOptions) -> Result<Connection, StoreError> {
    let path = options.path.clone();
    let config = configure(options).map_err(StoreError::sql("configure DuckDB"))?;
    let opened = Connection::open_with_flags(&path, config).map_err(|source| {
        if source.to_string().contains("Could not set lock") {
            StoreError::Locked { path }
        } else {
            StoreError::Open { path, source }
        }
    });
    let connection = opened?;
    if options.serves {
        confine(&connection, &options.path).map_err(StoreError::sql("keep DuckDB to its own files"))?;
    }
    Ok(connection)
}

/// From here on until it is closed, DuckDB touches the store's own files, those it puts aside while it sorts, and what
/// lies in the folder of files on their way out.
fn confine(connection: &Connection, store: &Path) -> duckdb::Result<()> {
    let folder = out_folder(store).display().to_string().replace('\'', "''");
    connection.execute_batch(&format!("set allowed_directories = ['{folder}']; set enable_external_access = false"))
}

fn configure(options: &StoreOptions) -> duckdb::Result<Config> {
    let config = match options.duckdb_threads {
        0 => Config::default(),
        threads => Config::default().threads(threads)?,
    };
    config
        // Text packs better and for less CPU than in the format that DuckDB 1.0 reads.
        .with("storage_compatibility_version", "latest")?
        .enable_autoload_extension(false)?
        .with("autoinstall_known_extensions", "false")?
        .with("preserve_insertion_order", "true")?
        // Few rows are expected where nothing is known of a table yet; a loop over many more takes minutes.
        .with("asof_loop_join_threshold", "0")?
        // A load of this size is written to the file at once, without DuckDB's log between; smaller ones gather there.
        // Acknowledgements do not wait for either.
        .with("checkpoint_threshold", CHECKPOINT_THRESHOLD)?
        .max_memory(&format!("{}MB", options.duckdb_memory_bytes_max / 1_000_000))
}
