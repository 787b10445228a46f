//! The forward derivative of a solution: how coefficients and intercept move with the hyperparameters.
//!
//! On the active blocks F the optimality condition ∇F(y) + λ_g∇ρ(y_g) + αy_g = 0 can be differentiated along (dλ, dα):
//!
//! ```text
//! H_FF ẏ_F = −(Σ_g dλ_g ∇ρ(y_g) + dα y_F),      ċ = −(hᵀA_F ẏ_F)/Σh
//! ```
//!
//! with H the Hessian that adjoints are solved with (`system.rs`), the intercept profiled out. For ℓ1 with λ_j = λw_j that is
//! (∂y/∂λ)_S = −H_SS⁻¹(σ∘w)_S. Biactive blocks are held at zero: on a kink this is the derivative towards the side on which they stay there.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};
use crate::outer::Accuracy;
use crate::penalty::Penalty;
use crate::{Error, Result};

use super::directional::Direction;
use super::implicit::Context;
use super::partition::{BlockState, Partition};
use super::solve::Solver;
use super::system::System;
use super::{BiactivePolicy, Selection};

/// A residual, relative to the right side, with which a derivative is still one.
const LARGEST_RESIDUAL: f64 = 1e-6;

/// How a solution moves along a direction of the hyperparameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tangent {
    /// (coefficient, its derivative), increasing; all others stay zero.
    pub coefficients: Vec<(u32, f64)>,
    /// Derivative of the intercept.
    pub intercept: f64,
}

impl<D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'_, D, L, P> {
    /// The derivative of the solution along `direction`, the biactive blocks held at zero. Where the columns of the support depend on each other
    /// linearly, it is the one of smallest norm.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::hypergradient::Direction;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
    /// use bilevel::outer::Accuracy;
    /// use bilevel::penalty::L1;
    ///
    /// // y* = (2·3 − λ)/4 for the column (2): it falls by 1/4 for each unit of λ.
    /// let design = DenseMatrix::new(1, 1, vec![2.0])?;
    /// let penalty = L1::new(1);
    /// let problem = SparseGlm::new(&design, &[3.0], &[1.0], Squared, &penalty, false)?;
    /// let at = Hyperparameters { lambda: vec![1.0], ridge: 0.0 };
    /// let solution = problem.solve(&at, None, Accuracy::TIGHT)?;
    /// let tangent = problem.tangent(&at, &solution, Direction { lambda: &[(0, 1.0)], ridge: 0.0 })?;
    /// assert!((tangent.coefficients[0].1 + 0.25).abs() < 1e-12);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::AdjointSolve`] if the reduced Hessian cannot be solved with; [`Error::InvalidData`] for hyperparameters, a solution or a direction
    /// that do not belong to the problem.
    pub fn tangent(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        direction: Direction<'_>,
    ) -> Result<Tangent> {
        let zeros = vec![0.0; self.design.n_rows()];
        let upper = UpperGradient { predictor: &zeros, curvature: &zeros, warm_start: &[] };
        self.check(hyperparameters)?;
        self.check_lengths(solution, &upper)?;
        direction.check(self.n_weights())?;
        let selection = Selection::from(BiactivePolicy::Null);
        let partition = Partition::new(self, hyperparameters, solution, selection);
        let curvatures = self.curvatures(&solution.predictor);
        let context = Context {
            problem: self,
            hyperparameters,
            solution,
            upper: &upper,
            curvatures: &curvatures,
            accuracy: Accuracy::TIGHT,
        };
        let active = context.moving(partition.blocks_in(BlockState::Active).collect());
        let system = System::new(&context, &active, &[]);
        let mut right = vec![0.0; system.columns.len()];
        system.each_active(&context, |g, range, block, rho| {
            let weight = direction.of_block(u32::try_from(g).unwrap_or(u32::MAX));
            for ((r, y), slope) in right[range].iter_mut().zip(block).zip(rho) {
                *r = -weight * slope - direction.ridge * y;
            }
        });
        let solve = Solver::new(&system, &context).solve(&right, &[]);
        let norm = crate::kernel::dot(&right, &right).sqrt();
        if solve.residual.is_nan() || solve.residual > LARGEST_RESIDUAL * norm {
            let reason = format!("a relative residual of {:.1e}", solve.residual / norm);
            return Err(Error::AdjointSolve { size: right.len(), reason });
        }
        let mut coefficients: Vec<(u32, f64)> = system.features.iter().copied().zip(solve.q).collect();
        coefficients.sort_unstable_by_key(|entry| entry.0);
        let shift = |&(j, d): &(u32, f64)| d * self.design.column_dot(j as usize, &curvatures);
        let total: f64 = curvatures.iter().sum();
        let intercept = if self.intercept && total > 0.0 {
            -coefficients.iter().map(shift).sum::<f64>() / total
        } else {
            0.0
        };
        Ok(Tangent { coefficients, intercept })
    }
}
