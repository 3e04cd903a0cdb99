//! What a CI system sees of a verdict: annotations, job summary, comment, JUnit XML, GitLab metrics.
//!
//! The formats are GitHub's workflow commands, JUnit as Jenkins and GitLab read it, and GitLab's metrics
//! report, which is OpenMetrics text. Names are hostile in each of them.

mod junit;

use std::collections::BTreeSet;

pub use junit::junit;

use crate::model::{Finding, FindingKind, Severity, Verdict, VerdictWord};

use super::markdown::escape;
use super::{clean, words};

/// GitHub shows no more than this of one step.
const ANNOTATIONS_MAX: usize = 10;
/// GitHub refuses longer comments; counted in UTF-16 units there, never more than bytes.
const COMMENT_MAX: usize = 65_536;
/// GitHub refuses larger summaries; we stop long before.
const SUMMARY_ROWS_MAX: usize = 100;
/// Findings and metrics of the machine-read forms.
const ITEMS_MAX: usize = 1_000;

/// Finds our comment again, so that the next push rewrites it. One per `key`, e.g. the job's name.
#[must_use]
pub fn comment_marker(key: &str) -> String {
    let key: String = key.chars().filter(|ch| ch.is_ascii_alphanumeric() || "._-".contains(*ch)).take(80).collect();
    // Two hyphens in a row end a comment in old parsers.
    format!("<!-- perfline:{} -->", key.replace("--", "-"))
}

/// GitHub workflow commands, at most ten: the worst finding of each pipeline, worst first, one a line.
#[must_use]
pub fn annotations(verdict: &Verdict, fail_on: Severity) -> String {
    if verdict.verdict == VerdictWord::InsufficientData {
        let message = escape_data(&words::headline(verdict, fail_on));
        return format!("::warning title=perfline%3A not enough data::{message}\n");
    }
    let mut seen = BTreeSet::new();
    let worst = worst_first(verdict).into_iter();
    let worst = worst.filter(|finding| finding.actionable && seen.insert(finding.pipeline.as_str()));
    worst.take(ANNOTATIONS_MAX).map(|finding| annotation(finding, fail_on)).collect()
}

fn worst_first(verdict: &Verdict) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = verdict.findings.iter().collect();
    words::sort_worst_first(&mut found, |finding| finding);
    found
}

fn annotation(finding: &Finding, fail_on: Severity) -> String {
    let level = if finding.severity >= fail_on { "error" } else { "warning" };
    let title = format!("{}: {} {}", finding.severity.as_str(), words::place(finding), words::what(finding));
    let mut message =
        format!("{}, since {}, {}.", words::levels(finding), words::since(finding), words::sureness(finding));
    if !finding.recommendation.is_empty() {
        message.push_str(&format!(" {}", clean::shorten(&finding.recommendation, 400)));
    }
    format!("::{level} title={}::{}\n", escape_property(&title), escape_data(&message))
}

/// What GitHub's toolkit escapes in a message.
fn escape_data(text: &str) -> String {
    clean::line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What GitHub's toolkit escapes in a property.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The job summary as Markdown.
#[must_use]
pub fn summary(verdict: &Verdict, fail_on: Severity) -> String {
    let mut out = lead(verdict, fail_on);
    out.push_str(&table(&worst_first(verdict), SUMMARY_ROWS_MAX, 300));
    out.push_str(&format!("{}\n", escape(&words::coverage(verdict))));
    out
}

/// The comment on a pull request: the marker first, then as many findings as fit into 65,536 bytes.
#[must_use]
pub fn comment(verdict: &Verdict, fail_on: Severity, key: &str) -> String {
    let head = format!("{}\n{}", comment_marker(key), lead(verdict, fail_on));
    let foot = format!("{}\n", escape(&words::coverage(verdict)));
    let mut rows = verdict.findings.len().min(SUMMARY_ROWS_MAX);
    loop {
        let text = format!("{head}{}{foot}", table(&worst_first(verdict), rows, 200));
        if text.len() < COMMENT_MAX || rows == 0 {
            return text;
        }
        rows /= 2;
    }
}

fn lead(verdict: &Verdict, fail_on: Severity) -> String {
    let (glyph, word) = match verdict.verdict {
        VerdictWord::Pass => ("✅", "perfline: pass"),
        VerdictWord::Fail => ("❌", "perfline: regression"),
        VerdictWord::InsufficientData => ("❔", "perfline: not enough data"),
    };
    let line = words::headline(verdict, fail_on);
    let line = line.strip_prefix("not enough data: ").unwrap_or(&line);
    format!("### {glyph} {word}\n\n**{}**\n\n", escape(line))
}

/// Worst first; the evidence stands beside each.
fn table(findings: &[&Finding], rows: usize, advice_max: usize) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut out = "| Severity | Where | What | Levels | Since | How sure | Look at first |\n".to_owned();
    out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for finding in findings.iter().take(rows) {
        let mark = if finding.actionable { "" } else { " (not gating)" };
        let cells = [
            words::place(finding),
            words::what(finding),
            words::levels(finding),
            words::since(finding),
            words::sureness(finding),
            clean::shorten(&finding.recommendation, advice_max),
        ];
        let cells = cells.map(|cell| escape(&cell)).join(" | ");
        let glyph = words::severity_glyph(finding.severity);
        out.push_str(&format!("| {glyph} {}{mark} | {cells} |\n", finding.severity.as_str()));
    }
    if findings.len() > rows {
        out.push_str(&format!("\n{} more are in the report.\n", findings.len() - rows));
    }
    out.push('\n');
    out
}

/// GitLab's `metrics.txt`: levels before and after of every finding, then the counts.
#[must_use]
pub fn gitlab_metrics(verdict: &Verdict) -> String {
    let mut out = String::new();
    let mut seen = BTreeSet::new();
    let mut family = |name: &str, help: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("# TYPE {name} gauge\n# HELP {name} {help}\n{}", lines.concat()));
        }
    };
    let found: Vec<_> =
        verdict.findings.iter().take(ITEMS_MAX).filter(|finding| seen.insert(labels(finding))).collect();
    let sample = |name: &str, value: fn(&Finding) -> f64| -> Vec<String> {
        found.iter().map(|finding| format!("{name}{{{}}} {}\n", labels(finding), number(value(finding)))).collect()
    };
    family("perfline_level", "Newest level, in the metric's base unit.", sample("perfline_level", |f| f.current));
    family("perfline_baseline", "Level before.", sample("perfline_baseline", |f| f.baseline));
    family("perfline_change_percent", "Change of the level.", sample("perfline_change_percent", |f| f.change_percent));
    family(
        "perfline_series_checked",
        "Series with enough runs.",
        vec![format!("perfline_series_checked {}\n", verdict.series_checked)],
    );
    family(
        "perfline_series_insufficient",
        "Series without enough runs.",
        vec![format!("perfline_series_insufficient {}\n", verdict.series_insufficient)],
    );
    let regressions = verdict.findings.iter().filter(|finding| finding.actionable).count();
    family("perfline_regressions", "Actionable findings.", vec![format!("perfline_regressions {regressions}\n")]);
    out.push_str("# EOF\n");
    out
}

fn labels(finding: &Finding) -> String {
    let value = |text: &str| clean::name(text).replace('\\', "\\\\").replace('"', "\\\"");
    let step = finding.step.as_deref().map(value).unwrap_or_default();
    let mut text =
        format!("pipeline=\"{}\",step=\"{step}\",metric=\"{}\"", value(&finding.pipeline), finding.metric.as_str());
    let context = &finding.context;
    let named = [
        ("service", &context.service),
        ("branch", &context.branch),
        ("environment", &context.environment),
        ("host_class", &context.host_class),
    ];
    // Only what is known: the same series keeps its name from one job to the next.
    for (name, known) in named {
        if let Some(known) = known {
            text.push_str(&format!(",{name}=\"{}\"", value(known)));
        }
    }
    if finding.kind == FindingKind::Limit {
        text.push_str(",kind=\"limit\"");
    }
    text
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{finding, verdict};

    const EVIL: &str = "x%0A\r\n::error::forged,title=y\"'><&|`\u{202e}\u{1b}[31m]]>";

    fn evil() -> Verdict {
        let mut found = finding();
        found.pipeline = EVIL.to_owned();
        found.step = Some(EVIL.to_owned());
        found.since_run = EVIL.to_owned();
        found.recommendation = EVIL.to_owned();
        verdict(vec![found])
    }

    #[test]
    fn an_annotation_names_place_change_and_proof() {
        let text = annotations(&verdict(vec![finding()]), Severity::High);
        assert!(
            text.starts_with("::error title=CRITICAL%3A build / test_x duration +140 %25::120 ms to 288 ms"),
            "{text}"
        );
    }

    #[test]
    fn annotations_are_ten_at_most_and_one_per_pipeline() {
        let many: Vec<_> = (0..30).map(|at| Finding { pipeline: format!("p{}", at / 2), ..finding() }).collect();
        assert_eq!(annotations(&verdict(many), Severity::High).lines().count(), 10);
        assert_eq!(annotations(&verdict(vec![finding(), finding()]), Severity::High).lines().count(), 1);
    }

    #[test]
    fn a_hostile_name_forges_no_second_command() {
        let text = annotations(&evil(), Severity::High);
        assert_eq!(text.lines().count(), 1);
        let title = text.split("::").nth(1).unwrap_or_default();
        assert!(!title.trim_start_matches("error title=").contains([',', ':']), "{title}");
    }

    #[test]
    fn the_comment_fits_with_thousands_of_hostile_findings_and_keeps_its_marker() {
        let long = Finding { recommendation: "<&|".repeat(4000), step: Some("|".repeat(500)), ..finding() };
        let text = comment(&verdict(vec![long; 3000]), Severity::High, "ci--main -->x");
        assert!(text.len() < COMMENT_MAX, "{}", text.len());
        assert!(text.starts_with("<!-- perfline:ci-main-x -->\n### ❌"), "{}", &text[..80]);
        assert!(text.contains("more are in the report"));
    }

    #[test]
    fn silence_is_a_warning_and_a_skipped_test_never_a_pass() {
        let mut none = verdict(Vec::new());
        none.verdict = VerdictWord::InsufficientData;
        (none.series_checked, none.series_insufficient) = (0, 4);
        assert!(annotations(&none, Severity::High).starts_with("::warning title=perfline%3A not enough data::"));
        assert!(summary(&none, Severity::High).contains("not enough data"));
        assert!(junit(&none, Severity::High).contains("<skipped message=\"not enough data for 4 series\"/>"));
    }

    #[test]
    fn gitlab_metrics_end_with_eof_and_say_infinity() {
        let text = gitlab_metrics(&verdict(vec![Finding { change_percent: f64::INFINITY, ..finding() }]));
        assert!(text.ends_with("# EOF\n"));
        assert!(
            text.contains("perfline_level{pipeline=\"build\",step=\"test_x\",metric=\"duration\"} 0.288\n"),
            "{text}"
        );
        assert!(
            text.contains("perfline_change_percent{pipeline=\"build\",step=\"test_x\",metric=\"duration\"} +Inf\n")
        );
        assert_eq!(gitlab_metrics(&evil()).lines().filter(|line| line.starts_with("perfline_level")).count(), 1);
    }

    #[test]
    fn a_hostile_cell_adds_no_column_to_a_summary() {
        let text = summary(&evil(), Severity::High);
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(columns(line), 8, "{line}");
        }
        assert!(!text.contains('<'));
    }
}
