//! COCO's numbers, and what in the files may mislead: `cargo run --example evaluate -- ANNOTATIONS RESULTS [bbox|segm|keypoints]`

use std::io::Write;
use std::path::Path;

use coco_eval::{Evaluator, IouType, Params, Reading, stat_names};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (annotations, results, kind) = match words.as_slice() {
        [annotations, results] => (annotations, results, "bbox"),
        [annotations, results, kind] => (annotations, results, kind.as_str()),
        _ => return Err("usage: evaluate ANNOTATIONS RESULTS [bbox|segm|keypoints]".into()),
    };
    let kinds = [IouType::Bbox, IouType::Segm, IouType::Keypoints];
    let kind =
        kinds.into_iter().find(|known| known.name() == kind).ok_or("bbox, segm or keypoints expected")?;
    let evaluator = Evaluator::open(Path::new(annotations), Path::new(results), &Params::of(kind), false)?;
    let quirks = Reading::default();
    let evaluation = evaluator.evaluate_as(quirks, false)?;
    let mut out = std::io::stdout().lock();
    for (name, value) in stat_names(&evaluator.params(quirks)).iter().zip(&evaluation.stats) {
        writeln!(out, "{name:8} {value:.3}")?;
    }
    for warning in evaluator.warnings(&evaluation, quirks) {
        writeln!(out, "warning: {}", warning.message)?;
    }
    Ok(())
}
