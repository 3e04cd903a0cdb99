//! Sends requests over several connections, each once, and takes the time to every acknowledgement.

use std::iter::Enumerate;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::Client;

use super::process::memory_bytes;
use crate::cli::Failure;
use crate::model::Signal;

/// Pause before a request that was refused for lack of room is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Where to send, and how.
pub(super) struct Target<'a> {
    /// Base URL of an OTLP/HTTP server.
    pub(super) url: &'a str,
    /// Its process.
    pub(super) pid: i32,
    pub(super) signal: Signal,
    pub(super) gzip: bool,
    pub(super) clients: usize,
    /// Requests a second over all connections; none: as fast as they are acknowledged.
    pub(super) requests_per_s: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// Seconds from sending a request to its acknowledgement, ascending.
    pub(super) acknowledged_s: Vec<f64>,
    /// Requests that had to come again.
    pub(super) refused: u64,
    /// Seconds from the first request to the last acknowledgement.
    pub(super) wall_s: f64,
    /// Most resident memory of the server seen, bytes.
    pub(super) peak_memory_bytes: u64,
}

/// Sends every body; ends early, with the cause, at the first answer that is neither success nor "come again".
pub(super) fn send(target: &Target<'_>, bodies: Vec<Vec<u8>>) -> Result<Sent, Failure> {
    let waiting = Mutex::new(bodies.into_iter().enumerate());
    let times = Mutex::new(Vec::new());
    let refused = AtomicU64::new(0);
    let failed: Mutex<Option<Failure>> = Mutex::new(None);
    let done = AtomicBool::new(false);
    let began = Instant::now();
    let (mut wall_s, mut peak_memory_bytes) = (0.0, 0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..target.clients)
            .map(|_| {
                scope.spawn(|| {
                    if let Err(failure) = one_client(target, began, &waiting, &times, &refused, &done) {
                        done.store(true, Relaxed);
                        lock(&failed).get_or_insert(failure);
                    }
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            peak_memory_bytes = peak_memory_bytes.max(memory_bytes(target.pid));
        }
        wall_s = began.elapsed().as_secs_f64();
    });
    if let Some(failure) = lock(&failed).take() {
        return Err(failure);
    }
    let mut acknowledged_s = times.into_inner().unwrap_or_default();
    acknowledged_s.sort_by(f64::total_cmp);
    Ok(Sent { acknowledged_s, refused: refused.into_inner(), wall_s, peak_memory_bytes })
}

fn one_client(
    target: &Target<'_>,
    began: Instant,
    waiting: &Mutex<Enumerate<std::vec::IntoIter<Vec<u8>>>>,
    times: &Mutex<Vec<f64>>,
    refused: &AtomicU64,
    done: &AtomicBool,
) -> Result<(), Failure> {
    let machine = |e: reqwest::Error| Failure::machine(&format!("send to {}", target.url), &e);
    let client = Client::builder().timeout(Duration::from_secs(60)).build().map_err(machine)?;
    let url = format!("{}/v1/{}", target.url.trim_end_matches('/'), target.signal.as_str());
    while let (false, Some((at, body))) = (done.load(Relaxed), lock(waiting).next()) {
        if let Some(rate) = target.requests_per_s {
            let due = began + Duration::from_secs_f64(at as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        loop {
            let mut request = client.post(&url).header("content-type", "application/x-protobuf").body(body.clone());
            if target.gzip {
                request = request.header("content-encoding", "gzip");
            }
            let sent = Instant::now();
            let status = request.send().and_then(|answer| {
                let status = answer.status();
                answer.bytes().map(|_| status)
            });
            match status.map_err(machine)? {
                StatusCode::OK => {
                    lock(times).push(sent.elapsed().as_secs_f64());
                    break;
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    refused.fetch_add(1, Relaxed);
                    std::thread::sleep(RETRY_PAUSE);
                }
                status => {
                    return Err(Failure::usage(format!("{url} answered {status}"), "is it an OTLP/HTTP server?"));
                }
            }
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
