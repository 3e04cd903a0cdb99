//! Sends a finished run by the opentelemetry-otlp exporter, within a deadline.
//!
//! It happens on a thread of its own: the blocking HTTP client must not run inside an async runtime,
//! and a collector that hangs must not hold the exit code back.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use opentelemetry_otlp::{
    MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::net::ClientFiles;

/// Readings that are under way at once.
const READINGS_AT_ONCE: usize = 4;

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What the user named; `None` leaves it to `OTEL_EXPORTER_OTLP_*`.
    endpoint: Option<String>,
    protocol: Protocol,
    files: ClientFiles,
    token: Option<String>,
    /// For messages.
    pub(super) shown: String,
}

impl Target {
    /// Chooses the protocol: `OTEL_EXPORTER_OTLP_PROTOCOL`, else what the endpoint looks like.
    pub(super) fn choose(endpoint: Option<&str>, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let lookup = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let named = endpoint.map(|url| if url.contains("://") { url.to_owned() } else { format!("http://{url}") });
        let shown = named
            .clone()
            .or_else(|| lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
            .or_else(|| lookup("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let said = lookup("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| lookup("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let protocol = match said.as_deref().map(str::trim) {
            Some("http/protobuf") => Protocol::HttpBinary,
            Some("grpc") => Protocol::Grpc,
            _ if shown.as_deref().is_some_and(speaks_http) => Protocol::HttpBinary,
            _ => Protocol::Grpc,
        };
        let shown = super::context::without_user(shown.as_deref().unwrap_or("http://localhost:4317"));
        let file = |name: &str| {
            let signal = lookup(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
            signal.or_else(|| lookup(&format!("OTEL_EXPORTER_OTLP_{name}"))).map(PathBuf::from)
        };
        let files = ClientFiles { ca: file("CERTIFICATE"), cert: file("CLIENT_CERTIFICATE"), key: file("CLIENT_KEY") };
        Self { endpoint: named, protocol, files, token: None, shown }
    }

    /// The same with a token, and with certificates that win over those of the environment.
    pub(super) fn with_access(self, token: Option<String>, files: &ClientFiles) -> Self {
        let pair = if files.cert.is_some() { files } else { &self.files };
        let (cert, key) = (pair.cert.clone(), pair.key.clone());
        Self { token, files: ClientFiles { ca: files.ca.clone().or(self.files.ca), cert, key }, ..self }
    }

    /// For `https://`: the public roots and the named authority; the named certificate is shown.
    fn tls(&self) -> Result<Option<ClientTlsConfig>, String> {
        if !self.shown.starts_with("https:") {
            return Ok(None);
        }
        let tls = ClientTlsConfig::new().with_enabled_roots();
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| format!("read the certificate `{}`: {error}", path.display()))
        };
        let tls = match &self.files.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
            None => tls,
        };
        match (&self.files.cert, &self.files.key) {
            (Some(cert), Some(key)) => Ok(Some(tls.identity(Identity::from_pem(read(cert)?, read(key)?)))),
            (None, None) => Ok(Some(tls)),
            _ => Err("a certificate needs its key, and a key its certificate".to_owned()),
        }
    }

    /// The token as a header, by its name and value.
    fn bearer(&self) -> Option<(&'static str, String)> {
        self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}")))
    }

    fn url(&self, path: &str) -> Option<String> {
        let base = self.endpoint.as_deref()?.trim_end_matches('/');
        Some(if self.protocol == Protocol::Grpc { base.to_owned() } else { format!("{base}{path}") })
    }
}

/// Port 4318 or a path say HTTP; everything else is gRPC.
fn speaks_http(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    authority.ends_with(":4318") || !path.is_empty()
}

/// What is sent.
pub(super) struct Parcel {
    pub(super) resource: Resource,
    pub(super) spans: Vec<SpanData>,
    pub(super) readings: Vec<ResourceMetrics>,
}

/// Sends everything, the spans first. `Err` says in words what did not arrive.
pub(super) async fn send(target: Target, parcel: Parcel, deadline: Duration) -> Result<(), String> {
    let waiting = tokio::task::spawn_blocking(move || send_within(target, parcel, deadline));
    waiting.await.unwrap_or_else(|error| Err(format!("the exporter was lost: {error}")))
}

/// As [`send`], for callers without an async runtime. Blocks for `deadline` at most.
pub(super) fn send_within(target: Target, parcel: Parcel, deadline: Duration) -> Result<(), String> {
    let shown = target.shown.clone();
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("perfline-export".to_owned())
        .spawn(move || {
            // Past the deadline nobody listens any more.
            drop(sender.send(send_blocking(&target, parcel, deadline)));
        })
        .map_err(|error| format!("the exporter could not be started: {error}"))?;
    match receiver.recv_timeout(deadline) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(format!("the collector at {shown} did not take the run: {reason}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(format!("the exporter for {shown} was lost")),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(format!("the collector at {shown} did not answer within {} s", deadline.as_secs_f64()))
        }
    }
}

fn send_blocking(target: &Target, parcel: Parcel, deadline: Duration) -> Result<(), String> {
    // gRPC needs a reactor, the blocking HTTP client must have none.
    let runtime = match target.protocol {
        Protocol::Grpc => {
            let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            Some(built.map_err(|error| error.to_string())?)
        }
        _ => None,
    };
    let until = Instant::now() + deadline;
    let entered = runtime.as_ref().map(tokio::runtime::Runtime::enter);
    let (mut spans, metrics) = exporters(target, deadline)?;
    drop(entered);
    spans.set_resource(&parcel.resource);
    let run = Runner(runtime.as_ref().map(|runtime| runtime.handle().clone()));
    run.block_on(spans.export(parcel.spans)).map_err(|error| plain_words(&error.to_string()))?;
    let sent = send_readings(&run, &metrics, &parcel.readings, until);
    if let Some(runtime) = runtime {
        runtime.shutdown_background();
    }
    sent
}

fn exporters(target: &Target, deadline: Duration) -> Result<(SpanExporter, MetricExporter), String> {
    let (traces, metrics) = (target.url("/v1/traces"), target.url("/v1/metrics"));
    let built = if target.protocol == Protocol::Grpc {
        let mut spans = SpanExporter::builder().with_tonic().with_retry_policy(retry());
        let mut points = MetricExporter::builder().with_tonic().with_retry_policy(retry());
        if let Some(tls) = target.tls()? {
            spans = spans.with_tls_config(tls.clone());
            points = points.with_tls_config(tls);
        }
        if let Some((name, value)) = target.bearer() {
            let value: MetadataValue<_> = value.parse().map_err(|_e| "the token has characters that no token has")?;
            let mut metadata = MetadataMap::new();
            metadata.insert(name, value);
            spans = spans.with_metadata(metadata.clone());
            points = points.with_metadata(metadata);
        }
        let spans = aimed(spans, Protocol::Grpc, traces, deadline);
        let points = aimed(points, Protocol::Grpc, metrics, deadline);
        spans.build().and_then(|spans| Ok((spans, points.build()?)))
    } else if target.shown.starts_with("https:") {
        return Err(
            "TLS works by gRPC only: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or send to a local collector".to_owned()
        );
    } else {
        let mut spans = SpanExporter::builder().with_http().with_retry_policy(retry());
        let mut points = MetricExporter::builder().with_http().with_retry_policy(retry());
        if let Some((name, value)) = target.bearer() {
            let headers = HashMap::from([(name.to_owned(), value)]);
            spans = spans.with_headers(headers.clone());
            points = points.with_headers(headers);
        }
        let spans = aimed(spans, Protocol::HttpBinary, traces, deadline);
        let points = aimed(points, Protocol::HttpBinary, metrics, deadline);
        spans.build().and_then(|spans| Ok((spans, points.build()?)))
    };
    built.map_err(|error| error.to_string())
}

/// Few and quick: the exit code of the command is waiting.
fn retry() -> RetryPolicy {
    RetryPolicy::default()
        .with_max_retries(2)
        .with_initial_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_millis(400))
}

fn aimed<B: WithExportConfig>(builder: B, protocol: Protocol, url: Option<String>, deadline: Duration) -> B {
    let builder = builder.with_protocol(protocol).with_timeout(deadline);
    match url {
        Some(url) => builder.with_endpoint(url),
        // Then OTEL_EXPORTER_OTLP_* say where to.
        None => builder,
    }
}

fn send_readings(
    run: &Runner,
    exporter: &MetricExporter,
    readings: &[ResourceMetrics],
    until: Instant,
) -> Result<(), String> {
    let (sender, failures) = mpsc::sync_channel(READINGS_AT_ONCE);
    let share = readings.len().div_ceil(READINGS_AT_ONCE).max(1);
    thread::scope(|scope| {
        for part in readings.chunks(share) {
            let sender = sender.clone();
            scope.spawn(move || {
                for reading in part {
                    let sent = if Instant::now() < until {
                        run.block_on(exporter.export(reading)).map_err(|error| plain_words(&error.to_string()))
                    } else {
                        Err("no time left for all resource samples".to_owned())
                    };
                    if let Err(reason) = sent {
                        // The first failure of each part is enough, and there is room for one from each.
                        drop(sender.try_send(reason));
                        return;
                    }
                }
            });
        }
    });
    failures.try_recv().map_or(Ok(()), Err)
}

/// The exporter's errors name its own parts first and repeat each layer: the cause stands last.
fn plain_words(error: &str) -> String {
    match error.rsplit_once(" error: ") {
        Some((_, cause)) => cause.to_owned(),
        None => error.strip_prefix("Operation failed: ").unwrap_or(error).to_owned(),
    }
}

/// Runs a future to its end, on tokio where the exporter needs it.
struct Runner(Option<tokio::runtime::Handle>);

impl Runner {
    fn block_on(&self, future: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
        match &self.0 {
            Some(handle) => handle.block_on(future),
            None => park_on(future),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn park_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Protocol {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Target::choose(endpoint, lookup).protocol
    }

    #[test]
    fn the_port_or_the_path_tells_http_from_grpc() {
        assert_eq!(protocol(Some("http://collector:4317"), &[]), Protocol::Grpc);
        assert_eq!(protocol(Some("collector:4318"), &[]), Protocol::HttpBinary);
        assert_eq!(protocol(Some("http://host/otlp"), &[]), Protocol::HttpBinary);
        assert_eq!(protocol(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318/")]), Protocol::HttpBinary);
        assert_eq!(protocol(None, &[]), Protocol::Grpc);
    }

    #[test]
    fn the_variable_wins_over_the_port() {
        let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert_eq!(protocol(Some("http://collector:4318"), &variables), Protocol::Grpc);
    }

    #[test]
    fn http_paths_are_appended_to_a_named_endpoint_only() {
        let target = Target::choose(Some("http://h:4318/otlp/"), |_| None);
        assert_eq!(target.url("/v1/traces").as_deref(), Some("http://h:4318/otlp/v1/traces"));
        assert_eq!(Target::choose(None, |_| None).url("/v1/traces"), None);
    }

    #[test]
    fn credentials_in_an_endpoint_are_never_shown() {
        assert_eq!(Target::choose(Some("http://user:pass@h:4318"), |_| None).shown, "http://h:4318");
    }
}
