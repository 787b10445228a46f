//! Buffers that outlive a call: an operator is applied hundreds of times, and fresh memory of the size of an image costs as much as its transform.

use std::sync::{Mutex, PoisonError};

/// Buffers of one length, lent and given back; as many as were ever needed at the same time.
#[derive(Debug)]
pub(super) struct Pool<T> {
    length: usize,
    free: Mutex<Vec<Vec<T>>>,
}

impl<T: Clone> Pool<T> {
    pub(super) fn new(length: usize) -> Self {
        Self { length, free: Mutex::new(Vec::new()) }
    }

    /// Calls `work` with a buffer whose contents do not matter; `blank` is what a new one is filled with.
    pub(super) fn with<R>(&self, blank: T, work: impl FnOnce(&mut [T]) -> R) -> R {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = free.unwrap_or_else(|| vec![blank; self.length]);
        let result = work(&mut buffer);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result
    }
}
