//! `perfline analyze`: change points of plain series, no store needed.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Format};
use crate::detect::analyze::{AnalyzedSeries, FormatHint, analyze_all, read_series, text::write_text};
use crate::detect::settings::Settings;

/// Find the change points of plain series: CSV (numeric columns are series, a time column orders
/// them), JSON {"name","values"}, an array or lines of those.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline analyze timings.csv
  perfline analyze series.jsonl --replay --format json")]
pub(crate) struct AnalyzeArgs {
    /// The file; - is standard input.
    file: PathBuf,
    /// Also say what would have been raised, had the values come one at a time.
    #[arg(long)]
    replay: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Answer {
    series: Vec<AnalyzedSeries>,
}

pub(super) fn run(args: &AnalyzeArgs) -> Result<ExitCode, Failure> {
    let name = args.file.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&args.file)
    };
    let bytes = bytes.map_err(|e| Failure::machine(&format!("read `{name}`"), &e))?;
    let series = read_series(&bytes, FormatHint::from_file_name(&name)).map_err(|e| {
        Failure::usage(format!("read `{name}`: {e}"), "give CSV with a header, or JSON {\"name\",\"values\":[...]}")
    })?;
    let found = analyze_all(&series, &Settings::default(), args.replay);
    match args.format {
        Format::Json => print_json(&Answer { series: found })?,
        Format::Text => print(&write_text(&found))?,
    }
    Ok(ExitCode::SUCCESS)
}
