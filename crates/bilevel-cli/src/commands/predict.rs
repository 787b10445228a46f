//! `bilevel predict`: a model and new samples in, predictions out.

use std::fmt::Write as _;

use bilevel::fit::Model;
use bilevel_io::read_data;

use crate::args::PredictArgs;
use crate::output::{csv_field, write_text};
use crate::{model_file, text};

pub fn run(args: &PredictArgs) -> anyhow::Result<u8> {
    let model = model_file::read_model(&args.model)?.model;
    let raw = read_data(&args.data, &model_file::aligned(&model, args.target.clone(), false))?;
    let table = prediction_table(&model, &model.decision_function(&raw.design)?)?;
    match &args.output {
        Some(path) => write_text(path, &table)?,
        None => text::print(&table)?,
    }
    Ok(0)
}

/// Values: `prediction`. Classes: log-odds, probability of the positive class, and the likelier label.
fn prediction_table(model: &Model, predicted: &[f64]) -> anyhow::Result<String> {
    let mut table = String::new();
    match &model.classes {
        None => {
            table.push_str("prediction\n");
            predicted.iter().try_for_each(|z| writeln!(table, "{z}"))?;
        }
        Some(classes) => {
            table.push_str("prediction,probability,decision\n");
            let (negative, positive) = (csv_field(&classes.negative), csv_field(&classes.positive));
            for z in predicted {
                let decision = if *z > 0.0 { &positive } else { &negative };
                writeln!(table, "{z},{},{decision}", 1.0 / (1.0 + (-z).exp()))?;
            }
        }
    }
    Ok(table)
}
