//! Which texts must stay readable where names are kept private: what the rules compare with.

use std::collections::{HashMap, HashSet};

use super::compile::{Base, Condition, Glob, Source, Subject, Tables};
use super::source::Fact;
use super::spec::ReadableSpec;
use super::value::{outcome_key, plain_word};
use super::{names, outcome};

/// Words, keys and beginnings that must stay.
#[derive(Clone, Debug, Default)]
pub struct Readable {
    keys: Vec<Glob>,
    words: HashMap<String, HashSet<String>>,
    outcome_keys: HashSet<String>,
    outcomes: HashSet<String>,
    names: HashSet<String>,
    beginnings: Vec<String>,
    endings: Vec<String>,
    scopes: Vec<Glob>,
    events: Vec<Glob>,
    metrics: Vec<Glob>,
    points: Vec<Glob>,
    json_keys: HashSet<String>,
    /// Attributes that are held against the name of a span.
    name_keys: HashSet<String>,
    /// What a name stands between within the value of an attribute.
    marks: HashMap<String, Vec<String>>,
}

impl Readable {
    /// Whether every value of this attribute may stay: models, providers, what names a technology.
    #[must_use]
    pub fn is_key(&self, key: &str) -> bool {
        self.keys.iter().any(|glob| glob.holds(key))
    }

    /// As [`Readable::is_key`], of a point of a metric that stays readable.
    #[must_use]
    pub fn is_point_key(&self, key: &str) -> bool {
        self.points.iter().any(|glob| glob.holds(key))
    }

    /// Whether some rule holds this attribute against the name of its span: both must be covered alike.
    #[must_use]
    pub fn is_name_key(&self, key: &str) -> bool {
        self.name_keys.contains(key)
    }

    /// Texts between which a rule finds a name in the value of this attribute (a command line).
    #[must_use]
    pub fn marks(&self, key: &str) -> &[String] {
        self.marks.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether this value of this attribute is a word that a rule compares with.
    #[must_use]
    pub fn is_word(&self, key: &str, value: &str) -> bool {
        self.words.get(key).is_some_and(|words| words.contains(&plain_word(value)))
            || (self.outcome_keys.contains(key) && self.is_outcome(value))
    }

    /// A word for an outcome behind the name of an enumeration, and that name: `OrderState.`, `FAILED`; `ORDER_`, `FAILED`.
    #[must_use]
    pub fn split_outcome<'v>(&self, key: &str, value: &'v str) -> Option<(&'v str, &'v str)> {
        if !self.outcome_keys.contains(key) {
            return None;
        }
        outcome::split(value, |word| self.outcomes.contains(word))
    }

    fn is_outcome(&self, word: &str) -> bool {
        self.outcomes.contains(&outcome_key(word))
    }

    /// The parts of a span's name: a beginning and an ending that rules know, and what is between them.
    #[must_use]
    pub fn split_name<'n>(&self, name: &'n str) -> (&'n str, &'n str, &'n str) {
        // What says only that something runs is nobody's name, and rules look for it.
        if self.names.contains(name) || names::is_generic(name) {
            return (name, "", "");
        }
        let begins = self.beginnings.iter().filter(|beginning| name.starts_with(beginning.as_str()));
        let (head, rest) = name.split_at(begins.map(String::len).max().unwrap_or(0));
        let ends = self.endings.iter().filter(|ending| rest.ends_with(ending.as_str()));
        let (middle, tail) = rest.split_at(rest.len() - ends.map(String::len).max().unwrap_or(0));
        (head, middle, tail)
    }

    /// Whether a scope is one that a rule or the list of request instrumentation knows.
    #[must_use]
    pub fn is_scope(&self, name: &str) -> bool {
        self.scopes.iter().any(|glob| glob.holds(name))
    }

    /// Whether an event or log record of this name says something to the rules.
    #[must_use]
    pub fn is_event(&self, name: &str) -> bool {
        self.events.iter().any(|glob| glob.holds(name))
    }

    /// Whether a metric's name says what is measured, not whose it is.
    #[must_use]
    pub fn is_metric(&self, name: &str) -> bool {
        self.metrics.iter().any(|glob| glob.holds(name))
    }

    /// Whether a key within JSON text is one that a rule reads.
    #[must_use]
    pub fn is_json_key(&self, key: &str) -> bool {
        self.json_keys.contains(key)
    }

    pub(super) fn add(&mut self, spec: &ReadableSpec) {
        let globs = |list: &[String]| list.iter().map(|pattern| Glob::new(pattern)).collect::<Vec<_>>();
        self.keys.extend(globs(&spec.keys));
        self.scopes.extend(globs(&spec.scopes));
        self.events.extend(globs(&spec.events));
        self.metrics.extend(globs(&spec.metrics));
        self.points.extend(globs(&spec.points));
    }

    /// Gathers what the rules compare with.
    pub(super) fn finish(mut self, tables: &Tables) -> Self {
        let mut keys = vec![String::new(); tables.keys.len()];
        for (key, number) in &tables.numbers {
            keys[usize::from(*number)].clone_from(key);
        }
        self.outcomes.extend(tables.outcomes.keys().cloned());
        self.scopes.extend(tables.quiet_scopes.iter().cloned());
        for rule in &tables.rules {
            rule.conditions.iter().for_each(|condition| self.condition(condition, &keys));
            rule.facts.iter().for_each(|(fact, sources)| self.sources(*fact, sources, &keys));
            self.events.extend(rule.retry_events.iter().cloned());
        }
        for (fact, sources) in tables.facts.iter().chain(&tables.resource) {
            self.sources(*fact, sources, &keys);
        }
        for score in &tables.scores {
            self.events.extend(score.spec.event.iter().map(|name| Glob::Exact(name.clone())));
        }
        self
    }

    fn condition(&mut self, condition: &Condition, keys: &[String]) {
        match &condition.subject {
            Subject::Key(key) | Subject::Resource(key) => {
                let key = &keys[usize::from(*key)];
                if condition.is_name {
                    self.name_keys.insert(key.clone());
                }
                let words = self.words.entry(key.clone()).or_default();
                words.extend(condition.equals.iter().chain(&condition.unlike).flatten().cloned());
            }
            Subject::Any(any) => {
                for key in any.iter().filter(|_| condition.equals.is_some()) {
                    let words = self.words.entry(keys[usize::from(*key)].clone()).or_default();
                    words.extend(condition.equals.iter().flatten().cloned());
                }
            }
            Subject::Name(Glob::Exact(name)) => drop(self.names.insert(name.clone())),
            Subject::Name(Glob::Prefix(beginning)) => self.beginnings.push(beginning.clone()),
            Subject::Name(Glob::Suffix(ending)) => self.endings.push(ending.clone()),
            Subject::Scope(glob) => self.scopes.push(glob.clone()),
            _ => {}
        }
    }

    fn sources(&mut self, fact: Fact, sources: &[Source], keys: &[String]) {
        for source in sources {
            let key = match &source.base {
                Base::Key(key) | Base::Resource(key) => Some(keys[usize::from(*key)].clone()),
                Base::Event(event, key) => {
                    self.events.extend((event != "*").then(|| Glob::Exact(event.clone())));
                    Some(key.clone())
                }
                _ => None,
            };
            match (fact, key) {
                (Fact::Model | Fact::Provider | Fact::Operation, Some(key)) if source.treatment.is_none() => {
                    self.keys.push(Glob::Exact(key));
                }
                // A value that only has to be there says nothing by itself.
                (Fact::Outcome, Some(_)) if source.treatment.as_ref().is_some_and(|t| t.becomes.is_some()) => {}
                (Fact::Outcome, Some(key)) => drop(self.outcome_keys.insert(key)),
                _ => {}
            }
            let Some(treatment) = &source.treatment else { continue };
            // A title is told by its text, which must begin like the name.
            self.name_keys.extend(treatment.unless_begins.iter().cloned());
            if let Base::Key(key) | Base::Resource(key) = &source.base {
                let marks = treatment.before.iter().chain(&treatment.after).chain(&treatment.strip_prefix);
                let marks = marks.filter(|mark| mark.contains(char::is_alphanumeric)).cloned();
                self.marks.entry(keys[usize::from(*key)].clone()).or_default().extend(marks);
            }
            self.beginnings.extend(treatment.strip_prefix.clone());
            self.endings.extend(treatment.strip_suffixes.iter().cloned());
            let path: Vec<&str> = treatment.json.iter().flat_map(|path| path.split('.')).collect();
            self.json_keys.extend(path.iter().map(|part| (*part).to_owned()));
            let totals = treatment.json_sum || treatment.json_parts.is_some();
            self.json_keys.extend(totals.then(|| "total".to_owned()));
            self.json_keys.extend(treatment.json_parts.clone());
            if let (Fact::Model | Fact::Provider, Some(last)) = (fact, path.last()) {
                self.keys.push(Glob::Exact((*last).to_owned()));
            }
        }
    }
}
