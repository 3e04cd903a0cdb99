//! Whether the service can take and keep telemetry: what `/readyz` and gRPC's health say.

use std::time::Duration;

use crate::store::{Store, StoreStats};

/// What was acknowledged is loaded within a second or two; later than this the loader is stuck.
const LOAD_STALL: Duration = Duration::from_secs(60);

/// Judges one store.
#[derive(Clone)]
pub(super) struct Readiness {
    store: Store,
}

impl Readiness {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Everything that is wrong, in words; empty where the service is ready.
    pub(super) fn problems(&self) -> Vec<String> {
        judge(&self.store.stats())
    }
}

fn judge(stats: &StoreStats) -> Vec<String> {
    let mut problems = Vec::new();
    if !stats.writable {
        problems.push(
            "the store cannot be written: what was acknowledged is kept, what comes is asked to come again".to_owned(),
        );
    }
    let waiting = Duration::from_nanos(stats.waiting_ns);
    if waiting > LOAD_STALL {
        problems.push(format!("the loader is stuck: a request has waited for {} s", waiting.as_secs()));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> StoreStats {
        StoreStats { writable: true, ..StoreStats::default() }
    }

    #[test]
    fn a_store_that_works_is_ready() {
        assert_eq!(judge(&well()), Vec::<String>::new());
    }

    #[test]
    fn a_load_that_failed_and_a_loader_that_is_stuck_are_named() {
        assert!(judge(&StoreStats { writable: false, ..well() })[0].contains("cannot be written"));
        let stuck = StoreStats { waiting_ns: 90_000_000_000, ..well() };
        assert_eq!(judge(&stuck), ["the loader is stuck: a request has waited for 90 s"]);
        assert_eq!(judge(&StoreStats { waiting_ns: 2_000_000_000, ..well() }), Vec::<String>::new());
    }
}
