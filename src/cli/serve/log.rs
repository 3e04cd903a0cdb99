//! The log of `perfline serve`, on standard error: text for people or JSON for programs, its level changed at will.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::super::Failure;
use crate::config::{LogConfig, LogFormat};

/// Changes the level of the running log.
pub(super) type Level = reload::Handle<EnvFilter, Registry>;

/// What `log.level` says.
pub(crate) fn filter(log: &LogConfig) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(&log.level).map_err(|e| {
        Failure::machine(&format!("configure: log.level: `{}`", log.level), &e)
            .with_help("give error, warn, info, debug, or a filter such as info,perfline::store=debug")
    })
}

/// Starts the log.
pub(super) fn start(log: &LogConfig) -> Result<Level, Failure> {
    let (layer, level) = reload::Layer::new(filter(log)?);
    let registry = tracing_subscriber::registry().with(layer);
    let lines = fmt::layer().with_writer(std::io::stderr);
    // A second call in one process finds the log started already.
    match log.format {
        LogFormat::Text => drop(registry.with(lines).try_init()),
        LogFormat::Json => drop(registry.with(lines.json().flatten_event(true)).try_init()),
    }
    Ok(level)
}
