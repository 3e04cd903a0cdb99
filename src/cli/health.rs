//! `perfline health`: how well each pipeline does, 0 to 100, and why.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::report::{Align, Estimate, Kind, PipelineProfile, Table, health_table};
use crate::track::{Health, Trend};

/// Health of every pipeline: 0 to 100, the parts it is made of, and why. Without enough runs it is
/// unknown, never a number.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline health
  perfline health --pipeline nightly
  perfline health --format json | jq '.[] | select(.health.score < 60) | .pipeline'")]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline, with the parts of its health.
    #[arg(long)]
    pipeline: Option<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One pipeline as `--format json` prints it.
#[derive(Serialize)]
struct Answer<'a> {
    pipeline: &'a str,
    service: Option<&'a str>,
    runs: u64,
    success_rate: Option<Estimate>,
    change_7_days_percent: Option<f64>,
    health: &'a Health,
    trends: &'a [Trend],
}

pub(super) fn run(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let bundle = backend.bundle(Kind::Executive, args.pipeline.as_deref())?;
    backend.close()?;
    let profiles = &bundle.pipelines;
    if let (Some(name), true) = (&args.pipeline, profiles.is_empty()) {
        return Err(unknown_pipeline(name));
    }
    match args.format {
        Format::Json => print_json(&profiles.iter().map(answer).collect::<Vec<_>>())?,
        Format::Text if profiles.is_empty() => print("no runs\n")?,
        Format::Text => {
            print(&health_table(profiles).render(terminal_width()))?;
            if args.pipeline.is_some() {
                for profile in profiles {
                    print(&format!("\n{}", parts(&profile.health).render(terminal_width())))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A pipeline that was named and is not there.
pub(super) fn unknown_pipeline(name: &str) -> Failure {
    Failure::usage(
        format!("no run of pipeline `{name}` is stored"),
        "`perfline query 'select distinct pipeline from runs'` lists them",
    )
}

fn answer(profile: &PipelineProfile) -> Answer<'_> {
    Answer {
        pipeline: &profile.pipeline,
        service: profile.service.as_deref(),
        runs: profile.runs,
        success_rate: profile.success_rate,
        change_7_days_percent: profile.change_7_days_percent,
        health: &profile.health,
        trends: &profile.trends,
    }
}

fn parts(health: &Health) -> Table {
    let heads = [("part", Align::Left), ("score", Align::Right), ("weight", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(&heads);
    for part in &health.parts {
        table.row([
            part.part.as_str().to_owned(),
            part.score.map_or("–".to_owned(), |score| format!("{score:.0}")),
            format!("{:.2}", part.weight),
            part.reason.clone(),
        ]);
    }
    table
}
