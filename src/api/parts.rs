//! Answers that go out part by part. A client that reads no further does not keep memory, a thread and its place for
//! ever.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::SendTimeoutError;
use tonic::Status;

use super::questions::Turn;
use super::v1;
use crate::store::Row;

/// How long a part waits for a slow reader.
const PART_PATIENCE: Duration = Duration::from_secs(60);
/// Rows that one message of a query's answer carries.
const ROWS_PER_MESSAGE: usize = 1_000;

/// Where the parts of an answer go.
pub(super) type Parts<T> = Sender<Result<T, Status>>;

/// Sends from a thread of the runtime that may block; whether somebody takes it.
pub(super) fn send_part<T>(parts: &Parts<T>, part: Result<T, Status>) -> bool {
    Handle::current().block_on(parts.send_timeout(part, PART_PATIENCE)).is_ok()
}

/// Sends the rows of an answer, whose place is free once they are out or nobody takes them.
pub(super) async fn send_rows(rows: Vec<Row>, turn: Turn, parts: Parts<v1::QueryResponse>) {
    if let Some(late) = send_all(rows, turn, &parts, PART_PATIENCE).await {
        // To end here would look as if these were all rows. To wait costs nothing now.
        drop(parts.send(Err(late)).await);
    }
}

async fn send_all(rows: Vec<Row>, _turn: Turn, parts: &Parts<v1::QueryResponse>, patience: Duration) -> Option<Status> {
    let mut rows = rows.into_iter().map(|row| serde_json::Value::Object(row).to_string());
    loop {
        let rows_json: Vec<String> = rows.by_ref().take(ROWS_PER_MESSAGE).collect();
        if rows_json.is_empty() {
            return None;
        }
        match parts.send_timeout(Ok(v1::QueryResponse { rows_json }), patience).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return None,
            Err(SendTimeoutError::Timeout(_)) => {
                return Some(Status::aborted(format!(
                    "nobody read the answer for {} s: the rest of it was given up",
                    patience.as_secs_f64()
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::questions::Questions;
    use super::*;

    #[test]
    fn an_answer_that_nobody_reads_on_gives_its_place_back_and_is_never_taken_for_whole() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let questions = Questions::new(1);
            let (parts, mut read) = tokio::sync::mpsc::channel(1);
            let rows = || vec![Row::new(); 3 * ROWS_PER_MESSAGE];
            let turn = questions.turn().await.unwrap();
            let late = send_all(rows(), turn, &parts, Duration::from_millis(10)).await.unwrap();
            assert_eq!((late.code(), questions.running()), (tonic::Code::Aborted, 0));
            assert!(read.recv().await.unwrap().is_ok());
            let turn = questions.turn().await.unwrap();
            let (_, messages) = tokio::join!(send_rows(rows(), turn, parts), async {
                let mut messages = 0;
                while let Some(Ok(part)) = read.recv().await {
                    assert_eq!(part.rows_json.len(), ROWS_PER_MESSAGE);
                    messages += 1;
                }
                messages
            });
            assert_eq!((messages, questions.running()), (3, 0));
        });
    }
}
