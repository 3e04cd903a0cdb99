//! Traces and resources whose runs have to be derived again, and how far what they got reaches in time.

use std::collections::HashMap;

use ahash::RandomState;
use duckdb::arrow::array::ArrayRef;
use duckdb::arrow::record_batch::RecordBatch;

use super::append::Plain;
use super::table::{Flag, I64, U64, table};
use crate::store::StoreError;

table! {
    /// Rows of `pending_traces`.
    TraceTable { trace_hi: U64, trace_lo: U64, from_ns: I64, to_ns: I64, quiet: Flag }
}

table! {
    /// Rows of `pending_resources`.
    ResourceTable { resource_id: U64, from_ns: I64, to_ns: I64 }
}

/// What came for one trace or resource.
#[derive(Clone, Copy)]
struct Extent {
    from_ns: i64,
    to_ns: i64,
    quiet: bool,
}

impl Extent {
    fn widen(&mut self, other: Self) {
        self.from_ns = self.from_ns.min(other.from_ns);
        self.to_ns = self.to_ns.max(other.to_ns);
        self.quiet &= other.quiet;
    }
}

/// What one load touched.
#[derive(Default)]
pub(super) struct Touched {
    traces: HashMap<(u64, u64), Extent, RandomState>,
    resources: HashMap<u64, Extent>,
}

impl Touched {
    /// A trace got something between these times; `quiet` where it is plain request instrumentation.
    pub(super) fn trace(&mut self, trace: (u64, u64), from_ns: i64, to_ns: i64, quiet: bool) {
        let extent = Extent { from_ns, to_ns, quiet };
        self.traces.entry(trace).or_insert(extent).widen(extent);
    }

    /// A resource got a point at this time.
    pub(super) fn resource(&mut self, resource_id: u64, time_ns: i64) {
        let extent = Extent { from_ns: time_ns, to_ns: time_ns, quiet: false };
        self.resources.entry(resource_id).or_insert(extent).widen(extent);
    }

    pub(super) fn take(&mut self) -> Result<[Plain; 2], StoreError> {
        let loud = self.traces.extract_if(|_, extent| !extent.quiet).collect();
        Ok([
            Plain { table: "pending_traces", rows: trace_rows(loud)? },
            Plain { table: "pending_resources", rows: self.take_resources()? },
        ])
    }

    /// Traces that got nothing but quiet spans; call [`Touched::take`] first.
    pub(super) fn take_quiet(&mut self) -> Result<RecordBatch, StoreError> {
        trace_rows(self.traces.drain().collect())
    }

    fn take_resources(&mut self) -> Result<RecordBatch, StoreError> {
        let mut table = ResourceTable::default();
        for (resource_id, extent) in self.resources.drain() {
            table.resource_id.append_value(resource_id);
            table.from_ns.append_value(extent.from_ns);
            table.to_ns.append_value(extent.to_ns);
        }
        table.take()
    }
}

fn trace_rows(traces: Vec<((u64, u64), Extent)>) -> Result<RecordBatch, StoreError> {
    let mut table = TraceTable::default();
    for ((hi, lo), extent) in traces {
        table.trace_hi.append_value(hi);
        table.trace_lo.append_value(lo);
        table.from_ns.append_value(extent.from_ns);
        table.to_ns.append_value(extent.to_ns);
        table.quiet.append_value(extent.quiet);
    }
    table.take()
}
