//! Why a conventions file cannot be used.

use std::path::PathBuf;

/// Why a conventions file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConventionError {
    /// The directory or the file cannot be read.
    #[error("read conventions `{}`: {source}", .path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not TOML of the right shape.
    #[error("conventions `{file}`: {source}")]
    Parse {
        /// Its name.
        file: String,
        /// What the parser says, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A rule contradicts itself.
    #[error("conventions `{file}`, rule `{rule}`: {problem}")]
    Rule {
        /// Name of the file.
        file: String,
        /// Id of the rule.
        rule: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A source of a fact cannot be read.
    #[error("conventions `{file}`, {place}: {problem}")]
    Source {
        /// Name of the file.
        file: String,
        /// Where in it.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}
