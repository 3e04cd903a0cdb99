//! The way out to other systems: Prometheus and OpenMetrics text, and our own metrics as OTLP.

pub mod exposition;
#[cfg(feature = "store")]
pub mod metrics;
#[cfg(feature = "store")]
pub mod onward;
pub mod own;
#[cfg(feature = "store")]
pub mod service;
