//! Wraps a command: runs it, samples its whole process tree, and says what it took as OTLP.
//!
//! The command comes first: its exit code is ours, its signals reach it, and a collector that is away
//! costs a warning. What is emitted is one run (CI/CD semantic conventions) with its resource samples.

pub mod api;
pub mod child;
mod ci;
pub mod context;
mod encode;
pub mod error;
mod export;
mod git;
pub mod host;
pub mod identity;
pub mod outputs;
mod points;
pub mod propagation;
#[cfg(test)]
pub(crate) mod receiver;
mod run;
mod signals;
pub mod spans;
mod terminal;
pub mod tree;
pub mod usage;
pub mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use api::Pipeline;
pub use error::MonitorError;
pub use run::run;
pub use usage::Usage;

use crate::model::Outcome;
use crate::model::clock::{Clock, UnixNanos};
use crate::net::ClientFiles;

/// Where the run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To an OTLP collector: this URL, or what `OTEL_EXPORTER_OTLP_*` says.
    Collector(Option<String>),
    /// Back to the caller, as request bytes in [`RunReport::requests`].
    Caller,
}

/// What to run and how to speak of it.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// `--pipeline`; else what CI says, else the program's name.
    pub pipeline: Option<String>,
    /// `--step`
    pub step: Option<String>,
    /// `--run-id`; else what CI says, else the trace id.
    pub run_id: Option<String>,
    /// Where the run goes.
    pub destination: Destination,
    /// Files and directories to measure afterwards.
    pub outputs: Vec<PathBuf>,
    /// Whether the command line may be sent. It often holds secrets: off unless asked for.
    pub record_command: bool,
    /// Environment variables to learn from; only allow-listed names are looked up.
    pub environment: BTreeMap<String, String>,
    /// Whether processes that lose their parent become ours instead of init's, so that none is missed.
    /// It makes this process reap every child that it has: only for a program that does nothing else.
    pub adopt_orphans: bool,
    /// Source of the run's times.
    pub clock: Clock,
    /// A bearer token for the collector.
    pub collector_token: Option<String>,
    /// An authority and a certificate for the collector, before what `OTEL_EXPORTER_OTLP_*` says.
    pub collector_files: ClientFiles,
    /// Longest time that sending may hold the exit code back.
    pub export_deadline: Duration,
}

impl RunRequest {
    /// Wraps `command` in this process's environment, sending to the collector that it names.
    #[must_use]
    pub fn new(command: Vec<OsString>) -> Self {
        Self {
            command,
            pipeline: None,
            step: None,
            run_id: None,
            destination: Destination::Collector(None),
            outputs: Vec::new(),
            record_command: false,
            environment: own_environment(),
            adopt_orphans: false,
            clock: Clock::Wall,
            collector_token: None,
            collector_files: ClientFiles::default(),
            export_deadline: Duration::from_secs(5),
        }
    }
}

impl RunReport {
    /// The code to exit with, for a program that does nothing after the run. Where the command died of
    /// Ctrl-C at the terminal, this process dies of it as well and the call does not return.
    #[must_use]
    pub fn leave(&self) -> i32 {
        if let Some(signal) = self.at_terminal {
            child::end_by(signal);
        }
        self.exit_code
    }
}

/// This process's variables; what is no text is left out.
fn own_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A run as OTLP export requests (protobuf).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// `ExportTraceServiceRequest`
    pub traces: Vec<u8>,
    /// Spans in it.
    pub spans: u32,
    /// `ExportMetricsServiceRequest`; empty when nothing was sampled.
    pub metrics: Vec<u8>,
    /// Points in it.
    pub points: u32,
}

/// What became of the command, and of the telemetry about it.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Pipeline.
    pub pipeline: String,
    /// Step, where the command is one.
    pub step: Option<String>,
    /// The run's id.
    pub run_id: String,
    /// Lower-case hex.
    pub trace_id: String,
    /// What this process should exit with.
    pub exit_code: i32,
    /// Set where the command had the terminal and died of Ctrl-C or Ctrl-\\: a program should then die of
    /// the same signal, or a script around it goes on.
    pub at_terminal: Option<i32>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Begin, Unix nanoseconds.
    pub started_ns: UnixNanos,
    /// Monotonic time from begin to end.
    pub duration: Duration,
    /// What it took.
    pub usage: Usage,
    /// Files written, where asked.
    pub outputs: Option<outputs::Outputs>,
    /// The OTLP requests, for [`Destination::Caller`] (and not with `OTEL_SDK_DISABLED`).
    pub requests: Option<Requests>,
    /// Whether a collector has acknowledged the run.
    pub delivered: bool,
    /// What the user should be told, worst first; never a reason to change the exit code.
    pub warnings: Vec<String>,
}
