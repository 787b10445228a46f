//! Accelerated projected gradient on the dual of total variation denoising.
//!
//! ```text
//! max_{|p_i| ≤ α_i}  min_u  Σ ½w(u−f)² + ⟨Du, p⟩ − Σ ε/(2α)|p|²
//! ```
//!
//! Each pixel has a step of its own, so that data weights of different sizes do not slow each other down. The momentum starts anew where it leads uphill.
//!
//! Sources: Beck, Teboulle, "Fast gradient-based algorithms for constrained total variation image denoising and deblurring problems" (2009);
//! O'Donoghue, Candès, "Adaptive restart for accelerated gradient schemes" (2015).

use super::field::{Field, Gap, Problem};

/// Steps between two looks at the duality gap: a look costs about two steps.
const LOOK: usize = 25;

/// Where the dual method stands.
pub(super) struct Dual {
    pub p: Field,
    ahead: Field,
    next: Field,
    /// u(p).
    pub u: Vec<f64>,
    pub gap: Gap,
    t: f64,
    pub steps: usize,
}

impl Dual {
    pub fn new(problem: &Problem, start: Field) -> Self {
        let size = problem.len();
        let mut dual = Self {
            ahead: start.clone(),
            next: Field::zeros(size),
            p: start,
            u: vec![0.0; size],
            gap: Gap { primal: f64::INFINITY, dual: f64::NEG_INFINITY },
            t: 1.0,
            steps: 0,
        };
        dual.look(problem);
        dual
    }

    fn look(&mut self, problem: &Problem) {
        problem.primal(&self.p, &mut self.u);
        self.gap = Gap { primal: problem.objective(&self.u), dual: problem.dual_value(&self.p, &self.u) };
    }

    /// Steps until the relative gap is at most `tolerance`, or `max_steps`; whether it is.
    pub fn run(&mut self, problem: &Problem, tolerance: f64, max_steps: usize) -> bool {
        let mut left = max_steps;
        while self.gap.relative() > tolerance {
            if left == 0 {
                return false;
            }
            let burst = LOOK.min(left);
            for _ in 0..burst {
                self.step(problem);
            }
            left -= burst;
            self.look(problem);
        }
        true
    }

    fn step(&mut self, problem: &Problem) {
        let t = 0.5 * (1.0 + (1.0 + 4.0 * self.t * self.t).sqrt());
        let uphill = problem.dual_step(&self.ahead, &mut self.p, &mut self.next, (self.t - 1.0) / t);
        self.t = t;
        if uphill > 0.0 {
            self.t = 1.0;
            self.next.clone_from(&self.p);
        }
        std::mem::swap(&mut self.ahead, &mut self.next);
        self.steps += 1;
    }
}
