//! The way in: a request is acknowledged once the log thread has written it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::Store;
use super::log::Submission;
use crate::otlp::sink::{Accepted, Sink, SubmitError};
use crate::otlp::veil::Veil;

/// One permit of the buffer budget stands for this many bytes.
pub(super) const BUDGET_UNIT: usize = 1024;
/// What the smallest request takes of the budget: beside its body it has a place in two queues and rows under way.
const REQUEST_UNITS_MIN: usize = 4;

/// Longest request whose names are covered on a network thread, bytes.
const COVERED_INLINE_MAX: usize = 64 * 1024;

impl Sink for Store {
    async fn submit(&self, request: Accepted) -> Result<(), SubmitError> {
        let permit = self.reserve(&request)?;
        let request = match &self.inner.veil {
            Some(veil) if request.body.len() > COVERED_INLINE_MAX => {
                let veil = Arc::clone(veil);
                let covering = tokio::task::spawn_blocking(move || covered(Some(&veil), request));
                covering.await.map_err(|_panicked| SubmitError::Closed)??
            }
            veil => covered(veil.as_deref(), request)?,
        };
        self.send(request, permit)?.await.unwrap_or(Err(SubmitError::Closed))
    }
}

impl Store {
    /// As [`Sink::submit`], for threads outside a runtime.
    pub fn submit_blocking(&self, request: Accepted) -> Result<(), SubmitError> {
        let permit = self.reserve(&request)?;
        let request = covered(self.inner.veil.as_deref(), request)?;
        self.send(request, permit)?.blocking_recv().unwrap_or(Err(SubmitError::Closed))
    }

    /// Takes the memory that a request needs until it is loaded.
    fn reserve(&self, request: &Accepted) -> Result<OwnedSemaphorePermit, SubmitError> {
        let units = (request.body.len() / BUDGET_UNIT + 1).max(REQUEST_UNITS_MIN);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(&self.inner.budget).try_acquire_many_owned(units).map_err(|_e| busy())
    }

    fn send(
        &self,
        request: Accepted,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<(), SubmitError>>, SubmitError> {
        let sender = self.sender().ok_or(SubmitError::Closed)?;
        let (done, answer) = oneshot::channel();
        sender.try_send(Submission::Request { request, permit, done }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => busy(),
            mpsc::error::TrySendError::Closed(_) => SubmitError::Closed,
        })?;
        Ok(answer)
    }
}

fn busy() -> SubmitError {
    SubmitError::Busy { retry_after: Duration::from_secs(1) }
}

// What cannot be covered must not be stored: values that are nested deeper than the decoder of the veil goes.
fn covered(veil: Option<&Veil>, request: Accepted) -> Result<Accepted, SubmitError> {
    let Some(veil) = veil else { return Ok(request) };
    veil.cover(request).map_err(|e| SubmitError::Unfit(format!("its names cannot be made private: {e}")))
}
