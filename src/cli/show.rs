//! `perfline show`: one run, whole.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::{Backend, RunQuery};
use crate::model::unit::{
    format_bytes, format_count, format_duration, format_share, format_usd, parse_time, significant,
};
use crate::model::{Run, Step};
use crate::report::clean::{line, shorten};
use crate::report::{Align, Table, Tone, outcome_tone, used_columns};
use crate::store::Row;

/// Columns of the bars where the terminal leaves room.
const BAR_COLUMNS: usize = 40;
/// Model calls that are listed as text; JSON has all.
const CALLS_MAX: usize = 50;

/// Show one run: facts, steps as a waterfall, model calls, error, resource samples.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline show 1842
  perfline show 1842 --format json | jq '.[0].steps[].step'")]
pub(crate) struct ShowArgs {
    /// A run_key or a run_id; a run_id that fits several runs gives all of them.
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    store: StoreArg,
    /// How the run is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A run with everything that belongs to it.
#[derive(Serialize)]
struct Whole {
    run: Run,
    steps: Vec<Step>,
    model_calls: Vec<Row>,
    quality_scores: Vec<Row>,
    resources: Vec<Row>,
}

pub(super) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let wholes = read(&backend, &args.run)?;
    backend.close()?;
    if wholes.is_empty() {
        return Err(Failure::usage(
            format!("no run has the run_key or run_id `{}`", args.run),
            "`perfline runs` lists them",
        ));
    }
    match args.format {
        Format::Json => print_json(&wholes)?,
        Format::Text => print(&wholes.iter().map(tell).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(backend: &Backend, name: &str) -> Result<Vec<Whole>, Failure> {
    let runs = backend.runs(&RunQuery { run: Some(name.to_owned()), ..RunQuery::default() })?;
    let steps = backend.steps(name)?;
    let mut wholes = Vec::with_capacity(runs.len());
    for run in runs {
        let key = literal(&run.run_key);
        let ask = |question: &str| backend.query(&question.replace("$key", &key));
        wholes.push(Whole {
            steps: steps.iter().filter(|step| step.run_key == run.run_key).cloned().collect(),
            model_calls: ask(
                "select step, model, provider, operation, outcome, make_timestamp_ns(started_ns) as started_at, \
                 duration_s, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd, cost_source \
                 from model_calls where run_key = $key order by started_ns, span_id",
            )?,
            quality_scores: ask(
                "select step, name, score, label from quality_scores where run_key = $key order by at_ns, name",
            )?,
            resources: ask(
                "select name, unit, count(*) as samples, min(value) as min, avg(value) as mean, max(value) as max \
                 from resource_samples where run_key = $key and value is not null group by all order by name, unit",
            )?,
            run,
        });
    }
    Ok(wholes)
}

/// Text as a SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

fn tell(whole: &Whole) -> String {
    let run = &whole.run;
    let outcome = outcome_tone(run.outcome).paint(run.outcome.as_str());
    let mut out = format!("{} / {}  {outcome}\n\n", line(&run.pipeline), line(&run.run_id));
    for (name, value) in facts(run) {
        if let Some(value) = value {
            out += &format!("  {name:<12} {}\n", line(&value));
        }
    }
    if let Some(error) = &run.error {
        out += &format!("  {:<12} {}\n", "error", shorten(error, 2_000));
    }
    out += &format!("\nsteps\n{}", waterfall(run, &whole.steps));
    let begin = parse_time(&run.started_at).unwrap_or_default();
    for (title, rows, table) in [
        ("model calls", &whole.model_calls, &(|rows: &[Row]| calls(rows, begin)) as &dyn Fn(&[Row]) -> Table),
        ("quality scores", &whole.quality_scores, &scores),
        ("resources", &whole.resources, &resources),
    ] {
        if !rows.is_empty() {
            let shown = &rows[..rows.len().min(CALLS_MAX)];
            out += &format!("\n{title}\n{}", table(shown).ansi(terminal_width()));
            if rows.len() > shown.len() {
                out += &format!("{} more: --format json has all\n", rows.len() - shown.len());
            }
        }
    }
    out
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes are shown with three digits")]
fn facts(run: &Run) -> Vec<(&'static str, Option<String>)> {
    let tokens = run.input_tokens.or(run.output_tokens).map(|_| {
        let count = |tokens: Option<i64>| tokens.map_or("unknown".to_owned(), |count| format_count(count as f64));
        format!("{} in, {} out", count(run.input_tokens), count(run.output_tokens))
    });
    vec![
        ("started", Some(run.started_at.clone())),
        ("duration", run.duration_s.map(format_duration)),
        ("state", Some(run.state.as_str().to_owned())),
        ("service", run.service.clone()),
        ("branch", run.branch.clone()),
        ("revision", run.revision.clone()),
        ("environment", run.environment.clone()),
        ("host class", run.host_class.clone()),
        (
            "cost",
            run.cost_usd.map(|usd| format!("{} ({})", format_usd(usd), run.cost_source.as_deref().unwrap_or("stated"))),
        ),
        ("tokens", tokens),
        ("model", run.model.clone()),
        ("calls", run.api_calls.map(|count| count.to_string())),
        ("memory", run.peak_memory_bytes.map(|bytes| format!("{} peak", format_bytes(bytes as f64)))),
        ("cpu", run.cpu_s.map(format_duration)),
        ("quality", run.quality_score.map(score)),
        ("items", run.items.map(format_count)),
        ("retries", (run.retries > 0).then(|| run.retries.to_string())),
        ("trace", run.trace_id.clone()),
        ("run key", Some(run.run_key.clone())),
    ]
}

fn text(row: &Row, name: &str) -> String {
    row.get(name).and_then(serde_json::Value::as_str).map_or("–".to_owned(), |text| shorten(text, 48))
}

fn number(row: &Row, name: &str, format: impl Fn(f64) -> String) -> String {
    row.get(name).and_then(serde_json::Value::as_f64).map_or("–".to_owned(), format)
}

/// A score as it is told: those up to 1 as a share.
fn score(score: f64) -> String {
    if score <= 1.0 { format_share(score) } else { format_count(score) }
}

/// Calls of models, from the start of the run on.
fn calls(rows: &[Row], begin: i64) -> Table {
    let mut table = Table::new(&[
        ("step", Align::Left),
        ("model", Align::Left),
        ("operation", Align::Left),
        ("outcome", Align::Left),
        ("at", Align::Right),
        ("duration", Align::Right),
        ("tokens in", Align::Right),
        ("cached", Align::Right),
        ("tokens out", Align::Right),
        ("cost", Align::Right),
        ("cost by", Align::Left),
    ]);
    for row in rows {
        let at = row.get("started_at").and_then(serde_json::Value::as_str).and_then(|at| parse_time(at).ok());
        #[allow(clippy::cast_precision_loss, reason = "a run lasts far less than 2^53 ns")]
        let at = at.map_or("–".to_owned(), |at| format_duration(((at - begin) as f64 / 1e9).max(0.0)));
        table.row([
            text(row, "step"),
            text(row, "model"),
            text(row, "operation"),
            text(row, "outcome"),
            at,
            number(row, "duration_s", format_duration),
            number(row, "input_tokens", format_count),
            number(row, "cached_tokens", format_count),
            number(row, "output_tokens", format_count),
            number(row, "cost_usd", format_usd),
            text(row, "cost_source"),
        ]);
    }
    table
}

fn scores(rows: &[Row]) -> Table {
    let heads = [("step", Align::Left), ("name", Align::Left), ("score", Align::Right), ("label", Align::Left)];
    let mut table = Table::new(&heads);
    for row in rows {
        table.row([text(row, "step"), text(row, "name"), number(row, "score", score), text(row, "label")]);
    }
    table
}

/// Readings within the run; what is in bytes or seconds is told so.
fn resources(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("name", Align::Left),
        ("samples", Align::Right),
        ("lowest", Align::Right),
        ("mean", Align::Right),
        ("highest", Align::Right),
    ]);
    for row in rows {
        let unit = row.get("unit").and_then(serde_json::Value::as_str).unwrap_or_default();
        let value = |value: f64| match unit {
            "By" => format_bytes(value),
            "s" => format_duration(value),
            "" | "1" => significant(value),
            other => format!("{} {}", significant(value), shorten(other, 16)),
        };
        table.row([
            text(row, "name"),
            number(row, "samples", format_count),
            number(row, "min", value),
            number(row, "mean", value),
            number(row, "max", value),
        ]);
    }
    table
}

/// A row per attempt with its place within the run.
fn waterfall(run: &Run, steps: &[Step]) -> String {
    if steps.is_empty() {
        return "  none\n".to_owned();
    }
    let begin = parse_time(&run.started_at).unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a run lasts far less than 2^53 ns")]
    let offset = |step: &Step| parse_time(&step.started_at).map_or(0.0, |at| (at - begin) as f64 / 1e9);
    let ends = steps.iter().map(|step| offset(step) + step.duration_s.unwrap_or(0.0));
    let whole = ends.fold(run.duration_s.unwrap_or(0.0), f64::max);
    let columns = terminal_width().map_or(BAR_COLUMNS, |width| BAR_COLUMNS.min(width / 3));
    let used = used_columns(steps);
    let mut heads = vec![
        ("step", Align::Left),
        ("outcome", Align::Left),
        ("at", Align::Right),
        ("duration", Align::Right),
        ("share", Align::Right),
    ];
    heads.extend(used.iter().map(|column| (column.head, Align::Right)));
    heads.push(("", Align::Right));
    let mut table = Table::new(&heads);
    for step in steps {
        let attempt = if step.attempt > 1 { format!(" (attempt {})", step.attempt) } else { String::new() };
        let share = step.duration_s.filter(|_| whole > 0.0).map(|seconds| seconds / whole);
        let drawn = bar(offset(step), step.duration_s.unwrap_or(0.0), whole, columns);
        let tone = outcome_tone(step.outcome);
        let mut cells = vec![
            (shorten(&step.step, 48) + &attempt, Tone::Plain),
            (step.outcome.as_str().to_owned(), tone),
            (format_duration(offset(step).max(0.0)), Tone::Plain),
            (step.duration_s.map_or("–".to_owned(), format_duration), Tone::Plain),
            (share.map_or("–".to_owned(), format_share), Tone::Plain),
        ];
        cells.extend(used.iter().map(|column| ((column.tell)(step), Tone::Plain)));
        cells.push((format!("{drawn:<columns$}"), if tone == Tone::Bad { Tone::Bad } else { Tone::Plain }));
        table.toned(cells);
    }
    let text = table.ansi(terminal_width());
    let mut out: String = text.lines().map(|row| format!("{}\n", row.trim_end())).collect();
    for step in steps {
        if let Some(error) = &step.error {
            out += &format!("  {}: {}\n", shorten(&step.step, 48), shorten(error, 400));
        }
    }
    out
}

/// A bar at its place; what is too short to be seen is still one mark.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the columns of a terminal"
)]
fn bar(from_s: f64, duration_s: f64, whole_s: f64, columns: usize) -> String {
    if whole_s <= 0.0 || columns == 0 {
        return String::new();
    }
    let place = |seconds: f64| ((seconds / whole_s).clamp(0.0, 1.0) * columns as f64).round() as usize;
    let start = place(from_s).min(columns - 1);
    let end = place(from_s + duration_s).clamp(start + 1, columns);
    format!("{}{}", " ".repeat(start), "█".repeat(end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stands_at_its_place_and_never_vanishes() {
        assert_eq!(bar(0.0, 10.0, 10.0, 10), "█".repeat(10));
        assert_eq!(bar(5.0, 2.5, 10.0, 8), "    ██");
        assert_eq!(bar(10.0, 0.0, 10.0, 4), "   █");
        assert_eq!(bar(f64::NAN, 1.0, 10.0, 4), "█");
    }

    #[test]
    fn readings_are_told_with_their_units_and_calls_from_the_start_of_the_run() {
        let row = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
        let memory = serde_json::json!({
            "name": "process.memory.usage", "unit": "By", "samples": 3, "min": 1048576.0, "mean": 2e6, "max": 3145728.0,
        });
        let told = resources(&[row(memory)]).render(None);
        assert!(told.contains("1 MiB") && told.contains("3 MiB"), "{told}");
        let call = serde_json::json!({
            "step": "draft", "model": "gpt-4.1", "operation": "chat", "outcome": "success", "duration_s": 6.678694394,
            "started_at": "2026-11-27T20:51:54.5Z", "input_tokens": 2243, "cost_usd": 0.0008420000000000001,
        });
        let begin = parse_time("2026-11-27T20:51:53Z").expect("a time");
        let told = calls(&[row(call)], begin).render(None);
        assert!(["1.5 s", "6.68 s", "2,243", "$0.000842"].iter().all(|part| told.contains(part)), "{told}");
        assert_eq!(told.lines().last().map(|line| line.matches('–').count()), Some(3), "{told}");
    }

    #[test]
    fn a_step_says_what_it_used_between_its_share_and_its_bar() {
        let step = Step {
            step: "train".to_owned(),
            duration_s: Some(4.0),
            peak_memory_bytes: Some(1 << 31),
            items: Some(12_000.0),
            ..Step::default()
        };
        let told = anstream::adapter::strip_str(&waterfall(&Run::default(), &[step])).to_string();
        let head: Vec<&str> = told.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(head, ["step", "outcome", "at", "duration", "share", "peak", "memory", "items"]);
        assert!(told.contains("2 GiB") && told.contains("12,000"), "{told}");
    }

    #[test]
    fn a_quote_in_a_name_ends_no_literal() {
        assert_eq!(literal("it's'; drop"), "'it''s''; drop'");
    }
}
