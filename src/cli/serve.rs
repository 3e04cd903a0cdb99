//! `perfline serve`: receives, stores, answers.

pub(super) mod access;
pub(super) mod log;
pub(super) mod onward;
mod reload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::output::print;
use super::{Failure, prices, rules_in, veil};
use crate::api::{Questions, Server};
use crate::config::{Config, Layers};
use crate::forward;
use crate::model::live::Live;
use crate::otlp::access::Access;
use crate::otlp::budget::Budget;
use crate::otlp::door::Limits;
use crate::otlp::receive::{DoorSettings, DoorState};
use crate::otlp::serve::ServeLimits;
use crate::otlp::sink::Sink;
use crate::store::{QueryBounds, Store, StoreOptions};
use reload::Reload;

/// How long open requests may take to end at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Receive OTLP over gRPC and HTTP, store it, answer other commands.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Prints one line per listener when it is ready; port 0 takes a free one. SIGTERM drains, commits and exits 0.

Examples:
  perfline serve --store runs.duckdb
  perfline serve --grpc 127.0.0.1:0 --http 127.0.0.1:0"
)]
pub(crate) struct ServeArgs {
    /// Settings that differ from config/default.toml.
    #[arg(long, env = "PERFLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key of the configuration; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The DuckDB file; made where it is missing. Without it PERFLINE_STORE, else what the configuration says:
    /// perfline.duckdb.
    #[arg(long, value_name = "FILE")]
    store: Option<String>,
    /// Where OTLP/gRPC listens. Without it PERFLINE_GRPC, else 127.0.0.1:4317.
    #[arg(long, value_name = "ADDR")]
    grpc: Option<SocketAddr>,
    /// Where OTLP/HTTP, /metrics and health listen. Without it PERFLINE_HTTP, else 127.0.0.1:4318.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Listen beyond this machine although there is neither encryption nor a password.
    #[arg(long)]
    allow_insecure_bind: bool,
    /// Close a run without a root after this many seconds without news. Without it 60.
    #[arg(long, value_name = "SECONDS")]
    run_idle_timeout: Option<u64>,
    /// Keep names private: what arrives is stored with pseudonyms made by the key in this file (docs/privacy.md).
    #[arg(long, env = "PERFLINE_ANONYMIZE", value_name = "KEYFILE")]
    anonymize: Option<PathBuf>,
}

/// The configuration, with what the environment and the flags say in its place.
fn layers(args: &ServeArgs) -> Result<Layers, Failure> {
    let mut layers = super::config::layers(args.config.as_deref())?;
    for assignment in &args.set {
        layers.assign(assignment)?;
    }
    let flags = [
        ("--store", "store.path", args.store.clone()),
        ("--grpc", "listen.grpc", args.grpc.map(|address| address.to_string())),
        ("--http", "listen.http", args.http.map(|address| address.to_string())),
        ("--allow-insecure-bind", "listen.allow_insecure_bind", args.allow_insecure_bind.then(|| "true".to_owned())),
        ("--run-idle-timeout", "store.run_idle_timeout", args.run_idle_timeout.map(|seconds| format!("{seconds}s"))),
    ];
    for (flag, key, text) in flags {
        if let Some(text) = text {
            layers.flag(flag, key, &text);
        }
    }
    Ok(layers)
}

pub(super) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let layers = layers(args)?;
    let config = super::config::checked(&layers)?;
    let level = log::start(&config.log)?;
    let tls = access::tls(&config.tls)?;
    let access = Access::new(access::tokens(&config.access)?);
    let destinations = onward::destinations(&config)?;
    let rules = rules_in(named(&config.conventions.directory))?;
    let options = StoreOptions {
        buffer_bytes_max: config.store.buffer_bytes_max.as_usize(),
        segment_bytes_max: config.store.segment_bytes_max.0,
        duckdb_memory_bytes_max: config.store.duckdb_memory_bytes_max.as_usize(),
        duckdb_threads: config.store.duckdb_threads,
        load_interval: config.store.load_interval.0,
        run_idle_timeout: config.store.run_idle_timeout.0,
        prices: prices(None, named(&config.prices.file))?,
        serves: true,
        veil: veil(args.anonymize.as_deref(), named(&config.anonymize.key_file), &rules)?,
        ..StoreOptions::new(config.store.path.clone())
    };
    let store = Store::open(&options, rules)?;
    store.set_policy(super::checked_policy(config.detect.clone())?);
    store.set_query_bounds(query_bounds(&config));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let queues = onward::queues(&store, destinations)?;
    let couriers = forward::start(queues, runtime.handle()).map_err(|e| Failure::machine("start forwarding", &e))?;
    let door = DoorState {
        settings: Live::new(door_settings(&config)),
        budget: Budget::new(config.limits.bodies_bytes_max.as_usize()),
        access: access.clone(),
        ..DoorState::new(store.clone())
    };
    let questions = Questions::new(config.limits.queries_max);
    let reload = Reload {
        args: args.clone(),
        settings: layers.settings(),
        store: store.clone(),
        questions: questions.clone(),
        door: door.settings.clone(),
        access,
        tls: tls.clone(),
        level,
        config: config.clone(),
    };
    let own_metrics = Some(config.own_metrics.interval.0).filter(|interval| !interval.is_zero());
    let (limits, onward) = (limits(&config), couriers.stats());
    let server = Server { store: store.clone(), door, tls, limits, questions, onward, own_metrics };
    let served = runtime.block_on(serve(&config, server, reload));
    couriers.stop();
    runtime.shutdown_timeout(DRAIN_MAX);
    store.close()?;
    served.map(|()| ExitCode::SUCCESS)
}

/// An empty path in the configuration names nothing.
fn named(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

/// What may be changed while the door is open.
fn door_settings(config: &Config) -> DoorSettings {
    DoorSettings {
        limits: Limits {
            body_bytes_max: config.limits.body_bytes_max.as_usize(),
            attributes_max: config.limits.attributes_max,
            lenient_enum_names: config.limits.lenient_enum_names,
        },
        body_timeout: config.limits.body_timeout.0,
        cors_origins: config.listen.cors_origins.clone(),
    }
}

/// What one query may take; 0 in the configuration bounds nothing.
fn query_bounds(config: &Config) -> QueryBounds {
    let limits = &config.limits;
    QueryBounds {
        rows_max: Some(limits.query_rows_max).filter(|rows| *rows > 0),
        bytes_max: Some(limits.query_bytes_max.as_usize()).filter(|bytes| *bytes > 0),
        time_max: Some(limits.query_timeout.0).filter(|time| !time.is_zero()),
    }
}

fn limits(config: &Config) -> ServeLimits {
    ServeLimits {
        connections_max: config.limits.connections_max,
        header_timeout: config.limits.header_timeout.0,
        ..ServeLimits::default()
    }
}

async fn serve<S: Sink>(config: &Config, server: Server<S>, reload: Reload) -> Result<(), Failure> {
    let grpc = listen(config.listen.grpc).await?;
    let http = listen(config.listen.http).await?;
    let stopped = stopped();
    print(&format!("grpc {}\nhttp {}\n", address(&grpc)?, address(&http)?))?;
    let reloading = tokio::spawn(reload.run());
    let served = server.run(grpc, http, stopped).await.map_err(|e| Failure::machine("serve", &e));
    reloading.abort();
    served
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| Failure::machine(&format!("listen on {address}"), &e))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|e| Failure::machine("read the listener's address", &e))
}

/// Resolves at SIGTERM or SIGINT, which are caught from this call on: a stop that comes right behind the line that says
/// that the service is ready must find somebody who listens.
pub(super) fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        let [terminate, interrupt] = caught.map(|caught| async {
            match caught {
                Ok(mut caught) => drop(caught.recv().await),
                // Then the signal keeps its default, which ends the process.
                Err(_) => std::future::pending().await,
            }
        });
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_bounded_as_the_configuration_says_and_0_bounds_nothing() {
        let mut layers = Layers::new().unwrap();
        let by_default = query_bounds(&layers.config().unwrap());
        let time_max = Some(Duration::from_secs(300));
        assert_eq!(by_default, QueryBounds { rows_max: None, bytes_max: Some(256 << 20), time_max });
        for nothing in ["limits.query_rows_max=0", "limits.query_bytes_max=0", "limits.query_timeout=0s"] {
            layers.assign(nothing).unwrap();
        }
        assert_eq!(query_bounds(&layers.config().unwrap()), QueryBounds::default());
    }
}
