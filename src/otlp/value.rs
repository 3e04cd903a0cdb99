//! An attribute's value, borrowed from the request that carried it, and its JSON.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::wire::{Nested, nested};

/// An OTLP `AnyValue` without a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttrValue<'a> {
    /// No value was set.
    Empty,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double; may be NaN or infinite.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array or a map: its encoded `AnyValue` message.
    Nested(&'a [u8]),
}

/// How deep arrays and maps may nest; the door refuses what is deeper.
pub const DEPTH_MAX: u32 = 64;

/// Keys of one object that are compared one by one; with more, a set is used.
const KEYS_ON_STACK: usize = 32;

/// Appends a value as JSON: integers as numbers, doubles in the fewest digits that read back the same,
/// NaN and infinities as text, bytes as Base64 text, arrays and maps as JSON; no value as null.
pub fn write_json(value: &AttrValue<'_>, out: &mut String) {
    write_at_depth(value, out, 0);
}

/// Appends attributes as a JSON object. Where a key repeats, its first value is kept.
pub fn write_attributes_json<'a>(attributes: impl Iterator<Item = (&'a str, AttrValue<'a>)>, out: &mut String) {
    write_object(attributes, out, 0);
}

/// Appends text as a JSON string.
pub fn write_string_json(text: &str, out: &mut String) {
    out.push('"');
    // Nearly all text needs no escape; without an early exit the test runs over many bytes at once.
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut clean_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.push_str(text.get(clean_from..index).unwrap_or_default());
        clean_from = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                push_hex(byte, out);
            }
        }
    }
    out.push_str(text.get(clean_from..).unwrap_or_default());
    out.push('"');
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Appends a double as JSON; what JSON has no number for becomes text, as in proto3 JSON.
pub fn write_double_json(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("\"NaN\"");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    } else {
        // Writing to a String cannot fail. `Debug` gives the shortest form that reads back the same.
        let _infallible = write!(out, "{value:?}");
    }
}

/// Appends bytes as lower-case hex, as ids are written.
pub fn write_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        push_hex(*byte, out);
    }
}

fn push_hex(byte: u8, out: &mut String) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
    }
}

fn write_at_depth(value: &AttrValue<'_>, out: &mut String, depth: u32) {
    match *value {
        AttrValue::Empty => out.push_str("null"),
        AttrValue::Str(text) => write_string_json(text, out),
        AttrValue::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        AttrValue::Int(value) => write_int(value, out),
        AttrValue::Double(value) => write_double_json(value, out),
        AttrValue::Bytes(bytes) => write_base64(bytes, out),
        AttrValue::Nested(raw) => write_nested(raw, out, depth + 1),
    }
}

fn write_nested(raw: &[u8], out: &mut String, depth: u32) {
    if depth > DEPTH_MAX {
        return out.push_str("null");
    }
    match nested(raw) {
        None => out.push_str("null"),
        Some(Nested::Map(map)) => write_object(map, out, depth),
        Some(Nested::Array(array)) => {
            out.push('[');
            for (index, value) in array.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_at_depth(&value, out, depth);
            }
            out.push(']');
        }
    }
}

fn write_object<'a>(entries: impl Iterator<Item = (&'a str, AttrValue<'a>)>, out: &mut String, depth: u32) {
    let mut seen = Keys { few: [""; KEYS_ON_STACK], count: 0, many: HashSet::new() };
    out.push('{');
    for (key, value) in entries {
        if !seen.insert(key) {
            continue;
        }
        if seen.count > 1 {
            out.push(',');
        }
        write_string_json(key, out);
        out.push(':');
        write_at_depth(&value, out, depth);
    }
    out.push('}');
}

/// The keys of one object so far; allocates only beyond `KEYS_ON_STACK`.
struct Keys<'a> {
    few: [&'a str; KEYS_ON_STACK],
    count: usize,
    many: HashSet<&'a str>,
}

impl<'a> Keys<'a> {
    /// Whether the key is new.
    fn insert(&mut self, key: &'a str) -> bool {
        let held = self.count.min(KEYS_ON_STACK);
        if self.few.iter().take(held).any(|known| *known == key) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(free) => *free = key,
            None if !self.many.insert(key) => return false,
            None => {}
        }
        self.count += 1;
        true
    }
}

fn write_int(value: i64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.extend(digits.iter().skip(at).map(|digit| char::from(*digit)));
}

fn write_base64(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            if place <= chunk.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use prost::Message as _;

    fn json(value: AttrValue<'_>) -> String {
        let mut out = String::new();
        write_json(&value, &mut out);
        out
    }

    #[test]
    fn scalars_become_json_scalars() {
        assert_eq!(json(AttrValue::Empty), "null");
        assert_eq!(json(AttrValue::Bool(true)), "true");
        assert_eq!(json(AttrValue::Int(i64::MIN)), "-9223372036854775808");
        assert_eq!(json(AttrValue::Int(0)), "0");
        assert_eq!(json(AttrValue::Double(0.1)), "0.1");
        assert_eq!(json(AttrValue::Double(1e300)), "1e300");
        assert_eq!(json(AttrValue::Double(f64::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(json(AttrValue::Double(f64::NAN)), "\"NaN\"");
    }

    #[test]
    fn text_is_escaped_so_that_a_json_parser_gives_it_back() {
        let hostile = "a\"b\\c\u{0}\u{1f}\n\r\t\u{7f}é✅<script>";
        let back: String = serde_json::from_str(&json(AttrValue::Str(hostile))).unwrap();
        assert_eq!(back, hostile);
    }

    #[test]
    fn bytes_become_base64_of_every_length() {
        // Python: base64.b64encode
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(json(AttrValue::Bytes(bytes.as_bytes())), format!("\"{text}\""));
        }
    }

    #[test]
    fn arrays_and_maps_nest() {
        let text = |text: &str| AnyValue { value: Some(Value::StringValue(text.to_owned())) };
        let map = KeyValueList {
            values: vec![
                KeyValue { key: "k".to_owned(), value: Some(text("v")), ..KeyValue::default() },
                KeyValue { key: "none".to_owned(), value: None, ..KeyValue::default() },
            ],
        };
        let array = ArrayValue {
            values: vec![
                AnyValue { value: Some(Value::IntValue(-7)) },
                AnyValue { value: Some(Value::KvlistValue(map)) },
                AnyValue { value: None },
                AnyValue { value: Some(Value::ArrayValue(ArrayValue::default())) },
            ],
        };
        let raw = AnyValue { value: Some(Value::ArrayValue(array)) }.encode_to_vec();
        assert_eq!(json(super::super::wire::attr_value(&raw).unwrap()), r#"[-7,{"k":"v","none":null},null,[]]"#);
    }

    #[test]
    fn the_first_of_two_equal_keys_is_kept_also_among_many() {
        let names: Vec<String> = (0..100).map(|index| format!("k{}", index % 50)).collect();
        let entries = names.iter().enumerate().map(|(index, key)| (key.as_str(), AttrValue::Int(index as i64)));
        let mut out = String::new();
        write_attributes_json(entries, &mut out);
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&out).unwrap();
        assert_eq!(object.len(), 50);
        assert_eq!(object["k3"], 3);
        assert_eq!(out.matches("\"k49\":").count(), 1);
    }
}
