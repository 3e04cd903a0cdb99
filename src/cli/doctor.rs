//! `perfline doctor`: what state a store is in, and what to do.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Format, StoreArg};
use crate::api::Backend;
use crate::model::unit::format_bytes;
use crate::report::clean::line;
use crate::store::{Row, log_folder};

/// Something is wrong.
const EXIT_UNWELL: u8 = 1;
/// What a store holds, in one row.
const QUERY_FACTS: &str = "select
    (select max(version) from schema_migrations) as schema_version,
    version() as duckdb_version,
    (select count(*) from runs) as runs,
    (select count(*) from runs where state = 'open') as runs_open,
    (select count(*) from runs where state = 'closed' and outcome = 'unknown') as runs_outcome_unknown,
    (select count(*) from span_rows) as spans,
    (select count(*) from point_rows) as metric_points,
    (select count(*) from log_rows) as logs,
    (select cast(coalesce(sum(traces), 0) as bigint) from unmapped) as unmapped_traces,
    (select cast(coalesce(sum(traces), 0) as bigint) from unmapped where reason = 'outside of any run')
        as unmapped_unexpected,
    (select count(distinct pipeline) from runs) as pipelines,
    (select min(started_at) from runs) as oldest_run,
    (select max(started_at) from runs) as newest_run,
    (select make_timestamp_ns(min(start_ns)) from span_rows) as oldest_span,
    (select make_timestamp_ns(max(start_ns)) from span_rows) as newest_span";

/// Say what state a store is in, what is wrong, and what to do. Opening it loads what was
/// acknowledged and not loaded, and nothing else is written. Exit 1 where something is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline doctor
  perfline doctor --store http://127.0.0.1:4318 --format json")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    store: StoreArg,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Answer {
    store: String,
    perfline: &'static str,
    file_bytes: Option<u64>,
    wal_bytes: Option<u64>,
    log_bytes: Option<u64>,
    facts: Row,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    what: String,
    remedy: Option<String>,
}

pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let name = args.store.name();
    let path = Path::new(name);
    let is_file = path.exists();
    // Sizes as they are before opening changes them.
    let mut answer = Answer {
        store: name.to_owned(),
        perfline: env!("CARGO_PKG_VERSION"),
        file_bytes: is_file.then(|| len(path)),
        wal_bytes: is_file.then(|| len(Path::new(&format!("{name}.wal")))),
        log_bytes: is_file.then(|| folder_len(&log_folder(path))),
        facts: Row::new(),
        problems: Vec::new(),
        notes: Vec::new(),
    };
    match args.store.open_existing().and_then(ask) {
        Ok(facts) => answer.facts = facts,
        Err(failure) => {
            let (what, remedy) = failure.into_parts();
            answer.problems.push(Problem { what, remedy });
        }
    }
    note(&mut answer);
    match args.format {
        Format::Json => print_json(&answer)?,
        Format::Text => print(&tell(&answer))?,
    }
    Ok(if answer.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNWELL) })
}

fn ask(backend: Backend) -> Result<Row, Failure> {
    let facts = backend.query(QUERY_FACTS);
    backend.close()?;
    Ok(facts?.into_iter().next().unwrap_or_default())
}

fn note(answer: &mut Answer) {
    let count = |name: &str| answer.facts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let mut notes = Vec::new();
    let mut add = |what: String, remedy: &str| notes.push(Problem { what, remedy: Some(remedy.to_owned()) });
    if !answer.facts.is_empty() && count("runs") == 0 {
        add(
            "no runs are stored".to_owned(),
            "point an OTLP exporter at `perfline serve`, or `perfline import` files; `perfline explain` says why traces are no runs",
        );
    }
    if count("runs_open") > 0 {
        add(
            format!("{} runs are open: no end was received", count("runs_open")),
            "a running service closes them after run_idle_timeout, an import at its end",
        );
    }
    if count("runs_outcome_unknown") > 0 {
        add(
            format!("{} closed runs do not say how they ended", count("runs_outcome_unknown")),
            "set the span status of the run's root span to OK or ERROR",
        );
    }
    if count("unmapped_unexpected") > 0 {
        add(
            format!("{} traces lie outside of any run for no known reason", count("unmapped_unexpected")),
            "`perfline explain` lists them",
        );
    }
    answer.notes = notes;
}

#[allow(clippy::cast_precision_loss, reason = "bytes are shown with three digits")]
fn tell(answer: &Answer) -> String {
    let mut out = format!("store      {}\nperfline   {}\n", line(&answer.store), answer.perfline);
    if let (Some(file), Some(wal), Some(log)) = (answer.file_bytes, answer.wal_bytes, answer.log_bytes) {
        let size = |bytes: u64| format_bytes(bytes as f64);
        out += &format!("size       file {}, wal {}, log {}\n", size(file), size(wal), size(log));
    }
    for (name, value) in &answer.facts {
        let value = match value {
            serde_json::Value::Null => "–".to_owned(),
            serde_json::Value::String(text) => line(text),
            other => other.to_string(),
        };
        out += &format!("{:<22} {value}\n", name.replace('_', " "));
    }
    for (word, told) in [("problem", &answer.problems), ("note", &answer.notes)] {
        for problem in told {
            out += &format!("\n{word}: {}\n", line(&problem.what));
            if let Some(remedy) = &problem.remedy {
                out += &format!("  {}\n", line(remedy));
            }
        }
    }
    out += if answer.problems.is_empty() { "\nnothing is wrong\n" } else { "" };
    out
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

fn folder_len(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.metadata().map_or(0, |meta| meta.len())).sum()
}
