//! `perfline config`: checks a configuration, and shows what is in force.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{print, print_json};
use super::serve::{access, log, onward};
use super::{Failure, Format};
use crate::config::{Config, ConfigError, Layers, Setting};
use crate::report::clean::line;

/// Check a configuration of `perfline serve`, or show what is in force.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline config check perfline.toml
  perfline config show --config perfline.toml --set limits.body_timeout=10s")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is wrong with a configuration. Exit 2 where something is.
    #[command(after_help = "Examples:
  perfline config check perfline.toml
  perfline config check --set limits.body_timeout=10s")]
    Check(CheckArgs),
    /// Print every setting in force, and who said it; secrets are hidden.
    #[command(after_help = "Examples:
  perfline config show --config perfline.toml
  PERFLINE_LIMITS_BODY_TIMEOUT=10s perfline config show --format json")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The file; without it PERFLINE_CONFIG, else the defaults and the environment alone.
    #[arg(env = "PERFLINE_CONFIG", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Set one key; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Settings that differ from config/default.toml.
    #[arg(long, env = "PERFLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How the settings are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let help = error.help();
        let failure = Self::machine("configure", &error);
        match help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

/// The file and the environment, in that order; flags come on top.
pub(super) fn layers(file: Option<&Path>) -> Result<Layers, Failure> {
    let mut layers = Layers::new()?;
    if let Some(file) = file {
        layers.file(file)?;
    }
    // A variable that is not UTF-8 can be no setting of ours.
    let variables =
        std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    layers.environment(variables)?;
    Ok(layers)
}

/// The settings, where they go together.
pub(super) fn checked(layers: &Layers) -> Result<Config, Failure> {
    let config = layers.config()?;
    match config.conflicts().into_iter().next() {
        Some(conflict) => Err(conflict.into()),
        None => Ok(config),
    }
}

pub(super) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        Action::Check(args) => check(args),
        Action::Show(args) => show(args),
    }
}

fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut layers = layers(args.file.as_deref())?;
    for assignment in &args.set {
        layers.assign(assignment)?;
    }
    let config = checked(&layers)?;
    // What the settings name must be there and be right, too.
    log::filter(&config.log)?;
    access::tls(&config.tls)?;
    access::tokens(&config.access)?;
    onward::destinations(&config)?;
    let from_defaults = layers.settings().iter().filter(|s| s.source == crate::config::Source::Default).count();
    let own = layers.settings().len() - from_defaults;
    print(&format!("nothing is wrong; {own} settings are not the built-in ones\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Shown {
    key: String,
    value: toml::Value,
    source: String,
}

fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let mut layers = layers(args.config.as_deref())?;
    for assignment in &args.set {
        layers.assign(assignment)?;
    }
    layers.config()?;
    let settings = layers.settings();
    match args.format {
        Format::Json => {
            let shown: Vec<Shown> = settings
                .into_iter()
                .map(|Setting { key, value, source }| Shown { key, value, source: source.to_string() })
                .collect();
            print_json(&shown)?;
        }
        Format::Text => print(&tell(&settings))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(settings: &[Setting]) -> String {
    let lines: Vec<(String, String)> = settings
        .iter()
        .map(|setting| (line(&format!("{} = {}", setting.key, setting.value)), line(&setting.source.to_string())))
        .collect();
    let width = lines.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(text, source)| format!("{text:<width$}  # {source}\n")).collect()
}
