//! What one transform diagonalizes: spectra against dense matrices, and Tikhonov's problem against its normal equations.
#![allow(clippy::unwrap_used)] // the helpers make operators that are valid by construction

use bilevel::operator::{
    Basis, Boundary, CommonSpectrum, Composition, Convolution, Difference, Gradient, Identity, Kernel,
    Laplacian, LinearOperator, Modes, Order, Scaled, Stack, Sum, Transpose,
};
use faer::Mat;

const SHAPES: [&[usize]; 9] = [&[1], &[2], &[7], &[8], &[1, 5], &[6, 1], &[5, 6], &[6, 5], &[3, 4, 5]];

fn numbers(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|k| ((k + 1) as f64 * 0.7391 + seed as f64).sin()).collect()
}

/// AᵀA, column by column.
fn gram(operator: &dyn LinearOperator) -> Mat<f64> {
    let n = operator.n_columns();
    let mut gram = Mat::zeros(n, n);
    for j in 0..n {
        let unit: Vec<f64> = (0..n).map(|i| f64::from(i == j)).collect();
        let column = operator.adjoint(&operator.apply(&unit).unwrap()).unwrap();
        column.iter().enumerate().for_each(|(i, value)| gram[(i, j)] = *value);
    }
    gram
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Every mode as often as its multiplicity says.
fn with_multiplicities(spectrum: &CommonSpectrum, values: &[f64]) -> Vec<f64> {
    assert_eq!(values.len(), spectrum.n_modes());
    let repeated = values
        .iter()
        .enumerate()
        .flat_map(|(mode, value)| std::iter::repeat_n(*value, spectrum.multiplicity(mode) as usize));
    sorted(repeated.collect())
}

fn small_kernel(shape: &[usize], is_symmetric: bool) -> Kernel {
    let extents: Vec<usize> = shape.iter().map(|n| if *n < 3 { 1 } else { 3 }).collect();
    let values = (0..extents.iter().product::<usize>()).map(|k| {
        let distance = |at: usize, n: usize| if is_symmetric { at.abs_diff(n / 2) } else { at };
        let mut rest = k;
        extents.iter().rev().fold(1.0, |value, n| {
            let at = distance(rest % n, *n);
            rest /= n;
            value / (1.0 + 2.0 * at as f64)
        })
    });
    Kernel::from_samples(&extents, values.collect()).unwrap()
}

/// Penalties that are diagonal with one boundary.
fn penalties(shape: &[usize], boundary: Boundary) -> Vec<Box<dyn LinearOperator>> {
    let difference = |order| Difference::new(shape, shape.len() - 1, order, boundary).unwrap();
    let n = shape.iter().product();
    let mixed: Vec<Box<dyn LinearOperator>> = vec![
        Box::new(Scaled::new(0.5, Identity::new(n)).unwrap()),
        Box::new(Laplacian::new(shape, boundary).unwrap()),
    ];
    vec![
        Box::new(Identity::new(n)),
        Box::new(difference(Order::First)),
        Box::new(difference(Order::Second)),
        Box::new(Gradient::new(shape, boundary).unwrap()),
        Box::new(Laplacian::new(shape, boundary).unwrap()),
        Box::new(Scaled::new(-1.5, Gradient::new(shape, boundary).unwrap()).unwrap()),
        Box::new(
            Composition::new(
                Gradient::new(shape, boundary).unwrap(),
                Convolution::new(shape, &small_kernel(shape, true), boundary).unwrap(),
            )
            .unwrap(),
        ),
        Box::new(Sum::new(mixed).unwrap()),
        Box::new(Stack::new(vec![difference(Order::First), difference(Order::Second)]).unwrap()),
        Box::new(Transpose::new(Laplacian::new(shape, boundary).unwrap())),
    ]
}

#[test]
fn spectra_are_the_eigenvalues_of_the_dense_matrices() {
    for shape in SHAPES {
        for (boundary, is_symmetric) in
            [(Boundary::Periodic, true), (Boundary::Periodic, false), (Boundary::Reflective, true)]
        {
            let a = Convolution::<f64>::new(shape, &small_kernel(shape, is_symmetric), boundary).unwrap();
            let penalties = penalties(shape, boundary);
            let references: Vec<&dyn LinearOperator> = penalties.iter().map(AsRef::as_ref).collect();
            let spectrum = CommonSpectrum::of(&a, &references).unwrap();
            assert_eq!(spectrum.n_unknowns(), a.n_columns());
            let expected = |operator: &dyn LinearOperator| {
                sorted(gram(operator).self_adjoint_eigenvalues(faer::Side::Lower).unwrap())
            };
            let check = |found: Vec<f64>, expected: Vec<f64>, name: &str| {
                assert_eq!(found.len(), expected.len());
                let largest = expected.iter().fold(1.0_f64, |a, b| a.max(*b));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 1e-13 * largest,
                        "{name} of shape {shape:?}, {boundary:?}: {found} {expected}"
                    );
                }
            };
            check(with_multiplicities(&spectrum, spectrum.data_gram()), expected(&a), "A");
            for (k, penalty) in references.iter().enumerate() {
                let found = with_multiplicities(&spectrum, spectrum.penalty_gram(k));
                check(found, expected(*penalty), &format!("penalty {k}"));
            }
        }
    }
}

#[test]
fn the_transform_is_unitary_and_diagonalizes_the_operator() {
    for shape in SHAPES.into_iter().chain([[40, 77].as_slice(), &[90, 121], &[16, 30, 41]]) {
        for boundary in [Boundary::Periodic, Boundary::Reflective] {
            let a = Convolution::<f64>::new(shape, &small_kernel(shape, true), boundary).unwrap();
            let spectrum = CommonSpectrum::of(&a, &[]).unwrap();
            let n = a.n_columns();
            let (x, y) = (numbers(n, 1), numbers(n, 2));
            let (transformed, of_y) = (spectrum.transform(&x).unwrap(), spectrum.transform(&y).unwrap());

            let energies = transformed.squared_moduli();
            let [energy] = spectrum.sum(|mode| [energies[mode]]);
            let expected: f64 = x.iter().map(|x| x * x).sum();
            assert!((energy - expected).abs() < 1e-13 * expected, "{shape:?}");
            let back = spectrum.back(&transformed);
            assert!(x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-13), "{shape:?}");

            let products = transformed.conjugate_times(&of_y);
            let [inner] = spectrum.sum(|mode| match &products {
                Modes::Real(values) => [values[mode]],
                Modes::Complex(values) => [values[mode].re],
            });
            let expected_inner: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert!((inner - expected_inner).abs() < 1e-13 * expected);

            let by_modes = spectrum.back(&spectrum.data_eigenvalues().times(&transformed));
            let adjoint = spectrum.back(&spectrum.adjoint_of_data(&x).unwrap());
            let close = |found: &[f64], expected: &[f64]| {
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
            };
            assert!(close(&by_modes, &a.apply(&x).unwrap()) && close(&adjoint, &a.adjoint(&x).unwrap()));
        }
    }
}

#[test]
fn multiplicities_sum_to_the_number_of_unknowns() {
    for shape in SHAPES {
        for boundary in [Boundary::Periodic, Boundary::Reflective] {
            let gradient = Gradient::<f64>::new(shape, boundary).unwrap();
            let identity = Identity::<f64>::new(gradient.n_columns());
            let spectrum = CommonSpectrum::of(&identity, &[&gradient]).unwrap();
            assert_eq!(spectrum.sum(|_| [1.0])[0] as usize, gradient.n_columns());
        }
    }
}

#[test]
fn constants_are_the_exact_null_space_of_differences() {
    for boundary in [Boundary::Periodic, Boundary::Reflective] {
        let gradient = Gradient::<f64>::new(&[6, 9], boundary).unwrap();
        let spectrum = CommonSpectrum::of(&Identity::new(54), &[&gradient]).unwrap();
        let zeros = spectrum.penalty_gram(0).iter().filter(|g| **g == 0.0).count();
        assert_eq!((spectrum.penalty_gram(0)[0], zeros), (0.0, 1));
    }
}

#[test]
fn operators_without_a_common_basis_have_no_spectrum() {
    let shape = [8, 9];
    let symmetric = small_kernel(&shape, true);
    let blur = |kernel: &Kernel, boundary| Convolution::<f64>::new(&shape, kernel, boundary).unwrap();
    let gradient = |boundary| Gradient::<f64>::new(&shape, boundary).unwrap();
    let exists = |a: &Convolution, l: &Gradient| CommonSpectrum::of(a, &[l]).is_some();
    assert!(exists(&blur(&symmetric, Boundary::Periodic), &gradient(Boundary::Periodic)));
    assert!(!exists(&blur(&symmetric, Boundary::Periodic), &gradient(Boundary::Reflective)));
    assert!(!exists(&blur(&symmetric, Boundary::Zero), &gradient(Boundary::Zero)));
    assert!(!exists(
        &blur(&small_kernel(&shape, false), Boundary::Reflective),
        &gradient(Boundary::Reflective)
    ));
    let other_shape = Gradient::<f64>::new(&[9, 8], Boundary::Periodic).unwrap();
    assert!(!exists(&blur(&symmetric, Boundary::Periodic), &other_shape));
    let identity = Identity::<f64>::new(72);
    let spectrum = CommonSpectrum::of(&identity, &[&identity]).unwrap();
    assert!(matches!(spectrum.basis(), Basis::Cosine(_)) && spectrum.n_modes() == 72);
}
