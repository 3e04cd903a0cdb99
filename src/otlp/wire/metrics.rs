//! Metrics and their points, borrowed from an `ExportMetricsServiceRequest`.

use super::WireError;
use super::common::{Attributes, Resource, Scope, each_block, each_item, enum8};
use super::cursor::{Cursor, Repeated};
use super::points::{ExponentialPoint, HistogramPoint, NumberPoint, SummaryPoint};

/// The five kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that stands for itself.
    Gauge,
    /// A value that adds up.
    Sum,
    /// Buckets with explicit bounds.
    Histogram,
    /// Buckets whose bounds grow by a constant factor.
    ExponentialHistogram,
    /// Quantiles computed by the emitter.
    Summary,
}

impl MetricKind {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::Summary => "summary",
        }
    }

    /// The kind whose data lies in this field of `Metric`.
    #[must_use]
    pub fn of_field(number: u32) -> Option<Self> {
        match number {
            5 => Some(Self::Gauge),
            7 => Some(Self::Sum),
            9 => Some(Self::Histogram),
            10 => Some(Self::ExponentialHistogram),
            11 => Some(Self::Summary),
            _ => None,
        }
    }
}

/// One metric: what its points have in common.
#[derive(Clone, Copy, Debug)]
pub struct MetricView<'a> {
    /// The encoded `Metric` message, its points included.
    pub raw: &'a [u8],
    /// Metric name; may be empty.
    pub name: &'a str,
    /// Free text.
    pub description: &'a str,
    /// UCUM unit; may be empty.
    pub unit: &'a str,
    /// Which of the five; `None` where the metric carries no data.
    pub kind: Option<MetricKind>,
    /// OTLP `AggregationTemporality`: 0 unspecified (also for gauges and summaries), 1 delta, 2 cumulative.
    pub temporality: u8,
    /// Whether a sum only grows.
    pub monotonic: bool,
    data: &'a [u8],
}

impl<'a> MetricView<'a> {
    /// Reads one encoded `Metric`; its points are left alone.
    pub fn parse(raw: &'a [u8]) -> Result<Self, WireError> {
        let mut metric =
            Self { raw, name: "", description: "", unit: "", kind: None, temporality: 0, monotonic: false, data: &[] };
        let mut cursor = Cursor::new(raw);
        while let Some((number, field)) = cursor.field()? {
            match number {
                1 => metric.name = field.text()?,
                2 => metric.description = field.text()?,
                3 => metric.unit = field.text()?,
                _ => {
                    if let Some(kind) = MetricKind::of_field(number) {
                        metric.kind = Some(kind);
                        metric.data = field.bytes()?;
                    }
                }
            }
        }
        metric.read_data()?;
        Ok(metric)
    }

    /// Temporality and monotony follow the points on the wire.
    fn read_data(&mut self) -> Result<(), WireError> {
        if matches!(self.kind, None | Some(MetricKind::Gauge | MetricKind::Summary)) {
            return Ok(());
        }
        let mut cursor = Cursor::new(self.data);
        while let Some((number, field)) = cursor.field()? {
            match number {
                2 => self.temporality = enum8(field)?,
                3 if self.kind == Some(MetricKind::Sum) => self.monotonic = field.varint()? != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// The metric's metadata (not part of a series' identity).
    #[must_use]
    pub fn metadata(&self) -> Attributes<'a> {
        Attributes::new(self.raw, 12)
    }

    fn each_point(&self, mut visit: impl FnMut(&PointView<'a>)) -> Result<(), WireError> {
        let Some(kind) = self.kind else { return Ok(()) };
        for raw in Repeated::new(self.data, 1) {
            visit(&match kind {
                MetricKind::Gauge | MetricKind::Sum => PointView::Number(NumberPoint::parse(raw)?),
                MetricKind::Histogram => PointView::Histogram(HistogramPoint::parse(raw)?),
                MetricKind::ExponentialHistogram => PointView::Exponential(ExponentialPoint::parse(raw)?),
                MetricKind::Summary => PointView::Summary(SummaryPoint::parse(raw)?),
            });
        }
        Ok(())
    }
}

/// One point of any kind.
#[derive(Clone, Copy, Debug)]
pub enum PointView<'a> {
    /// Of a gauge or a sum.
    Number(NumberPoint<'a>),
    /// Of a histogram.
    Histogram(HistogramPoint<'a>),
    /// Of an exponential histogram.
    Exponential(ExponentialPoint<'a>),
    /// Of a summary.
    Summary(SummaryPoint<'a>),
}

impl<'a> PointView<'a> {
    /// The encoded point.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        match self {
            Self::Number(point) => point.raw,
            Self::Histogram(point) => point.raw,
            Self::Exponential(point) => point.raw,
            Self::Summary(point) => point.raw,
        }
    }

    /// Nanoseconds since the Unix epoch; 0 where unset.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        match self {
            Self::Number(point) => point.time_ns,
            Self::Histogram(point) => point.time_ns,
            Self::Exponential(point) => point.time_ns,
            Self::Summary(point) => point.time_ns,
        }
    }

    /// Where the accumulation began, nanoseconds since the Unix epoch; 0 where unset.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        match self {
            Self::Number(point) => point.start_ns,
            Self::Histogram(point) => point.start_ns,
            Self::Exponential(point) => point.start_ns,
            Self::Summary(point) => point.start_ns,
        }
    }

    /// OTLP `DataPointFlags`: bit 0 says that no value was recorded.
    #[must_use]
    pub fn flags(&self) -> u32 {
        match self {
            Self::Number(point) => point.flags,
            Self::Histogram(point) => point.flags,
            Self::Exponential(point) => point.flags,
            Self::Summary(point) => point.flags,
        }
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        match self {
            Self::Number(point) => point.attributes(),
            Self::Histogram(point) => point.attributes(),
            Self::Exponential(point) => point.attributes(),
            Self::Summary(point) => point.attributes(),
        }
    }

    /// The point's exemplars; a summary has none.
    #[must_use]
    pub fn exemplars(&self) -> super::points::Exemplars<'a> {
        match self {
            Self::Number(point) => point.exemplars(),
            Self::Histogram(point) => point.exemplars(),
            Self::Exponential(point) => point.exemplars(),
            Self::Summary(_) => super::points::Exemplars::none(),
        }
    }
}

/// Calls `visit` with every point, in the order of the wire; a metric without points is not visited.
/// Points of one metric follow one another, and `metric.raw` keeps its address between them.
pub fn each_point<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(&Resource<'a>, &Scope<'a>, &MetricView<'a>, &PointView<'a>),
) -> Result<(), WireError> {
    each_block(body, |block| {
        for scope_metrics in block.scopes {
            each_item(scope_metrics, |scope, raw| {
                let metric = MetricView::parse(raw)?;
                metric.each_point(|point| visit(&block.resource, scope, &metric, point))
            })?;
        }
        Ok(())
    })
}
