//! Writing to standard output: whole, and quiet when the reader has gone.

use std::io::{self, Write};

use super::Failure;

/// Prints text for people: colours only on a terminal.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(drop)
}

/// The same; false where nobody reads any more: what would go on for ever ends there.
pub(crate) fn print_while_read(text: &str) -> Result<bool, Failure> {
    write(&mut anstream::stdout().lock(), text)
}

/// Prints data for programs: every byte as it is.
pub(crate) fn print_data(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), text).map(drop)
}

// A closed pipe (`perfline runs | head`) is no failure.
fn write(out: &mut impl Write, text: &str) -> Result<bool, Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::machine("write the output", &error)),
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Pipe(io::ErrorKind);

    impl Write for Pipe {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_is_told() {
        assert!(matches!(write(&mut Vec::new(), "x"), Ok(true)));
        assert!(matches!(write(&mut Pipe(io::ErrorKind::BrokenPipe), "x"), Ok(false)));
        assert!(write(&mut Pipe(io::ErrorKind::StorageFull), "x").is_err());
    }
}
