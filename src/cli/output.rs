//! Writing to standard output: whole, and quiet when the reader has gone.

use std::io::{self, Write};

use super::Failure;

/// Prints text; a closed pipe (`perfline runs | head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::machine("write the output", &error)),
        _ => Ok(()),
    }
}

/// Prints a value as JSON, indented, with a line break at the end.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::internal(&e))?;
    print(&(text + "\n"))
}

/// The terminal's width in columns; none for a pipe or a file.
pub(crate) fn terminal_width() -> Option<usize> {
    let terminal = console::Term::stdout();
    terminal.features().is_attended().then(|| usize::from(terminal.size().1))
}
