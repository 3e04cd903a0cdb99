//! Traces and resources whose runs have to be derived again, and how far what they got reaches in time.

use std::collections::HashMap;
use std::hash::Hash;

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
    traces: Extents<(u64, u64)>,
    resources: Extents<u64>,
    /// The same of the request that was added last.
    last_traces: Extents<(u64, u64)>,
    last_resources: Extents<u64>,
}

type Extents<K> = HashMap<K, Extent, RandomState>;

impl Touched {
    /// What follows is of another request.
    pub(super) fn next_request(&mut self) {
        merge(&mut self.traces, self.last_traces.drain());
        merge(&mut self.resources, self.last_resources.drain());
    }

    /// A trace got something between these times; `quiet` where it is plain request instrumentation.
    pub(super) fn trace(&mut self, trace: (u64, u64), from_ns: i64, to_ns: i64, quiet: bool) {
        merge(&mut self.last_traces, [(trace, Extent { from_ns, to_ns, quiet })]);
    }

    /// A resource got a point at this time.
    pub(super) fn resource(&mut self, resource_id: u64, time_ns: i64) {
        merge(&mut self.last_resources, [(resource_id, Extent { from_ns: time_ns, to_ns: time_ns, quiet: false })]);
    }

    /// Takes everything. Where rows of the last request come later (`is_cut`), what it touched is touched again then.
    pub(super) fn take(&mut self, is_cut: bool) -> Result<TouchedRows, StoreError> {
        let (last_traces, last_resources) = (self.last_traces.clone(), self.last_resources.clone());
        self.next_request();
        let (quiet, loud): (Vec<_>, Vec<_>) = self.traces.drain().partition(|(_, extent)| extent.quiet);
        let rows = TouchedRows {
            loud: Plain { table: "pending_traces", rows: trace_rows(loud)? },
            resources: Plain { table: "pending_resources", rows: self.take_resources()? },
            quiet: trace_rows(quiet)?,
        };
        if is_cut {
            (self.last_traces, self.last_resources) = (last_traces, last_resources);
        }
        Ok(rows)
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

fn merge<K: Eq + Hash>(into: &mut Extents<K>, from: impl IntoIterator<Item = (K, Extent)>) {
    for (key, extent) in from {
        into.entry(key).or_insert(extent).widen(extent);
    }
}

/// What one load touched, ready to append.
pub(super) struct TouchedRows {
    /// Traces whose runs have to be derived again.
    pub(super) loud: Plain,
    /// Resources whose runs have to be measured again.
    pub(super) resources: Plain,
    /// Traces that got nothing but plain request instrumentation.
    pub(super) quiet: RecordBatch,
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
