//! The configuration of `perfline serve`: `config/default.toml` is the default, a user's file
//! replaces what it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::Policy;

/// The built-in file.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// Why a file was not taken.
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
    /// It says something that is no setting; the cause names the line and the keys that exist.
    #[error("read configuration `{}`", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<toml::de::Error>,
    },
}

/// Every setting.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how data is kept.
    pub store: StoreConfig,
    /// Where requests arrive.
    pub listen: ListenConfig,
    /// What a request may be.
    pub limits: LimitsConfig,
    /// What makes a run.
    pub conventions: ConventionsConfig,
    /// How series are judged.
    pub detect: Policy,
    /// What calls of models cost.
    pub prices: PricesConfig,
    /// Whether names are kept private.
    pub anonymize: AnonymizeConfig,
}

/// Where and how data is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The DuckDB file.
    pub path: PathBuf,
    /// Bytes between acknowledgement and DuckDB.
    pub buffer_bytes_max: usize,
    /// DuckDB's memory limit, bytes.
    pub duckdb_memory_bytes_max: usize,
    /// DuckDB's threads; 0: one a core.
    pub duckdb_threads: i64,
    /// Milliseconds until what waits is loaded.
    pub load_interval_ms: u64,
    /// Seconds until a run without root is closed.
    pub run_idle_timeout_s: u64,
}

/// Where requests arrive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// OTLP/gRPC.
    pub grpc: SocketAddr,
    /// OTLP/HTTP.
    pub http: SocketAddr,
    /// Listen beyond this machine unprotected.
    pub allow_insecure_bind: bool,
    /// Origins from which browsers may send.
    pub cors_origins: Vec<String>,
}

/// What a request may be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Bytes of a body after inflation.
    pub body_bytes_max: usize,
    /// Bytes of all bodies under way.
    pub bodies_bytes_max: usize,
    /// Seconds for a body to arrive.
    pub body_timeout_s: u64,
    /// Attributes of one item.
    pub attributes_max: usize,
    /// Take enums by name.
    pub lenient_enum_names: bool,
}

/// What makes a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConventionsConfig {
    /// The user's own conventions; empty: none.
    pub directory: PathBuf,
}

/// What calls of models cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricesConfig {
    /// The user's own prices; empty: only the bundled ones.
    pub file: PathBuf,
}

/// Whether names are kept private.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnonymizeConfig {
    /// The key; empty: names are stored as they come.
    pub key_file: PathBuf,
}

impl Config {
    /// The defaults, with what `file` says in their place. Errors on an unknown key.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new("config/default.toml")).to_owned();
        let parse = |text: &str| {
            toml::from_str::<toml::Table>(text)
                .map_err(|source| ConfigError::Parse { path: path.clone(), source: Box::new(source) })
        };
        let mut table = parse(DEFAULT)?;
        if let Some(file) = file {
            let text =
                std::fs::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
            merge(&mut table, parse(&text)?);
        }
        table.try_into().map_err(|source| ConfigError::Parse { path, source: Box::new(source) })
    }
}

fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::door::Limits;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()))
    }

    #[test]
    fn the_built_in_file_says_what_the_program_does_without_it() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.limits.body_bytes_max, Limits::default().body_bytes_max);
        assert_eq!(config.limits.attributes_max, Limits::default().attributes_max);
        assert!(config.listen.grpc.ip().is_loopback());
    }

    #[test]
    fn a_file_replaces_only_what_it_names() {
        let config = load("[store]\nrun_idle_timeout_s = 5\n").unwrap();
        assert_eq!(config.store.run_idle_timeout_s, 5);
        assert_eq!(config.listen, Config::load(None).unwrap().listen);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = load("[store]\npaht = \"x\"\n").unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("paht") && said.contains("path"), "{said}");
    }
}
