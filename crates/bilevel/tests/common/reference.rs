//! An independent, slow reference for the lower level: accelerated proximal gradients with restarts on (y, c), and objective and optimality
//! conditions written down once more from the formulas, with nothing of the library in them.

use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A small problem in plain vectors: columns of A, targets, sample weights 1/n.
#[derive(Debug, Clone)]
pub struct Plain {
    pub columns: Vec<Vec<f64>>,
    pub targets: Vec<f64>,
    pub logistic: bool,
    pub intercept: bool,
    /// Coefficients of each block.
    pub blocks: Vec<Vec<usize>>,
    pub lambda: Vec<f64>,
    pub ridge: f64,
}

impl Plain {
    pub fn predictor(&self, y: &[f64], c: f64) -> Vec<f64> {
        let row = |i: usize| c + self.columns.iter().zip(y).map(|(a, y)| a[i] * y).sum::<f64>();
        (0..self.targets.len()).map(row).collect()
    }

    fn slopes(&self, z: &[f64]) -> Vec<f64> {
        let n = z.len() as f64;
        let slope = |(&b, &z): (&f64, &f64)| if self.logistic { -b / (1.0 + (b * z).exp()) } else { z - b };
        self.targets.iter().zip(z).map(|s| slope(s) / n).collect()
    }

    fn norm(y: &[f64], block: &[usize]) -> f64 {
        block.iter().map(|&j| y[j] * y[j]).sum::<f64>().sqrt()
    }

    pub fn objective(&self, y: &[f64], c: f64) -> f64 {
        let z = self.predictor(y, c);
        let loss = |(&b, &z): (&f64, &f64)| match (self.logistic, b * z) {
            (false, _) => 0.5 * (b - z) * (b - z),
            (true, m) if m > 0.0 => (-m).exp().ln_1p(),
            (true, m) => m.exp().ln_1p() - m,
        };
        let mean = self.targets.iter().zip(&z).map(loss).sum::<f64>() / z.len() as f64;
        let penalty: f64 = (self.blocks.iter().zip(&self.lambda))
            .filter(|(block, _)| Self::norm(y, block) > 0.0)
            .map(|(block, l)| l * Self::norm(y, block))
            .sum();
        mean + penalty + 0.5 * self.ridge * y.iter().map(|y| y * y).sum::<f64>()
    }

    /// ∇ of loss and ridge in (y, c).
    pub fn gradient(&self, y: &[f64], c: f64) -> (Vec<f64>, f64) {
        let s = self.slopes(&self.predictor(y, c));
        let entry =
            |(a, y): (&Vec<f64>, &f64)| a.iter().zip(&s).map(|(a, s)| a * s).sum::<f64>() + self.ridge * y;
        let gradient = self.columns.iter().zip(y).map(entry).collect();
        (gradient, if self.intercept { s.iter().sum() } else { 0.0 })
    }

    /// Largest violation of the optimality conditions, block by block: ‖∇_g + λ_g y_g/‖y_g‖‖ where y_g ≠ 0, (‖∇_g‖ − λ_g)₊ where it is 0.
    pub fn kkt_violation(&self, y: &[f64], c: f64) -> f64 {
        let (gradient, in_intercept) = self.gradient(y, c);
        let of_block = |(block, &lambda): (&Vec<usize>, &f64)| {
            let r = Self::norm(y, block);
            if lambda == f64::INFINITY {
                return if r == 0.0 { 0.0 } else { f64::INFINITY };
            }
            if r == 0.0 {
                return (Self::norm(&gradient, block) - lambda).max(0.0);
            }
            block.iter().map(|&j| (gradient[j] + lambda * y[j] / r).powi(2)).sum::<f64>().sqrt()
        };
        self.blocks.iter().zip(&self.lambda).map(of_block).fold(in_intercept.abs(), f64::max)
    }

    /// The best constant predictor, and 0 without intercept.
    pub fn null_intercept(&self) -> f64 {
        let mean = self.targets.iter().sum::<f64>() / self.targets.len() as f64;
        match (self.intercept, self.logistic) {
            (false, _) => 0.0,
            (true, false) => mean,
            (true, true) => ((1.0 + mean) / (1.0 - mean)).ln(),
        }
    }

    /// Objective of the model without features: the scale of relative gaps.
    pub fn null_objective(&self) -> f64 {
        self.objective(&vec![0.0; self.columns.len()], self.null_intercept())
    }

    /// The smallest common λ that gives zero coefficients.
    pub fn lambda_max(&self) -> f64 {
        let (gradient, _) = self.gradient(&vec![0.0; self.columns.len()], self.null_intercept());
        self.blocks.iter().map(|block| Self::norm(&gradient, block)).fold(0.0, f64::max)
    }

    /// Asserts that the claimed gap bounds the distance to `minimum` (up to rounding), and that the objective is what the formula says.
    pub fn assert_gap_is_honest(&self, solution: &Solution, minimum: f64, case: &str) {
        let null = self.null_objective();
        let objective = self.objective(&solution.coefficients, solution.intercept);
        assert!(
            (objective - solution.objective).abs() <= 1e-12 * null,
            "{case}: {objective} {}",
            solution.objective
        );
        let (excess, gap) = (objective - minimum, solution.gap);
        assert!(
            excess <= gap + 1e-13 * null,
            "{case}: claims a gap of {gap:.2e}, but is {excess:.2e} above the minimum"
        );
        assert!(
            (solution.relative_gap - gap / null).abs() <= 1e-6 * solution.relative_gap + 1e-300,
            "{case}: scale"
        );
    }

    /// The minimum by accelerated proximal gradients, restarted where the objective rises.
    pub fn minimize(&self, iterations: usize) -> (Vec<f64>, f64, f64) {
        let (n, p) = (self.targets.len() as f64, self.columns.len());
        let squares: f64 = self.columns.iter().flatten().map(|a| a * a).sum::<f64>() / n + 1.0;
        let lipschitz = squares * if self.logistic { 0.25 } else { 1.0 } + self.ridge;
        let (mut y, mut c) = (vec![0.0; p], 0.0);
        let (mut v, mut d, mut t) = (y.clone(), c, 1.0_f64);
        let mut value = self.objective(&y, c);
        for _ in 0..iterations {
            let (gradient, in_intercept) = self.gradient(&v, d);
            let mut new: Vec<f64> = v.iter().zip(&gradient).map(|(v, g)| v - g / lipschitz).collect();
            for (block, lambda) in self.blocks.iter().zip(&self.lambda) {
                let r = Self::norm(&new, block);
                let shrink = if r > lambda / lipschitz { 1.0 - lambda / lipschitz / r } else { 0.0 };
                block.iter().for_each(|&j| new[j] *= shrink);
            }
            let new_c = d - in_intercept / lipschitz;
            let new_value = self.objective(&new, new_c);
            if new_value > value {
                (v, d, t) = (y.clone(), c, 1.0);
                if new_value - value < 1e-16 * value {
                    break;
                }
                continue;
            }
            let next_t = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
            let momentum = (t - 1.0) / next_t;
            v = new.iter().zip(&y).map(|(a, b)| a + momentum * (a - b)).collect();
            d = new_c + momentum * (new_c - c);
            (y, c, t, value) = (new, new_c, next_t, new_value);
        }
        (y, c, value)
    }
}

/// The library's solution of a plain problem, from nothing.
pub fn solve(plain: &Plain, sparse: bool, gap: f64) -> bilevel::Result<Solution> {
    solve_all(plain, sparse, &[(plain.lambda.clone(), plain.ridge)], gap).map(|mut s| s.remove(0))
}

/// The library's solutions for several (λ, α), one after the other in one problem, each from the one before.
pub fn solve_all(
    plain: &Plain,
    sparse: bool,
    hyperparameters: &[(Vec<f64>, f64)],
    gap: f64,
) -> bilevel::Result<Vec<Solution>> {
    let design = design(&plain.columns, sparse);
    let p = plain.columns.len();
    let mut group_of = vec![0; p];
    for (g, block) in plain.blocks.iter().enumerate() {
        block.iter().for_each(|&j| group_of[j] = g);
    }
    let group = GroupL1::new(Blocks::from_groups(&group_of)?);
    match (plain.logistic, plain.blocks.len() == p) {
        (false, true) => run(plain, &design, Squared, &L1::new(p), hyperparameters, gap),
        (true, true) => run(plain, &design, Logistic, &L1::new(p), hyperparameters, gap),
        (false, false) => run(plain, &design, Squared, &group, hyperparameters, gap),
        (true, false) => run(plain, &design, Logistic, &group, hyperparameters, gap),
    }
}

fn run<L: Loss, P: Penalty>(
    plain: &Plain,
    design: &Design,
    loss: L,
    penalty: &P,
    hyperparameters: &[(Vec<f64>, f64)],
    gap: f64,
) -> bilevel::Result<Vec<Solution>> {
    let weights = uniform(plain.targets.len());
    let problem = SparseGlm::new(design, &plain.targets, &weights, loss, penalty, plain.intercept)?;
    let accuracy = Accuracy { relative_gap: gap, adjoint_residual: 1e-12 };
    let mut solutions: Vec<Solution> = Vec::new();
    for (lambda, ridge) in hyperparameters {
        let at = Hyperparameters { lambda: lambda.clone(), ridge: *ridge };
        solutions.push(problem.solve(&at, solutions.last().cloned(), accuracy)?);
    }
    Ok(solutions)
}

pub fn uniform(n: usize) -> Vec<f64> {
    vec![1.0 / n as f64; n]
}

pub fn design(columns: &[Vec<f64>], sparse: bool) -> Design {
    let n = columns[0].len();
    if !sparse {
        return Design::Dense(DenseMatrix::new(n, columns.len(), columns.concat()).unwrap());
    }
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in columns {
        for (i, &a) in column.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            rows.push(u32::try_from(i).unwrap());
            values.push(a);
        }
        starts.push(rows.len());
    }
    Design::Sparse(CscMatrix::new(n, starts, rows, values).unwrap())
}

/// A random problem at `fraction` of λ_max, ℓ1 on single coefficients.
pub fn random(seed: u64, n: usize, p: usize, logistic: bool, intercept: bool, fraction: f64) -> Plain {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let columns: Vec<Vec<f64>> = (0..p).map(|_| (0..n).map(|_| normal() + 0.4).collect()).collect();
    let target = |i: usize| -> f64 {
        let signal: f64 = (0..p.min(4)).map(|j| columns[j][i] * if j % 2 == 0 { 1.0 } else { -0.7 }).sum();
        let noisy = 0.3 + signal + normal();
        if logistic { if noisy > 0.3 { 1.0 } else { -1.0 } } else { noisy }
    };
    let targets = (0..n).map(target).collect();
    let mut plain = Plain {
        columns,
        targets,
        logistic,
        intercept,
        blocks: (0..p).map(|j| vec![j]).collect(),
        lambda: vec![0.0; p],
        ridge: 0.0,
    };
    plain.lambda = vec![fraction * plain.lambda_max(); p];
    plain
}
