//! A Krylov space with the criterion of a rule on it: solutions, derivatives in λ and their error bounds, all without a product.

use super::freedom::StochasticFreedom;
use super::hold_out::HoldOutRows;
use super::hybrid::HybridSettings;
use super::projected::Projected;
use super::rule::{Choice, Freedom, Rule, Sample, minimize, reach};
use crate::operator::LinearOperator;
use crate::solver::{GolubKahan, Reorthogonalization, check_right_side, signs_from};
use crate::{Error, Result};

/// Steps of the bidiagonalization that estimates ‖A‖ for error bounds, and what is added for their shortfall.
const NORM_STEPS: usize = 8;
const NORM_MARGIN: f64 = 1.1;

/// A growing space, for those who want more of it than [`hybrid`](super::hybrid) gives: solutions and derivatives at any λ.
///
/// # Example
/// ```
/// use bilevel::inverse::krylov::{HybridSettings, HybridSpace, Rule};
/// use bilevel::operator::{LinearOperator, ParallelBeam, Radon};
///
/// let radon = Radon::new(&ParallelBeam::half_turn(8, 8, 12))?;
/// let b = radon.apply(&[1.0; 64])?;
/// let mut space = HybridSpace::new(&radon, &b, Rule::HoldOut(vec![3, 40, 70]), HybridSettings::default())?;
/// space.grow(60)?;
/// let slope = space.slope(5.0)?;
/// assert!(slope.error_bound.is_some_and(|bound| bound < 1e-6 * slope.slope.abs()));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct HybridSpace<'a> {
    bidiagonal: GolubKahan<&'a dyn LinearOperator>,
    held_out: Option<HoldOutRows>,
    freedom: Option<StochasticFreedom<&'a dyn LinearOperator>>,
    /// ω of the weighted GCV at the sizes where λ was chosen.
    omegas: Vec<f64>,
    projected: Projected,
    rule: Rule,
    settings: HybridSettings,
    norm: Option<f64>,
}

/// ∂x/∂λ.
#[derive(Debug, Clone, PartialEq)]
pub struct Derivative {
    /// −(AᵀA + λ)⁻¹x (length of x).
    pub vector: Vec<f64>,
    /// Bound on the Euclidean distance to the derivative of the exact minimizer.
    pub error_bound: f64,
}

/// A criterion at λ with its hypergradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The criterion.
    pub value: f64,
    /// Its derivative in λ on the space.
    pub slope: f64,
    /// Bound on the distance of `slope` to the exact hypergradient: for held-out rows; it holds with ‖A‖ as estimated by a few products.
    pub error_bound: Option<f64>,
}

impl<'a> HybridSpace<'a> {
    /// The first vector.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for a `b` that does not fit and held-out rows that are not there; [`Error::InvalidSetting`] for settings out of
    /// their range; what the operator fails with.
    pub fn new(
        operator: &'a dyn LinearOperator,
        b: &[f64],
        rule: Rule,
        settings: HybridSettings,
    ) -> Result<Self> {
        settings.check()?;
        check_rule(&rule)?;
        check_right_side(b, operator.n_rows())?;
        if settings.unpenalized > 0 && settings.unpenalized >= operator.n_rows() {
            let expected = format!("less than {}, the length of b", operator.n_rows());
            return Err(Error::setting("unpenalized", settings.unpenalized, expected));
        }
        let mut training = b.to_vec();
        let held_out = match &rule {
            Rule::HoldOut(rows) => Some(HoldOutRows::take(rows, &mut training)?),
            _ => None,
        };
        let bidiagonal = GolubKahan::new(operator, &training, settings.reorthogonalization)?;
        let freedom = match rule {
            Rule::Gcv(Freedom::Stochastic { probes, seed }) => {
                Some(StochasticFreedom::new(operator, probes, seed)?)
            }
            _ => None,
        };
        let projected = Projected::new(&bidiagonal)?;
        Ok(Self { bidiagonal, held_out, freedom, omegas: Vec::new(), projected, rule, settings, norm: None })
    }

    /// Grows the space by at most `steps` vectors, each for one product with A and one with Aᵀ; `false` if it holds all that can be reached.
    ///
    /// # Errors
    /// What the operator fails with.
    pub fn grow(&mut self, steps: usize) -> Result<bool> {
        let mut grown = true;
        let mut together = self.freedom.as_mut().filter(|freedom| freedom.is_open());
        for _ in 0..steps {
            grown = match (&mut together, &mut self.held_out) {
                (Some(freedom), _) => freedom.extend_with(&mut self.bidiagonal)?,
                (None, Some(rows)) => self.bidiagonal.extend_watched(|image| rows.push(image))?,
                (None, None) => self.bidiagonal.extend()?,
            };
            if !grown {
                break;
            }
        }
        together.map_or(Ok(()), StochasticFreedom::look)?;
        self.projected = Projected::new(&self.bidiagonal)?;
        Ok(grown)
    }

    /// Number of vectors.
    pub fn size(&self) -> usize {
        self.bidiagonal.size()
    }

    /// Whether the space holds all that A and b can reach.
    pub fn is_exhausted(&self) -> bool {
        self.bidiagonal.is_exhausted()
    }

    /// Products with A and with Aᵀ, those for the degrees of freedom among them.
    pub fn products(&self) -> usize {
        self.bidiagonal.products() + self.freedom.as_ref().map_or(0, StochasticFreedom::products)
    }

    /// x(λ) = argmin ½‖Ax − b‖² + (λ/2)‖x‖² over the space.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a λ that is not positive.
    pub fn solution(&self, lambda: f64) -> Result<Vec<f64>> {
        check_lambda(lambda)?;
        self.bidiagonal.combine(&self.projected.rotate(&self.projected.coordinates(lambda)))
    }

    /// A bound on ‖x(λ) − x*(λ)‖, x* the exact minimizer: the norm of the gradient over λ.
    pub fn error_bound(&self, lambda: f64) -> f64 {
        self.gradient_norm(lambda) / lambda
    }

    /// ‖Aᵀ(b − Ax) − λx‖ at x(λ), relative to its value at x = 0.
    pub fn relative_gradient(&self, lambda: f64) -> f64 {
        let at_zero = self.bidiagonal.alphas()[0] * self.bidiagonal.betas()[0];
        if at_zero > 0.0 { self.gradient_norm(lambda) / at_zero } else { 0.0 }
    }

    /// Whether x(λ) is as exact as asked. A small gradient alone does not say so: where λ lies below all singular values of a small space, it is the
    /// space that regularizes, every smaller λ looks the same, and a criterion has its minimum on the lower edge. The space must then go on,
    /// unless the error itself is proven to be small.
    pub(super) fn is_accurate(&self, lambda: f64, tolerance: f64) -> bool {
        let smallest = self.projected.sigma.last().copied().unwrap_or(f64::INFINITY);
        let reaches = smallest * smallest <= lambda;
        (reaches && self.relative_gradient(lambda) <= tolerance)
            || self.error_bound(lambda) <= tolerance * self.norm(lambda)
    }

    fn gradient_norm(&self, lambda: f64) -> f64 {
        if self.size() == 0 {
            return self.bidiagonal.alphas()[0] * self.bidiagonal.betas()[0];
        }
        self.projected.outside(&self.projected.coordinates(lambda))
    }

    /// ‖Ax(λ) − b‖ over the rows that are not held out.
    pub fn residual(&self, lambda: f64) -> f64 {
        self.projected.residual_square(lambda).0.sqrt()
    }

    /// ‖x(λ)‖.
    pub fn norm(&self, lambda: f64) -> f64 {
        self.projected.norm_square(lambda).sqrt()
    }

    /// ∂x/∂λ at x(λ): with it, the hypergradient of any criterion is one dot product.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a λ that is not positive.
    pub fn derivative(&self, lambda: f64) -> Result<Derivative> {
        check_lambda(lambda)?;
        let minus = self.projected.derivative_coordinates(lambda);
        let mut vector = self.bidiagonal.combine(&self.projected.rotate(&minus))?;
        vector.iter_mut().for_each(|v| *v = -*v);
        Ok(Derivative { vector, error_bound: self.derivative_error_bound(lambda, &minus) })
    }

    /// (AᵀA + λ)Vw = x + ρ with ‖ρ‖ known, and x itself misses by ‖g‖/λ.
    fn derivative_error_bound(&self, lambda: f64, minus: &[f64]) -> f64 {
        (self.projected.outside(minus) + self.error_bound(lambda)) / lambda
    }

    /// The rule's criterion at λ with its derivative.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a λ that is not positive, and for rules that have no criterion with a derivative (a given λ, the
    /// discrepancy principle, the L-curve); what the operator fails with.
    pub fn slope(&mut self, lambda: f64) -> Result<Slope> {
        check_lambda(lambda)?;
        let Sample { value, slope: Some(slope) } = self.criterion()(lambda) else {
            return Err(Error::setting("rule", format!("{:?}", self.rule), "GCV or held-out rows"));
        };
        let error_bound = match &self.held_out {
            Some(rows) => {
                let count = rows.len() as f64;
                let norm = self.operator_norm()?;
                let minus = self.projected.derivative_coordinates(lambda);
                let length = crate::kernel::dot(&minus, &minus).sqrt();
                let (of_x, of_derivative) =
                    (self.error_bound(lambda), self.derivative_error_bound(lambda, &minus));
                let residual = (2.0 * count * value).sqrt();
                Some(norm / count * (residual * of_derivative + norm * of_x * (length + of_derivative)))
            }
            None => None,
        };
        Ok(Slope { value, slope, error_bound })
    }

    fn operator_norm(&mut self) -> Result<f64> {
        if let Some(norm) = self.norm {
            return Ok(norm);
        }
        let operator = *self.bidiagonal.operator();
        let start = signs_from(operator.n_rows(), 0);
        let mut bidiagonal = GolubKahan::new(operator, &start, Reorthogonalization::None)?;
        while bidiagonal.size() < NORM_STEPS && bidiagonal.extend()? {}
        let largest = Projected::new(&bidiagonal)?.sigma.first().copied().unwrap_or(0.0);
        let norm = NORM_MARGIN * largest.max(self.largest());
        self.norm = Some(norm);
        Ok(norm)
    }

    fn largest(&self) -> f64 {
        self.projected.sigma.first().copied().unwrap_or(0.0)
    }

    /// Degrees of freedom at λ, where the rule has them.
    pub(super) fn degrees_of_freedom(&self, lambda: f64) -> Option<f64> {
        match (&self.rule, &self.freedom) {
            (Rule::Gcv(_), Some(freedom)) => Some(freedom.value(lambda).0),
            (Rule::Gcv(_), None) => Some(self.size() as f64 - self.projected.complement(lambda).0),
            _ => None,
        }
    }

    /// The λ of the rule on the space as it is.
    pub(super) fn choose(&mut self) -> Result<Choice> {
        let largest = self.largest();
        let scale = if largest > 0.0 { largest * largest } else { 1.0 };
        let range = self.settings.range.map(|end| end * scale);
        if !matches!(self.rule, Rule::Fixed(_)) && !range.iter().all(|end| end.is_normal()) {
            let found = format!("a largest singular value of {largest:.1e}");
            return Err(Error::data("operator", found, "one whose square is a λ: rescale the operator"));
        }
        let n = self.bidiagonal.operator().n_rows() as f64;
        match self.rule {
            Rule::Fixed(lambda) => {
                let value = self.projected.residual_square(lambda).0;
                Ok(Choice { lambda, value, edge: None, curve: Vec::new() })
            }
            Rule::Discrepancy { noise, safety } => {
                let target = (safety * noise).powi(2) * n;
                Ok(reach(range, target, |lambda| self.projected.residual_square(lambda).0))
            }
            Rule::Gcv(Freedom::Weighted) => {
                self.omegas.extend(omega(&self.projected));
                Ok(minimize(range, self.criterion()))
            }
            Rule::Gcv(Freedom::Stochastic { .. }) => {
                let first = minimize(range, self.criterion());
                let size = self.size();
                if let Some(freedom) = &mut self.freedom {
                    freedom.settle(first.lambda, size)?;
                }
                Ok(minimize(range, self.criterion()))
            }
            Rule::Gcv(Freedom::Projected) | Rule::HoldOut(_) | Rule::LCurve => {
                Ok(minimize(range, self.criterion()))
            }
        }
    }

    fn criterion(&self) -> Box<dyn Fn(f64) -> Sample + '_> {
        let projected = &self.projected;
        let rows = self.bidiagonal.operator().n_rows().saturating_sub(self.settings.unpenalized) as f64;
        match (&self.rule, &self.held_out, &self.freedom) {
            (Rule::HoldOut(_), Some(held_out), _) => {
                let quadratic = held_out.quadratic(projected);
                Box::new(move |lambda| {
                    let (z, minus) =
                        (projected.coordinates(lambda), projected.derivative_coordinates(lambda));
                    let (value, slope) = quadratic.value(&z, &minus);
                    Sample { value, slope: Some(slope) }
                })
            }
            (Rule::Gcv(_), _, Some(freedom)) => Box::new(move |lambda| {
                let (df, slope) = freedom.value(lambda);
                gcv(rows, projected.residual_square(lambda), (rows - df, -slope))
            }),
            (Rule::Gcv(Freedom::Weighted), ..) => {
                let size = projected.sigma.len() as f64;
                let weight = self.omegas.iter().sum::<f64>() / self.omegas.len().max(1) as f64;
                Box::new(move |lambda| {
                    let (complement, slope) = projected.complement(lambda);
                    let left = (size + 1.0 - weight * (size - complement), weight * slope);
                    gcv(size + 1.0, projected.residual_square(lambda), left)
                })
            }
            (Rule::Gcv(_), ..) => Box::new(move |lambda| {
                let (complement, slope) = projected.complement(lambda);
                let left = (rows - projected.sigma.len() as f64 + complement, slope);
                gcv(rows, projected.residual_square(lambda), left)
            }),
            (Rule::LCurve, ..) => {
                Box::new(|lambda| Sample { value: -curvature(projected, lambda), slope: None })
            }
            _ => Box::new(|lambda| Sample { value: projected.residual_square(lambda).0, slope: None }),
        }
    }
}

/// n‖r‖²/(n − df)² and its derivative.
fn gcv(n: f64, (residual, residual_slope): (f64, f64), (left, left_slope): (f64, f64)) -> Sample {
    if left <= 0.0 {
        // λ is too small to say anything: the way out is up.
        return Sample { value: f64::INFINITY, slope: Some(f64::NEG_INFINITY) };
    }
    let value = n * residual / (left * left);
    let slope = n * (residual_slope - 2.0 * residual * left_slope / left) / (left * left);
    Sample { value, slope: Some(slope) }
}

/// Curvature of (ln‖r‖, ln‖x‖) along t = ln λ. Since ρ = ‖r‖² and η = ‖x‖² obey dρ/dλ = −λ dη/dλ, the slope of the curve is −m with m = ρ/(λη),
/// and with u = ½ ln ρ the curvature is m(1/u′ − 2(1 + m))/(1 + m²)^{3/2}: no second derivative is needed (Hansen, *Discrete Inverse Problems*
/// (2010), section 5.3).
fn curvature(projected: &Projected, lambda: f64) -> f64 {
    let (rho, rho_slope) = projected.residual_square(lambda);
    let m = rho / (lambda * projected.norm_square(lambda));
    let inverse_slope = 2.0 * rho / (lambda * rho_slope);
    let curvature = m * (inverse_slope - 2.0 * (1.0 + m)) / (1.0 + m * m).powf(1.5);
    if curvature.is_finite() { curvature } else { 0.0 }
}

/// The ω for which the weighted GCV of the projected problem is stationary at λ = σ_k² (Chung, Nagy, O'Leary 2008), at most 1.
fn omega(projected: &Projected) -> Option<f64> {
    let smallest = projected.sigma.last()?;
    let lambda = smallest * smallest;
    let (residual, slope) = projected.residual_square(lambda);
    let (complement, complement_slope) = projected.complement(lambda);
    let size = projected.sigma.len() as f64;
    // slope·(k + 1 − ω·df) = 2·residual·ω·complement_slope
    let found = slope * (size + 1.0) / (2.0 * residual * complement_slope + slope * (size - complement));
    (found.is_finite() && found > 0.0).then(|| found.min(1.0))
}

fn check_lambda(lambda: f64) -> Result<()> {
    if lambda > 0.0 && lambda.is_finite() {
        return Ok(());
    }
    Err(Error::setting("lambda", lambda, "a positive number"))
}

fn check_rule(rule: &Rule) -> Result<()> {
    match *rule {
        Rule::Fixed(lambda) => check_lambda(lambda),
        Rule::Discrepancy { noise, .. } if !(noise > 0.0 && noise.is_finite()) => {
            Err(Error::setting("noise", noise, "a positive standard deviation"))
        }
        Rule::Discrepancy { safety, .. } if !(safety >= 1.0 && safety.is_finite()) => {
            Err(Error::setting("safety", safety, "a factor of at least 1"))
        }
        Rule::Gcv(Freedom::Stochastic { probes: 0, .. }) => Err(Error::setting("probes", 0, "at least one")),
        _ => Ok(()),
    }
}
