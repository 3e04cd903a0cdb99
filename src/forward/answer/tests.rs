//! Every kind of answer, and what it means.

use axum::http::HeaderValue;

use super::*;

fn http(status: u16, content_type: &'static str, body: &[u8]) -> Reply {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let status = StatusCode::from_u16(status).unwrap();
    Reply { status, headers, body: Bytes::copy_from_slice(body), whole: true, ..Reply::default() }
}

fn grpc(code: Code, message: &str, details: &RpcStatus) -> Reply {
    let status = Status::with_details(code, message, details.encode_to_vec().into());
    let mut reply = http(200, "application/grpc", b"");
    status.add_header(&mut reply.trailers).unwrap();
    reply
}

fn retry_in(seconds: i64, nanos: i32) -> RpcStatus {
    let value = RetryInfo { retry_delay: Some(RetryDelay { seconds, nanos }) }.encode_to_vec();
    let detail = Detail { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value };
    RpcStatus { details: vec![detail], ..RpcStatus::default() }
}

fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let partial_success = Some(PartialSuccess { rejected, error_message: message.to_owned() });
    ExportResponse { partial_success }.encode_to_vec()
}

fn is_again(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Again { .. })
}

#[test]
fn only_four_http_statuses_are_tried_again_point_43() {
    for status in (300..600).filter(|status| *status != 413) {
        let verdict = judge_http(&http(status, "text/plain", b"no"), 0);
        assert_eq!(is_again(&verdict), [429, 502, 503, 504].contains(&status), "{status}: {verdict:?}");
    }
    let mut reply = http(503, "text/plain", b"");
    reply.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
    let Verdict::Again { after, .. } = judge_http(&reply, 0) else { panic!("a retry") };
    assert_eq!(after, Some(Duration::from_secs(7)));
}

#[test]
fn grpc_codes_are_tried_again_as_the_specification_says_point_43() {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    for number in 1..=16 {
        let code = Code::from_i32(number);
        let without = judge_grpc(&grpc(code, "no", &RpcStatus::default()), 0);
        let expected = [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss].contains(&code);
        assert_eq!(is_again(&without), expected, "{code:?}");
        let with = judge_grpc(&grpc(code, "no", &retry_in(3, 500_000_000)), 0);
        assert_eq!(is_again(&with), expected || code == ResourceExhausted, "{code:?}");
        if let Verdict::Again { after, .. } = with {
            assert_eq!(after, Some(Duration::from_millis(3500)));
        }
    }
}

#[test]
fn an_absurd_retry_info_is_no_panic() {
    for (seconds, nanos) in [(i64::MIN, i32::MIN), (i64::MAX, i32::MAX), (-1, 5), (0, 0)] {
        assert!(is_again(&judge_grpc(&grpc(Code::Unavailable, "", &retry_in(seconds, nanos)), 0)));
    }
}

#[test]
fn partial_success_is_never_tried_again_point_44() {
    let expected = Verdict::Partly { rejected: 3, why: "bad ids".to_owned() };
    assert_eq!(judge_http(&http(200, "application/x-protobuf", &partial(3, "bad ids")), 0), expected);
    let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"bad ids"}}"#;
    assert_eq!(judge_http(&http(200, "application/json", json), 0), expected);
    let mut reply = grpc(Code::Ok, "", &RpcStatus::default());
    let message = partial(3, "bad ids");
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    reply.body = [&[0][..], &length, &message].concat().into();
    assert_eq!(judge_grpc(&reply, 0), expected);
    let warning = judge_http(&http(200, "application/x-protobuf", &partial(0, "old version")), 0);
    assert_eq!(warning, Verdict::Taken(Some("old version".to_owned())));
    let absurd = judge_http(&http(200, "application/x-protobuf", &partial(i64::MIN, "")), 0);
    assert_eq!(absurd, Verdict::Taken(None));
}

#[test]
fn success_by_its_status_is_success_but_for_a_web_page() {
    for (content_type, body) in [
        ("application/x-protobuf", &b""[..]),
        ("text/plain", b"OK"),
        ("application/json", b"{}"),
        ("application/json", b"not json"),
        ("application/x-protobuf", b"\xff\xff"),
    ] {
        let verdict = judge_http(&http(200, content_type, body), 0);
        assert!(matches!(verdict, Verdict::Taken(_)), "{content_type}: {verdict:?}");
    }
    assert!(is_again(&judge_http(&http(200, "text/html; charset=utf-8", b"<html>sign in"), 0)));
    assert!(is_again(&judge_grpc(&http(200, "text/html", b"<html>"), 0)));
    assert!(is_again(&judge_grpc(&http(204, "application/x-protobuf", b""), 0)));
    let no_status = http(200, "application/grpc", b"\0\0\0\0\0");
    assert!(is_again(&judge_grpc(&no_status, 0)));
}

#[test]
fn what_is_too_large_is_told_from_what_is_refused() {
    assert!(matches!(judge_http(&http(413, "text/html", b""), 0), Verdict::TooLarge { .. }));
    let too_large = |code, message| judge_grpc(&grpc(code, message, &RpcStatus::default()), 0);
    assert!(matches!(too_large(Code::ResourceExhausted, "grpc: received message larger"), Verdict::TooLarge { .. }));
    let tonic = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
    assert!(matches!(too_large(Code::OutOfRange, tonic), Verdict::TooLarge { .. }));
    assert!(matches!(judge_http(&http(400, "text/plain", b""), 0), Verdict::Never { content: true, .. }));
    assert!(matches!(judge_http(&http(401, "text/plain", b""), 0), Verdict::Never { content: false, .. }));
}

#[test]
fn what_a_stranger_writes_stays_one_short_line() {
    let hostile = "a\u{1b}[31m\r\nforged".to_owned() + &"x".repeat(10_000);
    let Verdict::Never { why, .. } = judge_http(&http(400, "text/plain", hostile.as_bytes()), 0) else {
        panic!("refused")
    };
    assert!(why.chars().count() < 250 && !why.contains(['\u{1b}', '\n', '\r']), "{why}");
}
