//! `perfline doctor`: what state a store is in, and what to do.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::weak::{Weak, weak_baselines};
use super::{Failure, Format, StoreArg, rules};
use crate::api::{ApiError, Backend};
use crate::model::unit::{format_bytes, format_duration};
use crate::report::clean::line;
use crate::store::log::QueueName;
use crate::store::{OnDamage, RESTORE, Row, Store, StoreError, StoreOptions, log_folder};

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
    (select count(*) from runs where length(run_id) = 500 or length(pipeline) = 500)
        + (select count(*) from steps where length(step) = 500) as names_cut,
    (select coalesce(sum(unpriced_calls), 0)::bigint from runs) as unpriced_calls,
    (select count(distinct pipeline) from runs) as pipelines,
    (select min(started_at) from runs) as oldest_run,
    (select max(started_at) from runs) as newest_run,
    (select make_timestamp_ns(min(start_ns)) from span_rows) as oldest_span,
    (select make_timestamp_ns(max(start_ns)) from span_rows) as newest_span";

/// Tables that are read to the last row.
const QUERY_TABLES: &str = "select table_name from duckdb_tables() where not internal and not temporary order by all";
/// Say what state a store is in, what is wrong, and what to do: every row is read. Opening it loads what
/// was acknowledged and not loaded, and nothing else is written. Exit 1 where something is wrong, 2 where
/// there is no such store.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline doctor
  perfline doctor --store http://127.0.0.1:4318 --format json
  perfline doctor --repair")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Where the segment log is damaged: load whatever is whole, keep the damaged segments beside it as
    /// `.damaged`, and say what is lost.
    #[arg(long)]
    repair: bool,
    /// Do not read every row, which takes as long as the store is large.
    #[arg(long)]
    quick: bool,
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
    queues: Vec<Waits>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
    /// Baselines that are thin or stale.
    weak_baselines: Vec<Weak>,
}

/// What waits for a destination of forwarding.
#[derive(Serialize)]
struct Waits {
    destination: String,
    log_bytes: u64,
    age_s: u64,
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
        queues: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        weak_baselines: Vec::new(),
    };
    let mut code = EXIT_UNWELL;
    let asked = usable(args).inspect_err(|failure| code = failure.code()).and_then(|()| {
        // A file that does not open suffers from something; a service that does not answer was asked wrongly.
        let opened = open(args, &mut answer);
        let backend = opened.inspect_err(|failure| code = if is_file { EXIT_UNWELL } else { failure.code() })?;
        let asked = ask(&backend, args.quick, &mut answer);
        let closed = backend.close();
        asked.and(Ok(closed?))
    });
    if let Err(failure) = asked {
        let (what, remedy) = failure.into_parts();
        answer.problems.push(Problem { what, remedy });
    }
    note(&mut answer);
    note_kept(path, &mut answer);
    match args.format {
        Format::Json => print_json(&answer)?,
        Format::Text => print(&tell(&answer))?,
    }
    Ok(if answer.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(code) })
}

/// Whether what was asked can be answered: the store is there, and the configuration is one.
fn usable(args: &DoctorArgs) -> Result<(), Failure> {
    args.store.must_exist()?;
    super::opening(None, None)?;
    super::policy().map(drop)
}

fn open(args: &DoctorArgs, answer: &mut Answer) -> Result<Backend, Failure> {
    if !args.repair {
        return args.store.open_existing();
    }
    let path = Path::new(args.store.name());
    if !path.exists() {
        return Err(Failure::usage(
            format!("repair `{}`: there is no such file", args.store.name()),
            "stop the service and name its DuckDB file by --store",
        ));
    }
    let options = StoreOptions { on_damage: OnDamage::Skip, ..StoreOptions::new(path) };
    let store = Store::open(&options, rules()?)?;
    for loss in store.losses() {
        let segment = loss.path.display();
        let what = match loss.bytes {
            Some(bytes) => format!("lost: {bytes} bytes of `{segment}` from byte {} on could not be read", loss.at),
            None => format!("lost: `{segment}` is missing"),
        };
        let remedy = "what is whole was loaded, and the next start goes on behind it".to_owned();
        answer.problems.push(Problem { what, remedy: Some(remedy) });
    }
    Ok(Backend::Local(store))
}

fn ask(backend: &Backend, quick: bool, answer: &mut Answer) -> Result<(), Failure> {
    if let Backend::Local(store) = backend
        && store.log_gone()
    {
        let what = "the segment log is gone, though this store has read from one: what was acknowledged and not loaded went with it";
        let remedy = "where the folder `<store>.log` still exists elsewhere, stop, and move it back beside the store; it mends itself when the next request is stored";
        answer.problems.push(Problem { what: what.to_owned(), remedy: Some(remedy.to_owned()) });
    }
    if let Backend::Local(store) = backend {
        answer.queues = waits(store)?;
    }
    match backend.query(QUERY_FACTS) {
        Ok(facts) => answer.facts = facts.into_iter().next().unwrap_or_default(),
        Err(error) => {
            match error.limit() {
                // That says nothing of the store.
                Some(key) => answer.notes.push(unread("what it holds", key)),
                None => answer.problems.push(unreadable("what it holds", error)),
            }
            return Ok(());
        }
    }
    answer.weak_baselines = weak_baselines(backend, None, None, &super::policy()?)?;
    if quick {
        return Ok(());
    }
    let tables = match backend.query(QUERY_TABLES) {
        Ok(tables) => tables,
        Err(error) => {
            let Some(key) = error.limit() else { return Err(error.into()) };
            answer.notes.push(unread("the list of tables", key));
            return Ok(());
        }
    };
    for row in tables {
        let Some(table) = row.get("table_name").and_then(serde_json::Value::as_str) else { continue };
        // A hash of whole rows reads every column of every block, and DuckDB checks each block's checksum.
        let read = backend.query(&format!("select bit_xor(hash(t)) from \"{}\" t", table.replace('"', "\"\"")));
        let Err(error) = read else { continue };
        let what = format!("table `{table}`");
        match error.limit() {
            // To read a large table may take more than a service gives to one question.
            Some(key) => answer.notes.push(unread(&what, key)),
            None => {
                answer.problems.push(unreadable(&what, error));
                break;
            }
        }
    }
    Ok(())
}

/// The queues of a file's log. What waits in those of a running service its `/metrics` says.
fn waits(store: &Store) -> Result<Vec<Waits>, Failure> {
    let one = |name: QueueName| {
        let destination = name.to_string();
        let waiting = store.queue(name)?.waiting().map_err(StoreError::from)?;
        Ok(Waits { destination, log_bytes: waiting.bytes, age_s: waiting.age_s })
    };
    store.queues().into_iter().map(one).collect()
}

fn unread(what: &str, key: &str) -> Problem {
    Problem {
        what: format!("{what} was not read to its end: that takes more than {key} allows"),
        remedy: Some(format!("raise {key} for as long as it takes, or stop the service and name its file")),
    }
}

fn unreadable(what: &str, error: ApiError) -> Problem {
    let (cause, help) = Failure::from(error).into_parts();
    // A service that is out of reach, or stalled, has a remedy of its own.
    Problem { what: format!("{what} cannot be read: {cause}"), remedy: help.or_else(|| Some(RESTORE.to_owned())) }
}

/// Segments that a repair put aside.
fn note_kept(store: &Path, answer: &mut Answer) {
    let files = std::fs::read_dir(log_folder(store)).into_iter().flatten().flatten().map(|file| file.path());
    let kept = files.filter(|file| file.extension().is_some_and(|ending| ending == "damaged")).count();
    if kept > 0 {
        answer.notes.push(Problem {
            what: format!("{kept} damaged segments are kept in `{}`", log_folder(store).display()),
            remedy: Some("delete them once nobody wants to look at them".to_owned()),
        });
    }
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
    if count("names_cut") > 0 {
        add(
            format!("{} runs and steps have a name or an id that was cut at 500 characters", count("names_cut")),
            "the end of a cut one is a hash of the whole: they are still told apart; spans keep the whole text",
        );
    }
    if count("unpriced_calls") > 0 {
        add(
            format!(
                "{} model calls have no known price: the costs of their runs are without them",
                count("unpriced_calls")
            ),
            "name prices in a file (docs/costs.md), then `perfline recost`",
        );
    }
    if let Some(first) = answer.weak_baselines.first() {
        let (count, name, warning) = (answer.weak_baselines.len(), &first.pipeline, &first.warning);
        add(
            format!("{count} pipelines have a baseline that is thin or stale, such as {name}: {warning}"),
            "`perfline baseline list --warnings` lists them; `perfline baseline reset` takes a stale pin back",
        );
    }
    answer.notes.extend(notes);
}

#[allow(clippy::cast_precision_loss, reason = "bytes are shown with three digits")]
fn tell(answer: &Answer) -> String {
    let mut out = format!("store      {}\nperfline   {}\n", line(&answer.store), answer.perfline);
    if let (Some(file), Some(wal), Some(log)) = (answer.file_bytes, answer.wal_bytes, answer.log_bytes) {
        let size = |bytes: u64| format_bytes(bytes as f64);
        out += &format!("size       file {}, wal {}, log {}\n", size(file), size(wal), size(log));
    }
    for queue in &answer.queues {
        let (size, age) = (format_bytes(queue.log_bytes as f64), format_duration(queue.age_s as f64));
        let oldest = if queue.log_bytes == 0 { String::new() } else { format!(", the oldest for {age}") };
        out += &format!("queue      {}: {size} of the log wait{oldest}\n", queue.destination);
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
