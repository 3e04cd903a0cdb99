//! What the servers need of a store: one way to hand over a request for good.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::model::Signal;

/// A request whose every remaining item may be stored.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Kind of telemetry.
    pub signal: Signal,
    /// The export request as protobuf, inflated, without the items that were refused.
    pub body: Bytes,
    /// Spans, points or log records in it.
    pub items: u32,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The buffers are full; the client should come again.
    #[error("buffers are full, try again in {} ms", .retry_after.as_millis())]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// The disk refused the write; the client should come again.
    #[error("the store cannot be written: {0}")]
    Unwritable(String),
    /// This request can never be stored as the store is set up; to come again would change nothing.
    #[error("this request cannot be stored: {0}")]
    Unfit(String),
    /// The collector is shutting down.
    #[error("the collector is shutting down")]
    Closed,
}

/// Takes requests; `Ok` means synced to disk.
pub trait Sink: Clone + Send + Sync + 'static {
    /// Stores one request durably. Cancel-safe: a dropped future may still store.
    fn submit(&self, request: Accepted) -> impl Future<Output = Result<(), SubmitError>> + Send;
}
