//! Hints to the processor that an address will be read soon.
//!
//! A column that streams from memory while the vector beside it comes from a cache beyond the first keeps the processor's own prefetchers
//! from running ahead: sparse columns reached a quarter of the memory's bandwidth, dense ones of single precision a fifth.

/// How far ahead of a dense column, in bytes: a page, so that its address is translated in time as well.
pub(super) const FAR: usize = 4096;
/// How far ahead of a vector that lies in a cache, in bytes.
pub(super) const NEAR: usize = 512;
/// What one hint fetches, in bytes.
pub(super) const LINE: usize = 64;

/// Hints at the element `ahead` places after the first of a slice, which may lie beyond its end.
#[inline(always)]
pub(super) fn prefetch<T>(slice: &[T], ahead: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint reads nothing that the program could see and faults at no address; every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(slice.as_ptr().wrapping_add(ahead).cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (slice, ahead);
}
