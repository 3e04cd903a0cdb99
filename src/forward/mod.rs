//! OTLP onward: what was acknowledged goes to other collectors too, to each from a durable queue of its own.
//!
//! A destination reads the segment log behind a [`Queue`](crate::store::log::Queue): nothing is written twice, order is
//! kept for each signal, and a restart goes on where it was. What is sent is what the log holds, byte for byte; only
//! requests that lie side by side are joined, and those that are too large are cut. Each destination has a thread of its
//! own, so that none slows another, nor the receiver.

mod answer;
mod backoff;
mod batch;
mod courier;
mod destination;
mod endpoint;
mod environment;
mod headers;
mod ledger;
mod link;
mod shipment;
mod stats;

pub use backoff::Backoff;
pub use courier::{Couriers, start};
pub use destination::{Destination, DestinationError, Protocol};
pub use endpoint::{Endpoint, EndpointError, Paths, Scheme};
pub use environment::{EnvironmentError, from_environment};
pub use headers::{HeaderError, Headers};
pub use stats::{DestinationStats, LossReason, StatsSnapshot};
