//! Points 16 to 29.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use perfline::model::Signal;
use perfline::otlp::sink::SubmitError;
use prost::Message as _;
use tower::ServiceExt as _;

use crate::harness::{Memory, RpcStatus, TOKEN, access, channel, door, door_with, gzip, names, set, traces, zlib};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const PATHS: [&str; 3] = ["/v1/traces", "/v1/metrics", "/v1/logs"];

#[tokio::test(flavor = "multi_thread")]
async fn point_16_each_signal_has_its_path() {
    let door = door().await;
    let log = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}"#;
    let gauge =
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":1}]}}]}]}]}"#;
    assert_eq!(door.post("/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await.status, 200);
    assert_eq!(door.json("/v1/metrics", gauge).await.status, 200);
    assert_eq!(door.json("/v1/logs", log).await.status, 200);
    let signals: Vec<_> = door.taken().iter().map(|accepted| accepted.signal).collect();
    assert_eq!(signals, Signal::ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_under_a_prefix_are_served_as_some_emitters_put_one() {
    let door = door().await;
    let reply = door.post("/api/public/otel/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await;
    assert_eq!((reply.status, door.taken().len()), (200, 1));
    assert_eq!(door.post("/v1/tracesx", PROTOBUF, &[]).await.status, 404);
    assert_eq!(door.send("GET", "/x/v1/traces", &[], &[]).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_17_the_default_port_is_4318_and_both_http_versions_are_spoken() {
    assert_eq!(perfline::otlp::http::DEFAULT_PORT, 4318);
    let door = door().await;
    assert_eq!(door.post("/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await.status, 200);
    // tonic's channel speaks HTTP/2 only.
    let body = tonic::body::Body::new(axum::body::Body::from(traces(1).encode_to_vec()));
    let request = axum::http::Request::post("/v1/traces").header("content-type", PROTOBUF).body(body).unwrap();
    let response = channel(door.http).await.oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, axum::http::Version::HTTP_2));
    assert_eq!(door.taken().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_18_and_19_both_encodings_on_one_port_and_the_answer_in_the_requests() {
    let door = door().await;
    for content_type in [PROTOBUF, "application/x-protobuf; charset=utf-8", "Application/X-Protobuf"] {
        let reply = door.post("/v1/traces", content_type, &traces(1).encode_to_vec()).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(PROTOBUF)), "{content_type}");
    }
    for content_type in [JSON, "application/json; charset=utf-8", "application/json;charset=UTF-8"] {
        let reply = door.post("/v1/traces", content_type, b"{}").await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(JSON)), "{content_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_20_gzip_deflate_and_zstd_are_undone() {
    let door = door().await;
    let plain = traces(3).encode_to_vec();
    let bodies = [
        ("gzip", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("zstd", zstd::encode_all(&plain[..], 3).unwrap()),
        ("identity", plain.clone()),
    ];
    for (encoding, body) in bodies {
        let headers = [("content-type", PROTOBUF), ("content-encoding", encoding)];
        assert_eq!(door.send("POST", "/v1/traces", &headers, &body).await.status, 200, "{encoding}");
    }
    assert_eq!(door.taken().len(), 4);
    assert!(door.taken().iter().all(|accepted| accepted.body == plain));
}

#[tokio::test(flavor = "multi_thread")]
async fn point_21_the_limit_holds_after_decompression_and_overflow_is_413() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 10_000)).await;
    let large = vec![b' '; 1_000_000];
    let plain = door.post("/v1/traces", JSON, &large).await;
    assert_eq!((plain.status, plain.status_message().0), (413, 8));
    let zstd = zstd::encode_all(&large[..], 3).unwrap();
    for (encoding, body) in [("gzip", gzip(&large)), ("deflate", zlib(&large)), ("zstd", zstd)] {
        assert!(body.len() < 10_000);
        let headers = [("content-type", PROTOBUF), ("content-encoding", encoding)];
        let reply = door.send("POST", "/v1/traces", &headers, &body).await;
        assert_eq!((reply.status, reply.status_message().0), (413, 8), "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_22_success_is_200_and_an_empty_request_succeeds() {
    let door = door().await;
    for path in PATHS {
        let protobuf = door.post(path, PROTOBUF, &[]).await;
        assert_eq!((protobuf.status, &protobuf.body[..]), (200, &b""[..]), "{path}");
        let json = door.json(path, "{}").await;
        assert_eq!((json.status, &json.body[..]), (200, &b"{}"[..]), "{path}");
    }
    assert!(door.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_23_partial_success_and_full_success_over_http() {
    let door = door().await;
    let full = door.post("/v1/traces", PROTOBUF, &traces(2).encode_to_vec()).await;
    assert_eq!((full.status, full.body.len()), (200, 0));
    let mut request = traces(3);
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = vec![];
    let reply = door.post("/v1/traces", PROTOBUF, &request.encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(&reply.body[..]).unwrap().partial_success.unwrap();
    assert_eq!((partial.rejected_spans, &*partial.error_message), (1, "refused 1 of 3 spans: trace_id 1"));
    assert_eq!(names(&door.taken()[1]), ["span 2", "span 3"]);

    let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00","spanId":"0102030405060708"}]}]}]}"#;
    let reply = door.json("/v1/traces", spans).await;
    assert_eq!(reply.json()["partialSuccess"]["rejectedSpans"], "1");
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"00"}]}]}]}"#;
    assert_eq!(door.json("/v1/logs", logs).await.json()["partialSuccess"]["rejectedLogRecords"], "1");
    let points = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":"x"}]}}]}]}]}"#;
    assert_eq!(door.json("/v1/metrics", points).await.json()["partialSuccess"]["rejectedDataPoints"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_09_a_warning_has_no_rejection_and_a_message() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.lenient_enum_names = true)).await;
    let named = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",
        "spanId":"eee19b7ec3c1b174","kind":"SPAN_KIND_SERVER"}]}]}]}"#;
    let partial = door.json("/v1/traces", named).await.json()["partialSuccess"].clone();
    assert_eq!(partial["rejectedSpans"], "0");
    assert!(partial["errorMessage"].as_str().unwrap().contains("1 enums by name"), "{partial}");
    assert_eq!(door.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_24_every_error_is_a_status_in_the_requests_encoding() {
    let door = door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 1000)).await;
    for content_type in [PROTOBUF, JSON] {
        let kind = ("content-type", content_type);
        let cases = [
            (400, door.send("POST", "/v1/traces", &[kind], b"\xff\xff").await),
            (404, door.send("POST", "/nowhere", &[kind], b"").await),
            (405, door.send("GET", "/v1/traces", &[kind], b"").await),
            (405, door.send("PUT", "/v1/logs", &[kind], b"").await),
            (413, door.send("POST", "/v1/traces", &[kind], &[b' '; 5000]).await),
            (415, door.send("POST", "/v1/traces", &[kind, ("content-encoding", "br")], b"").await),
        ];
        for (status, reply) in cases {
            assert_eq!(reply.status, status, "{reply:?}");
            assert_eq!(reply.header("content-type"), Some(content_type), "{reply:?}");
            let (code, message) = reply.status_message();
            assert!(code > 0 && !message.is_empty(), "{reply:?}");
        }
    }
    let unknown = door.post("/v1/traces", "text/plain", b"x").await;
    assert_eq!((unknown.status, unknown.status_message().0), (415, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn point_25_what_cannot_be_decoded_is_400() {
    let door = door().await;
    let good = traces(2).encode_to_vec();
    for bad in [&b"\xff\xff"[..], &good[..good.len() - 2], b"{}", b"hello"] {
        assert_eq!(door.post("/v1/traces", PROTOBUF, bad).await.status, 400, "{bad:?}");
    }
    for bad in ["", "{", "[]", "null", "5", "{}x", "{\"resourceSpans\":7}", "{\"resourceSpans\":{}}", "{\"a\":nul}"] {
        assert_eq!(door.json("/v1/traces", bad).await.status, 400, "{bad}");
    }
    let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    assert_eq!(door.send("POST", "/v1/traces", &headers, b"no gzip").await.status, 400);
    assert!(door.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_26_and_27_overload_is_503_with_retry_after_and_never_500() {
    let door = door().await;
    let errors = [
        (SubmitError::Busy { retry_after: Duration::from_millis(2100) }, "3"),
        (SubmitError::Busy { retry_after: Duration::from_millis(1) }, "1"),
        (SubmitError::Unwritable("no space left on device".to_owned()), "1"),
        (SubmitError::Closed, "1"),
    ];
    for (error, seconds) in errors {
        *door.sink.refuse.lock().unwrap() = Some(error.clone());
        let reply = door.post("/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some(seconds)), "{error}");
        assert_eq!(RpcStatus::decode(&reply.body[..]).unwrap().code, 14);
        let reply = door.json("/v1/logs", r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}"#).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some(seconds)), "{error}");
        assert_eq!(reply.json()["code"], 14);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_28_wrong_type_method_and_encoding_are_named_and_identity_is_taken() {
    let door = door().await;
    assert_eq!(door.post("/v1/traces", "application/xml", b"").await.status, 415);
    assert_eq!(door.send("POST", "/v1/traces", &[], b"").await.status, 415);
    let method = door.send("GET", "/v1/traces", &[], b"").await;
    assert_eq!((method.status, method.header("allow")), (405, Some("post")));
    let unknown = [("content-type", PROTOBUF), ("content-encoding", "br")];
    let encoding = door.send("POST", "/v1/traces", &unknown, b"").await;
    assert_eq!(encoding.status, 415);
    assert!(encoding.header("accept-encoding").unwrap().contains("gzip"));
    let identity = [("content-type", PROTOBUF), ("content-encoding", "identity")];
    assert_eq!(door.send("POST", "/v1/traces", &identity, &traces(1).encode_to_vec()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_29_cors_is_off_until_an_origin_is_allowed() {
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let closed = door().await.send("OPTIONS", "/v1/traces", &preflight, b"").await;
    assert_eq!((closed.status, closed.header("access-control-allow-origin")), (405, None));

    let open = door_with(Memory::default(), |state| {
        set(state, |settings| settings.cors_origins = vec!["https://app.example".to_owned()]);
    })
    .await;
    let reply = open.send("OPTIONS", "/v1/traces", &preflight, b"").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some("https://app.example")));
    assert!(reply.header("access-control-allow-headers").unwrap().contains("content-type"));
    let stranger = [("origin", "https://evil.example"), ("content-type", JSON)];
    let reply = open.send("POST", "/v1/traces", &stranger, b"{}").await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_signal_is_404_and_a_missing_token_401() {
    let disabled = door_with(Memory::default(), |state| state.signals = vec![Signal::Traces]).await;
    let body = ExportLogsServiceRequest::default().encode_to_vec();
    assert_eq!(disabled.post("/v1/logs", PROTOBUF, &body).await.status, 404);
    let locked = door_with(Memory::default(), |state| {
        state.access = access([TOKEN]);
    })
    .await;
    let reply = locked.json("/v1/traces", "{}").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("bearer")));
    let headers = [("content-type", JSON), ("authorization", &*format!("Bearer {TOKEN}"))];
    assert_eq!(locked.send("POST", "/v1/traces", &headers, b"{}").await.status, 200);
    let headers = [("content-type", JSON), ("authorization", &*format!("Basic {TOKEN}"))];
    assert_eq!(locked.send("POST", "/v1/traces", &headers, b"{}").await.status, 401);
}
