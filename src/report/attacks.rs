//! Names, attributes and error texts are hostile: the usual attacks, and a fuzzer, in the place of every text and through
//! every face.

use proptest::prelude::*;
use serde_json::Value;

use super::tests::{HOSTILE, SAMPLE, files, page, read};
use super::*;

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
        shown.push(tables::metrics_table(profile).render(Some(100)));
        shown.push(tables::models_table(profile).render(Some(100)));
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
fn markdown_keeps_its_columns_under_attack() {
    for file in render(&read(HOSTILE), Kind::Executive, Format::Markdown).expect("rendered") {
        let lines: Vec<_> = file.content.lines().collect();
        let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(bars(pair[0]), bars(pair[1]), "{}\n{}", pair[0], pair[1]);
        }
    }
}
