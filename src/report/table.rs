//! Tables for a terminal: columns line up also with wide characters, and give way to its width.

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

/// A table of cleaned cells.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

/// Columns are not made narrower than this.
const COLUMN_MIN: usize = 6;
const GAP: &str = "  ";

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(heads: &[(&str, Align)]) -> Self {
        Self { heads: heads.iter().map(|(head, align)| (line(head), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, further ones are left out. Cells may be hostile.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row: Vec<String> = cells.into_iter().take(self.heads.len()).map(|cell| line(cell.as_ref())).collect();
        row.resize(self.heads.len(), String::new());
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
        let widths = self.widths(width);
        let heads = self.heads.iter().map(|(head, _)| head.as_str());
        let mut out = self.lay(heads, &widths);
        for row in &self.rows {
            out.push_str(&self.lay(row.iter().map(String::as_str), &widths));
        }
        out
    }

    /// Natural widths; where they do not fit, the widest text column shrinks first, numbers never.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(head, _)| head.width()).collect();
        for row in &self.rows {
            for (place, cell) in row.iter().enumerate() {
                widths[place] = widths[place].max(cell.width());
            }
        }
        let Some(limit) = limit else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let shrinkable = |place: &usize| self.heads[*place].1 == Align::Left && widths[*place] > COLUMN_MIN;
            let Some(widest) = (0..widths.len()).filter(shrinkable).max_by_key(|place| widths[*place]) else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn lay<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let mut out = String::new();
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                out.push_str(GAP);
            }
            let cell = fit(cell, widths[place]);
            let space = " ".repeat(widths[place].saturating_sub(cell.width()));
            match self.heads[place].1 {
                Align::Left => out.extend([cell.as_str(), &space]),
                Align::Right => out.extend([space.as_str(), &cell]),
            }
        }
        out.truncate(out.trim_end().len());
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
    fn hostile_cells_stay_on_their_line() {
        let mut table = sample();
        table.row(["evil\n\u{1b}[2J\u{202e}name", "1", "surplus"]);
        let text = table.render(Some(80));
        assert_eq!(text.lines().count(), 4);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
