//! `perfline prices`: price files, and what a call would cost.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Format, prices};
use crate::model::clock::{Clock, UnixNanos};
use crate::model::unit::{format_usd, parse_time};
use crate::price::{Call, Tokens, import_litellm};
use crate::report::clean::line;

/// Make a price file from the table of LiteLLM, or look up what a call costs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline prices import model_prices_and_context_window.json > prices.toml
  perfline prices show gpt-4o-mini --provider openai --at 2026-05-01
  perfline prices show our-model --prices prices.toml --input-tokens 1200 --output-tokens 300")]
pub(crate) struct PricesArgs {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read LiteLLM's price table (JSON), write a price file (TOML).
    Import(ImportArgs),
    /// What one call costs, and who says so.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The table, or - for standard input.
    #[arg(value_name = "FILE")]
    table: PathBuf,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The model, as spans name it.
    model: String,
    /// Who serves it, as spans name it.
    #[arg(long)]
    provider: Option<String>,
    /// When: a date or an RFC 3339 time. Without it now.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<UnixNanos>,
    /// Tokens sent, with those from a cache.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    input_tokens: u32,
    /// Tokens received.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    output_tokens: u32,
    /// Part of the input that was read from a cache.
    #[arg(long, default_value_t = 0, value_name = "N")]
    cached_tokens: u32,
    /// Your prices. Without it PERFLINE_PRICES.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn parse_moment(text: &str) -> Result<UnixNanos, String> {
    parse_time(text).or_else(|_| parse_time(&format!("{text}T00:00:00Z"))).map_err(|e| e.to_string())
}

/// What a call costs; null where nobody knows.
#[derive(Serialize)]
struct Shown {
    model: String,
    provider: Option<String>,
    cost_usd: Option<f64>,
    cost_source: Option<&'static str>,
}

pub(super) fn run(args: &PricesArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Action::Import(args) => import(args),
        Action::Show(args) => show(args),
    }
}

fn import(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let name = args.table.display().to_string();
    let mut bytes = Vec::new();
    let read = if name == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(&args.table).map(|all| bytes = all)
    };
    read.map_err(|e| Failure::machine(&format!("read `{name}`"), &e))?;
    let imported = import_litellm(&bytes)?;
    print(&imported.toml)?;
    anstream::eprintln!(
        "perfline: {} prices; {} entries have no price per token and were left out",
        imported.prices,
        imported.skipped
    );
    Ok(ExitCode::SUCCESS)
}

fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let tokens = Tokens {
        input: Some(args.input_tokens.into()),
        output: Some(args.output_tokens.into()),
        cache_read: Some(args.cached_tokens.into()).filter(|count| *count > 0),
        cache_write: None,
    };
    let at_ns = args.at.unwrap_or_else(|| Clock::Wall.now());
    let call = Call { model: &args.model, provider: args.provider.as_deref(), at_ns, tokens };
    let cost = prices(args.prices.as_deref(), None)?.cost(&call);
    let shown = Shown {
        model: args.model.clone(),
        provider: args.provider.clone(),
        cost_usd: cost.map(|cost| cost.usd),
        cost_source: cost.map(|cost| cost.source.as_str()),
    };
    match args.format {
        Format::Json => print_json(&shown)?,
        Format::Text => {
            let told = cost
                .map_or("unknown".to_owned(), |cost| format!("{} ({})", format_usd(cost.usd), cost.source.as_str()));
            print(&format!("{}  {told}\n", line(&args.model)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
