//! Captured payloads give exactly the runs, steps, retries, tokens and costs that were really there,
//! in any order of arrival, twice over, and across a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use perfline::otlp::sink::Accepted;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value};

use super::support::{TempStore, fixtures, requests};

/// What one folder should give.
struct Truth {
    name: String,
    folder: PathBuf,
    expected: Value,
}

fn truths(root: &Path) -> Vec<Truth> {
    let text = std::fs::read_to_string(root.join("EXPECTED.json")).unwrap();
    let all: Map<String, Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .filter(|(name, _)| !name.starts_with('_') && root.join(name).is_dir())
        .map(|(name, expected)| Truth { folder: root.join(&name), name, expected })
        .collect()
}

/// A name in brackets explains, and is not part of the name.
fn bare(text: &str) -> String {
    text.split(" (").next().unwrap().to_owned()
}

/// Pipelines with their runs: (id where it is told, outcome), in order of start.
fn wanted_runs(expected: &Value, only_pipeline: &str) -> BTreeMap<String, Vec<(Option<String>, String)>> {
    let mut wanted: BTreeMap<String, Vec<_>> = BTreeMap::new();
    if let Some(pipelines) = expected.get("pipelines").and_then(Value::as_object) {
        for (pipeline, outcomes) in pipelines {
            let outcomes = outcomes.as_array().unwrap().iter().map(|word| (None, bare(word.as_str().unwrap())));
            wanted.insert(pipeline.clone(), outcomes.collect());
        }
        return wanted;
    }
    let named = expected.get("pipeline").and_then(Value::as_str).unwrap_or(only_pipeline);
    for run in expected["runs"].as_array().unwrap() {
        let (pipeline, entry) = match run {
            Value::String(word) => (named, (None, bare(word))),
            run => (
                run.get("pipeline").and_then(Value::as_str).unwrap_or(named),
                (Some(run["id"].as_str().unwrap().to_owned()), run["outcome"].as_str().unwrap().to_owned()),
            ),
        };
        wanted.entry(pipeline.to_owned()).or_default().push(entry);
    }
    wanted
}

fn check_runs(truth: &Truth, store: &TempStore) {
    let rows = store.query("select pipeline, run_id, outcome, state from runs order by started_at, run_key");
    let text = |row: &Map<String, Value>, key: &str| row[key].as_str().unwrap().to_owned();
    let first = rows.first().map(|row| text(row, "pipeline")).unwrap_or_default();
    let wanted = wanted_runs(&truth.expected, &first);
    let mut got: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in &rows {
        assert_eq!(row["state"], "closed", "{}: {row:?}", truth.name);
        got.entry(text(row, "pipeline")).or_default().push((text(row, "run_id"), text(row, "outcome")));
    }
    for (pipeline, mut runs) in wanted {
        let mut found = got.remove(&pipeline).unwrap_or_default();
        if runs.iter().all(|(id, _)| id.is_some()) {
            runs.sort();
            found.sort();
        }
        let outcomes: Vec<&String> = found.iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(outcomes, runs.iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(), "{} {pipeline}", truth.name);
        for ((wanted_id, _), (id, _)) in runs.iter().zip(&found) {
            assert!(wanted_id.as_ref().is_none_or(|wanted| wanted == id), "{} {pipeline} {id}", truth.name);
        }
    }
    if truth.expected.get("other_runs").is_none() {
        assert!(got.is_empty(), "{}: runs of other pipelines: {got:?}", truth.name);
    }
}

fn check_steps(truth: &Truth, store: &TempStore) {
    let of = |filter: &str| -> BTreeSet<String> {
        let rows = store.query(&format!("select distinct step from steps {filter}"));
        rows.iter().map(|row| row["step"].as_str().unwrap().to_owned()).collect()
    };
    let names = |list: &Value| list.as_array().unwrap().iter().map(|name| bare(name.as_str().unwrap())).collect();
    match truth.expected.get("steps") {
        Some(Value::Object(by_pipeline)) => {
            for (pipeline, steps) in by_pipeline {
                let wanted: BTreeSet<String> = names(steps);
                assert_eq!(of(&format!("where pipeline = '{pipeline}'")), wanted, "{} {pipeline}", truth.name);
            }
        }
        Some(steps) => {
            let pipeline = truth.expected.get("pipeline").and_then(Value::as_str);
            let filter = pipeline.map_or(String::new(), |pipeline| format!("where pipeline = '{pipeline}'"));
            let wanted: BTreeSet<String> = names(steps);
            assert_eq!(of(&filter), wanted, "{}", truth.name);
        }
        None => {}
    }
    let retried = truth.expected.get("retried").and_then(Value::as_array).map_or(0, Vec::len);
    let got =
        store.value("select count(*) from (select run_key, step from steps group by all having max(attempt) > 1)");
    assert_eq!(got, retried, "{}: retried steps", truth.name);
}

fn check_usage(truth: &Truth, store: &TempStore) {
    if let Some(tokens) = truth.expected.get("tokens") {
        let sums = store.query("select sum(input_tokens) as i, sum(output_tokens) as o, sum(cost_usd) as c from runs");
        assert_eq!(sums[0]["i"], tokens["input_tokens"], "{}: input tokens", truth.name);
        assert_eq!(sums[0]["o"], tokens["output_tokens"], "{}: output tokens", truth.name);
        if let Some(cost) = tokens.get("cost_usd").and_then(Value::as_f64) {
            let got = sums[0]["c"].as_f64().unwrap();
            assert!((got - cost).abs() < 1e-9, "{}: cost {got}, not {cost}", truth.name);
        }
    }
    if let Some(tests) = truth.expected.get("tests") {
        assert_eq!(store.value("select count(distinct step) from steps"), *tests, "{}: tests", truth.name);
        let failed = store.query("select distinct step from steps where outcome = 'failure'");
        let failed: BTreeSet<&str> = failed.iter().map(|row| row["step"].as_str().unwrap()).collect();
        let wanted: BTreeSet<&str> =
            truth.expected["failed_tests_run3"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(failed, wanted, "{}: failed tests", truth.name);
    }
}

/// Everything derived, as text: two ways of arrival must give the same.
fn derived(store: &TempStore) -> Vec<String> {
    ["runs", "steps"]
        .into_iter()
        .flat_map(|view| store.query(&format!("select * from {view} order by all")))
        .map(|row| Value::Object(row).to_string())
        .collect()
}

fn send(store: &TempStore, requests: &[Accepted]) {
    for request in requests {
        store.store.submit_blocking(request.clone()).unwrap();
    }
}

fn checked(truth: &Truth, store: &TempStore) -> Vec<String> {
    store.store.settle().unwrap();
    check_runs(truth, store);
    check_steps(truth, store);
    check_usage(truth, store);
    derived(store)
}

fn in_order(truth: &Truth) -> Vec<String> {
    let store = TempStore::new();
    send(&store, &requests(&truth.folder));
    checked(truth, &store)
}

#[test]
fn every_folder_gives_what_was_really_run() {
    let truths = truths(&fixtures().join("otlp"));
    assert!(truths.len() >= 18, "only {} folders", truths.len());
    truths.iter().for_each(|truth| drop(in_order(truth)));
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    for truth in truths(&fixtures().join("otlp")) {
        let wanted = in_order(&truth);
        let mut shuffled = requests(&truth.folder);
        shuffled.shuffle(&mut rand::rngs::StdRng::seed_from_u64(7));
        let mut store = TempStore::new();
        // In five parts, each derived before the next comes; a restart in between; then all of it again.
        for (place, part) in shuffled.chunks(shuffled.len().div_ceil(5)).enumerate() {
            send(&store, part);
            store.store.flush().unwrap();
            if place == 2 {
                store.restart();
            }
        }
        send(&store, &shuffled);
        assert_eq!(checked(&truth, &store), wanted, "{}", truth.name);
    }
}

/// Folders of captured payloads that must not be copied into the project lie beside it, where they are.
const OUTSIDE: &str = "../shared/fixtures/otlp";

#[test]
fn the_folders_that_stay_outside_hold_too() {
    let outside = Path::new(env!("CARGO_MANIFEST_DIR")).join(OUTSIDE);
    if !outside.join("EXPECTED.json").is_file() {
        // Where they cannot be, nothing can be said of them: aloud, on the terminal itself, not only when it fails.
        let told = format!(
            "\nNOT CHECKED: {OUTSIDE} is not here; the folders that stay outside of the project were not walked\n"
        );
        std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
        return;
    }
    let truths = truths(&outside);
    let inside = fixtures().join("otlp");
    let (shared, alone): (Vec<&Truth>, Vec<&Truth>) =
        truths.iter().partition(|truth| inside.join(&truth.name).is_dir());
    assert!(!alone.is_empty() && !shared.is_empty(), "{OUTSIDE} holds {} folders, none of its own", truths.len());
    truths.iter().for_each(|truth| drop(in_order(truth)));
    let told = format!("\nwalked {} folders of {OUTSIDE}, {} of them only there\n", truths.len(), alone.len());
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
}
