//! Held-out rows of A: the Krylov space is built on the others, and their predictions A_V V_k grow with it from products that are made anyway.

use faer::Mat;

use super::projected::Projected;
use crate::solver::Basis;
use crate::{Error, Result, kernel};

/// The held-out rows, and W = A_V V_k.
#[derive(Debug)]
pub(super) struct HoldOutRows {
    rows: Vec<usize>,
    data: Vec<f64>,
    predictions: Basis,
    /// WᵀW by columns up to the diagonal.
    gram: Vec<Vec<f64>>,
    /// Wᵀb_V.
    correlations: Vec<f64>,
    /// b_Vᵀb_V.
    square: f64,
}

impl HoldOutRows {
    /// Takes the rows out of `b`, where zeros stay.
    pub(super) fn take(rows: &[usize], b: &mut [f64]) -> Result<Self> {
        let mut data = Vec::with_capacity(rows.len());
        let mut taken = vec![false; b.len()];
        for &row in rows {
            match taken.get_mut(row) {
                Some(taken) if !*taken => *taken = true,
                Some(_) => return Err(Error::data("held-out rows", format!("row {row} twice"), "each once")),
                None => {
                    let expected = format!("numbers below {}", b.len());
                    return Err(Error::data("held-out rows", format!("row {row}"), expected));
                }
            }
            data.push(std::mem::take(&mut b[row]));
        }
        if rows.is_empty() || rows.len() == b.len() {
            let found = format!("{} of {} rows", rows.len(), b.len());
            return Err(Error::data("held-out rows", found, "at least one to hold out and one to train on"));
        }
        let square = kernel::dot(&data, &data);
        Ok(Self {
            rows: rows.to_vec(),
            data,
            predictions: Basis::default(),
            gram: Vec::new(),
            correlations: Vec::new(),
            square,
        })
    }

    /// Number of rows held out.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes the held-out entries of A v out of the image.
    pub(super) fn push(&mut self, image: &mut [f64]) {
        let prediction: Vec<f64> = self.rows.iter().map(|&row| std::mem::take(&mut image[row])).collect();
        self.correlations.push(kernel::dot(&prediction, &self.data));
        self.predictions.push(&prediction);
        self.gram.push(self.predictions.products(&prediction));
    }

    /// The quadratic ½‖W Q z − b_V‖² in the singular coordinates z.
    pub(super) fn quadratic(&self, projected: &Projected) -> HeldOutQuadratic {
        let k = projected.sigma.len();
        let gram = Mat::from_fn(k, k, |i, j| if i <= j { self.gram[j][i] } else { self.gram[i][j] });
        HeldOutQuadratic {
            gram: projected.rotate_gram(&gram),
            correlations: projected.rotate_back(&self.correlations[..k]),
            square: self.square,
            count: self.len() as f64,
        }
    }
}

/// (1/2n_V)‖A_V x − b_V‖² over the space.
#[derive(Debug)]
pub(super) struct HeldOutQuadratic {
    gram: Mat<f64>,
    correlations: Vec<f64>,
    square: f64,
    count: f64,
}

impl HeldOutQuadratic {
    /// The value at z, and its derivative along −`minus_direction`.
    pub(super) fn value(&self, z: &[f64], minus_direction: &[f64]) -> (f64, f64) {
        let mut image = vec![0.0; z.len()];
        for (j, z) in z.iter().enumerate() {
            kernel::axpy(*z, self.gram.col_as_slice(j), &mut image);
        }
        let dot = kernel::dot::<f64>;
        let value = dot(&image, z) - 2.0 * dot(&self.correlations, z) + self.square;
        let slope = dot(&self.correlations, minus_direction) - dot(&image, minus_direction);
        (0.5 * value.max(0.0) / self.count, slope / self.count)
    }
}
