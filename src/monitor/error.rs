//! What can go wrong around a command. A collector that is away is not here: that is a warning.

use std::io;

/// Why a command could not be wrapped at all.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Nothing stood after `--`.
    #[error("no command given: write it after `--`, as in `perfline run -- make test`")]
    NoCommand,
    /// The signals of this process could not be listened to.
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    /// The thread that waits for the command could not be started or was lost.
    #[error("wait for the command")]
    Wait(#[source] io::Error),
    /// The exporter refused its settings.
    #[error("set up the OTLP exporter for `{endpoint}`: {reason}")]
    Exporter {
        /// Where it should have sent to.
        endpoint: String,
        /// The exporter's own words.
        reason: String,
    },
}

impl MonitorError {
    /// The exit code that fits: 2 for usage, 70 for what should not happen.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NoCommand | Self::Exporter { .. } => 2,
            Self::Signals(_) | Self::Wait(_) => 70,
        }
    }
}
