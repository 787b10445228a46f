//! Which wavelet: a family and an order, written as in PyWavelets (`haar`, `db4`, `sym8`, `coif3`).

use std::fmt;
use std::str::FromStr;

use super::filters;
use crate::{Error, Result};

/// A family of orthogonal wavelets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Extremal phase; orders 1 (Haar) to 20, filters of length 2·order.
    Daubechies,
    /// Least asymmetric; orders 2 to 20, filters of length 2·order.
    Symlet,
    /// Vanishing moments of the scaling function too; orders 1 to 5, filters of length 6·order.
    Coiflet,
}

/// An orthogonal wavelet.
///
/// ```
/// use bilevel::operator::wavelet::{Family, Wavelet};
///
/// let wavelet: Wavelet = "db4".parse()?;
/// assert_eq!(wavelet, Wavelet::new(Family::Daubechies, 4)?);
/// assert_eq!((wavelet.to_string().as_str(), wavelet.scaling_filter().len()), ("db4", 8));
/// assert!("db21".parse::<Wavelet>().is_err());
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wavelet {
    family: Family,
    order: usize,
    filter: &'static [f64],
}

/// What a name must look like.
const NAMES: &str = "haar, db1 to db20, sym2 to sym20 or coif1 to coif5";

impl Wavelet {
    /// # Errors
    /// [`Error::InvalidSetting`] for an order that the family's table does not have.
    pub fn new(family: Family, order: usize) -> Result<Self> {
        let (orders, table) = filters::table(family);
        match order.checked_sub(*orders.start()).and_then(|index| table.get(index)) {
            Some(filter) => Ok(Self { family, order, filter }),
            None => Err(Error::setting("wavelet", format!("{}{order}", prefix(family)), NAMES)),
        }
    }

    /// The Haar wavelet, db1.
    pub fn haar() -> Self {
        Self { family: Family::Daubechies, order: 1, filter: filters::table(Family::Daubechies).1[0] }
    }

    /// h, with Σh = √2 and Σh² = 1: the reconstruction low-pass filter.
    pub fn scaling_filter(&self) -> &'static [f64] {
        self.filter
    }

    /// g_m = (−1)^m h_{L−1−m}: the reconstruction high-pass filter.
    pub fn wavelet_filter(&self) -> Vec<f64> {
        let signed = |(m, h): (usize, &f64)| if m % 2 == 0 { *h } else { -*h };
        self.filter.iter().rev().enumerate().map(signed).collect()
    }
}

fn prefix(family: Family) -> &'static str {
    match family {
        Family::Daubechies => "db",
        Family::Symlet => "sym",
        Family::Coiflet => "coif",
    }
}

impl fmt::Display for Wavelet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", prefix(self.family), self.order)
    }
}

impl FromStr for Wavelet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if name == "haar" {
            return Ok(Self::haar());
        }
        [Family::Daubechies, Family::Symlet, Family::Coiflet]
            .into_iter()
            .find_map(|family| Some((family, name.strip_prefix(prefix(family))?.parse().ok()?)))
            .map_or_else(
                || Err(Error::setting("wavelet", name, NAMES)),
                |(family, order)| Self::new(family, order),
            )
    }
}
