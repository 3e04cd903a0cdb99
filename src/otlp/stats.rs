//! What the door counts: requests, bytes and items; taken, and refused by reason.

use std::sync::atomic::{AtomicU64, Ordering};

use super::access::Denial;
use super::door::{Admission, Reason};
use crate::model::Signal;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    HttpProtobuf,
    /// OTLP/HTTP with JSON.
    HttpJson,
}

impl Transport {
    /// Every transport, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];

    /// The label in metrics, in the words of OTEL_EXPORTER_OTLP_PROTOCOL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was taken.
    Success,
    /// Some items were refused.
    Partial,
    /// The body is unreadable.
    Malformed,
    /// The body is larger than the limit.
    TooLarge,
    /// A content type or an encoding that is not known.
    Unsupported,
    /// No token, or a wrong one.
    Unauthenticated,
    /// A token that may not send.
    Forbidden,
    /// The signal is switched off.
    Disabled,
    /// Buffers or the memory budget are full; the client comes again.
    Busy,
    /// The store cannot be written, or is closing; the client comes again.
    Unavailable,
    /// The body came too slowly.
    Timeout,
}

impl Outcome {
    /// Every outcome, in the order of the counters.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::Partial,
        Self::Malformed,
        Self::TooLarge,
        Self::Unsupported,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Disabled,
        Self::Busy,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Disabled => "disabled",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
        }
    }
}

type Counter = AtomicU64;

/// Counters of one signal.
#[derive(Debug, Default)]
struct SignalStats {
    requests: [[Counter; Outcome::ALL.len()]; Transport::ALL.len()],
    wire_bytes: Counter,
    accepted_bytes: Counter,
    accepted: Counter,
    refused: [Counter; Reason::ALL.len()],
    enum_names: Counter,
}

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Stats {
    signals: [SignalStats; Signal::ALL.len()],
    denied: [Counter; Denial::ALL.len()],
}

fn add(counter: &Counter, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Stats {
    fn of(&self, signal: Signal) -> &SignalStats {
        match signal {
            Signal::Traces => &self.signals[0],
            Signal::Metrics => &self.signals[1],
            Signal::Logs => &self.signals[2],
        }
    }

    /// Counts a request, when it is answered.
    pub fn request(&self, signal: Signal, transport: Transport, outcome: Outcome, wire_bytes: u64) {
        let stats = self.of(signal);
        if let Some(counter) = stats.requests.get(transport as usize).and_then(|row| row.get(outcome as usize)) {
            add(counter, 1);
        }
        add(&stats.wire_bytes, wire_bytes);
    }

    /// Counts the items of an admission whose rest was stored; call once it is.
    pub fn items(&self, signal: Signal, admission: &Admission) {
        let stats = self.of(signal);
        if let Some(accepted) = &admission.accepted {
            add(&stats.accepted, u64::from(accepted.items));
            add(&stats.accepted_bytes, accepted.body.len() as u64);
        }
        for (reason, count) in &admission.refused {
            if let Some(counter) = stats.refused.get(*reason as usize) {
                add(counter, *count);
            }
        }
        add(&stats.enum_names, admission.enum_names);
    }

    /// Counts somebody who was turned away for want of a token, on any path.
    pub fn denied(&self, denial: Denial) {
        if let Some(counter) = self.denied.get(denial as usize) {
            add(counter, 1);
        }
    }

    /// How many were turned away, by reason; zeros included.
    #[must_use]
    pub fn denials(&self) -> Vec<(Denial, u64)> {
        Denial::ALL
            .into_iter()
            .zip(&self.denied)
            .map(|(denial, count)| (denial, count.load(Ordering::Relaxed)))
            .collect()
    }

    /// All counters as they stand.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SignalSnapshot> {
        let read = |counter: &Counter| counter.load(Ordering::Relaxed);
        let one = |signal: Signal| {
            let stats = self.of(signal);
            let mut requests = Vec::new();
            for (transport, row) in Transport::ALL.into_iter().zip(&stats.requests) {
                requests.extend(
                    Outcome::ALL.into_iter().zip(row).map(|(outcome, count)| (transport, outcome, read(count))),
                );
            }
            let refused: Vec<_> =
                Reason::ALL.into_iter().zip(&stats.refused).map(|(reason, count)| (reason, read(count))).collect();
            let accepted = read(&stats.accepted);
            SignalSnapshot {
                signal,
                requests,
                received: accepted + refused.iter().map(|(_, count)| count).sum::<u64>(),
                accepted,
                refused,
                wire_bytes: read(&stats.wire_bytes),
                accepted_bytes: read(&stats.accepted_bytes),
                enum_names: read(&stats.enum_names),
            }
        };
        Signal::ALL.into_iter().map(one).collect()
    }
}

/// One signal's counters at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalSnapshot {
    /// Which signal.
    pub signal: Signal,
    /// Requests by transport and outcome; zeros included, so that every label exists from the start.
    pub requests: Vec<(Transport, Outcome, u64)>,
    /// Items in requests that were answered with success: accepted and refused.
    pub received: u64,
    /// Items stored.
    pub accepted: u64,
    /// Items refused, by reason; zeros included.
    pub refused: Vec<(Reason, u64)>,
    /// Bytes of bodies as they came, compressed or not.
    pub wire_bytes: u64,
    /// Bytes of what was stored, as protobuf.
    pub accepted_bytes: u64,
    /// Enums taken by name, by the lenient switch.
    pub enum_names: u64,
}
