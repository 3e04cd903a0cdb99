//! Points 42 to 44: what is sent on, and what a destination that is not friendly makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use perfline::forward::{Destination, Protocol};
use perfline::model::Signal;
use perfline::net::{ClientFiles, ServerFiles, ServerTls};
use perfline::otlp::serve::{ServeLimits, Serving, serve_with};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use crate::access::Authority;
use crate::harness::{RetryInfo, RpcAny, RpcDuration, RpcStatus, door, names, span, traces};
use crate::unfriendly::{Answer, Log, Peer, carry, destination, stop, until};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

pub fn body(count: u8) -> Bytes {
    traces(count).encode_to_vec().into()
}

pub fn sent(count: u64) -> BTreeMap<Signal, u64> {
    BTreeMap::from([(Signal::Traces, count)])
}

pub fn lost(reason: &str, count: u64) -> BTreeMap<(Signal, String), u64> {
    BTreeMap::from([((Signal::Traces, reason.to_owned()), count)])
}

/// `Export*Response` with so many rejected.
fn partial(rejected: i64) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message: "bad ids".to_owned() };
    ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

fn retry_in(delay: Duration) -> Vec<u8> {
    let retry_delay = Some(RpcDuration { seconds: delay.as_secs() as i64, nanos: delay.subsec_nanos() as i32 });
    let value = RetryInfo { retry_delay }.encode_to_vec();
    let details = vec![RpcAny { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value }];
    RpcStatus { details, ..RpcStatus::default() }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn point_42_bodies_are_gzip_unless_none_is_asked_for_and_are_what_the_log_holds() {
    for protocol in BOTH {
        for gzip in [true, false] {
            let (peer, _stop) = Peer::start([]).await;
            let mut log = Log::new();
            let couriers = carry(&log, Destination { gzip, ..destination("d", protocol, peer.address) });
            for signal in Signal::ALL {
                log.append(signal, body(2), 2);
                // Any body will do: nothing of it is decoded.
                let seen = peer.seen(1 + Signal::ALL.iter().position(|known| *known == signal).unwrap()).await;
                let last = seen.last().unwrap();
                assert_eq!(last.body, body(2));
                let (header, path) = match protocol {
                    Protocol::Http => ("content-encoding", format!("/v1/{}", signal.as_str())),
                    Protocol::Grpc => ("grpc-encoding", last.path.clone()),
                };
                assert_eq!(last.headers.get(header).map(|value| value.as_bytes()), gzip.then_some(&b"gzip"[..]));
                assert_eq!(last.path, path);
                assert!(last.headers["user-agent"].to_str().unwrap().starts_with("perfline/"));
            }
            until(&couriers, "all are taken", |now| now.requests == 3).await;
            stop(couriers).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_42_our_own_door_takes_what_is_sent_on_over_both_protocols() {
    for protocol in BOTH {
        let door = door().await;
        let mut log = Log::new();
        let address = if protocol == Protocol::Grpc { door.grpc } else { door.http };
        let couriers = carry(&log, destination("d", protocol, address));
        log.append(Signal::Traces, body(3), 3);
        until(&couriers, "three spans", |now| now.sent == sent(3) && now.waiting.bytes == 0).await;
        assert_eq!(names(&door.taken()[0]), ["span 1", "span 2", "span 3"]);
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_passing_faults_are_tried_again_until_it_is_taken_and_nothing_is_lost() {
    let grpc = |code| Answer::grpc(code, Vec::new(), Vec::new());
    let cases = [
        (Protocol::Http, vec![Answer::http(429), Answer::http(502), Answer::http(503), Answer::http(504)]),
        (Protocol::Http, vec![Answer::saying(200, "text/html", "<html>sign in")]),
        (Protocol::Grpc, vec![grpc(Code::Unavailable), grpc(Code::Aborted), grpc(Code::Cancelled)]),
        (Protocol::Grpc, vec![grpc(Code::DeadlineExceeded), grpc(Code::OutOfRange), grpc(Code::DataLoss)]),
        (Protocol::Grpc, vec![Answer::grpc(Code::ResourceExhausted, retry_in(Duration::ZERO), Vec::new())]),
        (Protocol::Grpc, vec![Answer::http(503), Answer::saying(200, "text/html", "<html>")]),
    ];
    for (protocol, answers) in cases {
        let faults = answers.len();
        let (peer, _stop) = Peer::start(answers).await;
        let mut log = Log::new();
        let couriers = carry(&log, destination("d", protocol, peer.address));
        log.append(Signal::Traces, body(2), 2);
        let now = until(&couriers, "it is taken at last", |now| now.sent == sent(2)).await;
        assert_eq!((now.retries, now.requests, now.lost.len()), (faults as u64, 1, 0));
        let seen = peer.seen_now();
        assert_eq!(seen.len(), faults + 1);
        assert!(seen.iter().all(|request| request.body == body(2)), "the same bytes each time");
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_retry_after_and_retry_info_are_waited_for() {
    let asked = Duration::from_secs(1);
    // To the second, so that what is left of this one is no part of the wait.
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let cases = [
        // First, while the date is still ahead.
        (Protocol::Http, Answer::http(429).with("retry-after", date)),
        (Protocol::Http, Answer::http(503).with("retry-after", 1)),
        (Protocol::Grpc, Answer::grpc(Code::Unavailable, retry_in(asked), Vec::new())),
        (Protocol::Grpc, Answer::grpc(Code::ResourceExhausted, retry_in(asked), Vec::new())),
    ];
    for (protocol, answer) in cases {
        let (peer, _stop) = Peer::start([answer]).await;
        let mut log = Log::new();
        let couriers = carry(&log, destination("d", protocol, peer.address));
        log.append(Signal::Traces, body(1), 1);
        let seen = peer.seen(2).await;
        let waited = seen[1].at - seen[0].at;
        assert!(waited >= asked, "{waited:?}");
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_who_hangs_is_left_after_the_timeout_and_asked_again() {
    for protocol in BOTH {
        let (peer, _stop) = Peer::start([Answer::Hang]).await;
        let mut log = Log::new();
        let timeout = Duration::from_millis(200);
        let couriers = carry(&log, Destination { timeout, ..destination("d", protocol, peer.address) });
        log.append(Signal::Traces, body(1), 1);
        let now = until(&couriers, "taken at last", |now| now.sent == sent(1)).await;
        // On a busy machine the second try may be late, too.
        assert!(now.retries >= 1);
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_a_connection_that_breaks_in_the_middle_of_an_answer_is_no_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut log = Log::new();
    let couriers = carry(&log, destination("d", Protocol::Http, address));
    log.append(Signal::Traces, body(1), 1);
    for answer in
        ["HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "nonsense\r\n\r\n"]
    {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 64 << 10];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = vec![0; 64 << 10];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let now = until(&couriers, "taken at last", |now| now.sent == sent(1)).await;
    assert_eq!((now.retries, now.lost.len()), (3, 0));
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_what_is_refused_for_good_is_counted_with_its_reason_and_passed_over() {
    let cases = [
        (Protocol::Http, Answer::http(400), "http_400"),
        (Protocol::Http, Answer::http(401), "http_401"),
        (Protocol::Http, Answer::http(301).with("location", "http://elsewhere/"), "http_3xx"),
        (Protocol::Grpc, Answer::grpc(Code::InvalidArgument, Vec::new(), Vec::new()), "grpc_invalid_argument"),
        (Protocol::Grpc, Answer::grpc(Code::Unimplemented, Vec::new(), Vec::new()), "grpc_unimplemented"),
        (Protocol::Grpc, Answer::grpc(Code::ResourceExhausted, Vec::new(), Vec::new()), "grpc_resource_exhausted"),
    ];
    for (protocol, answer, reason) in cases {
        let (peer, _stop) = Peer::start([answer]).await;
        let mut log = Log::new();
        let couriers = carry(&log, destination("d", protocol, peer.address));
        log.append(Signal::Traces, body(2), 2);
        peer.seen(1).await;
        log.append(Signal::Traces, body(1), 1);
        let now = until(&couriers, "the next one is taken", |now| now.sent == sent(1)).await;
        assert_eq!((now.lost, now.retries), (lost(reason, 2), 0), "{reason}");
        assert_eq!(peer.seen_now().len(), 2);
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_43_of_joined_requests_only_the_bad_one_is_lost() {
    let bad = Answer::http(400);
    let good = || Answer::saying(200, "application/x-protobuf", "");
    // Four in one, then two and two, then one and one: the third is bad.
    let (peer, _stop) = Peer::start([bad.clone(), good(), bad.clone(), bad, good()]).await;
    let mut log = Log::new();
    let destination = destination("d", Protocol::Http, peer.address);
    drop(log.queue("d"));
    let four: Vec<(Signal, Bytes, u32)> = (1..=4).map(|count| (Signal::Traces, body(count), count.into())).collect();
    log.append_group(&four);
    let couriers = carry(&log, destination);
    let now = until(&couriers, "the others are taken", |now| now.sent == sent(1 + 2 + 4)).await;
    assert_eq!((now.requests, now.lost), (5, lost("http_400", 3)));
    let joined = ExportTraceServiceRequest::decode(&peer.seen_now()[0].body[..]).unwrap();
    assert_eq!(joined.resource_spans.len(), 4);
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_logs_are_not_joined_a_place_in_a_request_tells_them_apart() {
    let (peer, _stop) = Peer::start([]).await;
    let mut log = Log::new();
    drop(log.queue("d"));
    log.append_group(&vec![(Signal::Logs, body(1), 1); 3]);
    let couriers = carry(&log, destination("d", Protocol::Http, peer.address));
    until(&couriers, "all are taken", |now| now.requests == 3).await;
    assert!(peer.seen_now().iter().all(|request| request.body == body(1)));
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_destination_is_cut_until_it_fits() {
    let mut big = traces(0);
    big.resource_spans[0].scope_spans[0].spans = (0..4)
        .map(|index| {
            let mut span = span(index + 1);
            span.name = format!("{index}{}", "x".repeat(40_000));
            span
        })
        .collect();
    let big = Bytes::from(big.encode_to_vec());
    let refused = Answer::http(413);
    for (answers, request_bytes_max, requests) in [(vec![refused.clone(), refused], 1 << 22, 5), (vec![], 90_000, 2)] {
        let (peer, _stop) = Peer::start(answers).await;
        let mut log = Log::new();
        let destination = Destination { request_bytes_max, ..destination("d", Protocol::Http, peer.address) };
        let couriers = carry(&log, destination);
        log.append(Signal::Traces, big.clone(), 4);
        let now = until(&couriers, "all four are taken", |now| now.sent == sent(4)).await;
        assert_eq!((now.requests, now.lost.len()), (requests, 0));
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_44_after_partial_success_nothing_is_sent_again_and_the_rejected_are_counted() {
    let cases = [
        (Protocol::Http, Answer::saying(200, "application/x-protobuf", partial(2))),
        (Protocol::Http, Answer::saying(200, "application/json", r#"{"partialSuccess":{"rejectedSpans":"2"}}"#)),
        (Protocol::Grpc, Answer::grpc(Code::Ok, Vec::new(), partial(2))),
        // More than was sent is not believed.
        (Protocol::Http, Answer::saying(200, "application/x-protobuf", partial(i64::MAX))),
    ];
    for (place, (protocol, answer)) in cases.into_iter().enumerate() {
        let (peer, _stop) = Peer::start([answer]).await;
        let mut log = Log::new();
        let couriers = carry(&log, destination("d", protocol, peer.address));
        log.append(Signal::Traces, body(3), 3);
        peer.seen(1).await;
        log.append(Signal::Traces, body(1), 1);
        let rejected = if place == 3 { 3 } else { 2 };
        let now = until(&couriers, "the next is taken", |now| now.sent == sent(4 - rejected)).await;
        assert_eq!((now.lost, now.retries), (lost("rejected", rejected), 0));
        assert_eq!(peer.seen_now().len(), 2);
        stop(couriers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_not_read_to_its_end() {
    let (peer, _stop) = Peer::start([Answer::saying(200, "application/x-protobuf", vec![0; 64 << 20])]).await;
    let mut log = Log::new();
    let couriers = carry(&log, destination("d", Protocol::Http, peer.address));
    log.append(Signal::Traces, body(1), 1);
    // By its status it was taken.
    let now = until(&couriers, "taken", |now| now.sent == sent(1)).await;
    assert_eq!(now.retries, 0);
    log.append(Signal::Traces, body(1), 1);
    until(&couriers, "a new connection is opened", |now| now.sent == sent(2)).await;
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_show_a_fitting_certificate_gets_nothing() {
    let authority = Authority::new();
    for (hosts, trusted, fits) in
        [(["127.0.0.1"], true, true), (["elsewhere.example"], true, false), (["127.0.0.1"], false, false)]
    {
        for protocol in BOTH {
            let (cert, key) = authority.certify_for("server", &hosts);
            let tls = ServerTls::read(ServerFiles { cert, key, client_ca: None }).unwrap();
            let (peer, _stop) = Peer::start([]).await;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut destination = destination("d", protocol, listener.local_addr().unwrap());
            let serving = Serving { limits: ServeLimits::default(), tls: Some(tls), stats: Default::default() };
            tokio::spawn(serve_with(listener, peer.router(), serving, std::future::pending()));
            destination.endpoint.peer.tls = true;
            destination.files = ClientFiles { ca: trusted.then(|| authority.ca()), ..ClientFiles::default() };
            let mut log = Log::new();
            let couriers = carry(&log, destination);
            log.append(Signal::Traces, body(1), 1);
            if fits {
                until(&couriers, "taken", |now| now.sent == sent(1)).await;
            } else {
                let now = until(&couriers, "it is tried again", |now| now.retries >= 3).await;
                assert!(now.failing && now.sent.is_empty() && now.lost.is_empty());
                assert!(peer.seen_now().is_empty(), "nothing was sent");
            }
            stop(couriers).await;
        }
    }
}
