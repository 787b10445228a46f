//! The arrays of a matrix: its own, or memory that someone else owns (a NumPy array, say) and that is read where it lies.

use std::ops::Deref;
use std::sync::Arc;

use crate::{Error, Result};

/// Memory that a matrix shares with its owner. The owner is kept alive as long as the matrix, and no longer.
pub type SharedSlice<T> = Arc<dyn AsRef<[T]> + Send + Sync>;

/// SciPy's `int32` row indices as the `u32` that matrices take, without a copy.
///
/// # Errors
/// [`Error::InvalidData`] if an index is negative.
///
/// ```
/// use std::sync::Arc;
/// let indices = bilevel::design::unsigned_indices(Arc::new(vec![0_i32, 2, 1]))?;
/// assert_eq!((*indices).as_ref(), [0, 2, 1]);
/// assert!(bilevel::design::unsigned_indices(Arc::new(vec![0_i32, -1])).is_err());
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn unsigned_indices(indices: SharedSlice<i32>) -> Result<SharedSlice<u32>> {
    match (*indices).as_ref().iter().find(|i| **i < 0) {
        Some(negative) => Err(Error::data(
            "sparse design matrix, row indices",
            negative.to_string(),
            "indices that are not negative",
        )),
        None => Ok(Arc::new(Unsigned(indices))),
    }
}

/// Indices whose sign was checked.
struct Unsigned(SharedSlice<i32>);

impl AsRef<[u32]> for Unsigned {
    fn as_ref(&self) -> &[u32] {
        bytemuck::cast_slice((*self.0).as_ref())
    }
}

/// An array that a matrix owns or shares.
pub(super) enum Storage<T> {
    Owned(Vec<T>),
    Shared(View<T>),
}

/// The slice that an owner gave when it was asked for the first and only time.
///
/// What is checked when a matrix is made must be what its kernels read, so the owner is not asked again; that also spares them a call
/// through its table for each column.
#[derive(Clone)]
pub(super) struct View<T> {
    slice: *const [T],
    _owner: SharedSlice<T>,
}

impl<T> View<T> {
    fn get(&self) -> &[T] {
        // SAFETY: `slice` came from `as_ref` of the owner, which lives as long as `self`, in a place of its own, and is never borrowed
        // mutably meanwhile, because `self` holds one of its counts: a borrow of the owner, and so of the slice, may last that long.
        unsafe { &*self.slice }
    }
}

// SAFETY: a view is an owner that may be sent and shared, and a slice of it that is only read.
unsafe impl<T: Sync> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> From<Vec<T>> for Storage<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(values)
    }
}

impl<T> From<SharedSlice<T>> for Storage<T> {
    fn from(owner: SharedSlice<T>) -> Self {
        Self::Shared(View { slice: (*owner).as_ref(), _owner: owner })
    }
}

impl<T> Deref for Storage<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Shared(view) => view.get(),
        }
    }
}

impl<T: Clone> Clone for Storage<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(values) => Self::Owned(values.clone()),
            Self::Shared(view) => Self::Shared(view.clone()),
        }
    }
}

impl<T: PartialEq> PartialEq for Storage<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Storage<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}
