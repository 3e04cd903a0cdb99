//! A budget of memory for request bodies: who finds it spent is turned away at once, so nobody waits on anybody.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of the budget, in bytes: even an empty request costs one.
const UNIT: usize = 1024;

/// Memory for the bodies of all requests that are under way.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
}

impl Budget {
    /// A budget of that many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { units: Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// Bytes that are free now.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.units.available_permits() * UNIT
    }

    /// A share for one request, still empty.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease { budget: self.clone(), held: None }
    }
}

/// One request's share of the budget; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Grows the share to at least that many bytes; false where the budget is spent.
    #[must_use]
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).max(1).saturating_sub(held);
        if more == 0 {
            return true;
        }
        let Ok(more) = u32::try_from(more) else { return false };
        let Ok(permit) = Arc::clone(&self.budget.units).try_acquire_many_owned(more) else { return false };
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_until_the_budget_is_spent_and_comes_back_when_dropped() {
        let budget = Budget::new(10 * UNIT);
        let (mut first, mut second) = (budget.lease(), budget.lease());
        assert!(first.reserve(1));
        assert!(first.reserve(6 * UNIT));
        assert!(first.reserve(UNIT));
        assert!(!second.reserve(5 * UNIT));
        assert!(second.reserve(4 * UNIT));
        assert_eq!(budget.free_bytes(), 0);
        drop(first);
        assert_eq!(budget.free_bytes(), 6 * UNIT);
    }
}
