//! What is recognised of each tool: captured payloads, and tools whose shape is written down in
//! `tests/fixtures/tools`. Writes, and holds, the table of `docs/tools.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use perfline::otlp::sink::Accepted;
use perfline::store::Row;
use serde_json::{Map, Value};

use super::scenario::Scenario;
use super::support::{TempStore, fixtures, requests};

fn scenarios() -> Vec<Scenario> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("tools")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert!(files.len() >= 17, "only {} tools", files.len());
    files.iter().map(|file| Scenario::read(file)).collect()
}

fn same(wanted: &Value, got: &Value) -> bool {
    match (wanted.as_f64(), got.as_f64()) {
        (Some(wanted), Some(got)) => (wanted - got).abs() <= 1e-9 * wanted.abs().max(1.0),
        _ => wanted == got,
    }
}

fn check(scenario: &Scenario, store: &TempStore) {
    let tool = &scenario.tool;
    let runs = store.query("select * from runs order by started_at, run_key");
    let wanted = scenario.want["runs"].as_array().unwrap();
    assert_eq!(runs.len(), wanted.len(), "{tool}: {runs:#?}");
    for (want, run) in wanted.iter().zip(&runs) {
        for (name, value) in want.as_object().unwrap() {
            assert!(same(value, &run[name]), "{tool}: {name} is {}, not {value}\n{run:#?}", run[name]);
        }
    }
    let none = Map::new();
    let of = |name: &str| scenario.want.get(name).and_then(Value::as_object).unwrap_or(&none);
    for (pipeline, steps) in of("steps") {
        let found = store.query(&format!("select distinct step from steps where pipeline = '{pipeline}'"));
        let found: BTreeSet<&str> = found.iter().map(|row| row["step"].as_str().unwrap()).collect();
        let wanted: BTreeSet<&str> = steps.as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
        assert_eq!(found, wanted, "{tool}: steps of {pipeline}");
    }
    for (step, outcome) in of("step_outcomes") {
        let question = format!("select distinct outcome from steps where step = '{step}' and outcome <> 'success'");
        let found = store.query(&question);
        let found = found.first().map_or("success", |row| row["outcome"].as_str().unwrap());
        assert_eq!(found, outcome.as_str().unwrap(), "{tool}: {step}");
    }
    for (name, score) in of("scores") {
        let found = store.value(&format!("select max(score) from quality_scores where name = '{name}'"));
        assert!(same(score, &found), "{tool}: score {name} is {found}");
    }
}

fn derived(store: &TempStore) -> Vec<Row> {
    let both = ["runs", "steps"].into_iter();
    both.flat_map(|view| store.query(&format!("select * from {view} order by all"))).collect()
}

#[test]
fn every_tool_is_recognised_by_its_shape_in_any_order_and_twice() {
    let wrong: Vec<String> = scenarios()
        .iter()
        .filter(|scenario| std::panic::catch_unwind(|| recognised(scenario)).is_err())
        .map(|scenario| scenario.tool.clone())
        .collect();
    assert!(wrong.is_empty(), "see above what is wrong with {wrong:?}");
}

fn recognised(scenario: &Scenario) {
    let in_order = scenario.requests();
    let store = TempStore::filled(&in_order);
    check(scenario, &store);
    let mut backwards: Vec<Accepted> = in_order.iter().rev().cloned().collect();
    backwards.extend(in_order);
    let again = TempStore::new();
    for part in backwards.chunks(backwards.len().div_ceil(3)) {
        for request in part {
            again.store.submit_blocking(request.clone()).unwrap();
        }
        again.store.flush().unwrap();
    }
    again.store.settle().unwrap();
    assert_eq!(derived(&again), derived(&store), "{}", scenario.tool);
}

/// One line of the table.
fn line(name: &str, payload: &str, store: &TempStore) -> String {
    let one = |question: &str| match store.value(question) {
        Value::Null => "–".to_owned(),
        Value::String(text) => cell(&text),
        other => other.to_string(),
    };
    let counted = |question: &str| Some(one(question)).filter(|text| text != "0").unwrap_or_else(|| "–".to_owned());
    let cells = [
        name.to_owned(),
        payload.to_owned(),
        one("select count(*) from runs"),
        one("select string_agg(distinct pipeline, ', ' order by pipeline) from runs"),
        one(
            "select case when bool_and(run_id = trace_id) then 'trace' when bool_and(run_id <> trace_id) then 'yes' else 'some' end from runs",
        ),
        one(
            "select string_agg(outcome || ' ' || n, ', ' order by outcome) from (select outcome, count(*) as n from runs group by outcome)",
        ),
        counted("select count(distinct (pipeline, step)) from steps"),
        counted("select sum(retries) from runs"),
        one("select sum(input_tokens)::varchar || ' / ' || sum(output_tokens)::varchar from runs"),
        one("select string_agg(distinct model, ', ' order by model) from runs"),
        one("select string_agg(distinct cost_source, ', ' order by cost_source) from runs"),
        one("select string_agg(distinct name, ', ' order by name) from quality_scores"),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Text that ends no cell and is no markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('{', "\\{")
}

#[test]
fn the_table_of_tools_says_what_is_recognised() {
    let mut lines = BTreeMap::new();
    for entry in std::fs::read_dir(fixtures().join("otlp")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_dir() {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let text = line(&name, "captured", &TempStore::filled(&requests(&folder)));
            lines.insert((name.to_lowercase(), 0), text);
        }
    }
    for scenario in scenarios() {
        let text = line(&scenario.tool, "by shape", &TempStore::filled(&scenario.requests()));
        lines.insert((scenario.tool.to_lowercase(), 1), text);
    }
    let mut page = HEAD.to_owned();
    for line in lines.values() {
        // Writing to a String cannot fail.
        let _ = write!(page, "{line}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tools.md");
    if std::env::var_os("PERFLINE_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let stands = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(stands == page, "docs/tools.md is stale: PERFLINE_BLESS=1 cargo test --release --test it tools");
}

const HEAD: &str = "# What is recognised of which tool

Written by the tests from what they found (`tests/it/tools.rs`). *Captured*: real payloads of the tool, in `tests/fixtures/otlp`, or a series of them. *By shape*: spans as its instrumentation sends them, in `tests/fixtures/tools`. A dash: the payload says nothing of it. How it is recognised: [conventions.md](conventions.md).

*Id*: *yes* where the tool names its run, *trace* where the trace stands for it. *Cost*: who says it: the span (*stated*) or the bundled prices at its date ([costs.md](costs.md)).

| tool | payload | runs | pipelines | id | outcomes | steps | retries | tokens in / out | models | cost | scores |
|---|---|---|---|---|---|---|---|---|---|---|---|
";
