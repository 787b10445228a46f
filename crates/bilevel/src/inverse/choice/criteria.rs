//! The criteria as sums over the components of a diagonal problem, with their derivatives in log λ.

use std::f64::consts::PI;

use super::diagonal::{DiagonalProblem, Filter, Line};
use super::{Jet, Rule};

/// A point of a criterion's curve: what is minimized (for the discrepancy principle, what is to be zero), and its derivative in log λ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub value: f64,
    pub slope: f64,
}

impl Sample {
    /// Where a criterion is not defined because λ is too small: the way out is up.
    const FORBIDDEN: Self = Self { value: f64::INFINITY, slope: f64::NEG_INFINITY };
}

impl From<Jet<2>> for Sample {
    fn from(jet: Jet<2>) -> Self {
        Self { value: jet.0[0], slope: jet.0[1] }
    }
}

impl DiagonalProblem {
    /// The criterion of a rule at λ; `None` for rules that need vectors (`ncp`, `oracle`).
    pub(super) fn criterion(&self, rule: &Rule, lambda: f64) -> Option<Sample> {
        let at = At { problem: self, lambda };
        Some(match rule {
            Rule::Gcv => at.gcv(1.0),
            Rule::ModifiedGcv { factor } => at.gcv(*factor),
            Rule::RobustGcv { gamma } => at.robust_gcv(*gamma),
            Rule::StrongRobustGcv { gamma } => at.strong_robust_gcv(*gamma),
            Rule::Sure { sigma } => at.sure(*sigma),
            Rule::Gsure { sigma } => at.gsure(*sigma),
            Rule::Evidence { sigma } => at.evidence(*sigma),
            Rule::Discrepancy { sigma, safety } => at.discrepancy(*sigma, *safety),
            Rule::LCurve => at.negative_curvature(),
            Rule::QuasiOptimality => at.sensitivity(),
            Rule::Ncp | Rule::Oracle { .. } => return None,
        })
    }

    /// What a change of the criterion is compared with: a change of a thousandth of it is no ground to choose by.
    pub(super) fn scale(&self, rule: &Rule, value: f64) -> f64 {
        match rule {
            Rule::Sure { sigma } => self.n_data * sigma * sigma,
            Rule::Evidence { .. } => 0.5 * self.n_data,
            _ => value.abs(),
        }
    }

    /// Number of free components: those that the penalty does not see.
    fn n_free(&self) -> f64 {
        self.lines.iter().filter(|line| line.penalty == 0.0).map(|line| line.multiplicity).sum()
    }
}

/// A problem at one λ.
struct At<'a> {
    problem: &'a DiagonalProblem,
    lambda: f64,
}

fn residual<const N: usize>(line: &Line, f: &Filter<N>) -> Jet<N> {
    (f.lost * f.lost).scaled(line.energy)
}

impl At<'_> {
    /// ρ = ‖Ax − b‖² and df.
    fn residual_and_freedom(&self) -> [Jet<2>; 2] {
        let [rho, freedom] = self
            .problem
            .sums(self.lambda, |line, f: &Filter<2>| [residual(line, f), f.kept.scaled(line.multiplicity)]);
        [rho + Jet::constant(self.problem.outside), freedom]
    }

    /// nρ/(n − c·df)², with n − df summed from 1 − f: it may be far smaller than n.
    fn gcv(&self, factor: f64) -> Sample {
        let [rho, lost, kept] = self.problem.sums(self.lambda, |line, f: &Filter<2>| {
            [residual(line, f), f.lost.scaled(line.multiplicity), f.kept.scaled(line.multiplicity)]
        });
        let n = self.problem.n_data;
        let left = lost + Jet::constant(n - self.problem.seen) - kept.scaled(factor - 1.0);
        if left.value() <= 0.0 {
            return Sample::FORBIDDEN;
        }
        ((rho + Jet::constant(self.problem.outside)).scaled(n) / (left * left)).into()
    }

    fn robust_gcv(&self, gamma: f64) -> Sample {
        let [squares] = self
            .problem
            .sums(self.lambda, |line, f: &Filter<2>| [(f.kept * f.kept).scaled(line.multiplicity)]);
        self.weighed_gcv(gamma, squares)
    }

    fn strong_robust_gcv(&self, gamma: f64) -> Sample {
        let [noise] = self
            .problem
            .sums(self.lambda, |line, f: &Filter<2>| [(f.kept * f.inverse).scaled(line.norm_multiplicity)]);
        self.weighed_gcv(gamma, noise.scaled(self.problem.largest_gain()))
    }

    /// (γ + (1 − γ) variance/n) GCV.
    fn weighed_gcv(&self, gamma: f64, variance: Jet<2>) -> Sample {
        let gcv = self.gcv(1.0);
        if !gcv.value.is_finite() {
            return gcv;
        }
        let weight = Jet::constant(gamma) + variance.scaled((1.0 - gamma) / self.problem.n_data);
        (Jet([gcv.value, gcv.slope]) * weight).into()
    }

    fn sure(&self, sigma: f64) -> Sample {
        let [rho, freedom] = self.residual_and_freedom();
        let noise = sigma * sigma;
        (rho - Jet::constant(self.problem.n_data * noise) + freedom.scaled(2.0 * noise)).into()
    }

    /// Σ (f h − 2h)|β|² + 2σ²h in the norm of x, over the range of A: its mean is the risk Σ (1−f)²ξ² + σ²fh less ‖ξ‖².
    fn gsure(&self, sigma: f64) -> Sample {
        let [estimate] = self.problem.sums(self.lambda, |line, f: &Filter<2>| {
            if line.gain == 0.0 {
                return [Jet::constant(0.0)];
            }
            let data = (f.kept * f.inverse - f.inverse.scaled(2.0)).scaled(line.norm_energy);
            [data + f.inverse.scaled(2.0 * sigma * sigma * line.norm_multiplicity)]
        });
        estimate.into()
    }

    /// −log p(b | λ, σ²), the k free components integrated out with a flat prior:
    /// (n−k)/2 log 2πσ² + (ρ + λ‖Lx‖²)/(2σ²) + ½Σ log(1 + g/(λl)) + ½Σ_free log g, where ρ + λ‖Lx‖² = Σ (1−f)|β|² + outside.
    fn evidence(&self, sigma: Option<f64>) -> Sample {
        let [misfit, volume] = self.problem.sums(self.lambda, |line, f: &Filter<2>| {
            let log_ratio = if line.penalty > 0.0 {
                Jet([(line.gain / (self.lambda * line.penalty)).ln_1p(), -f.kept.value()])
            } else {
                Jet::constant(line.gain.ln())
            };
            [f.lost.scaled(line.energy), log_ratio.scaled(0.5 * line.multiplicity)]
        });
        let misfit = misfit + Jet::constant(self.problem.outside);
        let left = self.problem.n_data - self.problem.n_free();
        let fit = match sigma {
            Some(sigma) => {
                let noise = sigma * sigma;
                misfit.scaled(0.5 / noise) + Jet::constant(0.5 * left * (2.0 * PI * noise).ln())
            }
            None => (misfit.scaled(2.0 * PI / left).ln() + Jet::constant(1.0)).scaled(0.5 * left),
        };
        (fit + volume).into()
    }

    /// log ρ − log (τσ)²n: zero at the choice, and increasing.
    fn discrepancy(&self, sigma: f64, safety: f64) -> Sample {
        let [rho, _] = self.residual_and_freedom();
        let target = (safety * sigma).powi(2) * self.problem.n_data;
        if rho.value() <= 0.0 {
            return Sample { value: f64::NEG_INFINITY, slope: 1.0 };
        }
        (rho.ln() - Jet::constant(target.ln())).into()
    }

    /// −κ, the curvature of (½ log ρ, ½ log‖Lx‖²) as λ grows; it does not depend on how the curve is parametrized.
    fn negative_curvature(&self) -> Sample {
        let [rho, eta] = self.problem.sums(self.lambda, |line, f: &Filter<4>| {
            [residual(line, f), (f.kept * f.inverse).scaled(line.penalty * line.energy)]
        });
        let [_, r1, r2, r3] = (rho + Jet::constant(self.problem.outside)).ln().scaled(0.5).0;
        let [_, e1, e2, e3] = eta.ln().scaled(0.5).0;
        let speed = Jet([r1 * r1 + e1 * e1, 2.0 * (r1 * r2 + e1 * e2)]);
        let turn = Jet([r2 * e1 - r1 * e2, r3 * e1 - r1 * e3]);
        let root = speed.value().sqrt();
        let cube = Jet([root.powi(3), 1.5 * root * speed.0[1]]);
        if cube.value().is_normal() { (turn / cube).into() } else { Sample { value: 0.0, slope: 0.0 } }
    }

    /// ‖dx/d log λ‖² = Σ f h c²|β|² in the norm of x.
    fn sensitivity(&self) -> Sample {
        let [sum] = self.problem.sums(self.lambda, |line, f: &Filter<2>| {
            [(f.kept * f.inverse * f.lost * f.lost).scaled(line.norm_energy)]
        });
        sum.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Component;
    use super::*;

    /// Decaying gains, one free component, data outside the range.
    fn problem() -> DiagonalProblem {
        let component = |k: u32| Component {
            gain: 0.5_f64.powi(k as i32),
            penalty: if k == 0 { 0.0 } else { 1.0 + 0.1 * f64::from(k) },
            energy: (1.0 + f64::from(k * k % 7)) * 0.7_f64.powi(k as i32),
            multiplicity: 1.0 + f64::from(k % 2),
            norm: 1.0,
        };
        DiagonalProblem::new((0..12).map(component), 0.3, 30).unwrap()
    }

    #[test]
    fn the_slopes_of_all_criteria_are_differences_of_their_values() {
        let (problem, step) = (problem(), 1e-5);
        for rule in [
            Rule::Gcv,
            Rule::modified_gcv(),
            Rule::robust_gcv(),
            Rule::strong_robust_gcv(),
            Rule::Sure { sigma: 0.2 },
            Rule::Gsure { sigma: 0.2 },
            Rule::Evidence { sigma: None },
            Rule::Evidence { sigma: Some(0.2) },
            Rule::Discrepancy { sigma: 0.2, safety: 1.1 },
            Rule::LCurve,
            Rule::QuasiOptimality,
        ] {
            for t in [-6.0_f64, -2.0, 0.5] {
                let at = |t: f64| problem.criterion(&rule, t.exp()).unwrap();
                let difference = (at(t + step).value - at(t - step).value) / (2.0 * step);
                let scale = at(t).value.abs().max(difference.abs());
                let error = (at(t).slope - difference).abs() / scale;
                assert!(error < 1e-8, "{} at {t}: {} and {difference}", rule.name(), at(t).slope);
            }
        }
    }

    #[test]
    fn robust_and_modified_gcv_without_their_parameter_are_gcv() {
        let problem = problem();
        let gcv = problem.criterion(&Rule::Gcv, 0.1).unwrap();
        for rule in [
            Rule::RobustGcv { gamma: 1.0 },
            Rule::StrongRobustGcv { gamma: 1.0 },
            Rule::ModifiedGcv { factor: 1.0 },
        ] {
            approx::assert_relative_eq!(
                problem.criterion(&rule, 0.1).unwrap().value,
                gcv.value,
                max_relative = 1e-14
            );
        }
    }
}
