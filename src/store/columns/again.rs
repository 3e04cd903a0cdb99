//! Spans that came again: live exporters send a span when it starts, and again when it ends. Of two rows of one span the
//! longer one stays, whichever came first.

use std::collections::HashSet;

use duckdb::Connection;
use duckdb::arrow::array::BooleanArray;
use duckdb::arrow::record_batch::RecordBatch;

use super::append::chosen;
use crate::store::{StoreError, sql};

/// The column by which two rows of one span are compared.
pub(super) const LENGTH: &str = "duration_ns";

/// Trace, span and start.
pub(super) type SpanKey = (u64, u64, u64, i64);

/// Takes out what is stored of these spans.
pub(super) fn forget(connection: &Connection, spans: &[SpanKey]) -> Result<(), StoreError> {
    if spans.is_empty() {
        return Ok(());
    }
    let forgotten = (|| -> duckdb::Result<()> {
        connection.execute_batch(
            "create or replace temp table longer_spans (trace_hi ubigint, trace_lo ubigint, span_id ubigint, start_ns bigint)",
        )?;
        let mut appender = connection.appender("longer_spans")?;
        for (hi, lo, span_id, start_ns) in spans {
            appender.append_row(duckdb::params![hi, lo, span_id, start_ns])?;
        }
        appender.flush()?;
        drop(appender);
        connection.execute_batch(sql::LOAD_REPLACE_SPANS)
    })();
    forgotten.map_err(StoreError::sql("replace spans that came again"))
}

/// Takes the shorter rows out of the store, and says which of the incoming rows come in their place; `stored` are the
/// places of those whose key is stored. Within the transaction of the load: replayed, it finds nothing shorter.
pub(super) fn replace_shorter(
    connection: &Connection,
    key: &[&str],
    rows: &RecordBatch,
    stored: &[u64],
) -> Result<HashSet<u64>, StoreError> {
    let places: HashSet<u64> = stored.iter().copied().collect();
    let keep: BooleanArray = (0..rows.num_rows() as u64).map(|place| Some(places.contains(&place))).collect();
    let columns = key.iter().copied().chain([LENGTH]);
    let again = chosen(columns, rows, &keep).map_err(StoreError::arrow("choose spans that came again"))?;
    let mut longer = HashSet::new();
    let found = (|| -> duckdb::Result<()> {
        connection.execute_batch(
            "create or replace temp table incoming_again (place ubigint, trace_hi ubigint, trace_lo ubigint, \
             span_id ubigint, start_ns bigint, duration_ns bigint)",
        )?;
        let mut appender = connection.appender("incoming_again")?;
        appender.append_record_batch(again)?;
        appender.flush()?;
        drop(appender);
        connection.execute_batch(sql::LOAD_LONGER_SPANS)?;
        let mut statement = connection.prepare("select place from longer_spans")?;
        longer = statement.query_map([], |row| row.get(0))?.collect::<duckdb::Result<_>>()?;
        connection.execute_batch("drop table incoming_again")?;
        connection.execute_batch(if longer.is_empty() { "drop table longer_spans" } else { sql::LOAD_REPLACE_SPANS })
    })();
    found.map_err(StoreError::sql("replace spans that came again"))?;
    Ok(longer)
}
