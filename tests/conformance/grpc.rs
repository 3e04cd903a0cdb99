//! Points 1 to 15, and health and reflection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use perfline::model::Signal;
use perfline::otlp::sink::SubmitError;
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::harness::{
    Door, Memory, RetryInfo, RpcStatus, TOKEN, access, door, door_with, frame, names, request_of, set, span, traces,
};

async fn export(door: &Door, request: ExportTraceServiceRequest) -> Result<Option<(i64, String)>, Status> {
    let mut client = TraceServiceClient::new(door.channel().await);
    let partial = client.export(request).await?.into_inner().partial_success;
    Ok(partial.map(|partial| (partial.rejected_spans, partial.error_message)))
}

/// Calls with a body of our own making; gives grpc-status and the bytes of the answer.
async fn raw_call(door: &Door, path: &str, encoding: Option<&str>, body: Bytes) -> (Code, Bytes) {
    let mut request = http_request(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let request = request.body(tonic::body::Body::new(axum::body::Body::from(body))).unwrap();
    let response = door.channel().await.oneshot(request).await.unwrap();
    let in_headers = Status::from_header_map(response.headers());
    let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), 8 << 20).await.unwrap();
    (in_headers.map_or(Code::Ok, |status| status.code()), body)
}

fn http_request(path: &str) -> axum::http::request::Builder {
    axum::http::Request::builder().method("POST").uri(path)
}

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[tokio::test(flavor = "multi_thread")]
async fn point_01_plain_and_gzip_bodies_are_taken_and_deflate_and_zstd_too() {
    let door = door().await;
    let mut plain = TraceServiceClient::new(door.channel().await);
    plain.export(traces(3)).await.unwrap();
    for compression in [CompressionEncoding::Gzip, CompressionEncoding::Deflate, CompressionEncoding::Zstd] {
        let mut client = TraceServiceClient::new(door.channel().await).send_compressed(compression);
        client.export(traces(3)).await.unwrap();
    }
    let taken = door.taken();
    assert_eq!(taken.len(), 4);
    assert!(taken.iter().all(|accepted| accepted.body == traces(3).encode_to_vec() && accepted.items == 3));
}

#[test]
fn point_02_the_default_port_is_4317() {
    assert_eq!(perfline::otlp::grpc::DEFAULT_PORT, 4317);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_03_the_limit_holds_after_decompression_and_is_configurable() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 10_000)).await;
    let mut large = span(1);
    large.name = "x".repeat(20_000);
    let mut client = TraceServiceClient::new(door.channel().await).send_compressed(CompressionEncoding::Gzip);
    let status = client.export(request_of(vec![large.clone()])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    large.name.truncate(9_000);
    client.export(request_of(vec![large])).await.unwrap();
    assert_eq!(perfline::otlp::door::Limits::default().body_bytes_max, 64 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_04_overflow_is_resource_exhausted_without_retry_info() {
    let door = door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 100)).await;
    let status = export(&door, traces(20)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.details().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_05_the_answer_stays_small_however_much_is_refused() {
    let door = door().await;
    let mut bad = span(1);
    bad.trace_id = vec![1; 3];
    let body = request_of(vec![bad; 50_000]).encode_to_vec();
    let (code, answer) = raw_call(&door, TRACES, None, frame(0, &body)).await;
    assert_eq!(code, Code::Ok);
    assert!((1..4096).contains(&answer.len()), "{}", answer.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_06_an_empty_request_succeeds_for_every_signal() {
    let door = door().await;
    assert_eq!(export(&door, ExportTraceServiceRequest::default()).await.unwrap(), None);
    let mut metrics = MetricsServiceClient::new(door.channel().await);
    metrics.export(ExportMetricsServiceRequest::default()).await.unwrap();
    let mut logs = LogsServiceClient::new(door.channel().await);
    logs.export(ExportLogsServiceRequest::default()).await.unwrap();
    assert!(door.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_07_success_leaves_partial_success_unset() {
    let door = door().await;
    let body = traces(2).encode_to_vec();
    let (code, answer) = raw_call(&door, TRACES, None, frame(0, &body)).await;
    assert_eq!((code, &answer[..]), (Code::Ok, &[0, 0, 0, 0, 0][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn point_08_partial_success_counts_and_explains_and_the_rest_is_taken() {
    let door = door().await;
    let mut request = traces(3);
    request.resource_spans[0].scope_spans[0].spans[1].span_id = vec![0; 8];
    let (rejected, message) = export(&door, request).await.unwrap().unwrap();
    assert_eq!((rejected, &*message), (1, "refused 1 of 3 spans: span_id 1"));
    assert_eq!(names(&door.taken()[0]), ["span 1", "span 3"]);
    assert_eq!(door.taken()[0].items, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_10_and_12_back_pressure_is_unavailable_with_retry_info() {
    let door = door().await;
    let busy = SubmitError::Busy { retry_after: Duration::from_millis(2500) };
    for (error, delay) in [(busy, (2, 500_000_000)), (SubmitError::Unwritable("disk full".to_owned()), (1, 0))] {
        *door.sink.refuse.lock().unwrap() = Some(error);
        let status = export(&door, traces(1)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let details = RpcStatus::decode(status.details()).unwrap();
        assert_eq!(details.code, Code::Unavailable as i32);
        assert_eq!(details.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        let retry = RetryInfo::decode(&details.details[0].value[..]).unwrap().retry_delay.unwrap();
        assert_eq!((retry.seconds, retry.nanos), delay);
    }
    *door.sink.refuse.lock().unwrap() = None;
    assert_eq!(export(&door, traces(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_11_bad_data_is_invalid_argument() {
    let door = door().await;
    let good = traces(2).encode_to_vec();
    for bad in [&b"\xff\xff\xff garbage"[..], &good[..good.len() - 1], b"{\"resourceSpans\":[]}", b"\x0a\x05ab"] {
        assert_eq!(raw_call(&door, TRACES, None, frame(0, bad)).await.0, Code::InvalidArgument, "{bad:?}");
    }
    assert_eq!(raw_call(&door, TRACES, Some("gzip"), frame(1, b"no gzip")).await.0, Code::InvalidArgument);
    assert!(door.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_13_no_permanent_error_gets_a_code_that_clients_retry() {
    let door = door_with(Memory::default(), |state| {
        set(state, |settings| settings.limits.body_bytes_max = 1000);
        state.signals = vec![Signal::Traces];
    })
    .await;
    let body = traces(1).encode_to_vec();
    let logs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let calls = [
        (TRACES, None, frame(0, b"\xff"), Code::InvalidArgument),
        (TRACES, None, frame(0, &[0; 2000]), Code::ResourceExhausted),
        (TRACES, Some("br"), frame(1, &body), Code::Unimplemented),
        (TRACES, None, frame(1, &body), Code::Internal),
        (TRACES, None, frame(9, &body), Code::Internal),
        (TRACES, None, Bytes::from_static(b"\0\0"), Code::Internal),
        (logs, None, frame(0, &[]), Code::Unimplemented),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Other", None, frame(0, &[]), Code::Unimplemented),
        ("/no.such.Service/Export", None, frame(0, &[]), Code::Unimplemented),
    ];
    for (path, encoding, body, expected) in calls {
        assert_eq!(raw_call(&door, path, encoding, body).await.0, expected, "{path} {encoding:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_14_calls_run_side_by_side_on_one_connection() {
    // The sink holds everybody back until all 32 are there: one after the other would never end.
    let sink = Memory { barrier: Some(Arc::new(tokio::sync::Barrier::new(32))), ..Memory::default() };
    let door = door_with(sink, |_| ()).await;
    let client = TraceServiceClient::new(door.channel().await);
    let calls: Vec<_> = (1..=32)
        .map(|index| {
            let mut client = client.clone();
            tokio::spawn(async move { client.export(request_of(vec![span(index)])).await.map(|_| ()) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(door.taken().len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_15_a_disabled_signal_is_unimplemented() {
    let door = door_with(Memory::default(), |state| state.signals = vec![Signal::Traces]).await;
    let mut logs = LogsServiceClient::new(door.channel().await);
    let status = logs.export(ExportLogsServiceRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(export(&door, traces(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_serving_for_the_whole_and_for_each_service() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    let door = door().await;
    let mut client = HealthClient::new(door.channel().await);
    for service in ["", "opentelemetry.proto.collector.trace.v1.TraceService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let status = client.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    door.health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    let status = client.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_the_services() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let door = door().await;
    let mut client = ServerReflectionClient::new(door.channel().await);
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let services: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService"] {
        let name = format!("opentelemetry.proto.collector.{name}");
        assert!(services.contains(&name), "{services:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_where_one_is_configured() {
    let door = door_with(Memory::default(), |state| {
        state.access = access([TOKEN]);
    })
    .await;
    let status = export(&door, traces(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let mut client = TraceServiceClient::new(door.channel().await);
    let mut request = tonic::Request::new(traces(1));
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    client.export(request).await.unwrap();
    assert_eq!(door.taken().len(), 1);
}
