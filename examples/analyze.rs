//! `analyze FILE [--format text|json] [--replay]`: change points of plain series, without the store.
//!
//! Stands in for `perfline analyze` where DuckDB is not built, so that a detector can be judged in seconds.
#![allow(clippy::print_stdout, reason = "a program's answer goes to standard output")]

use anyhow::Context;
use perfline::detect::analyze::{FormatHint, analyze_all, read_series, text::write_text};
use perfline::detect::settings::Settings;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "analyze").collect();
    let json = arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    let replayed = arguments.iter().any(|a| a == "--replay");
    let file = arguments.iter().find(|a| !a.starts_with("--") && *a != "json" && *a != "text");
    let file = file.context("usage: analyze FILE [--format text|json] [--replay]")?;
    let bytes = std::fs::read(file).with_context(|| format!("read `{file}`"))?;
    let series = read_series(&bytes, FormatHint::from_file_name(file)).with_context(|| format!("read `{file}`"))?;
    let found = analyze_all(&series, &Settings::default(), replayed);
    if json {
        println!("{}", serde_json::json!({ "series": found }));
    } else {
        print!("{}", write_text(&found));
    }
    Ok(())
}
