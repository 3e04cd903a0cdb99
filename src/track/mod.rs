//! How pipelines fare over time: health and trends. Pure; the store's part stands behind its feature.

pub mod health;
pub mod share;
pub mod trend;

pub use health::{Health, HealthInput, HealthPart, HealthWord, PartKind};
pub use share::wilson_interval;
pub use trend::{Trend, TrendWord};
