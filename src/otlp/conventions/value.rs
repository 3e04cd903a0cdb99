//! Attribute values as text, numbers and JSON.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use prost::Message;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::literal::document;
use crate::otlp::value::AttrValue;

/// Longest JSON text that is looked into, bytes: longer ones are payloads, not usage.
const JSON_BYTES_MAX: usize = 256 * 1024;
/// Longest text kept of any fact, characters.
pub(super) const TEXT_CHARS_MAX: usize = 500;
/// Integers above this are not exact as doubles.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The value as text: ids and names may come as numbers. Empty text is no value.
pub(super) fn text<'a>(value: &AttrValue<'a>) -> Option<Cow<'a, str>> {
    match *value {
        AttrValue::Str(text) => unquoted(text),
        AttrValue::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
        AttrValue::Int(number) => Some(Cow::Owned(number.to_string())),
        AttrValue::Double(number) => number.is_finite().then(|| Cow::Owned(number.to_string())),
        AttrValue::Empty | AttrValue::Bytes(_) | AttrValue::Nested(_) => None,
    }
}

/// Some tools write every value as JSON: text that is one JSON string is the text inside.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let plain = text.trim();
    if plain.len() >= 2
        && plain.len() <= JSON_BYTES_MAX
        && plain.starts_with('"')
        && let Ok(inside) = serde_json::from_str::<String>(plain)
    {
        return (!inside.trim().is_empty()).then_some(Cow::Owned(inside));
    }
    (!plain.is_empty()).then_some(Cow::Borrowed(text))
}

/// The value as a finite number; text that is a number counts.
#[expect(clippy::cast_precision_loss, reason = "counts and sizes stay far below 2^53")]
pub(super) fn number(value: &AttrValue<'_>) -> Option<f64> {
    match *value {
        AttrValue::Int(number) => Some(number as f64),
        AttrValue::Double(number) => number.is_finite().then_some(number),
        AttrValue::Str(text) => parse_number(text),
        _ => None,
    }
}

/// Text as a finite number.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    text.trim().trim_matches('"').parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A count: whole, not negative, exact.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
pub(super) fn count(number: f64) -> Option<i64> {
    (0.0..=EXACT_MAX).contains(&number).then(|| number.round() as i64)
}

/// What stands at a dotted path of a JSON value.
pub(super) fn json_path(value: &AttrValue<'_>, path: &str) -> Option<Value> {
    let mut found = &json(value)?;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        found = match found {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(part)?,
        };
    }
    Some(found.clone())
}

/// Sum of the numbers of a JSON object; its own `total` where it has one.
pub(super) fn json_sum(value: &AttrValue<'_>) -> Option<f64> {
    let Value::Object(map) = json(value)? else { return None };
    if let Some(total) = map.get("total").and_then(json_number) {
        return Some(total);
    }
    let numbers: Vec<f64> = map.values().filter_map(json_number).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum())
}

/// Sum of the numbers of a JSON object under a word, and under those that begin with it and `_`, where the object counts
/// kinds apart from each other: its `total` is more than `input` and `output`.
pub(super) fn json_parts(value: &AttrValue<'_>, word: &str) -> Option<f64> {
    let Value::Object(map) = json(value)? else { return None };
    let stated = |key: &str| map.get(key).and_then(json_number);
    if stated("input").unwrap_or(0.0) + stated("output").unwrap_or(0.0) >= stated("total")? {
        return None;
    }
    let is_part = |key: &str| key.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    let parts: Vec<f64> =
        map.iter().filter(|(key, _)| is_part(key)).filter_map(|(_, part)| json_number(part)).collect();
    (!parts.is_empty()).then(|| parts.iter().sum())
}

/// A JSON scalar as text.
pub(super) fn json_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn json_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| parse_number(value.as_str()?)).filter(|number| number.is_finite())
}

fn json(value: &AttrValue<'_>) -> Option<Value> {
    match *value {
        AttrValue::Str(text) if text.len() <= JSON_BYTES_MAX => document(text),
        AttrValue::Nested(bytes) if bytes.len() <= JSON_BYTES_MAX => AnyValue::decode(bytes).ok().map(any_to_json),
        _ => None,
    }
}

fn any_to_json(value: AnyValue) -> Value {
    match value.value {
        Some(any_value::Value::StringValue(text)) => Value::String(text),
        Some(any_value::Value::BoolValue(flag)) => Value::Bool(flag),
        Some(any_value::Value::IntValue(number)) => Value::from(number),
        Some(any_value::Value::DoubleValue(number)) => Value::from(number),
        Some(any_value::Value::ArrayValue(array)) => array.values.into_iter().map(any_to_json).collect(),
        Some(any_value::Value::KvlistValue(list)) => list
            .values
            .into_iter()
            .map(|pair| (pair.key, pair.value.map_or(Value::Null, any_to_json)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}

/// Cuts text to [`TEXT_CHARS_MAX`] characters, without control characters at its ends.
pub(super) fn trimmed(text: &str) -> Option<String> {
    bare(text).map(|text| text.chars().take(TEXT_CHARS_MAX).collect())
}

/// As [`trimmed`], for what tells things apart: names and ids that differ only behind the cut stay different,
/// because the end of a cut one is a hash of the whole.
pub(super) fn identity(text: &str) -> Option<String> {
    let text = bare(text)?;
    // More bytes than characters that may stay: only then is it worth counting them.
    if text.len() <= TEXT_CHARS_MAX || text.chars().count() <= TEXT_CHARS_MAX {
        return Some(text.to_owned());
    }
    let kept: String = text.chars().take(TEXT_CHARS_MAX - 17).collect();
    Some(format!("{kept}~{:016x}", xxh3_64(text.as_bytes())))
}

fn bare(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    (!text.is_empty()).then_some(text)
}

/// Without the JSON quotes that some tools put around a word, in lower case.
pub(super) fn plain_word(text: &str) -> String {
    text.trim().trim_matches('"').to_lowercase()
}

/// A word for an outcome without what emitters write in different ways: case, quotes, `timed_out`, `timed-out`, `timedOut`.
pub(super) fn outcome_key(text: &str) -> String {
    plain_word(text).chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_inside_json_is_found_by_path_and_by_sum() {
        let usage = AttrValue::Str(r#"{"input": 120, "output": "14", "deep": {"a": [1, 2]}}"#);
        assert_eq!(json_path(&usage, "input"), Some(Value::from(120)));
        assert_eq!(json_path(&usage, "deep.a.1"), Some(Value::from(2)));
        assert_eq!(json_path(&usage, "missing.a"), None);
        assert_eq!(json_sum(&usage), Some(134.0));
        assert_eq!(json_sum(&AttrValue::Str(r#"{"input":1,"output":2,"total":3}"#)), Some(3.0));
        // Langfuse's LangChain handler takes the details out of the totals; others leave them in.
        let apart =
            AttrValue::Str(r#"{"input":60,"output":30,"total":150,"input_cache_read":40,"output_reasoning":20}"#);
        assert_eq!((json_parts(&apart, "input"), json_parts(&apart, "output")), (Some(100.0), Some(50.0)));
        let inside = AttrValue::Str(r#"{"input":100,"output":50,"total":150,"input_cache_read":40}"#);
        assert_eq!(json_parts(&inside, "input"), None);
        assert_eq!(json_parts(&AttrValue::Str(r#"{"input":100,"input_x":1}"#), "input"), None);
        // Trap 10: Python prints its dictionaries otherwise.
        assert_eq!(json_path(&AttrValue::Str("{'input': 120, 'more': None}"), "input"), Some(Value::from(120)));
    }

    #[test]
    fn ids_that_differ_behind_the_cut_stay_different() {
        let (a, b) = ("x".repeat(600) + "a", "x".repeat(600) + "b");
        assert_eq!(identity(&a).unwrap().chars().count(), TEXT_CHARS_MAX);
        assert_ne!(identity(&a), identity(&b));
        assert_eq!(identity(&a), identity(&a));
        assert_eq!(identity(&"é".repeat(500)).unwrap(), "é".repeat(500));
        assert_eq!(identity(" r-1\n").as_deref(), Some("r-1"));
    }

    #[test]
    fn text_that_is_a_json_string_is_the_text_inside() {
        assert_eq!(text(&AttrValue::Str("\"tr-1\"")).as_deref(), Some("tr-1"));
        assert_eq!(text(&AttrValue::Str("\"half")).as_deref(), Some("\"half"));
        assert_eq!(text(&AttrValue::Str("\"\"")), None);
        assert_eq!(number(&AttrValue::Str("\"0.87\"")), Some(0.87));
    }

    #[test]
    fn what_is_not_json_is_nothing_and_never_a_panic() {
        for text in ["", "{'b': 1}", "nan", "[", "{\"a\":"] {
            assert_eq!(json_path(&AttrValue::Str(text), "a"), None, "{text}");
        }
        assert_eq!(json_path(&AttrValue::Nested(&[0xff, 0x01]), "a"), None);
        assert_eq!(number(&AttrValue::Double(f64::NAN)), None);
        assert_eq!(count(-1.0), None);
        assert_eq!(count(1e300), None);
    }
}
