//! `perfline bench derive`: what new spans cost once a store is large.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::cli::output::{print, print_json};
use crate::cli::{Failure, Format, rules};
use crate::model::Signal;
use crate::model::unit::{format_count, format_duration};
use crate::otlp::sink::{Accepted, SubmitError};
use crate::report::{Align, Table};
use crate::store::{Store, StoreOptions};

/// Spans of one run: its root, steps, and one call of a model.
const RUN_SPANS: u64 = 10;
/// Runs in one request.
const REQUEST_RUNS: u64 = 100;
/// Pipelines that take turns.
const PIPELINE_NAMES: [&str; 8] = ["orders", "stock", "prices", "mails", "search", "returns", "books", "people"];
/// Runs start so far apart, nanoseconds.
const RUN_EVERY_NS: u64 = 2_000_000_000;
/// A span lasts at most so long, nanoseconds.
const SPAN_NS: u64 = 900_000_000;
/// When the first run starts: 2026-01-01, nanoseconds.
const FIRST_NS: u64 = 1_767_225_600_000_000_000;
/// How often the cost of new spans is measured at each size; the median counts.
const ROUNDS: usize = 5;

/// What the runs of new spans cost to derive while the store grows: flat is right, rising is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline bench derive
  perfline bench derive --stored 10000,100000,1000000,10000000")]
pub(super) struct DeriveArgs {
    /// Spans in the store at which new ones are measured, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000], value_name = "N,N,...")]
    stored: Vec<u64>,
    /// Spans that are new each time.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    new: u64,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One size of the store.
#[derive(Debug, Serialize)]
struct Measured {
    spans_stored: u64,
    runs_stored: u64,
    new_spans: u64,
    derive_s: f64,
    us_per_new_span: f64,
    /// Cost of a new span as a share of that at the first size.
    ratio_to_first: f64,
}

pub(super) fn run(args: &DeriveArgs) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::machine("make a folder", &e))?;
    // A derivation runs when it is asked for, not by itself in between.
    let options = StoreOptions {
        load_interval: Duration::from_secs(3_600),
        ..StoreOptions::new(folder.path().join("bench.duckdb"))
    };
    let store = Store::open(&options, rules()?)?;
    let mut made = 0;
    let mut sizes = Vec::new();
    for wanted in &args.stored {
        let missing = wanted.saturating_sub(made * RUN_SPANS);
        fill(&store, &mut made, missing)?;
        let size = measure(&store, &mut made, args.new)?;
        let first = sizes.first().map_or(size.us_per_new_span, |first: &Measured| first.us_per_new_span);
        sizes.push(Measured { ratio_to_first: size.us_per_new_span / first, ..size });
    }
    let lost = check(&store, made)?;
    store.close()?;
    if let Some(lost) = lost {
        return Err(Failure::usage(lost, "this is a fault: please report it"));
    }
    match args.format {
        Format::Json => print_json(&sizes)?,
        Format::Text => print(&told(&sizes))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fill(store: &Store, made: &mut u64, spans: u64) -> Result<(), Failure> {
    let mut waiting = 0;
    for _ in 0..spans.div_ceil(RUN_SPANS * REQUEST_RUNS) {
        send(store, made, REQUEST_RUNS)?;
        waiting += 1;
        // As a service does: what came is derived every few seconds.
        if waiting == 200 {
            store.flush()?;
            waiting = 0;
        }
    }
    Ok(store.flush()?)
}

fn measure(store: &Store, made: &mut u64, new: u64) -> Result<Measured, Failure> {
    let (spans_stored, runs_stored) = (*made * RUN_SPANS, *made);
    let mut seconds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let loading = store.stats().load_busy_ns;
        send(store, made, new.div_ceil(RUN_SPANS))?;
        let began = Instant::now();
        store.flush()?;
        let loading = Duration::from_nanos(store.stats().load_busy_ns - loading);
        seconds.push(began.elapsed().saturating_sub(loading).as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    let derive_s = seconds[ROUNDS / 2];
    #[expect(clippy::cast_precision_loss, reason = "a benchmark's counts are small")]
    let us_per_new_span = derive_s * 1e6 / new as f64;
    Ok(Measured { spans_stored, runs_stored, new_spans: new, derive_s, us_per_new_span, ratio_to_first: 1.0 })
}

/// Says what is missing; every run that was sent must be there.
fn check(store: &Store, made: u64) -> Result<Option<String>, Failure> {
    let rows = store.reader()?.query("select count(*) as runs, count(distinct run_key) as keys from runs")?;
    let found = |name: &str| rows.first().and_then(|row| row.get(name)?.as_u64()).unwrap_or(0);
    let is_whole = found("runs") == made && found("keys") == made;
    Ok((!is_whole)
        .then(|| format!("{made} runs were sent, {} are stored, {} of them once", found("runs"), found("keys"))))
}

fn told(sizes: &[Measured]) -> String {
    let heads = [
        ("spans stored", Align::Right),
        ("runs stored", Align::Right),
        ("new spans", Align::Right),
        ("derived in", Align::Right),
        ("per new span", Align::Right),
        ("ratio", Align::Right),
    ];
    let mut table = Table::new(&heads);
    for size in sizes {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let count = |number: u64| format_count(number as f64);
        table.row([
            count(size.spans_stored),
            count(size.runs_stored),
            count(size.new_spans),
            format_duration(size.derive_s),
            format!("{:.1} us", size.us_per_new_span),
            format!("{:.2}", size.ratio_to_first),
        ]);
    }
    table.render(None)
}

fn send(store: &Store, made: &mut u64, runs: u64) -> Result<(), Failure> {
    let spans: Vec<Span> = (*made..*made + runs).flat_map(spans_of).collect();
    *made += runs;
    let items = u32::try_from(spans.len()).unwrap_or(u32::MAX);
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let resource = Resource { attributes: vec![text("service.name", "bench")], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let part = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![part] }.encode_to_vec().into();
    let request = Accepted { signal: Signal::Traces, body, items };
    loop {
        match store.submit_blocking(request.clone()) {
            Err(SubmitError::Busy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            other => return Ok(other.map_err(crate::api::ApiError::from)?),
        }
    }
}

fn spans_of(run: u64) -> Vec<Span> {
    let trace_id = xxh3_128_with_seed(b"trace", run).max(1).to_be_bytes().to_vec();
    let id = |at: u64| (run * RUN_SPANS + at + 1).to_be_bytes().to_vec();
    let begin = FIRST_NS + run * RUN_EVERY_NS;
    (0..RUN_SPANS)
        .map(|at| {
            let start = begin + at * SPAN_NS / RUN_SPANS / 2;
            let (name, parent, attributes) = match at {
                0 => (
                    format!("nightly {}", PIPELINE_NAMES[usize::try_from(run % 8).unwrap_or(0)]),
                    Vec::new(),
                    Vec::new(),
                ),
                9 => ("chat gpt-4o-mini".to_owned(), id(1), call(run)),
                _ => (format!("step {at}"), id(if at < 5 { 0 } else { at - 4 }), vec![text("work.kind", "copy")]),
            };
            Span {
                trace_id: trace_id.clone(),
                span_id: id(at),
                parent_span_id: parent,
                name,
                kind: 1,
                start_time_unix_nano: start,
                end_time_unix_nano: if at == 0 { begin + SPAN_NS } else { start + SPAN_NS / 4 },
                attributes,
                ..Span::default()
            }
        })
        .collect()
}

fn call(run: u64) -> Vec<KeyValue> {
    let tokens = |key: &str, count: u64| {
        let value = Value::IntValue(i64::try_from(count).unwrap_or(i64::MAX));
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    };
    vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "openai"),
        text("gen_ai.response.model", "gpt-4o-mini"),
        tokens("gen_ai.usage.input_tokens", 800 + run % 400),
        tokens("gen_ai.usage.output_tokens", 100 + run % 90),
    ]
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}
