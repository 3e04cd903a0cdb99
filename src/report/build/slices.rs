//! Rows of runs by context, period and model, and of steps, as the bundle tells them.

use serde::Deserialize;

use crate::detect::stats::robust::IQR_TO_SIGMA;
use crate::model::SeriesContext;
use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::report::Estimate;
use crate::report::profile::Outcomes;
use crate::report::slices::{Slice, StepSlice};

use super::rows::Owner;

/// `track/slices.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct SliceRow {
    pipeline: String,
    service: Option<String>,
    branch: Option<String>,
    environment: Option<String>,
    host_class: Option<String>,
    period_ns: Option<UnixNanos>,
    #[serde(flatten)]
    outcomes: Outcomes,
    #[serde(flatten)]
    slice: Slice,
}

impl SliceRow {
    pub(super) fn owner(&self) -> Owner {
        Owner { pipeline: self.pipeline.clone(), service: self.service.clone() }
    }

    /// The slice without its pipeline.
    pub(super) fn told(self) -> Slice {
        let Self { service, branch, environment, host_class, outcomes: o, slice, .. } = self;
        let context = SeriesContext { service, branch, environment, host_class };
        Slice {
            context: (slice.slice != "model").then_some(context),
            from: self.period_ns.map(format_time),
            success_rate: Estimate::of_share(o.success, o.success + o.failure + o.timed_out),
            spread: spread(slice.p25_s, slice.p50_s, slice.p75_s),
            outcomes: o,
            ..slice
        }
    }
}

/// `track/step_slices.sql`.
#[derive(Debug, Deserialize)]
pub(super) struct StepSliceRow {
    pipeline: String,
    service: Option<String>,
    branch: Option<String>,
    environment: Option<String>,
    host_class: Option<String>,
    period_ns: Option<UnixNanos>,
    succeeded: u64,
    failed: u64,
    p25_s: Option<f64>,
    p75_s: Option<f64>,
    #[serde(flatten)]
    slice: StepSlice,
}

impl StepSliceRow {
    pub(super) fn owner(&self) -> Owner {
        Owner { pipeline: self.pipeline.clone(), service: self.service.clone() }
    }

    /// The slice without its pipeline.
    pub(super) fn told(self) -> StepSlice {
        let Self { service, branch, environment, host_class, slice, .. } = self;
        StepSlice {
            context: SeriesContext { service, branch, environment, host_class },
            from: self.period_ns.map(format_time),
            success_rate: Estimate::of_share(self.succeeded, self.succeeded + self.failed),
            spread: spread(self.p25_s, slice.p50_s, self.p75_s),
            ..slice
        }
    }
}

// As a share of the median; none where that is zero.
fn spread(low: Option<f64>, middle: Option<f64>, high: Option<f64>) -> Option<f64> {
    let middle = middle.filter(|middle| *middle > 0.0)?;
    Some((high? - low?) * IQR_TO_SIGMA / middle)
}
