//! What `/metrics` says of forwarding, by destination.

use std::sync::Arc;

use super::exposition::{Family, FamilyKind};
use super::service::as_f64;
use crate::forward::DestinationStats;

/// What was sent on, what waits, and what is lost.
#[must_use]
pub fn onward_families(destinations: &[(String, Arc<DestinationStats>)]) -> Vec<Family> {
    let counter = |name, help| Family::new(name, FamilyKind::Counter, help);
    let gauge = |name, help| Family::new(name, FamilyKind::Gauge, help);
    let mut items = counter("perfline_forward_items", "Spans, points and log records that a destination took.");
    let mut lost = counter(
        "perfline_forward_items_lost",
        "Spans, points and log records that did not reach a destination and are not sent again, by reason.",
    );
    let mut requests = counter("perfline_forward_requests", "Requests that a destination answered for good.");
    let mut retries = counter("perfline_forward_retries", "Attempts that failed and were worth another.");
    let mut wire = counter("perfline_forward_wire_bytes", "Bytes of bodies that were answered for good, as sent.");
    let mut unreadable = counter("perfline_forward_unreadable_bytes", "Bytes of a damaged log that were not sent on.");
    let mut bytes = gauge("perfline_forward_queue_bytes", "Bytes of the log that wait for a destination.");
    let mut age = gauge("perfline_forward_queue_age_seconds", "Since when the oldest waits for a destination.");
    let mut failing = gauge("perfline_forward_failing", "1 where the last attempt failed and is tried again.");
    for (name, stats) in destinations {
        let now = stats.snapshot();
        let label = || vec![("destination", name.clone())];
        for (signal, count) in &now.sent {
            items.add(vec![("destination", name.clone()), ("signal", signal.as_str().to_owned())], as_f64(*count));
        }
        for ((signal, reason), count) in &now.lost {
            let labels =
                vec![("destination", name.clone()), ("signal", signal.as_str().to_owned()), ("reason", reason.clone())];
            lost.add(labels, as_f64(*count));
        }
        requests.add(label(), as_f64(now.requests));
        retries.add(label(), as_f64(now.retries));
        wire.add(label(), as_f64(now.wire_bytes));
        unreadable.add(label(), as_f64(now.unreadable_bytes));
        bytes.add(label(), as_f64(now.waiting.bytes));
        age.add(label(), as_f64(now.waiting.age_s));
        failing.add(label(), f64::from(u8::from(now.failing)));
    }
    vec![items, lost, requests, retries, wire, unreadable, bytes, age, failing]
}
