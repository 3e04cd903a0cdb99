//! JUnit XML: a suite of tests for each pipeline, a test for each step and metric of which something was found.

use std::collections::BTreeMap;

use super::super::{clean, words};
use super::ITEMS_MAX;
use crate::model::{Finding, Severity, Verdict, VerdictWord};

/// A suite as it is written.
#[derive(Default)]
struct Suite {
    tests: usize,
    failures: usize,
    skipped: usize,
    cases: String,
}

impl Suite {
    fn write(&self, name: &str) -> String {
        let Self { tests, failures, skipped, cases } = self;
        format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n\
             {cases}  </testsuite>\n"
        )
    }
}

/// A suite for each pipeline that has a finding, the worst first: a failed test per finding that fails the gate, a passed
/// one per smaller one. Before them the gate's own: what was checked, and skipped what has too few runs.
#[must_use]
pub fn junit(verdict: &Verdict, fail_on: Severity) -> String {
    let failing = words::gating(verdict, fail_on).into_iter().take(ITEMS_MAX);
    let smaller = verdict.findings.iter().filter(|f| f.actionable && f.severity < fail_on).take(ITEMS_MAX);
    let gate = gate(verdict, fail_on);
    let mut order: Vec<&str> = Vec::new();
    let mut suites: BTreeMap<&str, Suite> = BTreeMap::new();
    for finding in failing.chain(smaller) {
        let pipeline = finding.pipeline.as_str();
        let suite = suites.entry(pipeline).or_insert_with(|| {
            order.push(pipeline);
            Suite::default()
        });
        let fails = finding.severity >= fail_on;
        suite.tests += 1;
        suite.failures += usize::from(fails);
        suite.cases.push_str(&case(finding, fails));
    }
    let sum = |count: fn(&Suite) -> usize| count(&gate) + suites.values().map(count).sum::<usize>();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"perfline\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        sum(|suite| suite.tests),
        sum(|suite| suite.failures),
        sum(|suite| suite.skipped)
    );
    out.push_str(&gate.write("perfline check"));
    for pipeline in order {
        if let Some(suite) = suites.get(pipeline) {
            out.push_str(&suite.write(&xml(&clean::name(pipeline))));
        }
    }
    out.push_str("</testsuites>\n");
    out
}

fn gate(verdict: &Verdict, fail_on: Severity) -> Suite {
    let line = xml(&words::headline(verdict, fail_on));
    // A gate that fails for no finding still fails here.
    let bare = verdict.verdict == VerdictWord::Fail && words::gating(verdict, fail_on).is_empty();
    let mut suite = Suite { tests: 1, failures: usize::from(bare), ..Suite::default() };
    suite.cases = if bare {
        format!("    <testcase classname=\"perfline\" name=\"gate\"><failure message=\"{line}\"/></testcase>\n")
    } else {
        let checked = verdict.series_checked;
        format!(
            "    <testcase classname=\"perfline\" name=\"{checked} series checked\"><system-out>{line}</system-out></testcase>\n"
        )
    };
    if verdict.series_insufficient > 0 {
        (suite.tests, suite.skipped) = (suite.tests + 1, 1);
        suite.cases.push_str(&format!(
            "    <testcase classname=\"perfline\" name=\"{0} series without enough runs\"><skipped message=\"not enough data for {0} series\"/></testcase>\n",
            verdict.series_insufficient
        ));
    }
    suite
}

fn case(finding: &Finding, fails: bool) -> String {
    let name = format!("{} {}", finding.step.as_deref().map_or("run".to_owned(), clean::name), finding.metric.label());
    let message = format!("{} since {}", words::what(finding), words::since(finding));
    let body = format!(
        "{}; {}. {}",
        words::levels(finding),
        words::sureness(finding),
        clean::shorten(&finding.recommendation, 400)
    );
    let [class, name, message, body] = [&clean::name(&finding.pipeline), &name, &message, &body].map(|text| xml(text));
    let told = if fails {
        format!("<failure message=\"{message}\" type=\"{}\">{body}</failure>", finding.severity.as_str())
    } else {
        format!("<system-out>{message}: {body}</system-out>")
    };
    format!("    <testcase classname=\"{class}\" name=\"{name}\">{told}</testcase>\n")
}

/// Text or attribute of XML 1.0; what XML cannot hold was made visible by `clean`.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for ch in clean::line(text).chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(ch),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{finding, verdict};

    #[test]
    fn junit_counts_what_it_lists() {
        let mut small = finding();
        small.severity = Severity::Medium;
        let mut mixed = verdict(vec![finding(), small]);
        mixed.series_insufficient = 2;
        let text = junit(&mixed, Severity::High);
        assert_eq!(text.matches("<testcase").count(), 4);
        assert_eq!(text.matches("<failure").count(), 1);
        assert!(text.contains("tests=\"4\" failures=\"1\" skipped=\"1\""), "{text}");
    }

    #[test]
    fn every_pipeline_is_a_suite_and_its_steps_and_metrics_are_the_tests() {
        let of = |pipeline: &str, step: Option<&str>, severity| Finding {
            pipeline: pipeline.to_owned(),
            step: step.map(str::to_owned),
            severity,
            ..finding()
        };
        let text = junit(
            &verdict(vec![
                of("b", Some("load"), Severity::High),
                of("a", None, Severity::Critical),
                of("b", None, Severity::Medium),
            ]),
            Severity::High,
        );
        let suites: Vec<&str> = text.split("<testsuite ").skip(1).collect();
        assert_eq!(suites.len(), 3, "{text}");
        assert!(suites[0].starts_with("name=\"perfline check\" tests=\"1\" failures=\"0\""), "{text}");
        assert!(
            suites[1].starts_with("name=\"a\" tests=\"1\" failures=\"1\"")
                && suites[1].contains("name=\"run duration\"")
        );
        assert!(
            suites[2].starts_with("name=\"b\" tests=\"2\" failures=\"1\"")
                && suites[2].contains("name=\"load duration\"")
        );
        assert!(text.contains("<testsuites name=\"perfline\" tests=\"4\" failures=\"2\" skipped=\"0\">"), "{text}");
    }

    #[test]
    fn hostile_text_stays_text() {
        const EVIL: &str = "x%0A\r\n::error::forged,title=y\"'><&|`\u{202e}\u{1b}[31m]]>";
        let step = Some(EVIL.to_owned());
        let text = junit(&verdict(vec![Finding { pipeline: EVIL.to_owned(), step, ..finding() }]), Severity::High);
        assert!(text.chars().all(|ch| ch == '\n' || !ch.is_control()));
        assert_eq!((text.matches("<testcase").count(), text.matches("<testsuite ").count()), (2, 2));
        assert!(!text.contains("]]>") && text.contains("&lt;&amp;"));
    }
}
