//! Three sample pipelines that emit six weeks of runs through the OpenTelemetry SDK, with one step
//! made slower and one model made dearer: something to look at for who has no telemetry yet, and a
//! truth to hold the detector against.

mod assistant;
mod build;
mod emitter;
mod noise;
mod orders;
mod sample;

pub use emitter::Transport;

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use self::emitter::Emitter;
use self::sample::SampleRun;
use crate::model::Metric;
use crate::model::clock::UnixNanos;

/// Runs between two flushes: so often does the progress move.
const RUNS_PER_FLUSH: usize = 16;

/// What the demo should look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// The present: the newest runs end shortly before. Unix nanoseconds.
    pub now: UnixNanos,
    /// The same seed gives the same runs.
    pub seed: u64,
    /// Days that the runs are spread over.
    pub days: u32,
}

impl DemoOptions {
    /// Six weeks that end at `now`.
    #[must_use]
    pub fn until(now: UnixNanos) -> Self {
        Self { now, seed: 2, days: 42 }
    }
}

/// Why the demo could not be emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemoError {
    /// The exporter refused its settings.
    #[error("set up the OTLP exporter for `{endpoint}`: {reason}")]
    Exporter {
        /// Where it should have sent to.
        endpoint: String,
        /// The exporter's own words.
        reason: String,
    },
    /// The collector has not acknowledged everything.
    #[error("the collector acknowledged {acknowledged} of {emitted} spans: {reason}")]
    Lost {
        /// Spans handed to the SDK.
        emitted: usize,
        /// Spans that the collector took.
        acknowledged: usize,
        /// The first error.
        reason: String,
    },
    /// The emitting thread ended early.
    #[error("the emitting thread was lost: {0}")]
    Thread(String),
}

/// What was emitted, and what is to be found in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DemoTruth {
    /// The pipelines, in the order in which they were emitted.
    pub pipelines: Vec<DemoPipeline>,
    /// The changes that were planted.
    pub planted: Vec<Planted>,
}

/// One pipeline of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoPipeline {
    /// Pipeline name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// How it spoke.
    pub transport: Transport,
    /// Runs emitted.
    pub runs: usize,
    /// Failed ones among them.
    pub failures: usize,
    /// Spans emitted and acknowledged.
    pub spans: usize,
}

/// One change that was planted.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// Pipeline.
    pub pipeline: &'static str,
    /// Step.
    pub step: &'static str,
    /// What changed.
    pub metric: Metric,
    /// By how much the step changed, percent, before noise.
    pub change_percent: f64,
    /// First run at the new level.
    pub since_run_id: String,
    /// Its position among the pipeline's runs, from 0.
    pub since_index: usize,
    /// Runs at the new level.
    pub runs_after: usize,
    /// For people.
    pub what: String,
}

/// One emitting program: its runs and how they leave.
struct Program {
    name: &'static str,
    about: &'static str,
    service: &'static str,
    scope: &'static str,
    transport: Transport,
    runs: Vec<SampleRun>,
}

fn programs(options: DemoOptions) -> [Program; 3] {
    let DemoOptions { now, seed, days } = options;
    [
        Program {
            name: assistant::PIPELINE,
            about: "an LLM workflow",
            service: "assistant",
            scope: "assistant.workflow",
            transport: Transport::Grpc,
            runs: assistant::runs(seed, now, days),
        },
        Program {
            name: orders::PIPELINE,
            about: "a data flow",
            service: "airflow",
            scope: "airflow.models.dagrun",
            transport: Transport::Http,
            runs: orders::runs(seed, now, days),
        },
        Program {
            name: build::PIPELINE,
            about: "a CI job",
            service: "ci",
            scope: "ci.runner",
            transport: Transport::Grpc,
            runs: build::runs(seed, now, days),
        },
    ]
}

/// Emits everything and returns once the collector has acknowledged it. `progress` gets the runs
/// acknowledged so far and their total.
///
/// # Errors
/// Where the endpoints are malformed, or the collector did not take every span.
pub async fn emit(
    endpoint_grpc: &str,
    endpoint_http: &str,
    options: DemoOptions,
    progress: impl Fn(usize, usize),
) -> Result<DemoTruth, DemoError> {
    let programs = programs(options);
    let total = programs.iter().map(|program| program.runs.len()).sum();
    let (sender, mut done) = mpsc::channel(total / RUNS_PER_FLUSH + programs.len() + 1);
    let endpoints = (endpoint_grpc.to_owned(), endpoint_http.to_owned());
    progress(0, total);
    // The SDK's processors block while they flush: not on the runtime's own threads.
    let task = tokio::task::spawn_blocking(move || emit_blocking(&endpoints, programs, options, &sender));
    while let Some(runs) = done.recv().await {
        progress(runs, total);
    }
    task.await.map_err(|error| DemoError::Thread(error.to_string()))?
}

fn emit_blocking(
    endpoints: &(String, String),
    programs: [Program; 3],
    options: DemoOptions,
    done: &mpsc::Sender<usize>,
) -> Result<DemoTruth, DemoError> {
    let mut truth = DemoTruth::default();
    let mut trace_ids = BTreeMap::new();
    let mut runs_done = 0;
    for (position, program) in (0..).zip(programs) {
        let endpoint = if program.transport == Transport::Grpc { &endpoints.0 } else { &endpoints.1 };
        // A second demo into the same store is other runs: its ids must differ.
        let id_seed = options.seed ^ options.now.unsigned_abs() ^ position;
        let mut emitter = Emitter::new(program.transport, endpoint, program.service, program.scope, id_seed)?;
        let mut run_ids = Vec::with_capacity(program.runs.len());
        for batch in program.runs.chunks(RUNS_PER_FLUSH) {
            for run in batch {
                let trace_id = emitter.emit(&run.root);
                run_ids.push(run.run_id.clone().unwrap_or_else(|| trace_id.to_string()));
            }
            emitter.flush()?;
            runs_done += batch.len();
            // There is room for every message; nobody may be listening.
            let _ = done.try_send(runs_done);
        }
        truth.pipelines.push(DemoPipeline {
            name: program.name,
            about: program.about,
            transport: program.transport,
            runs: program.runs.len(),
            failures: program.runs.iter().filter(|run| run.root.error.is_some()).count(),
            spans: emitter.finish()?,
        });
        trace_ids.insert(program.name, run_ids);
    }
    truth.planted = planted(&trace_ids);
    Ok(truth)
}

fn planted(run_ids: &BTreeMap<&'static str, Vec<String>>) -> Vec<Planted> {
    let since =
        |pipeline, index: usize| run_ids.get(pipeline).and_then(|ids| ids.get(index)).cloned().unwrap_or_default();
    let (cheap, dear) = assistant::models();
    let slower = (orders::SLOWER - 1.0) * 100.0;
    let draft = |metric, change_percent, what| Planted {
        pipeline: assistant::PIPELINE,
        step: "draft",
        metric,
        change_percent,
        since_run_id: since(assistant::PIPELINE, assistant::DEARER_SINCE),
        since_index: assistant::DEARER_SINCE,
        runs_after: assistant::RUNS - assistant::DEARER_SINCE,
        what,
    };
    vec![
        Planted {
            pipeline: orders::PIPELINE,
            step: "transform",
            metric: Metric::Duration,
            change_percent: slower,
            since_run_id: since(orders::PIPELINE, orders::SLOWER_SINCE),
            since_index: orders::SLOWER_SINCE,
            runs_after: orders::RUNS - orders::SLOWER_SINCE,
            what: format!("step `transform` takes {slower:.0} % longer"),
        },
        draft(
            Metric::Cost,
            assistant::draft_cost_change_percent(),
            format!("step `draft` asks {dear} instead of {cheap}: dearer"),
        ),
        draft(
            Metric::OutputTokens,
            (assistant::TALKATIVE - 1.0) * 100.0,
            format!("step `draft` asks {dear} instead of {cheap}: it says more"),
        ),
    ]
}

#[cfg(test)]
mod tests;
