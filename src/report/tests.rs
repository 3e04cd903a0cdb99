//! The whole room at once: a realistic bundle and a hostile one through every face.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::VerdictWord;

// Pages with every kind of chart, finding, alert, forecast, slice and model.
const SAMPLE: &str = include_str!("../../tests/fixtures/report/sample.json");
const HOSTILE: &str = include_str!("../../tests/fixtures/report/hostile.json");

fn read(text: &str) -> Bundle {
    Bundle::from_json(text).expect("fixture")
}

fn files(bundle: &Bundle) -> Vec<RenderedFile> {
    let renderer = Renderer::new().expect("built-in templates");
    let mut files = renderer.render_all(bundle, &Format::ALL).expect("rendered");
    for kind in [Kind::Pipeline, Kind::Alerts, Kind::Comparison] {
        files.extend(renderer.render(bundle, kind, Format::Markdown).expect("rendered"));
    }
    files
}

fn page(bundle: &Bundle, kind: Kind) -> String {
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

/// Words and numbers whose meaning a reader relies on; every other text of a bundle is somebody's input.
const WORDS: [&str; 10] =
    ["metric", "slice", "word", "kind", "severity", "outcome", "state", "part", "verdict", "fail_on"];

/// Puts `attack` in the place of every text.
fn poison(value: &mut Value, attack: &str) {
    match value {
        Value::String(text) => attack.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, attack)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if !(WORDS.contains(&name.as_str()) && field.is_string()) {
                    poison(field, attack);
                }
            }
        }
        _ => {}
    }
}

fn poisoned(attack: &str) -> Bundle {
    let mut value: Value = serde_json::from_str(SAMPLE).expect("fixture");
    poison(&mut value, attack);
    serde_json::from_value(value).expect("still a bundle")
}

fn assert_harmless(files: &[RenderedFile]) {
    for RenderedFile { name, content } in files {
        assert!(name.len() <= 80 && !name.contains("..") && !name.contains('/'), "{name}");
        if name.ends_with(".html") {
            for (part, times) in
                [("<script", 1), ("</script", 1), ("<style", 1), ("</style", 1), ("<main", 1), ("<html", 1)]
            {
                assert_eq!(content.matches(part).count(), times, "{part} in {name}");
            }
            // The text of an attack may stand there; a tag, an attribute or an address made of it may not.
            for part in ["<img src=x", "<iframe", "href=\"javascript", "src=\"http", "url(http", "\u{202e}", "\u{1b}"] {
                assert!(!content.contains(part), "{part:?} in {name}");
            }
            let elsewhere = content.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("href=\"http"), "{name} leads out");
        }
        if name.ends_with(".md") {
            assert!(content.chars().all(|ch| ch == '\n' || !(ch.is_control() || ch == '\u{202e}')), "{name}");
            assert!(!content.contains('<') && !content.contains("](") && !content.contains("```"), "{name}");
        }
    }
}

/// What a terminal and a CI see of a bundle: no escape sequence but our own colours, no forged line or command.
fn assert_harmless_faces(bundle: &Bundle) {
    let (verdict, fail_on) = (&bundle.verdict, bundle.fail_on);
    let runs: Vec<_> = bundle.pipelines.iter().flat_map(|profile| profile.recent_runs.clone()).collect();
    let mut shown = vec![verdict_text(verdict, fail_on), runs_table(&runs).render(Some(100))];
    shown.push(health_table(&bundle.pipelines).render(Some(100)));
    for profile in &bundle.pipelines {
        shown.push(tables::trends_table(profile).render(Some(100)));
        shown.push(tables::forecasts_table(profile, &bundle.limits).render(Some(100)));
        shown.extend(tables::slices_tables(profile).iter().map(|(_, table)| table.render(Some(100))));
    }
    for text in &shown {
        let odd = |ch: char| {
            (ch.is_control() && ch != '\n') || matches!(ch, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(odd), "{text:?}");
    }
    let painted = runs_table(&runs).ansi(Some(100)).replace("\u{1b}[", "");
    assert!(!painted.contains('\u{1b}'), "{painted:?}");
    let commands = ci::annotations(verdict, fail_on);
    for line in commands.lines() {
        let (head, _) = line.split_once("::").expect("a command");
        assert!(
            head.is_empty() && ["::error title=", "::warning title="].iter().any(|begin| line.starts_with(begin)),
            "{line}"
        );
    }
    assert!(commands.lines().count() <= 10);
    let junit = ci::junit(verdict, fail_on);
    assert_eq!(junit.matches("<testsuites").count(), 1, "{junit}");
    assert!(!junit.contains("<script") && !junit.contains("<img") && !junit.contains("]]>"), "{junit}");
    for markdown in [ci::summary(verdict, fail_on), ci::comment(verdict, fail_on, "check")] {
        let body = markdown.replacen("<!-- perfline:check -->", "", 1);
        assert!(!body.contains('<') && !body.contains("](") && !body.contains("```"), "{body}");
    }
    let gitlab = ci::gitlab_metrics(verdict);
    assert!(gitlab.lines().all(|line| line.starts_with('#') || line.starts_with("perfline_")), "{gitlab}");
}

#[test]
fn names_that_attack_stay_text_in_every_file() {
    assert_harmless_faces(&read(HOSTILE));
    assert_harmless(&files(&read(HOSTILE)));
    for attack in
        ["</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "\u{202e}\u{1b}[2J](http://x)|```"]
    {
        assert_harmless(&files(&poisoned(attack)));
        assert_harmless_faces(&poisoned(attack));
    }
}

#[test]
fn a_name_of_ten_thousand_characters_does_not_swell_the_page() {
    let plain = page(&read(SAMPLE), Kind::Executive).len();
    let long = page(&poisoned(&"n".repeat(10_000)), Kind::Executive).len();
    assert!(long < 3 * plain, "{long} after {plain}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_text_anywhere_is_harmless(attack in "\\PC{0,40}|[<>&\"'`|{}%\\\\\\[\\]()\\x00-\\x1f\\u{200b}-\\u{2069}a]{0,40}") {
        assert_harmless(&files(&poisoned(&attack)));
    }

    #[test]
    fn any_text_is_harmless_to_a_terminal_and_a_ci(attack in "\\PC{0,60}|[<>&\"'`|{}%\\\\\\[\\]():,=#@\\x00-\\x1f\\u{200b}-\\u{2069}a]{0,60}") {
        assert_harmless_faces(&poisoned(&attack));
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
    assert!(
        render(&bundle, Kind::Executive, Format::Markdown).expect("rendered")[0]
            .content
            .contains("Pass, but unhealthy")
    );
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
}

#[test]
fn markdown_keeps_its_columns_under_attack() {
    for file in render(&read(HOSTILE), Kind::Executive, Format::Markdown).expect("rendered") {
        let lines: Vec<_> = file.content.lines().collect();
        let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(bars(pair[0]), bars(pair[1]), "{}\n{}", pair[0], pair[1]);
        }
    }
}
