//! `perfline bench detect`: the error rates of docs/accuracy.md, simulated anew, and what judging a store costs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use prost::Message;

use super::peers::ask;
use super::series;
use crate::api::{Backend, CheckQuery};
use crate::cli::output::print;
use crate::cli::{Failure, opening};
use crate::detect::analyze::{PlainSeries, analyze_all};
use crate::detect::settings::Settings;
use crate::detect::simulate::noise::{Draws, Noise};
use crate::detect::simulate::{SimulateOptions, simulate};
use crate::model::Signal;
use crate::otlp::history;
use crate::otlp::sink::Accepted;

/// Looks of one series of 300 values, from the 21st on.
const LOOKS: f64 = 280.0;
/// Values of a series that false alarms are counted on.
const SERIES_VALUES: usize = 300;
/// Series a model that Otava is given: it takes seconds for each.
const OTAVA_SERIES_MAX: usize = 8;
/// Runs of one export request.
const RUNS_AT_ONCE: usize = 2_000;

/// Simulate the error rates of the detector and of the gate, and print them as docs/accuracy.md has them; measure what
/// judging a store costs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline bench detect
  perfline bench detect --peers venv/bin/python
  perfline bench detect --series-of histories --peers venv/bin/python
  perfline bench detect --speed")]
pub(crate) struct DetectArgs {
    /// Seed of all draws.
    #[arg(long, default_value_t = 12, value_name = "NUMBER")]
    seed: u64,
    /// Series a row of the online tables.
    #[arg(long, default_value_t = 120, value_name = "COUNT")]
    series: usize,
    /// Pipelines a row of the gate's tables.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    pipelines: usize,
    /// A Python that has apache-otava, ruptures or both: Otava, PELT and BINSEG are given the same series.
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Measure on real series instead: JSON files, or folders of them, with `values`, and `change_points` where people
    /// marked them.
    #[arg(long = "series-of", value_name = "PATH", conflicts_with = "speed")]
    real: Vec<PathBuf>,
    /// Places at which a step is put into each real series.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    places: u32,
    /// Measure speed instead: a store of --store-series series, evaluated whole, after one more run, and not at all.
    #[arg(long)]
    speed: bool,
    /// Series of that store: ten a pipeline.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    store_series: usize,
    /// Runs of each pipeline.
    #[arg(long, default_value_t = 500, value_name = "COUNT")]
    store_runs: usize,
}

pub(super) fn run(args: &DetectArgs) -> Result<ExitCode, Failure> {
    if args.speed {
        print(&measure(args)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.real.is_empty() {
        print(&series::measure(&args.real, args.peers.as_deref(), args.seed, args.places)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = SimulateOptions { seed: args.seed, series: args.series, pipelines: args.pipelines };
    let mut text = Vec::new();
    simulate(options, &mut text).map_err(|e| Failure::machine("simulate", &e))?;
    print(&String::from_utf8_lossy(&text))?;
    if let Some(python) = &args.peers {
        print(&compare(args, python)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &DetectArgs, python: &Path) -> Result<String, Failure> {
    let count = args.series.min(OTAVA_SERIES_MAX);
    let mut text = format!(
        "\n### Online: alarms per 1,000 looks without change, beside Apache Otava ({count} series a model)\n\n\
         | noise | perfline | Otava |\n|---|---|---|\n"
    );
    for (name, noise) in Noise::ONLINE {
        let series: Vec<Vec<f64>> =
            (0..count).map(|at| noise.draw(SERIES_VALUES, &mut Draws::new(args.seed, at as u64))).collect();
        let ours: usize =
            series.iter().map(|values| crate::detect::online::replay(values, &Settings::default()).len()).sum();
        let theirs = ask(python, &series, true)?;
        let theirs: usize = theirs.get("Otava").into_iter().flatten().map(Vec::len).sum();
        let rate = |alarms: usize| alarms as f64 / (count as f64 * LOOKS) * 1000.0;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {:.2} | {:.2} |", rate(ours), rate(theirs));
    }
    Ok(text)
}

fn measure(args: &DetectArgs) -> Result<String, Failure> {
    let mut text = String::from("| what | seconds |\n|---|---|\n");
    let mut told = |what: &str, began: Instant| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {what} | {:.2} |", began.elapsed().as_secs_f64());
    };
    let series: Vec<PlainSeries> = (0..200)
        .map(|at| PlainSeries {
            name: format!("s{at}"),
            values: Noise::Normal(0.05).draw(500, &mut Draws::new(args.seed, at)).into_iter().map(Some).collect(),
            times: Vec::new(),
        })
        .collect();
    let began = Instant::now();
    let found = analyze_all(&series, &Settings::default(), true);
    told(&format!("analyze 200 series x 500 values with replay ({} series answered)", found.len()), began);
    let folder = tempfile::tempdir().map_err(|e| Failure::machine("make a folder", &e))?;
    let store = folder.path().join("bench.duckdb").display().to_string();
    let backend = Backend::open(&store, opening(None, None)?)?;
    let pipelines = (args.store_series / 10).max(1);
    let began = Instant::now();
    for first in (0..args.store_runs).step_by((RUNS_AT_ONCE / pipelines).max(1)) {
        let last = (first + (RUNS_AT_ONCE / pipelines).max(1)).min(args.store_runs);
        send(&backend, &runs(args.seed, pipelines, first..last))?;
    }
    backend.settle()?;
    told(&format!("import {} runs of {pipelines} pipelines", pipelines * args.store_runs), began);
    let began = Instant::now();
    let opened = backend.detect()?.len();
    told(&format!("evaluate all {} series ({opened} transitions)", pipelines * 10), began);
    let began = Instant::now();
    backend.detect()?;
    told("evaluate with nothing new", began);
    send(&backend, &runs(args.seed, 1, args.store_runs..args.store_runs + 1))?;
    backend.settle()?;
    let began = Instant::now();
    backend.detect()?;
    told("evaluate after one more run", began);
    let began = Instant::now();
    let verdict = backend.check(&CheckQuery::default())?;
    told(&format!("check ({} series)", verdict.series_checked), began);
    backend.close()?;
    let peak = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)
        .map_err(|e| Failure::machine("read the memory used", &std::io::Error::from(e)))?
        .max_rss();
    let _ = writeln!(text, "\npeak resident memory {} MiB", peak / 1024);
    Ok(text)
}

fn send(backend: &Backend, csv: &str) -> Result<(), Failure> {
    let read = history::read_csv(csv.as_bytes())
        .map_err(|e| Failure::usage(e, "the bench makes its own runs: this is a fault of it"))?;
    for request in read.requests {
        let body = Bytes::from(request.encode_to_vec());
        backend.import(Signal::Traces, Accepted { signal: Signal::Traces, body, items: 1 })?;
    }
    Ok(())
}

// Ten series a pipeline, without a change.
fn runs(seed: u64, pipelines: usize, which: std::ops::Range<usize>) -> String {
    let mut csv = "pipeline,run_id,started_at,duration_s,outcome,cost_usd,input_tokens,output_tokens,api_calls,\
                   peak_memory_bytes,cpu_s,quality_score,items\n"
        .to_owned();
    for run in which {
        for pipeline in 0..pipelines {
            let mut draws = Draws::new(seed, (run * pipelines + pipeline) as u64);
            let mut near = |level: f64| level * (0.1 * draws.normal()).exp();
            let started = 1_700_000_000_000_000_000_i64 + run as i64 * 3_600_000_000_000 + pipeline as i64 * 1_000_000;
            let row = [100.0, 1.0, 1e4, 1e3, 20.0, 1e9, 50.0, 0.8, 500.0].map(&mut near);
            let _ = writeln!(
                csv,
                "p{pipeline:05},{run},{started},{:.4},{},{:.5},{:.0},{:.0},{:.0},{:.0},{:.3},{:.4},{:.0}",
                row[0],
                if (run * 7 + pipeline * 13) % 20 == 0 { "failure" } else { "success" },
                row[1],
                row[2],
                row[3],
                row[4],
                row[5],
                row[6],
                row[7].min(1.0),
                row[8]
            );
        }
    }
    csv
}
