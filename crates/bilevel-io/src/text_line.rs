//! The line that a record of a table stands in.

use csv::ByteRecord;

/// Whether the first line ends in a carriage return and a line feed.
pub(crate) fn ends_lines_with_crlf(head: &[u8]) -> bool {
    memchr::memchr(b'\n', head).is_some_and(|end| end > 0 && head[end - 1] == b'\r')
}

/// The line, counted from 1. The reader takes a record to end at its carriage return: the line feed after it is counted with the next record,
/// after that record's position was noted.
pub(crate) fn line_of(record: &ByteRecord, crlf: bool) -> u64 {
    record.position().map_or(1, |at| at.line() + u64::from(crlf && at.byte() > 0))
}
