//! The running service: OTLP and our own contract on two listeners, with health and `/metrics`.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::server::{Service, descriptor};
use super::watch::watch;
use crate::detect;
use crate::export::exposition::{Exposition, Family, write_text};
use crate::export::metrics::{door_families, pipeline_families, store_families};
use crate::otlp::grpc::grpc_routes;
use crate::otlp::receive::DoorState;
use crate::otlp::serve::{ServeLimits, serve};
use crate::otlp::stats::Stats;
use crate::otlp::{http, stats};
use crate::store::{Store, StoreError};

/// What `/metrics` says of pipelines is computed at most this often.
const PIPELINES_EVERY: Duration = Duration::from_secs(10);

/// Serves one store.
pub struct Server {
    store: Store,
    stats: Arc<Stats>,
    door: DoorState<Store>,
}

/// When it was computed, and what.
type Computed = (Instant, Arc<Vec<Family>>);

#[derive(Clone)]
struct Shared {
    store: Store,
    stats: Arc<Stats>,
    pipelines: Arc<Mutex<Option<Computed>>>,
}

impl Server {
    /// A server over `store` with the default limits.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let door = DoorState::new(store.clone());
        Self::with_door(store, door)
    }

    /// A server over `store` whose OTLP side is `door`.
    #[must_use]
    pub fn with_door(store: Store, door: DoorState<Store>) -> Self {
        Self { stats: Arc::clone(&door.stats), store, door }
    }

    /// Serves both listeners until `shutdown` is ready, then drains.
    pub async fn run(self, grpc: TcpListener, http: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (routes, _health) = grpc_routes(self.door.clone(), &[descriptor()]).await.map_err(io::Error::other)?;
        let service = Service::new(self.store.clone());
        let on_grpc = routes.add_service(service.clone()).into_axum_router();
        let watched = self.store.clone();
        let shared = Shared { store: self.store, stats: self.stats, pipelines: Arc::default() };
        let on_http =
            http::router(self.door).merge(own_pages(shared)).route_service("/perfline.v1.Perfline/{*method}", service);
        let (stop, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // A sender that is gone means the same as one that says stop.
            drop(stopped.wait_for(|stopped| *stopped).await);
        };
        let limits = ServeLimits::default();
        let interval = Duration::from_secs(watched.policy().interval_s.max(1));
        let watching = async {
            watch(watched, interval, until(stopped.clone())).await;
            Ok(())
        };
        let stopping = async {
            shutdown.await;
            stop.send_replace(true);
            Ok(())
        };
        tokio::try_join!(
            serve(grpc, on_grpc, limits, until(stopped.clone())),
            serve(http, on_http, limits, until(stopped.clone())),
            stopping,
            watching,
        )?;
        Ok(())
    }
}

fn own_pages(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

/// Ready means that what is acknowledged also reaches the store.
async fn ready(State(shared): State<Shared>) -> Response {
    if shared.store.stats().writable {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store cannot be written\n").into_response()
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
        let file_bytes = std::fs::metadata(self.store.path()).map_or(0, |meta| meta.len());
        let mut families = door_families(&self.snapshot());
        families.extend(store_families(&self.store.stats(), file_bytes));
        match self.pipelines() {
            Ok(pipelines) => families.extend(pipelines.iter().cloned()),
            // What a service says of itself matters most when it cannot write.
            Err(error) if !self.store.stats().writable => tracing::warn!(%error, "no figures of pipelines now"),
            Err(error) => return Err(error),
        }
        Ok(families)
    }

    fn snapshot(&self) -> Vec<stats::SignalSnapshot> {
        self.stats.snapshot()
    }

    /// Judging every series takes a while: scrapes that follow closely share one answer.
    fn pipelines(&self) -> Result<Arc<Vec<Family>>, StoreError> {
        let mut known = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, families)) = known.as_ref()
            && at.elapsed() < PIPELINES_EVERY
        {
            return Ok(Arc::clone(families));
        }
        let verdict = detect::check(&self.store, None, &detect::settings(&self.store)?)?;
        let families = Arc::new(pipeline_families(&self.store.reader()?, &verdict)?);
        *known = Some((Instant::now(), Arc::clone(&families)));
        Ok(families)
    }
}
