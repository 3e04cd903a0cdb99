//! How many questions a service answers at once. Who finds every place taken waits a little, without a thread, and is
//! then asked to come again: `/metrics`, health and what arrives never stand behind questions.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tonic::Status;

use crate::otlp::come_again;

/// How long a question waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
/// When who was turned away should come again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The places for questions. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Questions(Arc<Places>);

#[derive(Debug, Default)]
struct Places {
    /// 0: any number.
    most: AtomicUsize,
    taken: Mutex<usize>,
    freed: Notify,
    refused: AtomicU64,
}

/// A place for one question, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Places>);

impl Questions {
    /// That many at once; 0: any number.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Places { most: most.into(), ..Places::default() }))
    }

    /// As many at once from now on. Those that are being answered are answered.
    pub fn set_most(&self, most: usize) {
        self.0.most.store(most, Relaxed);
        self.0.freed.notify_waiters();
    }

    /// How many are being answered.
    pub(super) fn running(&self) -> usize {
        *self.0.taken()
    }

    /// How many were turned away.
    pub(super) fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Waits for a place; one who waits too long is asked to come again.
    pub(super) async fn turn(&self) -> Result<Turn, Status> {
        self.turn_within(TURN_PATIENCE).await.ok_or_else(|| {
            self.0.refused.fetch_add(1, Relaxed);
            let most = self.0.most.load(Relaxed);
            let said = format!(
                "{most} questions are being answered, as many as limits.queries_max of the service allows at once: come \
                 again, or raise it"
            );
            come_again(&said, AGAIN_AFTER)
        })
    }

    async fn turn_within(&self, patience: Duration) -> Option<Turn> {
        let waiting = async {
            loop {
                let freed = self.0.freed.notified();
                tokio::pin!(freed);
                // What is given back from here on is heard, also between the look and the wait.
                freed.as_mut().enable();
                if let Some(turn) = self.take() {
                    return turn;
                }
                freed.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.ok()
    }

    fn take(&self) -> Option<Turn> {
        let most = self.0.most.load(Relaxed);
        let mut taken = self.0.taken();
        let has_place = most == 0 || *taken < most;
        has_place.then(|| {
            *taken += 1;
            Turn(Arc::clone(&self.0))
        })
    }
}

impl Places {
    fn taken(&self) -> std::sync::MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken() -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn who_finds_no_place_waits_and_gets_the_next_that_is_free() {
        runtime().block_on(async {
            let questions = Questions::new(2);
            let (first, _second) = (questions.take().unwrap(), questions.take().unwrap());
            assert!(questions.turn_within(SHORT).await.is_none());
            let (third, ()) = tokio::join!(questions.turn_within(LONG), async {
                tokio::task::yield_now().await;
                drop(first);
            });
            assert_eq!((third.is_some(), questions.running()), (true, 2));
        });
    }

    #[test]
    fn one_who_gives_up_takes_nobodys_place() {
        runtime().block_on(async {
            let questions = Questions::new(1);
            let first = questions.take().unwrap();
            assert!(questions.turn_within(SHORT).await.is_none());
            drop(first);
            assert_eq!(questions.running(), 0);
            assert!(questions.turn_within(SHORT).await.is_some());
        });
    }

    #[test]
    fn another_limit_holds_at_once_and_0_is_none() {
        runtime().block_on(async {
            let questions = Questions::new(1);
            let _first = questions.take().unwrap();
            let (second, ()) = tokio::join!(questions.turn_within(LONG), async {
                tokio::task::yield_now().await;
                questions.set_most(2);
            });
            assert!(second.is_some() && questions.take().is_none());
            questions.set_most(0);
            assert!(questions.take().is_some());
            questions.set_most(1);
            assert!(questions.take().is_none(), "more are answered than that now");
        });
    }
}
