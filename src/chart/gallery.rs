//! The gallery in `charts/` is the golden test suite: each spec must give the SVG beside it.
//!
//! `PERFLINE_BLESS=1 cargo test --no-default-features chart::gallery` rewrites the SVGs, README.md and index.html.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::text::escape;
use super::{Spec, render};

/// Headings of the gallery in their order: name of the kind, heading, what the chart answers.
const KINDS: [(&str, &str, &str); 11] = [
    (
        "timeline",
        "Run timeline",
        "Since when, and by how much? Baseline band, levels, change points; failed runs and outliers by shape.",
    ),
    (
        "step_comparison",
        "Step comparison",
        "Which step carries the change? Bars before and after, and the differential waterfall.",
    ),
    ("sparkline_grid", "Sparkline grid", "All pipelines at a glance."),
    ("sparkline", "Sparkline", "A trend the size of a word, for tables."),
    (
        "step_waterfall",
        "Step waterfall",
        "Where does a run's time go? Median and slowest run, with their critical path.",
    ),
    ("distribution", "Distribution", "How do the values spread, before and after?"),
    ("model_usage", "Model usage", "What do the models cost? Unknown costs are marked, never drawn as nothing."),
    ("resources", "Resource use", "What did a run use while it went?"),
    ("heatmap", "Heatmap", "When is it slow?"),
    ("health_history", "Health history", "How healthy, and since when?"),
    ("forecast", "Forecast", "When does it meet its limit?"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts")
}

/// Every spec of the gallery with its file name, by name.
pub(super) fn specs() -> Vec<(String, Spec)> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    // By name without its ending, so that the plain case stands before the special ones.
    found.sort_by_key(|path| name(path));
    found.iter().map(|path| (name(path), read(path))).collect()
}

fn read(path: &Path) -> Spec {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kind(spec: &Spec) -> String {
    serde_json::to_value(spec).unwrap()["chart"].as_str().unwrap().to_owned()
}

/// Compares with the file in `charts/`, or rewrites it; true where they differ.
fn differs(name: &str, text: &str) -> bool {
    let path = folder().join(name);
    if std::env::var_os("PERFLINE_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
        return false;
    }
    std::fs::read_to_string(path).ok().as_deref() != Some(text)
}

#[test]
fn every_spec_of_the_gallery_gives_the_svg_beside_it() {
    let specs = specs();
    assert!(specs.len() > 40, "{} specs", specs.len());
    let svg = |(name, spec): &(String, Spec)| render(spec).unwrap_or_else(|error| panic!("{name}: {error}"));
    let differing: Vec<&str> = specs
        .iter()
        .filter(|entry| differs(&format!("{}.svg", entry.0), &svg(entry)))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(differing.is_empty(), "look at these, then run again with PERFLINE_BLESS=1: {differing:#?}");
}

#[test]
fn every_kind_of_chart_is_in_the_gallery_and_every_svg_has_its_spec() {
    let specs = specs();
    for (word, ..) in KINDS {
        assert!(specs.iter().any(|(_, spec)| kind(spec) == word), "no {word}");
    }
    assert!(specs.iter().all(|(_, spec)| KINDS.iter().any(|(word, ..)| *word == kind(spec))));
    for (name, spec) in &specs {
        assert_eq!(spec.frame().id, *name, "an id of the gallery is its file's name");
    }
    let svgs = std::fs::read_dir(folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "svg"));
    assert_eq!(svgs.count(), specs.len());
}

#[test]
fn readme_and_page_show_the_whole_gallery() {
    let specs = specs();
    assert!(!differs("README.md", &readme(&specs)), "run again with PERFLINE_BLESS=1");
    assert!(!differs("index.html", &page(&specs)), "run again with PERFLINE_BLESS=1");
}

fn of_kind<'a>(specs: &'a [(String, Spec)], word: &'a str) -> impl Iterator<Item = &'a (String, Spec)> {
    specs.iter().filter(move |(_, spec)| kind(spec) == word)
}

fn readme(specs: &[(String, Spec)]) -> String {
    let mut out = String::from(
        "# Charts\n\n\
         Each `NAME.json` is a spec, each `NAME.svg` what `chart::render` makes of it, byte for byte: the gallery is \
         the golden test suite. The SVGs follow the reader's theme, need no script and no font file, and have a title, \
         a description and tooltips. `index.html` shows them all in either theme.\n\n\
         After a change on purpose: `PERFLINE_BLESS=1 cargo test --no-default-features --lib chart::gallery`, then look \
         at every chart that differs.\n",
    );
    for (word, heading, answers) in KINDS {
        let _ = write!(out, "\n## {heading}\n\n{answers} Spec: `\"chart\": \"{word}\"`.\n");
        for (name, _) in of_kind(specs, word) {
            let _ = write!(out, "\n[`{name}.json`]({name}.json)\n\n![{name}]({name}.svg)\n");
        }
    }
    out
}

const PAGE_HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>perfline charts</title>
<style>
:root{color-scheme:light dark}
html:has(#light:checked){color-scheme:light}
html:has(#dark:checked){color-scheme:dark}
body{font:16px/1.5 'Liberation Sans',Arial,Helvetica,sans-serif;margin:0 auto;max-width:1216px;padding:16px;\
background:light-dark(#fff,#14181e);color:light-dark(#1b1f24,#e6e9ee)}
h1{font-size:24px;margin:8px 0}
h2{font-size:18px;margin:40px 0 4px}
p{margin:0 0 12px;color:light-dark(#57606a,#9da7b4)}
a{color:light-dark(#0068a3,#5bb4ea)}
fieldset{border:0;margin:0;padding:0}
label{margin-right:16px}
figure{margin:0 0 24px}
figcaption{font-size:12px}
img{display:block;max-width:100%;height:auto}
</style>
</head>
<body>
<h1>perfline charts</h1>
<p>Each chart is drawn from the JSON beside it. Hover a mark for its values.</p>
<fieldset><legend>Theme</legend>
<label><input type=\"radio\" name=\"theme\" id=\"auto\" checked> as my system</label>
<label><input type=\"radio\" name=\"theme\" id=\"light\"> light</label>
<label><input type=\"radio\" name=\"theme\" id=\"dark\"> dark</label>
</fieldset>
";

fn page(specs: &[(String, Spec)]) -> String {
    let mut out = PAGE_HEAD.to_owned();
    for (word, heading, answers) in KINDS {
        let _ = writeln!(out, "<h2>{heading}</h2>\n<p>{answers}</p>");
        for (name, spec) in of_kind(specs, word) {
            let title = escape(&spec.plan().unwrap().title);
            let _ = writeln!(
                out,
                "<figure><a href=\"{name}.svg\"><img src=\"{name}.svg\" alt=\"{title}\"></a>\
                 <figcaption><a href=\"{name}.json\">{name}.json</a></figcaption></figure>"
            );
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}
