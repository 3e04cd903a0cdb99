//! JSON in a file, walked in place: of what is passed over nothing stays in memory.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::documents::DocumentError;
use super::reader::{Brackets, Reader, is_number};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Longest key that is read; longer ones name nothing we know.
const KEY_BYTES_MAX: u64 = 4 * 1024;
/// Longest number.
const NUMBER_BYTES_MAX: usize = 64 * 1024;

/// A position in a file.
pub(super) struct Tape<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the buffer begins. The source stands at its end.
    start: u64,
    /// The position, from the beginning of the buffer.
    at: usize,
}

impl<R: Read + Seek> Tape<R> {
    /// Starts at the first byte; a byte-order mark is passed over.
    pub(super) fn new(source: R) -> Result<Self, DocumentError> {
        let mut tape = Self { source, buffer: Vec::new(), start: 0, at: 0 };
        tape.source.rewind()?;
        for (place, byte) in (1..).zip(*b"\xef\xbb\xbf") {
            if tape.byte()? != Some(byte) {
                tape.go_to(0)?;
                break;
            }
            tape.go_to(place)?;
        }
        Ok(tape)
    }

    pub(super) fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    pub(super) fn go_to(&mut self, position: u64) -> Result<(), DocumentError> {
        let within = position.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        match within.filter(|at| *at <= self.buffer.len()) {
            Some(at) => self.at = at,
            None => {
                self.source.seek(SeekFrom::Start(position))?;
                (self.start, self.at) = (position, 0);
                self.buffer.clear();
            }
        }
        Ok(())
    }

    /// The bytes from one position to another, which is where the tape stands then.
    pub(super) fn text(&mut self, from: u64, to: u64) -> Result<Vec<u8>, DocumentError> {
        self.go_to(from)?;
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut text = Vec::new();
        while text.len() < length {
            let rest = self.rest()?;
            if rest.is_empty() {
                // It was there when it was passed over.
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            let count = rest.len().min(length - text.len());
            text.extend_from_slice(rest.get(..count).unwrap_or_default());
            self.at += count;
        }
        Ok(text)
    }

    /// What of the buffer lies ahead; empty at the end of the file.
    fn rest(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.buffer.len() {
            self.start += self.buffer.len() as u64;
            self.at = 0;
            self.buffer.resize(BUFFER_BYTES, 0);
            let read = loop {
                match self.source.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        Ok(self.rest()?.first().copied())
    }

    fn error<T>(&self, expected: &'static str) -> Result<T, DocumentError> {
        Err(DocumentError::Syntax { at: self.position(), expected })
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, DocumentError> {
        loop {
            match self.byte()? {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                found => return Ok(found),
            }
        }
    }

    pub(super) fn take(&mut self, wanted: u8) -> Result<bool, DocumentError> {
        let found = self.peek()? == Some(wanted);
        self.at += usize::from(found);
        Ok(found)
    }

    pub(super) fn expect(&mut self, wanted: u8, name: &'static str) -> Result<(), DocumentError> {
        if self.take(wanted)? { Ok(()) } else { self.error(name) }
    }

    /// Passes over one value of any shape, checking its syntax.
    pub(super) fn skip_value(&mut self) -> Result<(), DocumentError> {
        let mut open = Brackets::default();
        loop {
            match self.peek()? {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    let closing = bracket + 2;
                    if !self.take(closing)? {
                        open.push(closing);
                        self.skip_key_of(closing)?;
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b't') => self.skip_word(b"true")?,
                Some(b'f') => self.skip_word(b"false")?,
                Some(b'n') => self.skip_word(b"null")?,
                _ => self.skip_number()?,
            }
            loop {
                let Some(closing) = open.last() else { return Ok(()) };
                if !self.take(closing)? {
                    self.expect(b',', "a comma or a closing bracket")?;
                    self.skip_key_of(closing)?;
                    break;
                }
                open.pop();
            }
        }
    }

    /// Inside an object, passes over a key and its colon.
    fn skip_key_of(&mut self, closing: u8) -> Result<(), DocumentError> {
        if closing == b'}' {
            self.skip_string()?;
            self.expect(b':', "a colon")?;
        }
        Ok(())
    }

    /// A key and its colon; one that is too long to be known is empty.
    pub(super) fn key(&mut self) -> Result<String, DocumentError> {
        self.peek()?;
        let from = self.position();
        self.skip_string()?;
        let to = self.position();
        let raw = if to - from <= KEY_BYTES_MAX { self.text(from, to)? } else { b"\"\"".to_vec() };
        self.expect(b':', "a colon")?;
        // What is no UTF-8 names nothing either.
        Ok(Reader::new(&raw).string().map_or_else(|_| String::new(), std::borrow::Cow::into_owned))
    }

    fn skip_string(&mut self) -> Result<(), DocumentError> {
        self.expect(b'"', "a string")?;
        loop {
            let rest = self.rest()?;
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            let stop = rest.get(plain).copied();
            let is_end = rest.is_empty();
            self.at += plain;
            match stop {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.skip_escape()?,
                Some(_) => return self.error("an escaped control character"),
                None if is_end => return self.error("the end of a string"),
                None => {}
            }
        }
    }

    fn skip_escape(&mut self) -> Result<(), DocumentError> {
        self.at += 1;
        let digits = match self.byte()? {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return self.error("an escape"),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.byte()?.is_some_and(|byte| byte.is_ascii_hexdigit()) {
                return self.error("an escape");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn skip_word(&mut self, word: &'static [u8]) -> Result<(), DocumentError> {
        for letter in word {
            if self.byte()? != Some(*letter) {
                return self.error("a value");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), DocumentError> {
        let from = self.position();
        let mut text = String::new();
        while let Some(byte @ (b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) = self.byte()? {
            if text.len() == NUMBER_BYTES_MAX {
                return self.error("a shorter number");
            }
            text.push(char::from(byte));
            self.at += 1;
        }
        if is_number(&text) { Ok(()) } else { Err(DocumentError::Syntax { at: from, expected: "a value" }) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Gives few bytes at a time.
    struct Drops(Cursor<Vec<u8>>);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(3);
            self.0.read(&mut buffer[..count])
        }
    }

    impl Seek for Drops {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    fn skipped(text: &str) -> Result<u64, DocumentError> {
        let mut tape = Tape::new(Drops(Cursor::new(text.as_bytes().to_vec())))?;
        tape.skip_value()?;
        match tape.peek()? {
            None => Ok(tape.position()),
            Some(_) => tape.error("the end"),
        }
    }

    #[test]
    fn it_passes_over_what_the_reader_of_bodies_does_and_nothing_else() {
        for good in [
            "1",
            "-0.5e+7",
            "\"a\\\"b\\u00e4\"",
            "[]",
            "{}",
            "[1,[2,{\"a\":null}],true]",
            " { \"a\" : [ ] } ",
            "\u{feff}[false]",
        ] {
            assert!(skipped(good).is_ok(), "{good}");
            assert_eq!(Reader::new(good.as_bytes()).skip_value(), Ok(()), "{good}");
        }
        for bad in [
            "",
            "[",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{1:2}",
            "01",
            "1.",
            "nul",
            "\"",
            "\"\\",
            "[}",
            "1 2",
            "NaN",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\u{1}\"",
        ] {
            assert!(matches!(skipped(bad), Err(DocumentError::Syntax { .. })), "{bad}");
        }
    }

    #[test]
    fn it_goes_to_and_fro() {
        let long = format!("{{\"k\\u0065y\": \"{}\", \"b\": 2}}", "x".repeat(2 * BUFFER_BYTES));
        let mut tape = Tape::new(Cursor::new(long.as_bytes())).unwrap();
        assert!(tape.take(b'{').unwrap());
        assert_eq!(tape.key().unwrap(), "key");
        tape.skip_value().unwrap();
        tape.expect(b',', "a comma").unwrap();
        let there = tape.position();
        assert_eq!(tape.text(0, 3).unwrap(), b"{\"k");
        tape.go_to(there).unwrap();
        assert_eq!(tape.key().unwrap(), "b");
        assert!(matches!(tape.text(there, there + 100), Err(DocumentError::Read(_))));
    }
}
