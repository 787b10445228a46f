//! `bilevel restore` as a user runs it, on a phantom made here.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use std::path::Path;

use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
use bilevel_io::{Depth, Image, ImageFormat, read_image, write_image};
use common::{Scratch, json, names, refused, succeed};

const SIDE: usize = 48;
const SIGMA: f64 = 0.06;

/// A disk and a box on a slope.
fn phantom() -> Vec<f64> {
    let pixel = |i: usize| {
        let (r, c) = ((i / SIDE) as f64, (i % SIDE) as f64);
        let disk = (r - 16.0).powi(2) + (c - 18.0).powi(2) < 90.0;
        let square = (28.0..40.0).contains(&r) && (26.0..42.0).contains(&c);
        0.2 + 0.003 * c + if disk { 0.5 } else { 0.0 } + if square { 0.3 } else { 0.0 }
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// Sums of twelve uniform numbers from a linear congruence: normal enough for a test.
fn noise(seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..SIDE * SIDE).map(|_| SIGMA * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)).collect()
}

fn noisy(clean: &[f64], seed: u64) -> Vec<f64> {
    clean.iter().zip(noise(seed)).map(|(x, n)| x + n).collect()
}

fn blurred(clean: &[f64]) -> Vec<f64> {
    let kernel = Kernel::gaussian(1.2, 2).unwrap();
    Convolution::<f64>::new(&[SIDE, SIDE], &kernel, Boundary::Reflective).unwrap().apply(clean).unwrap()
}

fn image(plane: Vec<f64>, depth: Depth) -> Image {
    Image { height: SIDE, width: SIDE, planes: vec![plane], alpha: None, depth, format: ImageFormat::Png }
}

fn save(scratch: &Scratch, name: &str, plane: Vec<f64>, depth: Depth) {
    write_image(scratch.path().join(name), &image(plane, depth)).unwrap();
}

fn error(path: &Path) -> f64 {
    let restored = read_image(path).unwrap();
    let square: f64 = restored.planes[0].iter().zip(phantom()).map(|(x, t)| (x - t).powi(2)).sum();
    (square / (SIDE * SIDE) as f64).sqrt()
}

#[test]
fn noise_is_halved_by_every_prior_and_nothing_but_the_image_is_written() {
    let scratch = Scratch::new("restore-noise");
    save(&scratch, "noisy.png", noisy(&phantom(), 1), Depth::U8);
    for (prior, weights) in [
        ("wavelet:haar", "coefficient"),
        ("wavelet:haar", "subband"),
        ("wavelet:haar", "level"),
        ("wavelet:sym4", "scalar"),
        ("wavelet:sym4", "map:2x3"),
        ("tikhonov", "scalar"),
        ("tikhonov", "map"),
        ("tv", "scalar"),
        ("tv", "map:3x2"),
    ] {
        let result = json(
            scratch.path(),
            &["restore", "noisy.png", "--prior", prior, "--weights", weights, "--json", "--quiet"],
        );
        let left = error(&scratch.path().join("noisy.restored.png"));
        // Less is left by shifts of a transform, and by more than one weight.
        let bound = if matches!(prior, "tikhonov" | "wavelet:sym4") { 0.85 } else { 0.6 };
        assert!(left < bound * SIGMA, "{prior} {weights}: {left} of {SIGMA}");
        assert_eq!(result["unit"], 255.0);
        let sigma = result["planes"][0]["sigma"].as_f64().unwrap();
        assert!((sigma / SIGMA - 1.0).abs() < 0.25, "estimated {sigma}");
        assert_eq!(names(scratch.path()), ["noisy.png", "noisy.restored.png"]);
    }
}

#[test]
fn a_known_blur_is_undone_as_far_as_the_noise_allows() {
    let scratch = Scratch::new("restore-blur");
    let small: Vec<f64> = blurred(&phantom()).iter().zip(noise(2)).map(|(b, n)| b + 0.2 * n).collect();
    save(&scratch, "blurred.tif", small, Depth::F32);
    let before = error(&scratch.path().join("blurred.tif"));
    for more in [
        ["--prior", "tikhonov", "--criterion", "sure"],
        ["--prior", "tikhonov", "--criterion", "gcv"],
        ["--prior", "tikhonov", "--criterion", "gsure"],
        ["--prior", "tikhonov", "--weights", "map:3x3"],
        ["--prior", "wavelet", "--criterion", "gsure"],
        ["--prior", "tv", "--criterion", "sure"],
    ] {
        let given =
            [&["restore", "blurred.tif", "--blur", "gaussian:1.2", "--sigma", "0.012", "--quiet"][..], &more]
                .concat();
        succeed(scratch.path(), &given);
        let after = error(&scratch.path().join("blurred.restored.tif"));
        assert!(after < 0.9 * before, "{more:?}: {after} of {before}");
    }
}

#[test]
fn what_was_not_seen_is_filled_in() {
    let scratch = Scratch::new("restore-mask");
    let seen: Vec<f64> = (0..SIDE * SIDE).map(|i| if i * 7919 % 10 < 3 { 0.0 } else { 1.0 }).collect();
    let holes = noisy(&phantom(), 3).iter().zip(&seen).map(|(x, s)| x * s).collect();
    save(&scratch, "holes.npy", holes, Depth::F64);
    save(&scratch, "seen.png", seen, Depth::U8);
    succeed(scratch.path(), &["restore", "holes.npy", "--mask", "seen.png", "--sigma", "0.06", "--quiet"]);
    assert!(error(&scratch.path().join("holes.restored.npy")) < 0.9 * SIGMA);
}

#[test]
fn a_weight_learned_from_pairs_is_kept_in_a_file_and_applied() {
    let scratch = Scratch::new("restore-train");
    for (k, name) in ["a.npy", "b.npy"].iter().enumerate() {
        for sub in ["clean", "degraded"] {
            std::fs::create_dir_all(scratch.path().join("pairs").join(sub)).unwrap();
        }
        save(&scratch, &format!("pairs/clean/{name}"), phantom(), Depth::F64);
        save(&scratch, &format!("pairs/degraded/{name}"), noisy(&phantom(), 10 + k as u64), Depth::F64);
    }
    save(&scratch, "new.npy", noisy(&phantom(), 20), Depth::F64);
    let learn = [
        "restore",
        "new.npy",
        "--prior",
        "tv",
        "--train",
        "pairs",
        "--save-model",
        "tv.json",
        "--json",
        "--quiet",
    ];
    let learned = json(scratch.path(), &learn);
    assert_eq!(learned["criterion"], "supervised");
    let once = read_image(scratch.path().join("new.restored.npy")).unwrap();
    let applied = json(scratch.path(), &["restore", "new.npy", "--model", "tv.json", "--json", "--quiet"]);
    assert_eq!(applied["planes"][0]["lambda"], learned["learned"]["lambda"]);
    assert_eq!(once, read_image(scratch.path().join("new.restored.npy")).unwrap());
    assert!(error(&scratch.path().join("new.restored.npy")) < 0.6 * SIGMA);
    // The best weight for the same images is the best for any noise of that size, or nearly.
    let sure = json(
        scratch.path(),
        &["restore", "new.npy", "--prior", "tv", "--sigma", "0.06", "--json", "--quiet"],
    );
    let ratio =
        sure["planes"][0]["lambda"].as_f64().unwrap() / learned["learned"]["lambda"].as_f64().unwrap();
    assert!((0.6..1.7).contains(&ratio), "{ratio}");
}

#[test]
fn weights_of_levels_are_learned_from_pairs_and_their_quality_is_told() {
    let scratch = Scratch::new("restore-levels");
    for sub in ["clean", "degraded"] {
        std::fs::create_dir_all(scratch.path().join("pairs").join(sub)).unwrap();
    }
    save(&scratch, "pairs/clean/a.npy", phantom(), Depth::F64);
    save(&scratch, "pairs/degraded/a.npy", noisy(&phantom(), 10), Depth::F64);
    save(&scratch, "new.npy", noisy(&phantom(), 20), Depth::F64);
    let learn = ["restore", "new.npy", "--prior", "wavelet:haar", "--weights", "level", "--train", "pairs"];
    let learned =
        json(scratch.path(), &[&learn[..], &["--save-model", "levels.json", "--json", "--quiet"]].concat());
    let model = &learned["learned"];
    assert_eq!(model["weights"].as_array().unwrap().len(), 4);
    // The finest details are noise for the most part.
    let weight = |k: usize| model["weights"][k].as_f64().unwrap();
    assert!(weight(3) > weight(0), "{model}");
    let (before, after) = (&model["before"], &model["after"]);
    assert!(after["psnr"].as_f64().unwrap() > before["psnr"].as_f64().unwrap() + 1.0, "{model}");
    assert!(after["ssim"].as_f64().unwrap() > before["ssim"].as_f64().unwrap(), "{model}");
    let once = read_image(scratch.path().join("new.restored.npy")).unwrap();
    let said = succeed(scratch.path(), &["restore", "new.npy", "--model", "levels.json"]);
    assert!(said.contains("4 weights, as given"), "{said}");
    assert_eq!(once, read_image(scratch.path().join("new.restored.npy")).unwrap());
}

#[test]
fn images_without_anything_to_restore_are_answered_or_refused_in_a_sentence() {
    let scratch = Scratch::new("restore-degenerate");
    let write = |name: &str, height: usize, width: usize, value: f64| {
        let flat = Image {
            height,
            width,
            planes: vec![vec![value; height * width]],
            alpha: None,
            depth: Depth::F64,
            format: ImageFormat::Npy,
        };
        write_image(scratch.path().join(name), &flat).unwrap();
    };
    write("pixel.npy", 1, 1, 0.3);
    write("row.npy", 1, 20, 0.3);
    write("flat.npy", 20, 20, 0.3);
    write("zero.npy", 20, 20, 0.0);
    let mut broken = noisy(&phantom(), 1);
    broken[77] = f64::NAN;
    // Only this library's writer refuses NaN; others' do not.
    let bytes: Vec<u8> = broken.iter().flat_map(|v| v.to_le_bytes()).collect();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({SIDE}, {SIDE}), }}");
    let padded = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(padded.as_bytes());
    file.extend(bytes);
    std::fs::write(scratch.path().join("broken.npy"), file).unwrap();
    let before = names(scratch.path());
    let said = refused(scratch.path(), &["restore", "broken.npy"]);
    assert!(said.contains("row 2, column 30") || said.contains("NaN"), "{said}");
    assert_eq!(names(scratch.path()), before);
    for name in ["pixel.npy", "row.npy", "flat.npy", "zero.npy"] {
        for more in [
            &["--prior", "wavelet"][..],
            &["--prior", "tikhonov"],
            &["--prior", "tv"],
            &["--prior", "tikhonov", "--criterion", "gcv"],
        ] {
            for sigma in ["auto", "0.1"] {
                let given =
                    [&["restore", name, "--quiet", "--output", "out.npy", "--sigma", sigma], more].concat();
                let out = common::bilevel(scratch.path(), &given);
                if out.status.success() {
                    let restored = read_image(scratch.path().join("out.npy")).unwrap();
                    let flat = if name == "zero.npy" { 0.0 } else { 0.3 };
                    let far = restored.planes[0].iter().map(|v| (v - flat).abs()).fold(0.0, f64::max);
                    assert!(far < 1e-6, "{given:?}: {far}");
                    std::fs::remove_file(scratch.path().join("out.npy")).unwrap();
                } else {
                    let said = String::from_utf8_lossy(&out.stderr).into_owned();
                    assert_eq!(out.status.code(), Some(2), "{given:?}: {said}");
                    assert!(said.lines().count() == 1 && said.contains("expected"), "{given:?}: {said}");
                    assert_eq!(names(scratch.path()), before, "{given:?}");
                }
            }
        }
    }
}

#[test]
fn the_report_is_one_page_with_its_images_inside() {
    let scratch = Scratch::new("restore-report");
    save(&scratch, "noisy.png", noisy(&phantom(), 1), Depth::U16);
    let said =
        succeed(scratch.path(), &["restore", "noisy.png", "--prior", "tikhonov", "--report", "noisy.html"]);
    assert!(
        said.contains("noisy.restored.png") && said.contains("of 65535") && said.contains("tikhonov"),
        "{said}"
    );
    let page = scratch.read("noisy.html");
    assert_eq!(page.matches("data:image/png;base64,").count(), 3, "before, after, residual");
    assert!(page.contains("default-src 'none'") && page.contains("consensus") && page.ends_with("</html>"));
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert_eq!(read_image(scratch.path().join("noisy.restored.png")).unwrap().depth, Depth::U16);
}

#[test]
fn what_cannot_be_done_is_refused_in_a_sentence_and_nothing_is_written() {
    let scratch = Scratch::new("restore-refused");
    save(&scratch, "noisy.png", noisy(&phantom(), 1), Depth::U8);
    std::fs::write(scratch.path().join("text.png"), "not an image").unwrap();
    let mut small = image(vec![1.0; 4], Depth::U8);
    (small.height, small.width) = (2, 2);
    write_image(scratch.path().join("small.png"), &small).unwrap();
    let before = names(scratch.path());
    let cases: [(&[&str], &str); 20] = [
        (&["text.png"], "PNG, JPEG, TIFF"),
        (&["missing.png"], "cannot be read"),
        (&["noisy.png", "--output", "out.jpg"], "JPEG"),
        (&["noisy.png", "--output", "out"], ".png"),
        (&["noisy.png", "--sigma", "0"], "above 0"),
        (&["noisy.png", "--blur", "gauss:2"], "gaussian:S"),
        (&["noisy.png", "--blur", "gaussian:x"], "number"),
        (&["noisy.png", "--blur", "gaussian:100"], "kernel"),
        (&["noisy.png", "--mask", "small.png"], "48 x 48"),
        (&["noisy.png", "--prior", "wavelet:db99"], "db"),
        (&["noisy.png", "--prior", "tv", "--criterion", "evidence"], "tikhonov"),
        (&["noisy.png", "--prior", "tv", "--weights", "subband"], "scalar"),
        (&["noisy.png", "--weights", "map:0x3"], "map:RxC"),
        (&["noisy.png", "--blur", "gaussian:1", "--prior", "tv", "--weights", "map"], "tikhonov"),
        (&["noisy.png", "--prior", "tikhonov", "--weights", "level"], "wavelets"),
        (&["noisy.png", "--prior", "tikhonov", "--weights", "map:60x60"], "48x48"),
        (&["noisy.png", "--prior", "tv", "--weights", "map", "--criterion", "discrepancy"], "gcv"),
        (&["noisy.png", "--blur", "motion:5:30", "--criterion", "gsure"], "diagonalizes"),
        (&["noisy.png", "--criterion", "supervised"], "--train"),
        (&["noisy.png", "--train", "nowhere"], "clean"),
    ];
    for (given, expected) in cases {
        let said = refused(scratch.path(), &[&["restore"], given].concat());
        assert!(said.contains(expected), "{given:?}: {said}");
        assert_eq!(names(scratch.path()), before, "{given:?}");
    }
}
