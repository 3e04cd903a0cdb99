//! The gallery in `charts/` is the golden test suite: each spec must give the SVG beside it.
//!
//! `PERFLINE_BLESS=1 cargo test --no-default-features chart::gallery` rewrites the SVGs.

use std::path::{Path, PathBuf};

use super::{Spec, render};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts")
}

fn specs() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Spec {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_spec_of_the_gallery_gives_the_svg_beside_it() {
    let bless = std::env::var_os("PERFLINE_BLESS").is_some();
    let specs = specs();
    assert!(!specs.is_empty(), "the gallery is empty");
    let mut differing = Vec::new();
    for path in specs {
        let svg = render(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden = path.with_extension("svg");
        if bless {
            std::fs::write(&golden, &svg).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_deref() != Some(svg.as_str()) {
            differing.push(golden);
        }
    }
    assert!(differing.is_empty(), "look at these, then run again with PERFLINE_BLESS=1: {differing:#?}");
}
