//! How long to wait before a request is sent again.

use std::time::Duration;

use axum::http::HeaderMap;
use rand::RngExt as _;

use crate::model::clock::UnixNanos;

/// A destination may put us off for this long at most; one that says more is asked again then.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// Exponential, with full jitter: each wait is drawn evenly between nothing and a bound that doubles (Brooker, "Exponential
/// Backoff And Jitter", 2015). So many who fail at once do not come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first bound.
    pub first: Duration,
    /// The last bound.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The bound after so many failures (1 is the first).
    fn bound(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }

    /// How long to wait after so many failures; `asked` is what the destination asks for: never sooner.
    pub(super) fn wait(self, failures: u32, asked: Option<Duration>) -> Duration {
        let drawn = self.bound(failures).mul_f64(rand::rng().random_range(0.0..=1.0));
        match asked {
            // Whoever asks several for the same time would have them back at the same moment.
            Some(asked) => asked.min(ASKED_MAX) + drawn.min(asked.min(ASKED_MAX) / 10),
            None => drawn,
        }
    }
}

/// What `Retry-After` asks for: seconds, or an HTTP date.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixNanos) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_nanosecond();
    // A date that has gone means: now.
    Some(u64::try_from(at.saturating_sub(i128::from(now)).max(0)).map_or(ASKED_MAX, Duration::from_nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_drawn_below_a_bound_that_doubles_point_43() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(10) };
        for (failures, bound_s) in [(1, 1), (2, 2), (4, 8), (5, 10), (40, 10), (u32::MAX, 10)] {
            assert_eq!(backoff.bound(failures), Duration::from_secs(bound_s), "{failures}");
        }
        let waits: Vec<Duration> = (0..200).map(|_| backoff.wait(5, None)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(10)));
        // Full jitter: below a quarter, and above three. By chance none in 200 would be: 1e-25.
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(2500)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(7500)));
    }

    #[test]
    fn what_is_asked_for_is_kept_and_bounded_point_43() {
        let backoff = Backoff { first: Duration::from_secs(60), max: Duration::from_secs(60) };
        for _ in 0..50 {
            let wait = backoff.wait(1, Some(Duration::from_secs(20)));
            assert!((20.0..=22.0).contains(&wait.as_secs_f64()), "{wait:?}");
        }
        assert!(backoff.wait(1, Some(Duration::MAX)) <= ASKED_MAX + ASKED_MAX / 10);
        assert_eq!(backoff.wait(1, Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_point_43() {
        let now = 784_111_777_000_000_000;
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(axum::http::header::RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
