//! Pruning takes all that belongs to a run, and what comes again afterwards is stored whole.

use perfline::model::Signal;
use perfline::otlp::history;
use perfline::otlp::sink::Accepted;
use perfline::store::PruneRequest;
use prost::Message;

use super::support::TempStore;

const HOUR_NS: i64 = 3_600_000_000_000;
const BEGIN_NS: i64 = 1_700_000_000_000_000_000;

fn send(store: &TempStore, run: i64) {
    let heads = "pipeline,run_id,started_at,duration_s,branch\n";
    let csv = format!("{heads}nightly,r{run},{},60,main\n", BEGIN_NS + run * HOUR_NS);
    for request in history::read_csv(csv.as_bytes()).unwrap().requests {
        let body = request.encode_to_vec().into();
        store.store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 1 }).unwrap();
    }
    store.store.settle().unwrap();
}

fn rows(store: &TempStore, table: &str) -> u64 {
    store.value(&format!("select count(*) from {table}")).as_u64().unwrap()
}

#[test]
fn a_resource_that_was_pruned_with_its_runs_is_stored_again_when_it_comes_again() {
    let store = TempStore::new();
    send(&store, 0);
    let described = "select service, scope, name, attributes::varchar as attributes from spans order by start_time";
    let before = store.query(described);
    let tables = ["resources", "scopes", "span_sets"];
    assert!(tables.iter().all(|table| rows(&store, table) > 0), "{tables:?}");
    let all = PruneRequest { before_ns: Some(BEGIN_NS + 10 * HOUR_NS), ..PruneRequest::default() };
    store.store.prune(all).unwrap();
    for table in tables {
        assert_eq!(rows(&store, table), 0, "{table}");
    }
    send(&store, 0);
    assert_eq!(store.query(described), before);
    // Of runs that stay, all stays.
    send(&store, 20);
    store.store.prune(all).unwrap();
    assert_eq!(store.query(described).len(), before.len());
    assert!(tables.iter().all(|table| rows(&store, table) > 0));
}
