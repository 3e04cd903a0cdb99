//! Decoded telemetry as Arrow columns: from the borrowed views of the wire straight into builders,
//! then into DuckDB in batches of one vector.

mod again;
mod append;
mod facts;
mod logs;
mod points;
mod resources;
mod sets;
mod spans;
mod table;
mod touched;
mod window;

pub(super) use append::{Batch, Horizons};
pub(super) use window::Cut;

use std::sync::Arc;

use duckdb::Connection;

use super::StoreError;
use crate::model::Signal;
use crate::otlp::conventions::Rules;
use crate::otlp::wire::WireError;
use append::Keyed;
use facts::FactRows;
use resources::ResourceRows;
use sets::SpanSets;
use touched::Touched;
use window::ROW_GROUP;

/// Gathers requests into columns.
pub(super) struct BatchBuilder {
    rules: Arc<Rules>,
    resources: ResourceRows,
    sets: SpanSets,
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
            sets: SpanSets::stored_in(connection)?,
            facts: FactRows::default(),
            touched: Touched::default(),
            spans: spans::SpanColumns::default(),
            points: points::PointColumns::default(),
            logs: logs::LogColumns::default(),
        })
    }

    /// Whether some table has a row group to write.
    pub(super) fn is_full(&self) -> bool {
        self.spans.rows().max(self.points.rows()).max(self.logs.rows()) >= ROW_GROUP
    }

    /// Decodes one request into the columns.
    pub(super) fn add(&mut self, signal: Signal, body: &[u8]) -> Result<(), WireError> {
        self.touched.next_request();
        let shared = &mut Shared {
            rules: &self.rules,
            resources: &mut self.resources,
            sets: &mut self.sets,
            facts: &mut self.facts,
            touched: &mut self.touched,
        };
        match signal {
            Signal::Traces => self.spans.add(body, shared),
            Signal::Metrics => self.points.add(body, shared),
            Signal::Logs => self.logs.add(body, shared),
        }
    }

    /// Takes what was gathered, ready to append. Rows that the cut leaves behind are of the request that was added
    /// last; they come with the next batch.
    pub(super) fn take(&mut self, cut: Cut) -> Result<Batch, StoreError> {
        let early = self.spans.take_early();
        let spans = self.spans.take(cut)?;
        let points = self.points.take(cut)?;
        let logs = self.logs.take(cut)?;
        let is_cut = self.spans.rows() + self.points.rows() + self.logs.rows() > 0;
        let touched = self.touched.take(is_cut)?;
        Ok(Batch {
            touches_runs: touched.loud.rows.num_rows() + touched.resources.rows.num_rows() > 0,
            is_cut,
            early,
            keyed: vec![
                Keyed::new("span_rows", &["trace_hi", "trace_lo", "span_id", "start_ns"], "start_ns", spans),
                Keyed::new("point_rows", &["point_key", "time_ns"], "time_ns", points),
                Keyed::new("log_rows", &["log_key", "time_ns"], "time_ns", logs),
            ],
            plain: vec![touched.loud, touched.resources],
            quiet: touched.quiet,
            small: self.resources.take().into_iter().chain([self.sets.take()]).chain(self.facts.take()).collect(),
        })
    }
}

/// What the three signals share while they are decoded.
struct Shared<'a> {
    rules: &'a Rules,
    resources: &'a mut ResourceRows,
    sets: &'a mut SpanSets,
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

/// The latest time that is stored, in the year 2255. DuckDB has no time at the very end of 64 bits, and a day more than
/// that would overflow: one span that ends there would be the last that is ever loaded.
const LATEST_NS: i64 = 9_000_000_000_000_000_000;

/// Times on the wire are unsigned; those past the latest are stored as that.
fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).map_or(LATEST_NS, |nanoseconds| nanoseconds.min(LATEST_NS))
}

/// Go's `time.Time` without a value, in nanoseconds, as it comes over the wire: a span that has not ended.
const GO_ZERO_NS: u64 = 11_651_379_494_838_206_464;

/// When a span ended; 0 where it has not.
fn ended(end_ns: u64) -> i64 {
    if end_ns == GO_ZERO_NS { 0 } else { signed(end_ns) }
}

/// Empty text is null: protobuf cannot tell the two apart.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_leaves_room_for_what_is_added_to_it() {
        assert_eq!((signed(0), signed(1_790_000_000_000_000_000)), (0, 1_790_000_000_000_000_000));
        assert_eq!((ended(0), ended(GO_ZERO_NS), ended(7)), (0, 0, 7));
        for late in [u64::MAX, i64::MAX.cast_unsigned(), LATEST_NS.cast_unsigned() + 1] {
            assert_eq!(signed(late), LATEST_NS);
        }
        let days = 1_000 * 86_400 * 1_000_000_000;
        assert!(LATEST_NS.checked_add(days).is_some());
    }
}
