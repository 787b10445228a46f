//! Text in blocks: hands out pieces of a stream that never cut a token in two, in bounded memory.

use std::io::Read;

use crate::error::ReadError;
use crate::source::Source;

/// Bytes read at a time, and so the longest token or line that is accepted.
pub(crate) const BLOCK: usize = 1 << 20;

/// Reads a stream block by block. What follows the last separator of a block is kept for the next one.
pub(crate) struct Blocks<'s, 'a> {
    source: &'s Source<'a>,
    reader: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    filled: usize,
    handed_out: usize,
    ended: bool,
}

/// What [`Blocks::next`] found.
pub(crate) enum Piece<'b> {
    /// Whole tokens: the piece ends with a separator.
    Tokens(&'b [u8]),
    /// A block without any separator.
    Unbroken(&'b [u8]),
    /// The stream has ended.
    End,
}

impl<'s, 'a> Blocks<'s, 'a> {
    pub(crate) fn open(source: &'s Source<'a>) -> Result<Self, ReadError> {
        Ok(Self {
            source,
            reader: source.open()?,
            buffer: vec![0; BLOCK + 1],
            filled: 0,
            handed_out: 0,
            ended: false,
        })
    }

    /// The next piece, ending in a byte for which `separates` holds; a newline is added at the end of a stream that lacks one.
    pub(crate) fn next(&mut self, separates: impl Fn(u8) -> bool) -> Result<Piece<'_>, ReadError> {
        self.buffer.copy_within(self.handed_out..self.filled, 0);
        self.filled -= self.handed_out;
        self.handed_out = 0;
        while !self.ended && self.filled < BLOCK {
            match self.reader.read(&mut self.buffer[self.filled..BLOCK]) {
                Ok(0) => {
                    self.ended = true;
                    if self.filled > 0 && self.buffer[self.filled - 1] != b'\n' {
                        self.buffer[self.filled] = b'\n';
                        self.filled += 1;
                    }
                }
                Ok(count) => self.filled += count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.source.io_error(e)),
            }
        }
        if self.filled == 0 {
            return Ok(Piece::End);
        }
        let content = &self.buffer[..self.filled];
        match content.iter().rposition(|&b| separates(b)) {
            Some(last) => {
                self.handed_out = last + 1;
                Ok(Piece::Tokens(&content[..=last]))
            }
            None => {
                self.handed_out = self.filled;
                Ok(Piece::Unbroken(content))
            }
        }
    }
}
