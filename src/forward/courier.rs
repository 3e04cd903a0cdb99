//! Carries one queue to one destination, on a thread of its own.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::answer::{Verdict, judge_grpc, judge_http};
use super::batch::Parcel;
use super::destination::{Destination, Protocol};
use super::ledger::Ledger;
use super::link::Link;
use super::shipment::Shipment;
use super::stats::{DestinationStats, LossReason};
use crate::model::clock::Clock;
use crate::store::log::{LogError, Queue};

/// How often it looks after its queue while it waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At a stop, how long the attempt that is under way may still take.
const GRACE: Duration = Duration::from_secs(2);
/// Below this a refusal is not for a request's length, whatever it says.
const TOO_LARGE_BYTES_MIN: usize = 64 * 1024;
/// How often a destination that does not answer is told of in the log.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// Everybody who carries.
pub struct Couriers {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    stats: Vec<(String, Arc<DestinationStats>)>,
}

/// Starts carrying; connections live on `runtime`.
pub fn start(destinations: Vec<(Destination, Queue)>, runtime: &Handle) -> io::Result<Couriers> {
    let mut couriers = Couriers { stop: watch::Sender::new(false), threads: Vec::new(), stats: Vec::new() };
    for (destination, queue) in destinations {
        let stats = Arc::<DestinationStats>::default();
        let name = destination.name.to_string();
        tracing::info!(destination = %name, endpoint = %destination.endpoint.shown(), "what is acknowledged goes on to it");
        let courier = Courier {
            link: Link::new(&destination),
            ledger: Ledger::new(queue, Arc::clone(&stats)),
            stop: couriers.stop.subscribe(),
            failures: 0,
            due: None,
            told: Instant::now(),
            destination,
        };
        let handle = runtime.clone();
        let body = move || handle.block_on(courier.run());
        couriers.threads.push(std::thread::Builder::new().name(format!("onward-{name}")).spawn(body)?);
        couriers.stats.push((name, stats));
    }
    Ok(couriers)
}

impl Couriers {
    /// The counters, by destination.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, Arc<DestinationStats>)> {
        self.stats.clone()
    }

    /// Ends all. What is not sent stays in the queues. Blocks for seconds at most.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            // A panic there was reported when it happened.
            drop(thread.join());
        }
    }
}

/// Why a parcel is left for now.
enum Left {
    /// The service ends.
    Stopped,
    /// The queue was cut, or something has become too old: it is read anew.
    Stale,
    /// The log cannot be read.
    Log(LogError),
}

impl From<LogError> for Left {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

struct Courier {
    destination: Destination,
    link: Link,
    ledger: Ledger,
    stop: watch::Receiver<bool>,
    /// Attempts that failed since the last that did not.
    failures: u32,
    /// Not before then is anything sent again.
    due: Option<Instant>,
    told: Instant,
}

impl Courier {
    async fn run(mut self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.round(&mut look).await {
                Ok(()) | Err(Left::Stale) => self.ledger.save_at_times(),
                Err(Left::Stopped) => break,
                Err(Left::Log(error)) => {
                    let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
                    let destination = self.destination.name.as_str();
                    tracing::error!(destination, %error, cause, "the log cannot be read onward; trying again");
                    if self.rest(&mut look).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.ledger.save();
    }

    /// One batch from the queue to the destination; where nothing waits, waits for something.
    async fn round(&mut self, look: &mut Interval) -> Result<(), Left> {
        if *self.stop.borrow() {
            return Err(Left::Stopped);
        }
        self.ledger.shrink(&self.destination)?;
        let batch = self.ledger.next(&self.destination)?;
        let Some(end) = batch.end else { return self.idle(look).await };
        let fresh_until = Instant::now() + batch.fresh_for;
        for parcel in batch.parcels {
            self.deliver(parcel, fresh_until, look).await?;
        }
        self.ledger.pass(end);
        Ok(())
    }

    /// Waits for more in the log.
    async fn idle(&mut self, look: &mut Interval) -> Result<(), Left> {
        self.ledger.save();
        self.ledger.look()?;
        let mut tip = self.ledger.queue.tip();
        tip.mark_unchanged();
        // Before this line it may have grown since it was read.
        if self.ledger.queue.is_behind() {
            return Ok(());
        }
        tokio::select! {
            // Nobody writes the log any more: the store is closing.
            changed = tip.changed() => return changed.map_err(|_closed| Left::Stopped),
            _ = self.stop.wait_for(|stop| *stop) => {}
            _ = look.tick() => {}
        }
        Ok(())
    }

    /// One look's time, or the end.
    async fn rest(&mut self, look: &mut Interval) -> Result<(), Left> {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Err(Left::Stopped),
            _ = look.tick() => Ok(()),
        }
    }

    /// Sends a parcel until it is dealt with, in pieces where it must be.
    async fn deliver(&mut self, parcel: Parcel, fresh_until: Instant, look: &mut Interval) -> Result<(), Left> {
        let mut pieces = VecDeque::from([parcel]);
        while let Some(piece) = pieces.pop_front() {
            let items = piece.items();
            if items > 0 {
                let shipment = Shipment::new(&self.destination, piece.signal, &piece.body);
                let verdict = self.carry(&shipment, fresh_until, look).await?;
                self.ledger.stats.answered(shipment.body.len());
                if let Some(halves) = worth_halving(&verdict, &piece) {
                    halves.into_iter().rev().for_each(|half| pieces.push_front(half));
                    continue;
                }
                self.note(&piece, items, verdict);
            }
            self.ledger.finish(&piece);
        }
        Ok(())
    }

    /// Counts what became of a piece.
    fn note(&mut self, piece: &Parcel, items: u64, verdict: Verdict) {
        let signal = piece.signal;
        match verdict {
            Verdict::Taken(remark) => {
                if let Some(remark) = remark {
                    tracing::debug!(destination = self.destination.name.as_str(), remark, "taken, with a remark");
                }
                self.ledger.stats.sent(signal, items);
            }
            Verdict::Partly { rejected, why } => {
                let rejected = rejected.min(items);
                self.ledger.stats.sent(signal, items - rejected);
                self.ledger.lose(&self.destination, signal, LossReason::Rejected, rejected, &why);
            }
            Verdict::TooLarge { reason, why } | Verdict::Never { reason, why, .. } => {
                self.ledger.lose(&self.destination, signal, reason, items, &why);
            }
            // Those are carried again, and do not come here.
            Verdict::Again { .. } => {}
        }
    }

    /// Tries until there is an answer for good.
    async fn carry(&mut self, shipment: &Shipment, fresh_until: Instant, look: &mut Interval) -> Result<Verdict, Left> {
        loop {
            self.wait(fresh_until, look).await?;
            match self.attempt(shipment, look).await? {
                Verdict::Again { why, after } => {
                    self.failed(&why);
                    self.due = Some(Instant::now() + self.destination.backoff.wait(self.failures, after));
                }
                verdict => {
                    self.answered();
                    return Ok(verdict);
                }
            }
        }
    }

    async fn attempt(&mut self, shipment: &Shipment, look: &mut Interval) -> Result<Verdict, Left> {
        let Self { destination, link, ledger, stop, .. } = self;
        if let Err(error) = destination.headers.refresh() {
            tracing::error!(destination = destination.name.as_str(), %error, "the headers from before stay in force");
        }
        let mut headers = shipment.headers.clone();
        headers.extend(destination.headers.current().clone());
        let exchange = timeout(destination.timeout, link.exchange(&shipment.path, headers, shipment.body.clone()));
        let mut exchange = std::pin::pin!(exchange);
        let stopping = async {
            // A sender that is gone means the same as one that says stop.
            drop(stop.wait_for(|stop| *stop).await);
            sleep(GRACE).await;
        };
        let mut stopping = std::pin::pin!(stopping);
        let answered = loop {
            tokio::select! {
                answered = &mut exchange => break answered,
                () = &mut stopping => return Err(Left::Stopped),
                _ = look.tick() => drop(ledger.look()?),
            }
        };
        let now = Clock::Wall.now();
        Ok(match answered {
            Err(_elapsed) => {
                let why = format!("no answer within {} s", destination.timeout.as_secs_f64());
                Verdict::Again { why, after: None }
            }
            Ok(Err(error)) => Verdict::Again { why: error.to_string(), after: None },
            Ok(Ok(reply)) => match destination.protocol {
                Protocol::Http => judge_http(&reply, now),
                Protocol::Grpc => judge_grpc(&reply, now),
            },
        })
    }

    /// Waits until the next attempt is due; meanwhile the queue is kept within its limits.
    async fn wait(&mut self, fresh_until: Instant, look: &mut Interval) -> Result<(), Left> {
        while let Some(due) = self.due {
            if self.ledger.shrink(&self.destination)? || Instant::now() > fresh_until {
                return Err(Left::Stale);
            }
            self.ledger.save_at_times();
            tokio::select! {
                () = sleep_until(due.into()) => self.due = None,
                _ = self.stop.wait_for(|stop| *stop) => return Err(Left::Stopped),
                _ = look.tick() => {}
            }
        }
        Ok(())
    }

    fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        self.ledger.stats.again();
        let failing_before = self.ledger.stats.set_failing(true);
        if failing_before && self.told.elapsed() < REMIND_EVERY {
            return;
        }
        self.told = Instant::now();
        tracing::warn!(
            destination = self.destination.name.as_str(),
            endpoint = self.destination.endpoint.shown(),
            why,
            attempts = self.failures,
            "cannot be delivered now; it waits in the queue and is tried again"
        );
    }

    fn answered(&mut self) {
        self.failures = 0;
        if self.ledger.stats.set_failing(false) {
            tracing::info!(destination = self.destination.name.as_str(), "answers again");
        }
    }
}

/// The two halves of a piece, where less of it may be taken: it is too long, or one of several entries is to blame.
fn worth_halving(verdict: &Verdict, piece: &Parcel) -> Option<[Parcel; 2]> {
    match verdict {
        Verdict::TooLarge { .. } if piece.body.len() > TOO_LARGE_BYTES_MIN => piece.halves(),
        Verdict::Never { content: true, .. } if piece.parts.len() > 1 => piece.halves(),
        _ => None,
    }
}
