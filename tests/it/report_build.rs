//! A bundle filled from captured payloads says what was really run.

use std::sync::Arc;

use perfline::detect::{Decision, change_alert, check, settings};
use perfline::model::clock::Clock;
use perfline::model::unit::parse_time;
use perfline::model::{AlertAction, Metric, Outcome, VerdictWord};
use perfline::otlp::conventions::Rules;
use perfline::report::{Bundle, ChangeWord, Format, Kind, PipelineProfile, Renderer};
use perfline::report::{build, health_of_all};
use perfline::store::{Store, StoreOptions};
use perfline::track::{HealthWord, PartKind};

use super::support::{TempStore, fixtures, requests};

/// Long after every fixture was recorded.
const LATER: &str = "2027-06-01T00:00:00Z";

fn at(clock: Clock) -> TempStore {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { clock, ..StoreOptions::new(folder.path().join("store.duckdb")) };
    TempStore { store: Store::open(&options, Arc::new(Rules::embedded().unwrap())).unwrap(), folder }
}

fn filled(folder: &str) -> TempStore {
    let store = at(Clock::Fixed(parse_time(LATER).unwrap()));
    for request in requests(&fixtures().join("otlp").join(folder)) {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    store
}

fn bundle(folder: &str, kind: Kind) -> Bundle {
    build(&filled(folder).store, kind, None).unwrap()
}

fn only(bundle: &Bundle) -> &PipelineProfile {
    assert_eq!(bundle.pipelines.len(), 1, "{:?}", bundle.pipelines.iter().map(|p| &p.pipeline).collect::<Vec<_>>());
    &bundle.pipelines[0]
}

fn close(value: Option<f64>, wanted: f64, by: f64) {
    assert!(value.is_some_and(|value| (value - wanted).abs() <= by), "{value:?}, not {wanted} within {by}");
}

#[test]
fn a_slower_test_is_found_at_its_run_with_its_levels() {
    let bundle = bundle("pytest-opentelemetry-series", Kind::Pipeline);
    let profile = only(&bundle);
    assert_eq!((profile.pipeline.as_str(), profile.runs), ("orders-tests", 16));
    assert_eq!(bundle.verdict.verdict, VerdictWord::Fail);
    let slow = "test_orders.py::test_transform";
    let is_slow = |step: &Option<String>, metric| step.as_deref() == Some(slow) && metric == Metric::Duration;
    let finding = profile.findings.iter().find(|f| is_slow(&f.step, f.metric)).unwrap();
    assert_eq!(finding.since_run_key, profile.recent_runs[16 - 13].run_key);
    let series = profile.series.iter().find(|s| is_slow(&s.step, s.metric)).unwrap();
    assert_eq!((series.points.len(), series.changes.len(), series.levels.len()), (16, 1, 2));
    assert_eq!(series.changes[0].run_id, series.points[12].run_id);
    close(Some(series.changes[0].before), 0.05, 0.02);
    close(Some(series.changes[0].after), 0.12, 0.03);
    assert!(series.levels[0].low < series.levels[0].value && series.levels[0].value < series.levels[0].high);
    let step = profile.steps.iter().find(|step| step.step == slow).unwrap();
    assert_eq!((step.n, step.retries), (16, 0));
    close(step.before_s, 0.05, 0.02);
    close(step.after_s, 0.12, 0.03);
    let trend = step.trend.as_ref().unwrap();
    assert_eq!((trend.metric, trend.n), (Metric::Duration, 16));
    assert!(trend.slope_low <= trend.slope_per_day && trend.p_value.is_some(), "{trend:?}");
    let baseline = profile.baselines.iter().find(|b| is_slow(&b.step, b.metric)).unwrap();
    assert_eq!((baseline.n, baseline.to_run.as_ref()), (12, Some(&series.points[11].run_id)));
    assert_eq!(profile.health.word, HealthWord::Poor, "{:?}", profile.health);
}

#[test]
fn every_kind_gives_the_gate_s_own_verdict_and_the_same_health() {
    let store = filled("pytest-opentelemetry-series");
    let wanted = check(&store.store, None, &settings(&store.store).unwrap()).unwrap();
    let full = build(&store.store, Kind::Pipeline, None).unwrap();
    for kind in Kind::ALL {
        let bundle = build(&store.store, kind, Some("orders-tests")).unwrap();
        assert_eq!(bundle.verdict, wanted, "{kind:?}");
        assert_eq!(only(&bundle).health, only(&full).health, "{kind:?}");
        assert_eq!(only(&bundle).trends, only(&full).trends, "{kind:?}");
    }
}

#[test]
fn one_pipeline_read_alone_is_told_as_among_all() {
    let store = at(Clock::Fixed(parse_time(LATER).unwrap()));
    for folder in ["pytest-opentelemetry-series", "airflow", "system-metrics"] {
        for request in requests(&fixtures().join("otlp").join(folder)) {
            store.store.submit_blocking(request).unwrap();
        }
    }
    store.store.settle().unwrap();
    let all = build(&store.store, Kind::Pipeline, None).unwrap();
    assert!(all.pipelines.len() >= 3, "{}", all.pipelines.len());
    for told in &all.pipelines {
        let alone = build(&store.store, Kind::Pipeline, Some(&told.pipeline)).unwrap();
        assert_eq!(alone.pipelines.iter().find(|one| one.service == told.service), Some(told));
    }
    // The rows of one pipeline were a snapshot's: whoever asks next sees the whole store again.
    let whole = build(&store.store, Kind::Executive, None).unwrap();
    assert_eq!(whole.data_quality.runs, all.data_quality.runs);
    assert_eq!(whole.pipelines.len(), all.pipelines.len());
}

#[test]
fn health_alone_is_that_of_the_executive_page() {
    for folder in ["pytest-opentelemetry-series", "airflow"] {
        let store = filled(folder);
        let page = build(&store.store, Kind::Executive, None).unwrap();
        let told: Vec<_> =
            page.pipelines.iter().map(|profile| (&profile.pipeline, &profile.service, &profile.health)).collect();
        let alone = health_of_all(&store.store).unwrap();
        assert_eq!(alone.iter().map(|one| (&one.pipeline, &one.service, &one.health)).collect::<Vec<_>>(), told);
    }
}

#[test]
fn a_failed_run_counts_in_the_rate_and_is_drawn_where_it_ended() {
    let bundle = bundle("airflow", Kind::Pipeline);
    let profile = only(&bundle);
    assert_eq!((profile.runs, profile.outcomes.success, profile.outcomes.failure), (5, 4, 1));
    let rate = profile.success_rate.unwrap();
    // SciPy 1.17.1: binomtest(4, 5).proportion_ci(0.95, method="wilson").
    close(Some(rate.value), 0.8, 1e-12);
    close(Some(rate.low), 0.375_534_629_762_525_3, 1e-9);
    close(Some(rate.high), 0.963_775_891_367_569_8, 1e-9);
    let duration = profile.run_series(Metric::Duration).unwrap();
    let failed: Vec<_> = duration.points.iter().filter(|point| point.outcome == Outcome::Failure).collect();
    assert_eq!((duration.points.len(), failed.len()), (5, 1));
    assert_eq!(failed[0].run_id, "manual-2026-05-04");
    assert!(failed[0].value.is_some_and(|value| value > 0.0));
    assert_eq!(profile.metrics.iter().find(|m| m.metric == Metric::Duration).unwrap().n, 4);
    let retries = |step: &str| profile.steps.iter().find(|s| s.step == step).unwrap().retries;
    assert_eq!((retries("flaky"), retries("load"), retries("extract")), (1, 1, 0));
    let load = profile.steps.iter().find(|step| step.step == "load").unwrap();
    close(load.failure_share, 0.2, 1e-12);
    assert_eq!(bundle.verdict.verdict, VerdictWord::InsufficientData);
    let young = bundle.data_quality.notes.iter().find(|note| note.pipeline.as_deref() == Some("orders_daily")).unwrap();
    assert!(young.warning && young.text.contains("5 runs"), "{young:?}");
}

#[test]
fn waterfalls_show_the_median_and_the_slowest_run_step_by_step() {
    let store = filled("airflow");
    let bundle = build(&store.store, Kind::Pipeline, None).unwrap();
    let profile = only(&bundle);
    let labels: Vec<&str> = profile.waterfalls.iter().map(|run| run.label.as_str()).collect();
    assert_eq!(labels, ["median run", "slowest run"]);
    let slowest = store.value("select max(duration_s) from runs where outcome = 'success'").as_f64();
    close(slowest, profile.waterfalls[1].duration_s, 1e-9);
    assert!(profile.waterfalls[0].duration_s <= profile.waterfalls[1].duration_s);
    for run in &profile.waterfalls {
        assert!(run.bars.iter().any(|bar| bar.step == "extract"), "{run:?}");
        assert!(run.bars.windows(2).all(|pair| pair[0].start_s <= pair[1].start_s));
        assert!(run.bars.iter().all(|bar| bar.start_s + bar.duration_s <= run.duration_s + 1.0), "{run:?}");
    }
}

#[test]
fn tokens_and_calls_are_told_by_model_and_add_up() {
    let store = filled("genai-openai-v2");
    let bundle = build(&store.store, Kind::Pipeline, None).unwrap();
    let models: Vec<_> = bundle.pipelines.iter().flat_map(|profile| &profile.models).collect();
    assert!(!models.is_empty());
    let sums = store.query("select sum(input_tokens) as i, sum(output_tokens) as o from runs");
    let told = |of: fn(&perfline::report::ModelUse) -> Option<f64>| models.iter().filter_map(|m| of(m)).sum::<f64>();
    close(sums[0]["i"].as_f64(), told(|model| model.input_tokens), 1e-9);
    close(sums[0]["o"].as_f64(), told(|model| model.output_tokens), 1e-9);
    let total = |metric| -> f64 {
        let all = bundle.pipelines.iter().flat_map(|profile| &profile.metrics).filter(|m| m.metric == metric);
        all.filter_map(|summary| summary.total).sum()
    };
    close(sums[0]["i"].as_f64(), total(Metric::InputTokens), 1e-9);
}

#[test]
fn the_newest_runs_are_compared_with_those_before() {
    let bundle = bundle("pytest-opentelemetry-series", Kind::Comparison);
    let comparison = bundle.comparison.as_ref().unwrap();
    let found = &comparison.pipelines[0];
    // 16 runs fill no more than the newest window.
    assert_eq!((found.a.runs, found.b.runs), (0, 16));
    assert!(found.metrics.iter().all(|change| change.word == ChangeWord::NotEnoughData));
    assert!(found.steps.iter().all(|step| step.a_s.is_none() && step.b_s.is_some()));
}

#[test]
fn open_runs_and_an_empty_store_are_said_aloud() {
    let empty = TempStore::new();
    let bundle = build(&empty.store, Kind::Executive, None).unwrap();
    assert_eq!((bundle.pipelines.len(), bundle.verdict.verdict), (0, VerdictWord::InsufficientData));
    assert!(bundle.data_quality.notes.iter().any(|note| note.warning && note.text.contains("no run")));
    let store = filled("airflow");
    let (settled, all) = (build(&store.store, Kind::Executive, None).unwrap(), 5);
    assert_eq!((settled.data_quality.runs, settled.data_quality.runs_open), (all, 0));
    store
        .store
        .write(|connection, _| {
            connection.execute_batch("update run_rows set state = 'open' where outcome = 'failure'").unwrap();
        })
        .unwrap();
    let open = build(&store.store, Kind::Executive, None).unwrap();
    assert_eq!((open.data_quality.runs, open.data_quality.runs_open), (all, 1));
    assert_eq!(only(&open).outcomes.failure, 0);
}

#[test]
fn history_is_not_called_silent_and_its_age_is_noted() {
    let bundle = bundle("pytest-opentelemetry-series", Kind::Executive);
    assert_eq!(bundle.generated_at, LATER);
    let freshness = only(&bundle).health.parts.iter().find(|part| part.part == PartKind::Freshness).unwrap();
    close(freshness.score, 100.0, 1e-9);
    assert!(bundle.data_quality.notes.iter().any(|note| note.text.contains("before this report")));
}

#[test]
fn every_folder_gives_a_bundle_that_renders_and_reads_back() {
    let root = fixtures().join("otlp");
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let bundle = bundle(name, Kind::Pipeline);
        let files = Renderer::new().unwrap().render_all(&bundle, &Format::ALL).unwrap();
        assert!(files.len() >= 5, "{name}: {} files", files.len());
        assert_eq!(Bundle::from_json(&bundle.to_json().unwrap()).unwrap(), bundle, "{name}");
    }
}

#[test]
fn use_of_models_is_told_by_day_and_adds_up() {
    let store = filled("genai-openai-v2");
    let bundle = build(&store.store, Kind::Executive, None).unwrap();
    let history = bundle.model_history.clone().unwrap();
    assert_eq!(history.period, "day");
    assert!(!history.periods.is_empty() && history.models.len() == history.input_tokens.len());
    let told: f64 = history.input_tokens.iter().flatten().flatten().sum();
    close(store.value("select sum(input_tokens) from runs").as_f64(), told, 1e-9);
    // Told of all at once, as the pipelines' own histories add up to.
    let whole = build(&store.store, Kind::Pipeline, None).unwrap();
    assert_eq!(whole.model_history.as_ref(), Some(&history));
    let calls = |bundle: &Bundle| bundle.pipelines.iter().flat_map(|p| &p.models).map(|m| m.calls).sum::<u64>();
    assert_eq!(calls(&whole), calls(&bundle));
    assert!(whole.pipelines.iter().flat_map(|p| &p.models).any(|model| model.p50_s.is_some()));
}

#[test]
fn an_overview_reads_the_steps_of_what_it_shows_and_shows_them_as_a_page_does() {
    let store = filled("pytest-opentelemetry-series");
    for request in requests(&fixtures().join("otlp/airflow")) {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    let series = |kind| {
        let bundle = build(&store.store, kind, None).unwrap();
        let profile = bundle.pipelines.into_iter().find(|profile| profile.pipeline == "orders-tests").unwrap();
        profile.series.into_iter().filter(|series| series.step.is_some()).collect::<Vec<_>>()
    };
    let shown = series(Kind::Alerts);
    assert!(!shown.is_empty());
    assert_eq!(shown, series(Kind::Pipeline));
    assert_eq!(series(Kind::Comparison), Vec::new());
}

#[test]
fn alerts_are_told_with_their_life() {
    let store = filled("pytest-opentelemetry-series");
    let opened = perfline::detect::evaluate(&store.store).unwrap();
    let id = opened[0].alert.alert_id.clone();
    let decision = Decision { by: Some("ana".to_owned()), note: Some("looking".to_owned()) };
    change_alert(&store.store, &id, AlertAction::Acknowledge, None, &decision).unwrap();
    let bundle = build(&store.store, Kind::Alerts, None).unwrap();
    assert_eq!(bundle.alerts.len(), opened.len());
    let alert = bundle.alerts.iter().find(|alert| alert.id == id).unwrap();
    assert_eq!(alert.state, perfline::report::AlertState::Acknowledged);
    let last = alert.history.last().unwrap();
    assert_eq!((last.actor.as_deref(), last.action.as_str()), (Some("ana"), "acknowledged: looking"));
    assert_eq!(alert.history[0].actor, None);
    let page = Renderer::new().unwrap().render(&bundle, Kind::Alerts, Format::Html).unwrap().remove(0).content;
    assert!(page.contains("acknowledged") && page.contains("ana: acknowledged: looking"), "the page tells its life");
    assert!(build(&store.store, Kind::Alerts, Some("another")).unwrap().alerts.is_empty());
}
