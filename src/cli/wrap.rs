//! `perfline run`: measures a command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::access::AccessArg;
use super::{Failure, opening};
use crate::api::Backend;
use crate::model::Signal;
use crate::monitor::{Destination, Requests, RunRequest};
use crate::otlp::sink::Accepted;

/// Names the store to every command.
const STORE_VARIABLE: &str = "PERFLINE_STORE";
/// Any of them names a collector.
const COLLECTOR_VARIABLES: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

/// Run a command, measure its process tree, send one run. The command's own exit code comes out.
#[derive(Debug, Args)]
#[command(
    after_help = "The run goes to --endpoint or --store, else to OTEL_EXPORTER_OTLP_ENDPOINT, else to PERFLINE_STORE, else to the local
default. A collector that is away costs a warning, never the command.

Examples:
  perfline run -- make test
  perfline run --pipeline nightly --step build --endpoint http://127.0.0.1:4317 -- ./build.sh
  perfline run --store runs.duckdb -- dbt build"
)]
pub(crate) struct RunArgs {
    /// Name of the pipeline; else what CI says, else the program's name.
    #[arg(long)]
    pipeline: Option<String>,
    /// The command is this step of the pipeline.
    #[arg(long)]
    step: Option<String>,
    /// Id of the run; else what CI says, else the trace id.
    #[arg(long)]
    run_id: Option<String>,
    /// OTLP collector: http://host:4317 (gRPC) or http://host:4318 (HTTP).
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Write into this store instead: a DuckDB file, or the URL of a running `perfline serve`.
    #[arg(long, conflicts_with = "endpoint", value_name = "FILE|URL")]
    store: Option<String>,
    #[command(flatten)]
    access: AccessArg,
    /// Measure this file or folder afterwards; may be given more than once.
    #[arg(long, value_name = "PATH")]
    output: Vec<PathBuf>,
    /// Send the command line too. It often holds secrets.
    #[arg(long)]
    record_command: bool,
    /// The command.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The store that the run goes to: the one that is named, else that of PERFLINE_STORE, where nothing names a collector.
fn store_of(args: &RunArgs, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let said = |name: &str| variable(name).filter(|value| !value.is_empty());
    let named = args.store.clone();
    named.or_else(|| {
        let collector = args.endpoint.is_some() || COLLECTOR_VARIABLES.iter().any(|name| said(name).is_some());
        if collector { None } else { said(STORE_VARIABLE) }
    })
}

pub(super) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let store = store_of(&args, |name| std::env::var(name).ok());
    let mut request = RunRequest {
        pipeline: args.pipeline,
        step: args.step,
        run_id: args.run_id,
        destination: if store.is_some() { Destination::Caller } else { Destination::Collector(args.endpoint) },
        outputs: args.output,
        record_command: args.record_command,
        adopt_orphans: true,
        ..RunRequest::new(args.command)
    };
    // The token is meant for the service that the user names, never for whatever OTEL_EXPORTER_OTLP_ENDPOINT says.
    if matches!(request.destination, Destination::Collector(Some(_))) {
        request.collector_token = args.access.token()?;
    }
    request.collector_files = args.access.files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Failure::machine("start the runtime", &e))?;
    let report = match runtime.block_on(crate::monitor::run(request)) {
        Ok(report) => report,
        Err(error) => {
            let code = error.exit_code();
            anstream::eprintln!("perfline: {error}");
            return Ok(exit_code(code));
        }
    };
    for warning in &report.warnings {
        anstream::eprintln!("perfline: {}", crate::report::clean::line(warning));
    }
    if let (Some(store), Some(requests)) = (&store, report.requests.clone()) {
        // The command is done: a store that cannot be written costs a warning, never its exit code.
        if let Err(failure) = store_run(store, &args.access, requests) {
            failure.warn("the run was not stored");
        }
    }
    // Dies of Ctrl-C as the command did, so that a script around both stops.
    Ok(exit_code(report.leave()))
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

fn store_run(store: &str, access: &AccessArg, requests: Requests) -> Result<(), Failure> {
    let backend = Backend::open_with(store, &access.service()?, opening(None, None)?)?;
    for (signal, body, items) in
        [(Signal::Traces, requests.traces, requests.spans), (Signal::Metrics, requests.metrics, requests.points)]
    {
        if !body.is_empty() {
            backend.import(signal, Accepted { signal, body: body.into(), items })?;
        }
    }
    Ok(backend.close()?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    #[test]
    fn a_run_goes_where_the_nearest_word_says() {
        let store = |flags: &[&str], variables: &[(&str, &str)]| {
            let line = Line::parse_from([&["run"], flags, &["--", "true"]].concat());
            let said =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            store_of(&line.args, said)
        };
        let (ours, theirs) = (("PERFLINE_STORE", "a.duckdb"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"));
        assert_eq!(store(&[], &[]), None);
        assert_eq!(store(&[], &[ours]).as_deref(), Some("a.duckdb"));
        assert_eq!(store(&[], &[("PERFLINE_STORE", "")]), None);
        assert_eq!(store(&[], &[ours, theirs]), None);
        assert_eq!(store(&["--endpoint", "http://d:4317"], &[ours]), None);
        assert_eq!(store(&["--store", "b.duckdb"], &[ours, theirs]).as_deref(), Some("b.duckdb"));
    }
}
