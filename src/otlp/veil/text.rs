//! Pseudonyms of texts: word by word, so that what the conventions see in a name stays: its signs, its
//! numbers, what is an id and what is a word.

use super::key::Key;

/// Letters of a pseudonym: none is a hex digit, so no word ever looks like an id.
const LETTERS: &[u8; 20] = b"ghijklmnopqrstuvwxyz";
/// Letters a word becomes: 43 bits.
const WORD_LETTERS: usize = 10;
/// Characters of a text that are turned word by word; the rest becomes one word.
const CHARS_MAX: usize = 500;
/// Hex words from this length on are ids.
const ID_CHARS_MIN: usize = 8;
/// Length of the hex endings that tell runs of one flow apart (`load-7a4`).
const ENDING_CHARS: usize = 3;

/// A text as pseudonyms. Numbers stay numbers.
pub(super) fn veil(key: &Key, text: &str) -> String {
    let cut = text.char_indices().nth(CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let (head, rest) = text.split_at(cut);
    let mut out = String::with_capacity(head.len() + 16);
    let mut word_from = 0;
    let mut before = None;
    for (at, c) in head.char_indices().filter(|(_, c)| !is_of_word(*c)).chain([(head.len(), ' ')]) {
        let is_last = at == head.len() && rest.is_empty();
        push_word(key, &head[word_from..at], before, is_last, &mut out);
        if at < head.len() {
            out.push(c);
            before = Some(c);
            word_from = at + c.len_utf8();
        }
    }
    if !rest.is_empty() {
        push_letters(&key.hash(rest.as_bytes()), &mut out);
    }
    out
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric()
}

fn push_word(key: &Key, word: &str, before: Option<char>, is_last: bool, out: &mut String) {
    if word.is_empty() || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return out.push_str(word);
    }
    let hash = key.hash(word.as_bytes());
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_id = word.len() >= ID_CHARS_MIN && digits >= 2;
    let is_part_of_uuid = word.len() == 4 && digits > 0 && matches!(before, Some('-'));
    let is_ending = is_last && word.len() == ENDING_CHARS && matches!(before, Some('-'));
    if is_hex && (is_id || is_part_of_uuid || is_ending) {
        push_hex(word, &hash, out);
    } else {
        push_letters(&hash, out);
    }
}

/// Another hex word with its digits and letters in the same places.
fn push_hex(word: &str, hash: &[u8; 32], out: &mut String) {
    for (byte, random) in word.bytes().zip(hash.iter().cycle()) {
        let (first, count) = match byte {
            b'0'..=b'9' => (b'0', 10),
            b'a'..=b'f' => (b'a', 6),
            _ => (b'A', 6),
        };
        out.push(char::from(first + random % count));
    }
}

fn push_letters(hash: &[u8; 32], out: &mut String) {
    // Two bytes a letter: the remainder is even to one part in three thousand.
    for pair in hash.chunks_exact(2).take(WORD_LETTERS) {
        let number = usize::from(pair[0]) << 8 | usize::from(pair[1]);
        out.push(char::from(LETTERS[number % LETTERS.len()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(b"a key for tests, no secret").unwrap()
    }

    #[test]
    fn words_go_and_signs_and_numbers_stay() {
        let veiled = veil(&key(), "tests/test_orders.py::test_load[1-2026]");
        assert!(veiled.ends_with("[1-2026]") && veiled.contains("::") && !veiled.contains("orders"), "{veiled}");
        assert_eq!(veiled.matches(&veil(&key(), "test")).count(), 2, "the same word is the same pseudonym");
        assert_eq!(veil(&key(), "12345"), "12345");
        assert_eq!(veil(&key(), ""), "");
    }

    #[test]
    fn what_is_an_id_stays_one_and_what_is_none_does_not_become_one() {
        let id = "4d29ce2d-0752-4793-b376-27dbb661a24b";
        let veiled = veil(&key(), id);
        assert_ne!(veiled, id);
        for (was, is) in id.chars().zip(veiled.chars()) {
            assert_eq!(was.is_ascii_digit(), is.is_ascii_digit());
            assert!(is == '-' || is.is_ascii_hexdigit());
        }
        assert!(veil(&key(), "extract-fee").rsplit_once('-').unwrap().1.bytes().all(|b| b.is_ascii_hexdigit()));
        for word in ["deadbeef", "added", "e2e", "Grüße", "東京"] {
            assert!(veil(&key(), word).bytes().all(|byte| LETTERS.contains(&byte)), "{word}");
        }
    }

    #[test]
    fn a_text_that_begins_with_another_still_does() {
        let title = veil(&key(), "Fix the bug");
        assert!(veil(&key(), "Fix the bug\n\nAt last.").starts_with(&title));
        assert!(veil(&key(), &"word ".repeat(10_000)).len() < 8_000);
    }

    #[test]
    fn another_key_gives_other_pseudonyms() {
        let other = Key::new(b"another key, no secret either").unwrap();
        assert_ne!(veil(&key(), "orders"), veil(&other, "orders"));
    }
}
