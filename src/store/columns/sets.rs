//! What many spans share is written once, as a set: their name, their events, most of their attributes. What
//! differs stays with the span, value by value, in a column per place: as a number where it is one with text around it,
//! else as text.
//!
//! A set holds the shared attributes as JSON members, and the keys of the places. Which keys are shared shows
//! as they come: a key is, until it had more than `shared_max` values; the name and the events count as keys too.
//! Where sets multiply all the same, fewer keys are shared, in the end none, so that memory stays bounded whatever
//! clients send.

mod form;
mod key;
mod set;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ahash::RandomState;
use duckdb::Connection;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::append::Small;
use crate::otlp::conventions::{KeyTraits, Rules};
use crate::otlp::wire::key_value;
use crate::store::StoreError;
use form::Formed;
use key::{Key, key_of, label, write_member};
use set::{Place, Set};

/// Values of a span that have a column of their own; further ones lie together in `more`.
pub(super) const PLACES: usize = 4;
/// Distinct values up to which a key is shared, at first.
const SHARED_VALUES_MAX: usize = 64;
/// Sets that are remembered; beyond it fewer keys are shared.
const SETS_MAX: usize = 16_384;
/// Bytes of their contents: sets of many long values are fewer.
const SETS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Keys that are remembered; attributes under further ones lie in `more`.
const KEYS_MAX: usize = 4_096;
/// Longest key that is remembered, and longest value that is shared, bytes.
const SHARED_BYTES_MAX: usize = 256;
/// Marks a key whose value stays with the span.
const OWN: u16 = 0x8000;
/// Marks one of those whose value is a number: its form follows.
const FORMED: u16 = 0x4000;
/// The number under which a span's name is counted.
const NAME: u16 = 0;
/// The number under which a span's events are counted.
const EVENTS: u16 = 1;

/// What of a span may be shared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    /// As JSON; empty: none.
    pub(super) events: &'a str,
    /// Encoded `KeyValue` messages.
    pub(super) attributes: &'a [&'a [u8]],
}

/// What became of one span.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded {
    /// The set; 0: none.
    pub(super) set_id: u32,
    /// The set has the span's name.
    pub(super) shares_name: bool,
    /// The set has the span's events.
    pub(super) shares_events: bool,
    /// What the conventions see in the keys, all together.
    pub(super) traits: KeyTraits,
}

/// The sets known so far, and what is known of each key.
pub(super) struct SpanSets {
    keys: Vec<Key>,
    numbers: HashMap<Box<str>, u16, RandomState>,
    /// By content as it came: a set is found without being written out.
    sets: HashMap<u128, u32, BuildHasherDefault<Identity>>,
    /// By content as it is stored, so that a restart finds the sets again.
    stored: HashMap<Box<str>, u32, RandomState>,
    /// Bytes of those contents.
    stored_bytes: usize,
    next_id: u32,
    shared_max: usize,
    /// Keys themselves multiply: nothing is shared any more.
    is_loose: bool,
    seed: u64,
    rows: Vec<String>,
    /// Stamps keys with the span that had them last: keys may repeat, the first counts.
    span: u64,
    /// Keys of the span before: the next one mostly has the same.
    order: Vec<u16>,
    scratch: Vec<u8>,
    own: Vec<Own>,
    more: Vec<u32>,
}

/// An attribute that has a column of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// Its place among the span's attributes.
    pub(super) at: u32,
    /// What of its value is stored, where the set has its form.
    pub(super) number: Option<u64>,
}

impl SpanSets {
    /// Those that are stored already, as far as they are remembered.
    pub(super) fn stored_in(connection: &Connection) -> Result<Self, StoreError> {
        let found = Set::stored_in(connection, SETS_MAX, SETS_BYTES_MAX).map_err(StoreError::sql("read span sets"))?;
        let mut sets = Self::new(found.iter().map(|(id, _)| id + 1).max().unwrap_or(1));
        for (id, set) in found {
            sets.remember(set.content(), id);
        }
        Ok(sets)
    }

    fn new(next_id: u32) -> Self {
        Self {
            keys: vec![Key::new("", KeyTraits::default(), true), Key::new("", KeyTraits::default(), true)],
            numbers: HashMap::default(),
            sets: HashMap::default(),
            stored: HashMap::default(),
            stored_bytes: 0,
            next_id,
            shared_max: SHARED_VALUES_MAX,
            is_loose: false,
            seed: RandomState::new().hash_one(0),
            rows: Vec::new(),
            span: 0,
            order: Vec::new(),
            scratch: Vec::new(),
            own: Vec::new(),
            more: Vec::new(),
        }
    }

    /// Finds or makes the set of a span. `own` and `write_more` then say which attributes stay with the span.
    pub(super) fn encode(&mut self, parts: Parts<'_>, rules: &Rules) -> Encoded {
        loop {
            let mut encoded = self.split(parts, rules);
            if self.scratch.is_empty() {
                return encoded;
            }
            let content = xxh3_128_with_seed(&self.scratch, self.seed);
            let found = self.sets.get(&content).copied();
            if let Some(set_id) = found.or_else(|| self.make(content, parts, encoded)) {
                encoded.set_id = set_id;
                return encoded;
            }
        }
    }

    /// The attributes that have a column of their own, in the order of the columns.
    pub(super) fn own(&self) -> &[Own] {
        &self.own
    }

    /// Appends the attributes that have no column as JSON members.
    pub(super) fn write_more(&self, attributes: &[&[u8]], out: &mut String) {
        for at in &self.more {
            if let Some((key, value)) = attributes.get(*at as usize).and_then(|raw| key_value(raw).ok()) {
                write_member(key, &value, out);
            }
        }
    }

    /// Sets that are not stored yet.
    pub(super) fn take(&mut self) -> Small {
        Small { table: "span_sets", key: &["set_id"], rows: std::mem::take(&mut self.rows) }
    }

    /// Sorts a span's parts into shared ones (into `scratch`, with the keys of the others), own ones and more.
    fn split(&mut self, parts: Parts<'_>, rules: &Rules) -> Encoded {
        self.span += 1;
        self.scratch.clear();
        self.own.clear();
        self.more.clear();
        let shares_name = self.share(NAME, parts.name);
        let shares_events = parts.events.is_empty() || self.share(EVENTS, parts.events);
        let traits = self.split_attributes(parts.attributes, rules);
        Encoded { set_id: 0, shares_name, shares_events, traits }
    }

    fn share(&mut self, number: u16, text: &str) -> bool {
        let is_shared = self.keys.get(usize::from(number)).is_some_and(|key| key.is_shared) && !self.is_loose;
        is_shared && write_content(number, text.as_bytes(), &mut self.scratch)
    }

    fn split_attributes(&mut self, attributes: &[&[u8]], rules: &Rules) -> KeyTraits {
        let mut traits = KeyTraits::default();
        for (at, raw) in attributes.iter().enumerate() {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            let Some(number) = self.number(at, raw, rules) else {
                let key = key_of(raw);
                traits.add(rules.key_traits(key));
                // Too many keys to remember them all: whether this one came before is looked up.
                if !attributes.iter().take(at).any(|before| key_of(before) == key) {
                    self.more.push(place);
                }
                continue;
            };
            let Some(known) = self.keys.get_mut(usize::from(number)) else { continue };
            if std::mem::replace(&mut known.span, self.span) == self.span {
                continue;
            }
            traits.add(known.traits);
            if known.is_shared && !self.is_loose && write_content(number, raw, &mut self.scratch) {
                continue;
            }
            if self.own.len() < PLACES && !self.is_loose {
                let formed = known.is_formed.then(|| formed(raw)).flatten();
                self.push_own(number, place, formed);
            } else {
                self.more.push(place);
            }
        }
        traits
    }

    fn push_own(&mut self, number: u16, at: u32, formed: Option<Formed<'_>>) {
        let mark = if formed.is_some() { OWN | FORMED } else { OWN };
        self.scratch.extend((number | mark).to_le_bytes());
        if let Some(formed) = formed {
            formed.form.write_content(&mut self.scratch);
        }
        self.own.push(Own { at, number: formed.map(|formed| formed.number) });
    }

    /// The number of an attribute's key; `None` where there are too many.
    fn number(&mut self, at: usize, raw: &[u8], rules: &Rules) -> Option<u16> {
        if let Some(number) = self.order.get(at)
            && self.keys.get(usize::from(*number)).is_some_and(|known| raw.starts_with(&known.prefix))
        {
            return Some(*number);
        }
        let key = key_of(raw);
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None if self.keys.len() >= KEYS_MAX || key.len() > SHARED_BYTES_MAX => return None,
            None => self.learn(key, rules),
        };
        if self.order.len() <= at && at < KEYS_MAX {
            self.order.resize(at + 1, number);
        }
        if let Some(next) = self.order.get_mut(at) {
            *next = number;
        }
        Some(number)
    }

    fn learn(&mut self, key: &str, rules: &Rules) -> u16 {
        let number = u16::try_from(self.keys.len()).unwrap_or(OWN - 1);
        self.numbers.insert(key.into(), number);
        self.keys.push(Key::new(key, rules.key_traits(key), self.shared_max > 0));
        number
    }

    /// Makes the set that `scratch` describes; `None` where a key is shared no longer: then it is another set.
    fn make(&mut self, content: u128, parts: Parts<'_>, encoded: Encoded) -> Option<u32> {
        let mut set = Set::default();
        let mut changed = false;
        if encoded.shares_name {
            changed |= self.count(NAME, parts.name.as_bytes());
            set.name = Some(parts.name.to_owned());
        }
        if encoded.shares_events && !parts.events.is_empty() {
            changed |= self.count(EVENTS, parts.events.as_bytes());
            set.events = Some(parts.events.to_owned());
        }
        for (at, raw) in parts.attributes.iter().enumerate() {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            let Ok((key, value)) = key_value(raw) else { continue };
            // A key that repeats was counted with its first value.
            let came_before = || parts.attributes.iter().take(at).any(|before| key_of(before) == key);
            if self.own.iter().any(|own| own.at == place) || self.more.contains(&place) || came_before() {
                continue;
            }
            if let Some(number) = self.numbers.get(key).copied() {
                changed |= self.count(number, raw);
            }
            write_member(key, &value, &mut set.members);
        }
        changed |= self.make_places(parts.attributes, &mut set.places);
        if changed || self.is_crowded() {
            return None;
        }
        let set_id = self.store(&set);
        self.sets.insert(content, set_id);
        Some(set_id)
    }

    /// What becomes of the values that stay with the span; whether a form more made its key one of texts.
    fn make_places(&mut self, attributes: &[&[u8]], places: &mut Vec<Place>) -> bool {
        let mut changed = false;
        for own in &self.own {
            let Some(raw) = attributes.get(own.at as usize) else { continue };
            let key = key_of(raw);
            let Some(found) = own.number.and_then(|_| formed(raw)) else {
                places.push(Place::Text(label(key)));
                continue;
            };
            let mut content = Vec::new();
            found.form.write_content(&mut content);
            let known = self.numbers.get(key).and_then(|number| self.keys.get_mut(usize::from(*number)));
            changed |= known.is_some_and(|known| known.count_form(xxh3_64(&content), self.shared_max));
            places.push(Place::Number(found.form.member(key)));
        }
        changed
    }

    /// Notes a value of a shared key; whether that made it one that is not.
    fn count(&mut self, number: u16, value: &[u8]) -> bool {
        let known = self.keys.get_mut(usize::from(number));
        known.is_some_and(|known| known.count_value(xxh3_64(value), self.shared_max))
    }

    /// Whether there were too many sets: then fewer keys are shared from here on.
    fn is_crowded(&mut self) -> bool {
        if self.sets.len() < SETS_MAX && self.stored_bytes < SETS_BYTES_MAX {
            return false;
        }
        self.is_loose = self.shared_max == 0;
        self.shared_max /= 4;
        self.sets.clear();
        self.stored.clear();
        self.stored_bytes = 0;
        for key in &mut self.keys {
            key.tighten(self.shared_max);
        }
        true
    }

    fn store(&mut self, set: &Set) -> u32 {
        let content = set.content();
        if let Some(set_id) = self.stored.get(content.as_str()) {
            return *set_id;
        }
        let set_id = self.next_id;
        self.next_id += 1;
        self.rows.push(set.row(set_id));
        self.remember(content, set_id);
        set_id
    }

    fn remember(&mut self, content: String, set_id: u32) {
        self.stored_bytes += content.len();
        self.stored.insert(content.into_boxed_str(), set_id);
    }
}

fn formed(raw: &[u8]) -> Option<Formed<'_>> {
    key_value(raw).ok().and_then(|(_, value)| Formed::of(&value))
}

/// Appends a key's number and its value as it is encoded, so that no two contents look alike; `false`, and nothing,
/// where the value is too long to be shared.
fn write_content(number: u16, value: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(length) = u16::try_from(value.len()).ok().filter(|length| usize::from(*length) <= SHARED_BYTES_MAX) else {
        return false;
    };
    out.extend(number.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend_from_slice(value);
    true
}

/// Takes a key that is a hash already as it is.
#[derive(Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    #[expect(clippy::cast_possible_truncation, reason = "any 64 bits of a hash are a hash")]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

#[cfg(test)]
mod tests;
