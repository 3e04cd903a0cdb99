//! Prices calls of models: those of a derivation, and all of them again.

use std::collections::HashMap;

use duckdb::{Connection, Row, params};
use serde::Serialize;

use super::derive::in_transaction;
use super::{StoreError, sql};
use crate::price::{Call, Cost, Prices, Tokens};

/// Calls whose cost is kept while others are priced: most calls of a run are alike.
const KNOWN_MAX: usize = 100_000;

/// What pricing again did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recosted {
    /// Calls whose cost a span states: left as they are.
    pub stated: u64,
    /// Calls priced by the user's file.
    pub user: u64,
    /// Calls priced by the bundled table.
    pub bundled: u64,
    /// Calls that nobody knows a price of.
    pub unknown: u64,
    /// Calls whose cost is another one now.
    pub changed: u64,
}

/// A call as the question reads it.
struct Read {
    provider: Option<String>,
    model: String,
    at_ns: i64,
    tokens: Tokens,
}

/// The columns after the ones that name the call.
fn read(row: &Row<'_>, from: usize) -> duckdb::Result<Read> {
    Ok(Read {
        provider: row.get(from)?,
        model: row.get(from + 1)?,
        at_ns: row.get(from + 2)?,
        tokens: Tokens {
            input: row.get(from + 3)?,
            output: row.get(from + 4)?,
            cache_read: row.get(from + 5)?,
            cache_write: row.get(from + 6)?,
        },
    })
}

/// Asks the price tables once per kind of call.
struct Pricer<'p> {
    prices: &'p Prices,
    known: HashMap<(Option<String>, String, i64, Tokens), Option<Cost>>,
}

impl Pricer<'_> {
    fn cost(&mut self, read: Read) -> Option<Cost> {
        // Prices change by the hour at most.
        let hour = read.at_ns / 3_600_000_000_000;
        let prices = self.prices;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let Read { provider, model, at_ns, tokens } = read;
        let call = Call { model: &model, provider: provider.as_deref(), at_ns, tokens };
        let cost = match self.known.get(&(provider.clone(), model.clone(), hour, tokens)) {
            Some(cost) => *cost,
            None => prices.cost(&call),
        };
        self.known.insert((provider, model, hour, tokens), cost);
        cost
    }
}

/// Fills `derive_prices` for the calls of `derive_calls` whose cost no span states.
pub(super) fn fill(connection: &Connection, prices: &Prices) -> duckdb::Result<()> {
    let mut question = connection.prepare(sql::PRICE_CALLS)?;
    let calls =
        question.query_map([], |row| Ok((row.get::<_, i64>(0)?, read(row, 1)?)))?.collect::<Result<Vec<_>, _>>()?;
    if calls.is_empty() {
        return Ok(());
    }
    let mut pricer = Pricer { prices, known: HashMap::new() };
    let mut appender = connection.appender("derive_prices")?;
    for (node, call) in calls {
        if let Some(cost) = pricer.cost(call) {
            appender.append_row(params![node, cost.usd, cost.source.as_str()])?;
        }
    }
    appender.flush()
}

/// Prices every stored call again whose cost no span stated. One transaction.
pub(super) fn recost(connection: &Connection, prices: &Prices) -> Result<Recosted, StoreError> {
    let mut done = Recosted::default();
    in_transaction(connection, "price calls again", |connection| {
        connection.execute_batch(sql::RECOST_BEGIN)?;
        let mut question = connection.prepare(sql::RECOST_CALLS)?;
        let calls =
            question.query_map([], |row| Ok((row.get::<_, i64>(0)?, read(row, 1)?)))?.collect::<Result<Vec<_>, _>>()?;
        let mut pricer = Pricer { prices, known: HashMap::new() };
        let mut appender = connection.appender("recost_prices")?;
        for (place, call) in calls {
            if let Some(cost) = pricer.cost(call) {
                appender.append_row(params![place, cost.usd, cost.source.as_str()])?;
            }
        }
        appender.flush()?;
        drop(appender);
        connection.execute_batch(sql::RECOST_THIN)?;
        let counted = |statement: &str| {
            connection.query_row(statement, [], |row| {
                Ok(Recosted {
                    stated: row.get(0)?,
                    user: row.get(1)?,
                    bundled: row.get(2)?,
                    unknown: row.get(3)?,
                    changed: row.get(4)?,
                })
            })
        };
        done = counted(sql::RECOST_COUNT)?;
        connection.execute_batch(sql::RECOST_WRITE)
    })?;
    Ok(done)
}
