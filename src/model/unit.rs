//! Numbers, durations, bytes, money and times as text: once, here.

use super::clock::UnixNanos;
use super::metric::Metric;

/// `2026-05-01T08:00:00Z`, with as many decimals as the time has (0, 3, 6 or 9).
#[must_use]
pub fn format_time(at: UnixNanos) -> String {
    let Ok(stamp) = jiff::Timestamp::from_nanosecond(i128::from(at)) else {
        return "invalid time".to_owned();
    };
    let nanos = at.rem_euclid(1_000_000_000);
    let precision = if nanos == 0 {
        0
    } else if nanos % 1_000_000 == 0 {
        3
    } else if nanos % 1_000 == 0 {
        6
    } else {
        9
    };
    format!("{stamp:.precision$}")
}

/// `2026-05-01 08:00 UTC`: for people.
#[must_use]
pub fn format_minute(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at))
        .map_or_else(|_| "invalid time".to_owned(), |stamp| stamp.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Reads RFC 3339, or Unix nanoseconds. The error names what was expected.
pub fn parse_time(text: &str) -> Result<UnixNanos, String> {
    let text = text.trim();
    if let Ok(nanos) = text.parse::<i64>() {
        return Ok(nanos);
    }
    let stamp: jiff::Timestamp = text
        .parse()
        .map_err(|_e| format!("`{text}` is no time: give RFC 3339 (2026-05-01T08:00:00Z) or Unix nanoseconds"))?;
    i64::try_from(stamp.as_nanosecond()).map_err(|_e| format!("`{text}` lies outside 1677 to 2262"))
}

/// Three significant digits with the unit that fits: `120 ms`, `1.25 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn format_duration(seconds: f64) -> String {
    let size = seconds.abs();
    if !seconds.is_finite() {
        "unknown".to_owned()
    } else if size == 0.0 {
        "0 s".to_owned()
    } else if size < 1e-6 {
        format!("{} ns", significant(seconds * 1e9))
    } else if size < 9.995e-4 {
        format!("{} µs", significant(seconds * 1e6))
    } else if size < 0.9995 {
        format!("{} ms", significant(seconds * 1e3))
    } else if size < 99.95 {
        format!("{} s", significant(seconds))
    } else {
        let sign = if seconds < 0.0 { "-" } else { "" };
        let whole = size.round();
        let (hours, rest) = ((whole / 3600.0).floor(), whole % 3600.0);
        let (minutes, secs) = ((rest / 60.0).floor(), rest % 60.0);
        if hours >= 1.0 { format!("{sign}{hours} h {minutes} min") } else { format!("{sign}{minutes} min {secs} s") }
    }
}

/// Binary units: `512 B`, `1.5 KiB`, `241 MiB`.
#[must_use]
pub fn format_bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", significant(value), UNITS[unit])
}

/// US dollars: `$12.34`, `$0.0042`.
#[must_use]
pub fn format_usd(usd: f64) -> String {
    let sign = if usd < 0.0 { "-" } else { "" };
    let size = usd.abs();
    if size == 0.0 {
        "$0".to_owned()
    } else if size >= 1.0 {
        format!("{sign}${}", group_thousands(&format!("{size:.2}")))
    } else {
        format!("{sign}${}", significant(size))
    }
}

/// Counts with thousands separated: `1,234`; fractions keep three significant digits.
#[must_use]
pub fn format_count(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        group_thousands(&format!("{value:.0}"))
    } else {
        significant(value)
    }
}

/// `+12 points`, `-1.5 points`.
#[must_use]
pub fn format_points(points: f64) -> String {
    format!("{points:+.1} points").replace(".0 points", " points")
}

/// Signed percent: `+31 %`, `-0.4 %`.
#[must_use]
pub fn format_change_percent(percent: f64) -> String {
    if !percent.is_finite() {
        return "from zero".to_owned();
    }
    if percent.abs() >= 9.95 { format!("{percent:+.0} %") } else { format!("{percent:+.1} %") }
}

/// Percent without a sign, for after `rose` and `fell`: `31 %`.
#[must_use]
pub fn format_size_percent(percent: f64) -> String {
    format_change_percent(percent.abs()).trim_start_matches('+').to_owned()
}

/// `4 Mar 2026`: a day in UTC.
#[must_use]
pub fn format_day(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at))
        .map_or_else(|_| "invalid time".to_owned(), |stamp| stamp.strftime("%-d %b %Y").to_string())
}

/// A share of one as percent: `97.5 %`.
#[must_use]
pub fn format_share(share: f64) -> String {
    format!("{} %", significant(share * 100.0))
}

/// A value of a metric with its unit.
#[must_use]
pub fn format_metric(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Duration | Metric::Cpu => format_duration(value),
        Metric::Cost => format_usd(value),
        Metric::PeakMemory => format_bytes(value),
        Metric::SuccessRate => format_share(value),
        Metric::Quality => significant(value),
        Metric::Throughput => format!("{}/s", format_count(value)),
        Metric::InputTokens | Metric::OutputTokens | Metric::ApiCalls | Metric::Retries => format_count(value),
    }
}

/// Three significant digits, no trailing zeros, no exponent.
#[must_use]
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "unknown".to_owned() };
    }
    let magnitude = value.abs().log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0);
    let text = format!("{value:.precision$}", precision = decimals as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn group_thousands(digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let mut out = String::with_capacity(digits.len() + whole.len() / 3);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.map_or(String::new(), |f| format!(".{f}"));
    format!("{sign}{out}{fraction}")
}

/// Units of bytes, the longer name first where one ends in another.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Units of time in nanoseconds, the longer name first where one ends in another.
const TIME_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// Reads `256MiB`, `10GB`; a plain number is bytes. The error names what was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if let Ok(bytes) = text.parse() {
        return Ok(bytes);
    }
    parse_with_unit(text, &BYTE_UNITS).map_err(|why| format!("`{text}` is no size: {why}"))
}

/// Reads `1500ms`, `60s`, `90d`; a number alone says no unit, and is refused. The error names what was expected.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(std::time::Duration::ZERO);
    }
    parse_with_unit(text, &TIME_UNITS)
        .map(std::time::Duration::from_nanos)
        .map_err(|why| format!("`{text}` is no duration: {why}"))
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    for (unit, factor) in units {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.trim().parse::<u64>().ok()) {
            return number.checked_mul(*factor).ok_or_else(|| "it is too large".to_owned());
        }
    }
    let names: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
    Err(format!("give a whole number with one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_with_their_units() {
        assert_eq!(parse_bytes("10GB"), Ok(10_000_000_000));
        assert_eq!(parse_bytes("2 GiB"), Ok(2 << 30));
        assert_eq!(parse_bytes("512"), Ok(512));
        assert!(parse_bytes("1.5x").is_err() && parse_bytes("99999999TB").is_err());
        assert_eq!(parse_duration("1500ms"), Ok(std::time::Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(std::time::Duration::from_secs(120)));
        assert!(parse_duration("30").unwrap_err().contains("ms"));
        assert!(parse_duration("-1d").is_err() && parse_duration("999999w").is_err());
    }

    #[test]
    fn durations_carry_the_unit_that_fits() {
        assert_eq!(format_duration(0.12), "120 ms");
        assert_eq!(format_duration(1.254), "1.25 s");
        assert_eq!(format_duration(200.0), "3 min 20 s");
        assert_eq!(format_duration(7500.0), "2 h 5 min");
        assert_eq!(format_duration(0.000_045), "45 µs");
    }

    #[test]
    fn bytes_money_and_counts() {
        assert_eq!(format_bytes(1536.0), "1.5 KiB");
        assert_eq!(format_usd(1234.5), "$1,234.50");
        assert_eq!(format_usd(0.0042), "$0.0042");
        assert_eq!(format_count(1_234_567.0), "1,234,567");
        assert_eq!(format_change_percent(131.4), "+131 %");
        assert_eq!(format_size_percent(-24.2), "24 %");
        assert_eq!(format_size_percent(f64::NEG_INFINITY), "from zero");
    }

    #[test]
    fn a_time_reads_back_as_written() {
        let at = 1_790_000_000_123_456_789;
        assert_eq!(parse_time(&format_time(at)), Ok(at));
        assert_eq!(format_time(1_790_000_000_000_000_000), "2026-09-21T14:13:20Z");
        assert!(parse_time("yesterday").is_err());
    }
}
