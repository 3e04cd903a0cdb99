//! `perfline serve`: receives, stores, answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::output::print;
use super::{Failure, rules};
use crate::api::Server;
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
    /// The DuckDB file; made where it is missing.
    #[arg(long, env = "PERFLINE_STORE", default_value = "perfline.duckdb", value_name = "FILE")]
    store: PathBuf,
    /// Where OTLP/gRPC listens.
    #[arg(long, env = "PERFLINE_GRPC", default_value = "127.0.0.1:4317", value_name = "ADDR")]
    grpc: SocketAddr,
    /// Where OTLP/HTTP, /metrics and health listen.
    #[arg(long, env = "PERFLINE_HTTP", default_value = "127.0.0.1:4318", value_name = "ADDR")]
    http: SocketAddr,
    /// Listen beyond this machine although there is neither encryption nor a password.
    #[arg(long)]
    allow_insecure_bind: bool,
    /// Close a run without a root after this many seconds without news.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    run_idle_timeout: u64,
}

pub(super) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    start_log();
    for address in [args.grpc, args.http] {
        if !address.ip().is_loopback() && !args.allow_insecure_bind {
            return Err(Failure::usage(
                format!("listen on {address}: others could read and write the store"),
                "listen on 127.0.0.1, or accept the risk with --allow-insecure-bind",
            ));
        }
    }
    let options = StoreOptions {
        run_idle_timeout: Duration::from_secs(args.run_idle_timeout),
        ..StoreOptions::new(args.store.clone())
    };
    let store = Store::open(&options, rules()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let served = runtime.block_on(serve(args, store.clone()));
    runtime.shutdown_timeout(DRAIN_MAX);
    store.close()?;
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: &ServeArgs, store: Store) -> Result<(), Failure> {
    let grpc = listen(args.grpc).await?;
    let http = listen(args.http).await?;
    let server = Server::new(store);
    print(&format!("grpc {}\nhttp {}\n", address(&grpc)?, address(&http)?))?;
    server.run(grpc, http, stopped()).await.map_err(|e| Failure::machine("serve", &e))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| Failure::machine(&format!("listen on {address}"), &e))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|e| Failure::machine("read the listener's address", &e))
}

/// Resolves at SIGTERM or SIGINT.
pub(super) async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(interrupt.await),
    }
}

fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("PERFLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call in one process finds the log started already.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}
