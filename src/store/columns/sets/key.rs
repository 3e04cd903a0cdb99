//! What is known of an attribute's key: how it is written, and how its values vary.

use std::collections::HashSet;

use ahash::RandomState;

use crate::otlp::conventions::KeyTraits;
use crate::otlp::value::{AttrValue, write_json, write_string_json};
use crate::otlp::wire::key_value;

/// Forms that the values of one key may have; with more they stay texts.
const FORMS_MAX: usize = 16;

/// A key, or a part of a span that is counted like one.
pub(super) struct Key {
    /// The key as a `KeyValue` message begins with it.
    pub(super) prefix: Box<[u8]>,
    pub(super) traits: KeyTraits,
    /// Values lie in the set.
    pub(super) is_shared: bool,
    /// Values that are a number with text around it lie there without their number.
    pub(super) is_formed: bool,
    /// The span that had it last.
    pub(super) span: u64,
    values: HashSet<u64, RandomState>,
    forms: HashSet<u64, RandomState>,
}

impl Key {
    pub(super) fn new(text: &str, traits: KeyTraits, is_shared: bool) -> Self {
        Self {
            prefix: prefix_of(text),
            traits,
            is_shared,
            is_formed: is_shared,
            span: 0,
            values: HashSet::default(),
            forms: HashSet::default(),
        }
    }

    /// Notes a shared value by its hash; whether there are now too many to share.
    pub(super) fn count_value(&mut self, value: u64, values_max: usize) -> bool {
        count(&mut self.is_shared, &mut self.values, value, values_max)
    }

    /// Notes a form by its hash; whether there are now too many.
    pub(super) fn count_form(&mut self, form: u64, values_max: usize) -> bool {
        count(&mut self.is_formed, &mut self.forms, form, values_max.min(FORMS_MAX))
    }

    /// From here on so many values may be shared.
    pub(super) fn tighten(&mut self, values_max: usize) {
        self.is_shared &= values_max > 0 && self.values.len() <= values_max;
        self.is_formed &= values_max > 0 && self.forms.len() <= values_max;
    }
}

fn count(is_counted: &mut bool, known: &mut HashSet<u64, RandomState>, hash: u64, known_max: usize) -> bool {
    known.insert(hash);
    if known.len() <= known_max {
        return false;
    }
    *is_counted = false;
    *known = HashSet::default();
    true
}

/// The key of an encoded `KeyValue`.
pub(super) fn key_of(raw: &[u8]) -> &str {
    key_value(raw).map_or("", |(key, _)| key)
}

/// A key as it stands before its value.
pub(super) fn label(key: &str) -> String {
    let mut text = String::new();
    write_string_json(key, &mut text);
    text.push(':');
    text
}

/// Appends `"key":value`, behind a comma where something stands before it.
pub(super) fn write_member(key: &str, value: &AttrValue<'_>, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    write_string_json(key, out);
    out.push(':');
    write_json(value, out);
}

/// The field with which a `KeyValue` of this key begins: tag, length, text. A length differs where one key begins
/// another.
fn prefix_of(key: &str) -> Box<[u8]> {
    let mut prefix = vec![0x0a];
    let mut length = key.len();
    while length >= 0x80 {
        prefix.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    prefix.push((length & 0x7f) as u8);
    prefix.extend_from_slice(key.as_bytes());
    prefix.into_boxed_slice()
}
