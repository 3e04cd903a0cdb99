//! Template filters: numbers, money, bytes and times, said as `model::unit` says them. Unknown is `–`.

use minijinja::value::ValueKind;
use minijinja::{Environment, Value};

use crate::model::Metric;
use crate::model::unit::{
    format_bytes, format_change_percent, format_count, format_duration, format_metric, format_minute, format_share,
    format_usd, parse_time,
};

use super::clean;
use super::words;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "–";

/// Registers the filters that templates may use.
pub(super) fn register(env: &mut Environment<'_>) {
    env.add_filter("duration", |value: &Value| number(value, format_duration));
    env.add_filter("usd", |value: &Value| number(value, format_usd));
    env.add_filter("bytes", |value: &Value| number(value, format_bytes));
    env.add_filter("count", |value: &Value| number(value, format_count));
    env.add_filter("share", |value: &Value| number(value, format_share));
    env.add_filter("change", |value: &Value| number(value, format_change_percent));
    env.add_filter("p", |value: &Value| number(value, words::p_value));
    env.add_filter("metric", |value: &Value, metric: &str| match Metric::from_word(metric) {
        Some(metric) => number(value, |number| format_metric(metric, number)),
        None => number(value, format_count),
    });
    env.add_filter("label", |metric: &str| {
        Metric::from_word(metric).map_or(clean::name(metric), |m| m.label().to_owned())
    });
    env.add_filter("when", |value: &Value| value.as_str().map_or(UNKNOWN.to_owned(), when));
    env.add_filter("name", |value: &Value| text(value, clean::NAME_MAX));
    env.add_filter("brief", |value: &Value| text(value, 24));
    env.add_filter("words", |value: &str| value.replace('_', " "));
}

/// `2026-05-01 08:00 UTC`; what is no time stays as it is, cleaned.
pub(super) fn when(time: &str) -> String {
    parse_time(time).map_or_else(|_not_a_time| clean::name(time), format_minute)
}

fn number(value: &Value, format: impl Fn(f64) -> String) -> String {
    if !matches!(value.kind(), ValueKind::Number) {
        return UNKNOWN.to_owned();
    }
    f64::try_from(value.clone()).map_or(UNKNOWN.to_owned(), format)
}

fn text(value: &Value, limit: usize) -> String {
    value.as_str().map_or(UNKNOWN.to_owned(), |text| clean::shorten(text, limit))
}
