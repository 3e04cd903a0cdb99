//! Covers values of attributes: text, JSON within text, lists, maps.

use std::net::{IpAddr, SocketAddr};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value;

use super::Veil;
use super::text::{veil, word};
use crate::otlp::conventions::document;

/// Longer JSON text is covered as text, bytes.
const JSON_BYTES_MAX: usize = 256 * 1024;
/// Longer texts are not searched for what a name stands between, bytes: no command line is.
const MARKED_BYTES_MAX: usize = 8 * 1024;

/// Every value of these attributes.
pub(super) fn attributes(with: &Veil, list: &mut [KeyValue]) {
    for pair in list {
        if let Some(found) = &mut pair.value {
            value(with, &pair.key, found);
        }
    }
}

/// One value; `key` says which words of it may stay.
pub(super) fn value(with: &Veil, key: &str, found: &mut AnyValue) {
    match &mut found.value {
        Some(Any::StringValue(text)) => {
            if let Some(covered) = covered(with, key, text) {
                *text = covered;
            }
        }
        Some(Any::BytesValue(bytes)) => *bytes = with.key.hash(bytes)[..16].to_vec(),
        Some(Any::ArrayValue(array)) => array.values.iter_mut().for_each(|one| value(with, key, one)),
        Some(Any::KvlistValue(list)) => {
            for pair in &mut list.values {
                if let Some(found) = &mut pair.value {
                    value(with, &pair.key, found);
                }
                pair.key = inner_key(with, &pair.key);
            }
        }
        _ => {}
    }
}

/// What stands for a text; `None` where it may stay.
fn covered(with: &Veil, key: &str, text: &str) -> Option<String> {
    let readable = with.rules.readable();
    if readable.is_key(key) || readable.is_word(key, text) || is_number(text) {
        return None;
    }
    // Numbers stay, but not those of a machine.
    if text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() {
        return Some(word(&with.key, text));
    }
    if readable.is_name_key(key) {
        return Some(name(with, text));
    }
    if let Some((enumeration, outcome)) = readable.split_outcome(key, text) {
        return Some(format!("{}{outcome}", veil(&with.key, enumeration)));
    }
    let marks = readable.marks(key);
    if !marks.is_empty() && text.len() <= MARKED_BYTES_MAX {
        return Some(between(with, text, marks));
    }
    let is_json =
        matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"')) && text.len() <= JSON_BYTES_MAX;
    match is_json.then(|| document(text)).flatten() {
        Some(mut found) => {
            json(with, key, &mut found);
            Some(found.to_string())
        }
        None => Some(veil(&with.key, text)),
    }
}

/// A number, and no word that is read as one (`inf`, `nan`).
fn is_number(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.trim().parse::<f64>().is_ok()
}

/// The name of a span, or what is held against it.
pub(super) fn name(with: &Veil, text: &str) -> String {
    let (head, middle, tail) = with.rules.readable().split_name(text);
    format!("{head}{}{tail}", veil(&with.key, middle))
}

/// A text whose marks stay, so that what stands between them is found as before.
fn between(with: &Veil, text: &str, marks: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let first = marks.iter().filter_map(|mark| rest.find(mark.as_str()).map(|at| (at, at + mark.len())));
        let Some((from, to)) = first.min() else { break };
        out.push_str(&veil(&with.key, &rest[..from]));
        out.push_str(&rest[from..to]);
        rest = &rest[to..];
    }
    out.push_str(&veil(&with.key, rest));
    out
}

/// A key within a value belongs to the value, unless a rule looks for it.
fn inner_key(with: &Veil, key: &str) -> String {
    if with.rules.readable().is_json_key(key) { key.to_owned() } else { veil(&with.key, key) }
}

fn json(with: &Veil, key: &str, found: &mut Value) {
    match found {
        Value::String(text) => {
            if let Some(covered) = covered(with, key, text) {
                *text = covered;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| json(with, key, item)),
        Value::Object(map) => {
            *map = std::mem::take(map)
                .into_iter()
                .map(|(name, mut value)| {
                    json(with, &name, &mut value);
                    (inner_key(with, &name), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
