//! The way in: OTLP over gRPC and HTTP, decoding, and the conventions by which
//! spans become runs and steps.

pub mod access;
mod answer;
pub mod budget;
mod check;
pub mod conventions;
mod cors;
pub mod door;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod grpc;
pub mod guard;
pub mod halve;
pub mod history;
pub mod http;
pub mod inflate;
pub mod json;
mod linger;
mod reason;
pub mod receive;
mod refusal;
mod schema;
pub mod serve;
pub mod sink;
pub mod stats;
pub mod value;
pub mod veil;
pub mod wire;

#[cfg(feature = "store")]
pub(crate) use refusal::come_again;
