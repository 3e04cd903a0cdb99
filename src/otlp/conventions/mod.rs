//! Which attribute means what: rules as data, compiled once, asked per span.
//!
//! The rules live in `config/conventions/*.toml` (embedded) and in a directory of the user's own,
//! whose rules come first. They say of one span what can be said without any other span; what
//! needs the whole trace is derived later, in SQL (`src/store/sql/derive`).

mod classify;
mod compile;
mod context;
mod error;
mod facts;
mod literal;
pub(in crate::otlp) mod names;
mod outcome;
mod readable;
mod reading;
mod scores;
mod source;
mod spec;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;
use std::path::Path;

use crate::otlp::value::AttrValue;
use compile::{Base, Tables};
pub use error::ConventionError;
pub use facts::{
    Attributes, EventShape, KeyTraits, LogFact, Marker, ResourceFacts, Score, SpanFacts, SpanShape, Usage, Verdict,
};
pub use literal::document;
pub use readable::Readable;
use source::Fact;
use spec::ConventionFile;

/// Longest error text that is kept, characters.
pub const ERROR_CHARS_MAX: usize = value::TEXT_CHARS_MAX;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../config/conventions/", $name, ".toml")))),*]
    };
}

/// The conventions that are built in, in order of precedence.
const EMBEDDED: &[(&str, &str)] = embedded![
    "perfline", "cicd", "workflow", "jobs", "tests", "agents", "llm", "genai", "names", "context", "quiet", "outcomes",
    "readable"
];

/// All rules, ready to be asked. Cheap to share, never changed.
#[derive(Clone, Debug)]
pub struct Rules {
    tables: Tables,
}

impl Rules {
    /// The built-in rules.
    pub fn embedded() -> Result<Self, ConventionError> {
        Self::with_directory(None)
    }

    /// The user's own files (every `*.toml` of the directory, by name), then the built-in rules.
    pub fn with_directory(directory: Option<&Path>) -> Result<Self, ConventionError> {
        let mut tables = Tables::default();
        for path in directory.map(own_files).transpose()?.unwrap_or_default() {
            let read = std::fs::read_to_string(&path);
            let toml = read.map_err(|source| ConventionError::Read { path: path.clone(), source })?;
            add(&mut tables, &path.display().to_string(), &toml)?;
        }
        for (name, toml) in EMBEDDED {
            add(&mut tables, name, toml)?;
        }
        tables.readable = std::mem::take(&mut tables.readable).finish(&tables);
        Ok(Self { tables })
    }

    /// What must stay readable where names are kept private.
    #[must_use]
    pub fn readable(&self) -> &Readable {
        &self.tables.readable
    }

    /// Keys of attributes that state the id of a run as it is, and say so: plain words such as `build` may be anything
    /// on a metric point.
    #[must_use]
    pub fn run_id_keys(&self) -> Vec<&str> {
        let tables = &self.tables;
        let of_rules = tables.rules.iter().filter_map(|rule| rule.facts.get(&Fact::RunId));
        let sources = of_rules.chain(tables.facts.get(&Fact::RunId)).chain(tables.resource.get(&Fact::RunId)).flatten();
        let numbers: BTreeSet<u16> = sources
            .filter(|source| source.treatment.is_none())
            .filter_map(|source| match source.base {
                Base::Key(key) | Base::Resource(key) => Some(key),
                _ => None,
            })
            .collect();
        let stated =
            tables.numbers.iter().filter(|(key, number)| numbers.contains(*number) && key.contains(['.', ':']));
        let mut keys: Vec<&str> = stated.map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys
    }

    /// What the attributes of a resource say; asked once per resource.
    #[must_use]
    pub fn resource_facts(&self, attributes: &Attributes<'_>) -> ResourceFacts {
        context::of_resource(&self.tables, attributes)
    }

    /// What a span is. A span without any known key costs one probe per attribute.
    #[must_use]
    pub fn classify(&self, span: &SpanShape<'_>, resource: &ResourceFacts, attributes: &Attributes<'_>) -> Verdict {
        classify::classify(&self.tables, span, resource, attributes)
    }

    /// What the rules see in an attribute's key, whatever its value.
    #[must_use]
    pub fn key_traits(&self, key: &str) -> KeyTraits {
        self.tables
            .numbers
            .get(key)
            .and_then(|number| self.tables.keys.get(usize::from(*number)))
            .map_or_else(KeyTraits::default, |info| KeyTraits { is_read: info.is_read, is_quiet: info.is_quiet })
    }

    /// What the rules see in a scope's name.
    #[must_use]
    pub fn scope_traits(&self, scope: &str) -> KeyTraits {
        KeyTraits {
            is_read: self.tables.scope_rules.iter().any(|(glob, _)| glob.holds(scope)),
            is_quiet: self.tables.quiet_scopes.iter().any(|glob| glob.holds(scope)),
        }
    }

    /// Whether some rule looks at the spans of this resource because of the resource itself.
    #[must_use]
    pub fn reads_resource(&self, resource: &ResourceFacts) -> bool {
        self.tables.resource_rules.iter().any(|(key, _)| resource.known(*key).is_some())
    }

    /// The verdict on a span in which no rule reads anything: as [`Rules::classify`] would say, in a few
    /// comparisons. `None` where only `classify` can say.
    #[must_use]
    pub fn glance(&self, span: &SpanShape<'_>, traits: KeyTraits) -> Option<Verdict> {
        if traits.is_read { None } else { classify::without_rules(span, traits.is_quiet) }
    }

    /// What a log record says about runs; most say nothing.
    #[must_use]
    pub fn classify_log(&self, event_name: &str, at_ns: i64, attributes: &Attributes<'_>) -> Vec<LogFact> {
        let mut found: Vec<LogFact> = scores::of_log(&self.tables, event_name, at_ns, attributes).into_iter().collect();
        for (key, value) in attributes {
            let Some(name_key) = self.tables.log_names.get(*key) else { continue };
            let name = attributes.iter().find(|(other, _)| other == name_key).map(|(_, name)| name);
            let plain = |value: &AttrValue<'_>| value::identity(&value::text(value)?);
            if let (Some(id), Some(name)) = (plain(value), name.and_then(plain)) {
                found.push(LogFact::Name { id, name });
            }
        }
        found
    }
}

impl ResourceFacts {
    fn known(&self, key: u16) -> Option<&str> {
        self.known.iter().find(|(number, _)| *number == key).map(|(_, value)| value.as_str())
    }
}

fn own_files(directory: &Path) -> Result<Vec<std::path::PathBuf>, ConventionError> {
    let failed = |source| ConventionError::Read { path: directory.to_owned(), source };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add(tables: &mut Tables, name: &str, toml: &str) -> Result<(), ConventionError> {
    let parsed: Result<ConventionFile, toml::de::Error> = toml::from_str(toml);
    let file = parsed.map_err(|source| ConventionError::Parse { file: name.to_owned(), source: Box::new(source) })?;
    tables.add(name, file)
}
