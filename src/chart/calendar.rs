//! Round places on a time axis, from minutes to decades, in UTC.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use crate::model::clock::UnixNanos;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds.
pub(super) const DAY: i64 = 24 * HOUR;
/// 1970-01-05 was a Monday.
const FIRST_MONDAY: i64 = 4 * DAY;

/// Distance between ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// Nanoseconds, all days being equally long in UTC.
    Fixed(i64),
    /// Calendar months.
    Months(i64),
}

const STEPS: [Step; 23] = [
    Step::Fixed(SECOND),
    Step::Fixed(5 * SECOND),
    Step::Fixed(15 * SECOND),
    Step::Fixed(MINUTE),
    Step::Fixed(5 * MINUTE),
    Step::Fixed(15 * MINUTE),
    Step::Fixed(HOUR),
    Step::Fixed(3 * HOUR),
    Step::Fixed(6 * HOUR),
    Step::Fixed(12 * HOUR),
    Step::Fixed(DAY),
    Step::Fixed(2 * DAY),
    Step::Fixed(7 * DAY),
    Step::Fixed(14 * DAY),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
    Step::Months(600),
];

/// At most `most` ticks from `from` to `to`, each with its text: `14:00`, `4 Mar`, `Mar`, `2026`.
pub(super) fn ticks(from: UnixNanos, to: UnixNanos, most: usize) -> Vec<(UnixNanos, String)> {
    let most = most.max(1);
    for step in STEPS {
        let Some(places) = places(step, from, to, most) else { continue };
        return places.into_iter().map(|at| (at, label(at, step))).collect();
    }
    Vec::new()
}

/// Where the step's multiples lie; none if they are more than `most`.
fn places(step: Step, from: UnixNanos, to: UnixNanos, most: usize) -> Option<Vec<UnixNanos>> {
    let mut found = Vec::new();
    let mut number = match step {
        Step::Fixed(width) => from.saturating_sub(anchor(width)).div_euclid(width),
        Step::Months(width) => month_of(from)?.div_euclid(width),
    };
    // Each step forward moves on by at least a second, and the list is left once it is too long.
    loop {
        let at = match step {
            Step::Fixed(width) => number.checked_mul(width)?.checked_add(anchor(width))?,
            Step::Months(width) => start_of_month(number * width)?,
        };
        if at > to {
            return Some(found);
        }
        if at >= from {
            found.push(at);
        }
        if found.len() > most {
            return None;
        }
        number += 1;
    }
}

fn anchor(width: i64) -> i64 {
    if width % (7 * DAY) == 0 { FIRST_MONDAY } else { 0 }
}

fn utc(at: UnixNanos) -> Option<DateTime> {
    Timestamp::from_nanosecond(i128::from(at)).ok().map(|stamp| Offset::UTC.to_datetime(stamp))
}

/// Months since the year 0.
fn month_of(at: UnixNanos) -> Option<i64> {
    utc(at).map(|at| i64::from(at.year()) * 12 + i64::from(at.month()) - 1)
}

fn start_of_month(month: i64) -> Option<UnixNanos> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let month = i8::try_from(month.rem_euclid(12) + 1).ok()?;
    let start = Offset::UTC.to_timestamp(date(year, month, 1).at(0, 0, 0, 0)).ok()?;
    i64::try_from(start.as_nanosecond()).ok()
}

fn label(at: UnixNanos, step: Step) -> String {
    let Some(day) = utc(at) else { return String::new() };
    let pattern = match step {
        Step::Fixed(width) if width < MINUTE => "%H:%M:%S",
        Step::Fixed(width) if width < DAY && at.rem_euclid(DAY) != 0 => "%H:%M",
        Step::Fixed(_) => "%-d %b",
        Step::Months(_) if day.month() == 1 => "%Y",
        Step::Months(_) => "%b",
    };
    day.strftime(pattern).to_string()
}

pub(super) use crate::model::unit::format_day as day;

/// `4 Mar to 2 May 2026 UTC`, `4 Mar 2026, 08:00 to 14:30 UTC`.
pub(super) fn span(from: UnixNanos, to: UnixNanos) -> String {
    let (Some(a), Some(b)) = (utc(from), utc(to)) else { return "invalid time".to_owned() };
    if from == to {
        return a.strftime("%-d\u{A0}%b\u{A0}%Y, %H:%M\u{A0}UTC").to_string();
    }
    if a.date() == b.date() {
        return format!("{}, {} to {} UTC", a.strftime("%-d %b %Y"), a.strftime("%H:%M"), b.strftime("%H:%M"));
    }
    let first = if a.year() == b.year() { "%-d\u{A0}%b" } else { "%-d\u{A0}%b\u{A0}%Y" };
    format!("{} to {}", a.strftime(first), b.strftime("%-d\u{A0}%b\u{A0}%Y\u{A0}UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::unit::parse_time;

    fn at(text: &str) -> UnixNanos {
        parse_time(text).unwrap()
    }

    fn labels(from: &str, to: &str, most: usize) -> Vec<String> {
        ticks(at(from), at(to), most).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_day_a_week_a_quarter_and_three_years_get_ticks_of_their_own_kind() {
        assert_eq!(labels("2026-03-04T07:10:00Z", "2026-03-05T02:00:00Z", 4), ["12:00", "18:00", "5 Mar"]);
        assert_eq!(
            labels("2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", 8),
            ["2 Mar", "3 Mar", "4 Mar", "5 Mar", "6 Mar", "7 Mar", "8 Mar", "9 Mar"]
        );
        assert_eq!(labels("2026-01-20T00:00:00Z", "2026-04-20T00:00:00Z", 5), ["Feb", "Mar", "Apr"]);
        assert_eq!(
            labels("2023-11-01T00:00:00Z", "2026-11-01T00:00:00Z", 7),
            ["2024", "Jul", "2025", "Jul", "2026", "Jul"]
        );
    }

    #[test]
    fn weeks_begin_on_monday() {
        let first = ticks(at("2026-02-25T00:00:00Z"), at("2026-04-02T00:00:00Z"), 5);
        assert_eq!(
            first.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["2 Mar", "9 Mar", "16 Mar", "23 Mar", "30 Mar"]
        );
    }

    #[test]
    fn a_span_says_once_that_it_is_utc() {
        for to in ["2026-03-04T07:10:00Z", "2026-03-04T09:00:00Z", "2026-05-02T00:00:00Z", "2027-05-02T00:00:00Z"] {
            let said = span(at("2026-03-04T07:10:00Z"), at(to));
            assert!(said.ends_with("UTC") && said.matches("UTC").count() == 1, "{said}");
        }
    }

    #[test]
    fn the_ends_of_time_give_no_panic_and_few_ticks() {
        for (from, to) in [(i64::MIN, i64::MAX), (0, 0), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (5, 4)] {
            assert!(ticks(from, to, 6).len() <= 6);
            let _ = span(from, to);
        }
    }
}
