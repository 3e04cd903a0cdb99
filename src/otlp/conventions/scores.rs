//! Quality scores: attributes of spans, of their events, of log records.

use super::compile::{ScoreSource, Tables};
use super::facts::{Attributes, LogFact, Score};
use super::reading::Reading;
use super::value::{number, text, trimmed};
use crate::otlp::value::AttrValue;

/// Most scores that one span may carry.
const SCORES_PER_SPAN_MAX: usize = 64;

/// Scores among a span's attributes and events.
pub(super) fn of_span(reading: &Reading<'_, '_>) -> Vec<Score> {
    let mut scores = Vec::new();
    if !reading.values.is_empty() {
        for source in reading.tables.scores.iter().filter(|source| source.spec.event.is_none()) {
            scores.extend(score(source, None, |key| reading.value(key).copied()));
        }
    }
    for event in reading.span.events {
        for source in carried_by(reading.tables, event.name) {
            let found = score(source, Some(event.time_ns), |key| find(reading.tables, event.attributes, key));
            scores.extend(found);
        }
    }
    scores.truncate(SCORES_PER_SPAN_MAX);
    scores
}

/// The score that a log record of that name carries.
pub(super) fn of_log(tables: &Tables, event_name: &str, at_ns: i64, attributes: &Attributes<'_>) -> Option<LogFact> {
    carried_by(tables, event_name)
        .find_map(|source| score(source, Some(at_ns), |key| find(tables, attributes, key)))
        .map(LogFact::Score)
}

fn carried_by<'t>(tables: &'t Tables, event: &str) -> impl Iterator<Item = &'t ScoreSource> {
    tables.scores.iter().filter(move |source| source.spec.event.as_deref() == Some(event))
}

fn find<'a>(tables: &Tables, attributes: &Attributes<'a>, key: u16) -> Option<AttrValue<'a>> {
    attributes.iter().find(|(name, _)| tables.numbers.get(*name) == Some(&key)).map(|(_, value)| *value)
}

fn score<'a>(source: &ScoreSource, at_ns: Option<i64>, value: impl Fn(u16) -> Option<AttrValue<'a>>) -> Option<Score> {
    let words = |key: Option<u16>| key.and_then(&value).and_then(|value| trimmed(&text(&value)?));
    let label = words(source.label);
    let score = value(source.value).as_ref().and_then(number);
    if score.is_none() && label.is_none() {
        return None;
    }
    let name = words(source.name).or_else(|| source.spec.called.clone()).unwrap_or_else(|| "score".to_owned());
    Some(Score { name, score, label, at_ns })
}
