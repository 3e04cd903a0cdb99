//! Point 45: what waits for a destination, and for how long.

use std::time::Duration;

use perfline::forward::{Destination, Protocol};
use perfline::model::Signal;
use prost::Message as _;

use crate::forward::{body, lost, sent};
use crate::harness::traces;
use crate::unfriendly::{Answer, Log, Peer, carry, destination, stop, until};

#[tokio::test(flavor = "multi_thread")]
async fn point_45_one_destination_that_hangs_holds_no_other() {
    let (good, _stop_good) = Peer::start([]).await;
    let (bad, _stop_bad) = Peer::start(std::iter::repeat_n(Answer::Hang, 3)).await;
    let mut log = Log::new();
    let slow = carry(&log, destination("slow", Protocol::Http, bad.address));
    let quick = carry(&log, destination("quick", Protocol::Http, good.address));
    for _ in 0..5 {
        log.append(Signal::Traces, body(1), 1);
        bad.seen(1).await;
    }
    until(&quick, "all are taken", |now| now.sent == sent(5)).await;
    let now = until(&slow, "none is taken", |_| true).await;
    assert!(now.sent.is_empty());
    stop(quick).await;
    stop(slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_45_a_queue_outlives_a_restart_and_holds_its_segments_until_then() {
    let mut log = Log::new();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let couriers = carry(&log, destination("d", Protocol::Http, address));
    for _ in 0..4 {
        // More than a segment holds: three are full.
        let large = traces(1).encode_to_vec().into_iter().chain(std::iter::repeat_n(0, 40 << 20)).collect::<Vec<u8>>();
        log.append(Signal::Metrics, large, 1);
    }
    let last = log.append(Signal::Traces, body(1), 1);
    log.release(last);
    until(&couriers, "it is tried", |now| now.retries > 0).await;
    assert!(log.files().len() >= 2, "what waits is kept although it is loaded");
    stop(couriers).await;

    let log = log.reopen();
    let (peer, _stop) = Peer::start([]).await;
    let mut to = destination("d", Protocol::Http, peer.address);
    to.signals = vec![Signal::Traces];
    let couriers = carry(&log, to);
    let now = until(&couriers, "taken after the restart", |now| now.sent == sent(1)).await;
    assert!(now.lost.is_empty());
    stop(couriers).await;
    log.release(last);
    assert_eq!(log.files(), [last.segment], "once it is passed, the segments go");
    assert_eq!(log.queue("d").passed(), last);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_45_a_full_queue_gives_up_the_oldest_and_says_so() {
    let (peer, _stop) = Peer::start([Answer::http(503), Answer::http(503)]).await;
    let mut log = Log::new();
    drop(log.queue("d"));
    let sizes: Vec<u32> = (1..=6).collect();
    for items in &sizes {
        log.append(Signal::Traces, body(u8::try_from(*items).unwrap()), *items);
    }
    // Room for about the newest two.
    let queue_bytes_max = (body(5).len() + body(6).len() + 100) as u64;
    let couriers = carry(&log, Destination { queue_bytes_max, ..destination("d", Protocol::Http, peer.address) });
    let now = until(&couriers, "the newest are taken", |now| !now.sent.is_empty() && now.waiting.bytes == 0).await;
    let (taken, given_up) = (now.sent[&Signal::Traces], now.lost[&(Signal::Traces, "queue_full".to_owned())]);
    assert_eq!(taken + given_up, 21, "each is either taken or counted as lost");
    assert!(taken >= 6 && given_up >= 10, "{now:?}");
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_for_too_long_is_given_up_and_counted() {
    let (peer, _stop) = Peer::start(std::iter::repeat_n(Answer::http(503), 100_000)).await;
    let mut log = Log::new();
    let age_max = Duration::from_secs(1);
    let couriers = carry(&log, Destination { age_max, ..destination("d", Protocol::Http, peer.address) });
    log.append(Signal::Traces, body(2), 2);
    let now = until(&couriers, "given up", |now| !now.lost.is_empty()).await;
    assert_eq!((now.lost, now.sent.len()), (lost("too_old", 2), 0));
    stop(couriers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_the_log_is_told_and_the_rest_is_sent() {
    let (peer, _stop) = Peer::start([]).await;
    let mut log = Log::new();
    drop(log.queue("d"));
    for items in 1..=3 {
        log.append(Signal::Traces, body(items), items.into());
    }
    log.damage(&body(2));
    let couriers = carry(&log, destination("d", Protocol::Http, peer.address));
    let now = until(&couriers, "the others are taken", |now| now.sent == sent(4)).await;
    assert_eq!(now.lost, lost("unreadable", 2));
    stop(couriers).await;
}
