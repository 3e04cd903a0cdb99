//! Why a configuration was not taken, and what to do about it.

use std::path::PathBuf;

use super::layers::Source;

/// Names that are further apart than this share of their length are not suggested.
const LIKENESS_MIN: f64 = 0.6;

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("read configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no TOML. The line itself is not shown: it may hold a secret.
    #[error("read configuration `{}`: line {line}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1 on.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// It names a key that does not exist.
    #[error("{place}: there is no key `{key}`")]
    UnknownKey {
        /// Who said it.
        place: String,
        /// The whole key.
        key: String,
        /// The key that may be meant.
        nearest: Option<String>,
        /// The keys that stand there.
        known: Vec<String>,
    },
    /// A variable that looks like a setting and is none.
    #[error("environment variable {name} names no setting")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that may be meant.
        nearest: Option<String>,
    },
    /// A value that the key does not take.
    #[error("{place}: {key}: {why}")]
    Value {
        /// Who said it.
        place: String,
        /// The whole key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// `--set` without a key, or without a value.
    #[error("--set {0}: give KEY=VALUE")]
    Assignment(String),
    /// Settings that do not go together.
    #[error("{what}")]
    Conflict {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
}

impl ConfigError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownKey { known, .. } => Some(format!("known here: {}", known.join(", "))),
            Self::UnknownVariable { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::UnknownVariable { .. } | Self::Assignment(_) => {
                Some("`perfline config show` lists every key".to_owned())
            }
            Self::Conflict { help, .. } => Some(help.clone()),
            Self::Read { .. } | Self::Syntax { .. } | Self::Value { .. } => None,
        }
    }
}

/// Where a value was said, for messages: the file with its line, the variable, the flag.
pub(super) fn place(source: &Source, line: Option<usize>) -> String {
    match (source, line) {
        (Source::File(path), Some(line)) => format!("configuration `{}`, line {line}", path.display()),
        (Source::File(path), None) => format!("configuration `{}`", path.display()),
        (Source::Variable(name), _) => format!("environment variable {name}"),
        (Source::Flag(name), _) => name.clone(),
        (Source::Default, _) => "the built-in configuration".to_owned(),
    }
}

/// The name that is most like `wrong`, where one is like it at all.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
