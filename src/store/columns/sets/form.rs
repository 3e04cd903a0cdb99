//! Values that are a number with text around it: ids, ports, paths that end in one. The text repeats from span to span
//! and belongs to the set; the number goes into a column of numbers, which is smaller than one of texts and much
//! quicker to pack.

use crate::otlp::value::{AttrValue, write_string_json};

/// Most decimal digits, so that any of them fit 64 bits.
const DECIMALS_MAX: usize = 19;
/// Hexadecimal digits of a 64-bit id.
const HEXES: usize = 16;
/// Longest text in which a number is looked for, bytes.
const TEXT_BYTES_MAX: usize = 128;

/// A number and the text around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Formed<'a> {
    pub(super) number: u64,
    pub(super) form: Form<'a>,
}

/// What a value is without its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form<'a> {
    before: &'a str,
    after: &'a str,
    /// Sixteen digits, small letters; else decimal, without zeros in front.
    is_hex: bool,
    /// The value is a text, and not an integer.
    is_text: bool,
}

impl<'a> Formed<'a> {
    /// Finds the number of a value: an integer's, or the longest of a text.
    pub(super) fn of(value: &AttrValue<'a>) -> Option<Self> {
        match value {
            AttrValue::Int(value) => {
                let before = if *value < 0 { "-" } else { "" };
                let form = Form { before, after: "", is_hex: false, is_text: false };
                Some(Self { number: value.unsigned_abs(), form })
            }
            AttrValue::Str(text) if text.len() <= TEXT_BYTES_MAX => Self::within(text),
            _ => None,
        }
    }

    fn within(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let hex = longest_run(bytes, is_hex).filter(|run| run.len() == HEXES);
        let run = hex.clone().or_else(|| longest_run(bytes, u8::is_ascii_digit))?;
        let start = if hex.is_some() { run.start } else { run.start + zeros_in_front(bytes.get(run.clone())?) };
        if run.end - start > DECIMALS_MAX {
            return None;
        }
        let radix = if hex.is_some() { 16 } else { 10 };
        let number = u64::from_str_radix(text.get(start..run.end)?, radix).ok()?;
        let (before, after) = (text.get(..start)?, text.get(run.end..)?);
        Some(Self { number, form: Form { before, after, is_hex: hex.is_some(), is_text: true } })
    }
}

impl Form<'_> {
    /// Appends the form so that no two look alike.
    pub(super) fn write_content(self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_hex) | u8::from(self.is_text) << 1);
        for part in [self.before, self.after] {
            // At most `TEXT_BYTES_MAX`.
            out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// The member `"key":value` as a format of DuckDB's `format()`, which puts the number in.
    pub(super) fn member(self, key: &str) -> String {
        let (mut before, mut after) = (String::new(), String::new());
        write_string_json(key, &mut before);
        before.push(':');
        let quote = if self.is_text { "\"" } else { "" };
        before.push_str(quote);
        push_inside(self.before, &mut before);
        push_inside(self.after, &mut after);
        after.push_str(quote);
        let place = if self.is_hex { "{:016x}" } else { "{}" };
        escape(&before) + place + &escape(&after)
    }
}

// Without the quotes of a JSON string. What needs an escape needs it wherever the text is cut.
fn push_inside(text: &str, out: &mut String) {
    let mut quoted = String::new();
    write_string_json(text, &mut quoted);
    out.push_str(quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default());
}

fn escape(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

// The last of the longest.
fn longest_run(bytes: &[u8], fits: impl Fn(&u8) -> bool) -> Option<std::ops::Range<usize>> {
    let (mut best, mut start) = (0..0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        if !fits(byte) {
            start = at + 1;
        } else if at + 1 - start >= best.len() {
            best = start..at + 1;
        }
    }
    (!best.is_empty()).then_some(best)
}

// All but a last zero, which is the number.
fn zeros_in_front(digits: &[u8]) -> usize {
    digits.iter().take(digits.len().saturating_sub(1)).take_while(|digit| **digit == b'0').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otlp::value::write_json;

    // As DuckDB's format() does: from left to right, doubled braces are single ones.
    fn put_in(format: &str, number: u64) -> String {
        let (mut out, mut rest) = (String::new(), format);
        while let Some(first) = rest.chars().next() {
            let hex = rest.starts_with("{:016x}").then_some("{:016x}");
            rest = if let Some(place) = hex.or_else(|| rest.starts_with("{}").then_some("{}")) {
                out += &if place == "{}" { number.to_string() } else { format!("{number:016x}") };
                &rest[place.len()..]
            } else {
                out.push(first);
                &rest[first.len_utf8() * if matches!(first, '{' | '}') { 2 } else { 1 }..]
            };
        }
        out
    }

    fn member(key: &str, value: &AttrValue<'_>) -> String {
        let mut text = String::new();
        write_string_json(key, &mut text);
        text.push(':');
        write_json(value, &mut text);
        text
    }

    fn formed(text: &str) -> Option<(&str, u64, &str, bool)> {
        let found = Formed::of(&AttrValue::Str(text))?;
        Some((found.form.before, found.number, found.form.after, found.form.is_hex))
    }

    #[test]
    fn the_longest_number_of_a_text_is_taken_out_and_zeros_stay() {
        assert_eq!(formed("/v1/items/4711/parts"), Some(("/v1/items/", 4711, "/parts", false)));
        assert_eq!(formed("eth0 10.0.0.1"), Some(("eth0 ", 10, ".0.0.1", false)));
        assert_eq!(formed("run-0042"), Some(("run-00", 42, "", false)));
        assert_eq!(formed("0"), Some(("", 0, "", false)));
        assert_eq!(formed("user 00fe4a2b91c3d7e8"), Some(("user ", 0x00fe_4a2b_91c3_d7e8, "", true)));
        assert_eq!(formed("9999999999999999999"), Some(("", 9_999_999_999_999_999_999, "", false)));
    }

    #[test]
    fn what_has_no_number_or_too_long_a_one_stays_text() {
        assert_eq!(formed(""), None);
        assert_eq!(formed("checkout"), None);
        assert_eq!(formed("12345678901234567890"), None);
        assert_eq!(formed(&"x1".repeat(TEXT_BYTES_MAX)), None);
    }

    #[test]
    fn integers_keep_their_sign() {
        for value in [0, 7, -7, i64::MAX, i64::MIN] {
            let value = AttrValue::Int(value);
            let found = Formed::of(&value).unwrap();
            assert_eq!(put_in(&found.form.member("k"), found.number), member("k", &value));
        }
    }

    proptest! {
        #[test]
        fn form_and_number_give_the_value_back(key in "[a-z{}\"\\\\%é]{0,6}", text in "[a-f0-9{}\"\\\\ %é\\n]{0,40}") {
            let value = AttrValue::Str(&text);
            if let Some(found) = Formed::of(&value) {
                prop_assert_eq!(put_in(&found.form.member(&key), found.number), member(&key, &value));
            }
        }

        #[test]
        fn equal_contents_are_equal_forms(a in "[a0-9]{0,6}", b in "[a0-9]{0,6}") {
            if let (Some(a), Some(b)) = (Formed::of(&AttrValue::Str(&a)), Formed::of(&AttrValue::Str(&b))) {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                a.form.write_content(&mut left);
                b.form.write_content(&mut right);
                prop_assert_eq!(left == right, a.form == b.form);
            }
        }
    }
}
