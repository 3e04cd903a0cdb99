//! Spans as columns.

use std::fmt::Write;
use std::hash::BuildHasherDefault;

use ahash::RandomState;
use duckdb::arrow::array::{ArrayRef, AsArray};
use duckdb::arrow::datatypes::Int64Type;
use duckdb::arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::again::{LENGTH, SpanKey};
use super::sets::{Encoded, Identity, PLACES, Parts, SpanSets};
use super::table::{I64, Text, U8, U32, U64, table};
use super::window::{Cut, Window};
use super::{Shared, ended, halves, signed, some};
use crate::otlp::conventions::{EventShape, KeyTraits, SpanShape, Verdict};
use crate::otlp::value::{AttrValue, write_attributes_json, write_json, write_string_json};
use crate::otlp::wire::traces::{SpanView, each_span};
use crate::otlp::wire::{WireError, key_value};
use crate::store::StoreError;

table! {
    /// Rows of `span_rows`.
    SpanTable {
        trace_hi: U64, trace_lo: U64, span_id: U64, parent_span_id: U64, start_ns: I64, duration_ns: I64,
        resource_id: U64, scope_id: U64, kind: U8, status: U8, set_id: U32, name: Text,
        number_1: U64, value_1: Text, number_2: U64, value_2: Text, number_3: U64, value_3: Text, number_4: U64, value_4: Text,
        more: Text, rest: Text,
    }
}

/// Spans gathered for one load.
pub(super) struct SpanColumns {
    table: SpanTable,
    /// Identities are hashed with a seed, so that no client can aim at them.
    window: Window<u128, BuildHasherDefault<Identity>>,
    seed: u64,
    /// Keys of rows that a cut left behind and that came again: what is known of them was stored with that cut.
    early: Vec<SpanKey>,
    text: String,
    rest: String,
}

impl Default for SpanColumns {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0);
        Self {
            table: SpanTable::default(),
            window: Window::default(),
            seed,
            early: Vec::new(),
            text: String::new(),
            rest: String::new(),
        }
    }
}

impl SpanColumns {
    pub(super) fn rows(&self) -> usize {
        self.window.rows()
    }

    pub(super) fn add(&mut self, body: &[u8], shared: &mut Shared<'_>) -> Result<(), WireError> {
        shared.resources.next_request();
        let mut attributes: Vec<&[u8]> = Vec::new();
        each_span(body, |resource, scope, span| {
            let identity = identity(span, self.seed);
            if !self.window.insert(identity) {
                if !self.replaces(span, identity) {
                    return;
                }
                shared.facts.forget(identity);
            }
            attributes.clear();
            attributes.extend(span.raw_attributes());
            let resource_id = shared.resources.resource(resource, shared.rules);
            let scope_id = shared.resources.scope(scope, shared.rules);
            self.text.clear();
            write_events(span, &mut self.text);
            let parts = Parts { name: span.name, events: &self.text, attributes: &attributes };
            let encoded = shared.sets.encode(parts, shared.rules);
            self.push_shared(span, encoded);
            self.push(span, resource_id, scope_id);
            self.push_attributes(&attributes, shared.sets);
            match verdict(span, scope.name, encoded.traits, shared) {
                Verdict::Quiet => touch(shared, span, true),
                Verdict::Plain => touch(shared, span, false),
                Verdict::Known(known) => {
                    touch(shared, span, known.quiet);
                    shared.facts.span(identity, span, &known);
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
        table.duration_ns.append_value(length(span));
        table.resource_id.append_value(resource_id);
        table.scope_id.append_value(scope_id);
        table.kind.append_value(span.kind);
        table.status.append_value(span.status);
        write_rest(span, &mut self.rest);
        table.rest.append_option(some(&self.rest));
    }

    /// Whether a span that was gathered already came again with a later end; then the row before it goes.
    fn replaces(&mut self, span: &SpanView<'_>, identity: u128) -> bool {
        let Some(place) = self.window.place(identity) else { return false };
        let left = self.window.left();
        let left_rows = left.map_or(0, RecordBatch::num_rows);
        let known = match (left, place.checked_sub(left_rows)) {
            (_, Some(place)) => self.table.duration_ns.values_slice().get(place).copied(),
            (left, None) => left
                .and_then(|rows| rows.column_by_name(LENGTH))
                .map(|lengths| lengths.as_primitive::<Int64Type>().value(place)),
        };
        let is_longer = known.is_some_and(|known| length(span) > known);
        if is_longer {
            self.window.replace(identity, place);
            if place < left_rows {
                let (hi, lo) = halves(span.trace_id);
                self.early.push((hi, lo, u64::from_be_bytes(span.span_id), signed(span.start_ns)));
            }
        }
        is_longer
    }

    /// The set, and what of name and events it does not have; `text` holds the events, `rest` those that are left.
    fn push_shared(&mut self, span: &SpanView<'_>, encoded: Encoded) {
        self.table.set_id.append_value(encoded.set_id);
        self.table.name.append_option(Some(span.name).filter(|_| !encoded.shares_name));
        self.rest.clear();
        if !encoded.shares_events {
            self.rest.push_str("{\"events\":");
            self.rest.push_str(&self.text);
        }
    }

    fn push_attributes(&mut self, attributes: &[&[u8]], sets: &SpanSets) {
        let table = &mut self.table;
        let columns: [(&mut U64, &mut Text); PLACES] = [
            (&mut table.number_1, &mut table.value_1),
            (&mut table.number_2, &mut table.value_2),
            (&mut table.number_3, &mut table.value_3),
            (&mut table.number_4, &mut table.value_4),
        ];
        let mut own = sets.own().iter();
        for (numbers, texts) in columns {
            let own = own.next();
            let number = own.and_then(|own| own.number);
            numbers.append_option(number);
            let raw = own.filter(|_| number.is_none()).and_then(|own| attributes.get(own.at as usize));
            match raw.and_then(|raw| key_value(raw).ok()) {
                None => texts.append_null(),
                Some((_, value)) => {
                    self.text.clear();
                    write_json(&value, &mut self.text);
                    texts.append_value(&self.text);
                }
            }
        }
        self.text.clear();
        sets.write_more(attributes, &mut self.text);
        table.more.append_option(some(&self.text));
    }

    /// Takes the keys of spans of which something shorter is stored.
    pub(super) fn take_early(&mut self) -> Vec<SpanKey> {
        std::mem::take(&mut self.early)
    }

    pub(super) fn take(&mut self, cut: Cut) -> Result<Vec<RecordBatch>, StoreError> {
        let fresh = self.table.take()?;
        self.window.take(fresh, cut).map_err(StoreError::arrow("leave out shorter rows"))
    }
}

fn touch(shared: &mut Shared<'_>, span: &SpanView<'_>, quiet: bool) {
    let (start, end) = (signed(span.start_ns), ended(span.end_ns));
    shared.touched.trace(halves(span.trace_id), start, end.max(start), quiet);
}

/// Nanoseconds; less than nothing where it has not ended.
fn length(span: &SpanView<'_>) -> i64 {
    ended(span.end_ns).saturating_sub(signed(span.start_ns))
}

/// A span is the same span by trace, id and start: Airflow reuses ids, and some programs repeat
/// their trace ids at every start.
fn identity(span: &SpanView<'_>, seed: u64) -> u128 {
    let mut key = [0_u8; 32];
    key[..16].copy_from_slice(&span.trace_id);
    key[16..24].copy_from_slice(&span.span_id);
    key[24..].copy_from_slice(&span.start_ns.to_be_bytes());
    xxh3_128_with_seed(&key, seed)
}

/// What the rules make of a span: most spans hold nothing that a rule reads, and a glance says so.
fn verdict(span: &SpanView<'_>, scope: &str, keys: KeyTraits, shared: &Shared<'_>) -> Verdict {
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
    let attributes: Vec<(&str, AttrValue<'_>)> = span.attributes().collect();
    shared.rules.classify(&shape, shared.resources.facts(), &attributes)
}

// Writing to a String cannot fail. What an event does not say is not written: an empty one takes two bytes of a request,
// and there may be millions.
fn write_events(span: &SpanView<'_>, text: &mut String) {
    for event in span.events() {
        text.push(if text.is_empty() { '[' } else { ',' });
        let mut member = Members::begin(text);
        if event.time_ns > 0 {
            let _ = write!(member.named("t"), "{}", signed(event.time_ns).saturating_sub(signed(span.start_ns)));
        }
        if !event.name.is_empty() {
            write_string_json(event.name, member.named("n"));
        }
        if event.attributes().next().is_some() {
            write_attributes_json(event.attributes(), member.named("a"));
        }
        if event.dropped_attributes > 0 {
            let _ = write!(member.named("d"), "{}", event.dropped_attributes);
        }
        text.push('}');
    }
    if !text.is_empty() {
        text.push(']');
    }
}

/// What few spans have, as one JSON object; `text` may have begun already.
fn write_rest(span: &SpanView<'_>, text: &mut String) {
    if !span.status_message.is_empty() {
        text.push_str(if text.is_empty() { "{\"status_message\":" } else { ",\"status_message\":" });
        write_string_json(span.status_message, text);
    }
    let counts = [
        ("flags", span.flags),
        ("dropped_attributes", span.dropped_attributes),
        ("dropped_events", span.dropped_events),
        ("dropped_links", span.dropped_links),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let _ = write!(text, "{}\"{name}\":{count}", if text.is_empty() { '{' } else { ',' });
    }
    if !span.trace_state.is_empty() {
        text.push_str(if text.is_empty() { "{\"trace_state\":" } else { ",\"trace_state\":" });
        write_string_json(span.trace_state, text);
    }
    if span.links().next().is_some() {
        text.push_str(if text.is_empty() { "{\"links\":" } else { ",\"links\":" });
        write_links(span, text);
    }
    if !text.is_empty() {
        text.push('}');
    }
}

fn write_links(span: &SpanView<'_>, text: &mut String) {
    for (at, link) in span.links().enumerate() {
        text.push(if at == 0 { '[' } else { ',' });
        let mut member = Members::begin(text);
        if let Some(trace_id) = link.trace_id {
            let _ = write!(member.named("trace_id"), "\"{:032x}\"", u128::from_be_bytes(trace_id));
        }
        if let Some(span_id) = link.span_id {
            let _ = write!(member.named("span_id"), "\"{:016x}\"", u64::from_be_bytes(span_id));
        }
        if !link.trace_state.is_empty() {
            write_string_json(link.trace_state, member.named("trace_state"));
        }
        if link.attributes().next().is_some() {
            write_attributes_json(link.attributes(), member.named("a"));
        }
        for (name, count) in [("d", link.dropped_attributes), ("flags", link.flags)] {
            if count > 0 {
                let _ = write!(member.named(name), "{count}");
            }
        }
        text.push('}');
    }
    text.push(']');
}

/// The members of a JSON object that is being written.
pub(super) struct Members<'t> {
    text: &'t mut String,
    is_first: bool,
}

impl<'t> Members<'t> {
    /// Opens the object; whoever opened it closes it.
    pub(super) fn begin(text: &'t mut String) -> Self {
        text.push('{');
        Self { text, is_first: true }
    }

    /// Appends a name, behind which the value is to be written.
    pub(super) fn named(&mut self, name: &str) -> &mut String {
        self.text.push_str(if std::mem::take(&mut self.is_first) { "\"" } else { ",\"" });
        self.text.push_str(name);
        self.text.push_str("\":");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    fn written(events: Vec<Event>, links: Vec<Link>) -> (usize, String, String) {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            start_time_unix_nano: 100,
            events,
            links,
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let (mut events, mut links) = (String::new(), String::new());
        each_span(&body, |_, _, span| {
            write_events(span, &mut events);
            write_links(span, &mut links);
        })
        .unwrap();
        (body.len(), events, links)
    }

    #[test]
    fn what_events_and_links_say_is_written_and_no_more() {
        let event =
            Event { time_unix_nano: 130, name: "retry".to_owned(), dropped_attributes_count: 2, ..Event::default() };
        let link = Link { trace_id: vec![10; 16], span_id: vec![11; 8], flags: 1, ..Link::default() };
        let half = Link { trace_state: "a=b".to_owned(), ..Link::default() };
        let (_, events, links) = written(vec![event, Event::default()], vec![link, half, Link::default()]);
        assert_eq!(events, r#"[{"t":30,"n":"retry","d":2},{}]"#);
        let ids = r#""trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","span_id":"0b0b0b0b0b0b0b0b""#;
        assert_eq!(links, format!(r#"[{{{ids},"flags":1}},{{"trace_state":"a=b"}},{{}}]"#));
    }

    #[test]
    fn many_that_say_nothing_take_little_more_than_they_took_on_the_wire() {
        let (wire, events, links) = written(vec![Event::default(); 10_000], vec![Link::default(); 10_000]);
        assert!(events.len() + links.len() < 2 * wire, "{} of {wire}", events.len() + links.len());
    }
}
