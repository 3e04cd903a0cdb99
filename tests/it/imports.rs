//! Holds the import rule of ARCHITECTURE.md: data flows one way, and so do imports.

use std::path::{Path, PathBuf};

/// Each room with the rooms that it may import; everyone may use `model`.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &[]),
    ("net", &[]),
    ("chart", &[]),
    ("monitor", &["net"]),
    ("otlp", &["net"]),
    ("price", &[]),
    ("store", &["otlp", "price"]),
    ("forward", &["net", "otlp", "store"]),
    ("detect", &["store"]),
    ("track", &["store", "detect"]),
    ("report", &["chart", "store", "detect", "track"]),
    ("export", &["otlp", "store", "forward", "detect", "track"]),
    ("api", &["net", "otlp", "price", "store", "forward", "detect", "track", "report", "export"]),
    ("demo", &["monitor"]),
    (
        "cli",
        &[
            "config", "net", "chart", "monitor", "otlp", "price", "store", "forward", "detect", "track", "report",
            "export", "api", "demo",
        ],
    ),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn imported_rooms(text: &str) -> Vec<String> {
    text.match_indices("crate::")
        .map(|(at, word)| {
            text[at + word.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| ROOMS.iter().any(|(room, _)| room == name))
        .collect()
}

#[test]
fn rooms_import_only_what_lies_before_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&source).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let room = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("`{room}` is in no plan"));
        let mut files = Vec::new();
        rust_files(&folder, &mut files);
        for file in files {
            for name in imported_rooms(&std::fs::read_to_string(&file).unwrap()) {
                if name != room && name != "model" && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} imports {name}", file.strip_prefix(&source).unwrap().display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_named_rooms_know_duckdb_plotters_sysinfo_and_the_bundled_prices() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    for (library, room) in
        [("duckdb::", "store"), ("plotters::", "chart"), ("sysinfo::", "monitor"), ("genai_prices::", "price")]
    {
        for file in &files {
            let inside = file.strip_prefix(&source).unwrap();
            let text = std::fs::read_to_string(file).unwrap();
            let uses = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(library));
            assert!(!uses || inside.starts_with(room), "{} uses {library}", inside.display());
        }
    }
}
