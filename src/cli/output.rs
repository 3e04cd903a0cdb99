//! Writing to standard output: whole, and quiet when the reader has gone.

use std::io::{self, Write};

use super::Failure;

/// Prints text for people: colours only on a terminal.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&mut anstream::stdout().lock(), text)
}

/// Prints data for programs: every byte as it is.
pub(crate) fn print_data(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), text)
}

// A closed pipe (`perfline runs | head`) is no failure.
fn write(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::machine("write the output", &error)),
        _ => Ok(()),
    }
}

/// Prints a value as JSON, indented, with a line break at the end.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::internal(&e))?;
    print_data(&(text + "\n"))
}

/// The terminal's width in columns; none for a pipe or a file.
pub(crate) fn terminal_width() -> Option<usize> {
    let terminal = console::Term::stdout();
    terminal.features().is_attended().then(|| usize::from(terminal.size().1))
}
