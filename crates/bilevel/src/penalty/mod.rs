//! Penalties Σ_g λ_g ρ(y_g) over blocks g of coefficients: value, prox, dual norm, derivatives where smooth.
//!
//! ρ is a norm that is smooth away from zero, so a block is either zero or "active", and on active blocks everything can be
//! differentiated. A new penalty is one file that implements [`Penalty`] and one line here. The ridge part of an elastic net,
//! (α/2)‖y‖², is smooth and belongs to the lower-level problem ([`crate::lower::SparseGlm`]): it combines with every penalty.

mod group_l1;
mod l1;

pub use group_l1::GroupL1;
pub use l1::L1;

/// A partition of the coefficients into blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    starts: Vec<usize>,
    members: Vec<u32>,
}

impl Blocks {
    /// One block for each of p coefficients.
    pub fn singletons(p: usize) -> Self {
        Self {
            starts: (0..=p).collect(),
            members: (0..p).map(|j| u32::try_from(j).unwrap_or(u32::MAX)).collect(),
        }
    }

    /// Blocks from the group number of each coefficient (numbered from 0, without gaps).
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if a group between 0 and the largest number has no member.
    pub fn from_groups(group_of: &[usize]) -> crate::Result<Self> {
        let n_groups = group_of.iter().max().map_or(0, |m| m.saturating_add(1));
        let gap = |g: usize| {
            crate::Error::data(
                "groups",
                format!("no feature in group {g}"),
                "groups numbered from 0 without gaps",
            )
        };
        if n_groups > group_of.len() {
            return Err(gap(0));
        }
        let mut starts = vec![0; n_groups + 1];
        for &g in group_of {
            starts[g + 1] += 1;
        }
        if let Some(g) = (0..n_groups).find(|&g| starts[g + 1] == 0) {
            return Err(gap(g));
        }
        for g in 0..n_groups {
            starts[g + 1] += starts[g];
        }
        let mut next = starts.clone();
        let mut members = vec![0; group_of.len()];
        for (j, &g) in group_of.iter().enumerate() {
            members[next[g]] = u32::try_from(j).unwrap_or(u32::MAX);
            next[g] += 1;
        }
        Ok(Self { starts, members })
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of coefficients.
    pub fn n_coefficients(&self) -> usize {
        self.members.len()
    }

    /// The coefficients of block g, increasing.
    #[inline]
    pub fn members(&self, g: usize) -> &[u32] {
        &self.members[self.starts[g]..self.starts[g + 1]]
    }

    /// Copies the entries of block g of a full vector into `out` (resized to the block).
    #[inline]
    pub fn gather(&self, g: usize, full: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.members(g).iter().map(|&j| full[j as usize]));
    }
}

/// A penalty Σ_g λ_g ρ(y_g). Methods take the coefficients of one block.
pub trait Penalty: Send + Sync {
    /// The blocks.
    fn blocks(&self) -> &Blocks;
    /// ρ(y_g).
    fn value(&self, y: &[f64]) -> f64;
    /// The dual norm ρ°(c): block g is zero at the minimizer iff ρ°(∇_gF) ≤ λ_g.
    fn dual_norm(&self, c: &[f64]) -> f64;
    /// y ← argmin_x ½‖x − y‖² + t·ρ(x); t may be +∞.
    fn prox(&self, y: &mut [f64], t: f64);
    /// ∇ρ at a nonzero block, into `out`: also ∂(∇λρ)/∂λ, the mixed derivative that hypergradients need.
    fn gradient_into(&self, y: &[f64], out: &mut [f64]);
    /// Adds λ·∇²ρ at a nonzero block to the row-major block Hessian `out` (length |g|²).
    fn add_hessian(&self, y: &[f64], lambda: f64, out: &mut [f64]);
    /// out += λ·∇²ρ(y) v at a nonzero block.
    fn add_hessian_product(&self, y: &[f64], lambda: f64, v: &[f64], out: &mut [f64]);
    /// Largest step τ ≤ 1 for which ρ is smooth on the segment from y to y + τd (1 if there is no kink on the way).
    fn largest_smooth_step(&self, y: &[f64], d: &[f64]) -> f64;
    /// The penalty on the coefficients of some blocks (increasing) alone, which are numbered anew, block after block; `None` if it has no such form.
    fn restricted(&self, _blocks: &[usize]) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}
