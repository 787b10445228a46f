//! `bilevel invert`: a matrix or a sinogram and its data in, the solution and the reason for its λ out.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use bilevel::design::{DenseMatrix, Design, DesignMatrix};
use bilevel::inverse::choice::{Choice, Consensus, Rule, choose, consensus};
use bilevel::inverse::krylov::{Edge, Freedom, HybridFit, HybridSettings, Rule as KrylovRule, hybrid};
use bilevel::inverse::tikhonov::StandardForm;
use bilevel::operator::{LinearOperator, MatrixOperator, ParallelBeam, Radon};
use bilevel_io::{
    Depth, Image, ImageFormat, NumberArray, ReadOptions, check_image_name, read_array, read_data,
    write_array, write_image,
};
use serde_json::{Value, json};

use crate::args::InvertArgs;
use crate::text::{self, counted, duration, number, rough};

/// Matrices up to this many rows and columns are decomposed; larger ones are only applied.
const SMALL: usize = 2000;

/// What came out, in words and for programs.
struct Answer {
    x: Vec<f64>,
    shape: Vec<usize>,
    lines: Vec<(&'static str, String)>,
    warnings: Vec<String>,
    object: Value,
}

pub fn run(args: &InvertArgs) -> anyhow::Result<u8> {
    args.threads.apply()?;
    if let Some(path) = &args.output {
        check_output(args, path)?;
    }
    let begun = Instant::now();
    let mut answer = match (&args.matrix, &args.data, &args.sinogram) {
        (Some(matrix), Some(data), _) => of_matrix(args, matrix, data)?,
        (_, _, Some(sinogram)) => of_sinogram(args, sinogram)?,
        _ => bail!("found no problem; expected --matrix A --data b, or --sinogram S --angles ANGLES"),
    };
    if let Some(path) = &args.output {
        write(path, &answer)?;
        answer.lines.push(("written", path.display().to_string()));
    }
    let seconds = begun.elapsed().as_secs_f64();
    if args.say.json {
        if let Value::Object(object) = &mut answer.object {
            object.insert("seconds".into(), json!(seconds));
            object.insert("warnings".into(), json!(answer.warnings));
            object.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
            if args.output.is_none() {
                object.insert("x".into(), json!(answer.x));
            }
        }
        text::print(&(serde_json::to_string(&answer.object)? + "\n"))?;
    } else if !args.say.quiet {
        answer.lines.push(("time", duration(seconds)));
        let mut said = String::new();
        answer.lines.iter().for_each(|(name, line)| said.push_str(&format!("  {name:<12} {line}\n")));
        answer.warnings.iter().for_each(|warning| said.push_str(&format!("  warning: {warning}\n")));
        text::print(&said)?;
    }
    Ok(0)
}

fn check_output(args: &InvertArgs, path: &Path) -> anyhow::Result<()> {
    let is_array = ImageFormat::of_name(&path.to_string_lossy()) == Some(ImageFormat::Npy);
    if args.sinogram.is_none() && !is_array {
        bail!("{}: a vector is written as a NumPy array; expected a name that ends in .npy", path.display());
    }
    Ok(check_image_name(path)?)
}

fn of_matrix(args: &InvertArgs, matrix: &Path, data: &Path) -> anyhow::Result<Answer> {
    let a = read_matrix(matrix)?;
    let b = vector(data)?;
    if b.len() != a.n_rows() {
        bail!(
            "{}: {} numbers; expected {}, the rows of {}",
            data.display(),
            b.len(),
            a.n_rows(),
            matrix.display()
        );
    }
    if a.n_rows().max(a.n_columns()) > SMALL {
        if args.reg != "identity" {
            bail!(
                "--reg {}: {} x {} is too large to decompose; expected identity beyond {SMALL} rows or columns",
                args.reg,
                a.n_rows(),
                a.n_columns()
            );
        }
        let operator = MatrixOperator::new(a);
        return by_krylov(args, &operator, &b, vec![operator.n_columns()]);
    }
    let l = penalty(&args.reg, a.n_columns())?;
    let form = StandardForm::new(&dense(&a)?, &b, l.as_ref())?;
    let all = consensus(&form, args.sigma)?;
    let name = args.rule.as_deref().unwrap_or("robust-gcv");
    if name == "consensus" {
        return Ok(agreed(args, &all, a.n_rows()));
    }
    let rule = Rule::from_name(name, args.sigma).context("--rule")?;
    let choice = choose(&form, &rule)?;
    Ok(decided(args, &choice, &all, a.n_rows()))
}

fn decided(args: &InvertArgs, choice: &Choice, all: &Consensus, n_rows: usize) -> Answer {
    let lines = vec![
        ("problem", format!("{n_rows} x {} matrix, L = {}", choice.x.len(), args.reg)),
        (
            "chosen",
            format!(
                "λ = {} by {} (√λ = {})",
                number(choice.lambda),
                choice.rule.name(),
                number(choice.root_lambda())
            ),
        ),
        ("freedom", format!("{} of {}", number(choice.degrees_of_freedom), counted(n_rows, "measurement"))),
        (
            "residual",
            format!(
                "‖Ax − b‖ = {}, which speaks of noise {}",
                number(choice.residual_norm),
                rough(choice.sigma)
            ),
        ),
        ("other rules", rules(all)),
    ];
    let object = json!({
        "rule": choice.rule.name(),
        "lambda": choice.lambda,
        "criterion": choice.value,
        "degrees_of_freedom": choice.degrees_of_freedom,
        "residual_norm": choice.residual_norm,
        "penalty_norm": choice.penalty_norm,
        "curve": choice.curve.iter().map(|p| (p.lambda, p.value)).collect::<Vec<_>>(),
        "rules": all.choices.iter().map(|c| json!({"rule": c.rule.name(), "lambda": c.lambda})).collect::<Vec<_>>(),
        "consensus": all.lambda,
    });
    let warnings = choice.warning().into_iter().collect();
    Answer { shape: vec![choice.x.len()], x: choice.x.clone(), lines, warnings, object }
}

fn agreed(args: &InvertArgs, all: &Consensus, n_rows: usize) -> Answer {
    let lines = vec![
        ("problem", format!("{n_rows} x {} matrix, L = {}", all.x.len(), args.reg)),
        (
            "chosen",
            format!(
                "λ = {}, the median of the robust rules; {} of {} are near",
                number(all.lambda),
                all.near,
                all.choices.len()
            ),
        ),
        ("rules", rules(all)),
    ];
    let object = json!({
        "rule": "consensus",
        "lambda": all.lambda,
        "near": all.near,
        "rules": all.choices.iter().map(|c| json!({"rule": c.rule.name(), "lambda": c.lambda})).collect::<Vec<_>>(),
    });
    Answer { x: all.x.clone(), shape: vec![all.x.len()], lines, warnings: all.warnings.clone(), object }
}

fn rules(all: &Consensus) -> String {
    let said: Vec<String> =
        all.choices.iter().map(|c| format!("{} {}", c.rule.name(), rough(c.lambda))).collect();
    said.join(", ")
}

fn of_sinogram(args: &InvertArgs, path: &Path) -> anyhow::Result<Answer> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("h5") || e.eq_ignore_ascii_case("hdf5")) {
        bail!(
            "{0}: HDF5 is not read; expected a NumPy array, which this makes (with the dataset's name in place of NAME): python -c \"import h5py, numpy; numpy.save('sinogram.npy', h5py.File('{0}')['NAME'][:])\"",
            path.display()
        );
    }
    if args.reg != "identity" {
        bail!("--reg {}: sinograms are inverted with ‖x‖²; expected identity", args.reg);
    }
    let NumberArray { shape, values, .. } = read_array(path)?;
    let [views, detectors] = *shape else {
        bail!("{}: an array of shape {shape:?}; expected angles x detectors", path.display());
    };
    let angles = angles(args.angles.as_deref().unwrap_or_default())?;
    if angles.len() != views {
        bail!(
            "--angles: {}; expected {views}, one for each row of {}",
            counted(angles.len(), "angle"),
            path.display()
        );
    }
    let size = args.size.unwrap_or(detectors);
    let angles = angles.into_iter().map(f64::to_radians).collect();
    let scan = ParallelBeam { angles, detectors, ..ParallelBeam::half_turn(size, size, views) };
    by_krylov(args, &Radon::new(&scan)?, &values, vec![size, size])
}

fn by_krylov(
    args: &InvertArgs,
    operator: &dyn LinearOperator,
    b: &[f64],
    shape: Vec<usize>,
) -> anyhow::Result<Answer> {
    let name = args.rule.as_deref().unwrap_or("gcv");
    let rule = match (name, args.sigma) {
        ("gcv", _) => KrylovRule::Gcv(Freedom::default()),
        ("discrepancy", Some(noise)) => KrylovRule::Discrepancy { noise, safety: 1.0 },
        ("discrepancy", None) => {
            bail!("--rule discrepancy needs the noise: found no --sigma; expected --sigma VALUE")
        }
        ("l-curve", _) => KrylovRule::LCurve,
        _ => bail!("--rule {name}: expected gcv, discrepancy or l-curve for sinograms and large matrices"),
    };
    let fit = hybrid(operator, b, &rule, &HybridSettings::default())?;
    let warnings = fit.edge.map(|edge| match edge {
        Edge::Lower => {
            "the criterion still falls at the smallest λ: hardly any regularization; do not trust it"
                .to_string()
        }
        Edge::Upper => {
            "the criterion still falls at the largest λ: the data do not speak against x = 0".to_string()
        }
    });
    let lines = krylov_lines(&fit, operator, name);
    let object = json!({
        "rule": name,
        "lambda": fit.lambda,
        "criterion": fit.criterion,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "residual_norm": fit.residual,
        "relative_gradient": fit.relative_gradient,
        "error_bound": fit.error_bound,
        "steps": fit.steps,
        "products": fit.products,
        "curve": fit.curve,
    });
    Ok(Answer { x: fit.x, shape, lines, warnings: warnings.into_iter().collect(), object })
}

fn krylov_lines(fit: &HybridFit, operator: &dyn LinearOperator, rule: &str) -> Vec<(&'static str, String)> {
    let freedom = fit.degrees_of_freedom.map_or("not counted".to_string(), rough);
    vec![
        ("problem", format!("{} measurements of {} unknowns", operator.n_rows(), operator.n_columns())),
        ("chosen", format!("λ = {} by {rule}; degrees of freedom {freedom}", number(fit.lambda))),
        (
            "residual",
            format!(
                "‖Ax − b‖ = {}; gradient {} of that at 0",
                number(fit.residual),
                rough(fit.relative_gradient)
            ),
        ),
        (
            "search",
            format!(
                "a Krylov space of {}, {} with A or Aᵀ",
                counted(fit.steps, "vector"),
                counted(fit.products, "product")
            ),
        ),
    ]
}

/// A vector as it is; a slice as an array, or as an image from its smallest to its largest value.
fn write(path: &Path, answer: &Answer) -> anyhow::Result<()> {
    match (ImageFormat::of_name(&path.to_string_lossy()), answer.shape.as_slice()) {
        (Some(ImageFormat::Png | ImageFormat::Tiff), &[height, width]) => {
            let (low, high) =
                answer.x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
            let scale = if high > low { 1.0 / (high - low) } else { 1.0 };
            let plane = answer.x.iter().map(|v| scale * (v - low)).collect();
            let image = Image {
                height,
                width,
                planes: vec![plane],
                alpha: None,
                depth: Depth::U16,
                format: ImageFormat::Png,
            };
            write_image(path, &image)?;
        }
        _ => write_array(path, &answer.shape, &answer.x, Depth::F64)?,
    }
    Ok(())
}

fn read_matrix(path: &Path) -> anyhow::Result<Design> {
    let options = ReadOptions { target: Some("none".into()), ..ReadOptions::default() };
    Ok(read_data(path, &options)?.design)
}

/// A vector, or a matrix of one row or column.
fn vector(path: &Path) -> anyhow::Result<Vec<f64>> {
    let NumberArray { shape, values, .. } = read_array(path)?;
    if shape.iter().filter(|n| **n != 1).count() > 1 {
        bail!("{}: an array of shape {shape:?}; expected a vector", path.display());
    }
    Ok(values)
}

fn dense(matrix: &Design) -> bilevel::Result<DenseMatrix<f64>> {
    let (rows, columns) = (matrix.n_rows(), matrix.n_columns());
    let mut values = vec![0.0; rows * columns];
    for (j, column) in values.chunks_exact_mut(rows.max(1)).enumerate() {
        matrix.visit_column(j, |i, value| column[i] = value);
    }
    DenseMatrix::new(rows, columns, values)
}

/// L of a word on the command line; `None` for the identity.
fn penalty(text: &str, n: usize) -> anyhow::Result<Option<DenseMatrix<f64>>> {
    let stencil: &[f64] = match text {
        "identity" => return Ok(None),
        "derivative:1" => &[-1.0, 1.0],
        "derivative:2" => &[1.0, -2.0, 1.0],
        path if Path::new(path).is_file() => {
            let l = read_matrix(Path::new(path))?;
            if l.n_columns() != n {
                bail!("{path}: {} columns; expected {n}, as A", l.n_columns());
            }
            return Ok(Some(dense(&l)?));
        }
        _ => bail!(
            "--reg {text}: neither a penalty nor a file; expected identity, derivative:1, derivative:2 or a matrix file"
        ),
    };
    let Some(rows) = (n + 1).checked_sub(stencil.len()).filter(|rows| *rows > 0) else {
        bail!("--reg {text}: {} unknowns; expected at least {}", n, stencil.len());
    };
    let mut values = vec![0.0; rows * n];
    for row in 0..rows {
        stencil.iter().enumerate().for_each(|(k, s)| values[(row + k) * rows + row] = *s);
    }
    Ok(Some(DenseMatrix::new(rows, n, values)?))
}

/// Degrees, from a file or as START:STOP:N.
fn angles(text: &str) -> anyhow::Result<Vec<f64>> {
    if Path::new(text).is_file() {
        return vector(Path::new(text));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let parsed = match *parts {
        [start, stop, n] => {
            start.parse::<f64>().ok().zip(stop.parse::<f64>().ok()).zip(n.parse::<usize>().ok())
        }
        _ => None,
    };
    match parsed {
        Some(((start, stop), n @ 1..=1_000_000)) if start.is_finite() && stop.is_finite() => {
            let step = if n > 1 { (stop - start) / (n - 1) as f64 } else { 0.0 };
            Ok((0..n).map(|k| start + step * k as f64).collect())
        }
        _ => bail!("--angles {text}: neither a file nor START:STOP:N; expected degrees, as in 0:180:181"),
    }
}
