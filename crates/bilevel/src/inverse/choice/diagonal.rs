//! The diagonal problem: what all criteria for one λ see of A, L and b, after a reduction that makes AᵀA and LᵀL diagonal together.
//!
//! With gains g_i of AᵀA, penalties l_i of LᵀL and data coefficients β_i = u_iᵀb, a solution keeps the part
//!
//! ```text
//! f_i = g_i / (g_i + λ l_i),      x = Σ f_i (β_i/a_i) v_i,      residual: (1 − f_i) β_i, and what of b lies outside the range of A
//! ```
//!
//! of every component, so that every criterion and its derivatives in log λ are sums over the components. An SVD, a generalized SVD, a Fourier or
//! a cosine transform all end here.

use rayon::prelude::*;

use super::Jet;
use crate::{Error, Result};

/// Components that a thread sums at once: fixed, so that the digits do not depend on the number of threads.
const CHUNK: usize = 1 << 14;
/// Width in log(g/l) of the classes of [`DiagonalProblem::condensed`]: a filter takes several units of it from one end to the other.
const CLASS: f64 = 0.05;
/// Problems up to this size are not condensed.
const SMALL: usize = 1 << 13;

/// One component of a diagonal problem, or several with the same g and l.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// g ≥ 0, the eigenvalue of AᵀA (the squared singular value).
    pub gain: f64,
    /// l ≥ 0, the eigenvalue of LᵀL; 0 for what the penalty leaves free.
    pub penalty: f64,
    /// |u_iᵀb|², summed over the multiplicity.
    pub energy: f64,
    /// How many real components this stands for.
    pub multiplicity: f64,
    /// ‖v_i‖² in the norm in which errors of x are measured: 1 where the v_i are orthonormal; l where they are not, for the norm ‖Lx‖.
    pub norm: f64,
}

/// A component as it is summed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub gain: f64,
    pub penalty: f64,
    pub energy: f64,
    pub multiplicity: f64,
    /// Energy and multiplicity in the norm of x.
    pub norm_energy: f64,
    pub norm_multiplicity: f64,
}

const NUMBERS: &str = "finite numbers that are not negative";

impl Line {
    /// Component `i`, counted from 0.
    fn new(i: usize, c: &Component) -> Result<Self> {
        let numbers = [c.gain, c.penalty, c.energy, c.multiplicity, c.norm];
        if !numbers.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(Error::data(format!("component {}", i + 1), format!("{c:?}"), NUMBERS));
        }
        if c.gain == 0.0 && c.penalty == 0.0 {
            return Err(null_space(format!("component {} of both is zero", i + 1)));
        }
        Ok(Self {
            gain: c.gain,
            penalty: c.penalty,
            energy: c.energy,
            multiplicity: c.multiplicity,
            norm_energy: c.norm * c.energy,
            norm_multiplicity: c.norm * c.multiplicity,
        })
    }
}

/// A Tikhonov problem in coordinates in which it is diagonal.
#[derive(Debug, Clone)]
pub struct DiagonalProblem {
    pub(super) lines: Vec<Line>,
    /// Σ multiplicity.
    pub(super) seen: f64,
    pub(super) outside: f64,
    pub(super) n_data: f64,
}

/// f, 1 − f and h = 1/(g + λl) of one component, with derivatives in log λ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter<const N: usize> {
    pub kept: Jet<N>,
    pub lost: Jet<N>,
    pub inverse: Jet<N>,
}

impl<const N: usize> Filter<N> {
    /// f' = −f c, c' = f c and h' = −c h with c = 1 − f, and what follows for higher derivatives.
    #[inline]
    pub fn new(line: &Line, lambda: f64) -> Self {
        let h = 1.0 / (line.gain + lambda * line.penalty);
        let (f, c) = (line.gain * h, lambda * line.penalty * h);
        let slopes = [-c, -c * (f - c), -c * (1.0 - 6.0 * f * c)];
        let f_slopes: [f64; N] = std::array::from_fn(|k| if k == 0 { f } else { f * slopes[k - 1] });
        let c_slopes = std::array::from_fn(|k| if k == 0 { c } else { -f_slopes[k] });
        // h·(g + λl) = 1 and (λl)' = λl: h' = −c h, h'' = (c² − f c) h, h''' = −c(c² − 4fc + f²) h.
        let h_slopes = [1.0, -c, c * (c - f), -c * (c * c - 4.0 * f * c + f * f)];
        Self {
            kept: Jet(f_slopes),
            lost: Jet(c_slopes),
            inverse: Jet(std::array::from_fn(|k| h * h_slopes[k])),
        }
    }
}

impl DiagonalProblem {
    /// From components, the squared norm of the part of b outside the range of A, and the length of b.
    ///
    /// ```
    /// use bilevel::inverse::choice::{Component, DiagonalProblem};
    /// // A = 1, L = 1, b = 3: at λ = 2 a third of the data is kept.
    /// let one = Component { gain: 1.0, penalty: 1.0, energy: 9.0, multiplicity: 1.0, norm: 1.0 };
    /// let problem = DiagonalProblem::new(vec![one], 0.0, 1)?;
    /// assert!((problem.degrees_of_freedom(2.0) - 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidData`] if there is no component, a number is negative or not finite, the penalty or the operator vanishes, or both vanish on
    /// one component: there the solution would not be determined; if A and L are so far apart in scale that no λ can weigh them, or A sees more
    /// components than there are data.
    pub fn new(components: impl IntoIterator<Item = Component>, outside: f64, n_data: usize) -> Result<Self> {
        if !(outside.is_finite() && outside >= 0.0) {
            return Err(Error::data(
                "squared norm of b outside the range of A",
                outside.to_string(),
                NUMBERS,
            ));
        }
        let lines: Vec<Line> =
            components.into_iter().enumerate().map(|(i, c)| Line::new(i, &c)).collect::<Result<_>>()?;
        if !lines.iter().any(|line| line.gain > 0.0 && line.penalty > 0.0) {
            let found = "no direction that both see";
            return Err(Error::data(
                "A and L",
                found,
                "a direction in which λ weighs the data against the penalty",
            ));
        }
        let seen = lines.iter().map(|line| line.multiplicity).sum();
        let problem = Self { lines, seen, outside, n_data: n_data as f64 };
        problem.check_scale()?;
        Ok(problem)
    }

    /// Refuses scales whose ratio is no number, and more components in the range of A than b can have.
    fn check_scale(&self) -> Result<()> {
        let (least, most) = self.range();
        if !(least.is_normal() && most.is_finite()) {
            let found = format!("squared singular values {least:.1e} to {most:.1e} times as large");
            return Err(Error::data("A relative to L", found, "matrices of comparable scale"));
        }
        let seen: f64 = self.lines.iter().filter(|line| line.gain > 0.0).map(|line| line.multiplicity).sum();
        if seen > self.n_data * (1.0 + f64::EPSILON) {
            let expected = format!("at most {}, the length of b", self.n_data);
            return Err(Error::data("components that A sees", seen.to_string(), expected));
        }
        Ok(())
    }

    /// Refuses data that are all zero.
    pub(super) fn check_data(&self) -> Result<()> {
        if self.outside > 0.0 || self.lines.iter().any(|line| line.energy > 0.0) {
            return Ok(());
        }
        let expected = "a value other than 0: x = 0 is the solution for every λ";
        Err(Error::data("data b", "zeros only", expected))
    }

    /// n − df, summed without cancellation.
    pub(super) fn freedom_left(&self, lambda: f64) -> f64 {
        let [lost] = self.sums(lambda, |line, f: &Filter<1>| [f.lost.scaled(line.multiplicity)]);
        (lost.value() + (self.n_data - self.seen)).max(0.0)
    }

    /// Number of components.
    pub fn n_components(&self) -> usize {
        self.lines.len()
    }

    /// The length of b.
    pub fn n_data(&self) -> usize {
        self.n_data as usize
    }

    /// f_i for each component; for λ = ∞ too, where only what the penalty leaves free is kept.
    pub fn filters(&self, lambda: f64) -> Vec<f64> {
        let kept = |line: &Line| match line.penalty {
            0.0 => 1.0,
            penalty => line.gain / (line.gain + lambda * penalty),
        };
        self.lines.iter().map(kept).collect()
    }

    /// tr ∂(Ax)/∂b = Σ f_i: what the solution uses up of the data.
    pub fn degrees_of_freedom(&self, lambda: f64) -> f64 {
        let [sum] = self.sums(lambda, |line, f: &Filter<1>| [f.kept.scaled(line.multiplicity)]);
        sum.value()
    }

    /// ‖Ax − b‖.
    pub fn residual_norm(&self, lambda: f64) -> f64 {
        let [sum] = self.sums(lambda, |line, f: &Filter<1>| [(f.lost * f.lost).scaled(line.energy)]);
        (self.outside + sum.value()).sqrt()
    }

    /// ‖Lx‖.
    pub fn penalty_norm(&self, lambda: f64) -> f64 {
        let [sum] = self
            .sums(lambda, |line, f: &Filter<1>| [(f.kept * f.inverse).scaled(line.penalty * line.energy)]);
        sum.value().sqrt()
    }

    /// The λ's between which a solution changes: the smallest and the largest g/l of the components that λ moves, the smallest not below what
    /// rounding leaves of the largest, (16ε)².
    pub fn range(&self) -> (f64, f64) {
        let moved = self.lines.iter().filter(|line| line.gain > 0.0 && line.penalty > 0.0);
        let ratios = moved.map(|line| line.gain / line.penalty);
        let (least, most) = ratios.fold((f64::INFINITY, 0.0_f64), |(a, b), r| (a.min(r), b.max(r)));
        let floor = (16.0 * f64::EPSILON).powi(2) * most;
        (least.max(floor).min(most), most)
    }

    /// The largest g over the norm of its component: the scale of what noise is amplified by.
    pub(super) fn largest_gain(&self) -> f64 {
        let lines = self.lines.iter().filter(|line| line.norm_multiplicity > 0.0);
        lines.map(|line| line.gain * line.multiplicity / line.norm_multiplicity).fold(0.0, f64::max)
    }

    /// K sums over the components, with derivatives.
    pub(super) fn sums<const N: usize, const K: usize>(
        &self,
        lambda: f64,
        term: impl Fn(&Line, &Filter<N>) -> [Jet<N>; K] + Sync,
    ) -> [Jet<N>; K] {
        let zero = [Jet::constant(0.0); K];
        let add = |total: [Jet<N>; K], part: [Jet<N>; K]| std::array::from_fn(|k| total[k] + part[k]);
        let of_chunk = |lines: &[Line]| {
            lines.iter().fold(zero, |total, line| add(total, term(line, &Filter::new(line, lambda))))
        };
        if self.lines.len() <= CHUNK {
            return of_chunk(&self.lines);
        }
        let parts: Vec<[Jet<N>; K]> = self.lines.par_chunks(CHUNK).map(of_chunk).collect();
        parts.into_iter().fold(zero, add)
    }

    /// A small problem with nearly the same criteria: components whose g/l agree within 5 % are put together. For a scan of the range, whose
    /// minima are then refined on the full problem. `None` if the problem is small.
    pub(super) fn condensed(&self) -> Option<Self> {
        if self.lines.len() <= SMALL {
            return None;
        }
        let (least, most) = self.range();
        let class = |ratio: f64| ((ratio.max(least) / least).ln() / CLASS) as usize;
        let mut classes = vec![[0.0_f64; 5]; class(most) + 1];
        let mut lines = Vec::new();
        for line in &self.lines {
            if line.penalty == 0.0 || line.gain == 0.0 {
                lines.push(*line);
                continue;
            }
            let ratio = line.gain / line.penalty;
            let share = [
                line.energy,
                line.multiplicity,
                line.norm_energy / line.penalty,
                line.norm_multiplicity / line.penalty,
                line.multiplicity * ratio.max(least * 1e-3).ln(),
            ];
            classes[class(ratio)].iter_mut().zip(share).for_each(|(sum, s)| *sum += s);
        }
        let filled = classes.into_iter().filter(|c| c[1] > 0.0);
        lines.extend(filled.map(|[energy, multiplicity, norm_energy, norm_multiplicity, log]| Line {
            gain: (log / multiplicity).exp(),
            penalty: 1.0,
            energy,
            multiplicity,
            norm_energy,
            norm_multiplicity,
        }));
        Some(Self { lines, seen: self.seen, outside: self.outside, n_data: self.n_data })
    }
}

/// The sentence for a direction that neither A nor L sees.
pub(crate) fn null_space(found: String) -> Error {
    Error::data(
        "A and L together",
        format!("a direction that neither sees ({found})"),
        "an L whose null space A sees: otherwise x is not determined there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivatives_of_a_filter_are_differences_of_it() {
        let line = Line {
            gain: 0.7,
            penalty: 1.3,
            energy: 1.0,
            multiplicity: 1.0,
            norm_energy: 1.0,
            norm_multiplicity: 1.0,
        };
        let at = |t: f64| Filter::<4>::new(&line, t.exp());
        let (step, t) = (1e-5, -0.4);
        let (before, here, after) = (at(t - step), at(t), at(t + step));
        for k in 0..3 {
            for part in [|f: &Filter<4>| f.kept, |f: &Filter<4>| f.lost, |f: &Filter<4>| f.inverse] {
                let difference = (part(&after).0[k] - part(&before).0[k]) / (2.0 * step);
                approx::assert_abs_diff_eq!(part(&here).0[k + 1], difference, epsilon = 1e-9);
            }
        }
    }
}
