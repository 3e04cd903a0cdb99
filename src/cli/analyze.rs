//! `perfline analyze`: change points of plain series, no store needed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Format};
use crate::detect::analyze::{
    AnalyzeError, AnalyzedSeries, FormatHint, PlainSeries, analyze_all, read_series, series_of_columns,
    text::write_text,
};
use crate::detect::settings::Settings;
use crate::store::read_parquet;

/// Find the change points of plain series, any number in one call: CSV and Parquet (numeric columns are series, a time
/// column orders them), JSON {"name","values"}, an array or lines of those.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline analyze timings.csv
  perfline analyze timings.parquet
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
    let series = read(&args.file, &name)?;
    let found = analyze_all(&series, &Settings::default(), args.replay);
    match args.format {
        Format::Json => print_json(&Answer { series: found })?,
        Format::Text => print(&write_text(&found))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The magic number at both ends of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

fn read(file: &Path, name: &str) -> Result<Vec<PlainSeries>, Failure> {
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|e| Failure::machine(&format!("read `{name}`"), &e))?;
    let read = if bytes.starts_with(PARQUET) {
        read_columns(file, name, &bytes)?
    } else {
        read_series(&bytes, FormatHint::from_file_name(name))
    };
    read.map_err(|e| {
        Failure::usage(
            format!("read `{name}`: {e}"),
            "give CSV with a header, Parquet, or JSON {\"name\",\"values\":[...]}",
        )
    })
}

fn read_columns(file: &Path, name: &str, bytes: &[u8]) -> Result<Result<Vec<PlainSeries>, AnalyzeError>, Failure> {
    // DuckDB reads files alone: what came through a pipe is laid down for it.
    let failed = |e: std::io::Error| Failure::machine("keep what came from standard input", &e);
    let mut aside = None;
    let path = if name == "-" {
        let kept = tempfile::NamedTempFile::new().map_err(failed)?;
        std::fs::write(kept.path(), bytes).map_err(failed)?;
        aside.insert(kept).path()
    } else {
        file
    };
    let columns = read_parquet(path).map_err(|e| {
        Failure::usage(format!("read `{name}`: {}", Failure::from(e).into_parts().0), "is the file whole?")
    })?;
    Ok(series_of_columns(&columns.names, &columns.cells))
}
