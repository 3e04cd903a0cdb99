//! `perfline runs` and `perfline steps`.

use std::process::ExitCode;

use clap::Args;

use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::RunQuery;
use crate::report::{runs_table, steps_table};

/// List runs, newest last.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline runs --pipeline nightly --limit 20
  perfline runs --format json | jq '.[].outcome'")]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline.
    #[arg(long)]
    pipeline: Option<String>,
    /// Only runs with this run_key or run_id.
    #[arg(long)]
    run: Option<String>,
    /// At most this many, the newest; 0 is all.
    #[arg(long, default_value_t = 0)]
    limit: u32,
    /// How the list is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// List the steps of one run: every attempt, in order of start.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  perfline steps --run 1842")]
pub(crate) struct StepsArgs {
    #[command(flatten)]
    store: StoreArg,
    /// A run_key or a run_id; a run_id that fits several runs gives all of them.
    #[arg(long)]
    run: String,
    /// How the list is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &RunsArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let query = RunQuery { pipeline: args.pipeline.clone(), run: args.run.clone(), limit: args.limit };
    let runs = backend.runs(&query)?;
    backend.close()?;
    match args.format {
        Format::Json => print_json(&runs)?,
        Format::Text if runs.is_empty() => print("no runs\n")?,
        Format::Text => print(&runs_table(&runs).ansi(terminal_width()))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_steps(args: &StepsArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let steps = backend.steps(&args.run)?;
    let known = !steps.is_empty()
        || !backend.runs(&RunQuery { run: Some(args.run.clone()), ..RunQuery::default() })?.is_empty();
    backend.close()?;
    if !known {
        return Err(Failure::usage(
            format!("no run has the run_key or run_id `{}`", args.run),
            "`perfline runs` lists them",
        ));
    }
    match args.format {
        Format::Json => print_json(&steps)?,
        Format::Text if steps.is_empty() => print("the run has no steps\n")?,
        Format::Text => print(&steps_table(&steps).ansi(terminal_width()))?,
    }
    Ok(ExitCode::SUCCESS)
}
