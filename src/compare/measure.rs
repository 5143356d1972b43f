//! Running several models over the same photos, photo by photo and model by model, so that the machine's drift
//! falls on all alike.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::CompareError;
use crate::atomic;
use crate::detector::{Detector, Prediction};
use crate::photo::{self, DecodeOptions, Decoded, Limits};
use crate::run::{CocoResult, FailedPhoto, Failure, ResultCategory, Task};
use coco_eval::ResultId;

/// A model that takes part.
pub struct Contender {
    /// What it is called in tables.
    pub name: String,
    /// Ready to run.
    pub detector: Detector,
    /// Its classes with the ids of the annotations.
    pub classes: Vec<ResultCategory>,
    /// Numbers that it has learnt.
    pub parameters: u64,
    /// Bytes that the process grew by when the model was loaded and had seen its first photo.
    pub memory: Option<u64>,
}

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// Numbers that it has learnt.
    pub parameters: u64,
    /// Products of a weight and a value for a photo, the mean over the photos.
    pub multiply_adds: f64,
    /// Median time of a photo from pixels to boxes, without reading and decoding it.
    pub milliseconds: f64,
    /// Bytes that the process grew by.
    pub memory: Option<u64>,
}

/// What a measurement gives.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What each model costs.
    pub costs: Vec<Costs>,
    /// Ids of the photos that all models have done.
    pub image_ids: Vec<ResultId>,
    /// Photos that are left out for all models alike, as they cannot be used by all.
    pub failed: Vec<FailedPhoto>,
    /// Photos whose grey values were cut off at 255 for one of the models.
    pub clipped: usize,
}

/// Runs all models over all photos and writes the results of each into `folder` as `NAME.json`.
///
/// `watch` is called after every photo with the number done.
///
/// # Errors
/// When no photo can be used, results cannot be written, or `stop` is set.
pub fn measure(
    contenders: &[Contender],
    tasks: &[Task],
    decode: &DecodeOptions,
    folder: &Path,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(usize),
) -> Result<Measured, CompareError> {
    let (mut image_ids, mut failed, mut clipped) = (Vec::new(), Vec::new(), 0);
    let mut tallies: Vec<CostTally> = contenders.iter().map(|_| CostTally::default()).collect();
    for (number, task) in tasks.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(CompareError::Interrupted);
        }
        match by_all(contenders, task, decode, number) {
            Ok(all) => {
                clipped += usize::from(all.iter().any(|seen| seen.clipped));
                tallies.iter_mut().zip(all).for_each(|(tally, one)| tally.add(one));
                image_ids.push(task.image_id.clone());
            }
            Err(error) => failed.push(FailedPhoto {
                image_id: task.image_id.clone(),
                file: task.entry.name.clone(),
                error,
            }),
        }
        watch(number + 1);
    }
    if let (true, Some(first)) = (image_ids.is_empty(), failed.first()) {
        let (file, cause) = (first.file.clone(), first.error.detail.clone());
        return Err(CompareError::AllFailed { count: failed.len(), file, cause });
    }
    let mut costs = Vec::new();
    for (contender, tally) in contenders.iter().zip(tallies) {
        let path = folder.join(format!("{}.json", contender.name));
        let written = atomic::write(&path, |out| Ok(serde_json::to_writer(out, &tally.results)?));
        written.map_err(|cause| CompareError::Write { path, cause })?;
        costs.push(Costs {
            parameters: contender.parameters,
            multiply_adds: tally.multiply_adds / image_ids.len().max(1) as f64,
            milliseconds: median(tally.milliseconds),
            memory: contender.memory,
        });
    }
    Ok(Measured { costs, image_ids, failed, clipped })
}

/// What each model finds in a photo. Whoever comes second finds warmer caches: everybody comes second in turn.
fn by_all(
    contenders: &[Contender],
    task: &Task,
    decode: &DecodeOptions,
    number: usize,
) -> Result<Vec<PhotoOutcome>, Failure> {
    let failure =
        |kind: &str, stage: &str, detail: String| Failure { kind: kind.into(), stage: stage.into(), detail };
    // Decoded once where all models' frameworks read photos alike; else they share the memory.
    let mut ways: Vec<DecodeOptions> = Vec::new();
    let mut own = Vec::new();
    for contender in contenders {
        let options = contender.detector.reading(decode);
        let known = ways.iter().position(|other| *other == options);
        own.push(known.unwrap_or(ways.len()));
        if known.is_none() {
            ways.push(options);
        }
    }
    let share = decode.limits.memory / ways.len().max(1) as u64;
    let read = ways.into_iter().map(|options| {
        let options = DecodeOptions { limits: Limits { memory: share, ..options.limits }, ..options };
        photo::decode_for(&task.entry.path, &options, &|whole| whole)
            .map_err(|error| failure(error.kind.as_str(), "decode", error.to_string()))
    });
    let read: Vec<Decoded> = read.collect::<Result<_, _>>()?;
    let count = contenders.len();
    let mut all: Vec<Option<PhotoOutcome>> = vec![None; count];
    for turn in 0..count {
        let place = (turn + number) % count;
        let seen = look(&contenders[place], task, &read[own[place]]);
        all[place] = Some(seen.map_err(|error| {
            let name = &contenders[place].name;
            failure("session", "infer", format!("{name}: {error}"))
        })?);
    }
    Ok(all.into_iter().flatten().collect())
}

/// What one model finds in one photo, and its price.
#[derive(Clone)]
struct PhotoOutcome {
    results: Vec<CocoResult>,
    milliseconds: f64,
    multiply_adds: f64,
    clipped: bool,
}

fn look(
    contender: &Contender,
    task: &Task,
    decoded: &Decoded,
) -> Result<PhotoOutcome, crate::detector::DetectorError> {
    let started = Instant::now();
    let input = contender.detector.prepare(&decoded.photo)?;
    let prepared = started.elapsed();
    let multiply_adds = contender.detector.multiply_adds(&input);
    let started = Instant::now();
    let (found, _) = contender.detector.infer(vec![input])?;
    let milliseconds = 1e3 * (prepared + started.elapsed()).as_secs_f64();
    let (found, size) = (found.into_iter().flatten(), (decoded.photo.width, decoded.photo.height));
    let results = found.filter_map(|detection| result(task, &contender.classes, &detection, size)).collect();
    Ok(PhotoOutcome { results, milliseconds, multiply_adds, clipped: decoded.clipped })
}

#[derive(Default)]
struct CostTally {
    results: Vec<CocoResult>,
    milliseconds: Vec<f64>,
    multiply_adds: f64,
}

impl CostTally {
    fn add(&mut self, one: PhotoOutcome) {
        self.results.extend(one.results);
        self.milliseconds.push(one.milliseconds);
        self.multiply_adds += one.multiply_adds;
    }
}

/// A detection in a photo of a width and height.
fn result(
    task: &Task,
    classes: &[ResultCategory],
    detection: &Prediction,
    size: (u32, u32),
) -> Option<CocoResult> {
    let class = classes.get(detection.class)?;
    let result = CocoResult::new(task.image_id.clone(), class.id.clone(), detection.bbox, detection.score);
    Some(result.with_mask(detection.mask.as_ref().map(|mask| mask.paste(size))))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }
}
