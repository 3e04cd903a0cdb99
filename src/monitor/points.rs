//! The samples of a run as OpenTelemetry metrics, through the SDK's own instruments.
//!
//! Each reading is collected at the moment it was taken, so that its time is right, and kept until the
//! run is over: nothing is sent while the command is being measured.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};

use super::spans::scope;
use super::tree::Sample;

/// Most readings that are kept and sent; a longer run keeps every second, fourth, ... of them.
pub(super) const READINGS_MAX: usize = 64;

/// Turns samples into metric data.
pub(super) struct PointRecorder {
    reader: SharedReader,
    latest: Arc<Mutex<Sample>>,
    readings: Vec<ResourceMetrics>,
    stride: u64,
    taken: u64,
    // Holds the instruments; the reader sees nothing once it is gone.
    _provider: SdkMeterProvider,
}

impl PointRecorder {
    /// `run` are the attributes that tie each point to its run.
    pub(super) fn new(resource: Resource, run: &[KeyValue]) -> Self {
        let reader = SharedReader(Arc::new(ManualReader::builder().build()));
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        let latest = Arc::new(Mutex::new(Sample::default()));
        register(&provider, &latest, run);
        Self { reader, latest, readings: Vec::new(), stride: 1, taken: 0, _provider: provider }
    }

    /// Keeps one reading, if it falls on the stride.
    pub(super) fn record(&mut self, sample: &Sample) {
        self.taken += 1;
        if !(self.taken - 1).is_multiple_of(self.stride) {
            return;
        }
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = *sample;
        let mut reading = ResourceMetrics::default();
        if self.reader.collect(&mut reading).is_ok() {
            self.readings.push(reading);
        }
        if self.readings.len() > READINGS_MAX {
            let mut position = 0;
            self.readings.retain(|_| {
                position += 1;
                position % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// The readings, oldest first.
    pub(super) fn finish(self) -> Vec<ResourceMetrics> {
        self.readings
    }
}

fn register(provider: &SdkMeterProvider, latest: &Arc<Mutex<Sample>>, run: &[KeyValue]) {
    let meter = provider.meter_with_scope(scope());
    let with = |extra: Option<(&'static str, &'static str)>| {
        let mut attributes = run.to_vec();
        attributes.extend(extra.map(|(key, value)| KeyValue::new(key, value)));
        attributes
    };
    let read = |latest: &Arc<Mutex<Sample>>| {
        let latest = Arc::clone(latest);
        move || *latest.lock().unwrap_or_else(PoisonError::into_inner)
    };

    let (sample, plain) = (read(latest), with(None));
    let _cpu = meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("CPU seconds of the command's process tree")
        .with_callback(move |observer| observer.observe(sample().cpu_s, &plain))
        .build();
    let (sample, plain) = (read(latest), with(None));
    let _memory = meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_description("Resident memory of the command's process tree")
        .with_callback(move |observer| observer.observe(sample().memory_bytes, &plain))
        .build();
    let (sample, plain) = (read(latest), with(None));
    let _threads = meter
        .u64_observable_gauge("process.thread.count")
        .with_unit("{thread}")
        .with_description("Threads of the command's process tree")
        .with_callback(move |observer| observer.observe(sample().threads, &plain))
        .build();
    let sample = read(latest);
    let (reads, writes) = (with(Some(("disk.io.direction", "read"))), with(Some(("disk.io.direction", "write"))));
    let _disk = meter
        .u64_observable_counter("process.disk.io")
        .with_unit("By")
        .with_description("Bytes that the command's process tree moved from and to storage")
        .with_callback(move |observer| {
            let sample = sample();
            sample.disk_read_bytes.into_iter().for_each(|bytes| observer.observe(bytes, &reads));
            sample.disk_write_bytes.into_iter().for_each(|bytes| observer.observe(bytes, &writes));
        })
        .build();
    let sample = read(latest);
    let receive = with(Some(("network.io.direction", "receive")));
    let transmit = with(Some(("network.io.direction", "transmit")));
    let _network = meter
        .u64_observable_counter("process.network.io")
        .with_unit("By")
        .with_description("Bytes over the network namespace of the command")
        .with_callback(move |observer| {
            if let Some(traffic) = sample().network {
                observer.observe(traffic.receive_bytes, &receive);
                observer.observe(traffic.transmit_bytes, &transmit);
            }
        })
        .build();
}

/// The SDK takes its reader by value; we keep a hand on it.
#[derive(Clone, Debug)]
struct SharedReader(Arc<ManualReader>);

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

    use super::*;

    #[test]
    fn a_long_run_keeps_a_bounded_even_selection() {
        let mut recorder = PointRecorder::new(Resource::builder_empty().build(), &[]);
        for count in 0..10_000 {
            recorder.record(&Sample { threads: count, ..Sample::default() });
        }
        let kept: Vec<i64> = recorder.finish().iter().map(threads_of).collect();
        assert!(kept.len() <= READINGS_MAX && kept.len() > READINGS_MAX / 3, "{}", kept.len());
        let step = kept[1] - kept[0];
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == step), "{kept:?}");
        assert_eq!(kept[0], 0);
    }

    fn threads_of(reading: &ResourceMetrics) -> i64 {
        use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
        let request = ExportMetricsServiceRequest::from(reading);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let metric = metrics.iter().find(|metric| metric.name == "process.thread.count").expect("threads");
        match metric.data.as_ref().expect("data") {
            Data::Gauge(gauge) => match gauge.data_points[0].value.expect("value") {
                Value::AsInt(count) => count,
                Value::AsDouble(_) => panic!("threads are whole"),
            },
            _ => panic!("threads are a gauge"),
        }
    }
}
