//! The way in: a request is acknowledged once the log thread has written it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Store;
use super::log::Submission;
use crate::otlp::sink::{Accepted, Sink, SubmitError};

/// One permit of the buffer budget stands for this many bytes.
pub(super) const BUDGET_UNIT: usize = 1024;
/// What the smallest request takes of the budget: beside its body it has a place in two queues and rows under way.
const REQUEST_UNITS_MIN: usize = 4;

impl Sink for Store {
    async fn submit(&self, request: Accepted) -> Result<(), SubmitError> {
        self.send(request)?.await.unwrap_or(Err(SubmitError::Closed))
    }
}

impl Store {
    /// As [`Sink::submit`], for threads outside a runtime.
    pub fn submit_blocking(&self, request: Accepted) -> Result<(), SubmitError> {
        self.send(request)?.blocking_recv().unwrap_or(Err(SubmitError::Closed))
    }

    fn send(&self, request: Accepted) -> Result<oneshot::Receiver<Result<(), SubmitError>>, SubmitError> {
        let busy = SubmitError::Busy { retry_after: Duration::from_secs(1) };
        let sender = self.sender().ok_or(SubmitError::Closed)?;
        let units = (request.body.len() / BUDGET_UNIT + 1).max(REQUEST_UNITS_MIN);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.inner.budget).try_acquire_many_owned(units).map_err(|_e| busy.clone())?;
        // What cannot be covered must not be stored: values that are nested deeper than the decoder of the veil goes.
        let covered = self.inner.veil.as_ref().map(|veil| veil.cover(request.clone())).transpose();
        let request = covered
            .map_err(|e| SubmitError::Unfit(format!("its names cannot be made private: {e}")))?
            .unwrap_or(request);
        let (done, answer) = oneshot::channel();
        sender.try_send(Submission::Request { request, permit, done }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => busy,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Closed,
        })?;
        Ok(answer)
    }
}
