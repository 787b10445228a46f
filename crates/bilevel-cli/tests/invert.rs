//! `bilevel invert` as a user runs it.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use bilevel::inverse::problems;
use bilevel::operator::{LinearOperator, ParallelBeam, Radon};
use bilevel_io::{Depth, read_array, read_image, write_array};
use common::{Scratch, json, refused, succeed};

const N: usize = 32;

/// A.npy, b.npy of a discretized integral equation with noise; its solution.
fn equation(scratch: &Scratch) -> Vec<f64> {
    let problem = problems::phillips(N).unwrap();
    let noisy = problem.with_noise(0.01, 1);
    let row_major: Vec<f64> = (0..N * N).map(|k| problem.a.column(k % N)[k / N]).collect();
    write_array(scratch.path().join("A.npy"), &[N, N], &row_major, Depth::F64).unwrap();
    write_array(scratch.path().join("b.npy"), &[N], &noisy.b, Depth::F64).unwrap();
    problem.x
}

#[test]
fn an_integral_equation_is_solved_by_every_rule() {
    let scratch = Scratch::new("invert-rules");
    let truth = equation(&scratch);
    let size: f64 = truth.iter().map(|t| t * t).sum();
    for more in [
        &[][..],
        &["--rule", "consensus"],
        &["--rule", "l-curve"],
        &["--reg", "derivative:2"],
        &["--rule", "modified-gcv", "--reg", "derivative:1"],
    ] {
        let given =
            [&["invert", "--matrix", "A.npy", "--data", "b.npy", "--output", "x.npy", "--json"][..], more]
                .concat();
        let result = json(scratch.path(), &given);
        assert!(result["lambda"].as_f64().unwrap() > 0.0 && !result["rules"].as_array().unwrap().is_empty());
        let x = read_array(scratch.path().join("x.npy")).unwrap();
        assert_eq!(x.shape, [N]);
        let square: f64 = x.values.iter().zip(&truth).map(|(x, t)| (x - t).powi(2)).sum();
        // On this equation the corner of the L-curve lets more noise through, in Hansen's own code too (data/regtools.csv).
        let bound = if more.contains(&"l-curve") { 0.5 } else { 0.15 };
        assert!((square / size).sqrt() < bound, "{more:?}: {}", (square / size).sqrt());
    }
}

#[test]
fn a_sinogram_becomes_a_slice() {
    let scratch = Scratch::new("invert-sinogram");
    let (side, views) = (24_usize, 36);
    let truth: Vec<f64> = (0..side * side)
        .map(|i| if (i / side).abs_diff(12).pow(2) + (i % side).abs_diff(10).pow(2) < 36 { 1.0 } else { 0.0 })
        .collect();
    let angles: Vec<f64> = (0..views).map(|k| f64::from(k) * 5.0).collect();
    let scan = ParallelBeam {
        angles: angles.iter().map(|a| a.to_radians()).collect(),
        detectors: 35,
        ..ParallelBeam::half_turn(side, side, angles.len())
    };
    let mut sinogram = Radon::new(&scan).unwrap().apply(&truth).unwrap();
    sinogram.iter_mut().enumerate().for_each(|(k, s)| *s += 0.1 * ((k * k) as f64).sin());
    write_array(scratch.path().join("s.npy"), &[angles.len(), 35], &sinogram, Depth::F64).unwrap();
    let given = ["invert", "--sinogram", "s.npy", "--angles", "0:175:36", "--size", "24", "--output"];
    succeed(scratch.path(), &[&given[..], &["slice.npy"]].concat());
    let slice = read_array(scratch.path().join("slice.npy")).unwrap();
    assert_eq!(slice.shape, [side, side]);
    let square: f64 = slice.values.iter().zip(&truth).map(|(x, t)| (x - t).powi(2)).sum();
    let size: f64 = truth.iter().map(|t| t * t).sum();
    assert!((square / size).sqrt() < 0.4, "{}", (square / size).sqrt());
    succeed(scratch.path(), &[&given[..], &["slice.png", "--quiet"]].concat());
    assert_eq!(read_image(scratch.path().join("slice.png")).unwrap().depth, Depth::U16);
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let scratch = Scratch::new("invert-refused");
    equation(&scratch);
    write_array(scratch.path().join("short.npy"), &[N - 1], &[1.0; N - 1], Depth::F64).unwrap();
    write_array(scratch.path().join("zero.npy"), &[N], &[0.0; N], Depth::F64).unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&[], "--matrix"),
        (&["--matrix", "A.npy"], "--data"),
        (&["--matrix", "A.npy", "--data", "short.npy"], "31 numbers"),
        (&["--matrix", "A.npy", "--data", "zero.npy", "--rule", "gcv"], "zeros only"),
        (&["--matrix", "A.npy", "--data", "b.npy", "--rule", "magic"], "robust-gcv"),
        (&["--matrix", "A.npy", "--data", "b.npy", "--rule", "sure"], "sigma"),
        (&["--matrix", "A.npy", "--data", "b.npy", "--reg", "derivative:3"], "derivative:2"),
        (&["--matrix", "A.npy", "--data", "b.npy", "--output", "x.png"], ".npy"),
        (&["--sinogram", "s.h5", "--angles", "0:1:2"], "numpy.save"),
    ];
    for (given, expected) in cases {
        let said = refused(scratch.path(), &[&["invert"], given].concat());
        assert!(said.contains(expected), "{given:?}: {said}");
    }
}
