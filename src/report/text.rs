//! What a terminal sees: the verdict in five seconds, tables and sparklines.

use crate::model::{Finding, Severity, Verdict, VerdictWord};

use super::clean::line;
use super::listing::severity_tone;
use super::words::{coverage, gating, headline, levels, place, sort_worst_first, sureness, what};

pub use super::table::{Align, Table, Tone};

/// Most findings that are told in full.
const FINDINGS_MAX: usize = 5;
/// Most smaller ones that are listed.
const SMALLER_MAX: usize = 5;

/// The verdict as plain text, with a final newline.
#[must_use]
pub fn verdict_text(verdict: &Verdict, fail_on: Severity) -> String {
    write_verdict(verdict, fail_on, false)
}

/// The same with ANSI colours: print it through anstream, which obeys NO_COLOR and pipes.
#[must_use]
pub fn verdict_ansi(verdict: &Verdict, fail_on: Severity) -> String {
    write_verdict(verdict, fail_on, true)
}

/// One value a character, low to high; unknown ones are a dot. At most `width` newest values.
#[must_use]
pub fn sparkline(values: &[Option<f64>], width: usize) -> String {
    let newest = &values[values.len().saturating_sub(width)..];
    let known = || newest.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    sparkline_between(newest, low, high)
}

/// The same between two ends.
#[must_use]
pub fn sparkline_between(values: &[Option<f64>], low: f64, high: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |value: &Option<f64>| match value.filter(|value| value.is_finite()) {
        None => '·',
        Some(_) if high <= low => BARS[3],
        Some(value) => BARS[(((value - low) / (high - low) * 7.0).round().clamp(0.0, 7.0)) as usize],
    };
    values.iter().map(bar).collect()
}

fn write_verdict(verdict: &Verdict, fail_on: Severity, colours: bool) -> String {
    let paint = Paint { colours };
    let (word, style) = match verdict.verdict {
        VerdictWord::Pass => ("PASS", Tone::Good),
        VerdictWord::Fail => ("FAIL", Tone::Bad),
        VerdictWord::InsufficientData => ("NOT ENOUGH DATA", Tone::Warn),
    };
    let said = headline(verdict, fail_on);
    let said = said.strip_prefix("not enough data: ").unwrap_or(&said);
    let mut out = format!("{}  {said}\n", paint.set(style, word));
    let failing = gating(verdict, fail_on);
    for finding in failing.iter().take(FINDINGS_MAX) {
        out.push('\n');
        out.push_str(&tell(finding, paint));
    }
    if failing.len() > FINDINGS_MAX {
        out.push_str(&format!("\n  and {} more\n", failing.len() - FINDINGS_MAX));
    }
    out.push_str(&smaller(verdict, fail_on));
    out.push_str(&format!("\n{}\n", coverage(verdict)));
    out
}

/// Four lines: what, since when, how sure, what to do.
fn tell(finding: &Finding, paint: Paint) -> String {
    let severity = paint.set(severity_tone(finding.severity), finding.severity.as_str());
    let since = super::words::since(finding);
    let mut out = format!("  {severity}  {}: {}, {}\n", place(finding), what(finding), levels(finding));
    out.push_str(&format!("    since   {since}, {}\n", super::format::when(&finding.since_time)));
    out.push_str(&format!("    proof   {}\n", sureness(finding)));
    if !finding.recommendation.is_empty() {
        out.push_str(&format!("    next    {}\n", line(&finding.recommendation)));
    }
    out
}

/// What was found and does not fail the gate.
fn smaller(verdict: &Verdict, fail_on: Severity) -> String {
    let mut rest: Vec<_> = verdict.findings.iter().filter(|f| !(f.actionable && f.severity >= fail_on)).collect();
    sort_worst_first(&mut rest, |finding| finding);
    if rest.is_empty() {
        return String::new();
    }
    let mut out = "\nalso changed (does not fail the gate):\n".to_owned();
    for finding in rest.iter().take(SMALLER_MAX) {
        let (severity, since) = (finding.severity.as_str(), super::words::since(finding));
        out.push_str(&format!("  {severity:<8} {}: {} since {since}\n", place(finding), what(finding)));
    }
    if rest.len() > SMALLER_MAX {
        out.push_str(&format!("  and {} more\n", rest.len() - SMALLER_MAX));
    }
    out
}

#[derive(Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn set(self, tone: Tone, text: &str) -> String {
        if self.colours { tone.paint(text) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{finding, verdict};

    #[test]
    fn a_failed_gate_says_which_step_how_much_and_since_when_in_its_first_line() {
        let text = verdict_text(&verdict(vec![finding()]), Severity::High);
        assert_eq!(text.lines().next(), Some("FAIL  1 regression: build / test_x +140 % since run 13"));
        assert!(text.contains("120 ms to 288 ms") && text.contains("next    step test_x"), "{text}");
    }

    #[test]
    fn silence_never_reads_as_pass() {
        let mut none = verdict(Vec::new());
        none.verdict = VerdictWord::InsufficientData;
        (none.series_checked, none.series_insufficient, none.runs_needed) = (0, 4, Some(3));
        let text = verdict_text(&none, Severity::High);
        assert!(text.starts_with("NOT ENOUGH DATA  none of 4 series has enough runs; 3 more runs needed"), "{text}");
        assert!(!text.contains("PASS"));
    }

    #[test]
    fn a_smaller_regression_is_told_but_passes() {
        let mut small = finding();
        small.severity = Severity::Medium;
        let mut passed = verdict(vec![small]);
        passed.verdict = VerdictWord::Pass;
        let text = verdict_text(&passed, Severity::High);
        assert!(text.starts_with("PASS  no regression at or above HIGH in 18 series; 1 smaller one"), "{text}");
        assert!(text.contains("MEDIUM   build / test_x"), "{text}");
    }

    #[test]
    fn hostile_names_reach_no_terminal_control() {
        let mut evil = finding();
        evil.pipeline = "a\u{1b}]0;owned\u{7}\u{202e}\nFAKE PASS".to_owned();
        evil.recommendation = "x\u{1b}[2J".to_owned();
        evil.since_run = "r\r\n".to_owned();
        let text = verdict_text(&verdict(vec![evil]), Severity::High);
        assert!(text.chars().all(|ch| ch == '\n' || !ch.is_control()), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("FAKE")));
    }

    #[test]
    fn sparklines_keep_the_newest_and_mark_the_unknown() {
        let values = [Some(9.0), Some(1.0), None, Some(8.0)];
        assert_eq!(sparkline(&values, 3), "▁·█");
        assert_eq!(sparkline(&[Some(2.0), Some(2.0)], 8), "▄▄");
        assert_eq!(sparkline(&[], 8), "");
    }

    #[test]
    fn colours_stand_only_in_the_coloured_form() {
        let failed = verdict(vec![finding()]);
        assert!(!verdict_text(&failed, Severity::High).contains('\u{1b}'));
        assert!(verdict_ansi(&failed, Severity::High).contains('\u{1b}'));
    }
}
