//! COCO's twelve numbers, and what in the files may mislead: `cargo run --example evaluate -- ANNOTATIONS RESULTS`

use std::io::Write;

use coco_eval::{Evaluator, Reading, stat_names};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [annotations, results] = files.as_slice() else {
        return Err("usage: evaluate ANNOTATIONS RESULTS".into());
    };
    let evaluator = Evaluator::new(annotations, results)?;
    let evaluation = evaluator.evaluate()?;
    let quirks = Reading::default();
    let mut out = std::io::stdout().lock();
    for (name, value) in stat_names(&evaluator.params(quirks)).iter().zip(&evaluation.stats) {
        writeln!(out, "{name:8} {value:.3}")?;
    }
    for warning in evaluator.warnings(&evaluation, quirks) {
        writeln!(out, "warning: {}", warning.message)?;
    }
    Ok(())
}
