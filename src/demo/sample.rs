//! A sample run as a tree of spans, before anything is sent: pure, so that it can be checked.

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::noise::Noise;
use crate::model::clock::UnixNanos;

/// Nanoseconds of one second.
const SECOND_NS: f64 = 1e9;

/// One span and what is below it.
#[derive(Clone, Debug)]
pub(super) struct SampleSpan {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) start_ns: UnixNanos,
    pub(super) end_ns: UnixNanos,
    pub(super) attributes: Vec<KeyValue>,
    /// Name and attributes of events; they happen at the end.
    pub(super) events: Vec<(&'static str, Vec<KeyValue>)>,
    /// Set where the span failed.
    pub(super) error: Option<&'static str>,
    pub(super) children: Vec<Self>,
}

impl SampleSpan {
    pub(super) fn new(name: impl Into<String>, kind: SpanKind, start_ns: UnixNanos, duration_s: f64) -> Self {
        Self {
            name: name.into(),
            kind,
            start_ns,
            end_ns: after(start_ns, duration_s),
            attributes: Vec::new(),
            events: Vec::new(),
            error: None,
            children: Vec::new(),
        }
    }

    pub(super) fn with(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    pub(super) fn failed(mut self, error: Option<&'static str>) -> Self {
        self.error = error;
        self
    }

    /// Puts `child` below and stretches over it.
    pub(super) fn push(&mut self, child: Self) {
        self.end_ns = self.end_ns.max(child.end_ns);
        self.children.push(child);
    }

    /// Seconds from begin to end.
    #[cfg(test)]
    pub(super) fn duration_s(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / SECOND_NS
    }

    /// This span and all below it.
    pub(super) fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }
}

/// One run of a sample pipeline.
#[derive(Clone, Debug)]
pub(super) struct SampleRun {
    /// The emitter's id. `None` where the convention has none: the trace id then is the run's.
    pub(super) run_id: Option<String>,
    pub(super) root: SampleSpan,
}

/// So many seconds later.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(super) fn after(at: UnixNanos, seconds: f64) -> UnixNanos {
    at.saturating_add((seconds * SECOND_NS) as i64)
}

/// The starts of `runs` runs over `days` days, oldest first, with uneven gaps. The last one begins
/// `tail_s` seconds before `now`, so that it is over by then.
pub(super) fn starts(noise: &mut Noise, now: UnixNanos, days: u32, runs: usize, tail_s: f64) -> Vec<UnixNanos> {
    let gap_s = f64::from(days) * 86_400.0 / runs.max(1) as f64;
    (0..runs)
        .map(|index| {
            let jitter = if index + 1 == runs { 0.0 } else { noise.between(-0.3, 0.3) };
            let gaps_back = (runs - 1 - index) as f64 + jitter;
            after(now, -(gaps_back * gap_s) - tail_s)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_in_order_and_end_before_the_present() {
        let now = 1_795_000_000_000_000_000;
        let starts = starts(&mut Noise::new(3), now, 42, 70, 900.0);
        assert_eq!(starts.len(), 70);
        assert!(starts.is_sorted());
        assert_eq!(starts[69], after(now, -900.0));
        let days = (now - starts[0]) as f64 / 86_400e9;
        assert!((40.0..43.0).contains(&days), "{days}");
    }
}
