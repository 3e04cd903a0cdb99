//! What `/metrics` says of pipelines: computed from the store, so that counters survive a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde::Deserialize;

use super::exposition::{Exemplar, Family, FamilyKind, Sample};
use crate::model::{FindingKind, Verdict};
use crate::otlp::access::Denial;
use crate::otlp::serve::ConnectionStats;
use crate::otlp::stats::SignalSnapshot;
use crate::store::{Reader, StoreError, StoreStats};

/// Series of a family beyond this many pipelines go to the label `__other__`.
const PIPELINES_MAX: usize = 1_000;
const OTHER: &str = "__other__";

/// Totals of the runs of one pipeline with one outcome.
#[derive(Debug, Deserialize)]
pub struct RunTotals {
    pipeline: String,
    service: String,
    outcome: String,
    run_count: f64,
    cost_usd: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    last_started_s: f64,
}

/// One bucket of durations.
#[derive(Debug, Deserialize)]
pub struct DurationBucket {
    pipeline: String,
    service: String,
    step: Option<String>,
    bound: Option<f64>,
    run_count: f64,
    duration_sum_s: f64,
    exemplar_s: f64,
    exemplar_at_s: f64,
    exemplar_trace_id: Option<String>,
}

const BOUNDS: [f64; 15] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0];

/// Everything that is said of pipelines.
pub fn pipeline_families(reader: &Reader, verdict: &Verdict) -> Result<Vec<Family>, StoreError> {
    let totals = reader.run_totals()?;
    let buckets = reader.duration_buckets()?;
    let mut families = run_families(&totals);
    families.extend(duration_families(&buckets));
    families.extend(verdict_families(verdict));
    Ok(families)
}

fn run_families(totals: &[RunTotals]) -> Vec<Family> {
    let mut runs = BTreeMap::new();
    let mut cost = BTreeMap::new();
    let mut tokens = BTreeMap::new();
    let mut last: BTreeMap<(String, String), f64> = BTreeMap::new();
    let known = Known::of(totals.iter().map(|total| total.pipeline.as_str()));
    for total in totals {
        let (pipeline, service) = (known.label(&total.pipeline), total.service.clone());
        let pair = (pipeline.clone(), service.clone());
        *runs.entry((pipeline, service, total.outcome.clone())).or_insert(0.0) += total.run_count;
        if let Some(usd) = total.cost_usd {
            *cost.entry(pair.clone()).or_insert(0.0) += usd;
        }
        for (kind, count) in [("input", total.input_tokens), ("output", total.output_tokens)] {
            if let Some(count) = count {
                *tokens.entry((pair.0.clone(), pair.1.clone(), kind.to_owned())).or_insert(0.0) += count;
            }
        }
        let newest = last.entry(pair).or_insert(total.last_started_s);
        *newest = newest.max(total.last_started_s);
    }
    let pair = |(pipeline, service): (String, String)| vec![("pipeline", pipeline), ("service", service)];
    let triple = |name: &'static str| {
        move |(pipeline, service, third): (String, String, String)| {
            vec![("pipeline", pipeline), ("service", service), (name, third)]
        }
    };
    vec![
        filled("pipeline_runs", FamilyKind::Counter, "Closed runs by outcome.", runs, triple("outcome")),
        filled(
            "pipeline_llm_cost_usd",
            FamilyKind::Counter,
            "Cost of model calls, US dollars, where known.",
            cost,
            pair,
        ),
        filled("pipeline_llm_tokens", FamilyKind::Counter, "Tokens of model calls by type.", tokens, triple("type")),
        filled(
            "pipeline_last_run_timestamp_seconds",
            FamilyKind::Gauge,
            "Start of the newest closed run, seconds since the Unix epoch.",
            last,
            pair,
        ),
    ]
}

fn filled<K>(
    name: &'static str,
    kind: FamilyKind,
    help: &'static str,
    values: BTreeMap<K, f64>,
    labels: impl Fn(K) -> Vec<(&'static str, String)>,
) -> Family {
    let mut family = Family::new(name, kind, help);
    for (key, value) in values {
        family.add(labels(key), value);
    }
    family
}

/// The pipelines that have labels of their own: the first by name.
struct Known(std::collections::BTreeSet<String>);

impl Known {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let all: std::collections::BTreeSet<&str> = names.collect();
        Self(all.into_iter().take(PIPELINES_MAX).map(ToOwned::to_owned).collect())
    }

    fn label(&self, pipeline: &str) -> String {
        if self.0.contains(pipeline) { pipeline.to_owned() } else { OTHER.to_owned() }
    }
}

fn duration_families(buckets: &[DurationBucket]) -> Vec<Family> {
    let mut runs =
        Family::new("pipeline_run_duration_seconds", FamilyKind::Histogram, "Wall time of closed runs, seconds.");
    let mut steps = Family::new(
        "pipeline_step_duration_seconds",
        FamilyKind::Histogram,
        "Wall time of steps, last attempt, seconds.",
    );
    let mut groups: BTreeMap<(&str, &str, Option<&str>), Vec<&DurationBucket>> = BTreeMap::new();
    let known = Known::of(buckets.iter().map(|bucket| bucket.pipeline.as_str()));
    for bucket in buckets.iter().filter(|bucket| known.0.contains(&bucket.pipeline)) {
        groups.entry((&bucket.pipeline, &bucket.service, bucket.step.as_deref())).or_default().push(bucket);
    }
    for ((pipeline, service, step), group) in groups {
        let mut labels = vec![("pipeline", pipeline.to_owned()), ("service", service.to_owned())];
        labels.extend(step.map(|step| ("step", step.to_owned())));
        let family = if step.is_some() { &mut steps } else { &mut runs };
        family.samples.extend(histogram(&labels, &group));
    }
    vec![runs, steps]
}

fn histogram(labels: &[(&'static str, String)], group: &[&DurationBucket]) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(BOUNDS.len() + 3);
    let mut cumulative = 0.0;
    for bound in BOUNDS.into_iter().map(Some).chain([None]) {
        let here = group.iter().find(|bucket| bucket.bound == bound);
        cumulative += here.map_or(0.0, |bucket| bucket.run_count);
        let mut bucket_labels = labels.to_vec();
        bucket_labels.push(("le", bound.map_or("+Inf".to_owned(), |bound| bound.to_string())));
        let exemplar = here.and_then(|bucket| {
            let trace_id = bucket.exemplar_trace_id.clone()?;
            Some(Exemplar { trace_id, value: bucket.exemplar_s, at_s: bucket.exemplar_at_s })
        });
        samples.push(Sample { suffix: "_bucket", labels: bucket_labels, value: cumulative, exemplar });
    }
    let sum = group.iter().map(|bucket| bucket.duration_sum_s).sum();
    samples.push(Sample { suffix: "_sum", labels: labels.to_vec(), value: sum, exemplar: None });
    samples.push(Sample { suffix: "_count", labels: labels.to_vec(), value: cumulative, exemplar: None });
    samples
}

fn verdict_families(verdict: &Verdict) -> Vec<Family> {
    let mut active = BTreeMap::new();
    let mut ratio = Family::new(
        "pipeline_baseline_ratio",
        FamilyKind::Gauge,
        "Level after a found change over the level before it; the metric has no sample where nothing changed.",
    );
    for finding in &verdict.findings {
        let severity = finding.severity.as_str().to_ascii_lowercase();
        if finding.actionable {
            *active.entry((finding.pipeline.clone(), severity)).or_insert(0.0) += 1.0;
        }
        let confirmed = finding.kind != FindingKind::Suspected;
        if confirmed && finding.baseline != 0.0 && finding.step.is_none() {
            let labels = vec![
                ("pipeline", finding.pipeline.clone()),
                ("metric", finding.metric.as_str().to_owned()),
                ("since_run", finding.since_run.clone()),
                ("branch", finding.context.branch.clone().unwrap_or_default()),
                ("environment", finding.context.environment.clone().unwrap_or_default()),
                ("host_class", finding.context.host_class.clone().unwrap_or_default()),
                ("service", finding.context.service.clone().unwrap_or_default()),
            ];
            ratio.add(labels, finding.current / finding.baseline);
        }
    }
    let mut regressions = Family::new(
        "pipeline_regressions_active",
        FamilyKind::Gauge,
        "Findings for the worse, MEDIUM or above, within the newest runs.",
    );
    for ((pipeline, severity), count) in active {
        regressions.add(vec![("pipeline", pipeline), ("severity", severity)], count);
    }
    let checked = Family::new("perfline_series_checked", FamilyKind::Gauge, "Series with enough runs to judge.")
        .with(Vec::new(), as_f64(verdict.series_checked as u64));
    let thin = Family::new("perfline_series_insufficient", FamilyKind::Gauge, "Series with too few runs to judge.")
        .with(Vec::new(), as_f64(verdict.series_insufficient as u64));
    vec![regressions, ratio, checked, thin]
}

#[allow(clippy::cast_precision_loss, reason = "counters print exactly up to 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// What the store says of itself.
#[must_use]
pub fn store_families(stats: &StoreStats, file_bytes: u64) -> Vec<Family> {
    let counter = |name, help, value: u64| Family::new(name, FamilyKind::Counter, help).with(Vec::new(), as_f64(value));
    let gauge = |name, help, value: f64| Family::new(name, FamilyKind::Gauge, help).with(Vec::new(), value);
    vec![
        counter("perfline_log_syncs", "Group commits of the segment log.", stats.log_syncs),
        counter("perfline_log_requests", "Requests acknowledged.", stats.log_requests),
        counter("perfline_log_bytes", "Bytes appended to the segment log.", stats.log_bytes),
        counter("perfline_log_failures", "Groups that could not be written.", stats.log_failures),
        gauge("perfline_log_busy_seconds", "Time spent writing and syncing the log.", as_f64(stats.log_busy_ns) / 1e9),
        counter("perfline_loads", "Transactions that loaded rows.", stats.loads),
        counter("perfline_load_failures", "Loads that failed and were tried again.", stats.load_failures),
        gauge("perfline_load_busy_seconds", "Time spent loading.", as_f64(stats.load_busy_ns) / 1e9),
        counter("perfline_rows_stored", "Spans, points and log records stored.", stats.rows_stored),
        counter("perfline_rows_duplicate", "Items that were stored already.", stats.rows_duplicate),
        gauge("perfline_buffer_free_bytes", "Room in the buffers.", as_f64(stats.buffer_bytes_free as u64)),
        gauge("perfline_store_file_bytes", "Size of the DuckDB file.", as_f64(file_bytes)),
        gauge(
            "perfline_queryable_lag_seconds",
            "From acknowledgement to queryable, of the oldest request of the last load.",
            as_f64(stats.lag_ns) / 1e9,
        ),
        gauge(
            "perfline_load_waiting_seconds",
            "How long the oldest acknowledged request waits to be loaded.",
            as_f64(stats.waiting_ns) / 1e9,
        ),
        gauge("perfline_store_writable", "1 where the last load went through.", f64::from(u8::from(stats.writable))),
    ]
}

/// What the door counted: requests and items, taken and refused.
#[must_use]
pub fn door_families(snapshot: &[SignalSnapshot]) -> Vec<Family> {
    let family = |name, help| Family::new(name, FamilyKind::Counter, help);
    let mut requests = family("perfline_requests", "Export requests by signal, transport and outcome.");
    let mut received = family("perfline_items_received", "Spans, points and log records in answered requests.");
    let mut accepted = family("perfline_items_accepted", "Spans, points and log records stored.");
    let mut refused = family("perfline_items_refused", "Spans, points and log records refused, by reason.");
    let mut wire = family("perfline_wire_bytes", "Bytes of request bodies as they came.");
    for signal in snapshot {
        let name = signal.signal.as_str().to_owned();
        let only_signal = || vec![("signal", name.clone())];
        received.add(only_signal(), as_f64(signal.received));
        accepted.add(only_signal(), as_f64(signal.accepted));
        wire.add(only_signal(), as_f64(signal.wire_bytes));
        for (reason, count) in &signal.refused {
            refused.add(vec![("signal", name.clone()), ("reason", reason.as_str().to_owned())], as_f64(*count));
        }
        for (transport, outcome, count) in &signal.requests {
            let labels = vec![
                ("signal", name.clone()),
                ("transport", transport.as_str().to_owned()),
                ("outcome", outcome.as_str().to_owned()),
            ];
            requests.add(labels, as_f64(*count));
        }
    }
    vec![requests, received, accepted, refused, wire]
}

/// What the ports counted: connections, and who was turned away. The first port is gRPC's.
#[must_use]
pub fn port_families(denials: &[(Denial, u64)], ports: &[Arc<ConnectionStats>; 2]) -> Vec<Family> {
    let mut denied = Family::new(
        "perfline_access_denied",
        FamilyKind::Counter,
        "Requests turned away for want of a token, by reason.",
    );
    for (denial, count) in denials {
        denied.add(vec![("reason", denial.as_str().to_owned())], as_f64(*count));
    }
    let mut open = Family::new("perfline_connections_open", FamilyKind::Gauge, "Connections open now, by port.");
    let mut opened = Family::new("perfline_connections", FamilyKind::Counter, "Connections opened, by port.");
    let mut failed = Family::new("perfline_tls_failures", FamilyKind::Counter, "TLS handshakes that failed, by port.");
    for (name, port) in ["grpc", "http"].into_iter().zip(ports) {
        let label = || vec![("port", name.to_owned())];
        open.add(label(), as_f64(port.open.load(Relaxed)));
        opened.add(label(), as_f64(port.opened.load(Relaxed)));
        failed.add(label(), as_f64(port.handshakes_failed.load(Relaxed)));
    }
    vec![denied, open, opened, failed]
}
