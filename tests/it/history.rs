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
    let history = read_csv(csv).unwrap();
    let store = TempStore::new();
    for request in &history.requests {
        let body = Bytes::from(request.encode_to_vec());
        store.store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 2 }).unwrap();
    }
    store.store.settle().unwrap();
    let runs = store.store.reader().unwrap().runs(None, None, 0).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].duration_s, runs[0].outcome, runs[0].input_tokens), (Some(12.5), Outcome::Success, Some(100)));
    assert_eq!((runs[1].duration_s, runs[1].outcome, runs[1].input_tokens), (None, Outcome::Unknown, None));
}
