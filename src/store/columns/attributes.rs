//! Attributes of spans, split in two: what many spans share is written once, as a set; what differs stays
//! with the span, value by value, in a column per place.
//!
//! A set holds the shared attributes as JSON members, and the keys of the places. Which keys are shared shows
//! as they come: a key is, until it had more than `shared_max` values. Where sets multiply all the same, fewer
//! keys are shared, in the end none, so that memory stays bounded whatever clients send.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use ahash::RandomState;
use duckdb::Connection;
use serde_json::json;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::append::Small;
use crate::otlp::conventions::{KeyTraits, Rules};
use crate::otlp::value::{AttrValue, write_json, write_string_json};
use crate::store::StoreError;

/// Values of a span that have a column of their own; further ones lie together in `more`.
pub(super) const PLACES: usize = 6;
/// Distinct values up to which a key is shared, at first.
const SHARED_VALUES_MAX: usize = 64;
/// Sets that are remembered; beyond it fewer keys are shared.
const SETS_MAX: usize = 16_384;
/// Keys that are remembered; attributes under further ones lie in `more`.
const KEYS_MAX: usize = 4_096;
/// Longest key that is remembered, and longest value that is shared, bytes.
const SHARED_BYTES_MAX: usize = 256;
/// Marks a key whose value stays with the span.
const OWN: u16 = 0x8000;

/// What became of the attributes of one span.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded {
    /// The set; 0: none.
    pub(super) set_id: u32,
    /// What the conventions see in the keys, all together.
    pub(super) traits: KeyTraits,
}

/// The sets known so far, and what is known of each key.
pub(super) struct AttributeSets {
    keys: Vec<Key>,
    numbers: HashMap<Box<str>, u16, RandomState>,
    /// By content as it came: a set is found without being written out.
    sets: HashMap<u128, u32, BuildHasherDefault<Identity>>,
    /// By content as it is stored, so that a restart finds the sets again.
    stored: HashMap<Box<str>, u32, RandomState>,
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
    own: Vec<u32>,
    more: Vec<u32>,
}

struct Key {
    text: Box<str>,
    traits: KeyTraits,
    is_shared: bool,
    values: HashSet<u64, RandomState>,
    span: u64,
}

impl AttributeSets {
    /// Those that are stored already, as far as they are remembered.
    pub(super) fn stored_in(connection: &Connection) -> Result<Self, StoreError> {
        let failed = "read attribute sets";
        let mut statement = connection
            .prepare(
                "select set_id, concat_ws(chr(10), attributes, key_1, key_2, key_3, key_4, key_5, key_6) \
                 from attribute_sets order by set_id desc limit 16384",
            )
            .map_err(StoreError::sql(failed))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(StoreError::sql(failed))?;
        let found: Vec<(u32, String)> = rows.collect::<Result<_, _>>().map_err(StoreError::sql(failed))?;
        let next_id = found.iter().map(|(id, _)| id + 1).max().unwrap_or(1);
        let mut sets = Self::new(next_id);
        sets.stored.extend(found.into_iter().map(|(id, content)| (content.into_boxed_str(), id)));
        Ok(sets)
    }

    fn new(next_id: u32) -> Self {
        Self {
            keys: Vec::new(),
            numbers: HashMap::default(),
            sets: HashMap::default(),
            stored: HashMap::default(),
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

    /// Finds or makes the set of these attributes. `own` and `more` then say which of them stay with the span.
    pub(super) fn encode(&mut self, attributes: &[(&str, AttrValue<'_>)], rules: &Rules) -> Encoded {
        loop {
            let traits = self.split(attributes, rules);
            if self.scratch.is_empty() {
                return Encoded { set_id: 0, traits };
            }
            let content = xxh3_128_with_seed(&self.scratch, self.seed);
            if let Some(set_id) = self.sets.get(&content) {
                return Encoded { set_id: *set_id, traits };
            }
            if let Some(set_id) = self.make(content, attributes) {
                return Encoded { set_id, traits };
            }
        }
    }

    /// Places of the attributes that have a column of their own, in the order of the columns.
    pub(super) fn own(&self) -> &[u32] {
        &self.own
    }

    /// Appends the attributes that have no column as JSON members.
    pub(super) fn write_more(&self, attributes: &[(&str, AttrValue<'_>)], out: &mut String) {
        for at in &self.more {
            if let Some((key, value)) = attributes.get(*at as usize) {
                write_member(key, value, out);
            }
        }
    }

    /// Sets that are not stored yet.
    pub(super) fn take(&mut self) -> Small {
        Small { table: "attribute_sets", key: &["set_id"], rows: std::mem::take(&mut self.rows) }
    }

    /// Sorts the attributes into shared ones (into `scratch`, with the keys of the others), own ones and more.
    fn split(&mut self, attributes: &[(&str, AttrValue<'_>)], rules: &Rules) -> KeyTraits {
        self.span += 1;
        self.scratch.clear();
        self.own.clear();
        self.more.clear();
        let mut traits = KeyTraits::default();
        for (at, (key, value)) in attributes.iter().enumerate() {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            let Some(number) = self.number(at, key, rules) else {
                traits.add(rules.key_traits(key));
                // Too many keys to remember them all: whether this one came before is looked up.
                if !attributes.iter().take(at).any(|(before, _)| before == key) {
                    self.more.push(place);
                }
                continue;
            };
            let Some(known) = self.keys.get_mut(usize::from(number)) else { continue };
            if std::mem::replace(&mut known.span, self.span) == self.span {
                continue;
            }
            traits.add(known.traits);
            if known.is_shared && !self.is_loose && write_content(number, value, &mut self.scratch) {
                continue;
            }
            if self.own.len() < PLACES && !self.is_loose {
                self.scratch.extend((number | OWN).to_le_bytes());
                self.own.push(place);
            } else {
                self.more.push(place);
            }
        }
        traits
    }

    /// The number of a key; `None` where there are too many.
    fn number(&mut self, at: usize, key: &str, rules: &Rules) -> Option<u16> {
        if let Some(number) = self.order.get(at)
            && self.keys.get(usize::from(*number)).is_some_and(|known| &*known.text == key)
        {
            return Some(*number);
        }
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
        self.keys.push(Key {
            text: key.into(),
            traits: rules.key_traits(key),
            is_shared: self.shared_max > 0,
            values: HashSet::default(),
            span: 0,
        });
        number
    }

    /// Makes the set that `scratch` describes; `None` where a key is shared no longer: then it is another set.
    fn make(&mut self, content: u128, attributes: &[(&str, AttrValue<'_>)]) -> Option<u32> {
        let mut changed = false;
        let mut members = String::new();
        for (at, (key, value)) in attributes.iter().enumerate() {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            if self.own.contains(&place) || self.more.contains(&place) {
                continue;
            }
            // A key that repeats was counted with its first value.
            if attributes.iter().take(at).any(|(before, _)| before == key) {
                continue;
            }
            changed |= self.count(key, value);
            write_member(key, value, &mut members);
        }
        if changed || self.is_crowded() {
            return None;
        }
        let keys: Vec<String> = self.own.iter().filter_map(|at| attributes.get(*at as usize)).map(label).collect();
        let set_id = self.store(members, &keys);
        self.sets.insert(content, set_id);
        Some(set_id)
    }

    /// Notes a value of a shared key; whether that made it one that is not.
    fn count(&mut self, key: &str, value: &AttrValue<'_>) -> bool {
        let Some(known) = self.numbers.get(key).and_then(|number| self.keys.get_mut(usize::from(*number))) else {
            return false;
        };
        let mut bytes = Vec::new();
        write_content(0, value, &mut bytes);
        known.values.insert(xxh3_64(&bytes));
        if known.values.len() > self.shared_max {
            known.is_shared = false;
            known.values = HashSet::default();
            return true;
        }
        false
    }

    /// Whether there were too many sets: then fewer keys are shared from here on.
    fn is_crowded(&mut self) -> bool {
        if self.sets.len() < SETS_MAX {
            return false;
        }
        self.is_loose = self.shared_max == 0;
        self.shared_max /= 4;
        self.sets.clear();
        self.stored.clear();
        for key in &mut self.keys {
            key.is_shared &= self.shared_max > 0 && key.values.len() <= self.shared_max;
        }
        true
    }

    fn store(&mut self, members: String, keys: &[String]) -> u32 {
        let mut content = members.clone();
        for key in keys {
            content.push('\n');
            content.push_str(key);
        }
        if let Some(set_id) = self.stored.get(content.as_str()) {
            return *set_id;
        }
        let set_id = self.next_id;
        self.next_id += 1;
        let mut row = json!({ "set_id": set_id, "attributes": members });
        for (at, key) in keys.iter().enumerate() {
            row[format!("key_{}", at + 1)] = json!(key);
        }
        self.rows.push(row.to_string());
        self.stored.insert(content.into_boxed_str(), set_id);
        set_id
    }
}

/// Appends `"key":value`, behind a comma where something stands before it.
fn write_member(key: &str, value: &AttrValue<'_>, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    write_string_json(key, out);
    out.push(':');
    write_json(value, out);
}

/// A key as it stands before its value.
fn label((key, _): &(&str, AttrValue<'_>)) -> String {
    let mut text = String::new();
    write_string_json(key, &mut text);
    text.push(':');
    text
}

/// Appends a key's number and its value, so that no two contents look alike; `false`, and nothing, where the
/// value is too long to be shared.
fn write_content(number: u16, value: &AttrValue<'_>, out: &mut Vec<u8>) -> bool {
    let (kind, bytes): (u8, &[u8]) = match value {
        AttrValue::Empty => (0, &[]),
        AttrValue::Str(text) => (1, text.as_bytes()),
        AttrValue::Bool(value) => (2, &[u8::from(*value)]),
        AttrValue::Int(value) => (3, &value.to_le_bytes()),
        AttrValue::Double(value) => (4, &value.to_le_bytes()),
        AttrValue::Bytes(bytes) => (5, bytes),
        AttrValue::Nested(raw) => (6, raw),
    };
    let Some(length) = u16::try_from(bytes.len()).ok().filter(|length| usize::from(*length) <= SHARED_BYTES_MAX) else {
        return false;
    };
    out.extend(number.to_le_bytes());
    out.push(kind);
    out.extend(length.to_le_bytes());
    out.extend_from_slice(bytes);
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
mod tests {
    use super::*;

    fn encode(sets: &mut AttributeSets, attributes: &[(&str, AttrValue<'_>)]) -> (u32, String) {
        let rules = Rules::embedded().unwrap();
        let encoded = sets.encode(attributes, &rules);
        (encoded.set_id, json_of(sets, encoded.set_id, attributes))
    }

    /// As the view puts it together.
    fn json_of(sets: &AttributeSets, set_id: u32, attributes: &[(&str, AttrValue<'_>)]) -> String {
        let content = sets.stored.iter().find(|(_, id)| **id == set_id).map_or("", |(content, _)| &**content);
        let mut lines = content.split('\n');
        let mut members: Vec<String> =
            lines.next().filter(|shared| !shared.is_empty()).map(str::to_owned).into_iter().collect();
        for (key, at) in lines.zip(sets.own()) {
            let mut member = key.to_owned();
            write_json(&attributes[*at as usize].1, &mut member);
            members.push(member);
        }
        let mut more = String::new();
        sets.write_more(attributes, &mut more);
        members.extend(Some(more).filter(|more| !more.is_empty()));
        format!("{{{}}}", members.join(","))
    }

    fn value_of(json: &str) -> serde_json::Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn attributes_come_back_whole_whatever_was_shared() {
        let mut sets = AttributeSets::new(1);
        for turn in 0..300_i64 {
            let path = format!("/items/{turn}");
            let attributes = [
                ("http.request.method", AttrValue::Str("GET")),
                ("url.path", AttrValue::Str(&path)),
                ("port", AttrValue::Int(turn % 3)),
                ("quoted\"key", AttrValue::Double(turn as f64 / 2.0)),
            ];
            let (_, json) = encode(&mut sets, &attributes);
            let expected = json!({
                "http.request.method": "GET", "url.path": path, "port": turn % 3, "quoted\"key": turn as f64 / 2.0
            });
            assert_eq!(value_of(&json), expected, "turn {turn}");
        }
        let before = sets.stored.len();
        encode(
            &mut sets,
            &[
                ("http.request.method", AttrValue::Str("GET")),
                ("url.path", AttrValue::Str("/new")),
                ("port", AttrValue::Int(1)),
                ("quoted\"key", AttrValue::Double(0.25)),
            ],
        );
        assert_eq!(sets.stored.len(), before, "what varies makes no set");
    }

    #[test]
    fn the_first_value_of_a_repeated_key_counts() {
        let mut sets = AttributeSets::new(1);
        let (_, json) = encode(&mut sets, &[("k", AttrValue::Int(1)), ("k", AttrValue::Int(2))]);
        assert_eq!(json, r#"{"k":1}"#);
    }

    #[test]
    fn more_values_than_places_lie_together() {
        let mut sets = AttributeSets::new(1);
        let long = "x".repeat(SHARED_BYTES_MAX + 1);
        let keys: Vec<String> = (0..PLACES + 3).map(|at| format!("k{at}")).collect();
        let attributes: Vec<(&str, AttrValue<'_>)> =
            keys.iter().map(|key| (key.as_str(), AttrValue::Str(&long))).collect();
        let (_, json) = encode(&mut sets, &attributes);
        assert_eq!(value_of(&json).as_object().unwrap().len(), PLACES + 3);
        assert_eq!(sets.own().len(), PLACES);
    }

    #[test]
    fn values_without_end_share_less_and_stay_bounded() {
        let mut sets = AttributeSets::new(1);
        let rules = Rules::embedded().unwrap();
        // Ten keys of sixty values each: any combination may come.
        let names: Vec<String> = (0..10).map(|key| format!("key.{key}")).collect();
        let mut state = 1_u64;
        for _ in 0..40_000 {
            let attributes: Vec<(&str, AttrValue<'_>)> = names
                .iter()
                .map(|name| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (name.as_str(), AttrValue::Int(i64::try_from(state >> 33).unwrap() % 60))
                })
                .collect();
            sets.encode(&attributes, &rules);
            assert!(sets.sets.len() <= SETS_MAX && sets.stored.len() <= SETS_MAX);
        }
        assert!(sets.shared_max < SHARED_VALUES_MAX, "fewer values make a key that is not shared");
    }

    #[test]
    fn keys_without_end_are_kept_and_not_remembered() {
        let mut sets = AttributeSets::new(1);
        for turn in 0..KEYS_MAX + 100 {
            let key = format!("key.{turn}");
            let (_, json) = encode(&mut sets, &[(&key, AttrValue::Bool(true))]);
            assert_eq!(value_of(&json), json!({ key: true }));
        }
        assert_eq!(sets.keys.len(), KEYS_MAX);
    }
}
