//! `perfline bench report`: a made-up store, how long it takes to judge it, and how long its reports and its `/metrics`
//! take from the opened store to the written bytes.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

use crate::api::pipelines_of;
use crate::cli::output::{print, print_json};
use crate::cli::{Failure, Format, rules};
use crate::detect;
use crate::export::exposition::{Exposition, write_text};
use crate::model::unit::{format_bytes, format_count, format_duration};
use crate::report::{self, Format as Face, Kind, Renderer};
use crate::store::{Store, StoreOptions};

/// Makes a store of pipelines x runs x steps in a folder of its own, then times the first judgement of all of it, reports
/// and /metrics: reading, judging and rendering. Prints medians.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline bench report
  perfline bench report --pipelines 50 --runs 200 --steps 5 --format json")]
pub(crate) struct ReportArgs {
    /// Pipelines of the store.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pipelines: u32,
    /// Runs of each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Steps of each run.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    steps: u32,
    /// How often each report is made; the median counts.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    pipelines: u32,
    runs: u64,
    steps: u64,
    fill_s: f64,
    reports: Vec<Timed>,
}

/// One page, made several times; judged first is a store only once.
#[derive(Serialize)]
struct Timed {
    report: &'static str,
    median_s: f64,
    fastest_s: f64,
    slowest_s: f64,
    /// Median of the CPU time: less moved by what else the machine does.
    cpu_s: f64,
    /// What was written; null where nothing was.
    bytes: Option<usize>,
}

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::machine("make a folder for the bench", &e))?;
    let store = Store::open(&StoreOptions::new(folder.path().join("bench.duckdb")), rules()?)?;
    let begin = Instant::now();
    store.fill_for_bench([args.pipelines, args.runs, args.steps])?;
    let fill_s = begin.elapsed().as_secs_f64();
    let name = "pipeline-000";
    let reports = vec![
        time("first judgement of all", 1, || judge(&store))?,
        time("executive, all pipelines", args.rounds, || make(&store, Kind::Executive, None))?,
        time("pipeline page, one pipeline", args.rounds, || make(&store, Kind::Pipeline, Some(name)))?,
        time("alerts, all pipelines", args.rounds, || make(&store, Kind::Alerts, None))?,
        time("comparison, all pipelines", args.rounds, || make(&store, Kind::Comparison, None))?,
        time("/metrics, all pipelines", args.rounds, || scrape(&store))?,
    ];
    store.close()?;
    let runs = u64::from(args.pipelines) * u64::from(args.runs);
    let measured = Measured { pipelines: args.pipelines, runs, steps: runs * u64::from(args.steps), fill_s, reports };
    match args.format {
        Format::Json => print_json(&measured)?,
        Format::Text => print(&tell(&measured, args.rounds))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Judges whatever is stale.
fn judge(store: &Store) -> Result<Option<usize>, Failure> {
    detect::verdicts(store)?;
    Ok(None)
}

/// What a scrape is told of pipelines, as text.
fn scrape(store: &Store) -> Result<Option<usize>, Failure> {
    Ok(Some(write_text(&pipelines_of(store)?, Exposition::Prometheus).len()))
}

/// Bytes of the pages of one kind.
fn make(store: &Store, kind: Kind, pipeline: Option<&str>) -> Result<Option<usize>, Failure> {
    let bundle = report::build(store, kind, pipeline)?;
    let renderer = Renderer::new().map_err(|e| Failure::internal(&e))?;
    let pages = renderer.render(&bundle, kind, Face::Html).map_err(|e| Failure::internal(&e))?;
    Ok(Some(pages.iter().map(|page| page.content.len()).sum()))
}

fn time(
    report: &'static str,
    rounds: u32,
    make: impl Fn() -> Result<Option<usize>, Failure>,
) -> Result<Timed, Failure> {
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    let mut bytes = None;
    for _ in 0..rounds {
        let (begin, begin_cpu) = (Instant::now(), own_cpu_s());
        bytes = make()?;
        seconds.push(begin.elapsed().as_secs_f64());
        cpu.push(own_cpu_s() - begin_cpu);
    }
    seconds.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
    let last = seconds.len().saturating_sub(1);
    Ok(Timed {
        report,
        median_s: at(&seconds, last / 2),
        fastest_s: at(&seconds, 0),
        slowest_s: at(&seconds, last),
        cpu_s: at(&cpu, last / 2),
        bytes,
    })
}

/// CPU seconds of this process so far; 0 where the system does not say.
fn own_cpu_s() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}

fn tell(measured: &Measured, rounds: u32) -> String {
    let count = |count: u64| format_count(count as f64);
    let mut out = format!(
        "{} pipelines, {} runs, {} steps; made in {}; {rounds} rounds\n\n{:<28} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
        measured.pipelines,
        count(measured.runs),
        count(measured.steps),
        format_duration(measured.fill_s),
        "report",
        "median",
        "fastest",
        "slowest",
        "CPU",
        "written"
    );
    for one in &measured.reports {
        out += &format!(
            "{:<28} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            one.report,
            format_duration(one.median_s),
            format_duration(one.fastest_s),
            format_duration(one.slowest_s),
            format_duration(one.cpu_s),
            one.bytes.map_or("–".to_owned(), |bytes| format_bytes(bytes as f64))
        );
    }
    out
}
