//! Live exporters send a span when it starts, with an end of 0, and again when it ends: the longer row is the span.

use perfline::otlp::sink::Accepted;
use serde_json::{Value, json};

use super::scenario::Scenario;
use super::support::TempStore;

/// Before the first second of a scenario: the end of a span that has none.
const NO_END: f64 = -1_777_593_600.0;

fn requests(spans: Value) -> Vec<Accepted> {
    let document =
        json!({"tool": "live", "resource": {"service.name": "ci"}, "scope": "app", "spans": spans, "want": {}});
    Scenario::parse(&document.to_string()).requests()
}

fn span(id: &str, times: [f64; 2], more: Value) -> Value {
    let mut span = json!({"id": id, "name": id, "at": times});
    span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    span
}

/// A run of two steps, of which one fails, as it starts.
fn started() -> Vec<Accepted> {
    requests(json!([
        span(
            "build",
            [0.0, NO_END],
            json!({"attributes": {"cicd.pipeline.name": "build", "cicd.pipeline.result": ""}})
        ),
        span(
            "compile",
            [1.0, NO_END],
            json!({"parent": "build", "attributes": {"cicd.pipeline.task.name": "compile"}})
        ),
        span("test", [4.0, NO_END], json!({"parent": "build", "attributes": {"cicd.pipeline.task.name": "test"}})),
    ]))
}

/// The same as it ends.
fn ended() -> Vec<Accepted> {
    let task =
        |name: &str, result: &str| json!({"cicd.pipeline.task.name": name, "cicd.pipeline.task.run.result": result});
    requests(json!([
        span("compile", [1.0, 3.0], json!({"parent": "build", "attributes": task("compile", "success")})),
        span(
            "test",
            [4.0, 9.0],
            json!({"parent": "build", "status": "error", "message": "2 failed", "attributes": task("test", "failure")})
        ),
        span(
            "build",
            [0.0, 10.0],
            json!({"status": "error", "attributes": {"cicd.pipeline.name": "build", "cicd.pipeline.result": "failure"}})
        ),
    ]))
}

fn send(store: &TempStore, requests: &[Accepted]) {
    for request in requests {
        store.store.submit_blocking(request.clone()).unwrap();
    }
}

fn told(store: &TempStore) -> Vec<String> {
    let runs = "select pipeline, outcome, state, steps, retries, duration_s, error from runs order by all";
    let steps = "select step, outcome, attempt, duration_s, error from steps order by all";
    let spans = "select name, status, duration_ms, attributes::varchar as attributes from spans order by all";
    let all = [runs, steps, spans].into_iter().flat_map(|question| store.query(question));
    all.map(|row| Value::Object(row).to_string()).collect()
}

#[test]
fn a_span_that_came_as_it_started_and_as_it_ended_is_the_one_that_ended() {
    let wanted = told(&TempStore::filled(&ended()));
    assert!(wanted[0].contains("failure") && wanted[0].contains("closed"), "{wanted:?}");
    assert_eq!(wanted.len(), 6);
    let together: Vec<Accepted> = started().into_iter().chain(ended()).collect();
    assert_eq!(told(&TempStore::filled(&together)), wanted, "in one load");
    let backwards: Vec<Accepted> = together.iter().rev().cloned().collect();
    assert_eq!(told(&TempStore::filled(&backwards)), wanted, "in one load, backwards");
    for order in [&together, &backwards] {
        assert_eq!(told(&TempStore::filled_one_by_one(order.clone())), wanted, "in a load each");
        let mut store = TempStore::new();
        for part in [&order[..3], &order[3..], &order[..]] {
            send(&store, part);
            store.store.flush().unwrap();
            store.restart();
        }
        store.store.settle().unwrap();
        assert_eq!(told(&store), wanted, "over restarts, twice");
        assert_eq!(store.value("select count(*) from span_rows"), 3);
        assert_eq!(store.value("select count(*) from span_facts"), 3);
    }
}

#[test]
fn a_run_whose_span_has_not_ended_is_open() {
    let store = TempStore::new();
    send(&store, &started());
    store.store.flush().unwrap();
    let run = &store.query("select state, outcome, steps from runs")[0];
    assert_eq!((&run["state"], &run["outcome"]), (&json!("open"), &json!("unknown")));
    assert_eq!(store.value("select count(*) from steps where outcome = 'unknown' and duration_s is null"), 2);
    assert_eq!(store.value("select count(*) from spans where end_time is null and duration_ms is null"), 3);
    send(&store, &ended());
    store.store.flush().unwrap();
    let run = &store.query("select state, outcome, duration_s from runs")[0];
    assert_eq!(
        (&run["state"], &run["outcome"], &run["duration_s"]),
        (&json!("closed"), &json!("failure"), &json!(10.0))
    );
}

#[test]
fn what_came_again_is_counted_as_what_was_there() {
    let store = TempStore::new();
    send(&store, &started());
    store.store.flush().unwrap();
    for _ in 0..2 {
        send(&store, &ended());
        store.store.flush().unwrap();
    }
    let stats = store.store.stats();
    assert_eq!((stats.rows_stored, stats.rows_duplicate), (3, 6));
}
