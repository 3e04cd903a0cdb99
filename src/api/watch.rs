//! The running service evaluates what is stale by itself.

use std::future::Future;
use std::time::Duration;

use crate::detect;
use crate::store::Store;

/// Looks at what is stale until `stopped` is ready, as often as the policy says. A look that fails is told and tried again.
pub(super) async fn watch(store: Store, stopped: impl Future<Output = ()>) {
    tokio::pin!(stopped);
    loop {
        let interval = Duration::from_secs(store.policy().interval_s.max(1));
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = &mut stopped => return,
        }
        let store = store.clone();
        // Judging takes as long as it takes: off the network threads with it.
        let looking = tokio::task::spawn_blocking(move || detect::evaluate(&store));
        let looked = tokio::select! {
            looked = looking => looked,
            // It goes on until the store is closed; nobody waits for it.
            () = &mut stopped => return,
        };
        match looked {
            Ok(Ok(moved)) => {
                for one in moved {
                    let finding = &one.alert.finding;
                    tracing::info!(
                        alert = one.alert.alert_id,
                        action = one.action.as_str(),
                        pipeline = finding.pipeline,
                        step = finding.step,
                        metric = finding.metric.as_str(),
                        severity = finding.severity.as_str(),
                        "an alert changed"
                    );
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "the store could not be evaluated; trying again"),
            Err(error) => tracing::error!(%error, "an evaluation ended early; trying again"),
        }
    }
}
