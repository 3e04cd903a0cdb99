//! `perfline tail`: runs as they end.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;

use super::output::print_while_read;
use super::{Failure, Format, StoreArg};
use crate::api::{ApiError, RunQuery};
use crate::model::unit::{format_duration, format_usd};
use crate::model::{Run, RunState};
use crate::report::clean::{line, shorten};

/// Runs that are looked at each time, the newest by start.
const WINDOW_RUNS: u32 = 1_000;

/// Print runs as they end, until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Runs are told when they have ended; a run without a root ends when it is settled.

Examples:
  perfline tail --store http://127.0.0.1:4318
  perfline tail --pipeline nightly --format json | jq -c '[.run_id, .outcome]'")]
pub(crate) struct TailArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline.
    #[arg(long)]
    pipeline: Option<String>,
    /// First print this many runs that have ended already.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    last: u32,
    /// End after this many runs.
    #[arg(long, value_name = "RUNS")]
    count: Option<u64>,
    /// Ask this often, seconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Text, or one JSON object a line.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &TailArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let stopped = stopped()?;
    let query = RunQuery { pipeline: args.pipeline.clone(), run: None, limit: WINDOW_RUNS };
    let mut told: Option<HashSet<String>> = None;
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut is_read = true;
    while left > 0 {
        let runs = match backend.runs(&query) {
            // It answered before, and will again.
            Err(ApiError::Busy { .. }) if told.is_some() => {
                if is_over(&stopped, args.every) {
                    break;
                }
                continue;
            }
            answer => answer?,
        };
        let ended: Vec<Run> = runs.into_iter().filter(|run| run.state == RunState::Closed).collect();
        let fresh: Vec<&Run> = match &told {
            None => ended.iter().skip(ended.len().saturating_sub(args.last as usize)).collect(),
            Some(told) => ended.iter().filter(|run| !told.contains(&run.run_key)).collect(),
        };
        for run in fresh.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            is_read = is_read && print_while_read(&tell(run, args.format)?)?;
            left -= 1;
        }
        told = Some(ended.into_iter().map(|run| run.run_key).collect());
        // Nobody would see what comes next: `perfline tail | head`.
        if left == 0 || !is_read || is_over(&stopped, args.every) {
            break;
        }
    }
    backend.close()?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for so many seconds, or until it is stopped.
fn is_over(stopped: &Receiver<()>, seconds: u64) -> bool {
    !matches!(stopped.recv_timeout(Duration::from_secs(seconds)), Err(RecvTimeoutError::Timeout))
}

/// Says something, or hangs up, at Ctrl-C or SIGTERM.
fn stopped() -> Result<Receiver<()>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let (stop, stopped) = channel();
    std::thread::spawn(move || {
        // Within the runtime: signals are caught when it is called.
        runtime.block_on(async { super::serve::stopped().await });
        // The command may have ended by itself.
        let _ = stop.send(());
    });
    Ok(stopped)
}

fn tell(run: &Run, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        return Ok(serde_json::to_string(run).map_err(|e| Failure::internal(&e))? + "\n");
    }
    let duration = run.duration_s.map_or("–".to_owned(), format_duration);
    let cost = run.cost_usd.map_or(String::new(), |usd| format!("  {}", format_usd(usd)));
    let error = run.error.as_deref().map_or(String::new(), |error| format!("  {}", shorten(error, 100)));
    Ok(format!(
        "{}  {:<9}  {:>12}  {} / {}{cost}{error}\n",
        run.started_at,
        run.outcome.as_str(),
        duration,
        line(&run.pipeline),
        line(&run.run_id)
    ))
}
