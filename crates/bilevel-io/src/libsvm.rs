//! LIBSVM (svmlight) text: `label index:value index:value … # comment`, one sample a line, indices from 1 and increasing.
//!
//! The file is read twice. The first pass checks everything and counts the nonzeros of each column; the second writes them straight to their
//! place in the compressed columns. So nothing but the final matrix and one block of text is ever in memory. A fingerprint of all entries, taken in
//! both passes, notices a file that changes in between.

use bilevel::data::{FeatureNames, RawData, RawTarget};
use bilevel::design::CscMatrix;

use crate::error::{Place, ReadError, quoted};
use crate::number;
use crate::options::{ReadOptions, TargetChoice};
use crate::scan::{BLOCK, Blocks, Piece};
use crate::source::Source;
use crate::storage::Storage;
use crate::target_file::read_target;

/// Reads a LIBSVM file with its values stored as `T`.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    let choice = options.target_choice(source, None)?;
    let mut counter = Counter::new(source, options.width());
    Scanner::<_, T>::new(source, &mut counter).run()?;
    let counts = counter.finish()?;
    let (n_rows, labelled, fingerprint) = (counts.n_rows, counts.labelled, counts.fingerprint);

    let mut filler = Filler::<T>::new(source, counts);
    Scanner::<_, T>::new(source, &mut filler).run().map_err(|e| filler.explain(e))?;
    let (matrix, labels) = filler.finish(fingerprint)?;

    let target = match choice {
        TargetChoice::Default if labelled => Some(RawTarget::Numbers(labels)),
        TargetChoice::Default if options.require_target => {
            return Err(source.mismatch(Place::Line(1), "no label; expected a number before the features"));
        }
        TargetChoice::File(path) => Some(read_target(&path, n_rows)?),
        TargetChoice::Default | TargetChoice::None | TargetChoice::Column(_) => None,
    };
    let feature_names = options.positional_names(FeatureNames::Counted { first: 1 });
    Ok(RawData { design: T::sparse(matrix), target, feature_names })
}

/// What a pass does with the samples it is shown.
trait Sink<T> {
    fn sample(&mut self, line: u64, label: Option<f64>) -> Result<(), ReadError>;
    /// `index` counts from 1; `value` may be zero.
    fn entry(&mut self, line: u64, index: usize, value: T) -> Result<(), ReadError>;
}

/// The grammar, shared by both passes.
struct Scanner<'s, 'a, S, T> {
    source: &'s Source<'a>,
    sink: &'s mut S,
    line: u64,
    in_sample: bool,
    in_comment: bool,
    last_index: u64,
    storage: std::marker::PhantomData<T>,
}

impl<'s, 'a, S: Sink<T>, T: Storage> Scanner<'s, 'a, S, T> {
    fn new(source: &'s Source<'a>, sink: &'s mut S) -> Self {
        let storage = std::marker::PhantomData;
        Self { source, sink, line: 1, in_sample: false, in_comment: false, last_index: 0, storage }
    }

    fn run(mut self) -> Result<(), ReadError> {
        let mut blocks = Blocks::open(self.source)?;
        loop {
            match blocks.next(|b| ends_token(b))? {
                Piece::Tokens(tokens) => self.piece(tokens)?,
                Piece::Unbroken(_) if self.in_comment => {}
                Piece::Unbroken(text) => {
                    let problem =
                        format!("a word of more than {BLOCK} bytes ({}); expected LIBSVM text", quoted(text));
                    return Err(self.error(problem));
                }
                Piece::End => return Ok(()),
            }
        }
    }

    fn piece(&mut self, text: &[u8]) -> Result<(), ReadError> {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if self.in_comment {
                let Some(end) = memchr::memchr(b'\n', &text[at..]) else { return Ok(()) };
                at += end;
                self.in_comment = false;
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' => at += 1,
                b'\n' => {
                    self.line += 1;
                    self.in_sample = false;
                    at += 1;
                }
                b'#' => self.in_comment = true,
                _ if self.in_sample => at = self.feature(text, at)?,
                _ => at = self.first_word(text, at)?,
            }
        }
        Ok(())
    }

    /// The label, or the first feature of a sample without label. Returns where the word ends.
    fn first_word(&mut self, text: &[u8], at: usize) -> Result<usize, ReadError> {
        let word = word(text, at);
        self.in_sample = true;
        self.last_index = 0;
        if word.contains(&b':') {
            self.sink.sample(self.line, None)?;
            return self.feature(text, at);
        }
        let label = number::parse(word)
            .map_err(|e| self.error(format!("{} as the label of the sample", e.problem(word))))?;
        self.sink.sample(self.line, Some(label))?;
        Ok(at + word.len())
    }

    #[inline]
    fn feature(&mut self, text: &[u8], start: usize) -> Result<usize, ReadError> {
        let mut at = start;
        let mut index = 0_u64;
        while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            index = index.saturating_mul(10).saturating_add(u64::from(digit));
            at += 1;
        }
        if at > start && text.get(at) == Some(&b':') {
            let (length, value) = number::prefix(&text[at + 1..]);
            let end = at + 1 + length;
            if let Some(value) = value
                && text.get(end).is_none_or(|&b| ends_token(b))
            {
                self.accept(index, value, &text[start..end])?;
                return Ok(end);
            }
        }
        self.unusual_feature(word(text, start))?;
        Ok(start + word(text, start).len())
    }

    #[inline]
    fn accept(&mut self, index: u64, value: f64, word: &[u8]) -> Result<(), ReadError> {
        if index <= self.last_index {
            return Err(self.error(match index {
                0 => "feature index 0; LIBSVM indices start at 1".to_string(),
                _ if index == self.last_index => {
                    format!("feature index {index} stands twice; LIBSVM indices must increase within a line")
                }
                _ => format!(
                    "feature index {index} follows {}; LIBSVM indices must increase within a line",
                    self.last_index
                ),
            }));
        }
        self.last_index = index;
        let stored = T::from_f64(value);
        if !stored.to_f64().is_finite() {
            return Err(self.error(format!(
                "found {}, {}",
                quoted(word),
                crate::storage::TOO_LARGE_FOR_SINGLE
            )));
        }
        self.sink.entry(self.line, usize::try_from(index).unwrap_or(usize::MAX), stored)
    }

    /// A number off the fast path, or a word that is no feature.
    #[cold]
    fn unusual_feature(&mut self, word: &[u8]) -> Result<(), ReadError> {
        let expected = "expected index:value";
        let Some(colon) = memchr::memchr(b':', word) else {
            return Err(self.error(format!("found {}; {expected}", quoted(word))));
        };
        let (index, value) = (&word[..colon], &word[colon + 1..]);
        if index == b"qid" {
            return Err(
                self.error("found a query id (`qid:`); ranking data cannot be read, expected index:value")
            );
        }
        if index.is_empty() || !index.iter().all(u8::is_ascii_digit) {
            let found = quoted(word);
            return Err(
                self.error(format!("found {found}; expected index:value with a whole number as index"))
            );
        }
        let number =
            index.iter().fold(0_u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')));
        let value = number::parse(value)
            .map_err(|e| self.error(format!("{} as the value of feature {number}", e.problem(value))))?;
        self.accept(number, value, word)
    }

    fn error(&self, problem: impl Into<String>) -> ReadError {
        self.source.malformed(Place::Line(self.line), problem)
    }
}

#[inline]
fn ends_token(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'#')
}

fn word(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at..];
    &rest[..rest.iter().position(|&b| ends_token(b)).unwrap_or(rest.len())]
}

/// What the first pass learned.
struct Counts {
    /// `starts[index]` is the number of nonzeros of the column with this index (from 1).
    starts: Vec<usize>,
    n_rows: usize,
    labelled: bool,
    fingerprint: Fingerprint,
}

/// First pass: the size of everything.
struct Counter<'s, 'a> {
    source: &'s Source<'a>,
    width: Option<usize>,
    counts: Counts,
}

impl<'s, 'a> Counter<'s, 'a> {
    fn new(source: &'s Source<'a>, width: Option<usize>) -> Self {
        let starts = vec![0; width.unwrap_or(0) + 1];
        let counts = Counts { starts, n_rows: 0, labelled: false, fingerprint: Fingerprint(0) };
        Self { source, width, counts }
    }

    #[cold]
    fn widen(&mut self, line: u64, index: usize) -> Result<(), ReadError> {
        if let Some(width) = self.width {
            let problem = format!("feature index {index}; expected at most {width} features");
            return Err(self.source.mismatch(Place::Line(line), problem));
        }
        let limit = self.source.dimension_limit().min(u64::from(u32::MAX));
        if index as u64 > limit {
            let problem = format!("feature index {index}; expected at most {limit} for a file of this size");
            return Err(self.source.malformed(Place::Line(line), problem));
        }
        self.counts.starts.resize(index + 1, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<Counts, ReadError> {
        if self.counts.n_rows == 0 {
            return Err(self
                .source
                .malformed(Place::Line(1), "no samples; expected a label and features on each line"));
        }
        if self.counts.starts.len() == 1 {
            return Err(self
                .source
                .malformed(Place::Line(1), "no features on any line; expected index:value"));
        }
        self.counts.starts.shrink_to_fit();
        Ok(self.counts)
    }
}

impl<T: Storage> Sink<T> for Counter<'_, '_> {
    fn sample(&mut self, line: u64, label: Option<f64>) -> Result<(), ReadError> {
        if self.counts.n_rows == 0 {
            self.counts.labelled = label.is_some();
        } else if self.counts.labelled != label.is_some() {
            let problem = match label {
                Some(_) => "a label; expected none, as on the lines before",
                None => "no label; expected a number, as on the lines before",
            };
            return Err(self.source.malformed(Place::Line(line), problem));
        }
        self.counts.n_rows += 1;
        if u32::try_from(self.counts.n_rows).is_err() {
            return Err(self.source.malformed(Place::Line(line), "sample 2^32; expected fewer samples"));
        }
        self.counts.fingerprint.add(u64::MAX, label.unwrap_or(0.0));
        Ok(())
    }

    #[inline]
    fn entry(&mut self, line: u64, index: usize, value: T) -> Result<(), ReadError> {
        if index >= self.counts.starts.len() {
            self.widen(line, index)?;
        }
        let value = value.to_f64();
        if value != 0.0 {
            self.counts.starts[index] += 1;
            self.counts.fingerprint.add(index as u64, value);
        }
        Ok(())
    }
}

/// Second pass: every nonzero to its place.
struct Filler<'s, 'a, T> {
    source: &'s Source<'a>,
    n_rows: usize,
    seen_rows: usize,
    /// `next[index]` is where the next nonzero of this column goes; once all are placed, where the following column begins.
    next: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<T>,
    labels: Vec<f64>,
    fingerprint: Fingerprint,
}

impl<'s, 'a, T: Storage> Filler<'s, 'a, T> {
    fn new(source: &'s Source<'a>, counts: Counts) -> Self {
        let mut next = counts.starts;
        let mut stored = 0;
        for count in &mut next {
            stored += std::mem::replace(count, stored);
        }
        Self {
            source,
            n_rows: counts.n_rows,
            seen_rows: 0,
            next,
            rows: vec![0; stored],
            values: vec![T::from_f64(0.0); stored],
            labels: Vec::with_capacity(counts.n_rows),
            fingerprint: Fingerprint(0),
        }
    }

    /// A file that was well formed in the first pass and is not in the second has changed.
    fn explain(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Malformed { .. } | ReadError::Mismatch { .. } => self.source.changed(),
            other => other,
        }
    }

    fn finish(self, fingerprint: Fingerprint) -> Result<(CscMatrix<T>, Vec<f64>), ReadError> {
        if self.fingerprint != fingerprint || self.seen_rows != self.n_rows {
            return Err(self.source.changed());
        }
        let matrix = CscMatrix::new(self.n_rows, self.next, self.rows, self.values)
            .map_err(|_| self.source.changed())?;
        Ok((matrix, self.labels))
    }
}

impl<T: Storage> Sink<T> for Filler<'_, '_, T> {
    fn sample(&mut self, _line: u64, label: Option<f64>) -> Result<(), ReadError> {
        if self.seen_rows == self.n_rows {
            return Err(self.source.changed());
        }
        self.seen_rows += 1;
        self.labels.extend(label);
        self.fingerprint.add(u64::MAX, label.unwrap_or(0.0));
        Ok(())
    }

    #[inline]
    fn entry(&mut self, _line: u64, index: usize, value: T) -> Result<(), ReadError> {
        if value.to_f64() == 0.0 {
            return Ok(());
        }
        self.fingerprint.add(index as u64, value.to_f64());
        let place = self.next.get_mut(index).and_then(|next| {
            let place = *next;
            *next += 1;
            Some((self.rows.get_mut(place)?, self.values.get_mut(place)?))
        });
        let (Some((row, slot)), Ok(current)) = (place, u32::try_from(self.seen_rows - 1)) else {
            return Err(self.source.changed());
        };
        (*row, *slot) = (current, value);
        Ok(())
    }
}

/// A running hash of all that was read (multiply and rotate; it guards against accidents, not against malice).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint(u64);

impl Fingerprint {
    #[inline]
    fn add(&mut self, index: u64, value: f64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15; // 2⁶⁴ divided by the golden ratio
        self.0 = (self.0.rotate_left(23) ^ value.to_bits() ^ index.wrapping_mul(ODD)).wrapping_mul(ODD);
    }
}
