//! Which states of an iteration are kept for the way back, and which are computed again.
//!
//! | plan | states kept at one time | steps computed again |
//! |---|---|---|
//! | [`Checkpoints::All`] | T | none |
//! | [`Checkpoints::SquareRoot`] | about 2√T | fewer than T |
//! | [`Checkpoints::Binomial`] | as many as given, s | about rT, with r the smallest number for which C(s + r, s) ≥ T: optimal |
//!
//! A segment begins at a kept state. Going forward over it once, the plan keeps further states, which cut it into parts; these are reversed
//! from the last to the first, each with the slots that are free by then.
//!
//! Source: Griewank, Walther, "Algorithm 799: revolve" (2000), for the binomial plan.

use crate::Result;

/// Which states reverse mode keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Checkpoints {
    /// All of them.
    All,
    /// Every ⌈√T⌉-th, and those between two of these while they are needed.
    #[default]
    SquareRoot,
    /// At most so many at a time, at least 1, placed so that the fewest steps are computed again.
    Binomial(usize),
}

/// What happens at a step: s_{k+1} from s_k; the adjoint from s_{k+1} to s_k.
pub(super) trait Sweep {
    fn forward(&mut self, k: usize, state: &[f64], next: &mut [f64]) -> Result<()>;
    fn backward(&mut self, k: usize, state: &[f64]) -> Result<()>;
}

/// Counts the states that are kept.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: usize,
    pub peak: usize,
}

impl Ledger {
    fn keep(&mut self) {
        self.held += 1;
        self.peak = self.peak.max(self.held);
    }

    fn release(&mut self) {
        self.held -= 1;
    }
}

/// Steps `begin..end` from a kept state, to be reversed.
pub(super) struct Segment {
    begin: usize,
    end: usize,
    room: Room,
    state: Vec<f64>,
}

/// Where further states may be kept.
#[derive(Clone, Copy)]
enum Room {
    /// After every so many steps.
    Every(usize),
    /// Anywhere, so many of them.
    Slots(usize),
}

impl Segment {
    fn length(&self) -> usize {
        self.end - self.begin
    }

    /// The end of the first part, if there is more than one.
    fn cut(&self) -> Option<usize> {
        let length = self.length();
        let first = match self.room {
            Room::Every(stride) => stride,
            Room::Slots(0) => length,
            Room::Slots(free) if length > 1 => length - right_part(length, free + 1),
            Room::Slots(_) => length,
        };
        (first < length).then_some(self.begin + first)
    }

    /// The last of `parts` loses what comes after `to`, and the rest begins at `state`.
    fn split(&mut self, to: usize, state: &[f64]) -> Self {
        let room = match self.room {
            Room::Slots(free) => Room::Slots(free.saturating_sub(1)),
            every => every,
        };
        let rest = Self { begin: to, end: self.end, room, state: state.to_vec() };
        self.end = to;
        rest
    }
}

impl Checkpoints {
    /// Goes over steps `begin..end` from `state` and keeps states as the plan says; `state` becomes the one at `end`.
    pub(super) fn record(
        self,
        (begin, end): (usize, usize),
        state: &mut Vec<f64>,
        sweep: &mut dyn Sweep,
        ledger: &mut Ledger,
    ) -> Result<Vec<Segment>> {
        let room = match self {
            Self::All => Room::Every(1),
            Self::SquareRoot => Room::Every(((end - begin) as f64).sqrt().ceil() as usize),
            Self::Binomial(slots) => Room::Slots(slots.min(end - begin).saturating_sub(1)),
        };
        ledger.keep();
        let whole = Segment { begin, end, room, state: state.clone() };
        let (parts, reached) = advance(whole, sweep, ledger)?;
        *state = parts.last().map_or_else(Vec::new, |last| last.state.clone());
        go(reached, end, state, sweep)?;
        Ok(parts)
    }
}

/// Reverses all steps of the segments, from the last to the first.
pub(super) fn reverse(mut stack: Vec<Segment>, sweep: &mut dyn Sweep, ledger: &mut Ledger) -> Result<()> {
    while let Some(mut segment) = stack.pop() {
        match segment.room {
            _ if segment.length() <= 1 => {
                if segment.length() == 1 {
                    sweep.backward(segment.begin, &segment.state)?;
                }
                ledger.release();
            }
            Room::Slots(0) => {
                one_by_one(&segment, sweep)?;
                ledger.release();
            }
            Room::Slots(_) => stack.extend(advance(segment, sweep, ledger)?.0),
            Room::Every(_) => {
                segment.room = Room::Every(1);
                stack.extend(advance(segment, sweep, ledger)?.0);
            }
        }
    }
    Ok(())
}

/// Cuts a segment into parts that begin at newly kept states; the parts, and where the last one begins.
fn advance(whole: Segment, sweep: &mut dyn Sweep, ledger: &mut Ledger) -> Result<(Vec<Segment>, usize)> {
    let mut state = whole.state.clone();
    let mut parts = Vec::new();
    let mut current = whole;
    while let Some(to) = current.cut() {
        go(current.begin, to, &mut state, sweep)?;
        ledger.keep();
        let rest = current.split(to, &state);
        parts.push(std::mem::replace(&mut current, rest));
    }
    let reached = current.begin;
    parts.push(current);
    Ok((parts, reached))
}

/// Steps `from..to` on `state`.
fn go(from: usize, to: usize, state: &mut Vec<f64>, sweep: &mut dyn Sweep) -> Result<()> {
    let mut next = vec![0.0; state.len()];
    for k in from..to {
        sweep.forward(k, state, &mut next)?;
        std::mem::swap(state, &mut next);
    }
    Ok(())
}

/// With no slot left: every state again from the beginning.
fn one_by_one(segment: &Segment, sweep: &mut dyn Sweep) -> Result<()> {
    for k in (segment.begin..segment.end).rev() {
        let mut state = segment.state.clone();
        go(segment.begin, k, &mut state, sweep)?;
        sweep.backward(k, &state)?;
    }
    Ok(())
}

/// How many of `length` ≥ 2 steps come after the next kept state, with `slots` ≥ 2 states in all: C(s − 1 + r, s − 1) for the smallest r with
/// C(s + r, s) ≥ length.
fn right_part(length: usize, slots: usize) -> usize {
    let r = (1..).find(|r| binomial(slots + r, slots) >= length).unwrap_or(length);
    binomial(slots - 1 + r, slots - 1).clamp(1, length - 1)
}

/// C(n, k), or the largest number there is.
fn binomial(n: usize, k: usize) -> usize {
    let k = k.min(n - k);
    (1..=k).try_fold(1_usize, |value, i| Some(value.checked_mul(n - k + i)? / i)).unwrap_or(usize::MAX)
}
