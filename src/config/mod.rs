//! The configuration of `perfline serve`: `config/default.toml` is the default; a file, the environment and flags
//! replace what they name, in that order.
//!
//! A new setting is a key in `config/default.toml` and a field in `sections.rs`: its variable, its `--set`, the
//! check for unknown keys and `perfline config show` follow from these two.

mod check;
mod error;
mod layers;
mod sections;
mod value;

pub use error::ConfigError;
pub use layers::{Layers, Setting, Source};
pub use sections::{
    AccessConfig, AnonymizeConfig, Config, ConventionsConfig, ForwardConfig, ForwardTo, LimitsConfig, ListenConfig,
    LogConfig, LogFormat, PricesConfig, StoreConfig, TlsConfig,
};
pub use value::{ByteSize, Period};

/// The built-in file.
pub const DEFAULT: &str = include_str!("../../config/default.toml");
