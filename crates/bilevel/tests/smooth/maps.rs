//! Iterations as maps: their products agree with differences and with each other, and memory is what the plan says.
#![allow(clippy::unwrap_used, reason = "helpers of tests outside a test function")]

use bilevel::hypergradient::smooth::{Checkpoints, HypergradientMethod, Reverse};
use bilevel::smooth::{
    Batches, Descent, IterationMap, MomentumKind, Rate, SmoothProblem, SoftThreshold, iterate,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::problems::{Kind, Regression, differences, distance, norm};

fn random(seed: u64, length: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// Jacobian products of a map against differences of its step, and the dot test between tangent and adjoint.
fn assert_products(map: &dyn IterationMap, hyper: &[f64], name: &str) {
    let (n, m) = (map.state_length(), map.n_hyperparameters());
    assert_eq!(m, hyper.len(), "{name}");
    for k in 0..3 {
        let state = random(k, n);
        let (ds, dh, v) = (random(k + 10, n), random(k + 20, m), random(k + 30, n));
        let k = k as usize;
        let mut tangent = vec![0.0; n];
        map.tangent_into(k, (&state, hyper), (&ds, &dh), &mut tangent).unwrap();
        let along = |i: usize| {
            differences(&[0.0], 1e-4, |t| {
                let moved = |x: &[f64], d: &[f64]| -> Vec<f64> {
                    x.iter().zip(d).map(|(x, d)| x + t[0] * d).collect()
                };
                let mut out = vec![0.0; n];
                map.step_into(k, &moved(&state, &ds), &moved(hyper, &dh), &mut out).unwrap();
                out[i]
            })[0]
        };
        let expected: Vec<f64> = (0..n).map(along).collect();
        assert!(distance(&tangent, &expected) < 1e-8 * norm(&expected), "{name}: {tangent:?} {expected:?}");
        let (mut by_state, mut by_hyper) = (vec![0.0; n], vec![0.0; m]);
        map.adjoint_into(k, (&state, hyper), &v, &mut by_state, &mut by_hyper).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&tangent, &v), dot(&ds, &by_state) + dot(&dh, &by_hyper));
        assert!((left - right).abs() < 1e-11 * (1.0 + left.abs()), "{name}: {left} {right}");
    }
}

#[test]
fn products_of_every_map_agree_with_differences_and_are_adjoint() {
    let problem = Regression::sized(2, Kind::Logistic, 5, 20, 2);
    let (other, prox) = (Regression::sized(3, Kind::Logistic, 5, 20, 2), SoftThreshold::scalar(2));
    let each = SoftThreshold::per_coefficient(2..7).unwrap();
    let fixed = || Descent::new(&problem, Rate::Fixed(0.7)).unwrap();
    let learned = || Descent::new(&problem, Rate::Learned(2..4)).unwrap();
    assert_products(&fixed(), &[0.3, 0.5], "gradient descent");
    assert_products(&learned(), &[0.3, 0.5, 0.9, 0.4], "learned steps");
    let heavy = learned().with_momentum(MomentumKind::HeavyBall, Rate::Learned(4..6)).unwrap();
    assert_products(&heavy, &[0.3, 0.5, 0.9, 0.4, 0.2, 0.6], "heavy ball");
    let nesterov = learned().with_momentum(MomentumKind::Nesterov, Rate::Learned(4..5)).unwrap();
    let decayed = nesterov.clone().with_weight_decay(Rate::Learned(5..6)).unwrap();
    assert_products(&nesterov, &[0.3, 0.5, 0.9, 0.4, 0.2], "nesterov");
    assert_products(&decayed, &[0.3, 0.5, 0.9, 0.4, 0.2, 0.1], "weight decay");
    let layered = decayed.with_layers(vec![0, 1, 1, 0, 1], 6..8).unwrap();
    assert_products(&layered, &[0.3, 0.5, 0.9, 0.4, 0.2, 0.1, 0.8, 1.7], "layers");
    let schedule = Descent::new(&problem, Rate::Schedule(vec![0.9, 0.3])).unwrap();
    assert_products(&schedule, &[0.3, 0.5], "schedule");
    assert_products(&fixed().with_prox(&prox), &[0.3, 0.5, 0.2], "ista");
    assert_products(&fixed().with_prox(&each), &[0.3, 0.5, 0.1, 0.2, 0.1, 0.2, 0.1], "weighted ista");
    let fista = Descent::new(&problem, Rate::Learned(3..4)).unwrap().with_prox(&prox);
    let fista = fista.with_momentum(MomentumKind::Nesterov, Rate::Fixed(0.5)).unwrap();
    assert_products(&fista, &[0.3, 0.5, 0.2, 0.7], "fista");
    let batches = Batches::Recorded { parts: vec![&problem, &other], order: vec![1, 0, 1] };
    let stochastic = Descent::on(batches, Rate::Learned(2..3)).unwrap();
    assert_products(&stochastic, &[0.3, 0.5, 0.8], "recorded mini-batches");
}

#[test]
fn checkpointing_changes_memory_and_recomputation_and_nothing_else() {
    let problem = Regression::sized(7, Kind::Logistic, 3, 12, 1);
    let descent = Descent::new(&problem, Rate::Learned(1..2)).unwrap();
    let run = |steps: usize, checkpoints| {
        let method = Reverse { checkpoints, ..Reverse::all(&descent, steps) };
        method.hypergradient(&problem, &[0.3, 0.2], &[0.0; 3]).unwrap()
    };
    for steps in [1, 2, 3, 10, 100, 400, 1000] {
        let all = run(steps, Checkpoints::All);
        assert_eq!((all.work.stored_states, all.work.steps), (steps, steps));
        let root = run(steps, Checkpoints::SquareRoot);
        assert_eq!(root.gradient, all.gradient);
        assert!(root.work.stored_states as f64 <= 2.0 * (steps as f64).sqrt().ceil(), "{:?}", root.work);
        assert!(root.work.steps < 2 * steps || steps == 1, "{:?}", root.work);
        for slots in [1, 2, 3, 5, 10] {
            let few = run(steps, Checkpoints::Binomial(slots));
            assert_eq!(few.gradient, all.gradient);
            assert!(few.work.stored_states <= slots, "{slots} slots: {:?}", few.work);
            // Every step is computed at most r + 1 times, r the smallest with C(s + r, s) ≥ T.
            let choose = |n: usize, k: usize| (1..=k).fold(1.0, |c, i| c * (n - k + i) as f64 / i as f64);
            let r = (0..).find(|r| choose(slots + r, slots) >= steps as f64).unwrap();
            assert!(few.work.steps <= (r + 1) * steps, "{slots} slots, r = {r}: {:?}", few.work);
        }
    }
}

#[test]
fn memory_grows_with_the_root_of_the_number_of_steps() {
    let problem = Regression::sized(7, Kind::Quadratic, 2, 6, 1);
    let descent = Descent::new(&problem, Rate::Fixed(0.1)).unwrap();
    let stored = |steps| {
        let answer = Reverse::all(&descent, steps).hypergradient(&problem, &[0.3], &[0.0; 2]).unwrap();
        answer.work.stored_states as f64
    };
    // Four times the steps, twice the memory.
    for steps in [100, 400, 2500] {
        let growth = stored(4 * steps) / stored(steps);
        assert!((growth - 2.0).abs() < 0.06, "{growth}");
    }
}

#[test]
fn maps_refuse_what_does_not_fit() {
    let problem = Regression::sized(2, Kind::Logistic, 5, 20, 2);
    let empty = Descent::new(&problem, Rate::Schedule(Vec::new())).map(|_| ()).unwrap_err();
    assert!(empty.to_string().contains("setting `step`: found an empty schedule"), "{empty}");
    let batches = Batches::Recorded { parts: vec![&problem as &dyn SmoothProblem], order: vec![1] };
    let order = Descent::on(batches, Rate::Fixed(0.1)).map(|_| ()).unwrap_err();
    assert!(order.to_string().contains("expected numbers below 1"), "{order}");
    let descent = Descent::new(&problem, Rate::Learned(2..3)).unwrap();
    let short = iterate(&descent, &[0.1, 0.2], &[0.0; 5], 3).unwrap_err();
    assert!(short.to_string().contains("found 2 values; expected 3 values"), "{short}");
    let wild = iterate(
        &Descent::new(&Regression::sized(2, Kind::Quartic, 5, 20, 2), Rate::Fixed(1e3)).unwrap(),
        &[0.1, 0.2],
        &[1.0; 5],
        50,
    );
    assert!(wild.unwrap_err().to_string().contains("expected a finite number"));
}
