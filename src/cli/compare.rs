//! `perfline compare`: two sets of runs side by side.

mod text;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::backtest::read;
use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::{Backend, RunQuery};
use crate::model::unit::{format_minute, format_time, parse_time};
use crate::model::{Series, SeriesPoint};
use crate::report::{Alike, Comparison, Kind, PipelineComparison, Window, alike, compare_series, order_worst_first};

/// Newest runs of a pipeline or branch that are compared.
const RUNS_MAX: usize = 20;

/// Compare two pipelines, runs, branches, revisions or periods; without operands the newest 20 runs of every
/// pipeline with the 20 before. A is the one that B is measured against. Runs of one context are compared: a difference
/// between two machines is none between two pipelines.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline compare
  perfline compare nightly nightly-v2
  perfline compare 1841 1842
  perfline compare --branch fix/cache --base-branch main --pipeline nightly
  perfline compare --revision 4f2a91c --base-revision 9e01b77
  perfline compare --since 2026-05-01T00:00:00Z --base-since 2026-04-01T00:00:00Z")]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    operands: Operands,
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline.
    #[arg(long, conflicts_with = "a")]
    pipeline: Option<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Which two sets of runs; none: the newest runs of every pipeline with those before.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is compared")]
pub(super) struct Operands {
    /// A pipeline, or a run_key or run_id.
    #[arg(requires = "b")]
    a: Option<String>,
    /// What is compared with it: another pipeline, or another run.
    b: Option<String>,
    /// Compare the runs of this branch ...
    #[arg(long, conflicts_with = "a", value_name = "BRANCH")]
    branch: Option<String>,
    /// ... with the runs of that one.
    #[arg(long, requires = "branch", default_value = "main", value_name = "BRANCH")]
    base_branch: String,
    /// Compare the runs of this revision (or its beginning) ...
    #[arg(long, conflicts_with_all = ["a", "branch"], requires = "base_revision", value_name = "REVISION")]
    revision: Option<String>,
    /// ... with the runs of that one.
    #[arg(long, requires = "revision", value_name = "REVISION")]
    base_revision: Option<String>,
    /// Compare the runs from this time on (RFC 3339) ...
    #[arg(long, conflicts_with_all = ["a", "branch", "revision"], value_parser = parse_time, value_name = "TIME")]
    since: Option<i64>,
    /// ... until that time ...
    #[arg(long, requires = "since", value_parser = parse_time, value_name = "TIME")]
    until: Option<i64>,
    /// ... with those before it, from this time on.
    #[arg(long, requires = "since", value_parser = parse_time, value_name = "TIME")]
    base_since: Option<i64>,
    /// Where those end, if not at --since.
    #[arg(long, requires = "since", value_parser = parse_time, value_name = "TIME")]
    base_until: Option<i64>,
}

impl Operands {
    pub(super) fn are_given(&self) -> bool {
        self.a.is_some() || self.branch.is_some() || self.revision.is_some() || self.since.is_some()
    }
}

/// Two sets of runs, chosen by what their series or points say.
struct Sides<'a> {
    a: String,
    b: String,
    /// The sides may differ in their branch: that is what is compared.
    across_branches: bool,
    /// Only the newest runs of each side.
    newest_only: bool,
    keep: &'a dyn Fn(&Series, &SeriesPoint, bool) -> bool,
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let found = compare(&backend, args.pipeline.as_deref(), &args.operands);
    backend.close()?;
    let found = found?;
    match args.format {
        Format::Json => print_json(&found)?,
        Format::Text => print(&text::tell(&found, terminal_width()))?,
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

/// The two sets side by side, pipeline by pipeline.
pub(super) fn compare(backend: &Backend, pipeline: Option<&str>, args: &Operands) -> Result<Comparison, Failure> {
    if let (Some(a), Some(b)) = (&args.a, &args.b) {
        return compare_two(backend, a, b);
    }
    if let Some(branch) = &args.branch {
        let wanted = |is_b: bool| if is_b { branch } else { &args.base_branch };
        let keep =
            |series: &Series, _: &SeriesPoint, is_b: bool| series.key.context.branch.as_ref() == Some(wanted(is_b));
        let (a, b) = (format!("branch {}", args.base_branch), format!("branch {branch}"));
        return compare_sides(
            backend,
            pipeline,
            &Sides { a, b, across_branches: true, newest_only: true, keep: &keep },
        );
    }
    if let (Some(revision), Some(base)) = (&args.revision, &args.base_revision) {
        let keep = |_: &Series, point: &SeriesPoint, is_b: bool| {
            let wanted = if is_b { revision } else { base };
            point.revision.as_ref().is_some_and(|known| known.starts_with(wanted.as_str()))
        };
        let (a, b) = (format!("revision {base}"), format!("revision {revision}"));
        return compare_sides(
            backend,
            pipeline,
            &Sides { a, b, across_branches: true, newest_only: true, keep: &keep },
        );
    }
    let Some(since) = args.since else { return compare_newest(backend, pipeline) };
    let (b_from, b_to) = (since, args.until.unwrap_or(i64::MAX));
    let (a_from, a_to) = (args.base_since.unwrap_or(i64::MIN), args.base_until.unwrap_or(since));
    let keep = |_: &Series, point: &SeriesPoint, is_b: bool| {
        if is_b { (b_from..b_to).contains(&point.started_at) } else { (a_from..a_to).contains(&point.started_at) }
    };
    let (a, b) = (period(args.base_since, Some(a_to)), period(Some(since), args.until));
    compare_sides(backend, pipeline, &Sides { a, b, across_branches: false, newest_only: false, keep: &keep })
}

fn period(from: Option<i64>, to: Option<i64>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("{} to {}", format_minute(from), format_minute(to)),
        (Some(from), None) => format!("since {}", format_minute(from)),
        (None, Some(to)) => format!("before {}", format_minute(to)),
        (None, None) => "every run".to_owned(),
    }
}

/// Pipeline by pipeline, those that have runs on both sides, worst first.
fn compare_sides(backend: &Backend, pipeline: Option<&str>, sides: &Sides<'_>) -> Result<Comparison, Failure> {
    let series = read(backend, pipeline)?;
    let side = |is_b: bool| -> Vec<Series> {
        let chosen = series.iter().filter_map(|one| {
            let points: Vec<_> = one.points.iter().filter(|point| (sides.keep)(one, point, is_b)).cloned().collect();
            (!points.is_empty()).then(|| Series { key: one.key.clone(), points })
        });
        chosen.collect()
    };
    let (a, b) = (side(false), side(true));
    for (side, wanted) in [(&a, &sides.a), (&b, &sides.b)] {
        if side.is_empty() {
            return Err(Failure::usage(
                format!("no ended run of `{wanted}` is stored"),
                "`perfline query 'select branch, revision, min(started_at), max(started_at) from runs group by all'` lists them",
            ));
        }
    }
    let of = |side: &[Series], name: &str| -> Vec<Series> {
        side.iter().filter(|series| series.key.pipeline == name).cloned().collect()
    };
    let in_a: BTreeSet<&str> = a.iter().map(|series| series.key.pipeline.as_str()).collect();
    let both: BTreeSet<&str> =
        b.iter().map(|series| series.key.pipeline.as_str()).filter(|name| in_a.contains(name)).collect();
    let one = |name: &&str| {
        let alike = alike(of(&a, name), of(&b, name), sides.across_branches);
        side_by_side(name, alike, sides.newest_only)
    };
    let mut pipelines: Vec<PipelineComparison> = both.iter().map(one).collect();
    if pipelines.is_empty() {
        return Err(Failure::usage(
            format!("no pipeline has runs of both `{}` and `{}`", sides.a, sides.b),
            "`perfline compare A B` compares two pipelines of different names",
        ));
    }
    order_worst_first(&mut pipelines);
    Ok(Comparison { a: sides.a.clone(), b: sides.b.clone(), pipelines })
}

fn compare_two(backend: &Backend, a: &str, b: &str) -> Result<Comparison, Failure> {
    let (first, second) = (pick(backend, a)?, pick(backend, b)?);
    let title = if a == b { a.to_owned() } else { format!("{a} and {b}") };
    let alike = alike(first, second, false);
    let pipelines = vec![side_by_side(&title, alike, true)];
    Ok(Comparison { a: a.to_owned(), b: b.to_owned(), pipelines })
}

/// The series of a run where one has that name, else of a pipeline.
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
            Ok(series)
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
    let mut all: Vec<(i64, String)> = points.map(|point| (point.started_at, point.run_key.to_string())).collect();
    all.sort();
    all.dedup();
    all
}

fn side_by_side(title: &str, alike: Alike, newest_only: bool) -> PipelineComparison {
    let cut = |side: Vec<Series>| if newest_only { newest(side) } else { side };
    let (a, b) = (cut(alike.a), cut(alike.b));
    let window = |side: &[Series]| {
        let all = starts(side);
        let time = |at: Option<&(i64, String)>| at.map(|(at, _)| format_time(*at));
        Window { runs: all.len() as u64, from: time(all.first()), to: time(all.last()) }
    };
    let (metrics, steps) = compare_series(&a, &b);
    PipelineComparison {
        pipeline: title.to_owned(),
        service: None,
        context: alike.context,
        note: alike.note,
        a: window(&a),
        b: window(&b),
        metrics,
        steps,
    }
}
