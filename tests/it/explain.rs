//! `perfline explain`, of files and of a store: the same words, and a store that is not touched.

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;

use super::support::fixtures;

fn explain(arguments: &[&str]) -> (String, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.duckdb");
    let mut command = Command::cargo_bin("perfline").unwrap();
    command.arg("explain").args(arguments).current_dir(folder.path()).env("PERFLINE_STORE", &store);
    let output = command.assert().success().get_output().stdout.clone();
    (String::from_utf8(output).unwrap(), store, folder)
}

fn captured(folder: &str) -> String {
    fixtures().join("otlp").join(folder).to_str().unwrap().to_owned()
}

#[test]
fn files_are_explained_without_a_store() {
    let (text, store, _folder) = explain(&[&captured("prefect"), "--format", "json"]);
    assert!(!store.exists(), "a store was made");
    let found: Value = serde_json::from_str(&text).unwrap();
    let list = |name: &str| found[name].as_array().unwrap_or_else(|| panic!("no {name}")).clone();
    assert_eq!(list("runs").len(), 5);
    assert!(list("rules").iter().any(|rule| rule["rule"] == "prefect.task" && rule["in_runs"].as_i64() > Some(5)));
    assert!(list("unmapped").iter().any(|row| row["reason"] == "ignored"), "{}", found["unmapped"]);
    assert!(list("unread_attributes").iter().any(|row| row["key"] == "docket.task"), "{}", found["unread_attributes"]);
    assert_eq!(list("traces").len() as u64, found["rules"].as_array().map_or(0, |_| traces_of(&found)));
    assert_eq!(found["read"]["refused"], serde_json::json!({}));
}

fn traces_of(found: &Value) -> u64 {
    let mut ids: Vec<&str> =
        found["traces"].as_array().unwrap().iter().map(|one| one["trace_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}

#[test]
fn a_trace_of_a_file_is_explained_in_the_words_of_a_stored_one() {
    let (text, ..) = explain(&[&captured("haystack"), "--format", "json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.duckdb");
    let perfline = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("perfline").unwrap();
        let output = command.args(arguments).env("PERFLINE_STORE", &store).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    perfline(&["import", &captured("haystack")]);
    for trace in found["traces"].as_array().unwrap() {
        let stored = perfline(&["explain", trace["trace_id"].as_str().unwrap(), "--format", "json"]);
        assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), trace["spans"]);
    }
}

#[test]
fn the_text_shows_runs_reasons_and_the_first_traces() {
    let (text, ..) = explain(&[&captured("haystack"), "--traces", "1"]);
    for words in [
        "Runs",
        "haystack.pipeline",
        "Traces that belong to no run",
        "haystack.auto_enable",
        "Attributes that no rule reads",
        "haystack.component.visits",
        "more: --traces 0",
    ] {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    assert_eq!(text.matches("\nTrace ").count(), 1);
}

#[test]
fn what_is_neither_a_trace_nor_a_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("perfline").unwrap();
    let output =
        command.args(["explain", "nothing-here"]).current_dir(folder.path()).assert().failure().get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing-here"));
}
