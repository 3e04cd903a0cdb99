//! `perfline explain`: why a trace is a run, or none.

use std::process::ExitCode;

use clap::Args;

use super::output::{print, print_json};
use super::query::to_table;
use super::{Failure, Format, StoreArg};

/// Say which rule saw what in a trace, and why it is a run or none. Without a trace: the traces that
/// belong to no run, counted by reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline explain
  perfline explain 4bf92f3577b34da6a3ce929d0e0e4736")]
pub(crate) struct ExplainArgs {
    /// A trace id: 32 hex digits.
    #[arg(value_parser = parse_trace_id)]
    trace_id: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

// Checked to be hex, so it may stand in the query as it is.
fn parse_trace_id(text: &str) -> Result<String, String> {
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a trace id is 32 hex digits".to_owned())
    }
}

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let question = match &args.trace_id {
        Some(trace_id) => format!("from explain_trace('{trace_id}')"),
        None => "from unmapped".to_owned(),
    };
    let rows = backend.query(&question)?;
    backend.close()?;
    match (args.format, &args.trace_id) {
        (Format::Json, _) => print_json(&rows)?,
        (Format::Text, None) if rows.is_empty() => print("every trace belongs to a run\n")?,
        (Format::Text, Some(trace_id)) if rows.is_empty() => {
            print(&format!("no span of trace {trace_id} is stored\n"))?
        }
        (Format::Text, _) => print(&to_table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}
