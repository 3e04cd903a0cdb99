//! Independent draws, spread over the cores.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work` to 0..count on as many threads as there are cores; results in order.
pub(crate) fn map_seeds<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return done;
            }
            done.push((place, work(place)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..cores.min(count)).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for helper in helpers {
            // A helper ends early only by a panic, and that is carried on as one.
            all.extend(helper.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
        all
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, result)| result).collect()
}
