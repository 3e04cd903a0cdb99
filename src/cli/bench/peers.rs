//! Other detectors of change, run by a Python that has them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli::Failure;

/// By the name of the detector, the change points of each series.
pub(super) type Found = BTreeMap<String, Vec<Vec<usize>>>;

/// Asks the detectors that `python` has; with `replay` value by value, which only Otava is made for.
pub(super) fn ask(python: &Path, series: &[Vec<f64>], replay: bool) -> Result<Found, Failure> {
    let action = format!("run the peers by `{}`", python.display());
    let failed = |e: std::io::Error| Failure::machine(&action, &e);
    let mut child = Command::new(python)
        .args(["-c", include_str!("peers.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    let given =
        serde_json::to_vec(&json!({ "replay": replay, "series": series })).map_err(|e| Failure::internal(&e))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(&given).map_err(failed)?;
    }
    let answer = child.wait_with_output().map_err(failed)?;
    let remedy = "pip install apache-otava ruptures into that Python";
    let found: Found =
        serde_json::from_slice(&answer.stdout).map_err(|e| Failure::usage(format!("{action}: {e}"), remedy))?;
    if found.is_empty() {
        return Err(Failure::usage(format!("{action}: it has none of them"), remedy));
    }
    Ok(found)
}
