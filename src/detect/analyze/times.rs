//! Times as they are given: text, or numbers since 1970.

use crate::model::clock::UnixNanos;

/// Nanoseconds since 1970 of the values at `places`; empty where one of them has no time, or they are not in order.
pub(super) fn read_times(times: &[String], places: &[usize]) -> Vec<UnixNanos> {
    let read: Option<Vec<UnixNanos>> = places.iter().map(|place| read_time(times.get(*place)?)).collect();
    read.filter(|all| all.is_sorted()).unwrap_or_default()
}

// RFC 3339; a date, or date and time without a zone (taken for UTC); or a number, whose size tells its unit: seconds,
// milliseconds, microseconds, nanoseconds.
fn read_time(text: &str) -> Option<UnixNanos> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let unit = match number.abs() {
            size if size < 1e11 => 1e9,
            size if size < 1e14 => 1e6,
            size if size < 1e17 => 1e3,
            _ => 1.0,
        };
        let nanos = number * unit;
        return (nanos.abs() < 9e18).then_some(nanos as UnixNanos);
    }
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(local).ok()
    })?;
    UnixNanos::try_from(stamp.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers_of_any_unit_are_the_same_instant() {
        let day = Some(1_767_571_200_000_000_000);
        for text in ["2026-01-05", "2026-01-05 00:00:00", "2026-01-05T01:00:00+01:00", "1767571200", "1767571200000"] {
            assert_eq!(read_time(text), day, "{text}");
        }
        assert_eq!(read_time("soon"), None);
    }

    #[test]
    fn times_that_are_missing_or_out_of_order_are_none() {
        let times: Vec<String> = ["2026-01-05", "", "2026-01-07", "2026-01-06"].map(str::to_owned).into();
        assert_eq!(read_times(&times, &[0, 2]).len(), 2);
        assert!(read_times(&times, &[0, 1]).is_empty() && read_times(&times, &[2, 3]).is_empty());
    }
}
