//! One weight for a plane, chosen by a criterion that needs only solutions: those at b, and those at b + εδ.

use super::probe::Probe;
use crate::{Error, Result};

/// Values of λ to a decade before the minimum is refined.
const PER_DECADE: f64 = 2.5;
/// Golden sections within the best bracket: ln λ is then known to about 0.02.
const SECTIONS: usize = 9;

/// A choice, as it is recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WeightChoice {
    /// λ; `None` where every subband has its own.
    pub lambda: Option<f64>,
    /// The criterion there; `None` for a weight that was given.
    pub value: Option<f64>,
    /// (λ, criterion), λ increasing.
    pub curve: Vec<(f64, f64)>,
    /// Degrees of freedom tr ∂(Ax)/∂b, where they were counted.
    pub degrees_of_freedom: Option<f64>,
    /// What other rules choose: name and λ.
    pub rules: Vec<(String, f64)>,
    /// The λ that the robust rules agree on, where they were asked, and how far.
    pub consensus: Option<(f64, String)>,
    /// Subbands and levels: name, and what was done to each in words and as a number (a threshold in units of the image, a factor of σ², or its λ).
    pub subbands: Vec<(String, String, f64)>,
    /// λ at the nodes of a map, row by row; between them it is bilinear.
    pub map: Option<MapOfWeights>,
    /// The estimated mean squared error, where the criterion is one.
    pub estimated_error: Option<f64>,
    /// Sentences about what is not as it should be.
    pub warnings: Vec<String>,
}

/// λ at nodes that are spread over an image, with its corners.
#[derive(Debug, Clone, PartialEq)]
pub struct MapOfWeights {
    /// Rows and columns of nodes.
    pub nodes: (usize, usize),
    /// One λ for each, row by row.
    pub weights: Vec<f64>,
}

/// x(b; λ) for data of one plane.
pub(super) trait PlaneSolver {
    /// What a later solve may start from.
    type State;

    /// The restorations of all `data` at λ: of b alone, or of b and b + εδ. Solvers that iterate take the same steps for all of them, so that what they
    /// leave undone does not look like an answer to δ.
    ///
    /// # Errors
    /// What the method fails with.
    fn solve(
        &self,
        data: &[&[f64]],
        lambda: f64,
        start: Option<&Self::State>,
    ) -> Result<(Vec<Vec<f64>>, Self::State)>;

    /// The interval of λ in which the best one is looked for.
    fn range(&self) -> (f64, f64);

    /// What is made of the image at the λ that was chosen; nothing, by default.
    ///
    /// # Errors
    /// As [`Self::solve`].
    fn finished(&self, _data: &[f64], _lambda: f64, image: Vec<f64>) -> Result<Vec<f64>> {
        Ok(image)
    }
}

/// The last solutions at b and at b + εδ.
struct Judge<'a, S: PlaneSolver> {
    solver: &'a S,
    probe: &'a Probe<'a>,
    last: Option<(Vec<Vec<f64>>, S::State)>,
    degrees_of_freedom: Option<f64>,
}

impl<S: PlaneSolver> Judge<'_, S> {
    /// The criterion at λ, per measurement.
    fn value(&mut self, lambda: f64) -> Result<f64> {
        let start = self.last.take();
        let solved = self.solver.solve(&self.probe.data(), lambda, start.as_ref().map(|s| &s.1))?;
        let judged = self.probe.judge(&solved.0)?;
        self.degrees_of_freedom = judged.degrees_of_freedom;
        self.last = Some(solved);
        Ok(judged.value)
    }
}

/// The λ with the smallest criterion, its image, and the curve. `told` hears of every λ and may end the search.
pub(super) fn choose<S: PlaneSolver>(
    solver: &S,
    probe: &Probe<'_>,
    told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
) -> Result<(Vec<f64>, WeightChoice)> {
    let mut judge = Judge { solver, probe, last: None, degrees_of_freedom: None };
    let mut tried = 0;
    let mut unsolved = 0;
    let mut found = minimize(solver.range(), |lambda| {
        // Towards λ = 0 a first-order method may not arrive: such a λ is not chosen, and that is said.
        let value = match judge.value(lambda) {
            Err(Error::LowerLevel { .. }) => {
                unsolved += 1;
                f64::INFINITY
            }
            other => other?,
        };
        tried += 1;
        told(tried, lambda, value)?;
        Ok(value)
    })?;
    judge.value(found.lambda)?;
    found.curve.retain(|point| point.1.is_finite());
    let skipped = (unsolved > 0).then(|| format!("{unsolved} values of λ could not be solved to the accuracy that was asked for, and were passed over"));
    let image = judge.last.and_then(|(images, _)| images.into_iter().next()).unwrap_or_default();
    let image = match probe.data().first() {
        Some(data) => solver.finished(data, found.lambda, image)?,
        None => image,
    };
    let choice = WeightChoice {
        lambda: Some(found.lambda),
        value: Some(found.value),
        curve: found.curve,
        degrees_of_freedom: judge.degrees_of_freedom,
        estimated_error: probe.estimates_an_error().then_some(found.value),
        warnings: found.warning.into_iter().chain(skipped).collect(),
        ..WeightChoice::default()
    };
    Ok((image, choice))
}

/// The smallest value of a function of λ and where.
pub(super) struct Minimum {
    pub(super) lambda: f64,
    pub(super) value: f64,
    pub(super) curve: Vec<(f64, f64)>,
    pub(super) warning: Option<String>,
}

/// A grid in log λ from the largest down (each solution is near the last), then golden sections around its best.
pub(super) fn minimize(
    (low, high): (f64, f64),
    mut value: impl FnMut(f64) -> Result<f64>,
) -> Result<Minimum> {
    let (low, high) = (low.ln(), high.ln());
    let intervals = ((high - low) / std::f64::consts::LN_10 * PER_DECADE).ceil().max(2.0) as usize;
    let at = |k: usize| high + (low - high) * k as f64 / intervals as f64;
    let mut curve = Vec::new();
    let mut sample = |t: f64, curve: &mut Vec<(f64, f64)>| -> Result<f64> {
        let found = value(t.exp())?;
        curve.push((t.exp(), found));
        Ok(found)
    };
    let grid: Vec<f64> = (0..=intervals).map(|k| sample(at(k), &mut curve)).collect::<Result<_>>()?;
    let best = (0..=intervals).min_by(|&a, &b| grid[a].total_cmp(&grid[b])).unwrap_or(0);
    let (mut upper, mut lower) = (at(best.saturating_sub(1)), at((best + 1).min(intervals)));
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut left, mut right) = (upper - golden * (upper - lower), lower + golden * (upper - lower));
    let (mut at_left, mut at_right) = (sample(left, &mut curve)?, sample(right, &mut curve)?);
    for _ in 2..SECTIONS {
        if at_left <= at_right {
            (upper, right, at_right) = (right, left, at_left);
            left = upper - golden * (upper - lower);
            at_left = sample(left, &mut curve)?;
        } else {
            (lower, left, at_left) = (left, right, at_right);
            right = lower + golden * (upper - lower);
            at_right = sample(right, &mut curve)?;
        }
    }
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(&(lambda, value)) = curve.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Err(Error::data("criterion", "no value", "one at least"));
    };
    let end = |t: f64| (lambda.ln() - t).abs() < 1e-3 * (high - low);
    let warning = match () {
        () if end(low) => {
            Some("the smallest λ of the range was chosen: hardly any regularization; do not trust it")
        }
        () if end(high) => {
            Some("the largest λ of the range was chosen: all that the penalty sees is smoothed away")
        }
        () => None,
    };
    Ok(Minimum { lambda, value, curve, warning: warning.map(String::from) })
}

#[cfg(test)]
mod tests {
    use super::super::settings::Criterion;
    use super::*;
    use crate::kernel::dot;
    use crate::operator::Identity;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// x = b/(1 + λ): df = n/(1 + λ), and SURE has its minimum at λ = σ²/(‖b‖²/n − σ²).
    struct Shrink;
    impl PlaneSolver for Shrink {
        type State = ();
        fn solve(&self, data: &[&[f64]], lambda: f64, _: Option<&()>) -> Result<(Vec<Vec<f64>>, ())> {
            let shrink = |b: &&[f64]| b.iter().map(|b| b / (1.0 + lambda)).collect();
            Ok((data.iter().map(shrink).collect(), ()))
        }
        fn range(&self) -> (f64, f64) {
            (1e-4, 1e3)
        }
    }

    fn chosen(data: &[f64], sigma: f64, criterion: Criterion) -> (Vec<f64>, WeightChoice) {
        let identity = Identity::<f64>::new(data.len());
        let probe = Probe::new(&identity, data, Some(sigma), criterion, 3).unwrap();
        choose(&Shrink, &probe, &mut |_, _, _| Ok(())).unwrap()
    }

    #[test]
    fn sure_and_gsure_by_a_probe_find_the_shrinkage_of_james_and_stein() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let data: Vec<f64> = (0..20_000).map(|_| 2.0_f64.sqrt() * normal()).collect();
        let mean_square = dot(&data, &data) / data.len() as f64;
        let expected = 1.0 / (mean_square - 1.0);
        for criterion in [Criterion::Sure, Criterion::Gsure] {
            let (_, choice) = chosen(&data, 1.0, criterion);
            // The probe's own error: √2/√n relative in df.
            assert!((choice.lambda.unwrap() / expected).ln().abs() < 0.06, "{choice:?} {expected}");
        }
    }

    #[test]
    fn the_discrepancy_leaves_as_much_as_the_noise() {
        let (image, choice) = chosen(&[1.0; 100], 0.2, Criterion::Discrepancy);
        // λ/(1 + λ) = 0.2
        assert!((choice.lambda.unwrap() - 0.25).abs() < 0.01 && (image[0] - 0.8).abs() < 0.01);
    }

    #[test]
    fn a_minimum_at_the_end_of_the_range_is_said() {
        let found = minimize((1e-3, 1e3), Ok).unwrap();
        assert!(found.warning.is_some() && found.lambda < 1.1e-3);
    }
}
