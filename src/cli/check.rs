//! `perfline check`: the gate.

use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;

use super::faces::{FacesArgs, write_faces};
use super::health::expect_pipeline;
use super::output::{print, print_json};
use super::show::literal;
use super::weak::{Weak, add_of_findings, tell, weak_baselines};
use super::{Failure, Format, StoreArg};
use crate::api::{Backend, CheckQuery};
use crate::model::unit::parse_time;
use crate::model::{Severity, Verdict, VerdictWord};
use crate::report::verdict_ansi;

/// A regression at or above --fail-on.
const EXIT_REGRESSION: u8 = 1;
/// Not enough data, where --require-baseline asks for it.
const EXIT_INSUFFICIENT: u8 = 3;

/// The gate: exit 1 when a pipeline got worse within its newest runs.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 pass, 1 a regression at or above --fail-on, 2 usage, 3 not enough data with \
--require-baseline, 70 internal.

Examples:
  perfline check
  perfline check --pipeline nightly --fail-on CRITICAL
  perfline check --branch \"$BRANCH\" --base-branch main --format json
  perfline check --junit perfline.xml --comment comment.md")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pipeline: Option<String>,
    /// From this severity on the gate fails: LOW, MEDIUM, HIGH, CRITICAL.
    #[arg(long, default_value = "HIGH", value_parser = Severity::parse)]
    fail_on: Severity,
    /// A change counts when it lies within this many newest runs.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: u32,
    /// Compare the runs since this time (RFC 3339) with those before.
    #[arg(long, value_parser = parse_time)]
    since: Option<i64>,
    /// Compare the runs of this branch ...
    #[arg(long, conflicts_with = "since", value_parser = NonEmptyStringValueParser::new())]
    branch: Option<String>,
    /// ... with the runs of that one; without it main.
    #[arg(long, requires = "branch", value_parser = NonEmptyStringValueParser::new())]
    base_branch: Option<String>,
    /// Exit 3 where no series has enough runs to say.
    #[arg(long)]
    require_baseline: bool,
    #[command(flatten)]
    faces: FacesArgs,
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What JSON says: the verdict, and what weakens it.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    warnings: &'a [Weak],
}

pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let query = CheckQuery {
        pipeline: args.pipeline.clone(),
        last: args.last,
        since_ns: args.since,
        branch: args.branch.clone(),
        base_branch: args.base_branch.clone(),
    };
    let verdict = judged(backend.check(&query)?, args.fail_on);
    expect_runs(&backend, &query, &verdict)?;
    let warnings = weak(&backend, &query, &verdict)?;
    backend.close()?;
    write_faces(&args.faces, &verdict, args.fail_on)?;
    match args.format {
        Format::Json => print_json(&Answer { verdict: &verdict, warnings: &warnings })?,
        Format::Text => print(&(verdict_ansi(&verdict, args.fail_on) + &tell(&warnings)))?,
    }
    Ok(ExitCode::from(match verdict.verdict {
        VerdictWord::Fail => EXIT_REGRESSION,
        VerdictWord::InsufficientData if args.require_baseline => EXIT_INSUFFICIENT,
        VerdictWord::Pass | VerdictWord::InsufficientData => 0,
    }))
}

/// Baselines that the verdict leans on and should not: those of the base branch where branches are compared.
fn weak(backend: &Backend, query: &CheckQuery, verdict: &Verdict) -> Result<Vec<Weak>, Failure> {
    let policy = super::policy()?;
    let base = query.branch.as_ref().map(|_| query.base());
    let mut all = weak_baselines(backend, query.pipeline.as_deref(), base, &policy)?;
    add_of_findings(&mut all, verdict, &policy);
    Ok(all)
}

/// Where nothing was judged, whether that is for a name that no run has: a gate on it would be green for ever.
fn expect_runs(backend: &Backend, query: &CheckQuery, verdict: &Verdict) -> Result<(), Failure> {
    if verdict.series_checked > 0 {
        return Ok(());
    }
    if let Some(name) = &query.pipeline {
        expect_pipeline(backend, name)?;
    }
    let Some(branch) = &query.branch else { return Ok(()) };
    for name in [branch.as_str(), query.base()] {
        if backend.query(&format!("select 1 as found from runs where branch = {} limit 1", literal(name)))?.is_empty() {
            return Err(Failure::usage(
                format!("no run of branch `{name}` is stored"),
                "`perfline query 'select distinct pipeline, branch from runs'` lists them",
            ));
        }
    }
    Ok(())
}

/// The verdict at the severity that was asked for.
fn judged(verdict: Verdict, fail_on: Severity) -> Verdict {
    let fails = verdict.findings.iter().any(|finding| finding.actionable && finding.severity >= fail_on);
    let word = match verdict.verdict {
        _ if fails => VerdictWord::Fail,
        VerdictWord::InsufficientData => VerdictWord::InsufficientData,
        _ => VerdictWord::Pass,
    };
    Verdict { verdict: word, ..verdict }
}
