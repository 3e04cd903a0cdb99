//! A destination that does what it is told to, good or bad, and a log from which it is fed.

use std::collections::VecDeque;
use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use hyper::body::Frame;
use perfline::forward::{Backoff, Couriers, Destination, Endpoint, Protocol, Scheme, StatsSnapshot, start};
use perfline::model::Signal;
use perfline::otlp::sink::Accepted;
use perfline::store::log::{Appender, Position, Queue, QueueName, Replay, Segments};
use tokio::sync::{oneshot, watch};

use crate::harness;

/// No state takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a request is answered.
#[derive(Clone)]
pub enum Answer {
    Http {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// With the status in trailers, behind a message.
    Grpc {
        message: Vec<u8>,
        trailers: HeaderMap,
    },
    /// Never.
    Hang,
}

impl Answer {
    pub fn http(status: u16) -> Self {
        Self::Http { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Http { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }

    pub fn saying(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Http { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub fn grpc(code: tonic::Code, details: Vec<u8>, message: Vec<u8>) -> Self {
        let mut trailers = HeaderMap::new();
        tonic::Status::with_details(code, "as told", details.into()).add_header(&mut trailers).unwrap();
        Self::Grpc { message, trailers }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub path: String,
    pub headers: HeaderMap,
    /// Inflated, without its frame.
    pub body: Vec<u8>,
}

/// A destination. When the answers it was given are used up, it takes everything.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl Peer {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> (Self, oneshot::Sender<()>) {
        let script = Arc::new(Mutex::new(answers.into_iter().collect()));
        let seen = watch::Sender::new(Vec::new());
        let mut peer = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), script, seen };
        let (address, stop) = harness::start(peer.router()).await;
        peer.address = address;
        (peer, stop)
    }

    /// Its routes, to be served by somebody else.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Waits until so many requests have come.
    pub async fn seen(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let all = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() >= count)).await;
        all.unwrap_or_else(|_| panic!("{count} requests came")).unwrap().clone()
    }

    pub fn seen_now(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }
}

async fn answer(State(peer): State<Peer>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 30).await.unwrap_or_default();
    let grpc = head.headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let (packed, body) =
        if grpc { (body[0] == 1, body.slice(5..)) } else { (head.headers.contains_key("content-encoding"), body) };
    let mut plain = body.to_vec();
    if packed {
        plain.clear();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    }
    let seen =
        Seen { at: Instant::now(), path: head.uri.path().to_owned(), headers: head.headers.clone(), body: plain };
    let next = peer.script.lock().unwrap().pop_front();
    peer.seen.send_modify(|all| all.push(seen));
    match next {
        None if grpc => respond(Answer::grpc(tonic::Code::Ok, Vec::new(), Vec::new())),
        None => respond(Answer::saying(200, "application/x-protobuf", "")),
        Some(Answer::Hang) => std::future::pending().await,
        Some(answer) => respond(answer),
    }
}

fn respond(answer: Answer) -> Response<Body> {
    match answer {
        Answer::Http { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Answer::Grpc { message, trailers } => {
            let frames = VecDeque::from([Frame::data(harness::frame(0, &message)), Frame::trailers(trailers)]);
            let response = Response::builder().header("content-type", "application/grpc");
            response.body(Body::new(Frames(frames))).unwrap()
        }
        Answer::Hang => Response::default(),
    }
}

struct Frames(VecDeque<Frame<Bytes>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.get_mut().0.pop_front().map(Ok))
    }
}

/// A segment log that is written by hand.
pub struct Log {
    folder: tempfile::TempDir,
    appender: Appender,
    segments: Segments,
}

impl Log {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let segments = Segments::open(folder.path()).unwrap();
        let appender = Appender::new(folder.path().to_owned(), &Replay { next_segment: 1, ..Replay::default() });
        Self { folder, appender, segments }
    }

    /// As after a restart: whoever has the log open lets go of it first.
    pub fn reopen(mut self) -> Self {
        self.segments = Segments::open(self.folder.path()).unwrap();
        self
    }

    pub fn queue(&self, name: &str) -> Queue {
        self.segments.queue(QueueName::new(name).unwrap(), self.appender.tip()).unwrap()
    }

    /// Acknowledges a request.
    pub fn append(&mut self, signal: Signal, body: impl Into<Bytes>, items: u32) -> Position {
        self.append_group(&[(signal, body.into(), items)])
    }

    /// Acknowledges several at once: a destination meets them together.
    pub fn append_group(&mut self, requests: &[(Signal, Bytes, u32)]) -> Position {
        let accepted = |(signal, body, items): &(Signal, Bytes, u32)| Accepted {
            signal: *signal,
            body: body.clone(),
            items: *items,
        };
        let group: Vec<Accepted> = requests.iter().map(accepted).collect();
        *self.appender.append(&group).unwrap().last().unwrap()
    }

    /// The store has loaded everything.
    pub fn release(&self, loaded: Position) {
        self.segments.release(loaded).unwrap();
    }

    /// The numbers of the segments that are there.
    pub fn files(&self) -> Vec<u64> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".segment")?.parse().ok();
        let mut numbers: Vec<u64> = files.filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Flips a bit in the middle of a body.
    pub fn damage(&self, body: &[u8]) {
        let path = self.folder.path().join(format!("{:020}.segment", self.files()[0]));
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(body.len()).position(|window| window == body).unwrap();
        bytes[at + body.len() / 2] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
}

/// A destination that is tried again soon.
pub fn destination(name: &str, protocol: Protocol, address: SocketAddr) -> Destination {
    let endpoint = Endpoint::parse(&format!("http://{address}"), Scheme::Needed, 0, false).unwrap();
    let mut destination = Destination::new(QueueName::new(name).unwrap(), endpoint, protocol);
    destination.backoff = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(20) };
    destination
}

/// Carries what a log holds to one destination.
pub fn carry(log: &Log, destination: Destination) -> Couriers {
    let queue = log.queue(destination.name.as_str());
    start(vec![(destination, queue)], &tokio::runtime::Handle::current()).unwrap()
}

/// Waits until the counters of the first destination are as they should be.
pub async fn until(couriers: &Couriers, what: &str, right: impl Fn(&StatsSnapshot) -> bool) -> StatsSnapshot {
    let stats = couriers.stats().remove(0).1;
    let begun = Instant::now();
    loop {
        let now = stats.snapshot();
        if right(&now) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {now:?}");
        tokio::task::yield_now().await;
    }
}

/// Ends the couriers; their threads are waited for.
pub async fn stop(couriers: Couriers) {
    tokio::task::spawn_blocking(|| couriers.stop()).await.unwrap();
}
