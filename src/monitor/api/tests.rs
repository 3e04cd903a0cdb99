//! Runs of Rust pipelines, as they arrive.

use std::panic::catch_unwind;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::*;
use crate::monitor::receiver::{Receiver, spans_in, texts};

fn quiet() -> PipelineOptions {
    PipelineOptions { destination: Destination::Caller, environment: BTreeMap::new(), ..PipelineOptions::default() }
}

fn spans_of(delivery: Delivery) -> Vec<Span> {
    let requests = delivery.requests.expect("requests");
    spans_in([ExportTraceServiceRequest::decode(requests.traces.as_slice()).expect("decodes")].iter())
}

#[test]
fn a_run_holds_its_steps_and_what_was_said_of_them() {
    let run = Pipeline::start_with("import", quiet());
    let mut load = run.step("load");
    load.set("perfline.items", 7);
    load.finish(Outcome::Success);
    run.set("perfline.cost_usd", 0.5);
    let spans = spans_of(run.finish(Outcome::Success));
    let (root, load) = (&spans[0], &spans[1]);
    assert_eq!((spans.len(), load.name.as_str()), (2, "load"));
    assert_eq!(load.parent_span_id, root.span_id);
    assert!(load.start_time_unix_nano >= root.start_time_unix_nano);
    assert!(load.end_time_unix_nano <= root.end_time_unix_nano);
    assert_eq!(texts(&load.attributes)["perfline.items"], "7");
    let said = texts(&root.attributes);
    assert_eq!((said["cicd.pipeline.result"].as_str(), said["perfline.cost_usd"].as_str()), ("success", "0.5"));
    assert!(said["perfline.peak_memory_bytes"].parse::<u64>().expect("number") > 0);
}

#[test]
fn a_step_that_is_left_by_a_panic_has_failed() {
    let run = Pipeline::start_with("import", quiet());
    let step = run.step("load");
    let left = catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _step = step;
        std::panic::resume_unwind(Box::new("no"));
    }));
    assert!(left.is_err());
    let spans = spans_of(run.finish(Outcome::Failure));
    assert_eq!(texts(&spans[1].attributes)["cicd.pipeline.task.run.result"], "failure");
    assert_eq!(spans[0].status.as_ref().map(|status| status.code), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_dropped_arrives_as_failed() {
    let receiver = Receiver::default();
    let destination = Destination::Collector(Some(receiver.grpc().await));
    drop(Pipeline::start_with("import", PipelineOptions { destination, ..quiet() }));
    let spans = receiver.spans();
    assert_eq!(texts(&spans[0].attributes)["cicd.pipeline.result"], "failure");
}

#[test]
fn an_outer_perfline_run_is_the_parent() {
    let mut options = quiet();
    options.environment.insert("TRACEPARENT".into(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    let run = Pipeline::start_with("import", options);
    assert!(run.traceparent().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    let spans = spans_of(run.finish(Outcome::Success));
    assert_eq!(spans[0].parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
}
