//! What hostile and slow clients cost, and what is counted of them.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use perfline::otlp::budget::Budget;
use perfline::otlp::door::Reason;
use perfline::otlp::serve::ServeLimits;
use perfline::otlp::stats::{Outcome, Transport};
use prost::Message as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{
    Memory, Reply, RpcStatus, TOKEN, access, channel, door, door_with, gzip, set, start, start_with, traces,
};

const PROTOBUF: &str = "application/x-protobuf";

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_memory_budget_turns_bodies_away_with_503_and_takes_small_ones_again() {
    let door = door_with(Memory::default(), |state| state.budget = Budget::new(64 << 10)).await;
    let bomb = gzip(&vec![b' '; 10 << 20]);
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let reply = door.send("POST", "/v1/traces", &headers, &bomb).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    let large = door.post("/v1/traces", "application/json", &vec![b' '; 1 << 20]).await;
    assert_eq!(large.status, 503);
    let small = door.post("/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await;
    assert_eq!(small.status, 200);
    assert_eq!(door.state.budget.free_bytes(), 64 << 10);
}

/// More than a connection's buffers hold: whoever closes with this unread resets the connection, and the client sees
/// a broken pipe instead of the answer.
const UNREAD: usize = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_gets_to_read_why_it_is_refused() {
    let door = door_with(Memory::default(), |state| {
        set(state, |settings| settings.limits.body_bytes_max = 10_000);
        state.access = access([TOKEN]);
    })
    .await;
    let large = vec![b' '; UNREAD];
    let json = ("content-type", "application/json");
    let authorization = format!("Bearer {TOKEN}");
    let authorized = ("authorization", authorization.as_str());
    assert_eq!(door.send("POST", "/v1/traces", &[json, authorized], &large).await.status, 413);
    assert_eq!(door.send("POST", "/v1/traces", &[("content-type", "text/csv"), authorized], &large).await.status, 415);
    assert_eq!(door.send("POST", "/v1/traces", &[json], &large).await.status, 401);
    assert_eq!(door.send("PUT", "/v1/traces", &[json, authorized], &large).await.status, 405);
    assert_eq!(door.send("POST", "/elsewhere", &[json, authorized], &large).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_on_after_a_refused_body() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 10_000)).await;
    let mut stream = TcpStream::connect(door.http).await.unwrap();
    let head =
        format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {UNREAD}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![0; UNREAD]).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let replies = String::from_utf8_lossy(&Reply::read_all(&mut stream).await).into_owned();
    assert_eq!(replies.matches("HTTP/1.1 413").count(), 1, "{replies}");
    assert_eq!(replies.matches("HTTP/1.1 200").count(), 1, "{replies}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_leave_to_send_is_refused_before_it_sends() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 10_000)).await;
    let mut stream = TcpStream::connect(door.http).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\nexpect: 100-continue\r\ncontent-length: {UNREAD}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let reply = Reply::read(&mut stream).await;
    assert_eq!(reply.status, 413, "{}", reply.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_stops_at_the_limit() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.limits.body_bytes_max = 1 << 20)).await;
    let bomb = gzip(&vec![0; 64 << 20]);
    let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    assert_eq!(door.send("POST", "/v1/traces", &headers, &bomb).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_given_up_and_others_are_served_meanwhile() {
    let door =
        door_with(Memory::default(), |state| set(state, |settings| settings.body_timeout = Duration::from_millis(200)))
            .await;
    let mut slow = TcpStream::connect(door.http).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(door.post("/v1/traces", PROTOBUF, &traces(1).encode_to_vec()).await.status, 200);
    let reply = Reply::read(&mut slow).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert!(reply.status_message().1.contains("did not arrive"));
    assert_eq!(door.state.budget.free_bytes(), 256 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_counted_by_signal_transport_outcome_and_reason() {
    let door = door().await;
    let mut request = traces(5);
    request.resource_spans[0].scope_spans[0].spans[0].trace_id.clear();
    let body = request.encode_to_vec();
    door.post("/v1/traces", PROTOBUF, &body).await;
    door.json("/v1/traces", "{").await;
    door.json("/v1/traces", "{}").await;
    TraceServiceClient::new(door.channel().await).export(traces(2)).await.unwrap();
    let snapshot = door.state.stats.snapshot();
    let spans = &snapshot[0];
    let count = |transport, outcome| {
        let found = spans.requests.iter().find(|(t, o, _)| (*t, *o) == (transport, outcome));
        found.map_or(0, |(_, _, count)| *count)
    };
    assert_eq!(count(Transport::HttpProtobuf, Outcome::Partial), 1);
    assert_eq!(count(Transport::HttpJson, Outcome::Malformed), 1);
    assert_eq!(count(Transport::HttpJson, Outcome::Success), 1);
    assert_eq!(count(Transport::Grpc, Outcome::Success), 1);
    assert_eq!((spans.received, spans.accepted), (7, 6));
    assert_eq!(spans.refused.iter().find(|(reason, _)| *reason == Reason::TraceId).unwrap().1, 1);
    let frame = 5 + traces(2).encoded_len();
    assert_eq!(spans.wire_bytes, (body.len() + 3 + frame) as u64);
    assert_eq!((snapshot[1].received, snapshot[2].received), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_finishes_what_is_under_way() {
    use perfline::otlp::serve::serve;
    let sink = Memory { barrier: Some(std::sync::Arc::new(tokio::sync::Barrier::new(2))), ..Memory::default() };
    let barrier = sink.barrier.clone().unwrap();
    let state = perfline::otlp::receive::DoorState::new(sink.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(serve(listener, perfline::otlp::http::router(state.clone()), ServeLimits::default(), async {
            let _gone = stopped.await;
        }));
    let body = traces(1).encode_to_vec();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    // The request is inside once it holds a share of the budget.
    while state.budget.free_bytes() == 256 << 20 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    barrier.wait().await;
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    serving.await.unwrap().unwrap();
    assert_eq!(sink.taken.lock().unwrap().len(), 1);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_serves_both_transports() {
    let state = perfline::otlp::receive::DoorState::new(Memory::default());
    let (grpc, _health) = perfline::otlp::grpc::grpc_routes(state.clone(), &[]).await.unwrap();
    let http = perfline::otlp::http::router(state.clone());
    let (address, _stop) = start(perfline::otlp::serve::one_port(http, grpc.into_axum_router())).await;
    TraceServiceClient::new(channel(address).await).export(traces(1)).await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 2\r\n\r\n{}";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    assert_eq!(state.sink.taken.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_memory_budget_is_unavailable_with_retry_info_over_grpc_too() {
    let door = door_with(Memory::default(), |state| state.budget = Budget::new(4 << 10)).await;
    let mut client = TraceServiceClient::new(door.channel().await);
    let status = client.export(traces(200)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let details = RpcStatus::decode(status.details()).unwrap();
    assert_eq!(details.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
    client.export(traces(1)).await.unwrap();
    assert_eq!(door.state.budget.free_bytes(), 4 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_byte_by_byte_is_given_up_and_others_are_served_meanwhile() {
    let state = perfline::otlp::receive::DoorState::new(Memory::default());
    let limits = ServeLimits { header_timeout: Duration::from_secs(2), ..ServeLimits::default() };
    let address = start_with(perfline::otlp::http::router(state.clone()), limits).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-a").await.unwrap();
        slow.push(stream);
    }
    let mut friendly = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 2\r\n\r\n{}";
    friendly.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Reply::read(&mut friendly).await.status, 200);
    for mut stream in slow {
        let mut said = Vec::new();
        let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said);
        // A reset is an end as good as any.
        let _reset = tokio::time::timeout(Duration::from_secs(30), closed).await.expect("the connection is closed");
        assert!(!said.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let state = perfline::otlp::receive::DoorState::new(Memory::default());
    let limits = ServeLimits { header_timeout: Duration::from_millis(300), ..ServeLimits::default() };
    let address = start_with(perfline::otlp::http::router(state), limits).await;
    // Nothing at all, and the beginning of what could become HTTP/2.
    for said in [&b""[..], b"PRI * HTTP"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        // A reset is an end as good as any.
        let _reset = tokio::time::timeout(Duration::from_secs(30), closed).await.expect("the connection is closed");
        assert_eq!(answer, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_grows_as_protobuf_is_bounded_by_what_it_becomes() {
    let numbers = "0,".repeat(100_000) + "0";
    let point = format!(r#"{{"timeUnixNano":"1","count":"0","explicitBounds":[{numbers}]}}"#);
    let document = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"h","histogram":{{"aggregationTemporality":2,
        "dataPoints":[{point},{point},{point}]}}}}]}}]}}]}}"#
    );
    let with_limit = async |bytes: usize| {
        let door = door_with(Memory::default(), |state| set(state, |to| to.limits.body_bytes_max = bytes)).await;
        let reply = door.json("/v1/metrics", &document).await;
        assert_eq!(door.state.budget.free_bytes(), 256 << 20);
        (reply.status, door.taken().first().map_or(0, |taken| taken.body.len()))
    };
    // 600 thousand characters become 2.4 million bytes.
    assert_eq!(with_limit(1 << 20).await, (413, 0));
    let (status, length) = with_limit(4 << 20).await;
    assert!(status == 200 && length > 2_400_000, "{status}, {length} bytes");
    let tight = door_with(Memory::default(), |state| state.budget = Budget::new(2 << 20)).await;
    assert_eq!(tight.json("/v1/metrics", &document).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_until_one_is_free() {
    let state = perfline::otlp::receive::DoorState::new(Memory::default());
    let limits = ServeLimits { connections_max: 2, ..ServeLimits::default() };
    let address = start_with(perfline::otlp::http::router(state.clone()), limits).await;
    let holders = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let mut third = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 2\r\n\r\n{}";
    third.write_all(head.as_bytes()).await.unwrap();
    let mut first_byte = [0];
    let waiting = tokio::time::timeout(Duration::from_millis(300), third.peek(&mut first_byte)).await;
    assert!(waiting.is_err(), "the third is answered although two connections are open");
    drop(holders);
    assert_eq!(Reply::read(&mut third).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_tiny_requests_are_each_answered_and_leave_nothing_behind() {
    const CONNECTIONS: u64 = 4;
    const REQUESTS: u64 = 25_000;
    let door = door().await;
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let address = door.http;
            tokio::spawn(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let (reading, mut writing) = stream.into_split();
                let request = b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                                content-length: 2\r\n\r\n{}";
                let sending = tokio::spawn(async move {
                    let batch = request.repeat(100);
                    for _ in 0..REQUESTS / 100 {
                        writing.write_all(&batch).await.unwrap();
                    }
                    writing
                });
                let mut reading = tokio::io::BufReader::new(reading);
                let (mut answered, mut line) = (0, String::new());
                while answered < REQUESTS {
                    line.clear();
                    tokio::io::AsyncBufReadExt::read_line(&mut reading, &mut line).await.unwrap();
                    answered += u64::from(line.ends_with("HTTP/1.1 200 OK\r\n"));
                }
                sending.await.unwrap()
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let logs = &door.state.stats.snapshot()[2];
    let answered: u64 = logs.requests.iter().map(|(_, _, count)| count).sum();
    assert_eq!((answered, logs.wire_bytes), (CONNECTIONS * REQUESTS, CONNECTIONS * REQUESTS * 2));
    assert_eq!(door.state.budget.free_bytes(), 256 << 20);
    assert!(door.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_attributes_cost_their_span_only_and_are_counted() {
    let door = door().await;
    let attributes = vec![r#"{"key":"k","value":{"intValue":1}}"#; 100_000].join(",");
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let spans = format!(r#"{{{ids},"attributes":[{attributes}]}},{{{ids}}}"#);
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
    let reply = door.json("/v1/traces", &body).await;
    assert_eq!((reply.status, &reply.json()["partialSuccess"]["rejectedSpans"]), (200, &"1".into()));
    let refused = door.state.stats.snapshot()[0].refused.clone();
    assert!(refused.contains(&(Reason::Attributes, 1)), "{refused:?}");
    assert_eq!(door.taken()[0].items, 1);
    assert_eq!(door.state.budget.free_bytes(), 256 << 20);
}
