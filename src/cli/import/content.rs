//! What a file holds, by its name and its first bytes.

use std::path::Path;

use crate::model::Signal;
use crate::otlp::inflate::Compression;

/// Endings of files that hold telemetry or run history; compressed ones have another behind it.
const ENDINGS: [&str; 7] = [".pb", ".binpb", ".json", ".jsonl", ".ndjson", ".csv", ".parquet"];
const COMPRESSED: [&str; 2] = [".gz", ".zst"];

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Protobuf,
    Json,
    Csv,
    Parquet,
}

/// In a folder, only what names itself; the same request is often there as .pb and as .json.
pub(super) fn is_telemetry(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let known = ENDINGS.iter().chain(&COMPRESSED).any(|ending| name.ends_with(ending));
    let twin = name.strip_suffix(".json").map(|stem| stem.strip_suffix(".wire").unwrap_or(stem));
    known && name != "index.json" && !twin.is_some_and(|stem| file.with_file_name(format!("{stem}.pb")).exists())
}

pub(super) fn compression_of(bytes: &[u8]) -> Compression {
    match bytes {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::Identity,
    }
}

/// What a file holds that begins with these bytes, inflated.
pub(super) fn content_of(name: &str, bytes: &[u8]) -> Content {
    let name = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let named = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    // A request may begin with a line break and a brace as well: the length of its first block. It is no text.
    let text = text_of(bytes).map(str::trim_start);
    if bytes.starts_with(b"PAR1") {
        Content::Parquet
    } else if named(&[".pb", ".binpb"]) {
        Content::Protobuf
    } else if named(&[".csv"]) {
        Content::Csv
    } else if named(&[".json", ".jsonl", ".ndjson"]) || text.is_some_and(|text| text.starts_with(['{', '['])) {
        Content::Json
    } else if text_of(bytes).is_some_and(|text| text.starts_with(|c: char| c.is_ascii_graphic())) {
        Content::Csv
    } else {
        Content::Protobuf
    }
}

pub(super) fn signal_of_name(name: &str) -> Option<Signal> {
    let stem = Path::new(name).file_name()?.to_str()?;
    Signal::ALL.into_iter().find(|signal| stem.contains(&format!("-{}", signal.as_str())))
}

/// The beginning of a text may end amid a character.
fn text_of(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(cut) if cut.error_len().is_none() => std::str::from_utf8(bytes.get(..cut.valid_up_to())?).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_known_by_its_name_and_its_bytes() {
        for (name, bytes, wanted) in [
            ("a.pb", &b"{}"[..], Content::Protobuf),
            ("-", b" \n[{}]", Content::Json),
            ("-", b"pipeline,run_id", Content::Csv),
            ("-", b"PAR1\x15\x04", Content::Parquet),
            ("h.csv.zst", b"a,b", Content::Csv),
            ("broken.json", b"nonsense", Content::Json),
            // Cut amid a character.
            ("-", b"{\"a\": \"\xc3", Content::Json),
            // Requests whose first block is 123 and 91 bytes long.
            ("-", b"\n{\n\x10\xff\xfe", Content::Protobuf),
            ("-", b"\n[\n\x10\x80\x9c", Content::Protobuf),
        ] {
            assert_eq!(content_of(name, bytes), wanted, "{name} {bytes:?}");
        }
    }

    #[test]
    fn every_file_that_can_be_read_is_taken_from_a_folder() {
        for name in ["a.pb", "b.json", "c.csv", "d.parquet", "e.csv.gz", "f.jsonl.zst"] {
            assert!(is_telemetry(Path::new(name)), "{name}");
        }
        assert!(!is_telemetry(Path::new("README.md")) && !is_telemetry(Path::new("index.json")));
    }
}
