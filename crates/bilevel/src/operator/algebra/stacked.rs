//! Operators above each other, and along a diagonal.

use super::{add, common_size};
use crate::operator::pool::Pool;
use crate::operator::spectrum::{Basis, Modes, Spectral};
use crate::operator::{LinearOperator, Real};
use crate::{Error, Result};

/// [A_1; A_2; …], one above the other: several measurements of one image, or several penalties.
///
/// ```
/// use bilevel::operator::{Identity, LinearOperator, Stack};
/// let twice = Stack::new(vec![Identity::<f64>::new(1), Identity::new(1)])?;
/// assert_eq!(twice.apply(&[3.0])?, [3.0, 3.0]);
/// assert_eq!(twice.adjoint(&[1.0, 2.0])?, [3.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct Stack<A, T = f64> {
    blocks: Vec<A>,
    n_rows: usize,
    columns: Pool<T>,
    n_columns: usize,
}

impl<T: Real, A: LinearOperator<T>> Stack<A, T> {
    /// The blocks, from top to bottom; boxed (`Box<dyn LinearOperator>`) where they are of different kinds.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if there is none, or their numbers of columns differ.
    pub fn new(blocks: Vec<A>) -> Result<Self> {
        let n_columns = common_size("columns of stacked operators", &blocks, A::n_columns)?;
        let n_rows = blocks.iter().map(A::n_rows).sum();
        Ok(Self { blocks, n_rows, columns: Pool::new(n_columns), n_columns })
    }

    /// The blocks, from top to bottom.
    pub fn blocks(&self) -> &[A] {
        &self.blocks
    }
}

impl<T: Real, A: LinearOperator<T>> LinearOperator<T> for Stack<A, T> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }
    fn n_columns(&self) -> usize {
        self.n_columns
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let mut rest = out;
        for block in &self.blocks {
            let (out, below) = rest.split_at_mut(block.n_rows());
            block.apply_into(x, out)?;
            rest = below;
        }
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        out.fill(T::zero());
        self.columns.with(T::zero(), |term| {
            let mut rest = y;
            for block in &self.blocks {
                let (y, below) = rest.split_at(block.n_rows());
                block.adjoint_into(y, term)?;
                add(term, out);
                rest = below;
            }
            Ok(())
        })
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.blocks.iter().all(|block| block.spectral().is_some()).then_some(self)
    }
}

impl<T: Real, A: LinearOperator<T>> Spectral for Stack<A, T> {
    fn basis(&self) -> Option<Basis> {
        self.blocks.iter().find_map(|block| block.spectral()?.basis())
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        match self.blocks.as_slice() {
            [only] => only.spectral()?.eigenvalues(basis),
            _ => None,
        }
    }
    /// Σ A_kᵀA_k.
    fn gram_eigenvalues(&self, basis: &Basis) -> Option<Vec<f64>> {
        let mut sum = vec![0.0; basis.n_modes()];
        for block in &self.blocks {
            let gram = block.spectral()?.gram_eigenvalues(basis)?;
            sum.iter_mut().zip(gram).for_each(|(sum, g)| *sum += g);
        }
        Some(sum)
    }
}

/// diag(A_1, A_2, …): each operator on its own part of the vector, the channels of a colour image, say.
///
/// ```
/// use bilevel::operator::{BlockDiagonal, Diagonal, LinearOperator};
/// let blocks = BlockDiagonal::new(vec![Diagonal::new(vec![2.0])?, Diagonal::new(vec![3.0])?])?;
/// assert_eq!(blocks.apply(&[1.0, 10.0])?, [2.0, 30.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BlockDiagonal<A> {
    blocks: Vec<A>,
    n_rows: usize,
    n_columns: usize,
}

impl<A> BlockDiagonal<A> {
    /// The blocks, from the top left to the bottom right; boxed where they are of different kinds.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if there is none.
    pub fn new<T: Real>(blocks: Vec<A>) -> Result<Self>
    where
        A: LinearOperator<T>,
    {
        if blocks.is_empty() {
            return Err(Error::data("block-diagonal operator", "no operators", "at least one"));
        }
        let n_rows = blocks.iter().map(LinearOperator::n_rows).sum();
        let n_columns = blocks.iter().map(LinearOperator::n_columns).sum();
        Ok(Self { blocks, n_rows, n_columns })
    }
}

impl<T: Real, A: LinearOperator<T>> LinearOperator<T> for BlockDiagonal<A> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }
    fn n_columns(&self) -> usize {
        self.n_columns
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let (mut x, mut out) = (x, out);
        for block in &self.blocks {
            let (part, right) = x.split_at(block.n_columns());
            let (top, below) = out.split_at_mut(block.n_rows());
            block.apply_into(part, top)?;
            (x, out) = (right, below);
        }
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        let (mut y, mut out) = (y, out);
        for block in &self.blocks {
            let (part, below) = y.split_at(block.n_rows());
            let (left, right) = out.split_at_mut(block.n_columns());
            block.adjoint_into(part, left)?;
            (y, out) = (below, right);
        }
        Ok(())
    }
}
