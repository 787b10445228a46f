//! Memory given back as soon as it is free.
//!
//! The GNU allocator raises the size from which it maps blocks by themselves whenever such a block is freed, up to 32 MB; from then on the solver's
//! working copies of a few megabytes come from its heaps, which keep what is freed in their middle. A fit on 20 MB of data grew to 100 MB that way, and
//! stays at 64 MB with the size fixed.

/// Blocks from this size on are mapped and unmapped by themselves: the allocator's initial value.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM: std::ffi::c_int = 128 * 1024;

/// Fixes the allocator's thresholds; `false` if it refused. To be called before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn return_freed_memory() -> bool {
    // SAFETY: `mallopt` takes two integers, touches nothing but the allocator's own parameters, and both of these are documented ones. It is
    // called first thing in `main`, before another thread could allocate.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, MAPPED_FROM) == 1
    }
}

/// Other allocators have no such habit.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn return_freed_memory() -> bool {
    true
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resident_kb() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn a_freed_block_leaves_the_process_even_under_one_that_stays() {
        assert!(return_freed_memory());
        // Without the fixed threshold the first free would raise it, and the second block would come from the heap, under `stays`.
        drop(std::hint::black_box(vec![1_u8; 16 << 20]));
        let before = resident_kb();
        let block = std::hint::black_box(vec![1_u8; 16 << 20]);
        let stays = std::hint::black_box(vec![1_u8; 64 << 10]);
        assert!(resident_kb() > before + 15_000);
        drop(block);
        assert!(resident_kb() < before + 4_000);
        drop(stays);
    }
}
