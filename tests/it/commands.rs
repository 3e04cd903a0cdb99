//! The commands, run as a user runs them: the built program over a store of imported history.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A store with two pipelines; the second half of `slow` takes half as long again.
pub(super) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        let mut text = "pipeline,run_id,started_at,duration_s,outcome,branch\n".to_owned();
        for at in 0..80_u32 {
            // Some spread, the same on every machine.
            let spread = 1.0 + f64::from(at * 37 % 17) / 400.0;
            let slow = if at < 60 { 10.0 } else { 15.0 } * spread;
            let day = format!("2024-0{}-{:02}T08:00:00Z", 1 + at / 28, 1 + at % 28);
            let branch = if at % 2 == 0 { "main" } else { "next" };
            text += &format!("slow,slow-{at},{day},{slow},success,main\n");
            text += &format!("even,even-{at},{day},{},success,{branch}\n", 10.0 * spread);
        }
        let history = fixture.path("history.csv");
        std::fs::write(&history, text).unwrap();
        fixture.text(&["import", history.to_str().unwrap()]);
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("perfline").unwrap();
        command.args(arguments).current_dir(self.folder.path());
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        command.env("PERFLINE_STORE", self.path("store.duckdb"));
        command
    }

    pub(super) fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.command(arguments).assert().success().get_output().stdout.clone()).unwrap()
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    pub(super) fn count(&self, store: &Path, view: &str) -> u64 {
        let question = format!("select count(*) as n from {view}");
        let rows = self.json(&["query", &question, "--store", store.to_str().unwrap()]);
        rows[0]["n"].as_u64().unwrap()
    }

    pub(super) fn refused(&self, arguments: &[&str], word: &str) {
        let output = self.command(arguments).assert().code(2).get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(word) && said.contains("help:"), "{said}");
    }
}

#[test]
fn show_tells_one_run_and_refuses_an_unknown_one() {
    let fixture = Fixture::new();
    let found = fixture.json(&["show", "slow-70"]);
    assert_eq!(found[0]["run"]["run_id"], "slow-70");
    assert!(found[0]["steps"].is_array() && found[0]["model_calls"].is_array());
    assert!(fixture.text(&["show", "slow-70"]).starts_with("slow / slow-70  success\n"));
    fixture.refused(&["show", "it's not there"], "it's not there");
}

#[test]
fn health_is_told_with_its_parts_and_only_of_pipelines_that_exist() {
    let fixture = Fixture::new();
    let all = fixture.json(&["health"]);
    let score = |name: &str| {
        let of = all.as_array().unwrap().iter().find(|one| one["pipeline"] == name).unwrap();
        of["health"]["score"].as_f64().unwrap()
    };
    assert!(score("slow") < score("even"), "{all}");
    assert!(fixture.text(&["health", "--pipeline", "even"]).contains("reliability"));
    fixture.refused(&["health", "--pipeline", "none"], "none");
}

#[test]
fn tail_prints_a_line_a_run_and_ends_when_it_has_enough() {
    let fixture = Fixture::new();
    let text = fixture.text(&["tail", "--pipeline", "slow", "--last", "3", "--count", "3", "--format", "json"]);
    let ids: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["run_id"].clone()).collect();
    assert_eq!(ids, ["slow-77", "slow-78", "slow-79"]);
}

#[test]
fn compare_takes_pipelines_runs_branches_and_nothing() {
    let fixture = Fixture::new();
    let duration = |found: &Value, place: usize| {
        let metrics = found["pipelines"][place]["metrics"].as_array().unwrap().clone();
        metrics.into_iter().find(|change| change["metric"] == "duration").unwrap()
    };
    let newest = fixture.json(&["compare", "--pipeline", "slow"]);
    assert_eq!(duration(&newest, 0)["word"], "regressed", "{newest}");
    let pipelines = fixture.json(&["compare", "even", "slow"]);
    assert_eq!(duration(&pipelines, 0)["word"], "regressed", "{pipelines}");
    assert_eq!(pipelines["pipelines"][0]["b"]["runs"], 20);
    let branches = fixture.json(&["compare", "--branch", "next", "--base-branch", "main", "--pipeline", "even"]);
    assert_ne!(duration(&branches, 0)["word"], "regressed", "{branches}");
    let runs = fixture.json(&["compare", "slow-1", "slow-79"]);
    assert_eq!(duration(&runs, 0)["word"], "not_enough_data", "{runs}");
    assert!(fixture.text(&["compare", "slow-1", "slow-79"]).contains("not enough data"));
    fixture.refused(&["compare", "slow", "nobody"], "nobody");
    let since = fixture.json(&["compare", "--since", "2024-03-05T00:00:00Z", "--pipeline", "slow"]);
    assert_eq!(duration(&since, 0)["word"], "regressed", "{since}");
    assert_eq!(
        (since["pipelines"][0]["a"]["runs"].clone(), since["pipelines"][0]["b"]["runs"].clone()),
        (60.into(), 20.into())
    );
    let even = fixture.json(&["compare", "--since", "2024-03-05T00:00:00Z", "--pipeline", "even"]);
    assert_eq!(even["pipelines"][0]["context"]["branch"], "main");
    assert_eq!(even["pipelines"][0]["note"], "30 runs of A and 10 of B in other contexts are left out");
    fixture.refused(&["compare", "--since", "2030-01-01T00:00:00Z"], "no ended run of");
    fixture.refused(&["compare", "--revision", "a", "--base-revision", "b"], "no ended run of");
}

#[test]
fn report_writes_the_comparison_that_is_asked_for() {
    let fixture = Fixture::new();
    let folder = fixture.path("compared");
    let out = folder.to_str().unwrap();
    fixture.text(&["report", "--kind", "comparison", "even", "slow", "--format", "html,json,md", "--out", out]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let bundle: Value = serde_json::from_str(&read("report.json")).unwrap();
    let compared = fixture.json(&["compare", "even", "slow"]);
    assert_eq!(bundle["comparison"], compared);
    assert!(read("comparison.html").contains("even and slow") && read("comparison.md").contains("even and slow"));
    fixture.command(&["report", "--kind", "alerts", "even", "slow", "--out", out]).assert().code(2);
    fixture.command(&["report", "even", "--out", out]).assert().code(2);
}

#[test]
fn a_limit_is_met_by_a_forecast_or_is_not_and_nonsense_is_refused() {
    let fixture = Fixture::new();
    let found = fixture.json(&["health", "--pipeline", "slow", "--limit", "duration=12s", "--limit", "cost=1"]);
    let more = &found[0]["more"];
    assert_eq!((more["limits"].as_array().unwrap().len(), more["limits"][0]["meets"].clone()), (1, "already".into()));
    assert!(more["limits"][0]["crossed"].as_u64() > Some(0) && more["limits"][0]["last_crossed"].is_string());
    assert!(more["health_history"].as_array().unwrap().len() > 5 && !more["slices"].as_array().unwrap().is_empty());
    let far = fixture.text(&["health", "--limit", "slow:duration=1h"]);
    assert!(far.contains("not within the forecast") && far.contains("forecasts of slow"), "{far}");
    fixture.command(&["health", "--limit", "duration=soon"]).assert().code(2);
}

#[test]
fn a_report_from_its_report_json_is_the_same_to_the_byte() {
    let fixture = Fixture::new();
    let limit = ["report", "--limit", "duration=20s", "--title", "Ours", "--out", "first"];
    fixture.text(&limit);
    fixture.text(&["report", "--from", "first/report.json", "--out", "again"]);
    let names = |folder: &str| {
        let entries = std::fs::read_dir(fixture.path(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names("first"), names("again"));
    assert!(
        ["index.html", "alerts.html", "comparison.html", "report.json", "report.md"]
            .iter()
            .all(|name| names("first").contains(*name))
    );
    for name in names("first") {
        let read = |folder: &str| std::fs::read(fixture.path(folder).join(&name)).unwrap();
        assert!(read("first") == read("again"), "{name} differs");
    }
    let index = std::fs::read_to_string(fixture.path("first/index.html")).unwrap();
    for name in names("first").iter().filter(|name| name.ends_with(".html")) {
        assert!(index.contains(&format!("href=\"{name}\"")), "the index leads to {name}");
    }
}

#[test]
fn backtest_says_the_planted_change_once_and_when() {
    let fixture = Fixture::new();
    let found = fixture.json(&["backtest", "--pipeline", "slow"]);
    let alarms = found["alarms"].as_array().unwrap();
    let durations: Vec<&Value> =
        alarms.iter().filter(|said| said["metric"] == "duration" && said["step"].is_null()).collect();
    assert_eq!(durations.len(), 1, "{found}");
    assert_eq!(durations[0]["since_run"], "slow-60");
    assert!(durations[0]["runs_to_see"].as_u64().unwrap() <= 6 && durations[0]["worse"] == true);
    assert_eq!(fixture.json(&["backtest", "--pipeline", "even"])["alarms"], Value::Array(Vec::new()));
}

#[test]
fn a_backup_is_whole_checked_and_never_overwrites() {
    let fixture = Fixture::new();
    fixture.text(&["backup", "saved"]);
    fixture.refused(&["backup", "saved"], "exists");
    let restored = fixture.path("again.duckdb");
    fixture.text(&["restore", "saved", "--store", "again.duckdb"]);
    for view in ["runs", "spans", "steps"] {
        assert_eq!(fixture.count(&restored, view), fixture.count(&fixture.path("store.duckdb"), view), "{view}");
    }
    fixture.refused(&["restore", "saved", "--store", "again.duckdb"], "exists");
    // A restored store takes new telemetry, and keeps it over a restart.
    std::fs::write(fixture.path("more.csv"), "pipeline,run_id,started_at\nmore,1,2024-05-01T08:00:00Z\n").unwrap();
    fixture.text(&["import", "more.csv", "--store", "again.duckdb"]);
    assert_eq!(fixture.count(&restored, "runs"), 161);
    let mut bytes = std::fs::read(fixture.path("saved/perfline.duckdb")).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    std::fs::write(fixture.path("saved/perfline.duckdb"), bytes).unwrap();
    fixture.refused(&["restore", "saved", "--store", "third.duckdb"], "damaged");
    assert!(!fixture.path("third.duckdb").exists());
}

#[test]
fn pruning_takes_whole_runs_and_a_dry_run_nothing() {
    let fixture = Fixture::new();
    let store = fixture.path("store.duckdb");
    let tried = fixture.json(&["prune", "--older-than", "0s", "--dry-run"]);
    assert_eq!(tried["dry_run"], true);
    assert_eq!(fixture.count(&store, "runs"), 160);
    // Longer ago than any of them.
    fixture.text(&["prune", "--older-than", "5000w"]);
    assert_eq!(fixture.count(&store, "runs"), 160);
    let pruned = fixture.json(&["prune", "--older-than", "0s"]);
    let gone = |name: &str| {
        pruned["removed"].as_array().unwrap().iter().find(|one| one["table"] == name).unwrap()["rows"].clone()
    };
    assert_eq!((gone("runs"), gone("spans")), (160.into(), 160.into()));
    assert_eq!(fixture.count(&store, "spans"), 0);
    fixture.command(&["prune"]).assert().code(2);
    fixture.command(&["prune", "--max-size", "1MB"]).assert().code(2);
}

#[test]
fn exports_are_files_that_other_tools_read() {
    let fixture = Fixture::new();
    fixture.text(&["export", "csv", "out", "--views", "runs,steps"]);
    let text = std::fs::read_to_string(fixture.path("out/runs.csv")).unwrap();
    assert_eq!(csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).count(), 160);
    fixture.text(&["export", "parquet", "out"]);
    let bytes = std::fs::read(fixture.path("out/spans.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    fixture.refused(&["export", "csv", "out", "--views", "secrets"], "secrets");
}

#[test]
fn the_doctor_knows_a_healthy_store_from_a_file_that_is_none() {
    let fixture = Fixture::new();
    let well = fixture.json(&["doctor"]);
    assert_eq!((&well["facts"]["runs"], &well["problems"]), (&160.into(), &Value::Array(Vec::new())));
    std::fs::write(fixture.path("junk.duckdb"), "this is no store").unwrap();
    fixture.command(&["doctor", "--store", "nowhere.duckdb"]).assert().code(2);
    let output = fixture.command(&["doctor", "--store", "junk.duckdb"]).assert().code(1).get_output().clone();
    assert!(String::from_utf8(output.stdout).unwrap().contains("problem:"));
}

#[test]
fn the_gate_and_the_doctor_warn_of_baselines_that_are_thin_or_stale() {
    let fixture = Fixture::new();
    let mut text = "pipeline,run_id,started_at,duration_s,outcome\n".to_owned();
    for at in 0..40_u32 {
        let duration = 10.0 + f64::from(at * 37 % 17) / 40.0;
        text += &format!("old,old-{at},2024-01-{:02}T{:02}:00:00Z,{duration},success\n", 1 + at / 2, 8 + at % 2);
    }
    for at in 0..12_u32 {
        text += &format!("new,new-{at},2024-03-{:02}T08:00:00Z,{},success\n", 10 + at, 10.0 + f64::from(at % 5) / 9.0);
    }
    std::fs::write(fixture.path("more.csv"), text).unwrap();
    fixture.text(&["import", "more.csv"]);
    // Exit 1 as before: of the pipeline that became slower.
    let told = fixture.command(&["check", "--format", "json"]).assert().code(1).get_output().stdout.clone();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let named = |at: usize| (told["warnings"][at]["pipeline"].as_str(), told["warnings"][at]["warning"].as_str());
    assert_eq!(named(0), (Some("new"), Some("thin: 12 runs, from 20 on it is trusted")));
    assert_eq!(named(1).0, Some("old"));
    assert!(named(1).1.unwrap().starts_with("stale: its newest run is 63 days older"), "{told}");
    assert_eq!(told["warnings"].as_array().unwrap().len(), 2, "{told}");
    let alone = fixture.text(&["check", "--pipeline", "new"]);
    assert!(alone.ends_with("warning: baseline of new: thin: 12 runs, from 20 on it is trusted\n"), "{alone}");
    assert!(!fixture.text(&["check", "--pipeline", "even"]).contains("warning:"));
    let well = fixture.json(&["doctor"]);
    assert_eq!(well["weak_baselines"].as_array().unwrap().len(), 2, "{well}");
    let text = fixture.text(&["doctor", "--quick"]);
    assert!(text.contains("note: 2 pipelines have a baseline that is thin or stale, such as new: thin"), "{text}");
    // A pin does not grow older unseen.
    fixture.text(&["baseline", "set", "even", "--from", "even-0", "--to", "even-20", "--metric", "duration"]);
    let pinned = fixture.text(&["check", "--pipeline", "even"]);
    assert!(pinned.contains("warning: baseline of even: stale: pinned for"), "{pinned}");
}

#[test]
fn the_gate_leaves_every_face_that_was_asked_for() {
    let fixture = Fixture::new();
    let arguments = ["check", "--junit", "j.xml", "--gitlab", "m.txt", "--comment", "c.md", "--summary", "s.md"];
    let mut command = fixture.command(&arguments);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", fixture.path("step.md"));
    let output = command.assert().code(1).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("::error title="));
    for (file, word) in [
        ("j.xml", "<failure"),
        ("m.txt", "perfline_regressions 1"),
        ("c.md", "<!-- perfline:check -->"),
        ("s.md", "perfline: regression"),
        ("step.md", "perfline: regression"),
    ] {
        let text = std::fs::read_to_string(fixture.path(file)).unwrap();
        assert!(text.contains(word), "{file}: {text}");
    }
}

#[test]
fn a_report_carries_the_users_title_logo_and_css() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("logo.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    std::fs::write(fixture.path("house.css"), "h1{color:teal}").unwrap();
    let arguments = ["report", "--out", "r", "--title", "ACME data", "--logo", "logo.svg", "--css", "house.css"];
    fixture.text(&arguments);
    let page = std::fs::read_to_string(fixture.path("r/index.html")).unwrap();
    for part in ["ACME data", "svg+xml;base64,", "h1{color:teal}"] {
        assert!(page.contains(part), "{part}");
    }
    std::fs::create_dir(fixture.path("own")).unwrap();
    std::fs::write(fixture.path("own/nobody.html"), "x").unwrap();
    fixture.refused(&["report", "--out", "r", "--templates", "own"], "nobody.html");
}

#[test]
fn run_keeps_the_parts_of_the_machine_as_columns() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.duckdb");
    let perfline = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("perfline").unwrap();
        command.args(arguments).current_dir(folder.path()).env("PERFLINE_STORE", &store);
        for name in ["GITHUB_ACTIONS", "RUNNER_ENVIRONMENT"] {
            command.env(name, if name == "GITHUB_ACTIONS" { "true" } else { "self-hosted" });
        }
        let output = command.assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    perfline(&["run", "--store", store.to_str().unwrap(), "--pipeline", "p", "--", "true"]);
    let text = perfline(&[
        "query",
        "--format",
        "json",
        "select cpu_model, cpu_cores, host_memory_bytes, runner, host_class, attributes from runs",
    ]);
    let runs: Value = serde_json::from_str(&text).unwrap();
    let run = &runs[0];
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(run["cpu_cores"].as_u64(), Some(cores), "{run}");
    assert!(run["host_memory_bytes"].as_u64().unwrap() > 1 << 20, "{run}");
    assert!(run["runner"].as_str().unwrap().starts_with("self-hosted"), "{run}");
    let class = run["host_class"].as_str().unwrap();
    // A machine that names no processor has no column for it.
    let model = run["cpu_model"].as_str().unwrap_or("unknown-cpu");
    assert!(class.contains(model) && class.contains(&format!("{cores}c")), "{run}");
    // JSON comes as JSON, not as text.
    assert!(run["attributes"].is_object(), "{run}");
}

#[test]
fn json_columns_come_as_json_and_text_stays_text() {
    let fixture = Fixture::new();
    let rows = fixture.json(&["query", "select attributes, [attributes] as list, cast('[1, null]' as json) as plain, '{}' as text, attributes ->> 'x' as missing from runs limit 1"]);
    let row = &rows[0];
    assert!(row["attributes"].is_object() && row["list"][0].is_object(), "{row}");
    assert_eq!(
        (row["plain"].to_string(), &row["text"], &row["missing"]),
        ("[1,null]".to_owned(), &Value::from("{}"), &Value::Null)
    );
}
