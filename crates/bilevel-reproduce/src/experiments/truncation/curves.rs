//! Errors and bounds over K, for one map at a time.

use bilevel::Result;
use bilevel::smooth::{
    Contraction, Descent, IterationMap, Rate, SmoothProblem, SoftThreshold, fixed_point, spectral_bounds,
};
use bilevel_report::figure::{Chart, Line};

use super::super::linear_model::{Kind, LinearModel, solution};
use super::{LONGEST, distance};
use crate::report::Figure;
use crate::scores::norm;
use crate::table::{Cell, Table};

/// The curves end where q^K is this.
const SMALLEST_POWER: f64 = 1e-9;
/// Rows of the table for each curve.
const ROWS: usize = 8;

/// Errors and bounds over K for one map.
pub(super) struct Curve {
    name: &'static str,
    file: &'static str,
    factor: f64,
    points: Vec<Point>,
    /// ‖limit − central differences of the solved problem‖, relative.
    agreement: f64,
}

struct Point {
    error: f64,
    running: f64,
    prior: f64,
}

pub(super) fn elastic_net() -> Result<Curve> {
    let problem = LinearModel::random(Kind::Squared, (40, 20), 1, 22);
    let hyper = [0.1, 0.3];
    let step = 1.0 / spectral_bounds(&problem, &[0.0; 20], &hyper[..1])?.largest;
    let prox = SoftThreshold::scalar(1);
    let ista = Descent::new(&problem, Rate::Fixed(step))?.with_prox(&prox);
    let solve = |hyper: &[f64]| -> Result<Vec<f64>> {
        Ok(fixed_point(&ista, hyper, &[0.0; 20], 1e-16, LONGEST)?.state)
    };
    Curve::of(("ISTA on an elastic net", "truncation-ista.svg"), &ista, &problem, &hyper, &solve)
}

pub(super) fn logistic() -> Result<Curve> {
    let problem = LinearModel::random(Kind::Logistic, (30, 8), 1, 21);
    let hyper = [0.1];
    let y = solution(&problem, &hyper)?;
    let step = 1.0 / spectral_bounds(&problem, &y, &hyper)?.largest;
    let descent = Descent::new(&problem, Rate::Fixed(step))?;
    let solve = |hyper: &[f64]| solution(&problem, hyper);
    let names = ("gradient descent on ℓ2-logistic", "truncation-logistic.svg");
    Curve::of(names, &descent, &problem, &hyper, &solve)
}

impl Curve {
    fn of(
        (name, file): (&'static str, &'static str),
        map: &dyn IterationMap,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        solve: &dyn Fn(&[f64]) -> Result<Vec<f64>>,
    ) -> Result<Self> {
        let y = solve(hyper)?;
        let contraction = Contraction::measure(map, usize::MAX, &y, hyper)?;
        let factor = contraction.factor;
        let scale = contraction.hyper_norm / (1.0 - factor);
        let series = Series::at(map, problem, hyper, &y)?;
        let count = (SMALLEST_POWER.ln() / factor.ln()) as usize;
        let first = series.terms.first().map_or(0.0, |term| term.residual);
        let point = |(k, term): (usize, &Term)| Point {
            error: term.error,
            running: scale * term.residual,
            prior: scale * first * factor.powi(k as i32),
        };
        let m = problem.n_hyperparameters();
        let differences = differences(hyper, |at| problem.criterion(&solve(at)?, &at[..m]))?;
        Ok(Self {
            name,
            file,
            factor,
            points: series.terms.iter().enumerate().take(count + 1).map(point).collect(),
            agreement: distance(&series.limit, &differences) / norm(differences),
        })
    }

    /// At how many K the error is at least a fiftieth of a bound.
    fn near(&self, bound: fn(&Point) -> f64) -> usize {
        self.points.iter().filter(|p| bound(p) <= 50.0 * p.error).count()
    }

    pub(super) fn rows(&self, table: &mut Table) {
        let stride = (self.points.len() / ROWS).max(1);
        for (k, point) in self.points.iter().enumerate().step_by(stride) {
            table.push(vec![
                Cell::text(self.name),
                Cell::Count(k),
                Cell::Count(1),
                Cell::Number(point.error),
                Cell::Number(point.running),
                Cell::Number(point.prior),
                Cell::Number(point.error / point.running),
                Cell::Number(point.running / point.error),
                Cell::Empty,
            ]);
        }
    }

    pub(super) fn finding(&self) -> String {
        let ordered = self
            .points
            .iter()
            .filter(|p| p.error <= p.running * (1.0 + 1e-9) && p.running <= p.prior * (1.0 + 1e-9))
            .count();
        format!(
            "{}: q = {:.4}; error ≤ running bound ≤ a-priori bound at {ordered} of {} K; the error is at least 1/50 of the running bound at {} K, of the a-priori bound at {}; over the second half the error falls by {:.4} a term. The limit of the series agrees with central differences of the solved problem to {:.1e}.",
            self.name,
            self.factor,
            self.points.len(),
            self.near(|p| p.running),
            self.near(|p| p.prior),
            self.slope(),
            self.agreement,
        )
    }

    /// By which factor the error falls with each term, over the second half.
    fn slope(&self) -> f64 {
        let (Some(middle), Some(last)) = (self.points.get(self.points.len() / 2), self.points.last()) else {
            return f64::NAN;
        };
        (last.error / middle.error).powf(1.0 / (self.points.len() - 1 - self.points.len() / 2) as f64)
    }

    pub(super) fn figure(&self) -> Option<Figure> {
        let line = |name: &str, value: fn(&Point) -> f64| {
            Line::new(name, self.points.iter().enumerate().map(|(k, p)| (k as f64, value(p))).collect())
        };
        let chart = Chart {
            finding: format!(
                "{}: the error falls as q^K, q = {:.3}, between the running bound and 1/50 of it at {} of {} K",
                self.name,
                self.factor,
                self.near(|p| p.running),
                self.points.len()
            ),
            x: "terms K".to_string(),
            y: "‖h_K − h‖".to_string(),
            log: true,
            lines: vec![
                line("error", |p| p.error),
                line("running bound", |p| p.running),
                line("a-priori bound", |p| p.prior),
            ],
        };
        Figure::of(self.file, &chart.finding, chart.to_svg())
    }
}

/// The Neumann series, term by term, until rounding.
pub(super) struct Series {
    limit: Vec<f64>,
    pub terms: Vec<Term>,
}

pub(super) struct Term {
    /// ‖h_K − limit‖.
    pub error: f64,
    /// ‖r_K‖.
    residual: f64,
}

impl Series {
    pub(super) fn at(
        map: &dyn IterationMap,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<Self> {
        let m = problem.n_hyperparameters();
        let (mut residual, mut next) = (vec![0.0; y.len()], vec![0.0; y.len()]);
        let mut partial = vec![0.0; hyper.len()];
        problem.criterion_gradient_into(y, &hyper[..m], &mut residual, &mut partial[..m])?;
        let size = |v: &[f64]| norm(v.iter().copied());
        let mut trail = vec![(partial.clone(), size(&residual))];
        let rounding = 1e-17 * size(&residual);
        while size(&residual) > rounding && trail.len() < LONGEST {
            map.adjoint_into(usize::MAX, (y, hyper), &residual, &mut next, &mut partial)?;
            std::mem::swap(&mut residual, &mut next);
            trail.push((partial.clone(), size(&residual)));
        }
        let terms =
            trail.iter().map(|(h, residual)| Term { error: distance(h, &partial), residual: *residual });
        Ok(Self { terms: terms.collect(), limit: partial })
    }

    /// ‖h_K − limit‖; nothing beyond the last term.
    pub(super) fn error(&self, terms: usize) -> f64 {
        self.terms.get(terms).map_or(0.0, |term| term.error)
    }
}

/// Central differences of fourth order.
fn differences(at: &[f64], value: impl Fn(&[f64]) -> Result<f64>) -> Result<Vec<f64>> {
    const STEP: f64 = 1e-3;
    let along = |k: usize| -> Result<f64> {
        let moved = |t: f64| {
            let mut moved = at.to_vec();
            moved[k] += t * STEP;
            value(&moved)
        };
        Ok((8.0 * (moved(1.0)? - moved(-1.0)?) - (moved(2.0)? - moved(-2.0)?)) / (12.0 * STEP))
    };
    (0..at.len()).map(along).collect()
}
