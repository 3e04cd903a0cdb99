//! `perfline serve`: receives, stores, answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::output::print;
use super::{Failure, prices, rules_in, veil};
use crate::api::Server;
use crate::config::Config;
use crate::otlp::budget::Budget;
use crate::otlp::door::Limits;
use crate::otlp::receive::DoorState;
use crate::store::{Store, StoreOptions};

/// How long open requests may take to end at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Receive OTLP over gRPC and HTTP, store it, answer other commands.
#[derive(Debug, Args)]
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
    /// The DuckDB file; made where it is missing. Without it what the configuration says: perfline.duckdb.
    #[arg(long, env = "PERFLINE_STORE", value_name = "FILE")]
    store: Option<PathBuf>,
    /// Where OTLP/gRPC listens. Without it 127.0.0.1:4317.
    #[arg(long, env = "PERFLINE_GRPC", value_name = "ADDR")]
    grpc: Option<SocketAddr>,
    /// Where OTLP/HTTP, /metrics and health listen. Without it 127.0.0.1:4318.
    #[arg(long, env = "PERFLINE_HTTP", value_name = "ADDR")]
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

/// The configuration, with what the flags and the environment say in its place.
fn configured(args: &ServeArgs) -> Result<Config, Failure> {
    let mut config = Config::load(args.config.as_deref()).map_err(|e| Failure::machine("configure", &e))?;
    if let Some(store) = &args.store {
        config.store.path.clone_from(store);
    }
    if let Some(seconds) = args.run_idle_timeout {
        config.store.run_idle_timeout_s = seconds;
    }
    config.listen.grpc = args.grpc.unwrap_or(config.listen.grpc);
    config.listen.http = args.http.unwrap_or(config.listen.http);
    config.listen.allow_insecure_bind |= args.allow_insecure_bind;
    Ok(config)
}

pub(super) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    start_log();
    let config = configured(args)?;
    for address in [config.listen.grpc, config.listen.http] {
        if !address.ip().is_loopback() && !config.listen.allow_insecure_bind {
            return Err(Failure::usage(
                format!("listen on {address}: others could read and write the store"),
                "listen on 127.0.0.1, or accept the risk with --allow-insecure-bind",
            ));
        }
    }
    let rules = rules_in(named(&config.conventions.directory))?;
    let options = StoreOptions {
        buffer_bytes_max: config.store.buffer_bytes_max,
        duckdb_memory_bytes_max: config.store.duckdb_memory_bytes_max,
        duckdb_threads: config.store.duckdb_threads,
        load_interval: Duration::from_millis(config.store.load_interval_ms),
        run_idle_timeout: Duration::from_secs(config.store.run_idle_timeout_s),
        prices: prices(None, named(&config.prices.file))?,
        veil: veil(args.anonymize.as_deref(), named(&config.anonymize.key_file), &rules)?,
        ..StoreOptions::new(config.store.path.clone())
    };
    let store = Store::open(&options, rules)?;
    store.set_policy(super::checked_policy(config.detect.clone())?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let served = runtime.block_on(serve(&config, store.clone()));
    runtime.shutdown_timeout(DRAIN_MAX);
    store.close()?;
    served.map(|()| ExitCode::SUCCESS)
}

/// An empty path in the configuration names nothing.
fn named(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

async fn serve(config: &Config, store: Store) -> Result<(), Failure> {
    let grpc = listen(config.listen.grpc).await?;
    let http = listen(config.listen.http).await?;
    let door = DoorState {
        limits: Limits {
            body_bytes_max: config.limits.body_bytes_max,
            attributes_max: config.limits.attributes_max,
            lenient_enum_names: config.limits.lenient_enum_names,
        },
        budget: Budget::new(config.limits.bodies_bytes_max),
        body_timeout: Duration::from_secs(config.limits.body_timeout_s),
        cors_origins: config.listen.cors_origins.clone(),
        ..DoorState::new(store.clone())
    };
    let server = Server::with_door(store, door);
    let stopped = stopped();
    print(&format!("grpc {}\nhttp {}\n", address(&grpc)?, address(&http)?))?;
    server.run(grpc, http, stopped).await.map_err(|e| Failure::machine("serve", &e))
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

fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("PERFLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call in one process finds the log started already.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}
