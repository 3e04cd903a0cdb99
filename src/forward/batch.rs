//! What is taken from a queue at a time: neighbours of one signal joined into one request, what is too long cut.
//!
//! A request is a list of blocks, so two of them written one behind the other are one request with the blocks of both.
//! Requests of logs stay as they came: a record has no identity of its own but its place among its like in one request,
//! by which a receiver (ours does) tells a record that was sent twice from two that say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::destination::Destination;
use super::stats::LossReason;
use crate::model::Signal;
use crate::otlp::halve::{count_items, halve};
use crate::store::log::{Found, LogError, Next, Position, Queue};

/// Requests are joined up to this many bytes; a longer one goes alone.
const JOINED_BYTES_MAX: usize = 1024 * 1024;
/// Entries of one batch, wanted or not.
const ENTRIES_MAX: usize = 4096;

/// One entry of the log, and how long its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) end: Position,
    pub(super) length: usize,
    pub(super) items: u64,
}

/// One request for a destination.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) signal: Signal,
    pub(super) body: Bytes,
    /// The entries that it holds, one behind the other; one only where it is a piece of an entry.
    pub(super) parts: Vec<Part>,
    /// Whether its last entry ends with it, and need not be sent again.
    pub(super) ends: bool,
}

/// Something that will not be sent, up to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) end: Position,
    pub(super) loss: Loss,
}

/// What is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Items {
        signal: Signal,
        reason: LossReason,
        items: u64,
    },
    /// Damage to the log, of which nobody knows what it held.
    Bytes {
        segment: String,
        bytes: u64,
    },
}

/// What is to be sent before the queue has passed a place.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) parcels: Vec<Parcel>,
    pub(super) skipped: Vec<Skipped>,
    /// `None` where nothing waits.
    pub(super) end: Option<Position>,
    /// After which the oldest is too old.
    pub(super) fresh_for: Duration,
}

/// Bodies of one signal that are being joined.
#[derive(Default)]
struct Joined {
    bytes: BytesMut,
    parts: Vec<Part>,
}

/// Takes what waits; `done` are entries that were dealt with already.
pub(super) fn gather(
    queue: &mut Queue,
    destination: &Destination,
    done: &BTreeSet<Position>,
) -> Result<Batch, LogError> {
    let mut batch = Batch { fresh_for: destination.age_max, ..Batch::default() };
    let mut joined: BTreeMap<Signal, Vec<Joined>> = BTreeMap::new();
    let mut bytes = 0;
    for _ in 0..ENTRIES_MAX {
        let Some(found) = queue.peek()? else { break };
        let end = found.end();
        if !done.contains(&end) {
            match found {
                Found::Unreadable { path, bytes, .. } => {
                    let loss = Loss::Bytes { segment: path.display().to_string(), bytes: bytes.unwrap_or(0) };
                    batch.skipped.push(Skipped { end, loss });
                }
                Found::Entry(next) if destination.signals.contains(&next.signal) => {
                    if bytes > 0 && bytes + next.length > JOINED_BYTES_MAX {
                        break;
                    }
                    match fresh_body(queue, &next, age_max_s(destination))? {
                        Err(reason) => {
                            let loss = Loss::Items { signal: next.signal, reason, items: u64::from(next.items) };
                            batch.skipped.push(Skipped { end, loss });
                        }
                        Ok(body) => {
                            bytes += body.len();
                            let left = Duration::from_secs(age_max_s(destination).saturating_sub(next.age_s));
                            batch.fresh_for = batch.fresh_for.min(left);
                            let group = joined.entry(next.signal).or_default();
                            if group.is_empty() || next.signal == Signal::Logs {
                                group.push(Joined::default());
                            }
                            if let Some(last) = group.last_mut() {
                                last.push(&next, &body);
                            }
                        }
                    }
                }
                Found::Entry(_) => {}
            }
        }
        queue.step(end);
        batch.end = Some(end);
    }
    for (signal, joined) in
        joined.into_iter().flat_map(|(signal, group)| group.into_iter().map(move |one| (signal, one)))
    {
        let parcel = Parcel { signal, body: joined.bytes.freeze(), parts: joined.parts, ends: true };
        parcel.cut(destination.request_bytes_max, &mut batch.parcels);
    }
    Ok(batch)
}

/// In whole seconds, as the log knows ages: what `fresh_for` says is too old is found to be so.
fn age_max_s(destination: &Destination) -> u64 {
    destination.age_max.as_secs().max(1)
}

/// The body of an entry, or why it is not sent.
fn fresh_body(queue: &mut Queue, next: &Next, age_max_s: u64) -> Result<Result<Bytes, LossReason>, LogError> {
    if next.age_s >= age_max_s {
        return Ok(Err(LossReason::TooOld));
    }
    Ok(queue.body(next)?.ok_or(LossReason::Unreadable))
}

impl Joined {
    fn push(&mut self, next: &Next, body: &Bytes) {
        self.parts.push(Part { end: next.end, length: body.len(), items: u64::from(next.items) });
        self.bytes.extend_from_slice(body);
    }
}

impl Parcel {
    pub(super) fn items(&self) -> u64 {
        self.parts.iter().map(|part| part.items).sum()
    }

    /// Two parcels for one: between entries where there are several, else inside the one. `None` where one item is left.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        if let [part] = self.parts.as_slice() {
            let [first, second] = halve(self.signal, &self.body)?;
            let piece = |body: Bytes, ends| {
                let part = Part { end: part.end, length: body.len(), items: count_items(self.signal, &body) };
                Self { signal: self.signal, body, parts: vec![part], ends }
            };
            return Some([piece(first, false), piece(second, self.ends)]);
        }
        let middle = self.parts.len() / 2;
        let (first, second) = self.parts.split_at(middle);
        let at = first.iter().map(|part| part.length).sum::<usize>();
        let half = |body: Bytes, parts: &[Part], ends| Self { signal: self.signal, body, parts: parts.to_vec(), ends };
        Some([half(self.body.slice(..at), first, true), half(self.body.slice(at..), second, self.ends)])
    }

    /// Halves it until each piece is short enough, or holds one item only.
    fn cut(self, bytes_max: usize, out: &mut Vec<Self>) {
        let halves = if self.body.len() > bytes_max { self.halves() } else { None };
        match halves {
            None => out.push(self),
            Some(halves) => halves.into_iter().for_each(|half| half.cut(bytes_max, out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;

    use super::*;

    fn logs(count: u64) -> Bytes {
        let record = |at| LogRecord { time_unix_nano: at + 1, ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: (0..count).map(record).collect(), ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
    }

    fn parcel(counts: &[u64]) -> Parcel {
        let mut joined = Joined::default();
        for (index, count) in counts.iter().enumerate() {
            let body = logs(*count);
            let end = Position { segment: 1, offset: index as u64 };
            joined.parts.push(Part { end, length: body.len(), items: *count });
            joined.bytes.extend_from_slice(&body);
        }
        Parcel { signal: Signal::Logs, body: joined.bytes.freeze(), parts: joined.parts, ends: true }
    }

    #[test]
    fn joined_requests_are_one_request_with_the_items_of_all() {
        let joined = parcel(&[2, 3]);
        let request = ExportLogsServiceRequest::decode(joined.body.clone()).unwrap();
        let records: usize = request.resource_logs.iter().map(|block| block.scope_logs[0].log_records.len()).sum();
        assert_eq!((records, joined.items()), (5, 5));
    }

    #[test]
    fn a_parcel_is_cut_between_its_entries_then_inside_them_and_only_the_last_piece_ends_an_entry() {
        let mut pieces = Vec::new();
        parcel(&[2, 3]).cut(30, &mut pieces);
        assert!(pieces.iter().all(|piece| count_items(Signal::Logs, &piece.body) == piece.items()));
        assert_eq!(pieces.iter().map(Parcel::items).sum::<u64>(), 5);
        let ends: Vec<(u64, bool)> = pieces.iter().map(|piece| (piece.parts[0].end.offset, piece.ends)).collect();
        assert_eq!(ends.iter().filter(|(offset, ends)| *offset == 0 && *ends).count(), 1);
        assert_eq!(ends.last(), Some(&(1, true)));
        let mut whole = Vec::new();
        parcel(&[2, 3]).cut(1 << 20, &mut whole);
        assert_eq!(whole.len(), 1);
    }
}
