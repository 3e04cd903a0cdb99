//! Tables for a terminal: columns line up also with wide characters, and give way to its width.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::clean::line;

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// What a cell says by its colour, beside its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// For the worse.
    Bad,
    /// Beside the point.
    Quiet,
}

impl Tone {
    /// A text in this tone, with ANSI codes: print it through anstream. The text must be cleaned.
    #[must_use]
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }

    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// A table of cleaned cells.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<(String, Tone)>>,
}

/// Columns are not made narrower than this.
const COLUMN_MIN: usize = 6;
/// Nor than this while numbers can give way instead.
const COLUMN_READABLE: usize = 12;
const GAP: &str = "  ";

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(heads: &[(&str, Align)]) -> Self {
        Self { heads: heads.iter().map(|(head, align)| (line(head), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, further ones are left out. Cells may be hostile.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.toned(cells.into_iter().map(|cell| (cell, Tone::Plain)));
    }

    /// As `row`, with tones.
    pub fn toned<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = (S, Tone)>) {
        let cells = cells.into_iter().take(self.heads.len()).map(|(cell, tone)| (line(cell.as_ref()), tone));
        let mut row: Vec<(String, Tone)> = cells.collect();
        row.resize(self.heads.len(), (String::new(), Tone::Plain));
        self.rows.push(row);
    }

    /// Whether no row was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines; `width` is the terminal's in columns, none for a pipe (nothing is then cut).
    #[must_use]
    pub fn render(&self, width: Option<usize>) -> String {
        self.lines(width, false)
    }

    /// The same with ANSI colours: print it through anstream, which obeys NO_COLOR and pipes.
    #[must_use]
    pub fn ansi(&self, width: Option<usize>) -> String {
        self.lines(width, true)
    }

    fn lines(&self, width: Option<usize>, colours: bool) -> String {
        let widths = self.widths(width);
        let heads: Vec<(String, Tone)> = self.heads.iter().map(|(head, _)| (head.clone(), Tone::Quiet)).collect();
        let mut out = self.lay(&heads, &widths, colours);
        for row in &self.rows {
            out.push_str(&self.lay(row, &widths, colours));
        }
        let hidden: Vec<&str> =
            self.heads.iter().zip(&widths).filter(|(_, w)| **w == 0).map(|(h, _)| h.0.as_str()).collect();
        if !hidden.is_empty() {
            out.push_str(&format!("no room for: {}\n", hidden.join(", ")));
        }
        out
    }

    /// Natural widths; where they do not fit, the widest text column shrinks first, numbers never: the last of them
    /// give way as a whole, and have no width.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(head, _)| head.width().max(1)).collect();
        for row in &self.rows {
            for (place, (cell, _)) in row.iter().enumerate() {
                widths[place] = widths[place].max(cell.width());
            }
        }
        let Some(limit) = limit else { return widths };
        let taken = |widths: &[usize]| {
            let shown = widths.iter().filter(|width| **width > 0).count();
            widths.iter().sum::<usize>() + GAP.len() * shown.saturating_sub(1)
        };
        let is = |place: usize, align: Align| self.heads[place].1 == align;
        // Texts give way to a readable width, then numbers but the first, then texts again, then the last number.
        for (least, keep) in [(COLUMN_READABLE, 1), (COLUMN_MIN, 0)] {
            while taken(&widths) > limit {
                let shrinkable = |place: &usize| is(*place, Align::Left) && widths[*place] > least;
                if let Some(widest) = (0..widths.len()).filter(shrinkable).max_by_key(|place| widths[*place]) {
                    widths[widest] -= 1;
                    continue;
                }
                let numbers: Vec<usize> =
                    (1..widths.len()).filter(|place| is(*place, Align::Right) && widths[*place] > 0).collect();
                let Some(last) = numbers.last().filter(|_| numbers.len() > keep) else { break };
                widths[*last] = 0;
            }
        }
        widths
    }

    fn lay(&self, cells: &[(String, Tone)], widths: &[usize], colours: bool) -> String {
        // Spaces wait until something follows them: a line does not end in any.
        let (mut out, mut waiting) = (String::new(), 0);
        for (place, (cell, tone)) in cells.iter().enumerate().filter(|(place, _)| widths[*place] > 0) {
            let cell = fit(cell, widths[place]);
            let space = widths[place].saturating_sub(cell.width());
            let is_right = self.heads[place].1 == Align::Right;
            waiting += if is_right { space } else { 0 };
            if !cell.is_empty() {
                out.extend(std::iter::repeat_n(' ', waiting));
                waiting = 0;
                let style = if colours { tone.style() } else { Style::new() };
                out.push_str(&format!("{style}{cell}{style:#}"));
            }
            waiting += GAP.len() + if is_right { 0 } else { space };
        }
        out.push('\n');
        out
    }
}

/// Cuts a text to `width` columns; both ends stay, since names differ at either.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail_room = width.saturating_sub(1) / 3;
    let (mut tail, mut used) = (Vec::new(), 0);
    for ch in text.chars().rev() {
        used += ch.width().unwrap_or(0);
        if used > tail_room {
            break;
        }
        tail.push(ch);
    }
    let tail: String = tail.into_iter().rev().collect();
    let room = width.saturating_sub(1 + tail.width());
    let (mut head, mut used) = (String::new(), 0);
    for ch in text.chars() {
        used += ch.width().unwrap_or(0);
        if used > room {
            break;
        }
        head.push(ch);
    }
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[("pipeline", Align::Left), ("p50", Align::Right)]);
        table.row(["build", "1.25 s"]);
        table.row(["日本語の流れ", "120 ms"]);
        table
    }

    #[test]
    fn wide_characters_line_up() {
        assert_eq!(sample().render(None), "pipeline         p50\nbuild         1.25 s\n日本語の流れ  120 ms\n");
    }

    #[test]
    fn a_narrow_terminal_shrinks_names_and_keeps_numbers_whole() {
        let text = sample().render(Some(16));
        assert!(text.lines().all(|line| line.width() <= 16), "{text}");
        assert!(text.contains("1.25 s") && text.contains('…'));
    }

    #[test]
    fn numbers_that_do_not_fit_are_left_out_whole_and_named() {
        let mut table =
            Table::new(&[("run", Align::Left), ("cost", Align::Right), ("time", Align::Right), ("why", Align::Left)]);
        table.row(["nightly-1842", "$12.50", "3 min 20 s", "slower than before"]);
        assert_eq!(
            table.render(Some(36)),
            "run             cost  why\nnightly-1842  $12.50  slower t…ore\nno room for: time\n"
        );
    }

    #[test]
    fn colours_take_no_room_and_stand_only_where_they_are_asked_for() {
        let mut table = sample();
        table.toned([("broken", Tone::Bad), ("9 s", Tone::Plain)]);
        let (plain, painted) = (table.render(Some(40)), table.ansi(Some(40)));
        assert!(!plain.contains('\u{1b}') && painted.contains("\u{1b}[31m"), "{painted:?}");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), plain);
    }

    #[test]
    fn hostile_cells_stay_on_their_line() {
        let mut table = sample();
        table.row(["evil\n\u{1b}[2J\u{202e}name", "1", "surplus"]);
        let text = table.render(Some(80));
        assert_eq!(text.lines().count(), 4);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
