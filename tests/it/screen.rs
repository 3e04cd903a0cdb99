//! The pass in SQL over all series leaves out only pipelines of which nothing would have been told.

use std::collections::BTreeSet;

use perfline::detect::simulate::noise::Draws;
use perfline::detect::whole::judge_whole;
use perfline::detect::{check, series_of_rows, series_question, settings};
use perfline::model::{Finding, Series, Signal, Verdict};
use perfline::otlp::history;
use perfline::otlp::sink::Accepted;
use prost::Message;

use super::support::TempStore;

const PIPELINES: usize = 150;
const RUNS: usize = 80;
const WEEKLY_PIPELINES: usize = 20;
const WEEKLY_RUNS: usize = 100;

/// Runs of one pipeline: a third of the pipelines change, by 1 to 3 deviations of their noise, in their newest 3 to 20
/// runs; a third fail now and then, and some of those more often of late.
fn history_of(pipeline: usize) -> String {
    let mut draws = Draws::new(20_261_127, pipeline as u64);
    let spread = [0.03, 0.1, 0.3][pipeline % 3];
    let newest = 3 + pipeline * 7 % 18;
    let shift = if pipeline.is_multiple_of(3) { spread * (1.0 + (pipeline % 5) as f64 * 0.5) } else { 0.0 };
    let (failing, failing_newest) = match pipeline % 9 {
        1 => (0.05, 0.05),
        4 => (0.02, 0.3),
        _ => (0.0, 0.0),
    };
    let mut csv = String::new();
    for run in 0..RUNS {
        let is_new = run + newest >= RUNS;
        let mut value = |level: f64| {
            let moved = if is_new { shift } else { 0.0 };
            level * (moved + spread * draws.normal()).exp()
        };
        let (duration, cost, memory) = (value(60.0), value(0.2), value(3e8).round());
        let limit = if is_new { failing_newest } else { failing };
        let outcome = if draws.uniform() < limit { "failure" } else { "success" };
        let started = 1_700_000_000_000_000_000_i64 + run as i64 * 3_600_000_000_000;
        csv += &format!("p{pipeline:03},r{run},{started},{duration},{cost},{memory},{outcome}\n");
    }
    csv
}

/// Daily runs of one pipeline that are shorter at the weekend by three tenths, ten times their noise: a change of the
/// newest ten by a tenth shows only beside other runs of the same weekday. Every second pipeline changes.
fn weekly_history_of(pipeline: usize) -> String {
    const DAY_NS: i64 = 86_400_000_000_000;
    let mut draws = Draws::new(20_261_128, pipeline as u64);
    let mut csv = String::new();
    for run in 0..WEEKLY_RUNS {
        let started = 1_700_000_000_000_000_000_i64 + run as i64 * DAY_NS;
        let is_weekend = (started / DAY_NS + 3) % 7 >= 5;
        let is_changed = pipeline.is_multiple_of(2) && run + 10 >= WEEKLY_RUNS;
        let level = 60.0 * if is_weekend { 0.7 } else { 1.0 } * if is_changed { 1.1 } else { 1.0 };
        csv += &format!("w{pipeline:03},r{run},{started},{}\n", level * (0.03 * draws.normal()).exp());
    }
    csv
}

fn told(findings: &[Finding]) -> BTreeSet<String> {
    let name =
        |f: &Finding| format!("{} {:?} {:?} since {}: {:?}", f.pipeline, f.metric, f.kind, f.since_run, f.severity);
    findings.iter().map(name).collect()
}

// Of imported runs what a check tells, and what would be told of every series.
fn screened_and_whole(csv: &str) -> (Verdict, Verdict) {
    let store = TempStore::new();
    for request in history::read_csv(csv.as_bytes()).unwrap().requests {
        let body = request.encode_to_vec().into();
        store.store.submit_blocking(Accepted { signal: Signal::Traces, body, items: 1 }).unwrap();
    }
    store.store.settle().unwrap();
    let settings = settings(&store.store).unwrap();
    let screened = check(&store.store, None, &settings).unwrap();
    let series: Vec<Series> = series_of_rows(store.query(&series_question(None))).unwrap();
    (screened, judge_whole(&series, &[], &settings).verdict)
}

#[test]
fn what_the_screen_leaves_out_has_nothing_to_tell() {
    let heads = "pipeline,run_id,started_at,duration_s,cost_usd,peak_memory_bytes,outcome\n";
    let csv: String = heads.to_owned() + &(0..PIPELINES).map(history_of).collect::<String>();
    let (screened, whole) = screened_and_whole(&csv);
    assert_eq!(told(&screened.findings), told(&whole.findings));
    assert_eq!(screened.series_checked, whole.series_checked);
    assert!(whole.findings.len() > PIPELINES / 10, "the simulated changes are found: {}", whole.findings.len());
}

#[test]
fn the_screen_lets_through_what_only_shows_beside_the_same_weekday() {
    let heads = "pipeline,run_id,started_at,duration_s\n";
    let csv: String = heads.to_owned() + &(0..WEEKLY_PIPELINES).map(weekly_history_of).collect::<String>();
    let (screened, whole) = screened_and_whole(&csv);
    assert_eq!(told(&screened.findings), told(&whole.findings));
    let found = screened.findings.len();
    assert!(found > WEEKLY_PIPELINES / 3, "of {} changed pipelines {found} are found", WEEKLY_PIPELINES / 2);
}
