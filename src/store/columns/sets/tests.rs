//! Attributes come back whole, and memory stays bounded.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;

use serde_json::json;

use super::*;
use crate::otlp::value::{AttrValue, write_json};

fn encoded(attributes: &[(&str, AttrValue<'_>)]) -> Vec<Vec<u8>> {
    let any = |value: &AttrValue<'_>| match *value {
        AttrValue::Str(text) => Value::StringValue(text.to_owned()),
        AttrValue::Int(value) => Value::IntValue(value),
        AttrValue::Double(value) => Value::DoubleValue(value),
        AttrValue::Bool(value) => Value::BoolValue(value),
        _ => unreachable!("no test needs it"),
    };
    let message = |(key, value): &(&str, AttrValue<'_>)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(any(value)) }),
        ..KeyValue::default()
    };
    attributes.iter().map(|attribute| message(attribute).encode_to_vec()).collect()
}

fn encode(sets: &mut SpanSets, attributes: &[(&str, AttrValue<'_>)]) -> (u32, String) {
    let rules = Rules::embedded().unwrap();
    let messages = encoded(attributes);
    let raw: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let encoded = sets.encode(Parts { name: "a", events: "", attributes: &raw }, &rules);
    (encoded.set_id, json_of(sets, encoded.set_id, &raw))
}

/// As the view puts it together, but for `format()`, which is DuckDB's.
fn json_of(sets: &SpanSets, set_id: u32, attributes: &[&[u8]]) -> String {
    let content =
        sets.stored.iter().find(|(_, id)| **id == set_id).map_or(r#"["",[],null,null]"#, |(content, _)| &**content);
    let parts: Vec<serde_json::Value> = serde_json::from_str(content).unwrap();
    let shared: String = serde_json::from_value(parts[0].clone()).unwrap();
    let places: Vec<(bool, String)> = serde_json::from_value(parts[1].clone()).unwrap();
    let mut members: Vec<String> = Some(shared).filter(|shared| !shared.is_empty()).into_iter().collect();
    for ((is_number, text), own) in places.into_iter().zip(sets.own()) {
        assert_eq!(is_number, own.number.is_some());
        members.push(match own.number {
            Some(number) => text.replace("{:016x}", &format!("{number:016x}")).replace("{}", &number.to_string()),
            None => {
                let mut member = text;
                write_json(&key_value(attributes[own.at as usize]).unwrap().1, &mut member);
                member
            }
        });
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
    let mut sets = SpanSets::new(1);
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
            ("url.path", AttrValue::Str("/items/4711")),
            ("port", AttrValue::Int(1)),
            ("quoted\"key", AttrValue::Double(0.25)),
        ],
    );
    assert_eq!(sets.stored.len(), before, "what varies makes no set");
}

#[test]
fn a_number_with_text_around_it_is_stored_as_a_number_while_the_text_repeats() {
    let mut sets = SpanSets::new(1);
    let mut turn = |path: &str| {
        let (set_id, json) = encode(&mut sets, &[("url.path", AttrValue::Str(path))]);
        assert_eq!(value_of(&json), json!({ "url.path": path }));
        (set_id, sets.own().first().and_then(|own| own.number))
    };
    // Until there were many values, they are shared.
    for at in 0..SHARED_VALUES_MAX {
        assert_eq!(turn(&format!("/items/{at}")).1, None);
    }
    let (first, number) = turn("/items/4711");
    assert_eq!(number, Some(4711));
    assert_eq!(turn("/items/4712"), (first, Some(4712)));
    assert_eq!(turn("/nothing").1, None, "no number");
    for at in 0..40 {
        let name = "abcdefghijklmnopqrstuvwxyz".repeat(2);
        turn(&format!("/{}/1", &name[..=at]));
    }
    assert_eq!(turn("/items/4713").1, None, "too many texts around it: they stay with their spans");
}

#[test]
fn the_first_value_of_a_repeated_key_counts() {
    let mut sets = SpanSets::new(1);
    let (_, json) = encode(&mut sets, &[("k", AttrValue::Int(1)), ("k", AttrValue::Int(2))]);
    assert_eq!(json, r#"{"k":1}"#);
}

#[test]
fn more_values_than_places_lie_together() {
    let mut sets = SpanSets::new(1);
    let long = "x".repeat(SHARED_BYTES_MAX + 1);
    let keys: Vec<String> = (0..PLACES + 3).map(|at| format!("k{at}")).collect();
    let attributes: Vec<(&str, AttrValue<'_>)> = keys.iter().map(|key| (key.as_str(), AttrValue::Str(&long))).collect();
    let (_, json) = encode(&mut sets, &attributes);
    assert_eq!(value_of(&json).as_object().unwrap().len(), PLACES + 3);
    assert_eq!(sets.own().len(), PLACES);
}

#[test]
fn values_without_end_share_less_and_stay_bounded() {
    let mut sets = SpanSets::new(1);
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
        let messages = encoded(&attributes);
        let raw: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        sets.encode(Parts { name: "a", events: "", attributes: &raw }, &rules);
        assert!(sets.sets.len() <= SETS_MAX && sets.stored.len() <= SETS_MAX);
    }
    assert!(sets.shared_max < SHARED_VALUES_MAX, "fewer values make a key that is not shared");
}

#[test]
fn long_values_make_fewer_sets_than_short_ones() {
    let mut sets = SpanSets::new(1);
    let rules = Rules::embedded().unwrap();
    // Forty keys of sixty values each, as long as shared ones may be: a set has about nine thousand bytes.
    let names: Vec<String> = (0..40).map(|key| format!("key.{key}")).collect();
    let values: Vec<String> = (0..60).map(|value| format!("{value:02}{}", "x".repeat(220))).collect();
    let mut state = 1_u64;
    let (mut sets_most, mut bytes_most) = (0, 0);
    while sets.shared_max == SHARED_VALUES_MAX {
        let attributes: Vec<(&str, AttrValue<'_>)> = names
            .iter()
            .map(|name| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (name.as_str(), AttrValue::Str(&values[usize::try_from(state >> 33).unwrap() % values.len()]))
            })
            .collect();
        let messages = encoded(&attributes);
        let raw: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        sets.encode(Parts { name: "a", events: "", attributes: &raw }, &rules);
        (sets_most, bytes_most) = (sets_most.max(sets.stored.len()), bytes_most.max(sets.stored_bytes));
        assert!(sets_most < SETS_MAX, "their bytes bound them");
        sets.rows.clear();
    }
    let longest = 16 * 1024;
    assert!((SETS_BYTES_MAX..SETS_BYTES_MAX + longest).contains(&bytes_most), "{bytes_most}");
    assert_eq!(sets.stored_bytes, sets.stored.keys().map(|content| content.len()).sum::<usize>());
    assert!(sets.stored_bytes < longest, "it began anew: {}", sets.stored_bytes);
}

#[test]
fn a_name_is_shared_until_there_are_many() {
    let mut sets = SpanSets::new(1);
    let rules = Rules::embedded().unwrap();
    let mut shares = |name: &str| sets.encode(Parts { name, ..Parts::default() }, &rules).shares_name;
    assert!((0..64).all(|at| shares(&format!("step {at}"))));
    assert!(!shares("one more"));
    assert!(!shares("step 1"), "from here on names stay with their spans");
}

#[test]
fn keys_without_end_are_kept_and_not_remembered() {
    let mut sets = SpanSets::new(1);
    for turn in 0..KEYS_MAX + 100 {
        let key = format!("key.{turn}");
        let (_, json) = encode(&mut sets, &[(&key, AttrValue::Bool(true))]);
        assert_eq!(value_of(&json), json!({ key: true }));
    }
    assert_eq!(sets.keys.len(), KEYS_MAX);
}
