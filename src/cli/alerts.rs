//! `perfline detect`, `perfline alerts`, `perfline baseline`: findings with a life, accepted changes.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::{print, print_json};
use super::query::to_table;
use super::{Failure, Format, StoreArg};
use crate::api::Backend;
use crate::detect;
use crate::model::unit::{format_change_percent, parse_time};
use crate::model::{AlertRecord, AlertState};
use crate::report::clean;
use crate::store::Store;

/// Evaluate the store and update its alerts; prints what changed.
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
  perfline alerts ack 3f2a --by ana --note 'looking'
  perfline alerts mute 3f2a --until 2027-01-01T00:00:00Z")]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    action: Option<AlertAction>,
    #[command(flatten)]
    common: Common,
}

/// Accept changes: the baseline of a series begins anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline baseline
  perfline baseline promote 3f2a --by ana --note 'bigger input, agreed'
  perfline baseline reset nightly --by ana")]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    action: Option<BaselineAction>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    #[arg(long, env = "PERFLINE_STORE", default_value = "perfline.duckdb", value_name = "FILE|URL", global = true)]
    /// A DuckDB file, or the URL of a running `perfline serve` (which lists only).
    store: String,
    /// Who does it.
    #[arg(long, env = "USER", global = true)]
    by: Option<String>,
    /// Why.
    #[arg(long, global = true)]
    note: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text", global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum AlertAction {
    /// All alerts, live ones first.
    List,
    /// One alert with its finding.
    Show { id: String },
    /// Somebody looks.
    Ack { id: String },
    /// Silence it, until a time (RFC 3339) or for good.
    Mute {
        id: String,
        #[arg(long, value_parser = parse_time)]
        until: Option<i64>,
    },
    /// It is over.
    Resolve { id: String },
    /// It never was one.
    FalsePositive { id: String },
}

#[derive(Debug, Subcommand)]
enum BaselineAction {
    /// Accepted changes.
    List,
    /// Accept the change behind an alert.
    Promote {
        /// The alert's id, or its beginning.
        id: String,
    },
    /// Forget the accepted changes of a pipeline.
    Reset { pipeline: String },
}

pub(super) fn detect(args: &DetectArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let moved = detect::evaluate(local(&backend)?)?;
    backend.close()?;
    if args.format == Format::Json {
        print_json(&moved)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for one in &moved {
        let action = format!("{:?}", one.action).to_lowercase();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{action:8} {}", say(&one.alert));
    }
    print(if moved.is_empty() { "nothing changed\n" } else { &text })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(args: &AlertsArgs) -> Result<ExitCode, Failure> {
    let backend = args.common.open()?;
    let (id, state, until) = match &args.action {
        None | Some(AlertAction::List) => {
            let columns = match args.common.format {
                Format::Json => "*",
                Format::Text => "alert_id, state, severity, pipeline, step, metric, since_run, opened_at",
            };
            return list(
                backend,
                &args.common,
                &format!(
                    "select {columns} from alerts order by state in ('resolved', 'false_positive'), opened_at desc, alert_id"
                ),
            );
        }
        Some(AlertAction::Show { id }) => {
            let sql = format!("select * from alerts where starts_with(alert_id, '{}')", checked(id)?);
            return list(backend, &args.common, &sql);
        }
        Some(AlertAction::Ack { id }) => (id, AlertState::Acknowledged, None),
        Some(AlertAction::Mute { id, until }) => (id, AlertState::Muted, *until),
        Some(AlertAction::Resolve { id }) => (id, AlertState::Resolved, None),
        Some(AlertAction::FalsePositive { id }) => (id, AlertState::FalsePositive, None),
    };
    let (by, note) = (args.common.by.clone(), args.common.note.clone());
    let changed = detect::change_alert(local(&backend)?, checked(id)?, state, until, by, note)?;
    backend.close()?;
    tell(id, &changed, args.common.format)
}

pub(super) fn baseline(args: &BaselineArgs) -> Result<ExitCode, Failure> {
    let backend = args.common.open()?;
    let (by, note) = (args.common.by.clone(), args.common.note.clone());
    match &args.action {
        None | Some(BaselineAction::List) => {
            list(backend, &args.common, "select * from baselines order by pipeline, step, metric")
        }
        Some(BaselineAction::Promote { id }) => {
            let changed = detect::accept_change(local(&backend)?, checked(id)?, by, note)?;
            backend.close()?;
            tell(id, &changed, args.common.format)
        }
        Some(BaselineAction::Reset { pipeline }) => {
            let count = detect::forget_changes(local(&backend)?, pipeline, by, note)?;
            backend.close()?;
            match args.common.format {
                Format::Json => print_json(&serde_json::json!({ "forgotten": count }))?,
                Format::Text => print(&format!("{count} accepted changes forgotten\n"))?,
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Common {
    fn open(&self) -> Result<Backend, Failure> {
        StoreArg { store: self.store.clone() }.open_existing()
    }
}

fn local(backend: &Backend) -> Result<&Store, Failure> {
    match backend {
        Backend::Local(store) => Ok(store),
        Backend::Remote(_) => Err(Failure::usage(
            "a running service takes no changes of alerts and baselines yet",
            "stop it and name its DuckDB file by --store",
        )),
    }
}

fn list(backend: Backend, common: &Common, sql: &str) -> Result<ExitCode, Failure> {
    let rows = backend.query(sql)?;
    backend.close()?;
    match common.format {
        Format::Json => print_json(&rows)?,
        Format::Text => print(&to_table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ids are hexadecimal: anything else is a mistake, and no part of a statement.
fn checked(id: &str) -> Result<&str, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id);
    }
    Err(Failure::usage(format!("`{id}` is no id of an alert"), "`perfline alerts` lists them"))
}

fn tell(id: &str, changed: &[AlertRecord], format: Format) -> Result<ExitCode, Failure> {
    match (changed, format) {
        ([alert], Format::Json) => print_json(alert)?,
        ([alert], Format::Text) => print(&format!("{} {}\n", alert.state.as_str(), say(alert)))?,
        ([], _) => return Err(Failure::usage(format!("no alert `{id}`"), "`perfline alerts` lists them")),
        (several, _) => {
            return Err(Failure::usage(format!("`{id}` fits {} alerts", several.len()), "give more of the id"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(alert: &AlertRecord) -> String {
    let finding = &alert.finding;
    let step = finding.step.as_deref().map_or(String::new(), |step| format!(" / {step}"));
    let text = format!(
        "{} {} {}{step}: {} {} since run {}",
        alert.alert_id,
        finding.severity.as_str(),
        finding.pipeline,
        finding.metric.label(),
        format_change_percent(finding.change_percent),
        finding.since_run
    );
    clean::line(&text)
}
