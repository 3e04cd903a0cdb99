//! `perfline detect`, `perfline alerts`: findings with a life.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::AccessArg;
use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::{AlertChange, Backend};
use crate::detect::Decision;
use crate::model::unit::{format_change_percent, format_share, parse_time};
use crate::model::{AlertAction, AlertRecord, Severity};
use crate::report::{Align, Table, Tone, clean, severity_tone};
use crate::store::Row;

/// Judge what is stale and update the alerts; prints what changed. Nobody has to: import, serve, check and report do it
/// by themselves.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  perfline detect --store perfline.duckdb --format json")]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    store: StoreArg,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// List alerts; acknowledge, mute, resolve them. An id may be shortened.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline alerts
  perfline alerts show 3f2a
  perfline alerts ack 3f2a --by ana --note 'looking'
  perfline alerts mute 3f2a --until 2027-01-01T00:00:00Z
  perfline alerts false-positive 3f2a --note 'the runner was busy'")]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    action: Option<AlertCommand>,
    #[command(flatten)]
    common: Common,
}

/// What every command that decides something takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    #[arg(long, env = "PERFLINE_STORE", default_value = "perfline.duckdb", value_name = "FILE|URL", global = true)]
    /// A DuckDB file, or the URL of a running `perfline serve`.
    store: String,
    #[command(flatten)]
    access: AccessArg,
    /// Who does it.
    #[arg(long, env = "USER", global = true)]
    by: Option<String>,
    /// Why.
    #[arg(long, global = true)]
    note: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum AlertCommand {
    /// All alerts, live ones first.
    List,
    /// One alert: what moved, why, and what was done.
    Show { id: String },
    /// Somebody looks.
    Ack { id: String },
    /// Silence it, until a time (RFC 3339) or for good: it neither gates nor tells.
    Mute {
        id: String,
        #[arg(long, value_parser = parse_time)]
        until: Option<i64>,
    },
    /// It is over.
    Resolve { id: String },
    /// It never was one: it gates no more, and counts against the detector's precision.
    FalsePositive { id: String },
}

pub(super) fn detect(args: &DetectArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let moved = backend.detect();
    backend.close()?;
    let moved = moved?;
    if args.format == Format::Json {
        print_json(&moved)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for one in &moved {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:8} {}", one.action.as_str(), say(&one.alert));
    }
    print(if moved.is_empty() { "nothing changed\n" } else { &text })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(args: &AlertsArgs) -> Result<ExitCode, Failure> {
    let backend = args.common.open()?;
    let (id, action, until_ns) = match &args.action {
        None | Some(AlertCommand::List) => return list(backend, &args.common),
        Some(AlertCommand::Show { id }) => return show(backend, &args.common, id),
        Some(AlertCommand::Ack { id }) => (id, AlertAction::Acknowledge, None),
        Some(AlertCommand::Mute { id, until }) => (id, AlertAction::Mute, *until),
        Some(AlertCommand::Resolve { id }) => (id, AlertAction::Resolve, None),
        Some(AlertCommand::FalsePositive { id }) => (id, AlertAction::FalsePositive, None),
    };
    let change = AlertChange { action, until_ns, decision: args.common.decision() };
    let changed = checked(id).and_then(|id| Ok(backend.change_alert(id, &change)?));
    backend.close()?;
    tell(id, &changed?, args.common.format)
}

impl Common {
    pub(super) fn open(&self) -> Result<Backend, Failure> {
        StoreArg { store: self.store.clone(), access: self.access.clone() }.open_existing()
    }

    pub(super) fn decision(&self) -> Decision {
        Decision { by: self.by.clone(), note: self.note.clone() }
    }
}

fn list(backend: Backend, common: &Common) -> Result<ExitCode, Failure> {
    // What is live comes first; what is only suspected before what is over.
    let order = "array_position(['open', 'acknowledged', 'muted', 'suspected', 'resolved', 'false_positive'], state)";
    let rows = backend
        .detect()
        .and_then(|_told| backend.query(&format!("select * from alerts order by {order}, opened_at desc, alert_id")));
    let precision = backend.query("select * from alert_precision where pipeline is null");
    backend.close()?;
    let (rows, precision) = (rows?, precision?);
    match common.format {
        Format::Json => print_json(&rows)?,
        Format::Text if rows.is_empty() => print("no alerts\n")?,
        Format::Text => print(&format!("{}{}", table(&rows), footer(&precision)))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        ("alert", Align::Left),
        ("state", Align::Left),
        ("severity", Align::Left),
        ("where", Align::Left),
        ("metric", Align::Left),
        ("change", Align::Right),
        ("since run", Align::Left),
        ("with it", Align::Right),
        ("opened", Align::Left),
    ]);
    for row in rows {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let step = if text("step").is_empty() { String::new() } else { format!(" / {}", text("step")) };
        let change = row.get("change_percent").and_then(Value::as_f64);
        let others = row.get("moved_with").and_then(Value::as_u64).unwrap_or_default();
        let plain = |text: String| (text, Tone::Plain);
        let tone = state_tone(text("state"));
        let severity = Severity::parse(text("severity")).ok();
        table.toned([
            (text("alert_id").to_owned(), Tone::Quiet),
            (text("state").to_owned(), tone),
            // What is over is no longer bad.
            (
                text("severity").to_owned(),
                if tone == Tone::Quiet { tone } else { severity.map_or(Tone::Plain, severity_tone) },
            ),
            plain(format!("{}{step}", text("pipeline"))),
            plain(text("metric").to_owned()),
            plain(change.map_or("–".to_owned(), format_change_percent)),
            plain(text("since_run").to_owned()),
            plain(if others == 0 { String::new() } else { format!("{others} more") }),
            (text("opened_at").get(..16).unwrap_or_default().replace('T', " "), Tone::Quiet),
        ]);
    }
    table.ansi(terminal_width())
}

fn state_tone(state: &str) -> Tone {
    match state {
        "open" => Tone::Bad,
        "acknowledged" | "suspected" => Tone::Warn,
        _ => Tone::Quiet,
    }
}

// How often people found an alert real: the detector's own record.
fn footer(precision: &[Row]) -> String {
    let Some(row) = precision.first() else { return String::new() };
    let number = |name: &str| row.get(name).and_then(Value::as_f64).unwrap_or_default();
    format!(
        "\nof {:.0} alerts that people judged {:.0} were real: precision {} (95 %: {} to {})\n",
        number("judged"),
        number("real"),
        format_share(number("precision")),
        format_share(number("low")),
        format_share(number("high"))
    )
}

fn show(backend: Backend, common: &Common, id: &str) -> Result<ExitCode, Failure> {
    let id = checked(id)?;
    let alerts = backend.query(&format!("select * from alerts where starts_with(alert_id, '{id}')"));
    let history = backend.query(&format!(
        "select subject, \"at\", actor, action, note from audit where starts_with(subject, '{id}') order by \"at\""
    ));
    backend.close()?;
    let (alerts, history) = (alerts?, history?);
    if alerts.is_empty() {
        return Err(unknown(id));
    }
    if common.format == Format::Json {
        print_json(&with_history(alerts, &history))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for alert in &alerts {
        text += &story(alert)?;
    }
    if alerts.len() == 1 {
        text += "\nwhat was done:\n";
        for row in &history {
            let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let who = if word("actor").is_empty() { "perfline" } else { word("actor") };
            let note = if word("note").is_empty() { String::new() } else { format!(": {}", word("note")) };
            text += &clean::line(&format!("  {} {} by {who}{note}", word("at"), word("action")));
            text.push('\n');
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Alerts, each with everything that was done with it.
fn with_history(mut alerts: Vec<Row>, history: &[Row]) -> Vec<Row> {
    for alert in &mut alerts {
        let own = history.iter().filter(|event| event.get("subject") == alert.get("alert_id"));
        let told = own.map(|event| {
            let parts = event.iter().filter(|(name, _)| *name != "subject");
            Value::Object(parts.map(|(name, value)| (name.clone(), value.clone())).collect())
        });
        let told = Value::Array(told.collect());
        alert.insert("history".to_owned(), told);
    }
    alerts
}

// Finding, differential, lift and what moved with it.
fn story(alert: &Row) -> Result<String, Failure> {
    let read = |name: &str| alert.get(name).cloned().unwrap_or(Value::Null);
    let finding: crate::model::Finding = serde_json::from_value(read("finding")).map_err(|e| Failure::internal(&e))?;
    let members: Vec<crate::model::Finding> =
        serde_json::from_value(read("members")).map_err(|e| Failure::internal(&e))?;
    let word = |name: &str| alert.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = vec![
        format!(
            "{} {} {}: {} {} since {}",
            word("alert_id"),
            word("state"),
            crate::report::words::place(&finding),
            finding.severity.as_str(),
            crate::report::words::what(&finding),
            crate::report::words::since(&finding)
        ),
        format!("  {}, {}", crate::report::words::levels(&finding), crate::report::words::sureness(&finding)),
        format!("  {}", finding.recommendation),
    ];
    for step in &finding.explanation.steps {
        let level = |value| crate::model::unit::format_metric(finding.metric, value);
        lines.push(format!(
            "  step {}: {} to {}, {} of the change",
            step.step,
            level(step.before),
            level(step.after),
            format_share(step.share)
        ));
    }
    for lift in &finding.explanation.attributes {
        let (before, after) = (format_share(lift.before), format_share(lift.after));
        lines.push(format!("  {} = {}: in {before} of the runs before, {after} since", lift.attribute, lift.value));
    }
    for member in &members {
        let (place, what) = (crate::report::words::place(member), crate::report::words::what(member));
        lines.push(format!("  with it: {place} {what}"));
    }
    Ok(lines.iter().map(|line| clean::line(line) + "\n").collect())
}

/// Ids are hexadecimal: anything else is a mistake, and no part of a statement.
pub(super) fn checked(id: &str) -> Result<&str, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id);
    }
    Err(Failure::usage(format!("`{id}` is no id of an alert"), "`perfline alerts` lists them"))
}

fn unknown(id: &str) -> Failure {
    Failure::usage(format!("no alert `{id}`"), "`perfline alerts` lists them")
}

/// Prints the alert that was changed; none or several are a mistake.
pub(super) fn tell(id: &str, changed: &[AlertRecord], format: Format) -> Result<ExitCode, Failure> {
    match (changed, format) {
        ([alert], Format::Json) => print_json(alert)?,
        ([alert], Format::Text) => print(&format!("{} {}\n", alert.state.as_str(), say(alert)))?,
        ([], _) => return Err(unknown(id)),
        (several, _) => {
            return Err(Failure::usage(format!("`{id}` fits {} alerts", several.len()), "give more of the id"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(alert: &AlertRecord) -> String {
    let finding = &alert.finding;
    let step = finding.step.as_deref().map_or(String::new(), |step| format!(" / {step}"));
    let others = match alert.members.len() {
        0 => String::new(),
        count => format!(", {count} more with it"),
    };
    let text = format!(
        "{} {} {}{step}: {} {} since run {}{others}",
        alert.alert_id,
        finding.severity.as_str(),
        finding.pipeline,
        finding.metric.label(),
        format_change_percent(finding.change_percent),
        finding.since_run
    );
    clean::line(&text)
}
