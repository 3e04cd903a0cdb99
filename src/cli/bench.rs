//! `perfline bench`: prints the figures that the documentation claims, on the machine at hand.

mod derive;
mod detect;
mod ingest;
mod payload;
mod peers;
mod process;
mod report;
mod send;
mod series;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// Print the figures that the documentation claims, measured on this machine.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What receiving and storing costs: items per CPU-second, acknowledgement times, bytes per item.
    Ingest(ingest::IngestArgs),
    /// What the runs of new spans cost while the store grows.
    Derive(derive::DeriveArgs),
    /// How often the detector and the gate are right, simulated; what judging a store costs.
    Detect(detect::DetectArgs),
    /// How long reports take over a large store: the executive one, and a pipeline's page.
    Report(report::ReportArgs),
}

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Ingest(args) => ingest::run(args),
        What::Derive(args) => derive::run(args),
        What::Detect(args) => detect::run(args),
        What::Report(args) => report::run(args),
    }
}
