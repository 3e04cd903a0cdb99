//! Text that is safe to put into a chart, and fits.

use super::advance::advance;

/// Longest text kept from a caller, in characters; the rest is an ellipsis.
const TEXT_CHARS_MAX: usize = 300;
/// Marks that may sit on one letter; more is vandalism.
const STACKED_MARKS_MAX: usize = 2;
/// Longest name inside a sentence, in characters.
const NAME_CHARS_MAX: usize = 48;
const ELLIPSIS: char = '…';

/// Kind of type: size and weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Face {
    /// Pixels.
    pub size: f64,
    /// Bold.
    pub bold: bool,
}

impl Face {
    /// The message of a chart.
    pub(super) const TITLE: Self = Self { size: 15.0, bold: true };
    /// What stands below the message.
    pub(super) const SUBTITLE: Self = Self { size: 12.0, bold: false };
    /// Axes, legends, notes.
    pub(super) const LABEL: Self = Self { size: 11.0, bold: false };
    /// A label that matters.
    pub(super) const STRONG: Self = Self { size: 11.0, bold: true };

    /// Width of a text in pixels.
    pub(super) fn width(self, text: &str) -> f64 {
        let thousandths: u32 = text.chars().map(|ch| u32::from(advance(ch, self.bold))).sum();
        f64::from(thousandths) * self.size / 1000.0
    }

    /// The text, shortened at its end until it fits.
    pub(super) fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…");
        let mut used = 0.0;
        let mut kept = String::new();
        for ch in text.chars() {
            used += f64::from(advance(ch, self.bold)) * self.size / 1000.0;
            if used > room {
                break;
            }
            kept.push(ch);
        }
        kept.truncate(kept.trim_end().len());
        kept.push(ELLIPSIS);
        kept
    }

    /// The text, shortened in its middle until it fits: names of tests and files differ at their ends.
    pub(super) fn fit_middle(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…");
        let chars: Vec<char> = text.chars().collect();
        let (mut head, mut tail) = (0, chars.len());
        let mut used = 0.0;
        while head < tail {
            let from_tail = head > chars.len() - tail;
            let next = if from_tail { chars[tail - 1] } else { chars[head] };
            used += f64::from(advance(next, self.bold)) * self.size / 1000.0;
            if used > room {
                break;
            }
            if from_tail {
                tail -= 1;
            } else {
                head += 1;
            }
        }
        // What was shortened before is not shortened twice in one place.
        while head > 0 && chars[head - 1] == ELLIPSIS {
            head -= 1;
        }
        while chars.get(tail) == Some(&ELLIPSIS) {
            tail += 1;
        }
        chars[..head].iter().copied().chain([ELLIPSIS]).chain(chars[tail..].iter().copied()).collect()
    }

    /// The text in lines that fit, `lines` at most, the last one shortened.
    pub(super) fn wrap(self, text: &str, width: f64, lines: usize) -> Vec<String> {
        let mut done: Vec<String> = Vec::new();
        let mut line = String::new();
        let mut rest = text.split(' ').peekable();
        while let Some(word) = rest.peek() {
            let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
            if self.width(&longer) <= width || line.is_empty() {
                line = longer;
                rest.next();
            } else if done.len() + 1 < lines {
                done.push(std::mem::take(&mut line));
            } else {
                line = format!("{line} {}", rest.collect::<Vec<_>>().join(" "));
                break;
            }
        }
        done.push(line);
        done.into_iter().map(|line| self.fit(&line, width)).collect()
    }
}

/// A caller's text, made harmless to look at: control characters become spaces, characters that turn the
/// direction of writing or hide are dropped, piled-up marks are thinned, and 300 characters are enough.
pub(super) fn clean(text: &str) -> String {
    let mut kept = String::new();
    let mut marks = 0;
    // Hidden characters must not make the scan long either.
    for (place, ch) in text.chars().take(TEXT_CHARS_MAX * 4).filter(|ch| !is_hidden(*ch)).enumerate() {
        if place == TEXT_CHARS_MAX {
            kept.push(ELLIPSIS);
            break;
        }
        let ch = if ch.is_control() || ch == '\u{2028}' || ch == '\u{2029}' { ' ' } else { ch };
        marks = if advance(ch, false) == 0 { marks + 1 } else { 0 };
        if marks <= STACKED_MARKS_MAX {
            kept.push(ch);
        }
    }
    kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A cleaned name that keeps its own direction of writing inside a sentence (Unicode's isolates).
pub(super) fn isolate(name: &str) -> String {
    let name = clean(name);
    if name.chars().any(is_right_to_left) { format!("\u{2068}{name}\u{2069}") } else { name }
}

/// A name as it stands in a sentence: cleaned, isolated, and at most 48 characters long.
pub(super) fn brief(name: &str) -> String {
    let name = clean(name);
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= NAME_CHARS_MAX {
        return isolate(&name);
    }
    let (head, tail) = (&chars[..NAME_CHARS_MAX / 2], &chars[chars.len() - NAME_CHARS_MAX / 2 + 1..]);
    isolate(&head.iter().chain([&ELLIPSIS]).chain(tail).collect::<String>())
}

fn is_right_to_left(ch: char) -> bool {
    matches!(ch, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' | '\u{10800}'..='\u{10FFF}')
}

/// Bidirectional controls, zero-width fillers, and what XML 1.0 forbids or nobody can see.
fn is_hidden(ch: char) -> bool {
    matches!(
        ch,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0000}'..='\u{E0FFF}'
    ) || (u32::from(ch) & 0xFFFE) == 0xFFFE
}

/// Escaped for XML text and attributes. Characters that XML cannot hold become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            ch if ch.is_control() || (u32::from(ch) & 0xFFFE) == 0xFFFE => out.push('\u{FFFD}'),
            ch => out.push(ch),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // Pillow 13.0 with LiberationSans-Regular.ttf and -Bold.ttf, 100 px: getlength = 719.984 and 752.984.
        let face = Face { size: 100.0, bold: false };
        assert!((face.width("build p50 +31 %") - 719.984).abs() < 1.0);
        let bold = Face { size: 100.0, bold: true };
        assert!((bold.width("build p50 +31 %") - 752.984).abs() < 1.0);
    }

    #[test]
    fn a_text_that_was_shortened_before_has_one_gap() {
        let kept = Face::LABEL.fit_middle("run 4cc5e3700ba6bf5…acdbdd89", 110.0);
        assert_eq!(kept.matches(ELLIPSIS).count(), 1, "{kept}");
    }

    #[test]
    fn a_fitted_text_never_exceeds_its_room() {
        for text in
            ["short", &"W".repeat(500), &"il".repeat(400), "構築パイプライン構築パイプライン", "", "é\u{301}\u{301}"]
        {
            for room in [12.0, 40.0, 90.0, 333.0] {
                for kept in [Face::LABEL.fit(text, room), Face::LABEL.fit_middle(text, room)] {
                    assert!(Face::LABEL.width(&kept) <= room, "{kept} in {room}");
                }
                let lines = Face::TITLE.wrap(text, room.max(20.0), 2);
                assert!(lines.len() <= 2 && lines.iter().all(|line| Face::TITLE.width(line) <= room.max(20.0)));
            }
        }
    }

    #[test]
    fn the_middle_goes_first_where_ends_tell_names_apart() {
        let kept = Face::LABEL.fit_middle("tests/integration/test_checkout.py::test_refund_twice", 150.0);
        assert!(kept.starts_with("tests/") && kept.ends_with("twice") && kept.contains('…'), "{kept}");
    }

    #[test]
    fn wrapping_keeps_every_word_that_fits() {
        assert_eq!(Face::TITLE.wrap("one two", 500.0, 2), ["one two"]);
        let lines = Face::TITLE.wrap("nightly build p50 +31 % since run 482", 160.0, 3);
        assert_eq!(lines.join(" "), "nightly build p50 +31 % since run 482");
    }

    #[test]
    fn overrides_controls_and_piles_of_marks_are_taken_out() {
        assert_eq!(clean("a\u{202E}b\u{2066}c\u{0}d\r\n\te"), "abc d e");
        assert_eq!(clean(&format!("a{}b", "\u{301}".repeat(50))), "a\u{301}\u{301}b");
        let long = clean(&"x".repeat(10_000));
        assert_eq!(long.chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(clean(&"\u{200B}".repeat(10_000)), "");
    }

    #[test]
    fn right_to_left_names_are_isolated_and_others_left_alone() {
        assert_eq!(isolate("בנייה"), "\u{2068}בנייה\u{2069}");
        assert_eq!(isolate("build"), "build");
    }

    #[test]
    fn markup_and_forbidden_characters_are_escaped() {
        assert_eq!(escape("<a b='c'>&\"\u{1}\u{FFFF}"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\u{FFFD}\u{FFFD}");
    }
}
