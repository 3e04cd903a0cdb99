//! Files of JSON of any length: documents one after the other, a long one cut into requests of bounded length. A
//! document is checked to its end before anything of it goes on.

use std::io::{self, Read, Seek};

use bytes::Bytes;

use super::super::schema::{Kind, Label, Message, Role, request};
use super::tape::Tape;
use crate::model::Signal;

/// Longest items of one request where a document is cut, beside what stands around them. Of three bytes each at least,
/// they are fewer than the door lets in.
const PIECE_BYTES_MAX: u64 = 2 << 20;
/// Longest item, which cannot be cut, and longest document that is none of telemetry.
const WHOLE_BYTES_MAX: u64 = 56 << 20;
/// What stands around items (resource, scope, a metric's name) is repeated with each piece.
const AROUND_BYTES_MAX: usize = 4 << 20;
/// Members of one block that are known; none has a tenth of them but where keys repeat.
const MEMBERS_MAX: usize = 256;

/// Why a file could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file itself.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The text is not JSON.
    #[error("not JSON: expected {expected} at byte {at}")]
    Syntax {
        /// Where, in bytes.
        at: u64,
        /// What should have been there.
        expected: &'static str,
    },
    /// Something that cannot be cut is longer than memory is meant for it.
    #[error("{what} at byte {at} is longer than {bytes_max} bytes")]
    TooLong {
        /// Where, in bytes.
        at: u64,
        /// What.
        what: &'static str,
        /// How long it may be.
        bytes_max: u64,
    },
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// OTLP/JSON of a signal: a whole document, or a piece of one that is a document again.
    Telemetry(Signal, Bytes),
    /// JSON of another kind.
    Other(Bytes),
}

/// Reads a file of documents, and arrays of them, in order; `visit` gets each with its position in bytes, and ends it
/// by an error.
pub fn read_documents<R: Read + Seek, E: From<DocumentError>>(
    source: R,
    mut visit: impl FnMut(u64, Document) -> Result<(), E>,
) -> Result<(), E> {
    read_in_pieces(source, PIECE_BYTES_MAX, &mut visit)
}

type Visit<'a, E> = &'a mut dyn FnMut(u64, Document) -> Result<(), E>;

fn read_in_pieces<R: Read + Seek, E: From<DocumentError>>(
    source: R,
    piece_bytes_max: u64,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    let tape = Tape::new(source)?;
    let mut files = Documents { tape, piece_bytes_max, visit };
    while let Some(first) = files.tape.peek()? {
        let from = files.tape.position();
        files.tape.skip_value()?;
        let to = files.tape.position();
        if first == b'[' {
            files.each_element(from, |files, from, to| files.document(from, to))?;
        } else {
            files.document(from, to)?;
        }
        files.tape.go_to(to)?;
    }
    Ok(())
}

struct Documents<'a, R, E> {
    tape: Tape<R>,
    piece_bytes_max: u64,
    visit: Visit<'a, E>,
}

/// A member of a block whose key is known.
struct Member {
    key: String,
    kind: Kind,
    label: Label,
    first: Option<u8>,
    from: u64,
    to: u64,
}

impl Member {
    /// What the member holds of items or of blocks of them, in the form in which it may be cut.
    fn children(&self) -> Option<&'static Message> {
        let opening = if self.label == Label::Repeated { b'[' } else { b'{' };
        match self.kind {
            Kind::Message(child) if child.role != Role::Part && self.first == Some(opening) => Some(child),
            _ => None,
        }
    }
}

impl<R: Read + Seek, E: From<DocumentError>> Documents<'_, R, E> {
    /// Calls `visit` with the range of each element of the array at `from`.
    fn each_element(
        &mut self,
        from: u64,
        mut visit: impl FnMut(&mut Self, u64, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        self.tape.go_to(from)?;
        self.tape.expect(b'[', "an array")?;
        if self.tape.take(b']')? {
            return Ok(());
        }
        loop {
            self.tape.peek()?;
            let from = self.tape.position();
            self.tape.skip_value()?;
            let to = self.tape.position();
            visit(self, from, to)?;
            self.tape.go_to(to)?;
            if self.tape.take(b']')? {
                return Ok(());
            }
            self.tape.expect(b',', "a comma or the end of an array")?;
        }
    }

    fn document(&mut self, from: u64, to: u64) -> Result<(), E> {
        let signal = self.signal(from)?;
        if let Some(signal) = signal.filter(|_| to - from > self.piece_bytes_max) {
            return self.cut(signal, from);
        }
        let text = Bytes::from(self.whole("a document", from, to)?);
        let document = match signal {
            Some(signal) => Document::Telemetry(signal, text),
            None => Document::Other(text),
        };
        (self.visit)(from, document)
    }

    /// The signal of the document at `from`, by its first known key.
    fn signal(&mut self, from: u64) -> Result<Option<Signal>, DocumentError> {
        self.tape.go_to(from)?;
        if !self.tape.take(b'{')? || self.tape.take(b'}')? {
            return Ok(None);
        }
        loop {
            let key = self.tape.key()?;
            if let Some(signal) = Signal::ALL.into_iter().find(|signal| request(*signal).named(&key).is_some()) {
                return Ok(Some(signal));
            }
            self.tape.skip_value()?;
            if !self.tape.take(b',')? {
                return Ok(None);
            }
        }
    }

    fn whole(&mut self, what: &'static str, from: u64, to: u64) -> Result<Vec<u8>, DocumentError> {
        if to - from > WHOLE_BYTES_MAX {
            return Err(DocumentError::TooLong { at: from, what, bytes_max: WHOLE_BYTES_MAX });
        }
        self.tape.text(from, to)
    }

    fn cut(&mut self, signal: Signal, from: u64) -> Result<(), E> {
        let mut piece = Piece { signal, around: Vec::new(), items: Vec::new(), at: from };
        self.block(request(signal), from, &mut piece)?;
        self.send(&mut piece)
    }

    /// Deals out the blocks or items of the object at `from`, in pieces that have what stands around them.
    fn block(&mut self, message: &'static Message, from: u64, piece: &mut Piece) -> Result<(), E> {
        let members = self.members(message, from)?;
        let mut around = b"{".to_vec();
        for member in members.iter().filter(|member| member.children().is_none()) {
            if around.len() as u64 + (member.to - member.from) > AROUND_BYTES_MAX as u64 {
                let bytes_max = AROUND_BYTES_MAX as u64;
                return Err(
                    DocumentError::TooLong { at: member.from, what: "what describes a block", bytes_max }.into()
                );
            }
            write_key(&member.key, &mut around);
            around.extend(self.tape.text(member.from, member.to)?);
            around.push(b',');
        }
        for member in &members {
            let Some(child) = member.children() else { continue };
            let mut before = around.clone();
            write_key(&member.key, &mut before);
            self.send(piece)?;
            if member.label == Label::Repeated {
                before.push(b'[');
                piece.around.push((before, "]}"));
                self.each_element(member.from, |files, from, to| files.element(child, (from, to), piece))?;
            } else {
                piece.around.push((before, "}"));
                self.block(child, member.from, piece)?;
            }
            self.send(piece)?;
            piece.around.pop();
        }
        Ok(())
    }

    /// The known members of the object at `from`. Null says nothing.
    fn members(&mut self, message: &'static Message, from: u64) -> Result<Vec<Member>, DocumentError> {
        let mut members = Vec::new();
        self.tape.go_to(from)?;
        self.tape.expect(b'{', "an object")?;
        if self.tape.take(b'}')? {
            return Ok(members);
        }
        loop {
            let key = self.tape.key()?;
            let first = self.tape.peek()?;
            let from = self.tape.position();
            self.tape.skip_value()?;
            let to = self.tape.position();
            if let Some(spec) = message.named(&key).filter(|_| first != Some(b'n')) {
                if members.len() == MEMBERS_MAX {
                    let bytes_max = AROUND_BYTES_MAX as u64;
                    return Err(DocumentError::TooLong { at: from, what: "what describes a block", bytes_max });
                }
                members.push(Member { key, kind: spec.kind, label: spec.label, first, from, to });
            }
            if self.tape.take(b'}')? {
                return Ok(members);
            }
            self.tape.expect(b',', "a comma or the end of an object")?;
        }
    }

    /// A block or an item: into the piece as a whole, or a long block cut in turn.
    fn element(&mut self, message: &'static Message, (from, to): (u64, u64), piece: &mut Piece) -> Result<(), E> {
        let length = to - from;
        self.tape.go_to(from)?;
        if length > self.piece_bytes_max && message.role == Role::Container && self.tape.peek()? == Some(b'{') {
            self.send(piece)?;
            return self.block(message, from, piece);
        }
        if piece.items.len() as u64 + length > self.piece_bytes_max {
            self.send(piece)?;
        }
        let text = self.whole("an item", from, to)?;
        if piece.items.is_empty() {
            piece.at = from;
        } else {
            piece.items.push(b',');
        }
        piece.items.extend(text);
        Ok(())
    }

    /// Hands on what the piece holds, if anything.
    fn send(&mut self, piece: &mut Piece) -> Result<(), E> {
        if piece.items.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        piece.around.iter().for_each(|(before, _)| text.extend_from_slice(before));
        text.append(&mut piece.items);
        piece.around.iter().rev().for_each(|(_, behind)| text.extend_from_slice(behind.as_bytes()));
        (self.visit)(piece.at, Document::Telemetry(piece.signal, text.into()))
    }
}

/// A request that is being put together.
struct Piece {
    signal: Signal,
    /// What stands before the items and behind them, from the outside in.
    around: Vec<(Vec<u8>, &'static str)>,
    /// Whole items or blocks, with commas between them.
    items: Vec<u8>,
    /// Where the first of them begins.
    at: u64,
}

/// Known keys need no escape.
fn write_key(key: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests;
