//! What `perfline compare` prints for people.

use crate::model::Metric;
use crate::model::unit::{format_duration, format_metric, format_minute, parse_time};
use crate::report::clean::{line, name};
use crate::report::words::{change_of, p_value};
use crate::report::{Align, ChangeWord, Comparison, Estimate, PipelineComparison, Table, Tone, say_context};

/// The two sets, pipeline by pipeline; `width` is the terminal's in columns, none for a pipe.
pub(super) fn tell(found: &Comparison, width: Option<usize>) -> String {
    let mut out = format!("A: {}\nB: {}\n", name(&found.a), name(&found.b));
    for pipeline in &found.pipelines {
        out += &format!("\n{}\n", name(&pipeline.pipeline));
        let context = pipeline.context.as_ref().and_then(say_context);
        for said in context.into_iter().chain(pipeline.note.clone()) {
            out += &format!("{}\n", Tone::Quiet.paint(&line(&said)));
        }
        out += &sides(pipeline).ansi(width);
        out.push('\n');
        let mut table = Table::new(&[
            ("what", Align::Left),
            ("A", Align::Right),
            ("B", Align::Right),
            ("change", Align::Right),
            ("95 % interval", Align::Right),
            ("p", Align::Right),
            ("verdict", Align::Left),
        ]);
        for change in &pipeline.metrics {
            let value =
                |value: Option<f64>| value.map_or("–".to_owned(), |value| format_metric(change.metric, value));
            let told = Told::of(change.metric, change.a, change.b, change.change_percent, change.p_value);
            table.toned(row(change.metric.label(), value(change.a), value(change.b), told, change.word));
        }
        for step in &pipeline.steps {
            let value = |value: Option<f64>| value.map_or("–".to_owned(), format_duration);
            let told = Told::of(Metric::Duration, step.a_s, step.b_s, step.change_percent, None);
            let label = format!("step {} {}", step.step, Metric::Duration.label());
            table.toned(row(&label, value(step.a_s), value(step.b_s), told, step.word));
        }
        out += &table.ansi(width);
    }
    out
}

/// Which runs stand on either side: how many, and when the first and the last of them began.
fn sides(pipeline: &PipelineComparison) -> Table {
    let heads = [("side", Align::Left), ("runs", Align::Right), ("first", Align::Right), ("last", Align::Right)];
    let mut table = Table::new(&heads);
    for (side, window) in [("A", &pipeline.a), ("B", &pipeline.b)] {
        let time = |at: &Option<String>| {
            let known = at.as_deref().and_then(|at| parse_time(at).ok());
            known.map_or("–".to_owned(), format_minute)
        };
        table.row([side.to_owned(), window.runs.to_string(), time(&window.from), time(&window.to)]);
    }
    table
}

/// A change, its interval and its p-value, in words.
struct Told {
    change: String,
    interval: String,
    p: String,
}

impl Told {
    fn of(metric: Metric, a: Option<f64>, b: Option<f64>, known: Option<Estimate>, p: Option<f64>) -> Self {
        let unknown = || "–".to_owned();
        let p = p.map_or_else(unknown, p_value);
        let Some(levels) = a.zip(b) else { return Self { change: unknown(), interval: unknown(), p } };
        let said = |percent: f64| change_of(metric, levels, percent);
        let (from, to) = levels;
        let alone = (from != 0.0).then(|| (to - from) / from.abs() * 100.0);
        Self {
            change: known.map(|known| known.value).or(alone).map_or_else(unknown, said),
            interval: known.map_or_else(unknown, |known| format!("{} to {}", said(known.low), said(known.high))),
            p,
        }
    }
}

fn row(label: &str, a: String, b: String, said: Told, word: ChangeWord) -> [(String, Tone); 7] {
    let (word, tone) = match word {
        ChangeWord::Regressed => ("regressed", Tone::Bad),
        ChangeWord::Improved => ("improved", Tone::Good),
        ChangeWord::WithinNoise => ("within noise", Tone::Quiet),
        ChangeWord::NoChange => ("no change", Tone::Quiet),
        ChangeWord::NotEnoughData => ("not enough data", Tone::Warn),
    };
    let told = if matches!(tone, Tone::Bad | Tone::Good) { tone } else { Tone::Plain };
    [
        (label.to_owned(), Tone::Plain),
        (a, Tone::Plain),
        (b, Tone::Plain),
        (said.change, told),
        (said.interval, Tone::Plain),
        (said.p, Tone::Plain),
        (word.to_owned(), tone),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Change, Window};

    #[test]
    fn the_terminal_says_when_both_sides_ran_and_how_sure_it_is() {
        let side = |from: &str, to: &str| Window { runs: 20, from: Some(from.to_owned()), to: Some(to.to_owned()) };
        let change = Change {
            metric: Metric::Duration,
            a: Some(10.0),
            b: Some(13.0),
            change_percent: Some(Estimate { value: 30.0, low: 25.0, high: 35.0 }),
            p_value: Some(0.0123),
            word: ChangeWord::Regressed,
        };
        let pipeline = PipelineComparison {
            pipeline: "nightly".to_owned(),
            service: None,
            context: None,
            note: None,
            a: side("2026-04-01T08:00:00Z", "2026-04-20T08:00:00Z"),
            b: side("2026-05-01T08:00:00Z", "2026-05-20T08:00:00Z"),
            metrics: vec![change],
            steps: Vec::new(),
        };
        let narrow = sides(&pipeline).render(Some(36));
        assert!(narrow.contains("no room for: last") && narrow.contains("2026-05-01 08:00 UTC"), "{narrow}");
        let found = Comparison { a: "before".to_owned(), b: "newest".to_owned(), pipelines: vec![pipeline] };
        let told = tell(&found, None);
        for said in ["2026-04-01 08:00 UTC", "2026-05-20 08:00 UTC", "0.0123"] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}
