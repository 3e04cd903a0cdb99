//! What the service says of itself: on `/metrics`, and as OTLP into its own store, from where forwarding takes it on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::questions::Questions;
use crate::export::exposition::Family;
use crate::export::onward::onward_families;
use crate::export::own::{Speaker, own_request, points_in};
use crate::export::service::{door_families, port_families, question_families, store_families};
use crate::forward::DestinationStats;
use crate::model::Signal;
use crate::otlp::serve::ConnectionStats;
use crate::otlp::sink::{Accepted, Sink};
use crate::otlp::stats::Stats;
use crate::store::Store;

/// Counters of destinations, by name.
pub type Onward = Vec<(String, Arc<DestinationStats>)>;

/// Whose counters are told.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) store: Store,
    pub(super) stats: Arc<Stats>,
    /// The first port is gRPC's.
    pub(super) ports: [Arc<ConnectionStats>; 2],
    pub(super) questions: Questions,
    pub(super) onward: Onward,
}

impl Own {
    pub(super) fn families(&self) -> Vec<Family> {
        let file_bytes = std::fs::metadata(self.store.path()).map_or(0, |meta| meta.len());
        let mut families = door_families(&self.stats.snapshot());
        families.extend(port_families(&self.stats.denials(), &self.ports));
        families.extend(question_families(self.questions.running() as u64, self.questions.refused()));
        families.extend(store_families(&self.store.stats(), file_bytes));
        families.extend(onward_families(&self.onward));
        families
    }

    /// Stores what the service says of itself every `interval` until `stopped` is ready; no interval: never. What
    /// cannot be stored now is left out: the counters go on, and the next report has them.
    pub(super) async fn report<S: Sink>(self, sink: S, interval: Option<Duration>, stopped: impl Future<Output = ()>) {
        let clock = self.store.clock();
        let started_ns = clock.now();
        let speaker = Speaker { instance: format!("{}-{started_ns}", std::process::id()), started_ns };
        tokio::pin!(stopped);
        let Some(interval) = interval else { return stopped.await };
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = &mut stopped => return,
            }
            let request = own_request(&self.families(), &speaker, clock.now());
            let accepted = Accepted {
                signal: Signal::Metrics,
                items: u32::try_from(points_in(&request)).unwrap_or(u32::MAX),
                body: request.encode_to_vec().into(),
            };
            if let Err(error) = sink.submit(accepted).await {
                tracing::warn!(%error, "the service's own metrics were not stored this time");
            }
        }
    }
}
