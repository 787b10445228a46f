//! Images come back from a file as they were written, and what is no image is refused in one sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use bilevel_io::{Depth, Image, ImageFormat, read_array, read_image, write_array, write_image};
use proptest::prelude::*;

const DEPTHS: [Depth; 5] = [Depth::U8, Depth::U16, Depth::U32, Depth::F32, Depth::F64];

/// Values that every depth can hold exactly: multiples of 1/255 where there are integers.
fn image(planes: usize, alpha: bool, depth: Depth, format: ImageFormat) -> Image {
    let (height, width) = (3, 5);
    let value =
        |k: usize| if depth == Depth::F64 { k as f64 / 7.0 - 1.0 } else { (17 * k % 256) as f64 / 255.0 };
    let value = |k: usize| if depth == Depth::F32 { f64::from(value(k) as f32) } else { value(k) };
    let plane = |p: usize| (0..height * width).map(|k| value(k + 11 * p)).collect::<Vec<f64>>();
    Image {
        height,
        width,
        planes: (0..planes).map(plane).collect(),
        alpha: alpha.then(|| plane(9)),
        depth,
        format,
    }
}

fn scratch(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn sentence(path: &PathBuf) -> String {
    let said = read_image(path).unwrap_err().to_string();
    assert!(said.starts_with(&path.display().to_string()) && !said.contains('\n'), "{said}");
    said
}

#[test]
fn every_format_gives_back_what_it_was_given_at_its_own_depth() {
    for depth in DEPTHS {
        for (planes, alpha) in [(1, false), (3, false), (3, true), (1, true)] {
            for (name, format) in
                [("a.png", ImageFormat::Png), ("a.tif", ImageFormat::Tiff), ("a.npy", ImageFormat::Npy)]
            {
                let png_has_it = matches!(depth, Depth::U8 | Depth::U16);
                if format == ImageFormat::Png && !png_has_it
                    || format == ImageFormat::Tiff && planes == 1 && alpha
                {
                    continue;
                }
                let (_folder, path) = scratch(name);
                let written = image(planes, alpha, depth, format);
                assert_eq!(write_image(&path, &written).unwrap(), 0);
                let read = read_image(&path).unwrap();
                assert_eq!((read.depth, read.format, read.n_planes()), (depth, format, planes), "{name}");
                for (a, b) in
                    read.planes.iter().chain(&read.alpha).zip(written.planes.iter().chain(&written.alpha))
                {
                    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(worst < 1e-15, "{name} {depth:?}: {worst}");
                }
            }
        }
    }
}

#[test]
fn integers_are_rounded_and_clipped_and_the_clipped_are_counted() {
    let (_folder, path) = scratch("clip.png");
    let mut bright = image(1, false, Depth::U8, ImageFormat::Png);
    bright.planes[0][..4].copy_from_slice(&[-0.2, 1.3, 1.001, 0.5]);
    assert_eq!(write_image(&path, &bright).unwrap(), 2, "1.001 is white as near as eight bits can tell");
    assert_eq!(read_image(&path).unwrap().planes[0][..4], [0.0, 1.0, 1.0, 128.0 / 255.0]);
    let (_folder, path) = scratch("clip.tif");
    bright.depth = Depth::F32;
    assert_eq!(write_image(&path, &bright).unwrap(), 0, "floating-point values stay beyond 0 and 1");
    assert!((read_image(&path).unwrap().planes[0][1] - 1.3).abs() < 1e-7);
}

#[test]
fn a_jpeg_is_read_and_never_written() {
    let path = PathBuf::from("tests/fixtures/steps.jpg");
    let jpeg = read_image(&path).unwrap();
    assert_eq!((jpeg.height, jpeg.width, jpeg.n_planes(), jpeg.depth), (16, 24, 3, Depth::U8));
    // left third red, the rest grey, as data/make of the fixture has it; JPEG is right to a few grey levels
    let at = |plane: usize, column: usize| jpeg.planes[plane][8 * 24 + column];
    assert!(at(0, 3) > 0.85 && at(1, 3) < 0.15 && (at(0, 20) - at(1, 20)).abs() < 0.05);
    let (_folder, out) = scratch("out.jpg");
    let said = write_image(&out, &jpeg).unwrap_err().to_string();
    assert!(said.contains("JPEG") && said.contains(".png") && !out.exists(), "{said}");
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_and_never_a_panic() {
    let mut files: Vec<(String, Vec<u8>)> =
        vec![("steps.jpg".into(), std::fs::read("tests/fixtures/steps.jpg").unwrap())];
    for name in ["a.png", "a.tif", "a.npy"] {
        let (_folder, path) = scratch(name);
        write_image(&path, &image(3, false, Depth::U16, ImageFormat::Png)).unwrap();
        files.push((name.into(), std::fs::read(&path).unwrap()));
    }
    for (name, bytes) in files {
        let (_folder, path) = scratch(&name);
        // a TIFF's last bytes are its directory; a PNG's last chunk holds nothing that the image needs
        let needed = if name.ends_with("png") { bytes.len() - 12 } else { bytes.len() - 2 };
        for length in (0..needed).step_by(1 + needed / 60) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            sentence(&path);
        }
    }
}

#[test]
fn what_is_no_image_is_told_apart() {
    let (_folder, path) = scratch("note.png");
    std::fs::write(&path, "not an image").unwrap();
    assert!(sentence(&path).contains("PNG, JPEG, TIFF or a NumPy array"));
    std::fs::write(&path, "").unwrap();
    assert!(sentence(&path).contains("empty"));
    let (_folder, path) = scratch("nan.npy");
    let mut values = vec![0.5; 12];
    values[7] = f64::NAN;
    write_array(&path, &[3, 4], &values, Depth::F64).unwrap();
    assert!(sentence(&path).contains("row 2, column 4") && read_array(&path).is_err());
    let (_folder, path) = scratch("none.npy");
    write_array(&path, &[0, 4], &[], Depth::F64).unwrap();
    assert!(sentence(&path).contains("0 x 4"));
    let (_folder, path) = scratch("cube.npy");
    write_array(&path, &[2, 2, 7], &[0.0; 28], Depth::F64).unwrap();
    assert!(sentence(&path).contains("[2, 2, 7]"));
    let (_folder, path) = scratch("missing.png");
    assert!(sentence(&path).contains("cannot be read"));
}

#[test]
fn arrays_keep_their_shape() {
    let (_folder, path) = scratch("cube.npy");
    let values: Vec<f64> = (0..24).map(f64::from).collect();
    write_array(&path, &[2, 3, 4], &values, Depth::F32).unwrap();
    let read = read_array(&path).unwrap();
    assert_eq!((read.shape, read.values, read.depth), (vec![2, 3, 4], values, Depth::F32));
}

proptest! {
    #[test]
    fn bytes_after_a_signature_never_panic(k in 0_usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let signatures: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0\x08\0\0\0", b"\x93NUMPY\x01\0"];
        let (_folder, path) = scratch("any");
        std::fs::write(&path, [signatures[k], &bytes].concat()).unwrap();
        let _ = read_image(&path);
    }
}
