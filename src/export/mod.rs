//! The way out to other systems: Prometheus and OpenMetrics text.

pub mod exposition;
#[cfg(feature = "store")]
pub mod metrics;
#[cfg(feature = "store")]
pub mod onward;
