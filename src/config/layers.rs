//! Lays the file, the environment and flags over the defaults, and keeps who said what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::{ConfigError, nearest, place};
use super::sections::Config;

/// Variables that are shorter than `PERFLINE_` and the path of their key.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("PERFLINE_STORE", "store.path"),
    ("PERFLINE_GRPC", "listen.grpc"),
    ("PERFLINE_HTTP", "listen.http"),
    ("PERFLINE_CONVENTIONS", "conventions.directory"),
    ("PERFLINE_LOG", "log.level"),
];

/// Keys whose values are never shown, wherever they stand.
const SECRETS: [&str; 6] = ["tokens", "token", "secret", "salt", "password", "headers"];

/// What is shown in their place.
const HIDDEN: &str = "(hidden)";

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `config/default.toml`.
    Default,
    /// A file of the user's.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Variable(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag {name}"),
        }
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The whole key: `limits.body_timeout`.
    pub key: String,
    /// The value; secrets are hidden.
    pub value: Value,
    /// Who said it.
    pub source: Source,
}

/// Settings as they are laid over one another.
#[derive(Clone, Debug)]
pub struct Layers {
    defaults: Table,
    table: Table,
    sources: BTreeMap<Vec<String>, Source>,
    /// The user's file, for line numbers.
    file: Option<(PathBuf, String)>,
}

impl Layers {
    /// The defaults alone.
    pub fn new() -> Result<Self, ConfigError> {
        let defaults = parse(Path::new("config/default.toml"), super::DEFAULT)?;
        let mut layers = Self { defaults: defaults.clone(), table: Table::new(), sources: BTreeMap::new(), file: None };
        layers.lay(defaults, &Source::Default);
        Ok(layers)
    }

    /// Lays a file over what is there.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let table = parse(path, &text)?;
        self.file = Some((path.to_owned(), text));
        self.lay(table, &Source::File(path.to_owned()));
        Ok(())
    }

    /// Lays variables over what is there. Others than `PERFLINE_*` are none of ours, and an empty one counts as unset.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
        let known = self.variables();
        for (name, text) in variables {
            if !name.starts_with("PERFLINE_") || text.is_empty() {
                continue;
            }
            match known.get(&name).cloned() {
                Some(key) => self.set(&key, &text, Source::Variable(name)),
                None if self.looks_like_ours(&name) => {
                    let nearest = nearest(&name, known.keys().map(String::as_str)).map(ToOwned::to_owned);
                    return Err(ConfigError::UnknownVariable { name, nearest });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Sets one key to what a flag or a variable says.
    fn set(&mut self, key: &[String], text: &str, source: Source) {
        let like = find(&self.defaults, key);
        let mut value = typed(text, like);
        for part in key.iter().rev() {
            value = Value::Table(Table::from_iter([(part.clone(), value)]));
        }
        if let Value::Table(table) = value {
            self.lay(table, &source);
        }
    }

    /// Sets one key to what a flag says.
    pub fn flag(&mut self, flag: &str, key: &str, text: &str) {
        self.set(&path_of(key), text, Source::Flag(flag.to_owned()));
    }

    /// Sets what `--set KEY=VALUE` says.
    pub fn assign(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let wrong = || ConfigError::Assignment(assignment.to_owned());
        let (key, text) = assignment.split_once('=').ok_or_else(wrong)?;
        let key = path_of(key.trim());
        if key.iter().any(String::is_empty) {
            return Err(wrong());
        }
        self.set(&key, text, Source::Flag("--set".to_owned()));
        Ok(())
    }

    /// The settings in force. Errors on a key that does not exist, and on a value that its key does not take.
    pub fn config(&self) -> Result<Config, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(self.table.clone())).map_err(|error| {
            // `?` stands for a key that serde could not read.
            let at = error.path().iter().map(ToString::to_string).filter(|part| part != "?").collect();
            self.explain(at, error.inner().message())
        })
    }

    /// Every setting in force, sorted by key, with who said it.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let one = |(key, source): (&Vec<String>, &Source)| {
            let secret = key.iter().any(|part| SECRETS.contains(&part.as_str()));
            let value = find(&self.table, key)?;
            let shown = if secret && !is_empty(value) { Value::String(HIDDEN.to_owned()) } else { presentable(value) };
            Some(Setting { key: join(key), value: shown, source: source.clone() })
        };
        self.sources.iter().filter_map(one).collect()
    }

    /// Variables by name, with the key that each sets.
    fn variables(&self) -> BTreeMap<String, Vec<String>> {
        let mut known = BTreeMap::new();
        each_leaf(&self.defaults, &mut Vec::new(), &mut |key, _| {
            known.insert(format!("PERFLINE_{}", key.join("_").to_uppercase()), key.to_vec());
        });
        known.extend(SHORT_NAMES.map(|(name, key)| (name.to_owned(), path_of(key))));
        known
    }

    /// Whether a variable begins with the name of a section. Kubernetes makes variables of its own for every
    /// service, which end in `_PORT` or hold `_SERVICE_`: those are not meant for us.
    fn looks_like_ours(&self, name: &str) -> bool {
        // Read where a key is needed, and shown nowhere: a secret in itself.
        if name == "PERFLINE_ANONYMIZE_KEY" {
            return false;
        }
        let ours = |section: &String| name.starts_with(&format!("PERFLINE_{}_", section.to_uppercase()));
        !name.contains("_SERVICE_") && !name.contains("_PORT") && self.defaults.keys().any(ours)
    }

    fn lay(&mut self, over: Table, source: &Source) {
        each_leaf(&over, &mut Vec::new(), &mut |key, _| {
            self.sources.insert(key.to_vec(), source.clone());
        });
        merge(&mut self.table, over);
    }

    fn explain(&self, mut at: Vec<String>, message: &str) -> ConfigError {
        // serde says: unknown field `paht`, expected one of `path`, `load_interval`
        let mut quoted = message.split('`').skip(1).step_by(2);
        let unknown = message.starts_with("unknown field").then(|| quoted.next()).flatten();
        if let Some(wrong) = unknown {
            if at.last().is_none_or(|last| last != wrong) {
                at.push(wrong.to_owned());
            }
            let known: Vec<&str> = quoted.collect();
            let whole = |name: &str| {
                let mut key = at.clone();
                key.pop();
                key.push(name.to_owned());
                join(&key)
            };
            return ConfigError::UnknownKey {
                place: self.place(&at),
                nearest: nearest(wrong, known.iter().copied()).map(whole),
                key: join(&at),
                known: known.into_iter().map(ToOwned::to_owned).collect(),
            };
        }
        // serde quotes the value that it was given.
        let secret = at.iter().any(|part| SECRETS.contains(&part.as_str()));
        let why = if secret { "this kind of value is not taken (it is not shown)" } else { message.trim() };
        ConfigError::Value { place: self.place(&at), key: join(&at), why: why.to_owned() }
    }

    /// Who said the value at a key, or the first one below it.
    fn place(&self, key: &[String]) -> String {
        let said = self.sources.iter().find(|(said, _)| said.starts_with(key) || key.starts_with(said));
        let source = said.map_or(&Source::Default, |(_, source)| source);
        let line = match (source, &self.file) {
            (Source::File(_), Some((_, text))) => line_of(text, key),
            _ => None,
        };
        place(source, line)
    }
}

fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Syntax { path: path.to_owned(), line, why: error.message().trim().replace('\n', " ") }
    })
}

fn path_of(key: &str) -> Vec<String> {
    key.split('.').map(ToOwned::to_owned).collect()
}

/// A key as TOML writes it.
fn join(key: &[String]) -> String {
    let bare = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let mut joined = String::new();
    for part in key {
        // serde's word for a place in a list.
        let place = part.starts_with('[') && part.ends_with(']');
        if !joined.is_empty() && !place {
            joined.push('.');
        }
        if place || bare(part) { joined.push_str(part) } else { joined.push_str(&format!("{part:?}")) }
    }
    joined
}

fn find<'a>(table: &'a Table, key: &[String]) -> Option<&'a Value> {
    let (first, rest) = key.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table()?, rest) }
}

fn each_leaf(table: &Table, key: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    for (name, value) in table {
        key.push(name.clone());
        match value {
            Value::Table(inner) => each_leaf(inner, key, visit),
            leaf => visit(key, leaf),
        }
        key.pop();
    }
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// Text as a value of the kind that the default has; text where it does not fit, so that the error can show it.
fn typed(text: &str, like: Option<&Value>) -> Value {
    let same = match like {
        Some(Value::Integer(_)) => text.trim().parse().ok().map(Value::Integer),
        Some(Value::Float(_)) => text.trim().parse().ok().map(Value::Float),
        Some(Value::Boolean(_)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Some(Value::Boolean(false)),
            _ => None,
        },
        Some(Value::Array(_)) => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(Value::Array(words.map(|word| Value::String(word.to_owned())).collect()))
        }
        _ => None,
    };
    same.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => table.is_empty(),
        _ => false,
    }
}

/// A value without the users and the passwords of URLs, and without secrets in the tables of a list.
fn presentable(value: &Value) -> Value {
    let cut = |text: &str| {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split('/').next()?;
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://{HIDDEN}@{host}{}", &rest[authority.len()..]))
    };
    match value {
        Value::String(text) => Value::String(cut(text).unwrap_or_else(|| text.clone())),
        Value::Array(items) => Value::Array(items.iter().map(presentable).collect()),
        Value::Table(table) => {
            let shown = |(key, value): (&String, &Value)| {
                let hidden = SECRETS.contains(&key.as_str()) && !is_empty(value);
                (key.clone(), if hidden { Value::String(HIDDEN.to_owned()) } else { presentable(value) })
            };
            Value::Table(table.iter().map(shown).collect())
        }
        other => other.clone(),
    }
}

/// The line, from 1, on which a key stands.
fn line_of(text: &str, key: &[String]) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut at = None;
    for part in key {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        at = Some(name.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    Some(text.get(..at?)?.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests;
