//! Derives runs, steps, model calls and scores from the telemetry of touched traces, in SQL.

mod apart;

use std::collections::HashMap;
use std::time::Duration;

use duckdb::{Connection, ToSql};

use super::stats::Committer;
use super::{StoreError, prices, sql};
use crate::model::clock::UnixNanos;
use crate::otlp::conventions::Rules;
use crate::price::Prices;
use apart::Share;

/// Tells the statements by which attributes metric points may name their run, beside those that they know.
pub(super) fn name_run_ids(connection: &Connection, rules: &Rules) -> Result<(), StoreError> {
    let keys = rules.run_id_keys().join("\n");
    let parameters: HashMap<&str, &dyn ToSql> = HashMap::from([("keys", &keys as &dyn ToSql)]);
    let told = connection.execute(sql::DERIVE_RUN_IDS, &parameters);
    told.map(drop).map_err(StoreError::sql("name the ids of runs"))
}

/// Derives the runs of every trace that was loaded since the last time. One transaction: a reader sees the runs before
/// or after, never between. Where something in it cannot be derived, the rest is, share by share.
pub(super) fn derive_pending(
    connection: &Connection,
    known: &Prices,
    committer: &Committer<'_>,
) -> Result<(), StoreError> {
    apart::derive(connection, |share| derive_share(connection, known, committer, share))
}

fn derive_share(
    connection: &Connection,
    known: &Prices,
    committer: &Committer<'_>,
    share: Share,
) -> Result<(), StoreError> {
    let commit = |connection: &Connection| committer.commit(connection);
    transact(connection, "derive runs", commit, |connection| {
        let run = |texts: &[&str]| texts.iter().try_for_each(|text| connection.execute_batch(text));
        share.choose(connection)?;
        run(sql::DERIVE_FIND)?;
        // Where only plain requests came, which is most of a busy service's traffic, no run can change.
        if connection.query_row("select exists (select 1 from derive_traces)", [], |row| row.get(0))? {
            run(sql::DERIVE_RECOGNISE)?;
            prices::fill(connection, known)?;
            run(sql::DERIVE_REWRITE)?;
        }
        run(sql::DERIVE_FINISH)
    })
}

/// Closes the runs whose root never came and that had no news for `idle`.
pub(super) fn settle(connection: &Connection, now: UnixNanos, idle: Duration) -> Result<(), StoreError> {
    let idle = i64::try_from(idle.as_nanos()).unwrap_or(i64::MAX);
    let parameters: HashMap<&str, &dyn ToSql> = HashMap::from([("now_ns", &now as &dyn ToSql), ("idle_ns", &idle)]);
    in_transaction(connection, "settle runs", |connection| {
        connection.execute(sql::SETTLE_STALE, &parameters)?;
        connection.execute(sql::SETTLE, &parameters).map(drop)
    })
}

pub(super) fn in_transaction(
    connection: &Connection,
    action: &'static str,
    body: impl FnOnce(&Connection) -> duckdb::Result<()>,
) -> Result<(), StoreError> {
    transact(connection, action, |connection| connection.execute_batch("commit"), body)
}

fn transact(
    connection: &Connection,
    action: &'static str,
    commit: impl FnOnce(&Connection) -> duckdb::Result<()>,
    body: impl FnOnce(&Connection) -> duckdb::Result<()>,
) -> Result<(), StoreError> {
    connection.execute_batch("begin transaction").map_err(StoreError::sql(action))?;
    let done = body(connection).and_then(|()| commit(connection));
    if done.is_err() {
        // The first failure is the one to report.
        drop(connection.execute_batch("rollback"));
    }
    done.map_err(StoreError::sql(action))
}

#[cfg(test)]
mod extremes;
#[cfg(test)]
mod growth;
