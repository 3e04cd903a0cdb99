//! The numbered points of the OTLP server checklist (opentelemetry-proto specification), one test or more for each,
//! over real loopback sockets and with a sink in memory. Points 1 to 15 are gRPC, 16 to 29 HTTP, 30 to 36 JSON,
//! 37 to 41 the data itself, 42 to 46 the forwarder (46, the variables, stands beside the code in `src/forward`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod access;
mod client;
mod data;
mod forward;
mod grpc;
mod harness;
mod http;
mod json;
mod pressure;
mod queues;
mod unfriendly;
