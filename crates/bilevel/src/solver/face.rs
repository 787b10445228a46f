//! The end of coordinate descent, once the support is nearly right: the exact path to the minimizer, or Newton steps on the smooth face of the support.

use crate::penalty::Penalty;

use super::PathEnd;
use super::coordinate_descent::{LocalBlocks, QuadraticModel};

/// Cholesky factorization, of a slightly shifted matrix if it is singular: while coordinate descent holds more active coordinates than the data
/// have rank, the shifted direction runs along the null space to a kink, where one of them leaves.
fn factorize(size: usize, mut matrix: Vec<f64>) -> Option<super::Cholesky> {
    super::Cholesky::new(size, &matrix).or_else(|| {
        (0..size).for_each(|k| matrix[k * size + k] *= 1.0 + 1e-9);
        super::Cholesky::new(size, &matrix)
    })
}

/// From a point whose support is nearly right: along the exact path where there is one, else by Newton steps on the face. Returns how many
/// of those were taken.
pub(super) fn finish<M: QuadraticModel, P: Penalty>(
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    y: &mut [f64],
    tolerance: f64,
) -> usize {
    if blocks.starts.last() == Some(&blocks.len()) {
        // A norm of one number is a multiple of its absolute value.
        let unit = penalty.value(&[1.0]);
        let weight =
            |(lambda, lipschitz): (&f64, &f64)| if *lipschitz > 0.0 { lambda * unit } else { f64::INFINITY };
        let lambda: Vec<f64> = blocks.lambda.iter().zip(&blocks.lipschitz).map(weight).collect();
        let max_events = 30 + y.iter().filter(|y| **y != 0.0).count() / 4;
        if matches!(model.follow(&lambda, y, max_events), Some(PathEnd::Arrived | PathEnd::OutOfEvents)) {
            return 0;
        }
    }
    newton_on_support(model, penalty, blocks, y, tolerance)
}

/// Newton steps on the smooth face of the current support, until the face's gradient vanishes or nothing more is gained.
///
/// Returns how many steps were taken.
fn newton_on_support<M: QuadraticModel, P: Penalty>(
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    y: &mut [f64],
    tolerance: f64,
) -> usize {
    // Without a Hessian to factorize each step is a run of conjugate gradients, and the next kink is left to sweeps.
    let max_steps = if model.submatrix(&[]).is_some() { 50 } else { 3 };
    for steps in 0..max_steps {
        let face = Face::new(blocks, y);
        if face.free.is_empty() {
            return steps;
        }
        let gradient = face.gradient(model, penalty, y);
        let Some(direction) = face.newton_direction(model, penalty, y, &gradient, tolerance) else {
            return steps;
        };
        let cut = face.move_along(model, penalty, y, &gradient, &direction);
        let small = gradient.iter().all(|g| g.abs() <= tolerance);
        match cut {
            Cut::None if small || face.is_quadratic => return steps + 1,
            Cut::Stalled => return steps,
            Cut::Clipped => return steps + 1,
            Cut::None | Cut::AtKink => {}
        }
    }
    max_steps
}

enum Cut {
    /// The full Newton step was taken.
    None,
    /// The step ended where a block reached zero.
    AtKink,
    /// The full Newton step was taken, but for blocks that it would have led across zero, which stopped there.
    Clipped,
    /// No decrease was found.
    Stalled,
}

/// The active blocks, as one list of free coordinates.
struct Face<'a> {
    blocks: &'a LocalBlocks,
    active: Vec<usize>,
    free: Vec<usize>,
    is_quadratic: bool,
}

impl<'a> Face<'a> {
    fn new(blocks: &'a LocalBlocks, y: &[f64]) -> Self {
        let is_active = |g: &usize| {
            blocks.lipschitz[*g] > 0.0 && (blocks.lambda[*g] == 0.0 || blocks.range(*g).any(|k| y[k] != 0.0))
        };
        let active: Vec<usize> = (0..blocks.len()).filter(is_active).collect();
        let free: Vec<usize> = active.iter().flat_map(|&g| blocks.range(g)).collect();
        // ρ is linear on the face of a block of one coordinate; larger blocks have curvature.
        let is_quadratic = active.len() == free.len();
        Self { blocks, active, free, is_quadratic }
    }

    /// Calls `visit(range in the list of free coordinates, λ_g, y_g)` for every active block with λ_g > 0.
    fn penalized(&self, y: &[f64], mut visit: impl FnMut(std::ops::Range<usize>, f64, &[f64])) {
        let mut offset = 0;
        for &g in &self.active {
            let range = self.blocks.range(g);
            let local = offset..offset + range.len();
            offset = local.end;
            if self.blocks.lambda[g] > 0.0 {
                visit(local, self.blocks.lambda[g], &y[range]);
            }
        }
    }

    fn gradient<M: QuadraticModel, P: Penalty>(&self, model: &M, penalty: &P, y: &[f64]) -> Vec<f64> {
        let mut gradient: Vec<f64> = self.free.iter().map(|&k| model.gradient(k)).collect();
        let mut rho = Vec::new();
        self.penalized(y, |local, lambda, block| {
            rho.resize(block.len(), 0.0);
            penalty.gradient_into(block, &mut rho);
            gradient[local].iter_mut().zip(&rho).for_each(|(g, r)| *g += lambda * r);
        });
        gradient
    }

    /// −(H + λ∇²ρ)⁻¹ gradient; `None` if the system is singular.
    fn newton_direction<M: QuadraticModel, P: Penalty>(
        &self,
        model: &mut M,
        penalty: &P,
        y: &[f64],
        gradient: &[f64],
        tolerance: f64,
    ) -> Option<Vec<f64>> {
        let size = self.free.len();
        let negative: Vec<f64> = gradient.iter().map(|g| -g).collect();
        if let Some(mut matrix) = model.submatrix(&self.free) {
            let mut block_hessian = Vec::new();
            self.penalized(y, |local, lambda, block| {
                if block.len() > 1 {
                    block_hessian.clear();
                    block_hessian.resize(block.len() * block.len(), 0.0);
                    penalty.add_hessian(block, lambda, &mut block_hessian);
                    for (r, i) in local.clone().enumerate() {
                        for (c, k) in local.clone().enumerate() {
                            matrix[k * size + i] += block_hessian[r * block.len() + c];
                        }
                    }
                }
            });
            return factorize(size, matrix).map(|factor| factor.solve(&negative));
        }
        // A column that the loss does not see, in a group with others that it does see, has a diagonal of 0.
        let largest = self.free.iter().map(|&k| model.diagonal(k)).fold(f64::MIN_POSITIVE, f64::max);
        let inverse = |&k: &usize| {
            let diagonal = model.diagonal(k);
            1.0 / if diagonal > 0.0 { diagonal } else { largest }
        };
        let inverse_diagonal: Vec<f64> = self.free.iter().map(inverse).collect();
        let product = |v: &[f64], out: &mut [f64]| {
            model.product(&self.free, v, out);
            self.penalized(y, |local, lambda, block| {
                penalty.add_hessian_product(block, lambda, &v[local.clone()], &mut out[local])
            });
        };
        let mut direction = vec![0.0; size];
        // The face is solved as far as the caller needs it, at least to one digit and at most to four: enough for the next sweep to judge the
        // support, cheap enough to repeat.
        let size_of_gradient = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let relative = (0.3 * tolerance / size_of_gradient).clamp(1e-4, 0.1);
        let precondition = super::diagonal_preconditioner(&inverse_diagonal);
        super::conjugate_gradient(
            product,
            precondition,
            &negative,
            &mut direction,
            relative,
            200.min(2 * size + 10),
        );
        direction.iter().all(|d| d.is_finite()).then_some(direction)
    }

    /// Moves along `direction`: the full step if the face allows it, else to the first kink, halved until the objective decreases.
    fn move_along<M: QuadraticModel, P: Penalty>(
        &self,
        model: &mut M,
        penalty: &P,
        y: &mut [f64],
        gradient: &[f64],
        direction: &[f64],
    ) -> Cut {
        let mut smooth = 1.0_f64;
        self.penalized(y, |local, _, block| {
            smooth = smooth.min(penalty.largest_smooth_step(block, &direction[local]))
        });
        let slope: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
        if slope >= 0.0 || smooth <= 0.0 {
            return Cut::Stalled;
        }
        if self.is_quadratic && smooth < 1.0 && self.clipped_step(model, penalty, y, gradient, direction) {
            return Cut::Clipped;
        }
        let step = if self.is_quadratic {
            smooth
        } else {
            self.backtrack(model, penalty, y, direction, slope, smooth)
        };
        if step == 0.0 {
            return Cut::Stalled;
        }
        let at_kink = smooth < 1.0 && step == smooth;
        let mut offset = 0;
        for &g in &self.active {
            let range = self.blocks.range(g);
            let d = &direction[offset..offset + range.len()];
            offset += range.len();
            let reaches_zero = at_kink
                && self.blocks.lambda[g] > 0.0
                && penalty.largest_smooth_step(&y[range.clone()], d) <= smooth * (1.0 + 1e-14);
            for (k, &d) in range.zip(d) {
                let delta = if reaches_zero { -y[k] } else { step * d };
                model.update(k, delta);
                y[k] = if reaches_zero { 0.0 } else { y[k] + delta };
            }
        }
        if at_kink { Cut::AtKink } else { Cut::None }
    }

    /// The full step with every coordinate that would change sign stopped at zero, if it lowers q + λρ as much as a step should.
    fn clipped_step<M: QuadraticModel, P: Penalty>(
        &self,
        model: &mut M,
        penalty: &P,
        y: &mut [f64],
        gradient: &[f64],
        direction: &[f64],
    ) -> bool {
        let mut change: Vec<f64> = direction.to_vec();
        self.penalized(y, |local, _, block| {
            if penalty.largest_smooth_step(block, &direction[local.clone()]) < 1.0 {
                change[local].iter_mut().zip(block).for_each(|(d, y)| *d = -y);
            }
        });
        let mut image = vec![0.0; self.free.len()];
        model.product(&self.free, &change, &mut image);
        // The penalty is linear between y and zero, so the gradient on the face includes it all the way.
        let linear: f64 = gradient.iter().zip(&change).map(|(g, d)| g * d).sum();
        let curvature: f64 = image.iter().zip(&change).map(|(a, d)| a * d).sum();
        if linear + 0.5 * curvature > 0.25 * linear || linear >= 0.0 {
            return false;
        }
        for (&k, &delta) in self.free.iter().zip(&change) {
            model.update(k, delta);
            y[k] = if delta == -y[k] { 0.0 } else { y[k] + delta };
        }
        true
    }

    /// Armijo backtracking on q + λρ along the face (blocks of several coordinates have curvature that a Newton step may overshoot).
    fn backtrack<M: QuadraticModel, P: Penalty>(
        &self,
        model: &mut M,
        penalty: &P,
        y: &[f64],
        direction: &[f64],
        slope: f64,
        largest: f64,
    ) -> f64 {
        let mut image = vec![0.0; self.free.len()];
        model.product(&self.free, direction, &mut image);
        let curvature: f64 = image.iter().zip(direction).map(|(a, d)| a * d).sum();
        let linear: f64 = self.free.iter().zip(direction).map(|(&k, d)| model.gradient(k) * d).sum();
        let mut step = largest;
        let mut moved = Vec::new();
        for _ in 0..30 {
            let mut change = step * linear + 0.5 * step * step * curvature;
            self.penalized(y, |local, lambda, block| {
                moved.clear();
                moved.extend(block.iter().zip(&direction[local]).map(|(y, d)| y + step * d));
                change += lambda * (penalty.value(&moved) - penalty.value(block));
            });
            // 1e-14: near the minimizer the decrease drowns in rounding, and the full step is right.
            if change <= 1e-4 * step * slope + 1e-14 * linear.abs() {
                return step;
            }
            step *= 0.5;
        }
        0.0
    }
}
