//! The four shapes of a metric's point, and exemplars.

use super::WireError;
use super::common::{Attributes, optional_span_id, optional_trace_id};
use super::cursor::{Cursor, Fixed64s, Repeated, Varints, zigzag32};

/// A number as it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A 64-bit integer.
    Int(i64),
    /// A double; may be NaN or infinite.
    Double(f64),
}

/// A point of a gauge or a sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberPoint<'a> {
    /// The encoded `NumberDataPoint` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch; 0 where unset.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// `None` where no value was sent.
    pub value: Option<Number>,
    /// OTLP `DataPointFlags`.
    pub flags: u32,
}

impl<'a> NumberPoint<'a> {
    /// Reads one encoded point.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => point.start_ns = field.fixed64()?,
                3 => point.time_ns = field.fixed64()?,
                4 => point.value = Some(Number::Double(field.double()?)),
                6 => point.value = Some(Number::Int(field.fixed64()?.cast_signed())),
                8 => point.flags = field.uint32()?,
                _ => {}
            }
        }
        Ok(point)
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 7)
    }

    /// The point's exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Exemplars<'a> {
        Exemplars(Repeated::new(self.raw, 5))
    }
}

/// A point of a histogram with explicit bounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistogramPoint<'a> {
    /// The encoded `HistogramDataPoint` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch; 0 where unset.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Values counted.
    pub count: u64,
    /// Their sum; absent where values may be negative.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// OTLP `DataPointFlags`.
    pub flags: u32,
}

impl<'a> HistogramPoint<'a> {
    /// Reads one encoded point.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => point.start_ns = field.fixed64()?,
                3 => point.time_ns = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                10 => point.flags = field.uint32()?,
                11 => point.min = Some(field.double()?),
                12 => point.max = Some(field.double()?),
                _ => {}
            }
        }
        Ok(point)
    }

    /// How many values fell into each bucket; one more than there are bounds, or none.
    #[must_use]
    pub fn bucket_counts(&self) -> Fixed64s<'a> {
        Fixed64s::new(self.raw, 6)
    }

    /// The upper bounds, inclusive, rising.
    pub fn bounds(&self) -> impl Iterator<Item = f64> + Clone + use<'a> {
        Fixed64s::new(self.raw, 7).map(f64::from_bits)
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 9)
    }

    /// The point's exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Exemplars<'a> {
        Exemplars(Repeated::new(self.raw, 8))
    }
}

/// Buckets of one sign of an exponential histogram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buckets<'a> {
    /// The index of the first bucket.
    pub offset: i32,
    raw: &'a [u8],
}

impl<'a> Buckets<'a> {
    fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut buckets = Self { offset: 0, raw };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            if number == 1 {
                buckets.offset = zigzag32(field.varint()?);
            }
        }
        Ok(buckets)
    }

    /// How many values fell into each bucket, from `offset` on.
    #[must_use]
    pub fn counts(&self) -> Varints<'a> {
        Varints::new(self.raw, 2)
    }
}

/// A point of an exponential histogram.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExponentialPoint<'a> {
    /// The encoded `ExponentialHistogramDataPoint` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch; 0 where unset.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Values counted.
    pub count: u64,
    /// Their sum; absent where values may be negative.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The base is 2 to the power of 2 to the power of minus this.
    pub scale: i32,
    /// Values within `zero_threshold` of zero.
    pub zero_count: u64,
    /// The width of the zero bucket.
    pub zero_threshold: f64,
    /// Buckets of positive values.
    pub positive: Option<Buckets<'a>>,
    /// Buckets of negative values.
    pub negative: Option<Buckets<'a>>,
    /// OTLP `DataPointFlags`.
    pub flags: u32,
}

impl<'a> ExponentialPoint<'a> {
    /// Reads one encoded point.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => point.start_ns = field.fixed64()?,
                3 => point.time_ns = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                6 => point.scale = zigzag32(field.varint()?),
                7 => point.zero_count = field.fixed64()?,
                8 => point.positive = Some(Buckets::parse(field.bytes()?)?),
                9 => point.negative = Some(Buckets::parse(field.bytes()?)?),
                10 => point.flags = field.uint32()?,
                12 => point.min = Some(field.double()?),
                13 => point.max = Some(field.double()?),
                14 => point.zero_threshold = field.double()?,
                _ => {}
            }
        }
        Ok(point)
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 1)
    }

    /// The point's exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Exemplars<'a> {
        Exemplars(Repeated::new(self.raw, 11))
    }
}

/// A point of a summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct SummaryPoint<'a> {
    /// The encoded `SummaryDataPoint` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch; 0 where unset.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Values counted.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// OTLP `DataPointFlags`.
    pub flags: u32,
}

impl<'a> SummaryPoint<'a> {
    /// Reads one encoded point.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => point.start_ns = field.fixed64()?,
                3 => point.time_ns = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = field.double()?,
                8 => point.flags = field.uint32()?,
                _ => {}
            }
        }
        Ok(point)
    }

    /// Quantile (0 to 1) and value, as the emitter computed them.
    pub fn quantiles(&self) -> impl Iterator<Item = (f64, f64)> + Clone + use<'a> {
        Repeated::new(self.raw, 6).map_while(|raw| quantile(raw).ok())
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 7)
    }
}

fn quantile(raw: &[u8]) -> Result<(f64, f64), WireError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut cursor = Cursor::new(raw);
    while let Some((number, field)) = cursor.field()? {
        match number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    Ok((quantile, value))
}

/// The exemplars of a point; ends at the first malformed one.
#[derive(Clone, Copy, Debug)]
pub struct Exemplars<'a>(Repeated<'a>);

impl Exemplars<'_> {
    pub(super) fn none() -> Self {
        Self(Repeated::new(&[], 1))
    }
}

impl<'a> Iterator for Exemplars<'a> {
    type Item = Exemplar<'a>;

    fn next(&mut self) -> Option<Exemplar<'a>> {
        Exemplar::parse(self.0.next()?).ok()
    }
}

/// One measurement that went into a point, with the span it was made in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exemplar<'a> {
    /// The encoded `Exemplar` message.
    pub raw: &'a [u8],
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// `None` where no value was sent.
    pub value: Option<Number>,
    /// `None` where empty or all zero.
    pub trace_id: Option<[u8; 16]>,
    /// `None` where empty or all zero.
    pub span_id: Option<[u8; 8]>,
}

impl<'a> Exemplar<'a> {
    /// Reads one encoded exemplar.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut exemplar = Self { raw, ..Self::default() };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => exemplar.time_ns = field.fixed64()?,
                3 => exemplar.value = Some(Number::Double(field.double()?)),
                4 => exemplar.span_id = optional_span_id(field.bytes()?)?,
                5 => exemplar.trace_id = optional_trace_id(field.bytes()?)?,
                6 => exemplar.value = Some(Number::Int(field.fixed64()?.cast_signed())),
                _ => {}
            }
        }
        Ok(exemplar)
    }

    /// The attributes that aggregation dropped.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 7)
    }
}
