//! How pipelines fare over time: health, trends, forecasts. Pure; the store's part stands behind its feature.

pub mod forecast;
pub mod health;
pub mod share;
pub mod trend;

pub use forecast::Expected;
pub use health::{Health, HealthInput, HealthPart, HealthWord, PartKind};
pub use share::wilson_interval;
pub use trend::{Pairs, Trend, TrendWord};
