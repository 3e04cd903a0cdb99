//! The running service: OTLP and our own contract on two listeners, with health and `/metrics`.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::own::{Onward, Own};
use super::questions::Questions;
use super::ready::Readiness;
use super::server::{Service, descriptor};
use super::watch::watch;
use crate::detect;
use crate::export::exposition::{Exposition, Family, write_text};
use crate::export::metrics::{Score, pipeline_families};
use crate::model::Signal;
use crate::net::ServerTls;
use crate::otlp::access::Need;
use crate::otlp::grpc::{self, grpc_routes};
use crate::otlp::guard::{self, Guard};
use crate::otlp::http;
use crate::otlp::receive::DoorState;
use crate::otlp::serve::{ServeLimits, Serving, serve_with};
use crate::otlp::sink::Sink;
use crate::report;
use crate::store::{Store, StoreError};

/// What `/metrics` says of pipelines is computed at most this often.
const PIPELINES_EVERY: Duration = Duration::from_secs(10);

/// How often gRPC's health is judged anew.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// Serves one store.
pub struct Server<S = Store> {
    /// What is asked.
    pub store: Store,
    /// How OTLP comes in.
    pub door: DoorState<S>,
    /// Encryption of both ports; `None`: plain.
    pub tls: Option<ServerTls>,
    /// What a connection may cost.
    pub limits: ServeLimits,
    /// How many questions are answered at once.
    pub questions: Questions,
    /// What is counted of those who get it too, by name.
    pub onward: Onward,
    /// How often the service stores its own metrics; `None`: never.
    pub own_metrics: Option<Duration>,
}

/// When it was computed, and what.
type Computed = (Instant, Arc<Vec<Family>>);

#[derive(Clone)]
struct Shared {
    own: Own,
    readiness: Readiness,
    pipelines: Arc<Mutex<Option<Computed>>>,
    /// Held by who computes them.
    computing: Arc<Mutex<()>>,
}

impl Server {
    /// A plain server over `store`, for whoever reaches it, with the default limits.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let door = DoorState::new(store.clone());
        let (limits, questions) = (ServeLimits::default(), Questions::default());
        Self { store, door, tls: None, limits, questions, onward: Vec::new(), own_metrics: None }
    }
}

impl<S: Sink> Server<S> {
    /// Serves both listeners until `shutdown` is ready, then drains.
    pub async fn run(self, grpc: TcpListener, http: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { store, door, tls, limits, questions, onward, own_metrics } = self;
        let (routes, health) = grpc_routes(door.clone(), &[descriptor()]).await.map_err(io::Error::other)?;
        let service = Service::new(store.clone(), &door, questions.clone());
        let on_port = || Serving { limits, tls: tls.clone(), stats: Arc::default() };
        let ports = [on_port(), on_port()];
        let guard = Guard { access: door.access.clone(), stats: Arc::clone(&door.stats), need };
        let guarded = |routes: Router| routes.layer(middleware::from_fn_with_state(guard.clone(), guard::guard));
        let watched = store.clone();
        let readiness = Readiness::new(store.clone());
        let services = service_names(&door.signals);
        let own = Own {
            store,
            stats: Arc::clone(&door.stats),
            ports: ports.each_ref().map(|port| Arc::clone(&port.stats)),
            questions,
            onward,
        };
        let (reporter, sink) = (own.clone(), door.sink.clone());
        let health_readiness = readiness.clone();
        let shared = Shared { own, readiness, pipelines: Arc::default(), computing: Arc::default() };
        let on_grpc = guarded(routes.add_service(service.clone()).into_axum_router());
        let on_http = guarded(
            http::router(door).merge(own_pages(shared)).route_service("/perfline.v1.Perfline/{*method}", service),
        );
        let (stop, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // A sender that is gone means the same as one that says stop.
            drop(stopped.wait_for(|stopped| *stopped).await);
        };
        let watching = async {
            watch(watched, until(stopped.clone())).await;
            Ok(())
        };
        let reporting = async {
            reporter.report(sink, own_metrics, until(stopped.clone())).await;
            Ok(())
        };
        let stopping = async {
            shutdown.await;
            stop.send_replace(true);
            Ok(())
        };
        let telling_health = async {
            keep_health(health_readiness, health, &services, until(stopped.clone())).await;
            Ok(())
        };
        let [grpc_port, http_port] = ports;
        let served = tokio::try_join!(
            serve_with(grpc, on_grpc, grpc_port, until(stopped.clone())),
            serve_with(http, on_http, http_port, until(stopped.clone())),
            stopping,
            watching,
            reporting,
            telling_health,
        );
        served.map(|_| ())
    }
}

/// What a path needs. A call that is not named here may change something: it needs a token that may do everything.
fn need(path: &str) -> Need {
    let Some(method) = path.strip_prefix("/perfline.v1.Perfline/") else {
        let health = path == "/healthz" || path == "/readyz" || path.starts_with("/grpc.health.v1.Health/");
        return if health { Need::Nothing } else { Need::Read };
    };
    match method {
        "Query" | "ListRuns" | "ListSteps" | "Check" | "BuildReport" | "ListBaselines" | "Export" => Need::Read,
        "Import" | "Settle" => Need::Write,
        _ => Need::Both,
    }
}

fn own_pages(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

/// Ready means that what comes is kept, and that what was acknowledged also reaches the store.
async fn ready(State(shared): State<Shared>) -> Response {
    let readiness = shared.readiness.clone();
    match tokio::task::spawn_blocking(move || readiness.problems()).await {
        Ok(problems) if problems.is_empty() => "ready\n".into_response(),
        Ok(problems) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", problems.join("; "))).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whose health is told: the server as a whole, and each of its services.
fn service_names(signals: &[Signal]) -> Vec<&'static str> {
    let own = ["", "perfline.v1.Perfline"].into_iter();
    own.chain(signals.iter().map(|signal| grpc::service_name(*signal))).collect()
}

/// gRPC's health follows the same judgement; nobody is served once the service stops.
async fn keep_health(
    readiness: Readiness,
    health: HealthReporter,
    services: &[&'static str],
    stopped: impl Future<Output = ()>,
) {
    let mut look = tokio::time::interval(HEALTH_EVERY);
    tokio::pin!(stopped);
    loop {
        let readiness = readiness.clone();
        let judged = tokio::select! {
            _ = look.tick() => Some(tokio::task::spawn_blocking(move || readiness.problems()).await),
            () = &mut stopped => None,
        };
        let is_well = matches!(&judged, Some(Ok(problems)) if problems.is_empty());
        let status = if is_well { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in services {
            health.set_service_status(*service, status).await;
        }
        if judged.is_none() {
            return;
        }
    }
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let exposition = Exposition::negotiate(accept);
    let written = tokio::task::spawn_blocking(move || shared.families()).await;
    match written {
        Ok(Ok(families)) => {
            ([(header::CONTENT_TYPE, exposition.content_type())], write_text(&families, exposition)).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "the metrics could not be computed");
            (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read\n").into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Shared {
    fn families(&self) -> Result<Vec<Family>, StoreError> {
        let mut families = self.own.families();
        match self.pipelines() {
            Ok(pipelines) => families.extend(pipelines.iter().cloned()),
            // What a service says of itself matters most when it cannot write.
            Err(error) if !self.own.store.stats().writable => tracing::warn!(%error, "no figures of pipelines now"),
            Err(error) => return Err(error),
        }
        Ok(families)
    }

    /// Judging every series takes a while: scrapes that follow closely share one answer.
    fn pipelines(&self) -> Result<Arc<Vec<Family>>, StoreError> {
        let known = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = known();
        if let Some((at, families)) = &before
            && at.elapsed() < PIPELINES_EVERY
        {
            return Ok(Arc::clone(families));
        }
        // One computes; who comes meanwhile gets the last answer rather than a thread to wait on.
        let _only = match (self.computing.try_lock(), before) {
            (Ok(only), _) => only,
            (Err(TryLockError::WouldBlock), Some((_, families))) => return Ok(families),
            (Err(TryLockError::WouldBlock), None) => self.computing.lock().unwrap_or_else(PoisonError::into_inner),
            (Err(TryLockError::Poisoned(only)), _) => only.into_inner(),
        };
        if let Some((at, families)) = known()
            && at.elapsed() < PIPELINES_EVERY
        {
            return Ok(families);
        }
        let families = Arc::new(pipelines_of(&self.own.store)?);
        *self.pipelines.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&families)));
        Ok(families)
    }
}

/// What is said of the pipelines of a store.
pub(crate) fn pipelines_of(store: &Store) -> Result<Vec<Family>, StoreError> {
    let verdict = detect::check(store, None, &detect::settings(store)?)?;
    let scores = report::health_of_all(store)?.into_iter().map(|one| Score {
        pipeline: one.pipeline,
        service: one.service.unwrap_or_default(),
        score: one.health.score,
    });
    pipeline_families(&store.reader()?, &verdict, &scores.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_open_reading_reads_and_what_is_not_known_needs_everything() {
        for path in ["/healthz", "/readyz", "/grpc.health.v1.Health/Check"] {
            assert_eq!(need(path), Need::Nothing, "{path}");
        }
        for path in ["/metrics", "/", "/api/runs", "/perfline.v1.Perfline/Query", "/healthz/x"] {
            assert_eq!(need(path), Need::Read, "{path}");
        }
        assert_eq!(need("/perfline.v1.Perfline/Import"), Need::Write);
        assert_eq!(need("/perfline.v1.Perfline/ChangeAlert"), Need::Both);
    }
}
