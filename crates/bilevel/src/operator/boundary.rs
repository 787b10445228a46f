//! What lies beyond the edge of an image.

use serde::{Deserialize, Serialize};

/// How samples beyond the edge are continued from those inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// c d | a b c d | a b: the image repeats. Convolutions are diagonal in the discrete Fourier transform.
    Periodic,
    /// b a | a b c d | d c: the image is mirrored at the edge, and its first and last samples come twice (half-sample symmetry). Convolutions with kernels
    /// that are symmetric in each axis are diagonal in the discrete cosine transform DCT-II.
    Reflective,
    /// 0 0 | a b c d | 0 0: nothing is there.
    Zero,
}

impl Boundary {
    /// Every boundary, for those who try them all.
    pub const ALL: [Self; 3] = [Self::Periodic, Self::Reflective, Self::Zero];

    /// The sample, of n ≥ 1 along an axis, whose value stands at position `i`; `None` where there is zero.
    ///
    /// ```
    /// use bilevel::operator::Boundary;
    /// assert_eq!(Boundary::Periodic.source(-1, 4), Some(3));
    /// assert_eq!(Boundary::Reflective.source(-1, 4), Some(0));
    /// assert_eq!(Boundary::Zero.source(-1, 4), None);
    /// ```
    pub fn source(self, i: isize, n: usize) -> Option<usize> {
        let (i, n) = (i as i64, n as i64);
        let source = match self {
            Self::Periodic => i.rem_euclid(n),
            Self::Reflective => {
                let within = i.rem_euclid(2 * n);
                within.min(2 * n - 1 - within)
            }
            Self::Zero if (0..n).contains(&i) => i,
            Self::Zero => return None,
        };
        usize::try_from(source).ok()
    }
}
