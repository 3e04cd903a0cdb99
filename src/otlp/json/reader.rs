//! Pulls JSON apart in place: no tree is built, and nothing that is skipped costs memory or stack.

use std::borrow::Cow;

use super::JsonError;

/// Which brackets are open, a bit each: as deep as a body is long costs an eighth of it in memory.
#[derive(Default)]
pub(super) struct Brackets {
    words: Vec<u64>,
    depth: usize,
}

impl Brackets {
    /// Notes what closes the bracket that was opened.
    pub(super) fn push(&mut self, closing: u8) {
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.words.len() {
            self.words.push(0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word = if closing == b'}' { *word | bit } else { *word & !bit };
        }
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// What closes the innermost one.
    pub(super) fn last(&self) -> Option<u8> {
        let place = self.depth.checked_sub(1)?;
        let word = self.words.get(place / 64)?;
        Some(if word >> (place % 64) & 1 == 1 { b'}' } else { b']' })
    }
}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; a byte-order mark is passed over.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, at }
    }

    /// Where the reader stands, in bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes back to a position that `position` gave.
    pub(super) fn rewind(&mut self, position: usize) {
        self.at = position;
    }

    fn error(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8, name: &'static str) -> Result<(), JsonError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(name)) }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.error("the end")) }
    }

    /// Passes over `null`, if it is next.
    pub(super) fn take_null(&mut self) -> Result<bool, JsonError> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word(b"null")?;
        Ok(true)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, JsonError> {
        let value = self.peek() == Some(b't');
        self.word(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.error("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Calls `visit` at each member's value; it must read or skip that value.
    pub(super) fn each_member(
        &mut self,
        mut visit: impl FnMut(&mut Self, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "a colon")?;
            visit(self, &key)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "a comma or the end of an object")?;
        }
    }

    /// Calls `visit` at each element; it must read or skip that element.
    pub(super) fn each_element(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'[', "an array")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            visit(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "a comma or the end of an array")?;
        }
    }

    /// Reads a string; borrowed where it holds no escape.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let raw = self.raw_string()?;
        let text = std::str::from_utf8(raw).map_err(|_invalid| JsonError::UTF8)?;
        if raw.contains(&b'\\') {
            unescape(text).ok_or(self.error("an escape")).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(text))
        }
    }

    /// The bytes between the quotes, escapes as they stand.
    fn raw_string(&mut self) -> Result<&'a [u8], JsonError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(self.error("the end of a string")),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(0..0x20) => return Err(self.error("an escaped control character")),
                Some(_) => self.at += 1,
            }
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(raw)
    }

    /// The text of a number.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.bytes.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match text {
            Some(text) if is_number(text) => Ok(text),
            _ => {
                self.at = start;
                Err(self.error("a value"))
            }
        }
    }

    /// Passes over one value of any shape, checking its syntax.
    pub(super) fn skip_value(&mut self) -> Result<(), JsonError> {
        let mut open = Brackets::default();
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    let closing = bracket + 2;
                    if !self.take(closing) {
                        open.push(closing);
                        self.key_of(closing)?;
                        continue;
                    }
                }
                Some(b'"') => {
                    self.raw_string()?;
                }
                Some(b't' | b'f') => {
                    self.boolean()?;
                }
                Some(b'n') => self.word(b"null")?,
                _ => {
                    self.number()?;
                }
            }
            loop {
                let Some(closing) = open.last() else { return Ok(()) };
                if !self.take(closing) {
                    self.expect(b',', "a comma or a closing bracket")?;
                    self.key_of(closing)?;
                    break;
                }
                open.pop();
            }
        }
    }

    /// Inside an object, passes over a key and its colon.
    fn key_of(&mut self, closing: u8) -> Result<(), JsonError> {
        if closing == b'}' {
            self.raw_string()?;
            self.expect(b':', "a colon")?;
        }
        Ok(())
    }
}

/// Whether a text is a number by JSON's grammar.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        None => (unsigned, None),
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(exponent_digits)
}

/// Resolves escapes. A lone surrogate, which JavaScript may send, becomes U+FFFD; `None`: no such escape.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = *rest.as_bytes().get(at + 1)?;
        let mut used = at + 2;
        match code {
            b'"' | b'\\' | b'/' => out.push(char::from(code)),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let high = hex4(rest.get(used..)?)?;
                used += 4;
                let low = rest.get(used..).and_then(|rest| rest.strip_prefix("\\u")).and_then(hex4);
                let unit = match low {
                    Some(low @ 0xdc00..=0xdfff) if (0xd800..=0xdbff).contains(&high) => {
                        used += 6;
                        0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                    }
                    _ => high,
                };
                out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return None,
        }
        rest = rest.get(used..)?;
    }
    out.push_str(rest);
    Some(out)
}

fn hex4(text: &str) -> Option<u32> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(text: &str) -> Result<(), JsonError> {
        let mut reader = Reader::new(text.as_bytes());
        reader.skip_value()?;
        reader.end()
    }

    #[test]
    fn whole_values_are_skipped_and_broken_ones_are_not() {
        for good in ["1", "-0.5e+7", "\"a\\\"b\"", "[]", "{}", "[1,[2,{\"a\":null}],true]", " { \"a\" : [ ] } "] {
            assert_eq!(skip(good), Ok(()), "{good}");
        }
        for bad in
            ["", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{1:2}", "01", "1.", "nul", "\"", "\"\\", "[}", "1 2", "NaN"]
        {
            assert!(skip(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deep_brackets_cost_no_stack() {
        for (open, close) in [("[", "]"), ("{\"a\":[", "]}"), ("[[[{\"a\":", "}]]]")] {
            let inner = if open.ends_with(':') { "1" } else { "" };
            let deep = open.repeat(300_000) + inner + &close.repeat(300_000);
            assert_eq!(skip(&deep), Ok(()), "{open}");
            assert!(skip(&deep[..deep.len() - 1]).is_err(), "{open}");
            let crossed = deep.replacen(close, if close.starts_with(']') { "}" } else { "]" }, 1);
            assert!(skip(&crossed).is_err(), "{open}");
        }
        assert!(skip(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn escapes_are_resolved_and_lone_surrogates_replaced() {
        let text = |json: &str| Reader::new(json.as_bytes()).string().map(Cow::into_owned);
        assert_eq!(text(r#""a\n\u0041\ud83d\ude00\/""#).unwrap(), "a\nA😀/");
        assert_eq!(text(r#""\ud83d\u0041 \udc00""#).unwrap(), "\u{fffd}A \u{fffd}");
        assert!(text(r#""\x""#).is_err());
        assert!(text(r#""\u12""#).is_err());
        assert_eq!(Reader::new(b"\"\xff\"").string(), Err(JsonError::UTF8));
    }
}
