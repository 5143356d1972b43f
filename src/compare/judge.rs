//! Results against the annotations, and against the first results: numbers with the intervals in which they lie.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Costs, Error};
use coco_eval::ResultId;
use coco_eval::{Evaluator, Interval, Moved, Params, Reading, Warning};

/// One model's numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedModel {
    /// What it is called.
    pub name: String,
    /// The twelve numbers.
    pub stats: Vec<f64>,
    /// Where each of them lies when the photos are drawn anew, in 95 of 100 draws.
    pub intervals: Vec<Interval>,
    /// What it costs; nothing where saved results were given.
    pub costs: Option<Costs>,
    /// How it differs from the first; nothing for the first.
    pub difference: Option<Difference>,
    /// What makes the numbers other than they seem.
    pub warnings: Vec<Warning>,
}

/// How one model differs from the first, over the same draws of photos for both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its numbers less the first one's.
    pub stats: Vec<f64>,
    /// Where these differences lie.
    pub intervals: Vec<Interval>,
    /// AP gained, as a share of the first one's AP: the paper's +28 % from VGG-16 to ResNet-101. NaN where that is 0.
    pub relative: f64,
    /// Whether the interval of AP's difference holds 0; nothing where there is no interval, and so no verdict.
    pub within_noise: Option<bool>,
    /// Classes whose AP moved most: name, AP of the first, its own.
    pub classes: Vec<Moved>,
    /// Photos whose AP moved most.
    pub photos: Vec<Moved>,
}

/// An id as evaluation's parameters write it: strings in quotation marks.
fn written(id: &ResultId) -> String {
    match id {
        ResultId::Number(id) => id.to_string(),
        ResultId::Text(id) => format!("\"{id}\""),
    }
}

/// Judges results, a file a model, against the annotations and the first of them: on the images of `image_ids`, or on
/// all that are annotated.
///
/// # Errors
/// When a file cannot be read or judged.
pub fn judge(
    annotations: &Path,
    results: &[(String, PathBuf, Option<Costs>)],
    image_ids: Option<&[ResultId]>,
    resamples: usize,
    seed: u64,
) -> Result<Vec<JudgedModel>, Error> {
    let image_ids = image_ids.map(|ids| ids.iter().map(written).collect());
    let (params, reading) = (Params { image_ids, ..Params::default() }, Reading::default());
    let mut first: Option<Evaluator> = None;
    let mut judged = Vec::new();
    for (name, path, costs) in results {
        let input = Evaluator::open(annotations, path, &params, false)?;
        let evaluation = input.evaluate_as(reading, true)?;
        let warnings = input.warnings(&evaluation, reading);
        let intervals = input.intervals(reading, resamples, seed)?;
        let difference =
            first.as_ref().map(|first| difference(first, &input, resamples, seed)).transpose()?;
        let (name, stats) = (name.clone(), evaluation.stats);
        judged.push(JudgedModel { name, stats, intervals, costs: *costs, difference, warnings });
        first.get_or_insert(input);
    }
    Ok(judged)
}

/// All warnings, each once with the names of the models that it concerns.
pub fn warnings(judged: &[JudgedModel]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for model in judged {
        for warning in &model.warnings {
            match said.iter_mut().find(|(message, _)| *message == warning.message) {
                Some((_, names)) => names.push(&model.name),
                None => said.push((&warning.message, vec![&model.name])),
            }
        }
    }
    said.iter().map(|(message, names)| format!("{}: {message}", names.join(", ").escape_debug())).collect()
}

fn difference(first: &Evaluator, own: &Evaluator, resamples: usize, seed: u64) -> Result<Difference, Error> {
    let compared = first.compare(own, Reading::default(), resamples, seed)?;
    let interval = compared.intervals.first();
    let before =
        compared.other.first().zip(compared.difference.first()).map_or(0.0, |(own, gain)| own - gain);
    Ok(Difference {
        relative: if before > 0.0 { compared.difference[0] / before } else { f64::NAN },
        within_noise: interval
            .filter(|interval| interval.exists())
            .map(|interval| interval.low <= 0.0 && interval.high >= 0.0),
        stats: compared.difference,
        intervals: compared.intervals,
        classes: compared.classes,
        photos: compared.images,
    })
}
