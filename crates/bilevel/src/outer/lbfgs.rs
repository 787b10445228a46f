//! L-BFGS in a box, with a line search that stands kinks.
//!
//! The direction is d = −Hh on the free coordinates (those that the box does not hold against −h), with H the inverse Hessian
//! approximation of the last m pairs s = θ₊ − θ, y = h₊ − h, applied by the two-loop recursion; pairs count only if their free parts have
//! sᵀy > ε‖s‖‖y‖. The step follows the projected path P(θ + td) under the weak Wolfe conditions (`line_search.rs`). Where d is no descent direction, or
//! its line search fails, the memory is emptied and −h taken instead; where that fails too, on a kink, or the steps gain nothing any more, the
//! shortest combination of the gradients around shows the way out, or that there is none (`bundle.rs`).
//!
//! On a smooth Φ this is a superlinear-in-practice method; at kinks the line search crosses the edge, so the pairs learn its large curvature and the
//! method turns along it.
//!
//! Sources: Nocedal, "Updating quasi-Newton matrices with limited storage" (1980); Byrd, Lu, Nocedal, Zhu, "A limited memory algorithm for
//! bound constrained optimization" (1995), of which the active set by projection is kept; Lewis, Overton, "Nonsmooth optimization via
//! quasi-Newton methods" (2013).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::bounds::{dot, norm};
use super::bundle::{Escape, MAX_GRADIENTS, WayOut};
use super::line_search::{Found, LineSearch, WolfeSettings, weak_wolfe};
use super::search::{PlateauCounter, Point, Search, require_fraction, require_positive};
use super::{AccuracySchedule, Bounds, Monitor, Objective, OuterOptimizer, OuterResult, StopReason};
use crate::hypergradient::Selection;
use crate::{Error, Result};

/// Relative curvature sᵀy/(‖s‖‖y‖) below which a pair is left out.
const SMALLEST_CURVATURE: f64 = 1e-12;

/// Distance up to which the gradients at earlier points count as gradients around a point.
const NEIGHBOURHOOD: f64 = 1e-4;

/// Settings of [`Lbfgs`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LbfgsSettings {
    /// Number of pairs kept; default 50 for up to 200 parameters and 10 beyond: around a kink the pairs must span the space to turn along it,
    /// and where that is cheap it pays.
    pub memory: Option<usize>,
    /// How biactive coordinates are told and treated; default self-consistent, in a band of 1e-8.
    pub selection: Selection,
    /// Accuracy of the lower level; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
    /// Length of the first trial step, and of the first after the memory was emptied; default 1.
    pub initial_step: f64,
    /// c₁ of the weak Wolfe conditions, in (0, c₂); default 1e-4.
    pub sufficient: f64,
    /// c₂, in (c₁, 1); default 0.5.
    pub curvature: f64,
    /// Largest number of trial points in one line search; default 60.
    pub max_trials: usize,
    /// Length below which a step is given up; default 1e-10.
    pub smallest_step: f64,
    /// Largest number of steps; default 200.
    pub max_steps: usize,
    /// Ends after this many steps in a row with less than `plateau` (0: never); default 5.
    pub patience: usize,
    /// Relative improvement of a step that counts as one; default 1e-10.
    pub plateau: f64,
    /// Ends where the projected gradient, s‖P(θ−h/s)−θ‖ with s = |Φ(start)|, is at most this times |Φ(start)|; default 1e-8.
    pub stationarity: f64,
}

impl Default for LbfgsSettings {
    fn default() -> Self {
        Self {
            memory: None,
            selection: Selection::default(),
            accuracy: AccuracySchedule::default(),
            initial_step: 1.0,
            sufficient: 1e-4,
            curvature: 0.5,
            max_trials: 60,
            smallest_step: 1e-10,
            max_steps: 200,
            patience: 5,
            plateau: 1e-10,
            stationarity: 1e-8,
        }
    }
}

/// Projected L-BFGS.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lbfgs {
    /// Settings.
    pub settings: LbfgsSettings,
}

impl OuterOptimizer for Lbfgs {
    fn name(&self) -> &'static str {
        "lbfgs"
    }

    fn minimize(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<OuterResult> {
        self.check()?;
        let (selection, accuracy) = (self.settings.selection, self.settings.accuracy);
        Search::new(objective, monitor, selection, accuracy)?
            .descend_from(start, |search, point| self.descend(search, point))
    }
}

impl Lbfgs {
    fn descend(&self, search: &mut Search<'_>, mut point: Point) -> Result<StopReason> {
        let settings = &self.settings;
        let mut plateau = PlateauCounter::new(settings.plateau, settings.patience, point.evaluation.value);
        let mut memory =
            Memory::new(settings.memory.unwrap_or(if point.theta.len() <= 200 { 50 } else { 10 }));
        let mut on_plateau = false;
        if let Some(reason) = search.report_start(&point, None).break_value() {
            return Ok(reason);
        }
        while search.steps() < settings.max_steps {
            if search.is_stationary(&point, settings.stationarity) {
                return Ok(StopReason::Stationary);
            }
            let length = match self.step(search, &mut point, &mut memory, on_plateau)? {
                Step::Taken(found) => {
                    memory.learn(&point, &found.point);
                    point = found.point;
                    search.settle(&mut point)?;
                    Some(found.length)
                }
                Step::Retry => None,
                Step::End(reason) => return Ok(reason),
            };
            if let Some(reason) = search.report(&point, length, length.is_some()).break_value() {
                return Ok(reason);
            }
            if length.is_some() {
                let was_on_plateau = on_plateau;
                on_plateau = plateau.reached(point.evaluation.value);
                if on_plateau && was_on_plateau {
                    return Ok(StopReason::Plateau);
                }
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// A quasi-Newton step; where those gain nothing any more, or fail even with an empty memory, one that leaves the kink.
    fn step(
        &self,
        search: &mut Search<'_>,
        point: &mut Point,
        memory: &mut Memory,
        on_plateau: bool,
    ) -> Result<Step> {
        if on_plateau {
            let around = memory.recent_gradients(point);
            memory.clear();
            return self.leave_kink(search, point, around, None, StopReason::Plateau);
        }
        let direction = memory.direction(&search.bounds, point);
        match self.line_search(search, point, &direction)? {
            LineSearch::Found(found) => Ok(Step::Taken(found)),
            LineSearch::Failed { nearest } if direction.steepest => {
                self.leave_kink(search, point, Vec::new(), nearest, StopReason::SmallStep)
            }
            LineSearch::Failed { .. } => {
                memory.clear();
                Ok(Step::Retry)
            }
        }
    }

    fn line_search(
        &self,
        search: &mut Search<'_>,
        point: &mut Point,
        direction: &Direction,
    ) -> Result<LineSearch> {
        let first = if direction.steepest {
            self.settings.initial_step / norm(direction.d.iter().copied())
        } else {
            1.0
        };
        weak_wolfe(search, point, &direction.d, first, &self.wolfe())
    }

    fn wolfe(&self) -> WolfeSettings {
        let settings = &self.settings;
        WolfeSettings {
            sufficient: settings.sufficient,
            curvature: settings.curvature,
            max_trials: settings.max_trials,
            smallest_step: settings.smallest_step,
        }
    }

    /// A step that leaves the kink, or the end of the search.
    fn leave_kink(
        &self,
        search: &mut Search<'_>,
        point: &mut Point,
        around: Vec<Vec<f64>>,
        nearest: Option<Vec<f64>>,
        otherwise: StopReason,
    ) -> Result<Step> {
        let escape = Escape {
            wolfe: self.wolfe(),
            initial_step: self.settings.initial_step,
            stationarity: self.settings.stationarity,
        };
        Ok(match escape.leave(search, point, around, nearest)? {
            WayOut::Open(found) => Step::Taken(found),
            WayOut::Stationary => Step::End(StopReason::Stationary),
            WayOut::Closed => Step::End(otherwise),
        })
    }

    fn check(&self) -> Result<()> {
        let settings = &self.settings;
        require_positive("initial_step", settings.initial_step)?;
        require_positive("smallest_step", settings.smallest_step)?;
        require_fraction("sufficient", settings.sufficient)?;
        require_fraction("curvature", settings.curvature)?;
        if settings.sufficient < settings.curvature {
            return Ok(());
        }
        Err(Error::setting(
            "sufficient",
            settings.sufficient,
            format!("less than `curvature`, {}", settings.curvature),
        ))
    }
}

/// What came of the attempt to go on.
enum Step {
    Taken(Found),
    /// The memory misled; it is empty now.
    Retry,
    End(StopReason),
}

/// A descent direction.
struct Direction {
    d: Vec<f64>,
    /// Whether it is −h on the free coordinates.
    steepest: bool,
}

/// s = θ₊ − θ and y = h₊ − h.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
}

/// The last m pairs, oldest first.
struct Memory {
    pairs: VecDeque<Pair>,
    capacity: usize,
}

impl Memory {
    fn new(capacity: usize) -> Self {
        Self { pairs: VecDeque::with_capacity(capacity), capacity }
    }

    fn clear(&mut self) {
        self.pairs.clear();
    }

    fn learn(&mut self, from: &Point, to: &Point) {
        let difference = |a: &[f64], b: &[f64]| b.iter().zip(a).map(|(b, a)| b - a).collect();
        let s: Vec<f64> = difference(&from.theta, &to.theta);
        let y: Vec<f64> = difference(&from.evaluation.gradient, &to.evaluation.gradient);
        if self.capacity == 0 || free_part(&s, &y, &vec![true; s.len()]).is_none() {
            return;
        }
        if self.pairs.len() == self.capacity {
            self.pairs.pop_front();
        }
        self.pairs.push_back(Pair { s, y });
    }

    /// Gradients at the last points that are within [`NEIGHBOURHOOD`] of this one, from h − y, h − y − y', ….
    fn recent_gradients(&self, point: &Point) -> Vec<Vec<f64>> {
        let mut gradient = point.evaluation.gradient.clone();
        let mut distance = 0.0;
        let mut recent = Vec::new();
        for pair in self.pairs.iter().rev().take(MAX_GRADIENTS / 2) {
            distance += norm(pair.s.iter().copied());
            if distance > NEIGHBOURHOOD {
                break;
            }
            gradient.iter_mut().zip(&pair.y).for_each(|(h, y)| *h -= y);
            recent.push(gradient.clone());
        }
        recent
    }

    /// −Hh on the free coordinates if that descends, else −h on them.
    fn direction(&self, bounds: &Bounds, point: &Point) -> Direction {
        let gradient = bounds.free_gradient(&point.theta, &point.evaluation.gradient);
        let blocked = |i: usize| bounds.blocks(i, point.theta[i], -point.evaluation.gradient[i]);
        let free: Vec<bool> = (0..gradient.len()).map(|i| !blocked(i)).collect();
        let steepest = || Direction { d: gradient.iter().map(|h| -h).collect(), steepest: true };
        let Some(mut d) = self.two_loop(&gradient, &free) else {
            return steepest();
        };
        for (i, d) in d.iter_mut().enumerate() {
            if bounds.blocks(i, point.theta[i], *d) {
                *d = 0.0;
            }
        }
        let size = norm(d.iter().copied()) * norm(gradient.iter().copied());
        if dot(&d, &gradient) < -SMALLEST_CURVATURE * size {
            Direction { d, steepest: false }
        } else {
            steepest()
        }
    }

    /// −Hg by Nocedal's two-loop recursion with all vectors restricted to the free coordinates; `None` without a usable pair.
    fn two_loop(&self, gradient: &[f64], free: &[bool]) -> Option<Vec<f64>> {
        let usable: Vec<(&Pair, FreePart)> =
            self.pairs.iter().filter_map(|pair| Some((pair, free_part(&pair.s, &pair.y, free)?))).collect();
        let scale = usable.last()?.1.scale;
        let mut q = gradient.to_vec();
        let mut alphas = Vec::with_capacity(usable.len());
        for (pair, part) in usable.iter().rev() {
            let alpha = part.inverse_curvature * dot(&pair.s, &q);
            add_free(&mut q, -alpha, &pair.y, free);
            alphas.push(alpha);
        }
        q.iter_mut().for_each(|q| *q *= scale);
        for ((pair, part), alpha) in usable.iter().zip(alphas.into_iter().rev()) {
            let beta = part.inverse_curvature * dot(&pair.y, &q);
            add_free(&mut q, alpha - beta, &pair.s, free);
        }
        q.iter_mut().for_each(|q| *q = -*q);
        q.iter().all(|d| d.is_finite()).then_some(q)
    }
}

/// What the recursion needs to know of a pair's free part.
struct FreePart {
    /// 1/sᵀy.
    inverse_curvature: f64,
    /// sᵀy/yᵀy: size of the inverse Hessian.
    scale: f64,
}

/// `None` unless sᵀy on the free coordinates is clearly positive.
fn free_part(s: &[f64], y: &[f64], free: &[bool]) -> Option<FreePart> {
    let (mut sy, mut ss, mut yy) = (0.0, 0.0, 0.0);
    for ((s, y), _) in s.iter().zip(y).zip(free).filter(|(_, free)| **free) {
        sy += s * y;
        ss += s * s;
        yy += y * y;
    }
    let clear = sy > SMALLEST_CURVATURE * (ss * yy).sqrt() && sy.is_normal() && yy.is_finite();
    clear.then(|| FreePart { inverse_curvature: 1.0 / sy, scale: sy / yy })
}

/// x ← x + a·v on the free coordinates.
fn add_free(x: &mut [f64], a: f64, v: &[f64], free: &[bool]) {
    for ((x, v), _) in x.iter_mut().zip(v).zip(free).filter(|(_, free)| **free) {
        *x += a * v;
    }
}
