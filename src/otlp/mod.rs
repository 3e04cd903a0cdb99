//! The way in: OTLP over gRPC and HTTP, decoding, and the conventions by which
//! spans become runs and steps.

pub mod conventions;
pub mod history;
pub mod sink;
pub mod value;
pub mod wire;
