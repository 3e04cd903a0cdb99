//! Values that come one at a time, and when: daily and weekly patterns are learned on the way.

use std::borrow::Cow;

use super::online::{Alarm, Watch};
use super::rates::count_binary;
use super::seasons::Patterns;
use super::settings::Settings;
use super::stats::robust::median;
use crate::model::clock::UnixNanos;

/// A day in nanoseconds: patterns are looked for anew as often at most.
const RENEW_AFTER: UnixNanos = 86_400_000_000_000;
/// The same as a part of the time that is known: it bounds the work.
const RENEW_SHARE: i64 = 20;

/// An alarm with the levels that it tells of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    /// The alarm.
    pub alarm: Alarm,
    /// Median of its baseline, in the unit of the values, patterns taken out as they were known then.
    pub before: f64,
    /// Median of the values since.
    pub after: f64,
}

/// Raises each change once, as [`super::online::replay`] does; `times` are those of the values, ascending, or empty.
#[must_use]
pub fn replay_timed(values: &[f64], times: &[UnixNanos], settings: &Settings) -> Vec<Raised> {
    let mut watch = Watch::new(values, settings);
    let mut is_adjusted = false;
    let mut renew_at = times.first().map_or(UnixNanos::MAX, |first| first.saturating_add(RENEW_AFTER));
    let mut raised = Vec::new();
    for at in 0..values.len() {
        if let Some(now) = times.get(at).filter(|now| **now >= renew_at) {
            renew_at = now.saturating_add(RENEW_AFTER.max((now - times[0]) / RENEW_SHARE));
            let without = take_out_patterns(values, times, at).map(|(without, _)| Cow::Owned(without));
            if without.is_some() || is_adjusted {
                is_adjusted = without.is_some();
                watch.judge_anew(without.unwrap_or(Cow::Borrowed(values)));
            }
        }
        if let Some(alarm) = watch.look(at) {
            let judged = watch.values();
            let (before, after) = (&judged[alarm.baseline_start..alarm.index], &judged[alarm.index..=alarm.seen_at]);
            raised.push(Raised { alarm, before: median(before), after: median(after) });
        }
    }
    raised
}

/// Values without the patterns of the first `known` of them, and what these hang on; none where there are none.
#[must_use]
pub fn take_out_patterns(values: &[f64], times: &[UnixNanos], known: usize) -> Option<(Vec<f64>, Vec<String>)> {
    let past = &values[..known];
    if times.len() != values.len() || count_binary(past) == known {
        return None;
    }
    // What multiplies a skewed metric shifts its logarithm.
    let is_log = past.iter().all(|value| *value > 0.0);
    let judged: Vec<f64> = past.iter().map(|value| if is_log { value.ln() } else { *value }).collect();
    let patterns = Patterns::find(&times[..known], &judged);
    let without = |(value, at): (&f64, &UnixNanos)| {
        let effect = patterns.effect(*at);
        if is_log { value * (-effect).exp() } else { value - effect }
    };
    (!patterns.is_empty()).then(|| (values.iter().zip(times).map(without).collect(), patterns.names()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::online::replay;
    use crate::detect::simulate::patterns::draw_weekly;

    fn raised(values: &[f64], times: &[UnixNanos]) -> Vec<(usize, usize)> {
        replay_timed(values, times, &Settings::default()).iter().map(|r| (r.alarm.index, r.alarm.seen_at)).collect()
    }

    #[test]
    fn a_step_that_a_weekly_pattern_hides_is_found_by_its_times() {
        let (times, mut values) = draw_weekly(100, 0.3, 1);
        values.iter_mut().skip(70).for_each(|value| *value *= 1.1);
        assert!(raised(&values, &[]).is_empty());
        let found = raised(&values, &times);
        assert!(matches!(found[..], [(68..=72, 70..=85)]), "{found:?}");
    }

    #[test]
    fn a_weekly_pattern_alone_raises_nothing() {
        let alarms = |seed| {
            let (times, values) = draw_weekly(200, 0.3, seed);
            raised(&values, &times).len()
        };
        assert!((0..40).map(alarms).sum::<usize>() <= 2);
    }

    #[test]
    fn without_a_pattern_times_change_nothing() {
        for seed in 0..20 {
            let (times, mut values) = draw_weekly(100, 0.0, seed);
            values.iter_mut().skip(70).for_each(|value| *value *= 1.1);
            let plain: Vec<_> = replay(&values, &Settings::default()).iter().map(|a| (a.index, a.seen_at)).collect();
            assert_eq!(raised(&values, &times), plain, "{seed}");
        }
    }

    #[test]
    fn what_was_said_does_not_depend_on_later_values() {
        let (times, mut values) = draw_weekly(150, 0.3, 4);
        values.iter_mut().skip(70).for_each(|value| *value *= 1.2);
        let all = replay_timed(&values, &times, &Settings::default());
        let seen_at = all[0].alarm.seen_at;
        assert_eq!(replay_timed(&values[..=seen_at], &times[..=seen_at], &Settings::default())[..], all[..1]);
    }
}
