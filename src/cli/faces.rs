//! What `perfline check` leaves for a CI system beside its own output.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::report::write_whole;
use crate::model::{Severity, Verdict};
use crate::report::ci;

/// What a CI system is told.
#[derive(Debug, Args)]
#[command(next_help_heading = "For CI systems")]
pub(crate) struct FacesArgs {
    /// Print GitHub annotations to standard error, and append to $GITHUB_STEP_SUMMARY where that is set; by itself
    /// where GITHUB_ACTIONS=true.
    #[arg(long)]
    github: bool,
    /// Write the verdict as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write GitLab's metrics report.
    #[arg(long, value_name = "FILE")]
    gitlab: Option<PathBuf>,
    /// Write a Markdown comment for the pull request; its first line finds it again.
    #[arg(long, value_name = "FILE")]
    comment: Option<PathBuf>,
    /// Which comment it is, where a pull request gets several.
    #[arg(long, value_name = "KEY", default_value = "check", requires = "comment")]
    comment_key: String,
    /// Write the Markdown summary.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Writes every face that was asked for; on GitHub also its own.
pub(super) fn write_faces(args: &FacesArgs, verdict: &Verdict, fail_on: Severity) -> Result<(), Failure> {
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => write_whole(path, text().as_bytes()),
        None => Ok(()),
    };
    write(&args.junit, &|| ci::junit(verdict, fail_on))?;
    write(&args.gitlab, &|| ci::gitlab_metrics(verdict))?;
    write(&args.comment, &|| ci::comment(verdict, fail_on, &args.comment_key))?;
    write(&args.summary, &|| ci::summary(verdict, fail_on))?;
    if args.github || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        // GitHub reads commands from both streams; standard output belongs to the verdict.
        anstream::eprint!("{}", ci::annotations(verdict, fail_on));
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
            append(Path::new(&path), &ci::summary(verdict, fail_on))?;
        }
    }
    Ok(())
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|e| Failure::machine(&format!("append to `{}`", path.display()), &e))
}
