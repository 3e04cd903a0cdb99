//! Scalars as proto3 JSON writes them: numbers as numbers or text, hex ids, Base64 of both alphabets.

use std::borrow::Cow;

use super::JsonError;
use super::reader::{Reader, is_number};

/// The text of a number that stands bare or in quotes.
fn number_text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    match reader.peek() {
        Some(b'"') => reader.string(),
        Some(b'-' | b'0'..=b'9') => reader.number().map(Cow::Borrowed),
        _ => Err(JsonError::VALUE),
    }
}

/// Reads a whole number; `1.0` and `1e3` are whole.
fn whole(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i128>() {
        return is_number(text).then_some(number);
    }
    let number = text.parse::<f64>().ok().filter(|_| is_number(text))?;
    #[expect(clippy::cast_possible_truncation, reason = "in range and without a fraction, as tested before it")]
    (number.fract() == 0.0 && number.abs() < 1e30).then_some(number as i128)
}

/// Reads an integer of any width, in its range.
pub(super) fn integer<T: TryFrom<i128>>(reader: &mut Reader<'_>) -> Result<T, JsonError> {
    let text = number_text(reader)?;
    whole(&text).and_then(|number| T::try_from(number).ok()).ok_or(JsonError::VALUE)
}

/// Reads a double: a number, a number in quotes, "NaN", "Infinity" or "-Infinity".
pub(super) fn double(reader: &mut Reader<'_>) -> Result<f64, JsonError> {
    match &*number_text(reader)? {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        text => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && is_number(text) => Ok(number),
            _ => Err(JsonError::VALUE),
        },
    }
}

/// Reads true or false, also in quotes.
pub(super) fn boolean(reader: &mut Reader<'_>) -> Result<bool, JsonError> {
    match reader.peek() {
        Some(b't' | b'f') => reader.boolean(),
        Some(b'"') => reader.string()?.parse().map_err(|_other| JsonError::VALUE),
        _ => Err(JsonError::VALUE),
    }
}

/// Reads a string; another type is the item's fault, not the body's.
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, JsonError> {
    if reader.peek() == Some(b'"') { reader.string() } else { Err(JsonError::VALUE) }
}

/// Decodes hex of either case; `None` where it is not hex.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Decodes Base64 of the standard or the URL alphabet, padded or not; `None` where it is neither.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_bare_quoted_and_with_an_exponent() {
        let int = |json: &str| integer::<i64>(&mut Reader::new(json.as_bytes()));
        assert_eq!(int("\"-9223372036854775808\""), Ok(i64::MIN));
        assert_eq!(int("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(int("1e3"), Ok(1000));
        assert_eq!(int("\"5.0\""), Ok(5));
        for bad in ["9223372036854775808", "1.5", "\"\"", "\" 1\"", "\"0x1\"", "true", "[]", "\"+1\"", "\"NaN\""] {
            assert_eq!(int(bad), Err(JsonError::VALUE), "{bad}");
        }
        assert_eq!(integer::<u64>(&mut Reader::new(b"-1")), Err(JsonError::VALUE));
    }

    #[test]
    fn doubles_know_their_three_names_and_no_others() {
        let read = |json: &str| double(&mut Reader::new(json.as_bytes()));
        assert_eq!(read("\"-Infinity\""), Ok(f64::NEG_INFINITY));
        assert!(read("\"NaN\"").unwrap().is_nan());
        assert_eq!(read("\"1.5\""), Ok(1.5));
        assert_eq!(read("7"), Ok(7.0));
        for bad in ["\"inf\"", "\"nan\"", "1e999", "\"\"", "null"] {
            assert_eq!(read(bad), Err(JsonError::VALUE), "{bad}");
        }
    }

    #[test]
    fn both_base64_alphabets_are_read() {
        assert_eq!(base64("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(base64("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(base64(""), Some(vec![]));
        assert_eq!(base64("A"), None);
        assert_eq!(base64("A*=="), None);
        assert_eq!(base64("AA==="), None);
    }

    #[test]
    fn hex_is_read_in_either_case() {
        assert_eq!(hex("00fFAb"), Some(vec![0, 255, 0xab]));
        assert_eq!(hex("0"), None);
        assert_eq!(hex("é"), None);
    }
}
