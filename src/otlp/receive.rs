//! From a body on the wire to an admission that the sink has stored: the part that both transports share.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio_stream::{Stream, StreamExt as _};

use super::access::{Access, Need};
use super::budget::{Budget, Lease};
use super::door::{self, Admission, DoorError, Encoding, Limits};
use super::inflate::{Compression, inflate};
use super::refusal::Refusal;
use super::sink::Sink;
use super::stats::Stats;
use crate::model::Signal;
use crate::model::live::Live;

/// Bodies above this size, and compressed ones, are decoded off the network threads. Below it the hand-over
/// costs more than the decoding, which takes some ten microseconds.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// By how much a JSON document grows as protobuf at most: `0,` is a double of eight bytes.
const JSON_GROWTH_MAX: usize = 4;

/// What may be changed while the door is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorSettings {
    /// What a request may be at most.
    pub limits: Limits,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Origins from which browsers may send; empty: none, and no CORS header is sent. `*` is any.
    pub cors_origins: Vec<String>,
}

impl Default for DoorSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), body_timeout: Duration::from_secs(30), cors_origins: Vec::new() }
    }
}

/// What the servers share.
#[derive(Clone)]
pub struct DoorState<S> {
    /// Where admitted requests go.
    pub sink: S,
    /// What may be changed while the door is open.
    pub settings: Live<DoorSettings>,
    /// Memory for the bodies of all requests under way.
    pub budget: Budget,
    /// Signals that are taken; the others are answered with UNIMPLEMENTED or 404.
    pub signals: Vec<Signal>,
    /// Who may send.
    pub access: Access,
    /// What is counted.
    pub stats: Arc<Stats>,
}

impl<S: Sink> DoorState<S> {
    /// A door before a sink: 256 MiB for bodies, the default settings, every signal, no tokens.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            settings: Live::new(DoorSettings::default()),
            budget: Budget::new(256 << 20),
            signals: Signal::ALL.to_vec(),
            access: Access::open(),
            stats: Arc::default(),
        }
    }

    /// The same door before another sink.
    #[must_use]
    pub fn before<T: Sink>(self, sink: T) -> DoorState<T> {
        let Self { sink: _, settings, budget, signals, access, stats } = self;
        DoorState { sink, settings, budget, signals, access, stats }
    }

    /// Whether the value of an `authorization` header may send.
    pub(super) fn authorized(&self, header: Option<&str>) -> Result<(), Refusal> {
        self.access.check(header, Need::Write).map_err(|denial| {
            self.stats.denied(denial);
            denial.into()
        })
    }

    pub(super) fn enabled(&self, signal: Signal) -> Result<(), Refusal> {
        if self.signals.contains(&signal) { Ok(()) } else { Err(Refusal::Disabled) }
    }

    /// Inflates, checks and stores one body; returns once it is stored.
    pub(super) async fn take(
        &self,
        signal: Signal,
        encoding: Encoding,
        compression: Compression,
        body: Bytes,
        lease: Lease,
    ) -> Result<Admission, Refusal> {
        let inline = compression == Compression::Identity && body.len() <= INLINE_BYTES_MAX;
        let limits = self.settings.get().limits;
        let work = move || decode(signal, encoding, compression, body, &limits, lease);
        // The lease lives until the sink has stored: it holds the memory of the admitted body.
        let (admission, _lease) = if inline {
            work()?
        } else {
            tokio::task::spawn_blocking(work).await.map_err(|_panicked| Refusal::Internal)??
        };
        if let Some(accepted) = &admission.accepted {
            self.sink.submit(accepted.clone()).await?;
        }
        self.stats.items(signal, &admission);
        Ok(admission)
    }
}

fn decode(
    signal: Signal,
    encoding: Encoding,
    compression: Compression,
    body: Bytes,
    limits: &Limits,
    mut lease: Lease,
) -> Result<(Admission, Lease), Refusal> {
    let body = inflate(compression, body, limits.body_bytes_max, &mut |bytes| lease.reserve(bytes))?;
    if encoding == Encoding::Protobuf {
        return Ok((door::admit(signal, encoding, body, limits)?, lease));
    }
    // JSON becomes protobuf beside it, nearly always of less than its own size.
    if !lease.reserve(body.len() * 2) {
        return Err(Refusal::Busy);
    }
    let own_size = body.len().min(limits.body_bytes_max);
    let admission = match door::admit_within(signal, encoding, body.clone(), limits, own_size) {
        // Short numbers grow, to four times as much: with twice the room while the buffer is made longer.
        Err(DoorError::TooLarge { .. }) if own_size < limits.body_bytes_max => {
            let grown = body.len().saturating_mul(JSON_GROWTH_MAX).min(limits.body_bytes_max);
            if !lease.reserve(body.len() + 2 * grown) {
                return Err(Refusal::Busy);
            }
            door::admit(signal, encoding, body, limits)
        }
        other => other,
    };
    Ok((admission?, lease))
}

/// A body as it arrives, within a limit and the budget.
pub(super) struct Incoming {
    pub(super) lease: Lease,
    first: Bytes,
    rest: BytesMut,
    /// Bytes that arrived.
    pub(super) length: usize,
    limit: usize,
}

impl Incoming {
    pub(super) fn new(lease: Lease, limit: usize) -> Self {
        Self { lease, first: Bytes::new(), rest: BytesMut::new(), length: 0, limit }
    }

    fn push(&mut self, chunk: Bytes) -> Result<(), Refusal> {
        self.length += chunk.len();
        if self.length > self.limit {
            return Err(DoorError::TooLarge { limit: self.limit }.into());
        }
        if !self.lease.reserve(self.length) {
            return Err(Refusal::Busy);
        }
        // A body that comes in one piece is never copied.
        if self.rest.is_empty() && self.first.is_empty() {
            self.first = chunk;
            return Ok(());
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&chunk);
        Ok(())
    }

    /// Bytes that are there so far.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.rest.is_empty() { &self.first } else { &self.rest }
    }

    /// The whole body.
    pub(super) fn finish(self) -> (Bytes, Lease) {
        (if self.rest.is_empty() { self.first } else { self.rest.freeze() }, self.lease)
    }

    /// Collects a stream until it ends; `check` looks at what is there after every piece.
    pub(super) async fn collect<E>(
        &mut self,
        stream: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
        timeout: Duration,
        check: impl Fn(&[u8]) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let all = async {
            while let Some(chunk) = stream.next().await {
                self.push(chunk.map_err(|_broken| Refusal::BrokenBody)?)?;
                check(self.bytes())?;
            }
            Ok(())
        };
        tokio::time::timeout(timeout, all).await.map_err(|_elapsed| Refusal::Timeout(timeout))?
    }
}
