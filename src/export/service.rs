//! What `/metrics` says of the service itself: its store, its door, its ports.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::exposition::{Family, FamilyKind};
use crate::otlp::access::Denial;
use crate::otlp::serve::ConnectionStats;
use crate::otlp::stats::SignalSnapshot;
use crate::store::StoreStats;

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
        counter(
            "perfline_store_reopenings",
            "How often the file was opened again because DuckDB refused everything after a write that failed.",
            stats.reopenings,
        ),
        gauge("perfline_load_busy_seconds", "Time spent loading.", as_f64(stats.load_busy_ns) / 1e9),
        counter("perfline_commits", "Commits of loads and derivations.", stats.commits),
        gauge("perfline_commit_busy_seconds", "Time that these commits took.", as_f64(stats.commit_busy_ns) / 1e9),
        counter("perfline_checkpoints", "Commits that moved DuckDB's own log into the file.", stats.checkpoints),
        gauge(
            "perfline_checkpoint_busy_seconds",
            "Time that these commits took.",
            as_f64(stats.checkpoint_busy_ns) / 1e9,
        ),
        gauge("perfline_derive_busy_seconds", "Time spent deriving runs.", as_f64(stats.derive_busy_ns) / 1e9),
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

/// Questions of other commands: those that are being answered, and those that found no place.
#[must_use]
pub fn question_families(running: u64, refused: u64) -> Vec<Family> {
    vec![
        Family::new("perfline_questions_running", FamilyKind::Gauge, "Questions that are being answered.")
            .with(Vec::new(), as_f64(running)),
        Family::new("perfline_questions_refused", FamilyKind::Counter, "Questions that found no place to be answered.")
            .with(Vec::new(), as_f64(refused)),
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

#[allow(clippy::cast_precision_loss, reason = "counters print exactly up to 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}
