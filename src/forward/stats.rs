//! What is counted of a destination.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tonic::Code;

use super::answer::code_name;
use crate::model::Signal;
use crate::store::log::Waiting;

/// Why items did not reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// The destination said so in `partial_success`.
    Rejected,
    /// An HTTP status that is not worth another try.
    Http(u16),
    /// A gRPC status that is not worth another try.
    Grpc(Code),
    /// The queue was full.
    QueueFull,
    /// They waited for too long.
    TooOld,
    /// The log is damaged there.
    Unreadable,
}

impl LossReason {
    pub(super) fn http(status: u16) -> Self {
        Self::Http(status)
    }

    /// The label in `/metrics`: one of a bounded set, whatever a destination answers.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Rejected => "rejected".to_owned(),
            Self::Http(status @ (400 | 401 | 403 | 404 | 405 | 411 | 413 | 415 | 422 | 500 | 501)) => {
                format!("http_{status}")
            }
            Self::Http(status) => format!("http_{}xx", (status / 100).min(9)),
            Self::Grpc(code) => format!("grpc_{}", code_name(code).to_ascii_lowercase()),
            Self::QueueFull => "queue_full".to_owned(),
            Self::TooOld => "too_old".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
        }
    }
}

/// Counters of one destination, all since the start.
#[derive(Debug, Default)]
pub struct DestinationStats {
    requests: AtomicU64,
    retries: AtomicU64,
    wire_bytes: AtomicU64,
    unreadable_bytes: AtomicU64,
    waiting_bytes: AtomicU64,
    waiting_age_s: AtomicU64,
    failing: AtomicBool,
    items: Mutex<Items>,
}

#[derive(Debug, Default)]
struct Items {
    sent: BTreeMap<Signal, u64>,
    lost: BTreeMap<(Signal, String), u64>,
}

/// What was counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Requests that were answered for good.
    pub requests: u64,
    /// Attempts that were worth another.
    pub retries: u64,
    /// Bytes of bodies in requests that were answered for good, as sent.
    pub wire_bytes: u64,
    /// Bytes of a damaged log of which nobody knows what they held.
    pub unreadable_bytes: u64,
    /// What waits.
    pub waiting: Waiting,
    /// The last attempt failed.
    pub failing: bool,
    /// Items that the destination took.
    pub sent: BTreeMap<Signal, u64>,
    /// Items that did not reach it, by signal and reason.
    pub lost: BTreeMap<(Signal, String), u64>,
}

impl DestinationStats {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        StatsSnapshot {
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            wire_bytes: self.wire_bytes.load(Relaxed),
            unreadable_bytes: self.unreadable_bytes.load(Relaxed),
            waiting: Waiting { bytes: self.waiting_bytes.load(Relaxed), age_s: self.waiting_age_s.load(Relaxed) },
            failing: self.failing.load(Relaxed),
            sent: items.sent.clone(),
            lost: items.lost.clone(),
        }
    }

    pub(super) fn answered(&self, wire_bytes: usize) {
        self.requests.fetch_add(1, Relaxed);
        self.wire_bytes.fetch_add(wire_bytes as u64, Relaxed);
    }

    pub(super) fn again(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Returns what it was before.
    pub(super) fn set_failing(&self, failing: bool) -> bool {
        self.failing.swap(failing, Relaxed)
    }

    pub(super) fn sent(&self, signal: Signal, items: u64) {
        let mut counts = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.sent.entry(signal).or_default() += items;
    }

    pub(super) fn lost(&self, signal: Signal, reason: LossReason, items: u64) {
        let mut counts = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.lost.entry((signal, reason.label())).or_default() += items;
    }

    pub(super) fn unreadable(&self, bytes: u64) {
        self.unreadable_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn waits(&self, waiting: Waiting) {
        self.waiting_bytes.store(waiting.bytes, Relaxed);
        self.waiting_age_s.store(waiting.age_s, Relaxed);
    }
}
