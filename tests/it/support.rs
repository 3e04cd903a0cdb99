//! What the integration tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use perfline::model::Signal;
use perfline::otlp::conventions::Rules;
use perfline::otlp::sink::Accepted;
use perfline::store::{Row, Store, StoreOptions};
use tempfile::TempDir;

/// A store in a folder that goes with it.
pub struct TempStore {
    pub store: Store,
    pub folder: TempDir,
}

impl TempStore {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("store.duckdb"));
        Self { store, folder }
    }

    /// A store with options of its own.
    pub fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path().join("store.duckdb"));
        change(&mut options);
        let store = Store::open(&options, Arc::new(Rules::embedded().unwrap())).unwrap();
        Self { store, folder }
    }

    /// A store of these requests, settled: nothing more is coming.
    pub fn filled(requests: &[Accepted]) -> Self {
        let store = Self::new();
        for request in requests {
            store.store.submit_blocking(request.clone()).unwrap();
        }
        store.store.settle().unwrap();
        store
    }

    /// The same, where each request is stored and derived before the next one comes.
    pub fn filled_one_by_one(requests: impl IntoIterator<Item = Accepted>) -> Self {
        let store = Self::new();
        for request in requests {
            store.store.submit_blocking(request).unwrap();
            store.store.flush().unwrap();
        }
        store.store.settle().unwrap();
        store
    }

    /// Closes the store and opens it again, as a restart does.
    pub fn restart(&mut self) {
        self.store.close().unwrap();
        self.store = open(&self.folder.path().join("store.duckdb"));
    }

    pub fn query(&self, sql: &str) -> Vec<Row> {
        self.store.reader().unwrap().query(sql).unwrap()
    }

    /// The only value of a query.
    pub fn value(&self, sql: &str) -> serde_json::Value {
        let rows = self.query(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0].values().next().unwrap().clone()
    }
}

impl Drop for TempStore {
    fn drop(&mut self) {
        self.store.close().unwrap();
    }
}

pub fn open(path: &Path) -> Store {
    Store::open(&StoreOptions::new(path), Arc::new(Rules::embedded().unwrap())).unwrap()
}

/// The project's own copies of captured payloads.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The request bodies of a folder, in order of arrival.
pub fn requests(folder: &Path) -> Vec<Accepted> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "pb"));
    files.sort();
    assert!(!files.is_empty(), "no payloads in {}", folder.display());
    files.iter().map(|file| request(file)).collect()
}

fn request(file: &Path) -> Accepted {
    let name = file.file_name().unwrap().to_str().unwrap();
    let signal = Signal::ALL.into_iter().find(|signal| name.contains(signal.as_str())).unwrap();
    Accepted { signal, body: Bytes::from(std::fs::read(file).unwrap()), items: 1 }
}
