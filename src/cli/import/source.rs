//! Opens what is imported: inflated where it is compressed, in memory as a whole only where it must be.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};

use bytes::Bytes;

use super::super::Failure;
use super::content::{Content, compression_of, content_of};
use crate::otlp::inflate::{Compression, inflating};

/// Bytes by which it is known what a file holds.
const HEAD_BYTES: u64 = 64 * 1024;
/// A file that is read as a whole may inflate to this many bytes.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// JSON that came compressed or through a pipe lies in memory up to here, then in a file for a moment.
const ASIDE_BYTES_MAX: usize = 16 << 20;

/// What was opened.
pub(super) enum Source {
    /// JSON, which is read piece by piece.
    Json(Box<dyn Walkable>),
    /// Anything else.
    Whole(Content, Bytes),
}

/// Can be read to and fro.
pub(super) trait Walkable: Read + Seek {}

impl<T: Read + Seek> Walkable for T {}

/// Opens a file, or standard input where it is called `-`.
pub(super) fn open(name: &str) -> Result<Source, Failure> {
    let failed = |error: io::Error| Failure::machine(&format!("read `{name}`"), &error);
    let (mut raw, is_file): (Box<dyn Read>, bool) = if name == "-" {
        (Box::new(io::stdin()), false)
    } else {
        let file = File::open(name).map_err(failed)?;
        let is_file = file.metadata().map_err(failed)?.is_file();
        (Box::new(file), is_file)
    };
    let head = head_of(&mut raw).map_err(failed)?;
    let compression = compression_of(&head);
    // The machine's own faults name themselves; what a decoder says of bytes does not.
    let broken = |error: io::Error| match compression {
        Compression::Identity => failed(error),
        _ => Failure::usage(format!("read `{name}`: it cannot be inflated: {error}"), "is the file whole?"),
    };
    let mut plain = inflating(compression, Cursor::new(head).chain(raw)).map_err(broken)?;
    let start = head_of(&mut plain).map_err(broken)?;
    let content = content_of(name, &start);
    let mut plain = Cursor::new(start).chain(plain);
    if content != Content::Json {
        let mut whole = Vec::new();
        (&mut plain).take(FILE_BYTES_MAX + 1).read_to_end(&mut whole).map_err(broken)?;
        if whole.len() as u64 > FILE_BYTES_MAX {
            let said = format!("read `{name}`: it is longer than {FILE_BYTES_MAX} bytes");
            return Err(Failure::usage(said, "only JSON may be as long as it likes: cut the file"));
        }
        return Ok(Source::Whole(content, whole.into()));
    }
    if is_file && compression == Compression::Identity {
        return Ok(Source::Json(Box::new(File::open(name).map_err(failed)?)));
    }
    let mut aside = tempfile::SpooledTempFile::new(ASIDE_BYTES_MAX);
    let mut part = vec![0; usize::try_from(HEAD_BYTES).unwrap_or_default()];
    loop {
        let count = plain.read(&mut part).map_err(broken)?;
        let Some(read) = part.get(..count).filter(|read| !read.is_empty()) else { break };
        aside.write_all(read).map_err(|error| Failure::machine(&format!("put `{name}` aside"), &error))?;
    }
    Ok(Source::Json(Box::new(aside)))
}

fn head_of(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(path: &std::path::Path) -> String {
        let Ok(Source::Json(mut source)) = open(path.to_str().unwrap()) else { panic!("{}", path.display()) };
        let mut text = String::new();
        source.rewind().unwrap();
        source.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn json_is_the_same_however_it_is_compressed_and_however_long() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[{}\"end\"]", "\"some text\",".repeat(2_000_000));
        assert!(text.len() > ASIDE_BYTES_MAX);
        let path = folder.path().join("a.json");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(json_of(&path), text);
        let path = folder.path().join("a.json.zst");
        std::fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        assert_eq!(json_of(&path), text);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        std::fs::write(folder.path().join("a.json.gz"), &gzip).unwrap();
        assert_eq!(json_of(&folder.path().join("a.json.gz")), text);
        std::fs::write(&path, &gzip[..gzip.len() / 2]).unwrap();
        let Err(failure) = open(path.to_str().unwrap()) else { panic!("half a file") };
        assert_eq!(failure.into_parts().1.as_deref(), Some("is the file whole?"));
    }

    #[test]
    fn what_is_no_json_is_read_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.csv");
        std::fs::write(&path, "pipeline,run_id\n").unwrap();
        let Ok(Source::Whole(Content::Csv, bytes)) = open(path.to_str().unwrap()) else { panic!("CSV") };
        assert_eq!(bytes, "pipeline,run_id\n");
        assert!(open(folder.path().join("none").to_str().unwrap()).is_err());
    }
}
