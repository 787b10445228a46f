//! Operators: exact adjoints, and the formulas that they stand for.
#![allow(clippy::unwrap_used)] // the helpers make operators that are valid by construction

use bilevel::Result;
use bilevel::design::{CscMatrix, DenseMatrix};
use bilevel::operator::{
    BlockDiagonal, Boundary, Composition, Convolution, Cosine, Diagonal, Difference, Gradient, Identity,
    Kernel, Laplacian, LinearOperator, Mask, MatrixOperator, Order, Real, Scaled, Stack, Sum, Transpose,
    dot_test,
};
use proptest::prelude::*;

/// Odd, even, prime and 1-long axes; one that is worth several threads.
const SHAPES: [&[usize]; 12] = [
    &[1],
    &[2],
    &[7],
    &[16],
    &[1, 1],
    &[1, 6],
    &[9, 1],
    &[5, 8],
    &[130, 97],
    &[3, 1, 4],
    &[4, 5, 6],
    &[17, 20, 31],
];

/// A kernel without symmetry, at most as large as the image, whose centre is not its middle.
fn lopsided(shape: &[usize]) -> Kernel {
    let extents: Vec<usize> = shape.iter().zip([4, 3, 5]).map(|(n, k)| *n.min(&k)).collect();
    let size: usize = extents.iter().product();
    let values = (0..size).map(|k| ((k * k + 1) as f64).sin()).collect();
    let centre: Vec<usize> = extents.iter().map(|n| n / 3).collect();
    Kernel::from_samples(&extents, values).unwrap().with_centre(&centre).unwrap()
}

/// Every operator of a shape.
fn operators<T: Real>(shape: &[usize]) -> Result<Vec<Box<dyn LinearOperator<T>>>> {
    let symmetric = vec![1.0 / 27.0; shape.iter().map(|n| if *n < 3 { 1 } else { 3 }).product()];
    let symmetric = Kernel::from_samples(
        &shape.iter().map(|n| if *n < 3 { 1 } else { 3 }).collect::<Vec<_>>(),
        symmetric,
    )?;
    let size = shape.iter().product();
    let mut all: Vec<Box<dyn LinearOperator<T>>> = vec![
        Box::new(Cosine::new(shape)?),
        Box::new(Identity::new(size)),
        Box::new(Mask::subsampling(shape, 2)?),
    ];
    for boundary in Boundary::ALL {
        all.push(Box::new(Convolution::new(shape, &lopsided(shape), boundary)?));
        all.push(Box::new(Convolution::new(shape, &symmetric, boundary)?));
        all.push(Box::new(Gradient::new(shape, boundary)?));
        all.push(Box::new(Laplacian::new(shape, boundary)?));
        for axis in 0..shape.len() {
            all.push(Box::new(Difference::new(shape, axis, Order::First, boundary)?));
            all.push(Box::new(Difference::new(shape, axis, Order::Second, boundary)?));
        }
    }
    Ok(all)
}

#[test]
fn adjoints_are_adjoints_in_double_precision() {
    for shape in SHAPES {
        for (k, operator) in operators::<f64>(shape).unwrap().iter().enumerate() {
            let error = dot_test(operator, 1).unwrap();
            assert!(error <= 1e-12, "operator {k} of shape {shape:?}: {error:e}");
        }
    }
}

#[test]
fn adjoints_are_adjoints_in_single_precision() {
    for shape in SHAPES {
        for (k, operator) in operators::<f32>(shape).unwrap().iter().enumerate() {
            let error = dot_test(operator, 2).unwrap();
            assert!(error <= 1e-4, "operator {k} of shape {shape:?}: {error:e}");
        }
    }
}

/// The matrix of an operator, column by column.
fn columns(operator: &impl LinearOperator) -> Vec<Vec<f64>> {
    let n = operator.n_columns();
    let unit = |j: usize| -> Vec<f64> { (0..n).map(|i| f64::from(i == j)).collect() };
    (0..n).map(|j| operator.apply(&unit(j)).unwrap()).collect()
}

#[test]
fn the_adjoint_is_the_transposed_matrix() {
    for operator in operators::<f64>(&[5, 8]).unwrap() {
        let (a, transposed) = (columns(&operator), columns(&Transpose::new(&operator)));
        for (j, column) in a.iter().enumerate() {
            for (i, value) in column.iter().enumerate() {
                assert!((value - transposed[i][j]).abs() < 1e-13);
            }
        }
    }
}

/// Σ_j k_j x̃_{i − (j − centre)} by the sum itself.
fn convolved_by_hand(
    shape: &[usize],
    kernel: (&[usize], &[f64], &[usize]),
    boundary: Boundary,
    x: &[f64],
) -> Vec<f64> {
    let (extents, values, centre) = kernel;
    let index = |mut k: usize, shape: &[usize]| -> Vec<usize> {
        let mut at = vec![0; shape.len()];
        for (at, n) in at.iter_mut().zip(shape).rev() {
            (*at, k) = (k % n, k / n);
        }
        at
    };
    let term = |i: &[usize], j: usize| -> f64 {
        let j = index(j, extents);
        let mut at = Some(0);
        for axis in 0..shape.len() {
            let place = (i[axis] + centre[axis]) as isize - j[axis] as isize;
            let source = boundary.source(place, shape[axis]);
            at = at.zip(source).map(|(at, source)| at * shape[axis] + source);
        }
        at.map_or(0.0, |at| x[at])
    };
    let sum = |i: usize| {
        let i = index(i, shape);
        values.iter().enumerate().map(|(j, value)| value * term(&i, j)).sum()
    };
    (0..x.len()).map(sum).collect()
}

fn numbers(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|k| ((k + 1) as f64 * 0.7391 + seed as f64).sin()).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_convolution_is_its_sum_and_its_adjoint_the_transpose(
        (shape, extents, centre) in prop::collection::vec(
            (1_usize..9).prop_flat_map(|n| (Just(n), 1..=n))
                .prop_flat_map(|(n, k)| (Just(n), Just(k), 0..k)),
            1..=3,
        ).prop_map(|axes| -> (Vec<usize>, Vec<usize>, Vec<usize>) {
            (axes.iter().map(|a| a.0).collect(), axes.iter().map(|a| a.1).collect(), axes.iter().map(|a| a.2).collect())
        }),
        seed in 0_usize..100,
    ) {
        let values = numbers(extents.iter().product(), seed);
        let x = numbers(shape.iter().product(), seed + 1);
        let kernel = Kernel::from_samples(&extents, values.clone()).unwrap().with_centre(&centre).unwrap();
        for boundary in Boundary::ALL {
            let convolution = Convolution::new(&shape, &kernel, boundary).unwrap();
            let by_hand = convolved_by_hand(&shape, (&extents, &values, &centre), boundary, &x);
            let scale = values.iter().map(|v: &f64| v.abs()).sum::<f64>();
            prop_assert!(largest_difference(&convolution.apply(&x).unwrap(), &by_hand) <= 1e-14 * scale.max(1.0) * 10.0);
            prop_assert!(dot_test(&convolution, 3).unwrap() <= 1e-12);
        }
    }

    #[test]
    fn the_cosine_transform_is_its_sum(shape in prop::collection::vec(1_usize..13, 1..=3), seed in 0_usize..100) {
        let x = numbers(shape.iter().product(), seed);
        let transform = Cosine::new(&shape).unwrap();
        let found = transform.apply(&x).unwrap();
        // One axis at a time.
        let mut expected = x.clone();
        for axis in 0..shape.len() {
            expected = cosine_along(&expected, &shape, axis);
        }
        prop_assert!(largest_difference(&found, &expected) < 1e-13);
        prop_assert!(largest_difference(&transform.adjoint(&found).unwrap(), &x) < 1e-13);
    }
}

fn cosine_along(x: &[f64], shape: &[usize], axis: usize) -> Vec<f64> {
    let n = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let coefficient = |k: usize| {
        let (block, frequency, rest) = (k / (n * inner), k / inner % n, k % inner);
        let scale = if frequency == 0 { 1.0 } else { 2.0 } / n as f64;
        let sum: f64 = (0..n)
            .map(|i| {
                let angle = std::f64::consts::PI * frequency as f64 * (2 * i + 1) as f64 / (2 * n) as f64;
                x[(block * n + i) * inner + rest] * angle.cos()
            })
            .sum();
        scale.sqrt() * sum
    };
    (0..x.len()).map(coefficient).collect()
}

#[test]
fn the_cosine_transform_is_orthogonal() {
    for shape in SHAPES {
        let transform = Cosine::<f64>::new(shape).unwrap();
        let x = numbers(transform.n_columns(), 0);
        let back = transform.adjoint(&transform.apply(&x).unwrap()).unwrap();
        let forth = transform.apply(&transform.adjoint(&x).unwrap()).unwrap();
        assert!(largest_difference(&back, &x) < 1e-13 && largest_difference(&forth, &x) < 1e-13, "{shape:?}");
    }
}

#[test]
fn differences_are_convolutions_with_their_stencils() {
    let shape = [5, 7];
    let x = numbers(35, 3);
    for boundary in Boundary::ALL {
        for axis in 0..2 {
            let mut extents = [1, 1];
            extents[axis] = 3;
            for (order, stencil) in [(Order::First, [1.0, -1.0, 0.0]), (Order::Second, [1.0, -2.0, 1.0])] {
                let difference = Difference::new(&shape, axis, order, boundary).unwrap();
                let by_hand =
                    convolved_by_hand(&shape, (&extents, &stencil, &extents.map(|n| n / 2)), boundary, &x);
                assert!(largest_difference(&difference.apply(&x).unwrap(), &by_hand) < 1e-15);
            }
        }
    }
}

#[test]
fn the_gradient_stacks_first_differences_and_the_laplacian_adds_second_ones() {
    let shape = [3, 4, 5];
    let x = numbers(60, 4);
    for boundary in Boundary::ALL {
        let along = |axis, order| Difference::<f64>::new(&shape, axis, order, boundary).unwrap();
        let firsts = Stack::new((0..3).map(|axis| along(axis, Order::First)).collect()).unwrap();
        let seconds = Sum::new((0..3).map(|axis| along(axis, Order::Second)).collect()).unwrap();
        let gradient = Gradient::new(&shape, boundary).unwrap();
        let laplacian = Laplacian::new(&shape, boundary).unwrap();
        assert_eq!(gradient.apply(&x).unwrap(), firsts.apply(&x).unwrap());
        assert!(largest_difference(&laplacian.apply(&x).unwrap(), &seconds.apply(&x).unwrap()) < 1e-14);
        if boundary != Boundary::Zero {
            let product = gradient.adjoint(&gradient.apply(&x).unwrap()).unwrap();
            let negative = Scaled::new(-1.0, laplacian).unwrap().apply(&x).unwrap();
            assert!(largest_difference(&product, &negative) < 1e-14);
        }
    }
}

#[test]
fn operators_made_of_others_pass_the_dot_test() {
    let shape = [6, 7];
    let boxed =
        || operators::<f64>(&shape).unwrap().into_iter().filter(|a| a.n_rows() == 42).collect::<Vec<_>>();
    let sparse = CscMatrix::new(3, vec![0, 1, 1, 3], vec![2, 0, 1], vec![1.5, -2.0, 0.5]).unwrap();
    let dense = DenseMatrix::new(2, 3, numbers(6, 1)).unwrap();
    let blur = || Convolution::<f64>::new(&shape, &lopsided(&shape), Boundary::Reflective).unwrap();
    let all: Vec<Box<dyn LinearOperator>> = vec![
        Box::new(Stack::new(operators(&shape).unwrap()).unwrap()),
        Box::new(Sum::new(boxed()).unwrap()),
        Box::new(BlockDiagonal::new(operators(&shape).unwrap()).unwrap()),
        Box::new(Composition::new(Mask::subsampling(&shape, 3).unwrap(), blur()).unwrap()),
        Box::new(Transpose::new(blur())),
        Box::new(Scaled::new(-0.3, blur()).unwrap()),
        Box::new(Diagonal::new(numbers(5, 2)).unwrap()),
        Box::new(Composition::new(MatrixOperator::new(dense), MatrixOperator::new(sparse)).unwrap()),
        Box::new(Mask::keeping(4, vec![1, 1, 3]).unwrap()),
    ];
    for (k, operator) in all.iter().enumerate() {
        let error = dot_test(operator, 5).unwrap();
        assert!(error <= 1e-12, "operator {k}: {error:e}");
    }
}

#[test]
fn the_same_kernel_gives_the_same_image_by_every_way() {
    // A symmetric kernel with reflective boundaries goes through the cosine transform; put into a larger frame of zeros off its centre, by padding.
    let (shape, blur) = ([20, 31], Kernel::gaussian(1.1, 2).unwrap());
    let n = blur.shape()[0];
    let mut framed = vec![0.0; n * (n + 1)];
    for (row, values) in blur.values().chunks_exact(n).enumerate() {
        framed[row * (n + 1)..row * (n + 1) + n].copy_from_slice(values);
    }
    let framed = Kernel::from_samples(&[n, n + 1], framed).unwrap().with_centre(&[n / 2, n / 2]).unwrap();
    assert!(blur.is_symmetric() && !framed.is_symmetric());
    let x = numbers(620, 6);
    let by_cosines = Convolution::new(&shape, &blur, Boundary::Reflective).unwrap().apply(&x).unwrap();
    let by_padding = Convolution::new(&shape, &framed, Boundary::Reflective).unwrap().apply(&x).unwrap();
    assert!(largest_difference(&by_cosines, &by_padding) < 1e-14);
}

#[test]
fn kernels_keep_the_mean_and_have_the_size_of_what_they_model() {
    for kernel in [
        Kernel::gaussian(2.0, 2).unwrap(),
        Kernel::motion(15.0, 30.0).unwrap(),
        Kernel::motion(4.0, 90.0).unwrap(),
        Kernel::disk(3.0).unwrap(),
        Kernel::disk(0.2).unwrap(),
    ] {
        assert!((kernel.values().iter().sum::<f64>() - 1.0).abs() < 1e-14);
    }
    assert_eq!(Kernel::gaussian(2.0, 2).unwrap().shape(), [17, 17]);
    assert_eq!(Kernel::gaussian(1.0, 3).unwrap().shape(), [9, 9, 9]);
    assert_eq!(Kernel::disk(3.0).unwrap().shape(), [7, 7]);
    assert_eq!(Kernel::motion(9.0, 90.0).unwrap().shape(), [9, 1]);
    // Variances along an axis: σ², radius²/4 and length²/12 along the path; pixels add about 1/12.
    let variance = |kernel: &Kernel| -> f64 {
        let (rows, columns) = (kernel.shape()[0], kernel.shape()[1]);
        let distance = |k: usize| (k % columns) as f64 - (columns / 2) as f64;
        (0..rows * columns).map(|k| kernel.values()[k] * distance(k).powi(2)).sum()
    };
    assert!((variance(&Kernel::gaussian(2.0, 2).unwrap()) - 4.0).abs() < 0.01);
    assert!((variance(&Kernel::disk(5.0).unwrap()) - 6.25 - 1.0 / 12.0).abs() < 0.05);
    let along = 15.0_f64.powi(2) / 12.0 * 30_f64.to_radians().cos().powi(2);
    assert!((variance(&Kernel::motion(15.0, 30.0).unwrap()) - along).abs() < 0.1);
    assert!(Kernel::gaussian(2.0, 2).unwrap().is_symmetric() && Kernel::disk(2.5).unwrap().is_symmetric());
    assert!(!Kernel::motion(15.0, 30.0).unwrap().is_symmetric());
}

#[test]
fn a_motion_upwards_to_the_right_is_a_rising_line() {
    let kernel = Kernel::motion(7.0, 45.0).unwrap();
    let (rows, columns) = (kernel.shape()[0], kernel.shape()[1]);
    assert_eq!((rows, columns), (5, 5));
    for i in 0..5 {
        let rising = kernel.values()[i * columns + (columns - 1 - i)];
        let expected = if i == 0 || i == 4 { 0.5 - 1.5 * 2_f64.sqrt() / 7.0 } else { 2_f64.sqrt() / 7.0 };
        assert!((rising - expected).abs() < 1e-12, "{rising} {expected}");
    }
}

#[test]
fn wrong_input_is_refused_in_one_sentence() {
    let message = |result: Result<()>| result.unwrap_err().to_string();
    let blur =
        |shape: &[usize], kernel: &Kernel| Convolution::<f64>::new(shape, kernel, Boundary::Zero).map(|_| ());
    let gaussian = Kernel::gaussian(2.0, 2).unwrap();
    let large = message(blur(&[16, 40], &gaussian));
    assert!(large.contains("`kernel`: found shape [17, 17]") && large.contains("shape [16, 40]"), "{large}");
    assert!(message(blur(&[40], &gaussian)).contains("as many axes"));
    assert!(message(blur(&[0, 4], &gaussian)).contains("at least one sample"));
    assert!(message(blur(&[usize::MAX, 4], &gaussian)).contains("fits into memory"));
    assert!(message(Cosine::<f64>::new(&[2, 2, 2, 2]).map(|_| ())).contains("one, two or three axes"));
    assert!(message(Kernel::gaussian(0.0, 2).map(|_| ())).contains("`sigma`"));
    assert!(message(Kernel::gaussian(f64::NAN, 2).map(|_| ())).contains("`sigma`: found NaN"));
    assert!(message(Kernel::motion(5.0, f64::INFINITY).map(|_| ())).contains("`angle`"));
    assert!(message(Kernel::disk(-1.0).map(|_| ())).contains("`radius`"));
    assert!(
        message(Kernel::from_samples(&[2], vec![1.0, f64::NAN]).map(|_| ())).contains("value 2: found NaN")
    );
    assert!(message(Kernel::from_samples(&[2], vec![1.0]).map(|_| ())).contains("length 1"));
    assert!(
        message(Kernel::from_samples(&[2], vec![1.0, -1.0]).and_then(Kernel::normalized).map(|_| ()))
            .contains("sum")
    );
    assert!(
        message(Difference::<f64>::new(&[4], 1, Order::First, Boundary::Zero).map(|_| ())).contains("`axis`")
    );
    assert!(message(Mask::<f64>::keeping(3, vec![3]).map(|_| ())).contains("index 3"));
    assert!(message(Diagonal::new(vec![1.0, f64::INFINITY]).map(|_| ())).contains("entry 2"));
    let narrow = || Identity::<f64>::new(2);
    let wide = || Identity::<f64>::new(3);
    assert!(message(Composition::new(narrow(), wide()).map(|_| ())).contains("composition"));
    assert!(message(Stack::new(vec![narrow(), wide()]).map(|_| ())).contains("number 2: found 3"));
    assert!(message(Sum::<Identity>::new(vec![]).map(|_| ())).contains("no operators"));
    assert!(message(narrow().apply(&[1.0]).map(|_| ())).contains("length 1"));
}
