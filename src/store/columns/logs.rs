//! Log records as columns.

use std::collections::HashMap;

use ahash::RandomState;
use duckdb::arrow::array::ArrayRef;
use duckdb::arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use super::table::{I64, Text, U8, U32, U64, table};
use super::window::{Cut, Window};
use super::{Shared, halves, signed, some};
use crate::otlp::value::{AttrValue, write_attributes_json, write_json};
use crate::otlp::wire::WireError;
use crate::otlp::wire::logs::{LogView, each_log};
use crate::store::StoreError;

table! {
    /// Rows of `log_rows`.
    LogTable {
        time_ns: I64, observed_ns: I64, resource_id: U64, scope_id: U64, severity_number: U8, severity_text: Text,
        event_name: Text, body: Text, attributes: Text, trace_hi: U64, trace_lo: U64, span_id: U64, flags: U32,
        dropped_attributes: U32, log_key: U64,
    }
}

/// Log records gathered for one load.
#[derive(Default)]
pub(super) struct LogColumns {
    table: LogTable,
    window: Window<(u64, i64), RandomState>,
    text: String,
}

impl LogColumns {
    pub(super) fn rows(&self) -> usize {
        self.window.rows()
    }

    pub(super) fn add(&mut self, body: &[u8], shared: &mut Shared<'_>) -> Result<(), WireError> {
        shared.resources.next_request();
        // A record that was sent twice is one; two that say the same in one request are two.
        let mut places: HashMap<u64, u64> = HashMap::new();
        each_log(body, |resource, scope, record| {
            let resource_id = shared.resources.resource(resource, shared.rules);
            let scope_id = shared.resources.scope(scope, shared.rules);
            let content = content_key(record, resource_id, scope_id);
            let place = places.entry(content).and_modify(|place| *place += 1).or_insert(0);
            let log_key = content.wrapping_add(*place);
            let time_ns = time_of(record);
            if self.window.insert((log_key, time_ns)) {
                let attributes: Vec<(&str, AttrValue<'_>)> = record.attributes().collect();
                self.push(record, resource_id, scope_id, log_key, &attributes);
                let facts = shared.rules.classify_log(record.event_name, time_ns, &attributes);
                if let (false, Some(trace_id)) = (facts.is_empty(), record.trace_id) {
                    shared.touched.trace(halves(trace_id), time_ns, time_ns, false);
                }
                for fact in facts {
                    shared.facts.log(record, time_ns, fact);
                }
            }
        })
    }

    fn push(
        &mut self,
        record: &LogView<'_>,
        resource_id: u64,
        scope_id: u64,
        log_key: u64,
        attributes: &[(&str, AttrValue<'_>)],
    ) {
        let table = &mut self.table;
        table.time_ns.append_value(time_of(record));
        table.observed_ns.append_option(Some(signed(record.observed_ns)).filter(|at| *at > 0));
        table.resource_id.append_value(resource_id);
        table.scope_id.append_value(scope_id);
        table.severity_number.append_option(Some(record.severity_number).filter(|number| *number > 0));
        table.severity_text.append_option(some(record.severity_text));
        table.event_name.append_option(some(record.event_name));
        self.text.clear();
        write_json(&record.body, &mut self.text);
        table.body.append_option(Some(self.text.as_str()).filter(|_| record.body != AttrValue::Empty));
        self.text.clear();
        write_attributes_json(attributes.iter().copied(), &mut self.text);
        table.attributes.append_option(Some(self.text.as_str()).filter(|_| !attributes.is_empty()));
        let trace = record.trace_id.map(halves);
        table.trace_hi.append_option(trace.map(|(hi, _)| hi));
        table.trace_lo.append_option(trace.map(|(_, lo)| lo));
        table.span_id.append_option(record.span_id.map(u64::from_be_bytes));
        table.flags.append_option(Some(record.flags).filter(|flags| *flags > 0));
        table.dropped_attributes.append_option(Some(record.dropped_attributes).filter(|count| *count > 0));
        table.log_key.append_value(log_key);
    }

    pub(super) fn take(&mut self, cut: Cut) -> Result<Vec<RecordBatch>, StoreError> {
        let fresh = self.table.take()?;
        self.window.take(fresh, cut).map_err(StoreError::arrow("leave out rows"))
    }
}

/// A record without a time of its own has the time at which it was seen.
fn time_of(record: &LogView<'_>) -> i64 {
    signed(if record.time_ns == 0 { record.observed_ns } else { record.time_ns })
}

fn content_key(record: &LogView<'_>, resource_id: u64, scope_id: u64) -> u64 {
    let mut identity = Xxh3::new();
    identity.update(&resource_id.to_le_bytes());
    identity.update(&scope_id.to_le_bytes());
    identity.update(record.raw);
    identity.digest()
}
