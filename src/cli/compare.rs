//! `perfline compare`: two sets of runs side by side.

use std::process::ExitCode;

use clap::Args;

use super::backtest::read;
use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::{Backend, RunQuery};
use crate::model::unit::{format_change_percent, format_duration, format_metric, format_time};
use crate::model::{Metric, Series};
use crate::report::clean::name;
use crate::report::{Align, ChangeWord, Comparison, Estimate, Kind, PipelineComparison, Table, Window, compare_series};

/// Newest runs of a pipeline or branch that are compared.
const RUNS_MAX: usize = 20;

/// Compare two pipelines, two runs, or two branches; without operands the newest 20 runs of every
/// pipeline with the 20 before. A is the one that B is measured against.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline compare
  perfline compare nightly nightly-v2
  perfline compare 1841 1842
  perfline compare --branch fix/cache --base-branch main --pipeline nightly")]
pub(crate) struct CompareArgs {
    /// A pipeline, or a run_key or run_id.
    #[arg(requires = "b")]
    a: Option<String>,
    /// What is compared with it: another pipeline, or another run.
    b: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// Compare the runs of this branch ...
    #[arg(long, conflicts_with = "a", value_name = "BRANCH")]
    branch: Option<String>,
    /// ... with the runs of that one.
    #[arg(long, requires = "branch", default_value = "main", value_name = "BRANCH")]
    base_branch: String,
    /// Only this pipeline.
    #[arg(long, conflicts_with = "a")]
    pipeline: Option<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let found = match (&args.a, &args.b, &args.branch) {
        (Some(a), Some(b), _) => compare_two(&backend, a, b),
        (_, _, Some(branch)) => compare_branches(&backend, branch, &args.base_branch, args.pipeline.as_deref()),
        _ => compare_newest(&backend, args.pipeline.as_deref()),
    };
    backend.close()?;
    let found = found?;
    match args.format {
        Format::Json => print_json(&found)?,
        Format::Text => print(&tell(&found))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn compare_newest(backend: &Backend, pipeline: Option<&str>) -> Result<Comparison, Failure> {
    let found = backend.bundle(Kind::Comparison, pipeline)?.comparison;
    found.filter(|found| !found.pipelines.is_empty()).ok_or_else(|| match pipeline {
        Some(pipeline) => super::health::unknown_pipeline(pipeline),
        None => {
            Failure::usage("compare: the store holds no ended run", "`perfline import` or `perfline serve` fills it")
        }
    })
}

fn compare_branches(
    backend: &Backend,
    branch: &str,
    base: &str,
    pipeline: Option<&str>,
) -> Result<Comparison, Failure> {
    let series = read(backend, pipeline)?;
    let on = |wanted: &str| -> Vec<Series> {
        series.iter().filter(|series| series.key.context.branch.as_deref() == Some(wanted)).cloned().collect()
    };
    let (a, b) = (on(base), on(branch));
    for (side, wanted) in [(&a, base), (&b, branch)] {
        if side.is_empty() {
            return Err(Failure::usage(
                format!("no ended run of branch `{wanted}` is stored"),
                "`perfline query 'select distinct branch from runs'` lists them",
            ));
        }
    }
    let mut names: Vec<String> = b.iter().map(|series| series.key.pipeline.clone()).collect();
    names.dedup();
    let of = |side: &[Series], name: &str| -> Vec<Series> {
        side.iter().filter(|series| series.key.pipeline == name).cloned().collect()
    };
    let pipelines = names.iter().map(|name| side_by_side(name, newest(of(&a, name)), newest(of(&b, name)))).collect();
    Ok(Comparison { a: format!("branch {base}"), b: format!("branch {branch}"), pipelines })
}

fn compare_two(backend: &Backend, a: &str, b: &str) -> Result<Comparison, Failure> {
    let (first, second) = (pick(backend, a)?, pick(backend, b)?);
    let title = if a == b { a.to_owned() } else { format!("{a} and {b}") };
    let pipelines = vec![side_by_side(&title, first, second)];
    Ok(Comparison { a: a.to_owned(), b: b.to_owned(), pipelines })
}

/// The series of a run where one has that name, else of the newest runs of a pipeline.
fn pick(backend: &Backend, wanted: &str) -> Result<Vec<Series>, Failure> {
    let runs = backend.runs(&RunQuery { run: Some(wanted.to_owned()), ..RunQuery::default() })?;
    let Some(first) = runs.first() else {
        let series = read(backend, Some(wanted))?;
        return if series.is_empty() {
            Err(Failure::usage(
                format!("neither a pipeline nor a run is named `{wanted}`"),
                "`perfline runs` lists them",
            ))
        } else {
            Ok(newest(series))
        };
    };
    if runs.len() > 1 {
        return Err(Failure::usage(
            format!("{} runs have the run_id `{wanted}`", runs.len()),
            format!("name one by its run_key: `perfline runs --run '{wanted}' --format json`"),
        ));
    }
    let mut series = read(backend, Some(&first.pipeline))?;
    for one in &mut series {
        one.points.retain(|point| point.run_key == first.run_key);
    }
    series.retain(|one| !one.points.is_empty());
    if series.is_empty() {
        return Err(Failure::usage(
            format!("run `{wanted}` has no values to compare: it is open, or failed"),
            format!("`perfline show '{wanted}'` says what is known of it"),
        ));
    }
    Ok(series)
}

/// Keeps the newest runs.
fn newest(mut series: Vec<Series>) -> Vec<Series> {
    let mut times = starts(&series);
    let cut = times.len().saturating_sub(RUNS_MAX);
    times.drain(..cut);
    let Some((from, _)) = times.first().cloned() else { return series };
    for one in &mut series {
        one.points.retain(|point| point.started_at >= from);
    }
    series.retain(|one| !one.points.is_empty());
    series
}

/// Start and key of every run, oldest first.
fn starts(series: &[Series]) -> Vec<(i64, String)> {
    let points = series.iter().filter(|one| one.key.step.is_none()).flat_map(|one| &one.points);
    let mut all: Vec<(i64, String)> = points.map(|point| (point.started_at, point.run_key.clone())).collect();
    all.sort();
    all.dedup();
    all
}

fn side_by_side(title: &str, a: Vec<Series>, b: Vec<Series>) -> PipelineComparison {
    let window = |side: &[Series]| {
        let all = starts(side);
        let time = |at: Option<&(i64, String)>| at.map(|(at, _)| format_time(*at));
        Window { runs: all.len() as u64, from: time(all.first()), to: time(all.last()) }
    };
    let (metrics, steps) = compare_series(&a, &b);
    PipelineComparison { pipeline: title.to_owned(), service: None, a: window(&a), b: window(&b), metrics, steps }
}

fn tell(found: &Comparison) -> String {
    let mut out = format!("A: {}\nB: {}\n", name(&found.a), name(&found.b));
    for pipeline in &found.pipelines {
        out += &format!("\n{}  ({} runs, {} runs)\n", name(&pipeline.pipeline), pipeline.a.runs, pipeline.b.runs);
        let mut table = Table::new(&[
            ("what", Align::Left),
            ("A", Align::Right),
            ("B", Align::Right),
            ("change", Align::Right),
            ("95 % interval", Align::Right),
            ("verdict", Align::Left),
        ]);
        for change in &pipeline.metrics {
            let value =
                |value: Option<f64>| value.map_or("–".to_owned(), |value| format_metric(change.metric, value));
            let known = change.change_percent;
            let percent = known.map(|known| known.value).or_else(|| percent(change.a, change.b));
            table.row(row(change.metric.label(), value(change.a), value(change.b), percent, known, change.word));
        }
        for step in &pipeline.steps {
            let value = |value: Option<f64>| value.map_or("–".to_owned(), format_duration);
            let percent = step.change_percent.map(|known| known.value).or_else(|| percent(step.a_s, step.b_s));
            let label = format!("step {} {}", step.step, Metric::Duration.label());
            table.row(row(&label, value(step.a_s), value(step.b_s), percent, step.change_percent, step.word));
        }
        out += &table.render(terminal_width());
    }
    out
}

fn percent(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).filter(|(a, _)| *a != 0.0).map(|(a, b)| (b - a) / a.abs() * 100.0)
}

fn row(
    label: &str,
    a: String,
    b: String,
    percent: Option<f64>,
    known: Option<Estimate>,
    word: ChangeWord,
) -> [String; 6] {
    let interval = known.map_or("–".to_owned(), |known| {
        format!("{} to {}", format_change_percent(known.low), format_change_percent(known.high))
    });
    let word = match word {
        ChangeWord::Regressed => "regressed",
        ChangeWord::Improved => "improved",
        ChangeWord::WithinNoise => "within noise",
        ChangeWord::NoChange => "no change",
        ChangeWord::NotEnoughData => "too few runs to say",
    };
    [label.to_owned(), a, b, percent.map_or("–".to_owned(), format_change_percent), interval, word.to_owned()]
}
