//! Projections of a disk and lengths of rays in closed form; exact adjoints, the same for any number of threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::operator::{CellGrid, LinearOperator, ParallelBeam, Radon, Ray, TravelTime, dot_test};

fn awkward_scan() -> ParallelBeam {
    let angles = (0..37).map(|k| -2.0 + 0.31 * k as f64).collect();
    ParallelBeam { angles, detectors: 29, spacing: 1.7, axis: Some(11.3), pixel: 0.8, height: 23, width: 31 }
}

/// 16 rows and 16 columns of travel times across a grid that does not begin at the origin.
fn crossing_rays() -> (CellGrid, Vec<Ray>) {
    let grid = CellGrid { rows: 11, columns: 7, cell: [0.5, 0.3], origin: [-1.0, 2.0] };
    let side = |x: f64| (0..16).map(|k| [x, 1.7 + 0.25 * k as f64]).collect::<Vec<_>>();
    (grid, Ray::all_pairs(&side(-1.0), &side(2.6)))
}

#[test]
fn the_projection_of_a_disk_has_the_closed_form() {
    // Every angle sees 2√(r² − s²); the disk is smoothed over one pixel so that its pixels carry its area.
    let (size, r, fine) = (200_usize, 70.0_f64, 8);
    let centre = (size as f64 - 1.0) / 2.0;
    let covered = |row: usize, column: usize| {
        let offset = |k: usize| (k as f64 + 0.5) / fine as f64 - 0.5;
        let inside = (0..fine * fine).filter(|k| {
            let (y, x) = (row as f64 + offset(k / fine) - centre, column as f64 + offset(k % fine) - centre);
            x * x + y * y <= r * r
        });
        inside.count() as f64 / (fine * fine) as f64
    };
    let image: Vec<f64> = (0..size * size).map(|k| covered(k / size, k % size)).collect();
    let scan = ParallelBeam { pixel: 0.5, spacing: 0.5, ..ParallelBeam::half_turn(size, size, 12) };
    let radon = Radon::new(&scan).unwrap();
    let sinogram = radon.apply(&image).unwrap();
    let (_, detectors) = radon.sinogram_shape();
    for (k, value) in sinogram.iter().enumerate() {
        let s = 0.5 * ((k % detectors) as f64 - (detectors as f64 - 1.0) / 2.0);
        let exact = if s.abs() < 35.0 { 2.0 * (35.0 * 35.0 - s * s).sqrt() } else { 0.0 };
        // Near the rim the chord changes by more than a pixel's worth within a pixel.
        let tolerance = if (s.abs() - 35.0).abs() > 3.0 { 0.35 } else { 6.0 };
        assert!(
            (value - exact).abs() < tolerance,
            "view {}, s = {s}: {value} against {exact}",
            k / detectors
        );
    }
    let mass = |view: &[f64]| view.iter().sum::<f64>() * 0.5;
    let area = std::f64::consts::PI * 35.0 * 35.0;
    assert!(sinogram.chunks(detectors).all(|view| (mass(view) / area - 1.0).abs() < 2e-3));
}

#[test]
fn the_axis_and_the_sense_of_rotation_are_as_documented() {
    // A point at x = 2, y = 1 (right of and above the centre) lies at s = x cos θ + y sin θ.
    let mut image = vec![0.0; 49];
    image[2 * 7 + 5] = 1.0;
    for angle in [0.0, 0.4, 1.2, 2.0, 3.3, -1.0] {
        let scan = ParallelBeam {
            angles: vec![angle],
            axis: Some(20.0),
            detectors: 81,
            spacing: 0.1,
            ..ParallelBeam::half_turn(7, 7, 1)
        };
        let view = Radon::new(&scan).unwrap().apply(&image).unwrap();
        let mass: f64 = view.iter().sum();
        let centre = view.iter().enumerate().map(|(d, v)| (d as f64 - 20.0) * 0.1 * v).sum::<f64>() / mass;
        let s = 2.0 * angle.cos() + angle.sin();
        // Only the points that the detector covers are told: s from −2 to 6.
        if s > -1.0 {
            assert!((centre - s).abs() < 1e-2, "θ = {angle}: {centre} against {s}");
        }
    }
}

#[test]
fn adjoints_are_exact() {
    let radon = Radon::new(&awkward_scan()).unwrap();
    let (grid, rays) = crossing_rays();
    let times = TravelTime::new(&grid, &rays).unwrap();
    for seed in 0..5 {
        assert!(dot_test::<f64>(&radon, seed).unwrap() < 1e-14);
        assert!(dot_test::<f32>(&radon, seed).unwrap() < 1e-6);
        assert!(dot_test::<f64>(&times, seed).unwrap() < 1e-14);
        assert!(dot_test::<f32>(&times, seed).unwrap() < 1e-6);
    }
}

#[test]
fn the_number_of_threads_changes_no_digit() {
    let radon = Radon::new(&ParallelBeam::half_turn(70, 45, 33)).unwrap();
    let x: Vec<f64> = (0..70 * 45).map(|k| (k as f64 * 0.7).sin()).collect();
    let both = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let forward = radon.apply(&x).unwrap();
            let back = radon.adjoint(&forward).unwrap();
            (forward, back)
        })
    };
    assert_eq!(both(1), both(3));
}

#[test]
fn travel_times_are_lengths_times_slowness() {
    let (grid, rays) = crossing_rays();
    let times = TravelTime::new(&grid, &rays).unwrap();
    // A medium of slowness 1 takes the length of the ray inside the grid, x ∈ [−1, 2.5], y ∈ [2, 5.3]: clip the segment to the box.
    let inside = |ray: &Ray| {
        let along = [ray.receiver[0] - ray.source[0], ray.receiver[1] - ray.source[1]];
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        for (axis, low, high) in [(0, -1.0, 2.5), (1, 2.0, 5.3)] {
            if along[axis] != 0.0 {
                let (a, b) =
                    ((low - ray.source[axis]) / along[axis], (high - ray.source[axis]) / along[axis]);
                (from, to) = (from.max(a.min(b)), to.min(a.max(b)));
            } else if ray.source[axis] < low || ray.source[axis] > high {
                to = from;
            }
        }
        (to - from).max(0.0) * along[0].hypot(along[1])
    };
    for (time, ray) in times.apply(&vec![1.0; 77]).unwrap().iter().zip(&rays) {
        approx::assert_relative_eq!(*time, inside(ray), epsilon = 1e-12);
    }
    // A horizontal ray through row 4 takes 0.5 in each of its cells.
    let row = TravelTime::new(&grid, &[Ray { source: [-3.0, 3.35], receiver: [9.0, 3.35] }]).unwrap();
    let lengths = row.adjoint(&[1.0]).unwrap();
    assert!(
        lengths
            .iter()
            .enumerate()
            .all(|(c, v): (usize, &f64)| (v - if c / 7 == 4 { 0.5 } else { 0.0 }).abs() < 1e-12)
    );
}

#[test]
fn bad_geometry_is_told_in_a_sentence() {
    let scan = ParallelBeam { angles: vec![0.0, f64::NAN], ..ParallelBeam::half_turn(4, 4, 2) };
    let message = Radon::new(&scan).unwrap_err().to_string();
    assert_eq!(message, "angle of view 1: found NaN; expected a finite angle in radians");
    let scan = ParallelBeam { spacing: -1.0, ..ParallelBeam::half_turn(4, 4, 2) };
    assert!(Radon::new(&scan).unwrap_err().to_string().contains("`spacing`: found -1"));
    let point = Ray { source: [1.0, 1.0], receiver: [1.0, 1.0] };
    let message = TravelTime::new(&CellGrid::unit(2, 2), &[point]).unwrap_err().to_string();
    assert!(message.starts_with("ray 0: found from [1.0, 1.0]"));
}
