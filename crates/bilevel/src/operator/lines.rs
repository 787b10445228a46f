//! Transforms along every axis of a grid, one axis at a time, by all threads.
//!
//! A line along any but the last axis is scattered in memory. So each step first turns the array, block by block through the cache, such that the axis it
//! works on lies contiguous, and transforms the lines of a block while they are there. No step needs more than the array that it reads and the one that it
//! writes, and no two threads write into one block.

use rayon::prelude::*;

/// Arrays below this length are transformed by one thread: threads cost some microseconds to wake.
const WORTH_THREADS: usize = 1 << 13;

/// Lines that are gathered together: eight doubles are a cache line.
const BLOCK: usize = 8;

/// So many matrices keep all threads busy, each with its own.
const MANY_MATRICES: usize = 16;

/// `work(scratch, number of the chunk, chunk)` for all chunks of `length` elements.
pub(super) fn for_each_chunk<T: Send, S>(
    out: &mut [T],
    length: usize,
    scratch: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, usize, &mut [T]) + Sync + Send,
) {
    if out.len() < WORTH_THREADS {
        let mut scratch = scratch();
        out.chunks_mut(length).enumerate().for_each(|(k, chunk)| work(&mut scratch, k, chunk));
    } else {
        out.par_chunks_mut(length)
            .enumerate()
            .for_each_init(scratch, |scratch, (k, chunk)| work(scratch, k, chunk));
    }
}

/// How many rows of a length make a chunk that is worth a task.
pub(super) fn rows_per_chunk(row: usize) -> usize {
    (2048 / row.max(1)).max(BLOCK)
}

/// `work(number of the row, row)` for all rows of a length.
pub(super) fn for_each_row<T: Send>(
    out: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    let at_once = rows_per_chunk(length);
    for_each_chunk(
        out,
        at_once * length,
        || (),
        |(), chunk, out| {
            out.chunks_exact_mut(length).enumerate().for_each(|(k, row)| work(chunk * at_once + k, row));
        },
    );
}

/// The same number of matrices one after another, each to be transposed; then there are lines of a length to transform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// How many matrices.
    pub(super) batch: usize,
    /// Rows of each, before.
    pub(super) rows: usize,
    /// Columns of each, before.
    pub(super) columns: usize,
    /// Length of the lines, a divisor of `rows`.
    pub(super) line: usize,
}

impl Turn {
    /// Transposes `input` into `out` and calls `transform(scratch, where the line begins in out, line)` for each line.
    pub(super) fn run<T: Copy + Send + Sync, S>(
        self,
        input: &[T],
        out: &mut [T],
        scratch: impl Fn() -> S + Sync + Send,
        transform: impl Fn(&mut S, usize, &mut [T]) + Sync + Send,
    ) {
        let Self { batch, rows, columns, line } = self;
        debug_assert_eq!((input.len(), out.len()), (batch * rows * columns, batch * rows * columns));
        // Blocks of the last columns of a matrix are smaller, so a block is found by walking through matrices first.
        let turn_matrix = |scratch: &mut S, matrix: usize, block: usize, out: &mut [T]| {
            let input = &input[matrix * rows * columns..(matrix + 1) * rows * columns];
            for start in (0..rows).step_by(line) {
                gather(
                    &input[start * columns..(start + line) * columns],
                    columns,
                    block * BLOCK,
                    &mut out[start..],
                    rows,
                );
                for (j, row) in out.chunks_mut(rows).enumerate() {
                    let offset = (matrix * columns + block * BLOCK + j) * rows + start;
                    transform(scratch, offset, &mut row[start..start + line]);
                }
            }
        };
        if batch < MANY_MATRICES {
            out.chunks_mut(rows * columns).enumerate().for_each(|(matrix, out)| {
                for_each_chunk(out, BLOCK * rows, &scratch, |s, block, out| {
                    turn_matrix(s, matrix, block, out)
                });
            });
        } else {
            for_each_chunk(out, rows * columns, &scratch, |s, matrix, out| {
                out.chunks_mut(BLOCK * rows)
                    .enumerate()
                    .for_each(|(block, out)| turn_matrix(s, matrix, block, out));
            });
        }
    }
}

/// out[j·stride + i] = input[i·columns + first + j] for all rows i of the input and as many columns j ≤ [`BLOCK`] as there are from `first` on.
pub(super) fn gather<T: Copy>(input: &[T], columns: usize, first: usize, out: &mut [T], stride: usize) {
    let n = BLOCK.min(columns - first);
    for (i, row) in input.chunks_exact(columns).enumerate() {
        for (j, &value) in row[first..first + n].iter().enumerate() {
            out[j * stride + i] = value;
        }
    }
}

/// How many lines [`gather`] takes at once.
pub(super) const fn block() -> usize {
    BLOCK
}
