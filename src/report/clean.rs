//! Names are hostile: what they are turned into before anything shows them.

/// Longest text that is shown anywhere, in characters.
pub const TEXT_MAX: usize = 2000;
/// Longest name that is shown, in characters.
pub const NAME_MAX: usize = 80;

/// Makes invisible and direction-changing characters visible, and bounds the length.
///
/// Control characters become the symbols of the Control Pictures block; a line feed is kept only where
/// `lines` says so. Bidirectional controls, zero-width and other format characters become `�`.
#[must_use]
pub fn clean(text: &str, limit: usize, lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(limit * 4));
    for (place, ch) in text.chars().enumerate() {
        if place >= limit {
            out.push('…');
            break;
        }
        out.push(if lines && ch == '\n' { ch } else { visible(ch) });
    }
    out
}

/// A text on one line, at most [`TEXT_MAX`] characters.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text, TEXT_MAX, false)
}

/// A name on one line: the middle of a long one gives way, since both ends tell names apart.
#[must_use]
pub fn name(text: &str) -> String {
    shorten(text, NAME_MAX)
}

/// As [`name`], to `limit` characters (at least 8).
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    let limit = limit.max(8);
    if text.chars().nth(limit).is_none() {
        return clean(text, limit, false);
    }
    let tail = limit / 3;
    let head = clean(text, limit - tail - 1, false);
    let end: String = text.chars().rev().take(tail).collect::<Vec<_>>().into_iter().rev().map(visible).collect();
    let head = head.strip_suffix('…').unwrap_or(&head);
    format!("{head}…{end}")
}

fn visible(ch: char) -> char {
    match ch {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(ch)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overrides_escapes_and_newlines_become_visible() {
        assert_eq!(line("a\u{202e}b\u{1b}[31m\nc"), "a\u{fffd}b␛[31m␊c");
        assert_eq!(clean("a\nb", 10, true), "a\nb");
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        let long = format!("{}{}", "a".repeat(9_990), "0123456789");
        let short = name(&long);
        assert_eq!(short.chars().count(), NAME_MAX);
        assert!(short.starts_with("aaa") && short.ends_with("…aaaaaaaaaaaaaaaa0123456789"));
        assert_eq!(name("build"), "build");
    }

    proptest! {
        #[test]
        fn nothing_invisible_comes_through(text in "\\PC*|[\\x00-\\x1f\\u{200b}-\\u{206f}a-z]{0,200}") {
            let cleaned = name(&text);
            prop_assert!(cleaned.chars().count() <= NAME_MAX);
            prop_assert!(cleaned.chars().all(|ch| !ch.is_control() && visible(ch) == ch));
        }
    }
}
