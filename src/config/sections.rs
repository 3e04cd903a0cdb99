//! The sections of the configuration, as the program reads them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::value::{ByteSize, Period};
use crate::model::{Policy, Signal};

/// Every setting.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how data is kept.
    pub store: StoreConfig,
    /// Where requests arrive.
    pub listen: ListenConfig,
    /// Encryption.
    pub tls: TlsConfig,
    /// Who may send, and who may ask.
    pub access: AccessConfig,
    /// What a request may be.
    pub limits: LimitsConfig,
    /// What makes a run.
    pub conventions: ConventionsConfig,
    /// How series are judged.
    pub detect: Policy,
    /// What model calls cost.
    pub prices: PricesConfig,
    /// Which names are kept private.
    pub anonymize: AnonymizeConfig,
    /// Who else gets what is acknowledged.
    pub forward: ForwardConfig,
    /// What the service says of itself.
    pub own_metrics: OwnMetricsConfig,
    /// What is said on standard error.
    pub log: LogConfig,
}

/// Where and how data is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The DuckDB file.
    pub path: PathBuf,
    /// Memory between acknowledgement and DuckDB.
    pub buffer_bytes_max: ByteSize,
    /// Length at which a file of the log is closed.
    pub segment_bytes_max: ByteSize,
    /// DuckDB's memory limit.
    pub duckdb_memory_bytes_max: ByteSize,
    /// DuckDB's threads; 0: one a core.
    pub duckdb_threads: i64,
    /// Until what waits is loaded.
    pub load_interval: Period,
    /// Until a run without root is closed.
    pub run_idle_timeout: Period,
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

/// Encryption.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate chain; empty: plain.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// The authority of clients; empty: they need no certificate.
    pub client_ca_file: PathBuf,
}

impl TlsConfig {
    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.cert_file.as_os_str().is_empty()
    }

    /// Whether clients need a certificate.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        !self.client_ca_file.as_os_str().is_empty()
    }
}

/// Who may send, and who may ask.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Bearer tokens.
    pub tokens: Vec<String>,
    /// A file of more; empty: none.
    pub token_file: PathBuf,
}

impl std::fmt::Debug for AccessConfig {
    // Tokens are secrets: they must not reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "AccessConfig {{ {} tokens, token_file: {:?} }}", self.tokens.len(), self.token_file)
    }
}

impl AccessConfig {
    /// Whether a token is needed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.tokens.is_empty() || !self.token_file.as_os_str().is_empty()
    }
}

/// What a request may be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// A body after inflation.
    pub body_bytes_max: ByteSize,
    /// All bodies under way.
    pub bodies_bytes_max: ByteSize,
    /// For a body to arrive.
    pub body_timeout: Period,
    /// Attributes of one item.
    pub attributes_max: usize,
    /// Take enums by name.
    pub lenient_enum_names: bool,
    /// Connections of one port.
    pub connections_max: usize,
    /// For a head, or a handshake, to arrive.
    pub header_timeout: Period,
    /// Rows of a query's answer; 0: all.
    pub query_rows_max: usize,
    /// Its bytes; 0: all.
    pub query_bytes_max: ByteSize,
    /// For a query to be answered; 0: as long as it takes.
    pub query_timeout: Period,
    /// Questions answered at once; 0: any number.
    pub queries_max: usize,
}

/// What makes a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConventionsConfig {
    /// The user's own conventions; empty: none.
    pub directory: PathBuf,
}

/// What model calls cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricesConfig {
    /// The user's own prices; empty: only the bundled ones.
    pub file: PathBuf,
}

/// Which names are kept private.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnonymizeConfig {
    /// The key of the pseudonyms; empty: names are stored as they come.
    pub key_file: PathBuf,
}

/// Who else gets what is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardConfig {
    /// Also where OTEL_EXPORTER_OTLP_* lead.
    pub from_env: bool,
    /// Where to.
    pub to: Vec<ForwardTo>,
}

/// One destination. What it does not say has a default: see `config/default.toml`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardTo {
    /// Its name, and its queue's.
    pub name: String,
    /// A URL.
    pub endpoint: String,
    /// `grpc` or `http/protobuf`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// What it gets; without it all.
    #[serde(default)]
    pub signals: Option<Vec<Signal>>,
    /// `gzip` or `none`.
    #[serde(default)]
    pub compression: Option<String>,
    /// Headers, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A file of more.
    #[serde(default)]
    pub headers_file: Option<PathBuf>,
    /// A variable of more, as OTEL_EXPORTER_OTLP_HEADERS has them.
    #[serde(default)]
    pub headers_env: Option<String>,
    /// For one attempt.
    #[serde(default)]
    pub timeout: Option<Period>,
    /// An authority beside the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// What may wait.
    #[serde(default)]
    pub queue_bytes_max: Option<ByteSize>,
    /// How long it may wait.
    #[serde(default)]
    pub age_max: Option<Period>,
    /// How long a request may be.
    #[serde(default)]
    pub request_bytes_max: Option<ByteSize>,
    /// The first bound of the wait before another attempt.
    #[serde(default)]
    pub retry_wait: Option<Period>,
    /// The last bound.
    #[serde(default)]
    pub retry_wait_max: Option<Period>,
}

impl std::fmt::Debug for ForwardTo {
    // Headers are secrets: they must not reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ForwardTo {{ name: {:?}, {} headers }}", self.name, self.headers.len())
    }
}

/// What the service says of itself as OTLP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnMetricsConfig {
    /// How often; 0: never.
    pub interval: Period,
}

/// What is said on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A level or a filter.
    pub level: String,
    /// For whom.
    pub format: LogFormat,
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}
