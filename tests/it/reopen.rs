//! DuckDB refuses everything after a write that failed in the midst: the store opens its file again by itself, whoever
//! reads or waits meanwhile.

use std::time::{Duration, Instant};

use perfline::store::{Store, StoreError};
use serde_json::json;

use super::scenario::Scenario;
use super::support::TempStore;

const PATIENCE: Duration = Duration::from_secs(60);

fn filled() -> TempStore {
    let spans = json!([{"id": "a", "name": "load", "at": [0, 9]}]);
    let document =
        json!({"tool": "reopen", "resource": {"service.name": "etl"}, "scope": "app", "spans": spans, "want": {}});
    TempStore::filled(&Scenario::parse(&document.to_string()).requests())
}

/// A checkpoint that breaks off: from here on DuckDB refuses everything.
fn break_off(store: &Store) {
    let broken = store.write(|connection, _| {
        connection
            .execute_batch("create table broken as select 1 as a; set debug_checkpoint_abort = 'before_header'")?;
        connection.execute_batch("force checkpoint")
    });
    let said = broken.unwrap().unwrap_err().to_string();
    assert!(said.starts_with("FATAL Error"), "{said}");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_store_goes_on_after_a_checkpoint_that_broke_off() {
    let store = filled();
    break_off(&store.store);
    wait_until("the store is open again", || store.store.stats().reopenings == 1);
    wait_until("everything is loaded", || store.store.flush().is_ok());
    assert_eq!(store.value("select count(*) from runs"), 1);
    assert!(store.store.stats().writable);
    store.store.settle().unwrap();
    assert_eq!(store.store.stats().reopenings, 1);
}

#[test]
fn one_who_reads_and_waits_for_the_loader_is_told_so_and_keeps_nobody_waiting() {
    let store = filled();
    let reader = store.store.reader().unwrap();
    break_off(&store.store);
    wait_until("the loader waits for the reader", || !store.store.stats().writable);
    assert!(matches!(store.store.flush(), Err(StoreError::Stalled)));
    assert!(matches!(store.store.write(|_, _| ()), Err(StoreError::Stalled)));
    assert!(matches!(store.store.reader(), Err(StoreError::Stalled)));
    assert!(reader.query("from runs").is_err(), "the file is not the reader's any more");
    assert_eq!(store.store.stats().reopenings, 0);
    drop(reader);
    wait_until("the store is open again", || store.store.stats().reopenings == 1);
    wait_until("it answers", || store.store.flush().is_ok());
    assert_eq!(store.value("select count(*) from runs"), 1);
}

#[test]
fn a_store_that_broke_off_can_be_closed_while_somebody_reads_and_opened_again() {
    let mut store = filled();
    let reader = store.store.reader().unwrap();
    break_off(&store.store);
    wait_until("the loader waits for the reader", || !store.store.stats().writable);
    // It leaves the rest to the log.
    assert!(matches!(store.store.close(), Err(StoreError::Stalled)));
    drop(reader);
    store.store = super::support::open(&store.folder.path().join("store.duckdb"));
    assert_eq!(store.value("select count(*) from runs"), 1);
}
