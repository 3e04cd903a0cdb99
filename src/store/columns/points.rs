//! Metric points as columns.

use std::fmt::Write;

use ahash::RandomState;
use duckdb::arrow::array::ArrayRef;
use duckdb::arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use super::spans::Members;
use super::table::{F64, F64List, Flag, I32, I64, Text, U8, U32, U64, U64List, table};
use super::window::{Cut, Window};
use super::{Shared, signed, some};
use crate::otlp::value::write_attributes_json;
use crate::otlp::wire::WireError;
use crate::otlp::wire::metrics::{MetricView, PointView, each_point};
use crate::otlp::wire::points::{Exemplars, Number};
use crate::store::StoreError;

table! {
    /// Rows of `point_rows`.
    PointTable {
        time_ns: I64, start_ns: I64, resource_id: U64, scope_id: U64, name: Text, unit: Text, description: Text, type_: Text,
        temporality: U8, monotonic: Flag, value: F64, value_int: I64, count: U64, sum: F64, min: F64, max: F64,
        bounds: F64List, buckets: U64List, scale: I32, zero_count: U64, zero_threshold: F64, positive_offset: I32,
        positive: U64List, negative_offset: I32, negative: U64List, quantiles: Text, flags: U32, attributes: Text,
        exemplars: Text, metadata: Text, point_key: U64,
    }
}

/// Points gathered for one load.
#[derive(Default)]
pub(super) struct PointColumns {
    table: PointTable,
    window: Window<(u64, i64), RandomState>,
    text: String,
}

/// What a point says beside its time and attributes; absent parts are null.
#[derive(Default)]
struct Reading {
    value: Option<f64>,
    value_int: Option<i64>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    bounds: Option<Vec<f64>>,
    buckets: Option<Vec<u64>>,
    scale: Option<i32>,
    zero_count: Option<u64>,
    zero_threshold: Option<f64>,
    positive: Option<(i32, Vec<u64>)>,
    negative: Option<(i32, Vec<u64>)>,
    quantiles: Option<String>,
}

impl PointColumns {
    pub(super) fn rows(&self) -> usize {
        self.window.rows()
    }

    pub(super) fn add(&mut self, body: &[u8], shared: &mut Shared<'_>) -> Result<(), WireError> {
        shared.resources.next_request();
        each_point(body, |resource, scope, metric, point| {
            let resource_id = shared.resources.resource(resource, shared.rules);
            let scope_id = shared.resources.scope(scope, shared.rules);
            self.push(metric, point, resource_id, scope_id);
            shared.touched.resource(resource_id, signed(point.time_ns()));
        })
    }

    fn push(&mut self, metric: &MetricView<'_>, point: &PointView<'_>, resource_id: u64, scope_id: u64) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        if point.attributes().next().is_some() {
            write_attributes_json(point.attributes(), &mut text);
        }
        let time_ns = signed(point.time_ns());
        let mut identity = Xxh3::new();
        identity.update(&resource_id.to_le_bytes());
        identity.update(&scope_id.to_le_bytes());
        identity.update(&point.start_ns().to_le_bytes());
        identity.update(metric.name.as_bytes());
        identity.update(&[0]);
        identity.update(text.as_bytes());
        let point_key = identity.digest();
        if self.window.insert((point_key, time_ns)) {
            let table = &mut self.table;
            table.time_ns.append_value(time_ns);
            table.start_ns.append_option(Some(signed(point.start_ns())).filter(|start| *start > 0));
            table.resource_id.append_value(resource_id);
            table.scope_id.append_value(scope_id);
            table.attributes.append_option(some(&text));
            table.point_key.append_value(point_key);
            table.flags.append_option(Some(point.flags()).filter(|flags| *flags > 0));
            self.push_metric(metric);
            self.push_reading(reading(point));
            self.push_exemplars(point.exemplars());
        }
        self.text = text;
    }

    fn push_metric(&mut self, metric: &MetricView<'_>) {
        let table = &mut self.table;
        table.name.append_value(metric.name);
        table.unit.append_option(some(metric.unit));
        table.description.append_option(some(metric.description));
        table.type_.append_value(metric.kind.map_or("unknown", |kind| kind.as_str()));
        table.temporality.append_value(metric.temporality);
        table.monotonic.append_option(Some(metric.monotonic).filter(|_| metric.temporality > 0));
        let mut metadata = String::new();
        if metric.metadata().next().is_some() {
            write_attributes_json(metric.metadata(), &mut metadata);
        }
        table.metadata.append_option(some(&metadata));
    }

    fn push_reading(&mut self, reading: Reading) {
        let table = &mut self.table;
        table.value.append_option(reading.value);
        table.value_int.append_option(reading.value_int);
        table.count.append_option(reading.count);
        table.sum.append_option(reading.sum);
        table.min.append_option(reading.min);
        table.max.append_option(reading.max);
        table.bounds.append_option(reading.bounds.map(|list| list.into_iter().map(Some)));
        table.buckets.append_option(reading.buckets.map(|list| list.into_iter().map(Some)));
        table.scale.append_option(reading.scale);
        table.zero_count.append_option(reading.zero_count);
        table.zero_threshold.append_option(reading.zero_threshold);
        for (offsets, lists, side) in [
            (&mut table.positive_offset, &mut table.positive, reading.positive),
            (&mut table.negative_offset, &mut table.negative, reading.negative),
        ] {
            offsets.append_option(side.as_ref().map(|(offset, _)| *offset));
            lists.append_option(side.map(|(_, counts)| counts.into_iter().map(Some)));
        }
        table.quantiles.append_option(reading.quantiles);
    }

    // Writing to a String cannot fail.
    fn push_exemplars(&mut self, exemplars: Exemplars<'_>) {
        let mut text = String::new();
        for exemplar in exemplars {
            text.push(if text.is_empty() { '[' } else { ',' });
            let mut member = Members::begin(&mut text);
            if exemplar.time_ns > 0 {
                let _ = write!(member.named("time_ns"), "{}", signed(exemplar.time_ns));
            }
            match exemplar.value {
                Some(Number::Int(value)) => drop(write!(member.named("value"), "{value}")),
                Some(Number::Double(value)) if value.is_finite() => drop(write!(member.named("value"), "{value:?}")),
                _ => {}
            }
            if let Some(trace_id) = exemplar.trace_id {
                let _ = write!(member.named("trace_id"), "\"{:032x}\"", u128::from_be_bytes(trace_id));
            }
            if let Some(span_id) = exemplar.span_id {
                let _ = write!(member.named("span_id"), "\"{:016x}\"", u64::from_be_bytes(span_id));
            }
            if exemplar.attributes().next().is_some() {
                write_attributes_json(exemplar.attributes(), member.named("a"));
            }
            text.push('}');
        }
        if !text.is_empty() {
            text.push(']');
        }
        self.table.exemplars.append_option(some(&text));
    }

    pub(super) fn take(&mut self, cut: Cut) -> Result<Vec<RecordBatch>, StoreError> {
        let fresh = self.table.take()?;
        self.window.take(fresh, cut).map_err(StoreError::arrow("leave out rows"))
    }
}

fn reading(point: &PointView<'_>) -> Reading {
    match point {
        PointView::Number(point) => match point.value {
            #[allow(clippy::cast_precision_loss, reason = "value_int keeps the exact integer beside it")]
            Some(Number::Int(value)) => {
                Reading { value: Some(value as f64), value_int: Some(value), ..Reading::default() }
            }
            Some(Number::Double(value)) => Reading { value: Some(value), ..Reading::default() },
            None => Reading::default(),
        },
        PointView::Histogram(point) => Reading {
            count: Some(point.count),
            sum: point.sum,
            min: point.min,
            max: point.max,
            bounds: Some(point.bounds().collect()),
            buckets: Some(point.bucket_counts().collect()),
            ..Reading::default()
        },
        PointView::Exponential(point) => Reading {
            count: Some(point.count),
            sum: point.sum,
            min: point.min,
            max: point.max,
            scale: Some(point.scale),
            zero_count: Some(point.zero_count),
            zero_threshold: Some(point.zero_threshold),
            positive: point.positive.map(|side| (side.offset, side.counts().collect())),
            negative: point.negative.map(|side| (side.offset, side.counts().collect())),
            ..Reading::default()
        },
        PointView::Summary(point) => {
            let quantiles: Vec<[f64; 2]> = point.quantiles().map(|(quantile, value)| [quantile, value]).collect();
            Reading {
                count: Some(point.count),
                sum: Some(point.sum),
                quantiles: serde_json::to_string(&quantiles).ok(),
                ..Reading::default()
            }
        }
    }
}
