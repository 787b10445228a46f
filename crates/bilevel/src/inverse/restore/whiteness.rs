//! Does the residual look like white noise? Where it does, nothing of the image is left in it.
//!
//! The autocorrelation c(d) = Σ r(p) r(p + d)/Σ r(p)² of white noise lies within ±1.96/√(pairs) for 95 % of the shifts d.

/// Shifts up to this many pixels are looked at.
const REACH: usize = 8;
/// The 97.5 % quantile of a standard normal.
const TWO_SIDED: f64 = 1.959_963_984_540_054;

/// Autocorrelation of a residual.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Whiteness {
    /// c at shifts (rows, columns), rows from 0 to 8, columns from −8 to 8, row by row: half of a symmetric whole.
    pub autocorrelation: Vec<f64>,
    /// Largest shift, 8 or less for small images.
    pub reach: usize,
    /// 1.96/√n: what white noise stays within at 95 % of the shifts.
    pub band: f64,
    /// Fraction of the shifts (other than none) that stay within.
    pub within: f64,
}

impl Whiteness {
    /// Of a residual of `shape` (rows, columns), looking at pixels that were seen.
    pub fn of(residual: &[f64], shape: (usize, usize), seen: Option<&[bool]>) -> Self {
        let (height, width) = shape;
        let count = seen.map_or(residual.len(), |seen| seen.iter().filter(|s| **s).count()).max(1) as f64;
        let mean = residual.iter().sum::<f64>() / count;
        let is_seen = |i: usize| seen.is_none_or(|seen| seen.get(i).copied().unwrap_or(false));
        let centred: Vec<f64> =
            residual.iter().enumerate().map(|(i, r)| if is_seen(i) { r - mean } else { 0.0 }).collect();
        let square = crate::kernel::dot(&centred, &centred);
        let reach = REACH.min(height.saturating_sub(1)).min(width.saturating_sub(1));
        let mut autocorrelation = Vec::with_capacity((reach + 1) * (2 * reach + 1));
        for down in 0..=reach {
            for across in 0..=2 * reach {
                // Columns [from, from + length) of one row meet those shifted by across − reach of a row further down.
                let (from, to) = (reach.saturating_sub(across), across.saturating_sub(reach));
                let length = width - from.max(to);
                let line =
                    |row: usize, start: usize| &centred[row * width + start..row * width + start + length];
                let sum: f64 =
                    (0..height - down).map(|r| crate::kernel::dot(line(r, from), line(r + down, to))).sum();
                autocorrelation.push(if square > 0.0 { sum / square } else { 0.0 });
            }
        }
        let band = TWO_SIDED / count.sqrt();
        // Shifts (0, −d) are those of (0, d) again.
        let others = autocorrelation.get(reach + 1..).unwrap_or_default();
        let inside = others.iter().filter(|c| c.abs() <= band).count();
        let within = if others.is_empty() { 1.0 } else { inside as f64 / others.len() as f64 };
        Self { autocorrelation, reach, band, within }
    }

    /// c at shifts along a row (0, 1, …), then along a column.
    pub fn along_axes(&self) -> (Vec<f64>, Vec<f64>) {
        let width = 2 * self.reach + 1;
        let at = |down: usize, across: usize| {
            self.autocorrelation.get(down * width + self.reach + across).copied()
        };
        let row = (0..=self.reach).filter_map(|d| at(0, d)).collect();
        let column = (0..=self.reach).filter_map(|d| at(d, 0)).collect();
        (row, column)
    }
}

#[cfg(test)]
mod tests {
    use super::Whiteness;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    fn noise(n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    #[test]
    fn white_noise_stays_within_the_band_at_95_percent_of_the_shifts() {
        let white = Whiteness::of(&noise(100 * 120), (100, 120), None);
        assert!((white.within - 0.95).abs() < 0.05, "{}", white.within);
        assert!((white.autocorrelation[white.reach] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_running_mean_of_two_is_told_by_its_neighbours() {
        let white = noise(101 * 120);
        let mixed: Vec<f64> = (0..100 * 120).map(|i| white[i] + white[i + 120]).collect();
        let (row, column) = Whiteness::of(&mixed, (100, 120), None).along_axes();
        assert!((column[1] - 0.5).abs() < 0.05 && row[1].abs() < 0.05, "{column:?} {row:?}");
    }

    #[test]
    fn a_single_pixel_has_no_shifts() {
        assert_eq!(Whiteness::of(&[3.0], (1, 1), None).reach, 0);
    }
}
