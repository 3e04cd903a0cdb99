//! Traces whose runs have to be derived again, and how far what they got reaches in time.

use std::collections::HashMap;

use duckdb::arrow::array::ArrayRef;
use duckdb::arrow::record_batch::RecordBatch;

use super::table::{I64, U64, table};
use crate::store::StoreError;

table! {
    /// Rows of `pending_traces`.
    TouchedTable in "pending_traces" { trace_hi: U64, trace_lo: U64, from_ns: I64, to_ns: I64 }
}

/// Traces touched by one load.
#[derive(Default)]
pub(super) struct Touched {
    extents: HashMap<(u64, u64), (i64, i64)>,
}

impl Touched {
    /// Something of this trace lies between these times, nanoseconds.
    pub(super) fn touch(&mut self, trace: (u64, u64), from_ns: i64, to_ns: i64) {
        let extent = self.extents.entry(trace).or_insert((from_ns, to_ns));
        *extent = (extent.0.min(from_ns), extent.1.max(to_ns));
    }

    pub(super) fn take(&mut self) -> Result<RecordBatch, StoreError> {
        let mut table = TouchedTable::default();
        for ((hi, lo), (from_ns, to_ns)) in self.extents.drain() {
            table.trace_hi.append_value(hi);
            table.trace_lo.append_value(lo);
            table.from_ns.append_value(from_ns);
            table.to_ns.append_value(to_ns);
        }
        table.take()
    }
}
