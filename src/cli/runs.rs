//! `perfline runs` and `perfline steps`.

use std::process::ExitCode;

use clap::Args;

use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::RunQuery;
use crate::model::unit::{format_bytes, format_duration, format_usd};
use crate::model::{Run, Step};
use crate::report::Align::{Left, Right};
use crate::report::Table;

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
        Format::Text => print(&runs_table(&runs))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_steps(args: &StepsArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let steps = backend.steps(&args.run)?;
    let known = !steps.is_empty() || !backend.runs(&RunQuery { run: Some(args.run.clone()), ..RunQuery::default() })?.is_empty();
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
        Format::Text => print(&steps_table(&steps))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn or_blank<T>(value: Option<T>, format: impl Fn(T) -> String) -> String {
    value.map_or(String::new(), format)
}

fn tokens(input: Option<i64>, output: Option<i64>) -> String {
    match (input, output) {
        (None, None) => String::new(),
        (input, output) => format!("{} / {}", input.unwrap_or(0), output.unwrap_or(0)),
    }
}

fn runs_table(runs: &[Run]) -> String {
    let mut table = Table::new(&[
        ("pipeline", Left),
        ("run", Left),
        ("started", Left),
        ("duration", Right),
        ("outcome", Left),
        ("steps", Right),
        ("retries", Right),
        ("tokens", Right),
        ("cost", Right),
        ("peak memory", Right),
    ]);
    for run in runs {
        table.row([
            run.pipeline.clone(),
            run.run_id.clone(),
            run.started_at.clone(),
            or_blank(run.duration_s, format_duration),
            run.outcome.as_str().to_owned(),
            run.steps.to_string(),
            run.retries.to_string(),
            tokens(run.input_tokens, run.output_tokens),
            or_blank(run.cost_usd, format_usd),
            or_blank(run.peak_memory_bytes, |bytes| {
                #[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
                format_bytes(bytes as f64)
            }),
        ]);
    }
    table.render(terminal_width())
}

fn steps_table(steps: &[Step]) -> String {
    let mut table = Table::new(&[
        ("step", Left),
        ("attempt", Right),
        ("started", Left),
        ("duration", Right),
        ("outcome", Left),
        ("model", Left),
        ("tokens", Right),
        ("cost", Right),
        ("error", Left),
    ]);
    for step in steps {
        table.row([
            step.step.clone(),
            step.attempt.to_string(),
            step.started_at.clone(),
            or_blank(step.duration_s, format_duration),
            step.outcome.as_str().to_owned(),
            step.model.clone().unwrap_or_default(),
            tokens(step.input_tokens, step.output_tokens),
            or_blank(step.cost_usd, format_usd),
            step.error.clone().unwrap_or_default(),
        ]);
    }
    table.render(terminal_width())
}
