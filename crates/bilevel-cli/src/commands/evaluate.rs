//! `bilevel evaluate`: a model and samples with known targets in, a score against the best constant out.

use bilevel::data::{Target, Task};
use bilevel::fit::score;
use bilevel_io::read_data;
use serde_json::json;

use crate::args::EvaluateArgs;
use crate::model_file::StoredModel;
use crate::{load, model_file, summary, text};

pub fn run(args: &EvaluateArgs) -> anyhow::Result<u8> {
    let StoredModel { model, target } = model_file::read_model(&args.model)?;
    let raw = read_data(&args.data, &model_file::aligned(&model, args.target.clone().or(target), true))?;
    let target = Target::with_classes(load::wanted(&raw, &args.data)?, model.classes.as_ref())?;
    let predicted = model.decision_function(&raw.design)?;
    let score = score(model.task, target.values(), &predicted, best_constant(&target));
    if args.json {
        let object = json!({
            "model": args.model.display().to_string(),
            "data": args.data.display().to_string(),
            "task": model.task,
            "score": score,
            "version": env!("CARGO_PKG_VERSION"),
        });
        text::print(&(serde_json::to_string(&object)? + "\n"))?;
    } else {
        text::print(&format!("{}: {}\n", args.data.display(), summary::score(&score, model.task)))?;
    }
    Ok(0)
}

/// The constant linear predictor with the smallest mean loss on these very samples: as hard a baseline as a constant can be.
fn best_constant(target: &Target) -> f64 {
    let values = target.values();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    match target.task() {
        Task::Regression => mean,
        Task::Classification => ((1.0 + mean) / (1.0 - mean)).ln(),
    }
}
