//! `perfline baseline`: what runs are compared with, and who decided it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::alerts::{Common, checked, tell};
use super::output::{print, print_json, terminal_width};
use super::query::to_table;
use super::show::literal;
use super::{Failure, Format};
use crate::api::{Backend, BaselineRuns};
use crate::model::unit::format_metric;
use crate::model::{Baseline, BaselineVersion, Metric, SeriesContext, SeriesKey, SeriesSelector};
use crate::report::{Align, Table, clean};
use crate::store::Row;

/// List what runs are compared with; set it, accept a change, take that back. Every decision is a version, and kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline baseline list --pipeline nightly
  perfline baseline show nightly --metric duration
  perfline baseline promote 3f2a --by ana --note 'bigger input, agreed'
  perfline baseline set nightly --from 1201 --to 1260 --note 'release 4'
  perfline baseline reset nightly --by ana")]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    action: Option<BaselineCommand>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum BaselineCommand {
    /// The baselines as they stand: level, spread, runs, who decided, and what weakens them.
    List {
        /// Only this pipeline.
        #[arg(long)]
        pipeline: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Only those that are thin or stale.
        #[arg(long)]
        warnings: bool,
    },
    /// The baselines of a pipeline with everything that was decided about them.
    Show {
        pipeline: String,
        #[command(flatten)]
        which: Which,
    },
    /// Begin the baseline at a run; with --to pin it to the runs between, against slow drift.
    Set {
        pipeline: String,
        /// The first run: run_id or run_key.
        #[arg(long, value_name = "RUN")]
        from: String,
        /// The last run; without it the baseline grows.
        #[arg(long, value_name = "RUN")]
        to: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Accept the change behind an alert: the baselines of all that moved begin there.
    Promote {
        /// The alert's id, or its beginning.
        id: String,
    },
    /// Take back what was decided: the baselines are learned again.
    Reset {
        pipeline: String,
        #[command(flatten)]
        which: Which,
    },
}

/// Which series of the pipeline; without any: all.
#[derive(Debug, Args)]
struct Which {
    /// Only this step; the empty text is the whole run.
    #[arg(long)]
    step: Option<String>,
    /// Only this metric.
    #[arg(long, value_parser = parse_metric)]
    metric: Option<Metric>,
    /// Only runs of this branch.
    #[arg(long)]
    branch: Option<String>,
    /// Only runs in this environment.
    #[arg(long)]
    environment: Option<String>,
    /// Only runs on this kind of machine.
    #[arg(long)]
    host_class: Option<String>,
}

fn parse_metric(word: &str) -> Result<Metric, String> {
    let known: Vec<&str> = Metric::ALL.into_iter().map(Metric::as_str).collect();
    Metric::from_word(word).ok_or_else(|| format!("`{word}` is no metric; one of {}", known.join(", ")))
}

impl Which {
    fn selector(&self, pipeline: Option<&String>) -> SeriesSelector {
        SeriesSelector {
            pipeline: pipeline.cloned(),
            step: self.step.clone(),
            metric: self.metric.map(|metric| metric.as_str().to_owned()),
            branch: self.branch.clone(),
            environment: self.environment.clone(),
            host_class: self.host_class.clone(),
        }
    }
}

pub(super) fn run(args: &BaselineArgs) -> Result<ExitCode, Failure> {
    let backend = args.common.open()?;
    let done = act(args, &backend);
    backend.close()?;
    done
}

fn act(args: &BaselineArgs, backend: &Backend) -> Result<ExitCode, Failure> {
    let (format, decision) = (args.common.format, args.common.decision());
    match &args.action {
        None => list(backend.baselines(&SeriesSelector::default())?, false, format),
        Some(BaselineCommand::List { pipeline, which, warnings }) => {
            list(backend.baselines(&which.selector(pipeline.as_ref()))?, *warnings, format)
        }
        Some(BaselineCommand::Show { pipeline, which }) => show(backend, &which.selector(Some(pipeline)), format),
        Some(BaselineCommand::Set { pipeline, from, to, which }) => {
            let runs = BaselineRuns::Between { from: from.clone(), to: to.clone() };
            decided(&backend.decide_baseline(&which.selector(Some(pipeline)), &runs, &decision)?, format)
        }
        Some(BaselineCommand::Promote { id }) => tell(id, &backend.promote(checked(id)?, &decision)?, format),
        Some(BaselineCommand::Reset { pipeline, which }) => decided(
            &backend.decide_baseline(&which.selector(Some(pipeline)), &BaselineRuns::Learned, &decision)?,
            format,
        ),
    }
}

fn list(mut all: Vec<Baseline>, warnings: bool, format: Format) -> Result<ExitCode, Failure> {
    all.retain(|one| !warnings || one.warning.is_some());
    match format {
        Format::Json => print_json(&all)?,
        Format::Text if all.is_empty() => print("no baselines\n")?,
        Format::Text => print(&table(&all))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(backend: &Backend, selector: &SeriesSelector, format: Format) -> Result<ExitCode, Failure> {
    let all = backend.baselines(selector)?;
    let name = selector.pipeline.as_deref().unwrap_or_default();
    if all.is_empty() {
        return Err(Failure::usage(format!("no series of `{name}` fits"), "`perfline baseline list` lists them"));
    }
    let columns = "step, metric, context, version, kind, since, until, set_at, set_by, reason";
    let mut versions = backend.query(&format!(
        "select {columns} from baselines where pipeline = {} order by set_at, step nulls first, metric",
        literal(name)
    ))?;
    versions.retain(|version| fits(selector, name, version));
    match format {
        Format::Json => print_json(&serde_json::json!({ "baselines": all, "versions": versions }))?,
        Format::Text if versions.is_empty() => {
            print(&format!("{}\nnothing was decided: all are learned\n", table(&all)))?
        }
        Format::Text => print(&format!("{}\ndecided:\n{}", table(&all), to_table(&versions)))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a decision is about a series that is meant.
fn fits(selector: &SeriesSelector, pipeline: &str, version: &Row) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let metric = text(version.get("metric")).and_then(|word| Metric::from_word(&word));
    let context = version.get("context");
    let part = |name: &str| text(context.and_then(|context| context.get(name)));
    let context = SeriesContext {
        service: part("service"),
        branch: part("branch"),
        environment: part("environment"),
        host_class: part("host_class"),
    };
    metric.is_some_and(|metric| {
        let step = text(version.get("step"));
        selector.fits(&SeriesKey { pipeline: pipeline.to_owned(), step, metric, context })
    })
}

fn decided(versions: &[BaselineVersion], format: Format) -> Result<ExitCode, Failure> {
    if format == Format::Json {
        print_json(&versions)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for one in versions {
        let step = one.key.step.as_ref().map_or(String::new(), |step| format!(" / {step}"));
        text += &clean::line(&format!("{} {}{step} {}", one.kind.as_str(), one.key.pipeline, one.key.metric.label()));
        text.push('\n');
    }
    print(if versions.is_empty() { "nothing to take back\n" } else { &text })?;
    Ok(ExitCode::SUCCESS)
}

fn table(all: &[Baseline]) -> String {
    let mut table = Table::new(&[
        ("where", Align::Left),
        ("metric", Align::Left),
        ("in", Align::Left),
        ("level", Align::Right),
        ("spread", Align::Right),
        ("runs", Align::Right),
        ("from", Align::Left),
        ("to", Align::Left),
        ("kind", Align::Left),
        ("decided", Align::Left),
        ("warning", Align::Left),
    ]);
    for one in all {
        let key = &one.key;
        let step = key.step.as_ref().map_or(String::new(), |step| format!(" / {step}"));
        let context = [&key.context.branch, &key.context.environment, &key.context.host_class];
        let value = |value: Option<f64>| value.map_or("–".to_owned(), |value| format_metric(key.metric, value));
        let day = one.set_at.as_deref().and_then(|at| at.get(..10)).unwrap_or_default();
        let decided = [one.set_by.as_deref().unwrap_or_default(), day, one.reason.as_deref().unwrap_or_default()];
        table.row([
            format!("{}{step}", key.pipeline),
            key.metric.label().to_owned(),
            context.into_iter().flatten().cloned().collect::<Vec<_>>().join(", "),
            value(one.level),
            value(one.spread),
            one.n.to_string(),
            one.from_run.clone().unwrap_or_default(),
            one.to_run.clone().unwrap_or_default(),
            if one.version == 0 {
                one.kind.as_str().to_owned()
            } else {
                format!("{} v{}", one.kind.as_str(), one.version)
            },
            decided.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
            one.warning.clone().unwrap_or_default(),
        ]);
    }
    table.ansi(terminal_width())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_about_other_series_are_not_shown() {
        let version = |step: Value, metric: &str, branch: Value| -> Row {
            let row = serde_json::json!({"step": step, "metric": metric, "context": {"branch": branch}});
            row.as_object().cloned().unwrap_or_default()
        };
        let selector = SeriesSelector {
            pipeline: Some("nightly".to_owned()),
            metric: Some("duration".to_owned()),
            branch: Some("main".to_owned()),
            ..SeriesSelector::default()
        };
        let shown = |row: &Row| fits(&selector, "nightly", row);
        assert!(shown(&version(Value::Null, "duration", "main".into())));
        assert!(shown(&version("load".into(), "duration", "main".into())));
        assert!(!shown(&version(Value::Null, "cost", "main".into())));
        assert!(!shown(&version(Value::Null, "duration", "next".into())));
        let whole = SeriesSelector { step: Some(String::new()), ..selector.clone() };
        assert!(!fits(&whole, "nightly", &version("load".into(), "duration", "main".into())));
    }
}
