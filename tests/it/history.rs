//! Run history without durations, outcomes or figures: unknown is null, never 0 and never a success.

use bytes::Bytes;
use perfline::model::{Outcome, Signal};
use perfline::otlp::history::read_csv;
use perfline::otlp::sink::Accepted;
use prost::Message;

use super::support::TempStore;

#[test]
fn what_a_row_does_not_say_stays_unknown() {
    let csv = b"pipeline,run_id,started_at,duration_s,outcome,input_tokens\n\
                etl,1,2026-05-01T00:00:00Z,12.5,success,100\n\
                etl,2,2026-05-02T00:00:00Z,,,\n";
    let store = filled(csv);
    let runs = store.store.reader().unwrap().runs(None, None, 0).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].duration_s, runs[0].outcome, runs[0].input_tokens), (Some(12.5), Outcome::Success, Some(100)));
    assert_eq!((runs[1].duration_s, runs[1].outcome, runs[1].input_tokens), (None, Outcome::Unknown, None));
}

#[test]
fn unknown_columns_are_attributes_of_their_run() {
    let csv = b"pipeline,run_id,started_at,duration_s,outcome,team,rows\n\
                etl,1,2026-05-01T00:00:00Z,12.5,success,blue,17\n\
                etl,2,2026-05-02T00:00:00Z,12.5,success,,\n";
    let store = filled(csv);
    let runs = store.store.reader().unwrap().runs(None, None, 0).unwrap();
    let attributes = runs[0].attributes.as_ref().unwrap();
    assert_eq!((attributes["team"].as_str(), attributes["rows"].as_str()), (Some("blue"), Some("17")));
    assert_eq!(attributes.as_object().unwrap().len(), 2, "{attributes}");
    assert_eq!(runs[1].attributes, Some(serde_json::json!({})));
    assert_eq!(store.value("select attributes ->> 'team' from runs where run_id = '1'"), "blue");
}

#[test]
fn long_ids_that_differ_at_their_ends_are_different_runs() {
    let long = "x".repeat(600);
    let text = format!(
        "pipeline,run_id,started_at,duration_s\netl,{long}a,2026-05-01T00:00:00Z,1\netl,{long}b,2026-05-01T00:00:00Z,2\n"
    );
    let store = filled(text.as_bytes());
    assert_eq!(store.value("select count(distinct run_id) from runs where length(run_id) = 500"), 2);
}

fn filled(csv: &[u8]) -> TempStore {
    let store = TempStore::new();
    for request in &read_csv(csv).unwrap().requests {
        let body = Bytes::from(request.encode_to_vec());
        store.store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 2 }).unwrap();
    }
    store.store.settle().unwrap();
    store
}
