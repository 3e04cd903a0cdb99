//! Documents that are longer than any request.

use std::fmt::Write as _;
use std::path::Path;

use super::commands::Fixture;

/// One resource with one scope, as a file exporter writes them that never cuts.
const SPANS: usize = 80_000;

fn write_document(path: &Path, ending: &str) -> u64 {
    let mut text = r#"{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"app"},"spans":["#.to_owned();
    for at in 0..SPANS {
        let (comma, trace, parent) = match at % 100 {
            0 if at == 0 => ("", at / 100 + 1, ""),
            0 => (",", at / 100 + 1, ""),
            _ => (",", at / 100 + 1, "0000000000000001"),
        };
        let _ = write!(
            text,
            r#"{comma}{{"traceId":"{trace:032x}","spanId":"{:016x}","parentSpanId":"{parent}","name":"part {}","kind":1,"startTimeUnixNano":"17000000{:02}000000000","endTimeUnixNano":"17000000{:02}500000000","attributes":[{{"key":"padding","value":{{"stringValue":"{}"}}}}]}}"#,
            at % 100 + 1,
            at % 7,
            at % 90,
            at % 90,
            "x".repeat(700)
        );
    }
    text += "]}],\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"long\"}}]}}]";
    text += ending;
    std::fs::write(path, &text).unwrap();
    text.len() as u64
}

#[test]
fn a_document_above_what_a_request_may_have_is_imported_once_and_a_broken_one_not_at_all() {
    let fixture = Fixture::new();
    let store = fixture.path("long.duckdb");
    let name = store.to_str().unwrap();
    let length = write_document(&fixture.path("broken.json"), "");
    assert!(length > 64 << 20, "{length}");
    let output = fixture.command(&["import", "broken.json", "--store", name]).assert().code(2).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("at byte {length}")) && said.contains("help:"), "{said}");
    assert_eq!(fixture.count(&store, "spans"), 0);
    std::fs::remove_file(fixture.path("broken.json")).unwrap();
    write_document(&fixture.path("long.json"), "}");
    for _ in 0..2 {
        let told = fixture.json(&["import", "long.json", "--store", name]);
        assert_eq!(told["spans"], SPANS, "{told}");
        assert_eq!(fixture.count(&store, "spans"), SPANS as u64);
        assert_eq!(fixture.count(&store, "spans where service = 'long' and scope = 'app'"), SPANS as u64);
    }
}
