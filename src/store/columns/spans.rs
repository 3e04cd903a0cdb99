//! Spans as columns.

use std::collections::HashSet;
use std::fmt::Write;

use ahash::RandomState;
use duckdb::arrow::array::ArrayRef;
use duckdb::arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_128;

use super::attributes::{AttributeSets, PLACES};
use super::table::{I64, Text, U8, U32, U64, table};
use super::{Shared, halves, signed, some};
use crate::otlp::conventions::{EventShape, KeyTraits, SpanShape, Verdict};
use crate::otlp::value::{AttrValue, write_attributes_json, write_json, write_string_json};
use crate::otlp::wire::WireError;
use crate::otlp::wire::traces::{SpanView, each_span};
use crate::store::StoreError;

table! {
    /// Rows of `span_rows`.
    SpanTable {
        trace_hi: U64, trace_lo: U64, span_id: U64, parent_span_id: U64, start_ns: I64, duration_ns: I64,
        resource_id: U64, scope_id: U64, name: Text, kind: U8, status: U8, status_message: Text, trace_state: Text,
        flags: U32, set_id: U32, value_1: Text, value_2: Text, value_3: Text, value_4: Text, value_5: Text,
        value_6: Text, more: Text, events: Text, links: Text, dropped_attributes: U32, dropped_events: U32,
        dropped_links: U32,
    }
}

/// Spans gathered for one load.
#[derive(Default)]
pub(super) struct SpanColumns {
    table: SpanTable,
    rows: usize,
    seen: HashSet<u128, RandomState>,
    text: String,
}

impl SpanColumns {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn add(&mut self, body: &[u8], shared: &mut Shared<'_>) -> Result<(), WireError> {
        shared.resources.next_request();
        let mut attributes: Vec<(&str, AttrValue<'_>)> = Vec::new();
        each_span(body, |resource, scope, span| {
            if !self.seen.insert(identity(span)) {
                return;
            }
            attributes.clear();
            attributes.extend(span.attributes());
            let resource_id = shared.resources.resource(resource, shared.rules);
            let scope_id = shared.resources.scope(scope, shared.rules);
            let encoded = shared.sets.encode(&attributes, shared.rules);
            self.push(span, resource_id, scope_id);
            self.push_attributes(encoded.set_id, &attributes, shared.sets);
            match verdict(span, scope.name, &attributes, encoded.traits, shared) {
                Verdict::Quiet => touch(shared, span, true),
                Verdict::Plain => touch(shared, span, false),
                Verdict::Known(known) => {
                    touch(shared, span, known.quiet);
                    shared.facts.span(span, &known);
                }
            }
        })
    }

    fn push(&mut self, span: &SpanView<'_>, resource_id: u64, scope_id: u64) {
        let table = &mut self.table;
        let (hi, lo) = halves(span.trace_id);
        let start = signed(span.start_ns);
        table.trace_hi.append_value(hi);
        table.trace_lo.append_value(lo);
        table.span_id.append_value(u64::from_be_bytes(span.span_id));
        table.parent_span_id.append_value(span.parent_span_id.map_or(0, u64::from_be_bytes));
        table.start_ns.append_value(start);
        table.duration_ns.append_value(signed(span.end_ns).saturating_sub(start));
        table.resource_id.append_value(resource_id);
        table.scope_id.append_value(scope_id);
        table.name.append_value(span.name);
        table.kind.append_value(span.kind);
        table.status.append_value(span.status);
        table.status_message.append_option(some(span.status_message));
        table.trace_state.append_option(some(span.trace_state));
        table.flags.append_option(Some(span.flags).filter(|flags| *flags > 0));
        self.text.clear();
        write_events(span, &mut self.text);
        table.events.append_option(some(&self.text));
        self.text.clear();
        write_links(span, &mut self.text);
        table.links.append_option(some(&self.text));
        for (column, count) in [
            (&mut table.dropped_attributes, span.dropped_attributes),
            (&mut table.dropped_events, span.dropped_events),
            (&mut table.dropped_links, span.dropped_links),
        ] {
            column.append_option(Some(count).filter(|count| *count > 0));
        }
        self.rows += 1;
    }

    fn push_attributes(&mut self, set_id: u32, attributes: &[(&str, AttrValue<'_>)], sets: &AttributeSets) {
        let table = &mut self.table;
        table.set_id.append_value(set_id);
        let columns: [&mut Text; PLACES] = [
            &mut table.value_1,
            &mut table.value_2,
            &mut table.value_3,
            &mut table.value_4,
            &mut table.value_5,
            &mut table.value_6,
        ];
        let mut own = sets.own().iter();
        for column in columns {
            match own.next().and_then(|at| attributes.get(*at as usize)) {
                None => column.append_null(),
                Some((_, value)) => {
                    self.text.clear();
                    write_json(value, &mut self.text);
                    column.append_value(&self.text);
                }
            }
        }
        self.text.clear();
        sets.write_more(attributes, &mut self.text);
        table.more.append_option(some(&self.text));
    }

    pub(super) fn take(&mut self) -> Result<RecordBatch, StoreError> {
        self.rows = 0;
        self.seen.clear();
        self.table.take()
    }
}

fn touch(shared: &mut Shared<'_>, span: &SpanView<'_>, quiet: bool) {
    let (start, end) = (signed(span.start_ns), signed(span.end_ns));
    shared.touched.trace(halves(span.trace_id), start, end.max(start), quiet);
}

/// A span is the same span by trace, id and start: Airflow reuses ids, and some programs repeat
/// their trace ids at every start.
fn identity(span: &SpanView<'_>) -> u128 {
    let mut key = [0_u8; 32];
    key[..16].copy_from_slice(&span.trace_id);
    key[16..24].copy_from_slice(&span.span_id);
    key[24..].copy_from_slice(&span.start_ns.to_be_bytes());
    xxh3_128(&key)
}

/// What the rules make of a span: most spans hold nothing that a rule reads, and a glance says so.
fn verdict(
    span: &SpanView<'_>,
    scope: &str,
    attributes: &[(&str, AttrValue<'_>)],
    keys: KeyTraits,
    shared: &Shared<'_>,
) -> Verdict {
    let mut shape = SpanShape {
        name: span.name,
        scope,
        kind: span.kind,
        status: span.status,
        status_message: span.status_message,
        has_parent: span.parent_span_id.is_some(),
        events: &[],
    };
    let mut traits = keys;
    traits.add(shared.resources.traits());
    traits.is_read |= span.events().any(|event| event.attributes().next().is_some());
    if let Some(verdict) = shared.rules.glance(&shape, traits) {
        return verdict;
    }
    let parts: Vec<_> = span
        .events()
        .map(|event| (event.name, event.time_ns, event.attributes().collect::<Vec<_>>()))
        .filter(|(.., attributes)| !attributes.is_empty())
        .collect();
    let events: Vec<EventShape<'_>> = parts
        .iter()
        .map(|(name, time_ns, attributes)| EventShape { name, time_ns: signed(*time_ns), attributes })
        .collect();
    shape.events = &events;
    shared.rules.classify(&shape, shared.resources.facts(), attributes)
}

// Writing to a String cannot fail.
fn write_events(span: &SpanView<'_>, text: &mut String) {
    for event in span.events() {
        text.push(if text.is_empty() { '[' } else { ',' });
        let _ = write!(text, "{{\"t\":{},\"n\":", signed(event.time_ns).saturating_sub(signed(span.start_ns)));
        write_string_json(event.name, text);
        if event.attributes().next().is_some() {
            text.push_str(",\"a\":");
            write_attributes_json(event.attributes(), text);
        }
        if event.dropped_attributes > 0 {
            let _ = write!(text, ",\"d\":{}", event.dropped_attributes);
        }
        text.push('}');
    }
    if !text.is_empty() {
        text.push(']');
    }
}

fn write_links(span: &SpanView<'_>, text: &mut String) {
    for link in span.links() {
        text.push(if text.is_empty() { '[' } else { ',' });
        let trace_id = link.trace_id.map_or(0, u128::from_be_bytes);
        let span_id = link.span_id.map_or(0, u64::from_be_bytes);
        let _ = write!(text, "{{\"trace_id\":\"{trace_id:032x}\",\"span_id\":\"{span_id:016x}\"");
        if !link.trace_state.is_empty() {
            text.push_str(",\"trace_state\":");
            write_string_json(link.trace_state, text);
        }
        if link.attributes().next().is_some() {
            text.push_str(",\"a\":");
            write_attributes_json(link.attributes(), text);
        }
        for (name, count) in [("d", link.dropped_attributes), ("flags", link.flags)] {
            if count > 0 {
                let _ = write!(text, ",\"{name}\":{count}");
            }
        }
        text.push('}');
    }
    if !text.is_empty() {
        text.push(']');
    }
}
