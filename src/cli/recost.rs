//! `perfline recost`: prices stored model calls again.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{print, print_json};
use super::{Failure, Format, StoreArg};
use crate::model::unit::format_count;

/// Price every stored model call again whose cost no span states: by your price file, else by the bundled
/// prices at the date of the call. Costs of steps and runs are summed up anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline recost --prices prices.toml
  PERFLINE_PRICES=prices.toml perfline recost --store runs.duckdb")]
pub(crate) struct RecostArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Your prices (see docs/costs.md). Without it PERFLINE_PRICES. A running service has its own.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &RecostArgs) -> Result<ExitCode, Failure> {
    let backend = if args.store.is_url() {
        if args.prices.is_some() {
            return Err(Failure::usage(
                "a running service prices by its own file",
                "name the file in its configuration, [prices] file, and send it SIGHUP; then recost without --prices",
            ));
        }
        args.store.open_existing()?
    } else {
        args.store.must_exist()?;
        args.store.open_with(args.prices.as_deref(), None)?
    };
    let done = backend.recost()?;
    backend.close()?;
    match args.format {
        Format::Json => print_json(&done)?,
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        Format::Text => {
            let count = |calls: u64| format_count(calls as f64);
            print(&format!(
                "{} calls cost something else now\nstated {}, by your file {}, by the bundled prices {}, unknown {}\n",
                count(done.changed),
                count(done.stated),
                count(done.user),
                count(done.bundled),
                count(done.unknown)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
