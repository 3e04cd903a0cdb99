//! The command line: one file per command. Output goes to standard output, everything else to
//! standard error.

mod access;
mod alerts;
mod analyze;
mod backtest;
mod baseline;
mod bench;
mod branding;
mod check;
mod compare;
mod config;
mod demo;
mod doctor;
mod explain;
mod faces;
mod failure;
mod health;
mod import;
mod output;
mod prices;
mod query;
mod recost;
mod report;
mod runs;
mod serve;
mod show;
mod tail;
mod upkeep;
mod weak;
mod wrap;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

pub(crate) use failure::Failure;

use crate::api::{Backend, Opening};
use crate::model::Policy;
use crate::otlp::conventions::Rules;
use crate::otlp::veil::{Key, Veil};
use crate::price::Prices;

/// Tells a team, with proof, when a pipeline became slower, dearer, hungrier, flakier or worse.
#[derive(Debug, Parser)]
#[command(name = "perfline", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole path in a minute: three pipelines, a planted regression, the report.
    Demo(demo::DemoArgs),
    /// Receive OTLP over gRPC and HTTP, store it, answer other commands.
    Serve(serve::ServeArgs),
    /// Run a command, measure its process tree, send one run.
    Run(wrap::RunArgs),
    /// Read OTLP files and run history into the store.
    Import(import::ImportArgs),
    /// List runs, newest last.
    Runs(runs::RunsArgs),
    /// List the steps of one run.
    Steps(runs::StepsArgs),
    /// Show one run: facts, steps, model calls, resources.
    Show(show::ShowArgs),
    /// Print runs as they end.
    Tail(tail::TailArgs),
    /// Health of every pipeline, 0 to 100, and why.
    Health(health::HealthArgs),
    /// The gate: exit 1 when a pipeline got worse.
    Check(check::CheckArgs),
    /// Compare two pipelines, runs, branches or periods.
    Compare(compare::CompareArgs),
    /// What the detector would have said over the stored history, and when.
    Backtest(backtest::BacktestArgs),
    /// Evaluate the store and update its alerts.
    Detect(alerts::DetectArgs),
    /// List alerts; acknowledge, mute, resolve them.
    Alerts(alerts::AlertsArgs),
    /// What runs are compared with: list, set, accept, reset.
    Baseline(baseline::BaselineArgs),
    /// Find the change points of plain series: no store needed.
    Analyze(analyze::AnalyzeArgs),
    /// Write reports as HTML, JSON and Markdown.
    Report(report::ReportArgs),
    /// Say why a trace is a run, or none.
    Explain(explain::ExplainArgs),
    /// Price stored model calls again.
    Recost(recost::RecostArgs),
    /// Make a price file from the table of LiteLLM; look a price up.
    Prices(prices::PricesArgs),
    /// Say what state a store is in, and what to do.
    Doctor(doctor::DoctorArgs),
    /// Copy the whole store into a new folder, checked.
    Backup(upkeep::BackupArgs),
    /// Make a store from a backup.
    Restore(upkeep::RestoreArgs),
    /// Take away what is old or too much.
    Prune(upkeep::PruneArgs),
    /// Write views as Parquet or CSV files.
    Export(upkeep::ExportArgs),
    /// Check a configuration of `serve`, or show what is in force.
    Config(config::ConfigArgs),
    /// Ask the store in SQL. Read-only.
    Query(query::QueryArgs),
    /// Print the figures that the documentation claims, measured on this machine.
    Bench(bench::BenchArgs),
}

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArg {
    /// A DuckDB file, or the URL of a running `perfline serve`.
    #[arg(long, env = "PERFLINE_STORE", default_value = "perfline.duckdb", value_name = "FILE|URL")]
    store: String,
    #[command(flatten)]
    access: access::AccessArg,
}

impl StoreArg {
    /// As the user gave it.
    pub(crate) fn name(&self) -> &str {
        &self.store
    }

    pub(crate) fn open(&self) -> Result<Backend, Failure> {
        self.open_with(None, None)
    }

    /// As `open`, with prices and a key that were named.
    pub(crate) fn open_with(&self, price_file: Option<&Path>, key_file: Option<&Path>) -> Result<Backend, Failure> {
        let backend = Backend::open_with(&self.store, &self.access.service()?, opening(price_file, key_file)?)?;
        backend.set_policy(policy()?);
        Ok(backend)
    }

    /// Whether it is a running service.
    pub(crate) fn is_url(&self) -> bool {
        self.store.starts_with("http://") || self.store.starts_with("https://")
    }

    /// As `open`, but a file that is not there is an error: reading commands make no stores.
    pub(crate) fn open_existing(&self) -> Result<Backend, Failure> {
        self.must_exist()?;
        self.open()
    }

    pub(crate) fn must_exist(&self) -> Result<(), Failure> {
        if !self.is_url() && !Path::new(&self.store).exists() {
            return Err(Failure::usage(
                format!("open store `{}`: there is no such file", self.store),
                "name it by --store or PERFLINE_STORE; `perfline import` and `perfline serve` make one",
            ));
        }
        Ok(())
    }
}

/// How a list or table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How series are judged: the section `[detect]` of the configuration that PERFLINE_CONFIG names.
fn policy() -> Result<Policy, Failure> {
    let file = std::env::var_os("PERFLINE_CONFIG").filter(|name| !name.is_empty()).map(std::path::PathBuf::from);
    checked_policy(config::layers(file.as_deref())?.config()?.detect)
}

/// A policy that says what it can hold; else what is wrong with it.
fn checked_policy(policy: Policy) -> Result<Policy, Failure> {
    policy.check().map_err(|wrong| Failure::usage(wrong, "docs/gate.md says what [detect] takes"))?;
    Ok(policy)
}

/// What a store is opened with.
pub(crate) fn opening(price_file: Option<&Path>, key_file: Option<&Path>) -> Result<Opening, Failure> {
    let rules = rules()?;
    Ok(Opening { prices: prices(price_file, None)?, veil: veil(key_file, None, &rules)?, rules })
}

pub(crate) fn rules() -> Result<Arc<Rules>, Failure> {
    let directory = std::env::var_os("PERFLINE_CONVENTIONS").map(PathBuf::from);
    rules_in(directory.as_deref())
}

/// The bundled prices, behind those of a file: the one that is named, else that of PERFLINE_PRICES, else the
/// configured one.
pub(crate) fn prices(named: Option<&Path>, configured: Option<&Path>) -> Result<Arc<Prices>, Failure> {
    let said = std::env::var_os("PERFLINE_PRICES").filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(Arc::new(Prices::with_file(named.or(said.as_deref()).or(configured))?))
}

/// The veil over names, where a key is named: by a file, in PERFLINE_ANONYMIZE (a file) or
/// PERFLINE_ANONYMIZE_KEY (the key itself), or by the configuration.
pub(crate) fn veil(
    named: Option<&Path>,
    configured: Option<&Path>,
    rules: &Arc<Rules>,
) -> Result<Option<Arc<Veil>>, Failure> {
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = named.map(Path::to_owned).or_else(|| said("PERFLINE_ANONYMIZE").map(PathBuf::from));
    let key = match (file, said("PERFLINE_ANONYMIZE_KEY")) {
        (Some(file), _) => Some(Key::from_file(&file)),
        (None, Some(key)) => Some(Key::new(key.as_encoded_bytes())),
        (None, None) => configured.map(Key::from_file),
    };
    let key = key.transpose().map_err(|e| {
        Failure::usage(
            format!("keep names private: {}", Failure::chain(&e)),
            "make a key once: head -c 32 /dev/urandom | base64 > key",
        )
    })?;
    Ok(key.map(|key| Arc::new(Veil::new(key, Arc::clone(rules)))))
}

/// The built-in conventions, behind the user's own where there is a folder of them.
fn rules_in(directory: Option<&Path>) -> Result<Arc<Rules>, Failure> {
    Ok(Arc::new(Rules::with_directory(directory)?))
}

/// Runs one command and says how it went: see the exit codes in `perfline --help`.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Run(args) => wrap::run(args),
        Command::Import(args) => import::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Steps(args) => runs::run_steps(&args),
        Command::Show(args) => show::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Detect(args) => alerts::detect(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Recost(args) => recost::run(&args),
        Command::Prices(args) => prices::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Backup(args) => upkeep::run_backup(&args),
        Command::Restore(args) => upkeep::run_restore(&args),
        Command::Prune(args) => upkeep::run_prune(&args),
        Command::Export(args) => upkeep::run_export(&args),
        Command::Config(args) => config::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    done.unwrap_or_else(|failure| failure.report())
}
