//! What was found, for people.

use std::fmt::Write;

use super::super::online::ChangeKind;
use super::{AnalyzedChange, AnalyzedSeries};
use crate::model::unit::{format_change_percent, significant};

/// One paragraph a series.
#[must_use]
pub fn write_text(series: &[AnalyzedSeries]) -> String {
    let mut out = String::new();
    for one in series {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}: {} values, {}", one.name, one.n, count(one.change_points.len(), "change point"));
        for change in &one.change_points {
            let _ = writeln!(out, "  {}", describe(change));
        }
        for alarm in one.alarms.iter().flatten() {
            let (at, how) = (alarm.seen_at, alarm.severity.as_str());
            let _ = writeln!(out, "  alarm at value {at} ({how}): {}", describe(&alarm.change));
        }
        for event in &one.events {
            let _ = writeln!(out, "  {} at value {}", event.kind.as_str(), event.index);
        }
    }
    out
}

fn describe(change: &AnalyzedChange) -> String {
    let percent = change.change_percent.map_or_else(|| "from zero".to_owned(), format_change_percent);
    let time = change.time.as_ref().map(|t| format!(" ({t})")).unwrap_or_default();
    let slowly = if change.kind == ChangeKind::Drift { ", slowly" } else { "" };
    format!(
        "since value {}{time}: {} to {}, {percent}{slowly}, confidence {:.2}",
        change.index,
        significant(change.before),
        significant(change.after),
        change.confidence
    )
}

fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
