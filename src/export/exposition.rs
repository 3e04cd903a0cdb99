//! Metric families as Prometheus text 0.0.4 and as OpenMetrics 1.0 text.
//!
//! Sources: the Prometheus exposition formats, and the OpenMetrics 1.0 specification.

use std::fmt::Write;

/// Which of the two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Exposition {
    /// What an `Accept` header asks for: OpenMetrics where it is named, else Prometheus.
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Self {
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// Only grows; samples are named `..._total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

impl FamilyKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Points from a bucket to a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Lower-case hex, 32 characters.
    pub trace_id: String,
    /// The exemplary value.
    pub value: f64,
    /// Seconds since the Unix epoch.
    pub at_s: f64,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `_total`, `_bucket`, `_sum`, `_count`, or nothing.
    pub suffix: &'static str,
    /// Label names and values, in the order of printing.
    pub labels: Vec<(&'static str, String)>,
    /// Value.
    pub value: f64,
    /// Only printed as OpenMetrics.
    pub exemplar: Option<Exemplar>,
}

/// One metric with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name without suffix.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What it measures.
    pub kind: FamilyKind,
    /// Lines.
    pub samples: Vec<Sample>,
}

impl Family {
    /// An empty family.
    #[must_use]
    pub fn new(name: &'static str, kind: FamilyKind, help: &'static str) -> Self {
        Self { name, help, kind, samples: Vec::new() }
    }

    /// Adds a line without exemplar; a counter's gets its suffix.
    #[must_use]
    pub fn with(mut self, labels: Vec<(&'static str, String)>, value: f64) -> Self {
        self.add(labels, value);
        self
    }

    /// Adds a line without exemplar; a counter's gets its suffix.
    pub fn add(&mut self, labels: Vec<(&'static str, String)>, value: f64) {
        let suffix = if self.kind == FamilyKind::Counter { "_total" } else { "" };
        self.samples.push(Sample { suffix, labels, value, exemplar: None });
    }
}

/// The whole answer. Families without samples are left out.
#[must_use]
pub fn write_text(families: &[Family], exposition: Exposition) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        write_family(&mut text, family, exposition);
    }
    if exposition == Exposition::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

// Writing to a String cannot fail.
fn write_family(text: &mut String, family: &Family, exposition: Exposition) {
    // Prometheus text names the TYPE of a counter with its suffix, OpenMetrics without.
    let total = if exposition == Exposition::Prometheus && family.kind == FamilyKind::Counter { "_total" } else { "" };
    let _ = writeln!(text, "# HELP {}{total} {}", family.name, escape_help(family.help));
    let _ = writeln!(text, "# TYPE {}{total} {}", family.name, family.kind.as_str());
    for sample in &family.samples {
        let _ = write!(text, "{}{}", family.name, sample.suffix);
        write_labels(text, &sample.labels);
        let _ = write!(text, " {}", number(sample.value));
        if let (Some(exemplar), Exposition::OpenMetrics) = (&sample.exemplar, exposition) {
            let at = number(exemplar.at_s);
            let _ = write!(text, " # {{trace_id=\"{}\"}} {} {at}", escape(&exemplar.trace_id), number(exemplar.value));
        }
        text.push('\n');
    }
}

fn write_labels(text: &mut String, labels: &[(&'static str, String)]) {
    if labels.is_empty() {
        return;
    }
    text.push('{');
    for (place, (name, value)) in labels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{}\"", escape(value));
    }
    text.push('}');
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// Label values are hostile: names of spans end up here. Clipped, then escaped. Names are stored with 500 characters at
/// most, the end of a longer one being a hash of the whole: none loses what tells it from others.
fn escape(value: &str) -> String {
    const LABEL_CHARS_MAX: usize = 500;
    let mut out = String::with_capacity(value.len().min(LABEL_CHARS_MAX));
    for (place, character) in value.chars().enumerate() {
        if place == LABEL_CHARS_MAX {
            out.push('…');
            break;
        }
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out
}

fn escape_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> Family {
        let mut family = Family::new("pipeline_runs", FamilyKind::Counter, "Runs by outcome.");
        family.add(vec![("pipeline", "a\"b\\c\nd".to_owned())], 3.0);
        family.samples[0].exemplar = Some(Exemplar { trace_id: "ab".repeat(16), value: 1.5, at_s: 2.0 });
        family
    }

    #[test]
    fn prometheus_text_names_a_counter_with_its_suffix_and_escapes_labels() {
        let text = write_text(&[family()], Exposition::Prometheus);
        assert_eq!(
            text,
            "# HELP pipeline_runs_total Runs by outcome.\n# TYPE pipeline_runs_total counter\n\
             pipeline_runs_total{pipeline=\"a\\\"b\\\\c\\nd\"} 3\n"
        );
    }

    #[test]
    fn names_that_differ_at_their_ends_stay_two_series() {
        let [a, b] = ["a", "b"].map(|end| escape(&format!("{}{end}", "n".repeat(499))));
        assert!(a != b && escape(&"n".repeat(9_000)).chars().count() == 501);
    }

    #[test]
    fn openmetrics_ends_with_eof_and_carries_exemplars() {
        let text = write_text(&[family()], Exposition::OpenMetrics);
        assert!(text.contains("# TYPE pipeline_runs counter\n"));
        assert!(text.contains(" 3 # {trace_id=\"abab"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn openmetrics_is_answered_where_it_is_asked_for() {
        assert_eq!(Exposition::negotiate(Some("application/openmetrics-text;version=1.0.0")), Exposition::OpenMetrics);
        assert_eq!(Exposition::negotiate(Some("text/plain")), Exposition::Prometheus);
        assert_eq!(Exposition::negotiate(None), Exposition::Prometheus);
    }
}
