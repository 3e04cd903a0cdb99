//! Headers that go with every request: credentials above all. They are never shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that are ours to set.
const RESERVED: [&str; 12] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "grpc-encoding",
    "grpc-timeout",
    "user-agent",
];

/// Why headers cannot be sent. The value of one is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// A file that cannot be read.
    #[error("read headers `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A variable that is not set.
    #[error("environment variable {0} is not set")]
    Variable(String),
    /// A line, or an entry of a variable, that is no `name=value`.
    #[error("entry {0} is no `name=value`")]
    Entry(usize),
    /// A name or a value that no header has.
    #[error("header `{0}` cannot be sent: its name or its value has characters that no header has")]
    Characters(String),
    /// One that is set already.
    #[error("header `{0}` is set by perfline itself")]
    Reserved(String),
}

/// Headers, and the file that they come from in part.
#[derive(Clone, Default)]
pub struct Headers {
    fixed: HeaderMap,
    file: Option<PathBuf>,
    stamp: Option<(SystemTime, u64)>,
    current: HeaderMap,
}

impl fmt::Debug for Headers {
    // Their values are secrets: they must not reach a log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fixed.keys().map(HeaderName::as_str).collect();
        write!(out, "Headers {{ {names:?}, file: {:?} }}", self.file)
    }
}

impl Headers {
    /// Headers by name and value, those of a variable's text (`name=value,name=value`, percent-encoded, as
    /// OTEL_EXPORTER_OTLP_HEADERS has them), and those of a file: `name=value`, one a line; `#` begins a comment.
    pub fn new<'a>(
        fixed: impl Iterator<Item = (&'a str, &'a str)>,
        variable: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Self, HeaderError> {
        let mut map = HeaderMap::new();
        for (name, value) in fixed {
            insert(&mut map, name, value)?;
        }
        for (index, entry) in variable.unwrap_or_default().split(',').enumerate() {
            if entry.trim().is_empty() {
                continue;
            }
            let (name, value) = entry.split_once('=').ok_or(HeaderError::Entry(index + 1))?;
            let decoded = percent_decoded(value.trim()).ok_or_else(|| HeaderError::Characters(name.to_owned()))?;
            insert(&mut map, name.trim(), &decoded)?;
        }
        let mut headers = Self { fixed: map.clone(), file: file.map(Path::to_owned), stamp: None, current: map };
        headers.read()?;
        Ok(headers)
    }

    /// Those of a variable's text alone.
    pub fn from_variable(text: &str) -> Result<Self, HeaderError> {
        Self::new(std::iter::empty(), Some(text), None)
    }

    /// What is to be sent now. The file is read again where it changed; where it is wrong, the headers from before stay,
    /// and the error says why, once.
    pub fn refresh(&mut self) -> Result<&HeaderMap, HeaderError> {
        if self.stamp != self.look() {
            self.read()?;
        }
        Ok(&self.current)
    }

    /// What was read last.
    #[must_use]
    pub fn current(&self) -> &HeaderMap {
        &self.current
    }

    fn look(&self) -> Option<(SystemTime, u64)> {
        let meta = std::fs::metadata(self.file.as_ref()?).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }

    fn read(&mut self) -> Result<(), HeaderError> {
        let Some(path) = self.file.clone() else { return Ok(()) };
        self.stamp = self.look();
        let text = std::fs::read_to_string(&path).map_err(|source| HeaderError::Read { path, source })?;
        let mut map = self.fixed.clone();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(HeaderError::Entry(index + 1))?;
            insert(&mut map, name.trim(), value.trim())?;
        }
        self.current = map;
        Ok(())
    }
}

fn insert(map: &mut HeaderMap, name: &str, value: &str) -> Result<(), HeaderError> {
    let wrong = || HeaderError::Characters(name.to_owned());
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_e| wrong())?;
    if RESERVED.contains(&header.as_str()) {
        return Err(HeaderError::Reserved(name.to_owned()));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_e| wrong())?;
    value.set_sensitive(true);
    map.insert(header, value);
    Ok(())
}

/// `%20` is a space. `None` where a percent sign is not followed by two digits, or the result is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_holds_encoded_pairs_point_46() {
        let headers = Headers::from_variable("authorization=Bearer%20abc, x-tenant = 7 ,").unwrap();
        assert_eq!(headers.current()["authorization"], "Bearer abc");
        assert_eq!(headers.current()["x-tenant"], "7");
        for wrong in ["novalue", "a=%zz", "a=%2", "b d=1", "host=x"] {
            assert!(Headers::from_variable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_changed_is_read_again_and_a_wrong_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        std::fs::write(&path, "# the token\nauthorization=Bearer one=two\n").unwrap();
        let mut headers = Headers::new([("x-a", "1")].into_iter(), None, Some(&path)).unwrap();
        assert_eq!(headers.current()["authorization"], "Bearer one=two");
        std::fs::write(&path, "authorization=Bearer three and more\n").unwrap();
        assert_eq!(headers.refresh().unwrap()["authorization"], "Bearer three and more");
        std::fs::write(&path, "nonsense").unwrap();
        let said = headers.refresh().unwrap_err().to_string();
        assert!(!said.contains("nonsense"), "{said}");
        assert_eq!(headers.refresh().unwrap()["authorization"], "Bearer three and more");
        assert_eq!(headers.current()["x-a"], "1");
    }

    #[test]
    fn values_are_not_shown() {
        let headers = Headers::from_variable("authorization=secret").unwrap();
        assert!(!format!("{headers:?} {:?}", headers.current()).contains("secret"));
    }
}
