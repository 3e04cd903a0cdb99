//! `perfline bench ingest`: what receiving and storing costs, beside other collectors in the same run.

use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::payload::Payloads;
use super::process::{Served, cpu_s, wait_until_idle};
use super::send::{Sent, Target, send};
use crate::api::Backend;
use crate::cli::output::{print, print_json};
use crate::cli::{Failure, Format, opening};
use crate::model::Signal;
use crate::model::unit::format_bytes;

/// Bytes of requests that are made beforehand at most.
const BODIES_BYTES_MAX: usize = 2 << 30;

/// Start a `perfline serve` over a new store, send it OTLP/HTTP requests with fresh ids, and print what it cost:
/// items per CPU-second until all is stored and queryable, time to acknowledgement, bytes on disk per item.
#[derive(Debug, Args)]
#[command(
    after_help = "Spans come in traces of ten with 8 attributes and 1 event; points are half gauges, half histograms.
A peer is an OTLP/HTTP server that runs already; its CPU is read from its process.

Examples:
  perfline bench ingest
  perfline bench ingest --items 100 --requests 3000 --gzip
  perfline bench ingest --rate 100000 --requests 2000
  perfline bench ingest --peer collector=http://127.0.0.1:24318,$(pgrep otelcol)"
)]
pub(crate) struct IngestArgs {
    /// What is sent.
    #[arg(long, default_value = "traces", value_parser = parse_signal)]
    signal: Signal,
    /// Spans, points or records of one request.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    items: usize,
    /// Requests of one round.
    #[arg(long, default_value_t = 600, value_name = "COUNT")]
    requests: usize,
    /// Connections that send at the same time.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    clients: usize,
    /// Spans, points or records a second over all connections; without it as fast as they are acknowledged. At half of
    /// what a machine takes, the time to acknowledgement is what users see.
    #[arg(long, value_name = "COUNT")]
    rate: Option<u32>,
    /// Send compressed bodies.
    #[arg(long)]
    gzip: bool,
    /// How often each is measured, in turn; the median counts.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rounds: usize,
    /// Another collector to measure in the same run; may repeat.
    #[arg(long, value_name = "NAME=URL,PID", value_parser = Peer::from_str)]
    peer: Vec<Peer>,
    /// Seed of ids and values.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn parse_signal(text: &str) -> Result<Signal, String> {
    let known = Signal::ALL.into_iter().find(|signal| signal.as_str() == text);
    known.ok_or_else(|| "one of traces, metrics, logs".to_owned())
}

#[derive(Clone, Debug)]
struct Peer {
    name: String,
    url: String,
    pid: i32,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (url, pid) = rest.rsplit_once(',')?;
            Some(Self { name: name.to_owned(), url: url.to_owned(), pid: pid.trim().parse().ok()? })
        });
        parts.ok_or_else(|| "a peer is NAME=URL,PID: collector=http://127.0.0.1:4318,1234".to_owned())
    }
}

/// One collector, one round.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    name: String,
    signal: &'static str,
    items_per_request: usize,
    gzip: bool,
    items: usize,
    items_per_s: f64,
    items_per_cpu_s: f64,
    acknowledged_p50_ms: f64,
    acknowledged_p99_ms: f64,
    refused: u64,
    peak_memory_bytes: u64,
    /// Bytes of a body as it is sent, per item.
    wire_bytes_per_item: f64,
    /// Bytes of the store after shutdown, per item; none for a peer.
    stored_bytes_per_item: Option<f64>,
    /// Randomness in one item, bytes; known for spans.
    entropy_bytes_per_item: Option<f64>,
}

pub(super) fn run(args: &IngestArgs) -> Result<ExitCode, Failure> {
    let mut rounds = Vec::new();
    for round in 0..args.rounds.max(1) {
        let bodies = bodies(args, args.seed + round as u64)?;
        rounds.push(measure_own(args, bodies.clone())?);
        for peer in &args.peer {
            rounds.push(measure_peer(args, peer, bodies.clone())?);
        }
    }
    match args.format {
        Format::Json => print_json(&rounds)?,
        Format::Text => print(&told(args, &rounds))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn bodies(args: &IngestArgs, seed: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let mut payloads = Payloads::new(args.signal, args.items, seed);
    let mut bytes = 0;
    let mut bodies = Vec::with_capacity(args.requests);
    for _ in 0..args.requests {
        let body = payloads.next_body();
        let body = if args.gzip { compress(&body)? } else { body };
        bytes += body.len();
        if bytes > BODIES_BYTES_MAX {
            return Err(Failure::usage(
                format!("the requests of one round take more than {}", format_bytes(BODIES_BYTES_MAX as f64)),
                "give fewer --requests or --items",
            ));
        }
        bodies.push(body);
    }
    Ok(bodies)
}

fn compress(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).map_err(|e| Failure::machine("compress a request", &e))
}

fn measure_own(args: &IngestArgs, bodies: Vec<Vec<u8>>) -> Result<Measured, Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::machine("make a folder for the store", &e))?;
    let store = folder.path().join("bench.duckdb");
    let served = Served::start(&store)?;
    let before = cpu_s(served.pid())?;
    let wire_bytes = bodies.iter().map(Vec::len).sum();
    let sent = send(&target(args, &served.url, served.pid()), bodies)?;
    wait_until_idle(served.pid())?;
    let loaded = cpu_s(served.pid())?;
    let stored = count_stored(args.signal, &served.url)?;
    let counted = cpu_s(served.pid())?;
    let items = args.items * sent.acknowledged_s.len();
    if stored != items as u64 {
        return Err(Failure::usage(
            format!("{items} items were acknowledged and {stored} are stored"),
            "this is a fault of perfline: please report it with these arguments",
        ));
    }
    // The closing checkpoint is work left for later: it counts, the question above does not.
    let whole_life = served.stop()?;
    let used = loaded - before + (whole_life - counted).max(0.0);
    let mut measured = measured(args, "perfline", &sent, used, wire_bytes);
    let disk = std::fs::metadata(&store).map_err(|e| Failure::machine("look at the store", &e))?.len();
    measured.stored_bytes_per_item = Some(ratio(disk as f64, items));
    Ok(measured)
}

fn measure_peer(args: &IngestArgs, peer: &Peer, bodies: Vec<Vec<u8>>) -> Result<Measured, Failure> {
    let before = cpu_s(peer.pid)?;
    let wire_bytes = bodies.iter().map(Vec::len).sum();
    let sent = send(&target(args, &peer.url, peer.pid), bodies)?;
    wait_until_idle(peer.pid)?;
    Ok(measured(args, &peer.name, &sent, cpu_s(peer.pid)? - before, wire_bytes))
}

fn target<'a>(args: &IngestArgs, url: &'a str, pid: i32) -> Target<'a> {
    let requests_per_s = args.rate.map(|rate| f64::from(rate.max(1)) / args.items.max(1) as f64);
    Target { url, pid, signal: args.signal, gzip: args.gzip, clients: args.clients.max(1), requests_per_s }
}

fn count_stored(signal: Signal, url: &str) -> Result<u64, Failure> {
    let view = match signal {
        Signal::Traces => "spans",
        Signal::Metrics => "metric_points",
        Signal::Logs => "logs",
    };
    let backend = Backend::open(url, opening(None, None)?)?;
    let rows = backend.query(&format!("select count(*) as stored from {view}"))?;
    Ok(rows.first().and_then(|row| row.get("stored")?.as_u64()).unwrap_or(0))
}

fn measured(args: &IngestArgs, name: &str, sent: &Sent, cpu_s: f64, wire_bytes: usize) -> Measured {
    let items = args.items * sent.acknowledged_s.len();
    Measured {
        name: name.to_owned(),
        signal: args.signal.as_str(),
        items_per_request: args.items,
        gzip: args.gzip,
        items,
        items_per_s: items as f64 / sent.wall_s,
        items_per_cpu_s: items as f64 / cpu_s.max(0.01),
        acknowledged_p50_ms: quantile(&sent.acknowledged_s, 0.5) * 1e3,
        acknowledged_p99_ms: quantile(&sent.acknowledged_s, 0.99) * 1e3,
        refused: sent.refused,
        peak_memory_bytes: sent.peak_memory_bytes,
        wire_bytes_per_item: ratio(wire_bytes as f64, items),
        stored_bytes_per_item: None,
        entropy_bytes_per_item: (args.signal == Signal::Traces).then(Payloads::span_entropy_bytes),
    }
}

fn ratio(value: f64, items: usize) -> f64 {
    value / items.max(1) as f64
}

/// The value below which that share of the ascending values lies; 0 where there are none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the values")]
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let at = (ascending.len() as f64 * share) as usize;
    ascending.get(at.min(ascending.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

fn median_of(rounds: &[&Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(|round| value(round)).collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

fn told(args: &IngestArgs, rounds: &[Measured]) -> String {
    let mut text = format!(
        "{} of {} a request{}, {} requests, {} connections; medians of {} rounds\n\n",
        args.signal.as_str(),
        args.items,
        if args.gzip { ", gzip" } else { "" },
        args.requests,
        args.clients,
        args.rounds.max(1),
    );
    text.push_str(&format!(
        "{:<14}{:>14}{:>12}{:>12}{:>12}{:>10}{:>12}\n",
        "collector", "per CPU-s", "per s", "ack p50", "ack p99", "refused", "peak memory"
    ));
    let names = std::iter::once("perfline").chain(args.peer.iter().map(|peer| peer.name.as_str()));
    for name in names {
        let own: Vec<&Measured> = rounds.iter().filter(|round| round.name == name).collect();
        text.push_str(&format!(
            "{:<14}{:>14.0}{:>12.0}{:>9.1} ms{:>9.1} ms{:>10.0}{:>12}\n",
            name,
            median_of(&own, |round| round.items_per_cpu_s),
            median_of(&own, |round| round.items_per_s),
            median_of(&own, |round| round.acknowledged_p50_ms),
            median_of(&own, |round| round.acknowledged_p99_ms),
            median_of(&own, |round| round.refused as f64),
            format_bytes(median_of(&own, |round| round.peak_memory_bytes as f64)),
        ));
    }
    let own: Vec<&Measured> = rounds.iter().filter(|round| round.stored_bytes_per_item.is_some()).collect();
    text.push_str(&format!(
        "\nbytes an item: {:.0} on the wire, {:.1} stored",
        median_of(&own, |round| round.wire_bytes_per_item),
        median_of(&own, |round| round.stored_bytes_per_item.unwrap_or_default()),
    ));
    if args.signal == Signal::Traces {
        text.push_str(&format!("; {:.1} of them are randomness", Payloads::span_entropy_bytes()));
    }
    text.push('\n');
    text
}
