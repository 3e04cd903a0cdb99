//! `perfline demo`: the whole path in a minute.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::output::print;
use super::report::write_report;
use super::{Failure, rules};
use crate::api::{Backend, CheckQuery, Server};
use crate::demo::{DemoOptions, DemoTruth, emit};
use crate::model::Severity;
use crate::report::verdict_ansi;
use crate::store::{Store, StoreOptions};

/// Show the whole path in a minute: a collector on free ports, three sample pipelines that send some
/// weeks of runs through the OpenTelemetry SDK, two planted changes, the check, the report.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  perfline demo --out demo && open demo/report/index.html")]
pub(crate) struct DemoArgs {
    /// Folder for the store and the report; made where it is missing.
    #[arg(long, default_value = "perfline-demo", value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let path = args.out.join("demo.duckdb");
    prepare(&args.out, &path)?;
    let options = StoreOptions::new(path.clone());
    let store = Store::open(&options, rules()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let truth = runtime.block_on(collect(store.clone()))?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    let backend = Backend::Local(store);
    backend.settle()?;
    let verdict = backend.check(&CheckQuery::default())?;
    let bundle = backend.bundle(crate::report::Kind::Pipeline, None)?;
    backend.close()?;
    let report = args.out.join("report");
    write_report(&bundle, None, &crate::report::Format::ALL, &report)?;
    print(&told(&truth, &verdict_ansi(&verdict, Severity::High), &path, &report))?;
    Ok(ExitCode::SUCCESS)
}

/// A demo begins anew: what an earlier one left in its own folder goes.
fn prepare(out: &Path, store: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|e| Failure::machine(&format!("create `{}`", out.display()), &e))?;
    for stale in [store.to_owned(), store.with_extension("duckdb.wal")] {
        if stale.exists() {
            std::fs::remove_file(&stale).map_err(|e| Failure::machine(&format!("remove `{}`", stale.display()), &e))?;
        }
    }
    let log = crate::store::log_folder(store);
    if log.exists() {
        std::fs::remove_dir_all(&log).map_err(|e| Failure::machine(&format!("remove `{}`", log.display()), &e))?;
    }
    Ok(())
}

async fn collect(store: Store) -> Result<DemoTruth, Failure> {
    let grpc = listen().await?;
    let http = listen().await?;
    let (grpc_url, http_url) = (url(&grpc)?, url(&http)?);
    anstream::eprintln!("collector: grpc {grpc_url}, http {http_url}");
    let (stop, stopped) = oneshot::channel::<()>();
    let now = store.clock().now();
    let server = Server::new(store);
    let serving = tokio::spawn(async move {
        server
            .run(grpc, http, async {
                // A dropped sender stops the server too.
                drop(stopped.await);
            })
            .await
    });
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} runs sent").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let progress = bar.clone();
    let emitted = emit(&grpc_url, &http_url, DemoOptions::until(now), move |done, total| {
        progress.set_length(total as u64);
        progress.set_position(done as u64);
    })
    .await;
    bar.finish_and_clear();
    drop(stop);
    match serving.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Failure::machine("serve", &error)),
        Err(error) => return Err(Failure::internal(&error)),
    }
    emitted.map_err(|e| Failure::internal(&e))
}

async fn listen() -> Result<TcpListener, Failure> {
    TcpListener::bind("127.0.0.1:0").await.map_err(|e| Failure::machine("listen on 127.0.0.1", &e))
}

fn url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|e| Failure::machine("read the listener's address", &e))?;
    Ok(format!("http://{address}"))
}

fn told(truth: &DemoTruth, verdict: &str, store: &Path, report: &Path) -> String {
    let mut text = String::from("sent through the OpenTelemetry SDK:\n");
    for pipeline in &truth.pipelines {
        text +=
            &format!("  {}: {} runs ({}), {} spans\n", pipeline.name, pipeline.runs, pipeline.about, pipeline.spans);
    }
    text += "\nplanted:\n";
    for planted in &truth.planted {
        text += &format!(
            "  {} / {}: {}, since run {}\n",
            planted.pipeline, planted.step, planted.what, planted.since_run_id
        );
    }
    text += &format!("\n`perfline check` says:\n\n{verdict}\n");
    text += &format!("look at  {}\n", report.join("index.html").display());
    text += &format!(
        "ask      perfline query --store {} 'select pipeline, count(*) from runs group by all'\n",
        store.display()
    );
    text
}
