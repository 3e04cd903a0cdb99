//! The whole room at once: a realistic bundle through every face.

use serde_json::Value;

use super::*;
use crate::model::{Metric, VerdictWord};

// Pages with every kind of chart, finding, alert, forecast, slice and model.
pub(super) const SAMPLE: &str = include_str!("../../tests/fixtures/report/sample.json");
pub(super) const HOSTILE: &str = include_str!("../../tests/fixtures/report/hostile.json");

pub(super) fn read(text: &str) -> Bundle {
    Bundle::from_json(text).expect("fixture")
}

pub(super) fn files(bundle: &Bundle) -> Vec<RenderedFile> {
    let renderer = Renderer::new().expect("built-in templates");
    let mut files = renderer.render_all(bundle, &Format::ALL).expect("rendered");
    for kind in [Kind::Pipeline, Kind::Alerts, Kind::Comparison] {
        files.extend(renderer.render(bundle, kind, Format::Markdown).expect("rendered"));
    }
    files
}

fn markdown(bundle: &Bundle, kind: Kind) -> String {
    render(bundle, kind, Format::Markdown).expect("rendered").remove(0).content
}

pub(super) fn page(bundle: &Bundle, kind: Kind) -> String {
    render(bundle, kind, Format::Html).expect("rendered").remove(0).content
}

#[test]
fn the_written_bundle_gives_the_same_bytes_again() {
    for text in [SAMPLE, HOSTILE] {
        let first = files(&read(text));
        let json = &first.iter().find(|file| file.name == "report.json").expect("report.json").content;
        assert!(first == files(&read(json)), "a report from report.json differs");
    }
}

#[test]
fn a_change_from_zero_survives_json() {
    let mut bundle = read(SAMPLE);
    bundle.verdict.findings[0].change_percent = f64::INFINITY;
    bundle.verdict.findings[0].difference_high = f64::INFINITY;
    let again = Bundle::from_json(&bundle.to_json().expect("written")).expect("read");
    assert_eq!(again, bundle);
    assert!(page(&again, Kind::Executive).contains("from zero"));
}

#[test]
fn a_newer_bundle_is_refused_by_number() {
    let text = SAMPLE.replacen("\"schema_version\":1", "\"schema_version\":9", 1);
    let error = Bundle::from_json(&text).expect_err("refused");
    assert_eq!(error.to_string(), "read report.json: schema 9 is newer than this build (1); upgrade perfline");
}

/// Violations of the parts of JSON Schema that ours uses; fields that it does not know count as well.
fn violations(schema: &Value, root: &Value, value: &Value, path: &str, out: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = &root["$defs"][name.trim_start_matches("#/$defs/")];
        assert!(target.is_object(), "{name} is not defined");
        return violations(target, root, value, path, out);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &Value| {
            let mut found = Vec::new();
            violations(option, root, value, path, &mut found);
            found
        };
        let found: Vec<_> = options.iter().map(fits).collect();
        if !found.iter().any(Vec::is_empty) {
            out.extend(found.into_iter().flatten());
        }
        return;
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        out.push(format!("{path}: {value} is no word of the enum"));
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if !fits {
        out.push(format!("{path}: {value} is not {}", schema["type"]));
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        violations(&schema["items"], root, item, &format!("{path}[{place}]"), out);
    }
    let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return };
    for (name, field) in fields {
        match known.get(name) {
            Some(property) => violations(property, root, field, &format!("{path}.{name}"), out),
            None => out.push(format!("{path}.{name} is not in the schema")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            out.push(format!("{path}.{name} is missing"));
        }
    }
}

fn check_schema(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(bundle::SCHEMA).expect("schema");
    let mut out = Vec::new();
    violations(&schema, &schema, &serde_json::from_str(text).expect("JSON"), "$", &mut out);
    out
}

#[test]
fn every_field_of_a_written_bundle_is_in_the_schema() {
    for text in [SAMPLE, HOSTILE] {
        let mut bundle = read(text);
        for series in bundle.pipelines.iter_mut().flat_map(|profile| &mut profile.series) {
            series.whole = Some(Statistics::of(series));
        }
        assert_eq!(check_schema(&bundle.to_json().expect("written")), Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_wrong_types_words_and_gaps() {
    let broken = SAMPLE
        .replacen("\"runs\":60", "\"runs\":\"many\"", 1)
        .replacen("\"word\":\"poor\"", "\"word\":\"splendid\"", 1)
        .replacen("\"generated_at\"", "\"generated\"", 1);
    let found = check_schema(&broken).join("\n");
    for part in ["is not \"integer\"", "\"splendid\" is no word", "$.generated is not in", "$.generated_at is missing"]
    {
        assert!(found.contains(part), "{part} not in {found}");
    }
}

#[test]
fn fifty_pipelines_fit_in_400_kilobytes() {
    let mut bundle = read(SAMPLE);
    let models = bundle.pipelines.clone();
    bundle.pipelines = (0..50)
        .map(|at| PipelineProfile { pipeline: format!("pipeline {at}"), ..models[at % models.len()].clone() })
        .collect();
    let size = page(&bundle, Kind::Executive).len();
    assert!(size <= 400_000, "{size} bytes");
}

#[test]
fn the_values_of_every_sparkline_stand_in_a_table() {
    let bundle = read(SAMPLE);
    let html = page(&bundle, Kind::Executive);
    let (_, data) = html.split_once("Data: Values behind the sparklines").expect("a table");
    let (table, _) = data.split_once("</details>").expect("its end");
    for profile in &bundle.pipelines {
        let Some(series) = profile.run_series(Metric::Duration) else { continue };
        let value = series.points.iter().rev().find_map(|point| series.value(point)).expect("a value");
        let said = crate::model::unit::format_metric(Metric::Duration, value);
        assert!(table.contains(&said), "{}: {said}", profile.pipeline);
    }
}

#[test]
fn silence_is_never_shown_in_green() {
    let mut bundle = read(SAMPLE);
    bundle.verdict.verdict = VerdictWord::InsufficientData;
    bundle.verdict.findings.clear();
    (bundle.verdict.series_checked, bundle.verdict.series_insufficient) = (0, 9);
    bundle.alerts.clear();
    for kind in [Kind::Executive, Kind::Alerts] {
        let html = page(&bundle, kind);
        assert!(html.contains("Not enough data") && html.contains("This is no all-clear"), "{kind:?}");
        assert!(!html.contains("class=\"verdict good\""), "{kind:?}");
        assert!(markdown(&bundle, kind).contains("This is no all-clear"), "{kind:?}");
    }
}

#[test]
fn a_pass_that_speaks_for_a_minority_says_so() {
    let mut bundle = read(SAMPLE);
    bundle.verdict.verdict = VerdictWord::Pass;
    bundle.verdict.findings.clear();
    (bundle.verdict.series_checked, bundle.verdict.series_insufficient) = (2, 9);
    assert!(page(&bundle, Kind::Executive).contains("Pass, but little data"));
}

#[test]
fn a_pipeline_that_always_fails_keeps_the_page_from_green() {
    let mut bundle = read(SAMPLE);
    bundle.verdict.verdict = VerdictWord::Pass;
    bundle.verdict.findings.clear();
    bundle.verdict.series_insufficient = 0;
    bundle.alerts.clear();
    let health = crate::track::health::score(&crate::track::HealthInput {
        runs: 40,
        failed: 40,
        regressions: Some(Vec::new()),
        ..Default::default()
    });
    let failing =
        PipelineProfile { pipeline: "failing".to_owned(), findings: Vec::new(), health, ..bundle.pipelines[2].clone() };
    bundle.pipelines = vec![failing];
    let html = page(&bundle, Kind::Executive);
    assert!(html.contains("Pass, but unhealthy") && html.contains("failing is in critical health"));
    assert!(html.contains("0 of 40 runs succeeded") && !html.contains("class=\"verdict good\""));
    let text = markdown(&bundle, Kind::Executive);
    assert!(text.contains("Pass, but unhealthy"), "{text}");
    assert!(text.contains("- ◆ critical: failing: held down by reliability"), "{text}");
    let own = page(&bundle, Kind::Pipeline);
    assert!(own.contains("Unchanged, but unhealthy") && !own.contains("class=\"verdict good\""));
    let own = markdown(&bundle, Kind::Pipeline);
    assert!(own.starts_with("# ■ Unchanged, but unhealthy: failing"), "{own}");
}

#[test]
fn more_pipelines_in_bad_health_than_are_told_are_counted() {
    let mut bundle = read(SAMPLE);
    bundle.verdict.findings.clear();
    let mut bad = PipelineProfile { findings: Vec::new(), ..bundle.pipelines[0].clone() };
    (bad.health.score, bad.health.word) = (Some(12.0), crate::track::HealthWord::Critical);
    bundle.pipelines = (0..8).map(|at| PipelineProfile { pipeline: format!("silent {at}"), ..bad.clone() }).collect();
    assert!(page(&bundle, Kind::Executive).contains("3 more in bad health stand in the table below."));
    assert!(markdown(&bundle, Kind::Executive).contains("- 3 more in bad health: see the table"));
}

#[test]
fn a_finding_that_moved_with_an_alert_has_its_state() {
    let mut bundle = read(SAMPLE);
    let alert = bundle.alerts[0].clone();
    let mut moved = alert.finding.clone();
    moved.step = Some("a step of its own".to_owned());
    moved.explanation.alert_id = Some(alert.id.clone());
    bundle.alerts = vec![Alert { state: AlertState::Acknowledged, ..alert }];
    bundle.verdict.findings = vec![moved];
    let html = page(&bundle, Kind::Alerts);
    assert_eq!(html.matches(">acknowledged<").count(), 2, "{html}");
    let said = "What moved together is one alert, and counts as one regression above.";
    assert!(html.contains(said) && markdown(&bundle, Kind::Alerts).contains(said));
}

#[test]
fn a_quality_that_fell_is_told_in_points_by_words_and_charts() {
    let mut bundle = read(SAMPLE);
    let profile = &mut bundle.pipelines[0];
    let series = &mut profile.series[0];
    series.metric = crate::model::Metric::Quality;
    let last = series.changes.last_mut().expect("fixture");
    (last.before, last.after) = (0.9, 0.77);
    let html = page(&bundle, Kind::Pipeline);
    assert!(html.contains("quality -13 points since run"), "the title of its timeline");
}

#[test]
fn runs_that_are_still_open_stand_beside_those_that_ended() {
    let mut bundle = read(SAMPLE);
    assert!(!page(&bundle, Kind::Pipeline).contains("still open"));
    bundle.pipelines[0].runs += 3;
    assert!(page(&bundle, Kind::Pipeline).contains("still open"));
}

#[test]
fn a_success_rate_is_no_spread() {
    let mut bundle = read(SAMPLE);
    let profile = &mut bundle.pipelines[0];
    for series in &mut profile.series {
        series.metric = crate::model::Metric::SuccessRate;
    }
    assert!(!page(&bundle, Kind::Pipeline).contains("How runs spread"));
}

#[test]
fn alerts_beyond_the_cards_are_counted_and_said() {
    let mut bundle = read(SAMPLE);
    let one = bundle.alerts[0].clone();
    bundle.alerts = (0..250).map(|at| Alert { id: format!("a-{at}"), ..one.clone() }).collect();
    bundle.verdict.findings.clear();
    let html = page(&bundle, Kind::Alerts);
    assert!(html.contains(">250 findings<") && html.contains("50 more in report.json"));
    let severity = one.finding.severity.as_str();
    assert!(html.contains(&format!("250 {severity}")), "the tally counts them all");
    let markdown = render(&bundle, Kind::Alerts, Format::Markdown).expect("rendered").remove(0).content;
    assert!(markdown.contains("## 250 findings") && markdown.contains("50 more in report.json"));
}

#[test]
fn a_comparison_says_in_every_face_how_many_runs_its_windows_hold_and_of_when() {
    let bundle = read(SAMPLE);
    let compared = bundle.comparison.as_ref().expect("fixture");
    let first = &compared.pipelines[0];
    let said = format!("{} runs, {} to", first.b.runs, format::when(first.b.from.as_deref().expect("known")));
    assert!(page(&bundle, Kind::Comparison).contains(&said), "{said}");
    let markdown = render(&bundle, Kind::Comparison, Format::Markdown).expect("rendered").remove(0).content;
    assert!(markdown.contains(&markdown::escape(&said)), "{said}");
}

#[test]
fn an_empty_store_still_gives_every_page() {
    let mut bundle = read(SAMPLE);
    bundle.pipelines.clear();
    bundle.alerts.clear();
    bundle.comparison = None;
    bundle.verdict.findings.clear();
    bundle.verdict.verdict = VerdictWord::InsufficientData;
    let names: Vec<_> = files(&bundle).into_iter().map(|file| file.name).collect();
    for name in ["index.html", "alerts.html", "comparison.html", "report.json", "report.md"] {
        assert!(names.iter().any(|known| known == name), "{name} not in {names:?}");
    }
}

#[test]
fn every_chart_has_its_table() {
    for profile in render(&read(SAMPLE), Kind::Pipeline, Format::Html).expect("rendered") {
        let figures = profile.content.matches("<figure").count();
        assert!(figures >= 2, "{} has {figures} charts", profile.name);
        for figure in profile.content.split("<figure").skip(1) {
            let figure = figure.split("</figure>").next().unwrap_or_default();
            assert!(figure.contains("<svg") && figure.contains("<table"), "{}", profile.name);
        }
    }
}

#[test]
fn numbers_that_no_chart_can_draw_leave_the_table() {
    let mut bundle = read(SAMPLE);
    for point in &mut bundle.pipelines[0].series[0].points {
        point.value = Some(1e300);
    }
    let html = page(&bundle, Kind::Pipeline);
    assert!(html.contains("no chart,"), "the reason is missing");
}

#[test]
fn the_user_may_put_title_logo_style_and_templates() {
    let mut bundle = read(SAMPLE);
    bundle.branding.title = Some("ACME builds".to_owned());
    bundle.branding.logo = Some("data:image/png;base64,iVBORw0KGgo=".to_owned());
    bundle.branding.css = Some("h1{color:teal}".to_owned());
    let html = page(&bundle, Kind::Executive);
    // A slash is escaped in an attribute.
    for part in ["ACME builds", "src=\"data:image&#x2f;png;base64,iVBORw0KGgo=\"", "h1{color:teal}"] {
        assert!(html.contains(part), "{part}");
    }
    let mut renderer = Renderer::new().expect("built-in templates");
    renderer.override_template("alerts.html", "{{ cards|length }} <{{ store }}>".to_owned()).expect("parses");
    let own = renderer.render(&read(HOSTILE), Kind::Alerts, Format::Html).expect("rendered").remove(0).content;
    assert!(own.ends_with("<&lt;script&gt;alert(1)&lt;&#x2f;script&gt;>"), "{own}");
    let unknown = renderer.override_template("../x", String::new()).expect_err("refused");
    assert!(unknown.to_string().starts_with("template `../x` is not known; one of base.html"), "{unknown}");
    assert!(renderer.override_template("base.html", "{% if".to_owned()).is_err());
    renderer.override_template("alerts.html", "{{ no_such_value }}".to_owned()).expect("parses");
    let failed = renderer.render(&read(SAMPLE), Kind::Alerts, Format::Html).expect_err("refused");
    assert!(failed.to_string().starts_with("template `alerts.html`: undefined value"), "{failed}");
    assert!(renderer.has_own_templates());
}
