//! Decoded telemetry as Arrow columns: from the borrowed views of the wire straight into builders,
//! then into DuckDB in batches of one vector.

mod append;
mod attributes;
mod facts;
mod logs;
mod points;
mod resources;
mod spans;
mod table;
mod touched;

pub(super) use append::{Batch, Horizons};

use std::sync::Arc;

use duckdb::Connection;

use super::StoreError;
use crate::model::Signal;
use crate::otlp::conventions::Rules;
use crate::otlp::sink::Accepted;
use crate::otlp::wire::WireError;
use append::Keyed;
use attributes::AttributeSets;
use facts::FactRows;
use resources::ResourceRows;
use touched::Touched;

/// Gathers requests into columns.
pub(super) struct BatchBuilder {
    rules: Arc<Rules>,
    resources: ResourceRows,
    sets: AttributeSets,
    facts: FactRows,
    touched: Touched,
    spans: spans::SpanColumns,
    points: points::PointColumns,
    logs: logs::LogColumns,
}

impl BatchBuilder {
    /// A builder that knows which resources and scopes are stored already.
    pub(super) fn new(connection: &Connection, rules: Arc<Rules>) -> Result<Self, StoreError> {
        Ok(Self {
            rules,
            resources: ResourceRows::stored_in(connection)?,
            sets: AttributeSets::stored_in(connection)?,
            facts: FactRows::default(),
            touched: Touched::default(),
            spans: spans::SpanColumns::default(),
            points: points::PointColumns::default(),
            logs: logs::LogColumns::default(),
        })
    }

    /// Rows gathered.
    pub(super) fn rows(&self) -> usize {
        self.spans.rows() + self.points.rows() + self.logs.rows()
    }

    /// Decodes one request into the columns.
    pub(super) fn add(&mut self, request: &Accepted) -> Result<(), WireError> {
        let shared = &mut Shared {
            rules: &self.rules,
            resources: &mut self.resources,
            sets: &mut self.sets,
            facts: &mut self.facts,
            touched: &mut self.touched,
        };
        match request.signal {
            Signal::Traces => self.spans.add(&request.body, shared),
            Signal::Metrics => self.points.add(&request.body, shared),
            Signal::Logs => self.logs.add(&request.body, shared),
        }
    }

    /// Takes what was gathered, ready to append.
    pub(super) fn take(&mut self) -> Result<Batch, StoreError> {
        let touched = self.touched.take()?;
        Ok(Batch {
            touches_runs: touched.iter().any(|table| table.rows.num_rows() > 0),
            keyed: vec![
                Keyed::new(
                    "span_rows",
                    &["trace_hi", "trace_lo", "span_id", "start_ns"],
                    "start_ns",
                    self.spans.take()?,
                ),
                Keyed::new("point_rows", &["point_key", "time_ns"], "time_ns", self.points.take()?),
                Keyed::new("log_rows", &["log_key", "time_ns"], "time_ns", self.logs.take()?),
            ],
            plain: touched.into(),
            quiet: self.touched.take_quiet()?,
            small: self.resources.take().into_iter().chain([self.sets.take()]).chain(self.facts.take()).collect(),
        })
    }
}

/// What the three signals share while they are decoded.
struct Shared<'a> {
    rules: &'a Rules,
    resources: &'a mut ResourceRows,
    sets: &'a mut AttributeSets,
    facts: &'a mut FactRows,
    touched: &'a mut Touched,
}

/// The two halves of a trace id.
fn halves(trace_id: [u8; 16]) -> (u64, u64) {
    let whole = u128::from_be_bytes(trace_id);
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
    let low = whole as u64;
    #[allow(clippy::cast_possible_truncation, reason = "the upper half fits after the shift")]
    let high = (whole >> 64) as u64;
    (high, low)
}

/// Times on the wire are unsigned; those past the year 2262 are stored as that.
fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// Empty text is null: protobuf cannot tell the two apart.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
