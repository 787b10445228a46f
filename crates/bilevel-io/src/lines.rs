//! Text line by line, in bounded memory, each line with its number.

use std::io::{BufRead, BufReader, Read};

use crate::error::{Place, ReadError};
use crate::scan::BLOCK;
use crate::source::Source;

pub(crate) struct Lines<'s, 'a> {
    source: &'s Source<'a>,
    reader: BufReader<Box<dyn Read + 'a>>,
    buffer: Vec<u8>,
    number: u64,
}

impl<'s, 'a> Lines<'s, 'a> {
    pub(crate) fn open(source: &'s Source<'a>) -> Result<Self, ReadError> {
        let reader = BufReader::with_capacity(1 << 16, source.open()?);
        Ok(Self { source, reader, buffer: Vec::new(), number: 0 })
    }

    /// The next line without its end, or `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.buffer.clear();
        self.number += 1;
        let mut bounded = (&mut self.reader).take(BLOCK as u64);
        bounded.read_until(b'\n', &mut self.buffer).map_err(|e| self.source.io_error(e))?;
        if self.buffer.len() == BLOCK && self.buffer.last() != Some(&b'\n') {
            return Err(self.error(format!("more than {BLOCK} bytes on one line; expected shorter lines")));
        }
        Ok((!self.buffer.is_empty()).then(|| self.buffer.trim_ascii()))
    }

    /// The line that was read last.
    pub(crate) fn current(&self) -> &[u8] {
        self.buffer.trim_ascii()
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ReadError {
        self.source.malformed(Place::Line(self.number), problem)
    }
}
