//! Turns conventions files into tables that are probed once per attribute.

use std::collections::{BTreeMap, HashMap};

use super::error::ConventionError;
use super::source::{Fact, SourceSpec, Treatment};
use super::spec::{ConditionSpec, ConventionFile, OutcomeWord, Role, RuleSpec, ScoreSpec};

/// Where a fact is read.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// An attribute of the span (of the resource, in a `resource` table).
    Key(u16),
    /// An attribute of the resource.
    Resource(u16),
    /// An attribute of the last event of that name; `*`: of the last event that has it.
    Event(String, String),
    /// The span's name.
    Name,
    /// The scope's name.
    Scope,
    /// `service.name`.
    Service,
    /// The status message.
    StatusMessage,
}

/// A source, ready to be read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) base: Base,
    pub(super) treatment: Option<Box<Treatment>>,
}

/// A name to compare with; `*` at its end or its beginning was taken off.
#[derive(Clone, Debug)]
pub(super) enum Glob {
    Exact(String),
    Prefix(String),
    Suffix(String),
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.to_owned()),
            (None, Some(suffix)) => Self::Suffix(suffix.to_owned()),
            (None, None) => Self::Exact(pattern.to_owned()),
        }
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => name.ends_with(suffix.as_str()),
        }
    }
}

/// What a condition looks at.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Key(u16),
    Any(Vec<u16>),
    Resource(u16),
    Absent(u16),
    Scope(Glob),
    Name(Glob),
    Kind(Vec<u8>),
    Parent(bool),
    Generic(bool),
}

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) subject: Subject,
    pub(super) equals: Option<Vec<String>>,
    pub(super) unlike: Option<Vec<String>>,
    pub(super) is_name: bool,
    /// It must not hold.
    pub(super) not: bool,
}

/// A rule, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) spec: RuleSpec,
    pub(super) conditions: Vec<Condition>,
    pub(super) facts: BTreeMap<Fact, Vec<Source>>,
    pub(super) retry_events: Vec<Glob>,
}

/// A score, ready to be read.
#[derive(Clone, Debug)]
pub(super) struct ScoreSource {
    pub(super) spec: ScoreSpec,
    pub(super) value: u16,
    pub(super) name: Option<u16>,
    pub(super) label: Option<u16>,
}

/// What is known of one attribute key.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyInfo {
    /// Rules that this key triggers.
    pub(super) rules: Vec<u16>,
    /// Some fact or condition of a span reads it.
    pub(super) is_read: bool,
    /// It marks plain request instrumentation.
    pub(super) is_quiet: bool,
}

/// Every table.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) numbers: HashMap<String, u16>,
    pub(super) keys: Vec<KeyInfo>,
    pub(super) rules: Vec<Rule>,
    pub(super) scope_rules: Vec<(Glob, u16)>,
    pub(super) resource_rules: Vec<(u16, u16)>,
    pub(super) quiet_scopes: Vec<Glob>,
    pub(super) facts: BTreeMap<Fact, Vec<Source>>,
    pub(super) resource: BTreeMap<Fact, Vec<Source>>,
    pub(super) scores: Vec<ScoreSource>,
    pub(super) outcomes: HashMap<String, OutcomeWord>,
    pub(super) log_names: HashMap<String, String>,
    pub(super) readable: super::readable::Readable,
}

impl Tables {
    /// Adds one file; files added earlier come first.
    pub(super) fn add(&mut self, name: &str, file: ConventionFile) -> Result<(), ConventionError> {
        for (fact, sources) in file.facts {
            let sources = self.sources(name, "facts", &sources)?;
            self.facts.entry(fact).or_default().extend(sources);
        }
        for (fact, sources) in file.resource {
            let sources = self.sources(name, "resource", &sources)?;
            self.resource.entry(fact).or_default().extend(sources);
        }
        for rule in file.rules {
            self.add_rule(name, rule)?;
        }
        for key in file.quiet.keys {
            let number = self.number(name, &key)?;
            self.keys[usize::from(number)].is_quiet = true;
        }
        self.readable.add(&file.readable);
        self.quiet_scopes.extend(file.quiet.scopes.iter().map(|scope| Glob::new(scope)));
        for (word, outcome) in file.outcomes {
            self.outcomes.entry(super::value::outcome_key(&word)).or_insert(outcome);
        }
        for names in file.log_names {
            self.log_names.entry(names.id).or_insert(names.name);
        }
        for score in file.scores {
            self.add_score(name, score)?;
        }
        Ok(())
    }

    fn add_score(&mut self, file: &str, spec: ScoreSpec) -> Result<(), ConventionError> {
        if spec.name.is_none() && spec.called.is_none() {
            let problem = "a score needs `name` (the attribute with its name) or `called`".to_owned();
            return Err(ConventionError::Source {
                file: file.into(),
                place: format!("score `{}`", spec.value),
                problem,
            });
        }
        let value = self.read_number(file, &spec.value)?;
        let name = spec.name.as_deref().map(|key| self.read_number(file, key)).transpose()?;
        let label = spec.label.as_deref().map(|key| self.read_number(file, key)).transpose()?;
        self.scores.push(ScoreSource { spec, value, name, label });
        Ok(())
    }

    fn add_rule(&mut self, file: &str, spec: RuleSpec) -> Result<(), ConventionError> {
        let wrong = |problem: &str| ConventionError::Rule {
            file: file.to_owned(),
            rule: spec.id.clone(),
            problem: problem.to_owned(),
        };
        if self.rules.iter().any(|rule| rule.spec.id == spec.id) {
            return Err(wrong("another rule has this id; give it a new one"));
        }
        let index = u16::try_from(self.rules.len()).map_err(|_too_many| wrong("too many rules"))?;
        let mut conditions = Vec::with_capacity(spec.when.len());
        for condition in &spec.when {
            conditions.push(self.condition(file, &spec.id, condition)?);
        }
        let trigger =
            conditions.iter().filter(|condition| !condition.not).min_by_key(|condition| match condition.subject {
                Subject::Key(_) => 0,
                Subject::Any(_) => 1,
                Subject::Scope(_) => 2,
                Subject::Resource(_) => 3,
                _ => 4,
            });
        match trigger.map(|condition| &condition.subject) {
            Some(Subject::Key(key)) => self.keys[usize::from(*key)].rules.push(index),
            Some(Subject::Any(keys)) => {
                for key in keys {
                    self.keys[usize::from(*key)].rules.push(index);
                }
            }
            Some(Subject::Scope(glob)) => self.scope_rules.push((glob.clone(), index)),
            Some(Subject::Resource(key)) => self.resource_rules.push((*key, index)),
            _ => return Err(wrong("`when` needs at least one `key`, `any`, `scope` or `resource`")),
        }
        if spec.role == Role::Step && !spec.facts.contains_key(&Fact::Step) {
            return Err(wrong("a rule with role `step` must say in `facts` where the step's name is"));
        }
        let mut facts = BTreeMap::new();
        for (fact, sources) in &spec.facts {
            let place = format!("rule `{}`", spec.id);
            facts.insert(*fact, self.sources(file, &place, sources)?);
        }
        let retry_events = spec.retry_events.iter().map(|name| Glob::new(name)).collect();
        self.rules.push(Rule { spec, conditions, facts, retry_events });
        Ok(())
    }

    fn condition(&mut self, file: &str, rule: &str, spec: &ConditionSpec) -> Result<Condition, ConventionError> {
        let wrong = |problem: String| ConventionError::Rule { file: file.to_owned(), rule: rule.to_owned(), problem };
        let mut subjects = Vec::new();
        if let Some(key) = &spec.key {
            subjects.push(Subject::Key(self.read_number(file, key)?));
        }
        if let Some(keys) = &spec.any {
            let numbers: Result<Vec<u16>, _> = keys.iter().map(|key| self.read_number(file, key)).collect();
            subjects.push(Subject::Any(numbers?));
        }
        if let Some(key) = &spec.resource {
            subjects.push(Subject::Resource(self.read_number(file, key)?));
        }
        if let Some(key) = &spec.absent {
            subjects.push(Subject::Absent(self.read_number(file, key)?));
        }
        subjects.extend(spec.scope.as_deref().map(|scope| Subject::Scope(Glob::new(scope))));
        subjects.extend(spec.name.as_deref().map(|name| Subject::Name(Glob::new(name))));
        subjects.extend(spec.parent.map(Subject::Parent));
        subjects.extend(spec.generic.map(Subject::Generic));
        if let Some(kinds) = &spec.kind {
            let kinds: Result<Vec<u8>, String> = kinds.iter().map(|kind| kind_number(kind)).collect();
            subjects.push(Subject::Kind(kinds.map_err(wrong)?));
        }
        let [subject] = subjects.as_slice() else {
            return Err(wrong(format!("a condition has exactly one subject, this one has {}", subjects.len())));
        };
        let has_value = matches!(subject, Subject::Key(_) | Subject::Resource(_));
        let has_values = has_value || matches!(subject, Subject::Any(_));
        if (!has_values && spec.equals.is_some()) || (!has_value && (spec.unlike.is_some() || spec.is_name)) {
            return Err(wrong(
                "`equals` goes with `key`, `any` or `resource`, `unlike` and `is_name` with `key` or `resource`".into(),
            ));
        }
        let lower = |words: &Vec<String>| words.iter().map(|word| super::value::plain_word(word)).collect();
        Ok(Condition {
            subject: subject.clone(),
            equals: spec.equals.as_ref().map(lower),
            unlike: spec.unlike.as_ref().map(lower),
            is_name: spec.is_name,
            not: spec.not,
        })
    }

    fn sources(&mut self, file: &str, place: &str, specs: &[SourceSpec]) -> Result<Vec<Source>, ConventionError> {
        specs
            .iter()
            .map(|spec| {
                let (from, treatment) = match spec {
                    SourceSpec::Key(from) => (from, None),
                    SourceSpec::Treated(treatment) => (&treatment.from, Some(treatment.clone())),
                };
                for key in
                    treatment.iter().flat_map(|treatment| treatment.unless_begins.iter().chain(&treatment.within))
                {
                    self.read_number(file, key)?;
                }
                Ok(Source { base: self.base(file, place, from)?, treatment })
            })
            .collect()
    }

    fn base(&mut self, file: &str, place: &str, from: &str) -> Result<Base, ConventionError> {
        let wrong =
            |problem: String| ConventionError::Source { file: file.to_owned(), place: place.to_owned(), problem };
        if let Some(key) = from.strip_prefix("resource:") {
            return Ok(Base::Resource(self.read_number(file, key)?));
        }
        if let Some(rest) = from.strip_prefix("@event:") {
            let Some((name, key)) = rest.split_once(':') else {
                return Err(wrong(format!("`{from}` must be `@event:NAME:KEY`")));
            };
            return Ok(Base::Event(name.to_owned(), key.to_owned()));
        }
        match from {
            "@name" => Ok(Base::Name),
            "@scope" => Ok(Base::Scope),
            "@service" => Ok(Base::Service),
            "@status_message" => Ok(Base::StatusMessage),
            "" => Err(wrong("a source needs a key".into())),
            other if other.starts_with('@') => Err(wrong(format!(
                "`{other}` is unknown; there are @name, @scope, @service, @status_message and @event:NAME:KEY"
            ))),
            key => Ok(Base::Key(self.read_number(file, key)?)),
        }
    }

    fn read_number(&mut self, file: &str, key: &str) -> Result<u16, ConventionError> {
        let number = self.number(file, key)?;
        self.keys[usize::from(number)].is_read = true;
        Ok(number)
    }

    fn number(&mut self, file: &str, key: &str) -> Result<u16, ConventionError> {
        if let Some(number) = self.numbers.get(key) {
            return Ok(*number);
        }
        let number = u16::try_from(self.keys.len()).map_err(|_too_many| ConventionError::Source {
            file: file.to_owned(),
            place: format!("key `{key}`"),
            problem: "more than 65,536 keys in all".to_owned(),
        })?;
        self.numbers.insert(key.to_owned(), number);
        self.keys.push(KeyInfo::default());
        Ok(number)
    }
}

fn kind_number(kind: &str) -> Result<u8, String> {
    match kind {
        "unspecified" => Ok(0),
        "internal" => Ok(1),
        "server" => Ok(2),
        "client" => Ok(3),
        "producer" => Ok(4),
        "consumer" => Ok(5),
        other => Err(format!("kind `{other}` is none of unspecified, internal, server, client, producer, consumer")),
    }
}
