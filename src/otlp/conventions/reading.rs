//! Reads one span under the rules: whether a condition holds, and what a source says.

use std::borrow::Cow;

use super::compile::{Base, Condition, Rule, Source, Subject, Tables};
use super::facts::{ResourceFacts, SpanShape};
use super::names;
use super::source::{Fact, treat};
use super::value::{
    count, identity, json_parts, json_path, json_sum, json_text, number, parse_number, plain_word, text, trimmed,
};
use crate::otlp::value::AttrValue;

/// So much of a line is no word that another line begins with as well, bytes.
const TITLE_BYTES: usize = 20;

/// One span under the rules.
pub(super) struct Reading<'t, 'a> {
    pub(super) tables: &'t Tables,
    pub(super) span: &'t SpanShape<'a>,
    pub(super) resource: &'t ResourceFacts,
    pub(super) values: Vec<(u16, AttrValue<'a>)>,
    pub(super) matched: Vec<&'t Rule>,
}

impl<'t, 'a> Reading<'t, 'a> {
    pub(super) fn holds(&self, condition: &Condition) -> bool {
        let value = match &condition.subject {
            Subject::Key(key) => self.value(*key).and_then(text),
            Subject::Resource(key) => self.resource.known(*key).map(Cow::Borrowed),
            Subject::Any(keys) => return keys.iter().any(|key| self.has(*key, condition.equals.as_deref())),
            Subject::Absent(key) => return self.value(*key).is_none(),
            Subject::Scope(glob) => return glob.holds(self.span.scope),
            Subject::Name(glob) => return glob.holds(self.span.name),
            Subject::Kind(kinds) => return kinds.contains(&self.span.kind),
            Subject::Parent(parent) => return *parent == self.span.has_parent,
            Subject::Generic(generic) => return *generic == names::is_generic(self.span.name),
        };
        // A list or a map has no text, but it is there.
        let Some(value) = value else {
            let is_there = matches!(&condition.subject, Subject::Key(key) if self.value(*key).is_some());
            return is_there && condition.equals.is_none() && condition.unlike.is_none() && !condition.is_name;
        };
        if condition.is_name && value != self.span.name {
            return false;
        }
        if condition.equals.is_none() && condition.unlike.is_none() {
            return true;
        }
        let word = plain_word(&value);
        condition.equals.as_ref().is_none_or(|words| words.contains(&word))
            && condition.unlike.as_ref().is_none_or(|words| !words.contains(&word))
    }

    /// Whether the span has this attribute, with one of these words where there are any.
    fn has(&self, key: u16, words: Option<&[String]>) -> bool {
        let Some(value) = self.value(key) else { return false };
        words.is_none_or(|words| text(value).is_some_and(|value| words.contains(&plain_word(&value))))
    }

    pub(super) fn value(&self, key: u16) -> Option<&AttrValue<'a>> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    fn sources(&self, fact: Fact) -> impl Iterator<Item = &'t Source> {
        let tables = self.tables;
        let ruled = self.matched.iter().filter_map(move |rule| rule.facts.get(&fact)).flatten();
        ruled.chain(tables.facts.get(&fact).into_iter().flatten())
    }

    /// A name or an id: text that stays itself where it is cut, never empty.
    pub(super) fn name_of(&self, fact: Fact) -> Option<String> {
        self.sources(fact).find_map(|source| identity(&self.read_text(source)?))
    }

    /// Text, cut, never empty.
    pub(super) fn text_of(&self, fact: Fact) -> Option<String> {
        self.sources(fact).find_map(|source| trimmed(&self.read_text(source)?))
    }

    pub(super) fn number_of(&self, fact: Fact) -> Option<f64> {
        self.sources(fact).find_map(|source| self.read_number(source))
    }

    pub(super) fn count_of(&self, fact: Fact) -> Option<i64> {
        self.number_of(fact).and_then(count)
    }

    fn base_value(&self, base: &'t Base) -> Option<AttrValue<'_>> {
        match base {
            Base::Key(key) => self.value(*key).copied(),
            Base::Resource(key) => self.resource.known(*key).map(AttrValue::Str),
            Base::Event(name, key) => self
                .span
                .events
                .iter()
                .rev()
                .filter(|event| name == "*" || event.name == name)
                .find_map(|event| event.attributes.iter().find(|(known, _)| known == key))
                .map(|(_, value)| *value),
            Base::Name => Some(AttrValue::Str(self.span.name)),
            Base::Scope => Some(AttrValue::Str(self.span.scope)),
            Base::Service => self.resource.service.as_deref().map(AttrValue::Str),
            Base::StatusMessage => Some(AttrValue::Str(self.span.status_message)),
        }
    }

    fn read_text(&self, source: &'t Source) -> Option<String> {
        let value = self.base_value(&source.base)?;
        let Some(treatment) = &source.treatment else { return Some(text(&value)?.into_owned()) };
        let found = match &treatment.json {
            Some(path) => json_text(&json_path(&value, path)?)?,
            None => text(&value)?.into_owned(),
        };
        if treatment.unless_begins.iter().any(|key| self.begins(key, &found)) {
            return None;
        }
        let found = treat(treatment, &found)?;
        let within = treatment.within.as_deref().and_then(|key| self.tables.numbers.get(key));
        Some(match within.and_then(|key| text(self.value(*key)?)) {
            Some(within) => format!("{}{}{found}", within.trim(), treatment.joint.as_deref().unwrap_or("/")),
            None => found,
        })
    }

    /// Whether an attribute, of the span or its resource, begins with this text: with this line, or so much of one
    /// that it is no single word.
    fn begins(&self, key: &str, beginning: &str) -> bool {
        let Some(key) = self.tables.numbers.get(key) else { return false };
        let beginning = beginning.trim();
        let begins = |text: &str| {
            text.lines().next().is_some_and(|line| line.trim() == beginning)
                || (beginning.len() >= TITLE_BYTES && text.starts_with(beginning))
        };
        self.value(*key).and_then(text).is_some_and(|text| begins(&text))
            || self.resource.known(*key).is_some_and(begins)
    }

    fn read_number(&self, source: &'t Source) -> Option<f64> {
        let value = self.base_value(&source.base)?;
        let Some(treatment) = &source.treatment else { return number(&value) };
        let found = if treatment.json_sum {
            json_sum(&value)?
        } else if let Some(word) = &treatment.json_parts {
            json_parts(&value, word)?
        } else if let Some(path) = &treatment.json {
            let found = json_path(&value, path)?;
            found.as_f64().or_else(|| parse_number(found.as_str()?))?
        } else {
            number(&value)?
        };
        let scale = if treatment.scale == 0.0 { 1.0 } else { treatment.scale };
        Some(found.mul_add(scale, treatment.add)).filter(|number| number.is_finite())
    }
}
