//! What a courier has dealt with: what was taken, what was given up, and how much still waits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Loss, Parcel, gather};
use super::destination::Destination;
use super::stats::{DestinationStats, LossReason};
use crate::model::Signal;
use crate::store::log::{Found, LogError, Position, Queue};

/// How often it is synced up to where the queue has got: after a kill, what was sent since is sent again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often a loss is told in the log at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The queue of one destination, and the counts.
pub(super) struct Ledger {
    pub(super) queue: Queue,
    pub(super) stats: Arc<DestinationStats>,
    /// Entries behind the queue's place that were dealt with.
    done: BTreeSet<Position>,
    saved: Instant,
    told: Option<Instant>,
    untold: u64,
    failing_file: bool,
}

impl Ledger {
    pub(super) fn new(queue: Queue, stats: Arc<DestinationStats>) -> Self {
        let saved = Instant::now();
        Self { queue, stats, done: BTreeSet::new(), saved, told: None, untold: 0, failing_file: false }
    }

    /// The next batch, read from where the queue stands; what is not sent is counted.
    pub(super) fn next(&mut self, destination: &Destination) -> Result<Batch, LogError> {
        self.queue.rewind();
        let batch = gather(&mut self.queue, destination, &self.done)?;
        for skipped in &batch.skipped {
            self.done.insert(skipped.end);
            match &skipped.loss {
                Loss::Items { signal, reason, items } => self.lose(destination, *signal, *reason, *items, ""),
                Loss::Bytes { segment, bytes } => {
                    self.stats.unreadable(*bytes);
                    let name = destination.name.as_str();
                    tracing::error!(destination = name, %segment, bytes, "the log is damaged: what stood there is not sent");
                }
            }
        }
        Ok(batch)
    }

    /// A parcel is dealt with: none of its entries is sent again.
    pub(super) fn finish(&mut self, parcel: &Parcel) {
        let ends = parcel.parts.iter().map(|part| part.end);
        if parcel.ends {
            self.done.extend(ends);
        }
    }

    /// Everything before a place is dealt with.
    pub(super) fn pass(&mut self, end: Position) {
        self.queue.pass(end);
        self.done.clear();
    }

    /// Counts items that will not reach the destination, and says so.
    pub(super) fn lose(
        &mut self,
        destination: &Destination,
        signal: Signal,
        reason: LossReason,
        items: u64,
        why: &str,
    ) {
        self.stats.lost(signal, reason, items);
        self.untold += items;
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        tracing::error!(
            destination = destination.name.as_str(),
            signal = signal.as_str(),
            reason = reason.label(),
            items = std::mem::take(&mut self.untold),
            why,
            "items did not reach this destination, and are not sent again"
        );
    }

    /// Gives up the oldest where more waits than may. True where it did.
    pub(super) fn shrink(&mut self, destination: &Destination) -> Result<bool, LogError> {
        let waiting = self.look()?;
        if waiting <= destination.queue_bytes_max {
            return Ok(false);
        }
        // A little more than needed: not every request gives up the next.
        let mut excess = waiting - destination.queue_bytes_max / 10 * 9;
        self.queue.rewind();
        while excess > 0 {
            let Some(found) = self.queue.peek()? else { break };
            let end = found.end();
            match found {
                Found::Entry(next) => {
                    if destination.signals.contains(&next.signal) && !self.done.contains(&end) {
                        let items = u64::from(next.items);
                        self.lose(destination, next.signal, LossReason::QueueFull, items, "raise queue_bytes_max");
                    }
                    excess = excess.saturating_sub(next.log_bytes());
                }
                Found::Unreadable { bytes, .. } => excess = excess.saturating_sub(bytes.unwrap_or(0)),
            }
            self.queue.pass(end);
        }
        let passed = self.queue.passed();
        self.done.retain(|end| *end > passed);
        self.save();
        self.look()?;
        Ok(true)
    }

    /// How many bytes wait; tells `/metrics`, too.
    pub(super) fn look(&mut self) -> Result<u64, LogError> {
        let waiting = self.queue.waiting()?;
        self.stats.waits(waiting);
        Ok(waiting.bytes)
    }

    /// Keeps the place, now and then.
    pub(super) fn save_at_times(&mut self) {
        if self.saved.elapsed() >= SAVE_EVERY {
            self.save();
        }
    }

    /// Keeps the place. Where that fails it stays where it was: then more is sent again after a restart.
    pub(super) fn save(&mut self) {
        self.saved = Instant::now();
        let saved = self.queue.save();
        if let Err(error) = &saved
            && !self.failing_file
        {
            let cause = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            tracing::error!(%error, cause, "the place of a queue cannot be kept; after a restart more is sent again");
        }
        self.failing_file = saved.is_err();
    }
}
