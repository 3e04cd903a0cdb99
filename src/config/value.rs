//! Values with units: sizes and times.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::model::unit::{parse_bytes, parse_duration};

/// A size: `"64MiB"`, `"10GB"`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// As what memory is counted in.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A time: `"1500ms"`, `"60s"`. A bare number is refused: it does not say its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sizes)
    }
}

struct Sizes;

impl Visitor<'_> for Sizes {
    type Value = ByteSize;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a size such as \"64MiB\", or a number of bytes")
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_e| E::custom(format!("`{bytes}` is no size: it is negative")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        parse_bytes(text).map(ByteSize).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Periods)
    }
}

struct Periods;

impl Visitor<'_> for Periods {
    type Value = Period;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a time with its unit, such as \"1500ms\" or \"60s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        parse_duration(text).map(Period).map_err(E::custom)
    }
}
