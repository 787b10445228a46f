//! What the memory can do: plain loops over arrays far beyond the cache, written without the library.

use std::hint::black_box;

use rayon::prelude::*;

use crate::{Bound, Case, Pools};

/// Elements of each array: as many bytes as a matrix has.
const LENGTH: usize = 1 << 23;
/// Elements summed side by side: independent additions, so that memory, not their latency, is what is waited for; in as many registers
/// as the oldest x86-64 has.
const LANES: usize = 16;

/// Reads by one, two and four streams, and the update y += s·x; each with one and two threads.
pub(crate) fn cases(pools: &Pools) -> Vec<Case> {
    let mut cases = Vec::new();
    for (threads, pool) in pools {
        for (streams, sum) in [(1, sum::<1, LANES> as fn(&[f64]) -> f64), (2, sum::<2, 8>), (4, sum::<4, 4>)]
        {
            let (pool, data) = (pool.clone(), vec![1.0; LENGTH]);
            cases.push(Case {
                row: (format!("reading, {streams} at a time"), None),
                storage: "f64",
                threads: *threads,
                bytes: 8 * LENGTH,
                bound: Bound::Read,
                run: Box::new(move || {
                    let parts = || data.par_chunks(LENGTH / pool.current_num_threads());
                    black_box(pool.install(|| parts().map(sum).sum::<f64>()));
                }),
            });
        }
        let (pool, x, mut y) = (pool.clone(), vec![1.0; LENGTH], vec![1.0; LENGTH]);
        cases.push(Case {
            row: ("updating, y += s·x".into(), None),
            storage: "f64",
            threads: *threads,
            bytes: 24 * LENGTH,
            bound: Bound::Update,
            run: Box::new(move || {
                let part = LENGTH / pool.current_num_threads();
                let update = |(y, x): (&mut [f64], &[f64])| {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y += 1e-9 * x);
                };
                pool.install(|| y.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(update));
            }),
        });
    }
    cases
}

/// The sum of all elements, read from `S` places at a time, `L` elements of each.
fn sum<const S: usize, const L: usize>(data: &[f64]) -> f64 {
    let part = data.len() / S;
    let places: [&[f64]; S] = std::array::from_fn(|s| &data[s * part..(s + 1) * part]);
    let mut lanes = [[0.0; L]; S];
    for start in (0..part - part % L).step_by(L) {
        for (place, lanes) in places.iter().zip(&mut lanes) {
            lanes.iter_mut().zip(&place[start..start + L]).for_each(|(lane, x)| *lane += x);
        }
    }
    lanes.iter().flatten().sum()
}
