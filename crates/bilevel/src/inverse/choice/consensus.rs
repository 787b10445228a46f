//! All rules beside each other: their median is hard to mislead, and their spread says how much there is to choose by.
//!
//! No rule without a noise level is right on every problem: each has a kind of problem on which it chooses far too small a λ. They rarely fail together.

use super::{Choice, Rule, SpectralProblem, choose};
use crate::{Error, Result};

/// Choices within this factor of the median in √λ agree with it.
const AGREES: f64 = 3.0;

/// How far the rules agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// At least three quarters of the rules are within a factor of 3 of the median (in √λ).
    Strong,
    /// At least half of them.
    Weak,
    /// Fewer: look at the solutions before trusting one.
    None,
}

/// What all rules choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    /// Each rule's choice.
    pub choices: Vec<Choice>,
    /// The λ of the consensus: the median of the choices of the rules that were made to be robust, in log λ.
    pub lambda: f64,
    /// x there.
    pub x: Vec<f64>,
    /// How many of the choices are within a factor of 3 of it, in √λ.
    pub near: usize,
    /// What that means.
    pub agreement: Agreement,
    /// Sentences for people: what each rule has to say against its own choice, and which rules stand apart.
    pub warnings: Vec<String>,
}

/// Asks every rule that can be asked: those that need σ only if it is given, the periodogram only if the problem has a residual vector.
///
/// The λ of the consensus is the median over the robust, strong robust and modified GCV, the L-curve and quasi-optimality, and where σ is given also
/// SURE and the discrepancy principle. The other choices are reported and counted.
///
/// # Errors
/// As [`choose`]; [`Error::InvalidData`] for data that are all zero.
pub fn consensus<P: SpectralProblem + ?Sized>(problem: &P, sigma: Option<f64>) -> Result<Consensus> {
    problem.diagonal().check_data()?;
    let mut voters = vec![
        Rule::robust_gcv(),
        Rule::strong_robust_gcv(),
        Rule::modified_gcv(),
        Rule::LCurve,
        Rule::QuasiOptimality,
    ];
    voters.extend(sigma.map(|sigma| Rule::Sure { sigma }));
    voters.extend(sigma.map(|sigma| Rule::Discrepancy { sigma, safety: 1.0 }));
    let n_voters = voters.len();
    voters.extend([Rule::Gcv, Rule::Evidence { sigma }]);
    if problem.combine_residual(&vec![0.0; problem.diagonal().n_components()]).is_some() {
        voters.push(Rule::Ncp);
    }
    let choices: Vec<Choice> = voters.iter().map(|rule| choose(problem, rule)).collect::<Result<_>>()?;
    let votes = choices.iter().take(n_voters).map(|choice| choice.lambda);
    let Some(lambda) = median(votes) else {
        return Err(Error::data("choices of λ", "none", "one at least"));
    };
    let is_near = |choice: &Choice| (choice.lambda / lambda).ln().abs() <= 2.0 * AGREES.ln();
    let near = choices.iter().filter(|choice| is_near(choice)).count();
    let agreement = match 4 * near {
        four if four >= 3 * choices.len() => Agreement::Strong,
        four if four >= 2 * choices.len() => Agreement::Weak,
        _ => Agreement::None,
    };
    let mut warnings: Vec<String> = choices.iter().filter_map(Choice::warning).collect();
    let apart: Vec<&str> = choices.iter().filter(|c| !is_near(c)).map(|c| c.rule.name()).collect();
    if !apart.is_empty() {
        let list = apart.join(", ");
        warnings.push(format!("{list}: more than a factor of {AGREES} (in √λ) from the consensus"));
    }
    let x = problem.combine(&problem.diagonal().filters(lambda));
    Ok(Consensus { choices, lambda, x, near, agreement, warnings })
}

/// The median in log λ.
fn median(lambdas: impl Iterator<Item = f64>) -> Option<f64> {
    let mut logs: Vec<f64> = lambdas.map(f64::ln).collect();
    logs.sort_by(f64::total_cmp);
    let middle = |k: usize| logs.get(k).copied();
    let (upper, lower) = (middle(logs.len() / 2)?, middle(logs.len().saturating_sub(1) / 2)?);
    Some(f64::midpoint(lower, upper).exp())
}
