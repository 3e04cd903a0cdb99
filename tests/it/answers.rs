//! Commands that must not be silent, endless or half true: names that nobody has, readers that have gone, files of
//! every kind.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::commands::Fixture;

#[test]
fn a_gate_on_a_name_that_no_run_has_is_refused() {
    let fixture = Fixture::new();
    fixture.refused(&["check", "--pipeline", "slwo"], "slwo");
    fixture.refused(&["report", "--pipeline", "slwo", "--kind", "pipeline", "--format", "html", "--out", "r"], "slwo");
    assert!(!fixture.path("r").exists());
    fixture.refused(&["check", "--branch", "nobody"], "no run of branch `nobody`");
    fixture.refused(&["check", "--pipeline", "even", "--branch", "next", "--base-branch", "mian"], "`mian`");
    let branches = fixture.json(&["check", "--pipeline", "even", "--branch", "next", "--base-branch", "main"]);
    assert_eq!(branches["verdict"], "pass", "{branches}");
    for wrong in [
        &["check", "--branch", ""][..],
        &["check", "--branch", "next", "--base-branch", ""],
        &["check", "--branch", "next", "--since", "2024-03-01T00:00:00Z"],
    ] {
        fixture.command(wrong).assert().code(2);
    }
}

#[test]
fn tail_ends_when_nobody_reads_any_more() {
    let fixture = Fixture::new();
    let mut tail = Command::new(assert_cmd::cargo::cargo_bin("perfline"))
        .args(["tail", "--last", "5", "--store"])
        .arg(fixture.path("store.duckdb"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tail.stdout.take());
    let limit = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        match tail.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > limit => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if ended.is_none() {
        tail.kill().unwrap();
    }
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn run_history_comes_as_parquet_too() {
    let fixture = Fixture::new();
    fixture.text(&["export", "parquet", "out", "--views", "runs"]);
    let other = fixture.path("other.duckdb");
    let other_name = other.to_str().unwrap();
    let told = fixture.json(&["import", "out/runs.parquet", "--store", other_name]);
    assert_eq!((&told["history_rows"], &told["refused"]), (&160.into(), &serde_json::json!({})), "{told}");
    let question = "select pipeline, run_id, started_at, duration_s, outcome, branch from runs order by all";
    let rows = |store: &str| fixture.json(&["query", question, "--store", store]);
    assert_eq!(rows(other_name), rows(fixture.path("store.duckdb").to_str().unwrap()));
}

#[test]
fn every_item_of_an_array_is_read_or_counted() {
    let fixture = Fixture::new();
    let span = serde_json::json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "name": "other", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"});
    let telemetry = serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    let row = serde_json::json!({"pipeline": "mixed", "run_id": "1", "started_at": "2026-05-01T00:00:00Z"});
    std::fs::write(fixture.path("mixed.json"), serde_json::json!([telemetry, row, 7, "x"]).to_string()).unwrap();
    let arguments = ["import", "mixed.json", "--strict", "--format", "json"];
    let output = fixture.command(&arguments).assert().code(1).get_output().clone();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = (&told["spans"], &told["history_rows"], &told["refused"]["neither OTLP nor run history"]);
    assert_eq!(counts, (&1.into(), &1.into(), &2.into()), "{told}");
}

#[test]
fn one_report_alone_leads_nowhere_and_is_rendered_again_as_it_was() {
    let fixture = Fixture::new();
    fixture.text(&["report", "--kind", "executive", "--format", "html,json", "--out", "one"]);
    let page = std::fs::read_to_string(fixture.path("one/index.html")).unwrap();
    let dead: Vec<&str> = page.split("href=\"").skip(1).filter(|rest| !rest.starts_with('#')).collect();
    assert!(dead.is_empty(), "{:?}", dead.iter().map(|rest| &rest[..40.min(rest.len())]).collect::<Vec<_>>());
    fixture.text(&["report", "--from", "one/report.json", "--format", "html,json", "--out", "again"]);
    let read = |folder: &str, name: &str| std::fs::read(fixture.path(folder).join(name)).unwrap();
    assert_eq!(std::fs::read_dir(fixture.path("again")).unwrap().count(), 2);
    for name in ["index.html", "report.json"] {
        assert!(read("one", name) == read("again", name), "{name} differs");
    }
    fixture.refused(&["report", "--from", "one/report.json", "--kind", "pipeline", "--out", "x"], "executive report");
    fixture.command(&["report", "--from", "one/report.json", "--pipeline", "slow", "--out", "x"]).assert().code(2);
}

#[test]
fn json_and_csv_say_what_the_text_says() {
    let fixture = Fixture::new();
    let alerts = fixture.json(&["alerts"]);
    let id = alerts[0]["alert_id"].as_str().unwrap();
    fixture.text(&["alerts", "ack", id, "--by", "ana", "--note", "looking"]);
    let shown = fixture.json(&["alerts", "show", id]);
    let history = shown[0]["history"].as_array().unwrap();
    let last = history.last().unwrap();
    assert_eq!((&last["actor"], &last["note"]), (&"ana".into(), &"looking".into()), "{history:?}");
    fixture.text(&["baseline", "promote", id, "--by", "ana"]);
    let decided = |more: &[&str]| {
        let arguments = [&["baseline", "show", "slow"], more].concat();
        fixture.json(&arguments)["versions"].as_array().unwrap().len()
    };
    assert_eq!((decided(&["--metric", "duration"]) > 0, decided(&["--metric", "success_rate"])), (true, 0));
    let question = "select step, duration_s from steps where false";
    assert_eq!(fixture.text(&["query", "--format", "csv", question]), "step,duration_s\n");
    assert_eq!(fixture.text(&["query", "--format", "csv", "from steps limit 0"]).lines().count(), 1);
}

#[test]
fn a_measured_command_goes_into_the_store_that_the_environment_names() {
    let fixture = Fixture::new();
    let mut command = fixture.command(&["run", "--pipeline", "measured", "--", "true"]);
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        command.env_remove(name);
    }
    command.assert().success();
    assert_eq!(fixture.json(&["runs", "--pipeline", "measured"]).as_array().unwrap().len(), 1);
}
