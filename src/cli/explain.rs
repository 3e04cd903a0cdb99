//! `perfline explain`: why a trace is a run, or none; of a stored trace, or of files that are read for it alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::import::{Summary, expand, parse_signal, read_files, told};
use super::output::{print, print_json};
use super::query::to_table;
use super::{Failure, Format, StoreArg, opening};
use crate::api::Backend;
use crate::model::Signal;
use crate::otlp::conventions::Rules;
use crate::store::Row;

/// Say which rule saw what in a trace, and why it is a run or none. Of files: the same of every trace in them, and
/// what no rule reads; they are read for this alone, and no store is touched. Without either: the traces of the store
/// that belong to no run, counted by reason.
#[derive(Debug, Args)]
#[command(after_help = "Files are whatever `perfline import` takes.

Examples:
  perfline explain
  perfline explain 4bf92f3577b34da6a3ce929d0e0e4736
  perfline explain export-traces.json
  perfline explain --traces 0 captured/ | less")]
pub(crate) struct ExplainArgs {
    /// A trace id (32 hex digits), or files and folders; - for standard input.
    #[arg(value_name = "TRACE_ID|PATH")]
    what: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    /// What protobuf files hold, where their names do not say: traces, metrics, logs.
    #[arg(long, value_parser = parse_signal)]
    signal: Option<Signal>,
    /// Traces of files that are shown span by span, the first ones; 0: all. As JSON all are.
    #[arg(long, default_value_t = 5, value_name = "N")]
    traces: usize,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    match args.what.as_slice() {
        [] => explain_store(args),
        [one] if trace_id(one).is_some() => explain_trace(args, &trace_id(one).unwrap_or_default()),
        files => explain_files(args, files),
    }
}

// Checked to be hex, so it may stand in a query as it is.
fn trace_id(said: &Path) -> Option<String> {
    let text = said.to_str()?;
    (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

fn explain_store(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let rows = backend.query("from unmapped")?;
    backend.close()?;
    match args.format {
        Format::Json => print_json(&rows)?,
        Format::Text if rows.is_empty() => print("every trace belongs to a run\n")?,
        Format::Text => print(&to_table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explain_trace(args: &ExplainArgs, trace_id: &str) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let rows = backend.query(&format!("select * exclude (trace_id) from explain_trace('{trace_id}')"))?;
    backend.close()?;
    match args.format {
        Format::Json => print_json(&rows)?,
        Format::Text if rows.is_empty() => print(&format!("no span of trace {trace_id} is stored\n"))?,
        Format::Text => print(&to_table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What files hold, as the rules see it.
#[derive(Debug, Serialize)]
struct Explanation {
    /// What was read, and what was refused.
    read: Summary,
    runs: Vec<Row>,
    /// Which rules matched, and how many spans of them belong to a run.
    rules: Vec<Row>,
    /// Traces that belong to no run, by reason.
    unmapped: Vec<Row>,
    /// Attributes of spans that no rule reads.
    unread_attributes: Vec<Row>,
    /// Metrics, and how many of their points belong to a run.
    metrics: Vec<Row>,
    traces: Vec<Trace>,
}

#[derive(Debug, Serialize)]
struct Trace {
    trace_id: String,
    spans: Vec<Row>,
}

const RUNS: &str = "select pipeline, run_id, outcome, state, duration_s, steps, retries, input_tokens, output_tokens, \
    cost_usd, error, rule from runs order by started_at, run_key";
const RULES: &str = "select rule, count(*) as spans, count(distinct trace_id) as traces, count(run_key) as in_runs \
    from explain_trace(null) group by rule order by spans desc, rule";
const ATTRIBUTES: &str = "select key, count(*) as spans \
    from (select unnest(json_keys(attributes)) as key from spans) group by key order by spans desc, key";
const METRICS: &str = "select name, type, count(*) as points, count(run_key) as in_runs \
    from metric_points group by name, type order by points desc, name, type";

fn explain_files(args: &ExplainArgs, paths: &[PathBuf]) -> Result<ExitCode, Failure> {
    let files = expand(paths)?;
    let folder = tempfile::tempdir().map_err(|e| Failure::machine("make a folder", &e))?;
    let opening = opening(None, None)?;
    let rules = opening.rules.clone();
    let backend = Backend::open(&folder.path().join("explain.duckdb").to_string_lossy(), opening)?;
    let (read, failed) = read_files(&backend, &files, args.signal);
    let explanation = failed.and_then(|()| explain(&backend, read, &rules));
    backend.close()?;
    let explanation = explanation?;
    match args.format {
        Format::Json => print_json(&explanation)?,
        Format::Text => print(&in_words(&explanation, args.traces))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(backend: &Backend, read: Summary, rules: &Rules) -> Result<Explanation, Failure> {
    backend.settle()?;
    let mut unread_attributes = backend.query(ATTRIBUTES)?;
    unread_attributes.retain(|row| {
        let traits = rules.key_traits(row.get("key").and_then(|key| key.as_str()).unwrap_or_default());
        !traits.is_read && !traits.is_quiet
    });
    let mut traces: Vec<Trace> = Vec::new();
    for mut span in backend.query("from explain_trace(null)")? {
        let trace_id = span.remove("trace_id").and_then(|id| Some(id.as_str()?.to_owned())).unwrap_or_default();
        match traces.last_mut() {
            Some(trace) if trace.trace_id == trace_id => trace.spans.push(span),
            _ => traces.push(Trace { trace_id, spans: vec![span] }),
        }
    }
    Ok(Explanation {
        read,
        runs: backend.query(RUNS)?,
        rules: backend.query(RULES)?,
        unmapped: backend.query("from unmapped")?,
        unread_attributes,
        metrics: backend.query(METRICS)?,
        traces,
    })
}

fn in_words(explanation: &Explanation, traces_max: usize) -> String {
    let mut text = told(&explanation.read);
    let mut part = |title: &str, rows: &[Row], none: &str| {
        text += &if rows.is_empty() { format!("\n{none}\n") } else { format!("\n{title}\n{}", to_table(rows)) };
    };
    part("Runs", &explanation.runs, "No run.");
    part("Rules that matched", &explanation.rules, "No span.");
    part("Traces that belong to no run", &explanation.unmapped, "Every trace belongs to a run.");
    part("Attributes that no rule reads", &explanation.unread_attributes, "Every attribute is read by some rule.");
    if !explanation.metrics.is_empty() {
        part("Metrics", &explanation.metrics, "");
    }
    let shown = if traces_max == 0 { explanation.traces.len() } else { traces_max };
    for trace in explanation.traces.iter().take(shown) {
        text += &format!("\nTrace {}\n{}", trace.trace_id, to_table(&trace.spans));
    }
    let left = explanation.traces.len().saturating_sub(shown);
    if left > 0 {
        text += &format!("\n{left} more: --traces 0 shows them all\n");
    }
    text
}
