//! One load: columns into DuckDB, without what is stored already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use duckdb::Connection;
use duckdb::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, UInt64Array};
use duckdb::arrow::compute::{filter, filter_record_batch};
use duckdb::arrow::datatypes::Int64Type;
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;

use super::again::{LENGTH, SpanKey, forget, replace_shorter};
use crate::store::loader::LoadCounts;
use crate::store::{StoreError, sql};

/// Rows that one appended batch holds: DuckDB's vector. Larger ones make it convert nested columns twice.
const BATCH_ROWS: usize = 2_048;

/// Rows of a table that has an identity.
pub(in crate::store) struct Keyed {
    table: &'static str,
    key: &'static [&'static str],
    time: &'static str,
    rows: Vec<RecordBatch>,
}

impl Keyed {
    pub(super) fn new(
        table: &'static str,
        key: &'static [&'static str],
        time: &'static str,
        rows: Vec<RecordBatch>,
    ) -> Self {
        Self { table, key, time, rows }
    }
}

/// The newest time that is stored, by table: what is newer cannot be stored already. What the open load brings
/// counts once it is committed; until then its own items are known.
#[derive(Default)]
pub(in crate::store) struct Horizons(HashMap<&'static str, Horizon>);

struct Horizon {
    stored: i64,
    coming: i64,
}

impl Horizons {
    fn of(&mut self, connection: &Connection, keyed: &Keyed) -> Result<i64, StoreError> {
        let stored = match self.0.get(keyed.table) {
            Some(horizon) => horizon.stored,
            None => {
                let newest: Option<i64> = connection
                    .query_row(&format!("select max({}) from {}", keyed.time, keyed.table), [], |row| row.get(0))
                    .map_err(StoreError::sql("look for stored rows"))?;
                newest.unwrap_or(i64::MIN)
            }
        };
        let horizon = self.0.entry(keyed.table).or_insert(Horizon { stored, coming: stored });
        if let Some(last) = last_time(keyed) {
            horizon.coming = horizon.coming.max(last);
        }
        Ok(stored)
    }

    /// After a commit.
    pub(in crate::store) fn advance(&mut self) {
        for horizon in self.0.values_mut() {
            horizon.stored = horizon.coming;
        }
    }
}

/// Rows of a table without identity.
pub(in crate::store) struct Plain {
    pub(super) table: &'static str,
    pub(super) rows: RecordBatch,
}

/// A few rows, each a JSON object: for tables with many columns and little traffic.
pub(in crate::store) struct Small {
    pub(super) table: &'static str,
    /// Columns by which a row is the same row; empty where rows never repeat.
    pub(super) key: &'static [&'static str],
    pub(super) rows: Vec<String>,
}

/// One load.
pub(in crate::store) struct Batch {
    pub(super) keyed: Vec<Keyed>,
    pub(super) plain: Vec<Plain>,
    /// Traces that got nothing but plain request instrumentation.
    pub(super) quiet: RecordBatch,
    pub(super) small: Vec<Small>,
    pub(super) touches_runs: bool,
    /// Rows of the last request were left behind.
    pub(super) is_cut: bool,
    /// Spans of which something shorter is known in the store.
    pub(super) early: Vec<SpanKey>,
}

impl Batch {
    /// Whether runs have to be derived after it.
    pub(in crate::store) fn touches_runs(&self) -> bool {
        self.touches_runs
    }

    /// Whether rows of the last request were left behind: it is not loaded yet.
    pub(in crate::store) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Appends everything within the transaction that is open. May be called again after a rollback.
    pub(in crate::store) fn append(
        &self,
        connection: &Connection,
        horizons: &mut Horizons,
    ) -> Result<LoadCounts, StoreError> {
        let mut counts = LoadCounts::default();
        forget(connection, &self.early)?;
        for keyed in &self.keyed {
            let horizon = horizons.of(connection, keyed)?;
            let mut fresh = Vec::with_capacity(keyed.rows.len());
            let mut replaced = 0;
            for rows in &keyed.rows {
                let (rows, replacing) = without_stored(connection, keyed, rows, horizon)?;
                fresh.push(rows);
                replaced += replacing;
            }
            // What comes in the place of a stored row was there already.
            let (gathered, stored) = (count_rows(&keyed.rows), count_rows(&fresh) - replaced);
            counts.stored += stored;
            counts.duplicate += gathered - stored;
            append_rows(connection, keyed.table, &fresh)?;
        }
        for plain in &self.plain {
            append_rows(connection, plain.table, std::slice::from_ref(&plain.rows))?;
        }
        counts.quiet_touched = append_quiet(connection, &self.quiet)?;
        for small in self.small.iter().filter(|small| !small.rows.is_empty()) {
            append_small(connection, small)?;
        }
        Ok(counts)
    }
}

fn count_rows(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|rows| rows.num_rows() as u64).sum()
}

fn append_rows(connection: &Connection, table: &str, batches: &[RecordBatch]) -> Result<(), StoreError> {
    let Some(first) = batches.first().filter(|_| count_rows(batches) > 0) else { return Ok(()) };
    let failed = "append rows";
    // A column without any value is cheapest left out: to hand over a null costs more than a value.
    let has_value = |at: &usize| batches.iter().any(|rows| rows.column(*at).null_count() < rows.num_rows());
    let filled: Vec<usize> = (0..first.num_columns()).filter(has_value).collect();
    let schema = first.schema();
    let columns: Vec<&str> = filled.iter().map(|at| schema.field(*at).name().as_str()).collect();
    let mut appender = connection.appender_with_columns(table, &columns).map_err(StoreError::sql(failed))?;
    for rows in batches {
        let rows = rows.project(&filled).map_err(StoreError::arrow("choose columns"))?;
        for from in (0..rows.num_rows()).step_by(BATCH_ROWS) {
            let length = BATCH_ROWS.min(rows.num_rows() - from);
            appender.append_record_batch(rows.slice(from, length)).map_err(StoreError::sql(failed))?;
        }
    }
    appender.flush().map_err(StoreError::sql(failed))
}

/// Marks those quiet traces that a run holds; how many.
fn append_quiet(connection: &Connection, rows: &RecordBatch) -> Result<u64, StoreError> {
    if rows.num_rows() == 0 {
        return Ok(0);
    }
    let failed = "look for runs of quiet traces";
    connection
        .execute_batch("create or replace temp table incoming_quiet as from pending_traces limit 0")
        .map_err(StoreError::sql(failed))?;
    append_rows(connection, "incoming_quiet", std::slice::from_ref(rows))?;
    let marked = connection.execute(sql::LOAD_QUIET_TRACES, []).map_err(StoreError::sql(failed))?;
    connection.execute_batch("drop table incoming_quiet").map_err(StoreError::sql(failed))?;
    Ok(marked as u64)
}

/// The rows that are not in their table yet, and how many of them take the place of one that was. Only stored rows of the
/// same stretch of time are read, and only for those rows that are no newer than the newest stored one.
fn without_stored(
    connection: &Connection,
    keyed: &Keyed,
    rows: &RecordBatch,
    horizon: i64,
) -> Result<(RecordBatch, u64), StoreError> {
    let failed = "look for stored rows";
    let Some(times) = rows.column_by_name(keyed.time) else { return Ok((rows.clone(), 0)) };
    let is_old = |time: &i64| Some(*time <= horizon);
    let old: BooleanArray = times.as_primitive::<Int64Type>().values().iter().map(is_old).collect();
    if old.true_count() == 0 {
        return Ok((rows.clone(), 0));
    }
    let stored = stored_places(connection, keyed, rows, &old).map_err(StoreError::sql(failed))?;
    if stored.is_empty() {
        return Ok((rows.clone(), 0));
    }
    let has_length = rows.schema_ref().index_of(LENGTH).is_ok();
    let longer = if has_length { replace_shorter(connection, keyed.key, rows, &stored)? } else { HashSet::default() };
    let mut keep = vec![true; rows.num_rows()];
    for place in stored.into_iter().filter(|place| !longer.contains(place)) {
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| keep.get_mut(place)) {
            *slot = false;
        }
    }
    let rows = filter_record_batch(rows, &BooleanArray::from(keep));
    Ok((rows.map_err(StoreError::arrow("leave out stored rows"))?, longer.len() as u64))
}

fn last_time(keyed: &Keyed) -> Option<i64> {
    let columns = keyed.rows.iter().filter_map(|rows| rows.column_by_name(keyed.time));
    columns.filter_map(|times| times.as_primitive::<Int64Type>().values().iter().copied().max()).max()
}

/// The places of the rows that are kept, and these columns of them.
pub(super) fn chosen<'a>(
    columns: impl Iterator<Item = &'a str>,
    rows: &RecordBatch,
    keep: &BooleanArray,
) -> Result<RecordBatch, ArrowError> {
    let places: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..rows.num_rows() as u64));
    let named = columns.filter_map(|name| Some((name, Arc::clone(rows.column_by_name(name)?))));
    let kept = std::iter::once(("place", places)).chain(named).map(|(name, array)| Ok((name, filter(&array, keep)?)));
    RecordBatch::try_from_iter(kept.collect::<Result<Vec<_>, ArrowError>>()?)
}

/// Places of those `old` rows that are stored.
fn stored_places(
    connection: &Connection,
    keyed: &Keyed,
    rows: &RecordBatch,
    old: &BooleanArray,
) -> duckdb::Result<Vec<u64>> {
    let (table, time) = (keyed.table, keyed.time);
    let columns: Vec<String> =
        keyed.key.iter().map(|name| format!("{name} {}", if *name == time { "bigint" } else { "ubigint" })).collect();
    let matching: Vec<String> = keyed.key.iter().map(|name| format!("i.{name} = s.{name}")).collect();
    connection.execute_batch(&format!(
        "create or replace temp table incoming_keys (place ubigint, {})",
        columns.join(", ")
    ))?;
    if let Ok(keys) = chosen(keyed.key.iter().copied(), rows, old) {
        let mut appender = connection.appender("incoming_keys")?;
        appender.append_record_batch(keys)?;
        appender.flush()?;
    }
    let mut statement = connection.prepare(&format!(
        "with bounds as (select min({time}) as first, max({time}) as last from incoming_keys) \
         select i.place from incoming_keys as i semi join \
         (select * from {table} where {time} between (select first from bounds) and (select last from bounds)) as s on {}",
        matching.join(" and ")
    ))?;
    let places = statement.query_map([], |row| row.get(0))?.collect();
    connection.execute_batch("drop table incoming_keys")?;
    places
}

/// Inserts JSON rows by column name; a row whose key is stored already is left out.
fn append_small(connection: &Connection, small: &Small) -> Result<(), StoreError> {
    let failed = "insert rows";
    let table = small.table;
    connection
        .execute_batch("create or replace temp table incoming_rows (place bigint, content varchar)")
        .map_err(StoreError::sql(failed))?;
    let places: ArrayRef =
        Arc::new(Int64Array::from_iter_values(0..i64::try_from(small.rows.len()).unwrap_or(i64::MAX)));
    let contents: ArrayRef = Arc::new(StringArray::from_iter_values(&small.rows));
    let rows = RecordBatch::try_from_iter([("place", places), ("content", contents)])
        .map_err(StoreError::arrow("build columns"))?;
    append_rows(connection, "incoming_rows", &[rows])?;
    let shape: String = connection
        .query_row(
            "select cast(json_group_object(column_name, data_type) as varchar) from duckdb_columns() \
             where table_name = ? and not internal",
            [table],
            |row| row.get(0),
        )
        .map_err(StoreError::sql(failed))?;
    let matching: Vec<String> =
        small.key.iter().map(|name| format!("i.{name} is not distinct from s.{name}")).collect();
    let fresh = if matching.is_empty() {
        String::new()
    } else {
        format!(
            "qualify row_number() over (partition by {}) = 1",
            small.key.iter().map(|name| format!("i.{name}")).collect::<Vec<_>>().join(", ")
        )
    };
    let unstored = if matching.is_empty() {
        String::new()
    } else {
        format!("anti join {table} as s on {}", matching.join(" and "))
    };
    connection
        .execute_batch(&format!(
            "insert into {table} by name \
             select i.* from (select unnest(json_transform(content, '{shape}')) from incoming_rows) as i {unstored} {fresh}; \
             drop table incoming_rows"
        ))
        .map_err(StoreError::sql(failed))
}
