//! A bundle filled from a history made for the purpose: what one expects is known to the digit.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric as OtlpMetric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use perfline::detect::{check, settings};
use perfline::model::{Metric, Severity, Signal};
use perfline::otlp::sink::Accepted;
use perfline::report::build;
use perfline::report::{ChangeWord, Kind, PipelineProfile};
use prost::Message;

use super::support::TempStore;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_777_600_000 * SECOND;
const HOUR: u64 = 3_600 * SECOND;

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() })
}

/// One run: its start, what its two steps take, and on which branch.
#[derive(Clone, Copy)]
struct Made {
    number: u64,
    extract_s: f64,
    load_s: f64,
    branch: &'static str,
    failed: bool,
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

impl Made {
    fn started(self) -> u64 {
        START + self.number * HOUR
    }

    fn span(self, id: u64, parent: u64, name: &str, from_s: f64, to_s: f64, attributes: Vec<KeyValue>) -> Span {
        Span {
            trace_id: u128::from(self.number + 1).to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano: self.started() + nanos(from_s),
            end_time_unix_nano: self.started() + nanos(to_s),
            attributes,
            status: Some(Status { code: if self.failed && parent == 0 { 2 } else { 1 }, ..Status::default() }),
            ..Span::default()
        }
    }

    fn request(self, service: &str) -> Accepted {
        let whole = self.extract_s + self.load_s;
        let root = vec![
            text("perfline.pipeline", "nightly"),
            text("perfline.run.id", &format!("run-{}", self.number)),
            text("perfline.branch", self.branch),
            attribute("perfline.cost_usd", Value::DoubleValue(0.5)),
            attribute("perfline.items", Value::IntValue(100)),
        ];
        let step = |name: &str| vec![text("perfline.step", name)];
        let mut spans = vec![
            self.span(self.number * 10 + 1, 0, "nightly", 0.0, whole, root),
            self.span(self.number * 10 + 2, self.number * 10 + 1, "extract", 0.0, self.extract_s, step("extract")),
            self.span(self.number * 10 + 3, self.number * 10 + 1, "load", self.extract_s, whole, step("load")),
        ];
        // Another service's run is another trace.
        spans.iter_mut().for_each(|span| span.trace_id[0] = service.len() as u8);
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans =
            vec![ResourceSpans { resource: resource(service), scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        Accepted { signal: Signal::Traces, body: Bytes::from(body), items: 3 }
    }
}

/// Between -1 and 1, without a pattern.
fn noise(number: u64) -> f64 {
    ((number * 7919 + 13) % 101) as f64 / 50.0 - 1.0
}

/// 45 runs on main; from run 26 on `load` takes 10 s instead of 5 s.
fn history() -> Vec<Made> {
    let made = |number: u64| Made {
        number,
        extract_s: 5.0 + 0.1 * noise(number),
        load_s: if number < 26 { 5.0 } else { 10.0 } + 0.1 * noise(number + 57),
        branch: "main",
        failed: false,
    };
    (1..=45).map(made).collect()
}

fn store_of(runs: &[Made]) -> TempStore {
    let store = TempStore::new();
    for run in runs {
        store.store.submit_blocking(run.request("etl")).unwrap();
    }
    store.store.settle().unwrap();
    store
}

fn told(store: &TempStore) -> PipelineProfile {
    let mut bundle = build(&store.store, Kind::Pipeline, Some("nightly")).unwrap();
    assert_eq!(bundle.pipelines.len(), 1);
    bundle.pipelines.remove(0)
}

fn close(value: Option<f64>, wanted: f64, by: f64) {
    assert!(value.is_some_and(|value| (value - wanted).abs() <= by), "{value:?}, not {wanted} within {by}");
}

#[test]
fn the_newest_twenty_runs_stand_against_the_twenty_before() {
    let store = store_of(&history());
    let bundle = build(&store.store, Kind::Comparison, None).unwrap();
    let found = &bundle.comparison.as_ref().unwrap().pipelines[0];
    assert_eq!((found.a.runs, found.b.runs), (20, 20));
    let of = |metric| found.metrics.iter().find(|change| change.metric == metric).unwrap();
    let duration = of(Metric::Duration);
    assert_eq!(duration.word, ChangeWord::Regressed);
    let change = duration.change_percent.unwrap();
    close(Some(change.value), 50.0, 3.0);
    assert!(change.low > 45.0 && change.low <= change.value && change.value <= change.high, "{change:?}");
    assert_eq!(of(Metric::Cost).word, ChangeWord::NoChange);
    assert_eq!(of(Metric::Throughput).word, ChangeWord::Regressed);
    assert_eq!(of(Metric::SuccessRate).word, ChangeWord::NoChange);
    let steps: Vec<_> = found.steps.iter().map(|step| (step.step.as_str(), step.word)).collect();
    assert_eq!(steps, [("load", ChangeWord::Regressed), ("extract", ChangeWord::WithinNoise)]);
}

#[test]
fn the_change_its_step_and_its_baseline_are_told() {
    let profile = told(&store_of(&history()));
    let series = profile.run_series(Metric::Duration).unwrap();
    assert_eq!(series.changes.iter().map(|change| change.run_id.as_str()).collect::<Vec<_>>(), ["run-26"]);
    assert_eq!(series.changes[0].severity, Severity::High);
    let levels: Vec<f64> = series.levels.iter().map(|level| level.value.round()).collect();
    assert_eq!(levels, [10.0, 15.0]);
    let steps: Vec<_> = profile.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps.len(), 2);
    let load = profile.steps.iter().find(|step| step.step == "load").unwrap();
    close(load.before_s, 5.0, 0.1);
    close(load.after_s, 10.0, 0.1);
    let baseline = profile.baselines.iter().find(|b| b.metric == Metric::Duration && b.step.is_none()).unwrap();
    assert_eq!((baseline.n, baseline.to_run.as_deref()), (25, Some("run-25")));
    let cost = profile.metrics.iter().find(|summary| summary.metric == Metric::Cost).unwrap();
    close(cost.total, 22.5, 1e-9);
    close(cost.p50, 0.5, 1e-12);
}

#[test]
fn a_spike_is_marked_and_a_failed_run_costs_its_money() {
    let mut runs = history();
    runs.truncate(24);
    runs[9].load_s = 40.0;
    runs[20].failed = true;
    let profile = told(&store_of(&runs));
    let series = profile.run_series(Metric::Duration).unwrap();
    let odd: Vec<_> = series.points.iter().filter(|point| point.outlier).map(|point| point.run_id.as_str()).collect();
    assert_eq!((odd, series.changes.len()), (vec!["run-10"], 0));
    let cost = profile.metrics.iter().find(|summary| summary.metric == Metric::Cost).unwrap();
    assert_eq!(cost.n, 23);
    close(cost.total, 12.0, 1e-9);
    let slowest = profile.waterfalls.iter().find(|run| run.label == "slowest run").unwrap();
    let bars: Vec<_> = slowest.bars.iter().map(|bar| bar.step.as_str()).collect();
    assert_eq!((slowest.run_id.as_str(), bars), ("run-10", vec!["extract", "load"]));
    close(Some(slowest.bars[1].start_s), slowest.bars[0].duration_s, 1e-6);
}

#[test]
fn branches_have_series_of_their_own_and_services_profiles_of_their_own() {
    let mut runs = history();
    for run in runs.iter_mut().filter(|run| run.number >= 36) {
        run.branch = "fix/cache";
    }
    let store = store_of(&runs);
    let other = Made { number: 900, extract_s: 1.0, load_s: 1.0, branch: "main", failed: false };
    store.store.submit_blocking(other.request("billing")).unwrap();
    let bundle = build(&store.store, Kind::Pipeline, None).unwrap();
    let owners: Vec<_> = bundle.pipelines.iter().map(|p| (p.service.as_deref().unwrap(), p.runs)).collect();
    assert_eq!(owners, [("billing", 1), ("etl", 45)]);
    assert_eq!(bundle.pipelines[0].health.score, None);
    let durations = bundle.pipelines[1].series.iter().filter(|s| s.metric == Metric::Duration && s.step.is_none());
    let sizes: Vec<_> = durations.map(|s| (s.context.branch.as_deref().unwrap(), s.points.len())).collect();
    assert_eq!(sizes, [("main", 35), ("fix/cache", 10)]);
}

/// A reading of a process: at a second of a run, how much memory, and CPU time so far.
type Reading = (f64, i64, f64);

fn sampled(run: Made, service: &str, process: &str, readings: &[Reading]) -> Accepted {
    use number_data_point::Value as Number;
    let point = |second: f64, value: Number| NumberDataPoint {
        time_unix_nano: run.started() + nanos(second),
        value: Some(value),
        attributes: vec![text("cicd.pipeline.run.id", &format!("run-{}", run.number))],
        ..NumberDataPoint::default()
    };
    let gauge = |name: &str, data_points: Vec<NumberDataPoint>| OtlpMetric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points })),
        ..OtlpMetric::default()
    };
    let metrics = vec![
        gauge("process.cpu.time", readings.iter().map(|(at, _, cpu)| point(*at, Number::AsDouble(*cpu))).collect()),
        gauge(
            "process.memory.usage",
            readings.iter().map(|(at, bytes, _)| point(*at, Number::AsInt(*bytes))).collect(),
        ),
    ];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let mut resource = resource(service);
    if let Some(resource) = resource.as_mut().filter(|_| !process.is_empty()) {
        resource.attributes.push(text("process.command", process));
    }
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    Accepted { signal: Signal::Metrics, body: Bytes::from(body), items: 10 }
}

#[test]
fn samples_of_the_newest_sampled_run_become_cores_and_bytes() {
    let runs = history();
    let store = store_of(&runs);
    let readings: Vec<Reading> =
        (0..5_u32).map(|second| (f64::from(second), 1_000_000 + i64::from(second), 1.5 * f64::from(second))).collect();
    store.store.submit_blocking(sampled(runs[39], "etl", "", &readings)).unwrap();
    let resources = told(&store).resources.unwrap();
    assert_eq!((resources.run_id.as_str(), resources.samples.len()), ("run-40", 5));
    assert_eq!(resources.samples[0].cpu_cores, None);
    for (second, sample) in resources.samples.iter().enumerate().skip(1) {
        close(Some(sample.at_s), second as f64, 1e-6);
        close(sample.cpu_cores, 1.5, 1e-9);
        close(sample.memory_bytes, 1_000_000.0 + second as f64, 1e-9);
    }
}

/// One reading a second from `first` on, a second of CPU time for each of `cores`.
fn readings(first: f64, bytes: i64, cores: f64) -> Vec<Reading> {
    (0..5_u32).map(|at| (first + f64::from(at), bytes, cores * (10.0 + f64::from(at)))).collect()
}

#[test]
fn processes_that_report_at_moments_of_their_own_add_up() {
    let runs = history();
    let store = store_of(&runs);
    for (process, read) in [("", readings(1.0, 1_000_000, 1.0)), ("worker", readings(1.5, 3_000_000, 2.0))] {
        store.store.submit_blocking(sampled(runs[39], "etl", process, &read)).unwrap();
    }
    let samples = told(&store).resources.unwrap().samples;
    assert_eq!(samples.len(), 10);
    // Where both are under way.
    for sample in &samples[2..9] {
        close(sample.cpu_cores, 3.0, 1e-6);
        close(sample.memory_bytes, 4_000_000.0, 1e-9);
    }
}

#[test]
fn samples_of_pipelines_that_share_a_run_id_stay_apart() {
    let runs = history();
    let store = store_of(&runs);
    store.store.submit_blocking(runs[39].request("billing")).unwrap();
    for (service, read) in [("etl", readings(1.0, 1_000_000, 1.0)), ("billing", readings(1.0, 70_000_000, 4.0))] {
        store.store.submit_blocking(sampled(runs[39], service, "", &read)).unwrap();
    }
    let bundle = build(&store.store, Kind::Pipeline, None).unwrap();
    for (service, cores, bytes) in [("etl", 1.0, 1_000_000.0), ("billing", 4.0, 70_000_000.0)] {
        let profile = bundle.pipelines.iter().find(|p| p.service.as_deref() == Some(service)).unwrap();
        let samples = &profile.resources.as_ref().unwrap().samples;
        assert_eq!(samples.len(), 5, "{service}");
        for sample in &samples[1..] {
            close(sample.cpu_cores, cores, 1e-6);
            close(sample.memory_bytes, bytes, 1e-9);
        }
    }
}

#[test]
fn a_long_history_with_failures_is_judged_alike_in_every_kind() {
    let mut runs: Vec<Made> = Vec::new();
    for number in 1..=260 {
        let load_s = if number <= 245 { 5.0 } else { 8.0 } + 0.1 * noise(number);
        runs.push(Made { number, extract_s: 5.0, load_s, branch: "main", failed: number % 9 == 0 });
    }
    let store = store_of(&runs);
    let bundles = Kind::ALL.map(|kind| build(&store.store, kind, None).unwrap());
    let full = bundles.iter().max_by_key(|bundle| bundle.pipelines[0].recent_runs.len()).unwrap();
    assert_eq!(full.pipelines[0].run_series(Metric::Duration).unwrap().points.len(), 260);
    let finding = &full.verdict.findings[0];
    assert_eq!((finding.since_run.as_str(), finding.actionable), ("run-246", true));
    assert_eq!(full.verdict, check(&store.store, None, &settings(&store.store).unwrap()).unwrap());
    for bundle in &bundles {
        let (profile, wanted) = (&bundle.pipelines[0], &full.pipelines[0]);
        assert_eq!(bundle.verdict, full.verdict);
        assert_eq!((&profile.trends, &profile.metrics), (&wanted.trends, &wanted.metrics));
        assert_eq!(profile.health.score, wanted.health.score);
    }
}

#[test]
fn health_is_told_as_it_was_and_ends_with_what_is() {
    let profile = told(&store_of(&history()));
    let points = &profile.health_history;
    assert!((10..=25).contains(&points.len()), "{} times", points.len());
    assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
    let last = points.last().unwrap();
    assert_eq!((last.score, &last.reason), (profile.health.score, &profile.health.reason));
    let best = points.iter().filter_map(|point| point.score).fold(0.0, f64::max);
    assert!(best >= 85.0 && profile.health.score.unwrap() <= 65.0, "{points:?}");
    assert_eq!(points[0].score, None, "two runs are no score");
}

#[test]
fn a_forecast_starts_at_the_level_since_the_change_and_needs_enough_runs() {
    let profile = told(&store_of(&history()));
    let of = |metric| profile.forecasts.iter().find(|forecast| forecast.metric == metric);
    let duration = of(Metric::Duration).unwrap();
    assert_eq!((duration.n, duration.points.len()), (20, 31));
    close(Some(duration.points[0].middle), 15.0, 0.2);
    assert!(duration.points.iter().all(|p| p.low_95 <= p.low_50 && p.low_50 <= p.middle && p.middle <= p.high_50));
    assert!(of(Metric::SuccessRate).is_none());
    let mut few = history();
    few.truncate(35);
    assert!(told(&store_of(&few)).forecasts.iter().all(|forecast| forecast.metric != Metric::Duration));
}

#[test]
fn runs_are_sliced_by_context_and_period() {
    let mut runs = history();
    for run in runs.iter_mut().filter(|run| run.number >= 36) {
        run.branch = "fix/cache";
    }
    runs[40].failed = true;
    let profile = told(&store_of(&runs));
    let of = |slice: &str| profile.slices.iter().filter(|one| one.slice == slice).collect::<Vec<_>>();
    let contexts: Vec<_> =
        of("context").iter().map(|s| (s.context.as_ref().unwrap().branch.clone().unwrap(), s.runs)).collect();
    assert_eq!(contexts, [("main".to_owned(), 35), ("fix/cache".to_owned(), 10)]);
    let fix = of("context")[1];
    assert_eq!((fix.outcomes.success, fix.outcomes.failure), (9, 1));
    // SciPy 1.17.1: binomtest(9, 10).proportion_ci(0.95, method="wilson").
    let rate = fix.success_rate.unwrap();
    close(Some(rate.low), 0.595_849_973_204_761_5, 1e-9);
    close(Some(rate.high), 0.982_123_786_904_927_1, 1e-9);
    close(fix.p50_s, 15.0, 0.2);
    close(fix.throughput, 100.0 / 15.0, 0.2);
    close(fix.cost_usd, 0.5, 1e-12);
    close(fix.spent_usd, 5.0, 1e-9);
    let days = of("day");
    assert_eq!(days.iter().map(|s| s.runs).sum::<u64>(), 45);
    assert!(days.iter().all(|day| day.from.as_ref().is_some_and(|from| from.ends_with("T00:00:00Z"))));
    let load: Vec<_> = profile.step_slices.iter().filter(|s| s.step == "load" && s.slice == "context").collect();
    assert_eq!(load.iter().map(|s| s.n).collect::<Vec<_>>(), [35, 10]);
    close(load[1].p50_s, 10.0, 0.2);
}

#[test]
fn windows_of_a_comparison_hold_runs_of_one_context() {
    let mut runs = history();
    for run in runs.iter_mut().filter(|run| run.number % 5 == 0) {
        run.branch = "fix/cache";
        run.load_s = 60.0;
    }
    let store = store_of(&runs);
    let bundle = build(&store.store, Kind::Comparison, None).unwrap();
    let found = &bundle.comparison.unwrap().pipelines;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].context.as_ref().and_then(|context| context.branch.as_deref()), Some("main"));
    assert_eq!(found[0].note.as_deref(), Some("9 runs in other contexts are left out"));
    let load = found[0].steps.iter().find(|step| step.step == "load").unwrap();
    assert!(load.a_s.unwrap() < 11.0 && load.b_s.unwrap() < 11.0, "{load:?}");
}
