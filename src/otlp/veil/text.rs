//! Pseudonyms of texts: word by word, so that what the conventions see in a name stays: its signs, its
//! numbers, what is an id and what is a word.

use super::key::Key;
use crate::otlp::conventions::names::{
    GENERATED, UUID_BYTES, is_counter, is_generated, is_joint, is_numeric, is_random, is_uuid,
};

/// Letters of a pseudonym: none is a hex digit, so no word ever looks like an id.
const LETTERS: &[u8; 20] = b"ghijklmnopqrstuvwxyz";
/// Letters a word becomes: 43 bits.
const WORD_LETTERS: usize = 10;
/// Characters of a text that are turned word by word; the rest becomes one word.
const CHARS_MAX: usize = 500;
/// Length of the hex endings that tell runs of one flow apart (`load-7a4`).
const ENDING_CHARS: usize = 3;

/// A text as pseudonyms. Numbers stay numbers.
pub(super) fn veil(key: &Key, text: &str) -> String {
    let cut = text.char_indices().nth(CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let (head, rest) = text.split_at(cut);
    let mut out = String::with_capacity(head.len() + 16);
    let (mut word_from, mut uuid_to) = (0, 0);
    let mut before = None;
    for (at, c) in head.char_indices().filter(|(_, c)| !is_of_word(*c)).chain([(head.len(), ' ')]) {
        // Where the text is cut, something follows.
        let after = if at < head.len() || rest.is_empty() { &head[at..] } else { " " };
        if head.get(word_from..word_from + UUID_BYTES).is_some_and(is_uuid) {
            uuid_to = word_from + UUID_BYTES;
        }
        if word_from < uuid_to {
            // A part of it may be all letters.
            push_hex(&head[word_from..at], &key.hash(&head.as_bytes()[word_from..at]), &mut out);
        } else {
            push_word(key, &head[word_from..at], before, after, &mut out);
        }
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

/// A text as one word, signs and numbers with it.
pub(super) fn word(key: &Key, text: &str) -> String {
    let mut out = String::with_capacity(WORD_LETTERS);
    push_letters(&key.hash(text.as_bytes()), &mut out);
    out
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric()
}

/// `after` is what follows the word.
fn push_word(key: &Key, word: &str, before: Option<char>, after: &str, out: &mut String) {
    if word.is_empty() || is_numeric(word) || (is_counter(word) && counts(after)) {
        return out.push_str(word);
    }
    let hash = key.hash(word.as_bytes());
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A text and its first line are covered alike.
    let is_ending = matches!(before, Some('-')) && (after.is_empty() || after.starts_with('\n'));
    if is_hex && (is_random(word) || (is_ending && word.len() == ENDING_CHARS)) {
        push_hex(word, &hash, out);
    } else if is_random(word) {
        push_turns(word, &hash, out);
    } else if is_ending && is_generated(word) {
        let random =
            hash.iter().take(word.len()).map(|byte| char::from(GENERATED[usize::from(*byte) % GENERATED.len()]));
        out.extend(random);
    } else {
        push_letters(&hash, out);
    }
}

/// Whether a number follows: `#17`, ` 17`, `-17`.
fn counts(after: &str) -> bool {
    let number = after.trim_start_matches(|c: char| c == '#' || is_joint(c));
    number.len() < after.len() && number.starts_with(|c: char| c.is_ascii_digit())
}

/// Another word with its digits and letters in the same places.
fn push_turns(word: &str, hash: &[u8; 32], out: &mut String) {
    for (byte, random) in word.bytes().zip(hash.iter().cycle()) {
        out.push(match byte {
            b'0'..=b'9' => char::from(b'0' + random % 10),
            _ => char::from(LETTERS[usize::from(*random) % LETTERS.len()]),
        });
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
    use crate::otlp::conventions::names::fold;

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
    fn what_tells_runs_apart_is_folded_behind_pseudonyms_too() {
        let names = [
            "etl run 17",
            "etl run 18",
            "Build #7",
            "Build #8",
            "load 01HV3K8Q2ZJ4M5N6P7R8S9T0AB",
            "load 01HV3K8Q2ZJ4M5N6P7R8S9T0AC",
            "deploy a1b2c3d",
            "deploy 9f8e7d6",
            "etl 2026-05-01T03:00:00Z",
            "etl 2026-05-02T04:00:00Z",
        ];
        for pair in names.chunks(2) {
            let folded: Vec<_> = pair.iter().map(|name| fold(&veil(&key(), name))).collect();
            assert!(folded[0] == folded[1] && folded[0].is_some(), "{pair:?}: {folded:?}");
        }
        let lettered = veil(&key(), "etl abcdefab-beef-cafe-dead-abcdefabcdef");
        assert!(fold(&lettered).unwrap().ends_with(" {id}") && !lettered.contains("beef"), "{lettered}");
        let (a, b) = (veil(&key(), "nightly-x7k2p"), veil(&key(), "nightly-bcd45"));
        assert_eq!(a.split_once('-').unwrap().0, b.split_once('-').unwrap().0);
        assert!([&a, &b].iter().all(|name| is_generated(name.split_once('-').unwrap().1)) && a != b, "{a} {b}");
        // A word that counts nothing is a name like any other.
        assert!(!veil(&key(), "build").contains("build"));
    }

    #[test]
    fn another_key_gives_other_pseudonyms() {
        let other = Key::new(b"another key, no secret either").unwrap();
        assert_ne!(veil(&key(), "orders"), veil(&other, "orders"));
    }
}
