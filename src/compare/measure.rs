//! Running several models over the same photos, photo by photo and model by model, so that the machine's drift
//! falls on all alike.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::Error;
use crate::atomic;
use crate::detector::{Detection, Detector};
use crate::network::Architecture;
use crate::photo::{self, DecodeOptions, Photo};
use crate::run::{Category, CocoResult, Task};

/// A model that takes part.
pub struct Contender {
    /// What it is called in tables.
    pub name: String,
    /// Ready to run.
    pub detector: Detector,
    /// Its classes with the ids of the annotations.
    pub classes: Vec<Category>,
    /// For its multiply-adds.
    pub network: Architecture,
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

/// Runs all models over all photos, writes the results of each into `folder` as `NAME.json`, and gives the costs.
///
/// `watch` is called after every photo with the number done.
///
/// # Errors
/// When a photo cannot be used by any of them, results cannot be written, or `stop` is set.
pub fn measure(
    contenders: &[Contender],
    tasks: &[Task],
    decode: &DecodeOptions,
    folder: &Path,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(usize),
) -> Result<Vec<Costs>, Error> {
    let mut tallies: Vec<Tally> = contenders.iter().map(|_| Tally::default()).collect();
    for (number, task) in tasks.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let bad = |cause: String| Error::Photo { file: task.entry.name.clone(), cause };
        let photo = photo::decode(&task.entry.path, decode).map_err(|error| bad(error.to_string()))?;
        // Whoever comes second finds warmer caches: everybody comes second in turn.
        for turn in 0..contenders.len() {
            let place = (turn + number) % contenders.len();
            tallies[place].add(&contenders[place], task, &photo).map_err(|error| bad(error.to_string()))?;
        }
        watch(number + 1);
    }
    let mut costs = Vec::new();
    for (contender, tally) in contenders.iter().zip(tallies) {
        let path = folder.join(format!("{}.json", contender.name));
        let written = atomic::write(&path, |out| Ok(serde_json::to_writer(out, &tally.results)?));
        written.map_err(|cause| Error::Write { path, cause })?;
        costs.push(Costs {
            parameters: contender.parameters,
            multiply_adds: tally.multiply_adds / tasks.len().max(1) as f64,
            milliseconds: median(tally.milliseconds),
            memory: contender.memory,
        });
    }
    Ok(costs)
}

#[derive(Default)]
struct Tally {
    results: Vec<CocoResult>,
    milliseconds: Vec<f64>,
    multiply_adds: f64,
}

impl Tally {
    fn add(
        &mut self,
        contender: &Contender,
        task: &Task,
        photo: &Photo,
    ) -> Result<(), crate::detector::Error> {
        let started = Instant::now();
        let input = contender.detector.prepare(photo)?;
        let padded = input.padded;
        let (found, _) = contender.detector.infer(vec![input])?;
        self.milliseconds.push(1e3 * started.elapsed().as_secs_f64());
        let proposals = contender.detector.conventions().proposals.post_nms_top_n;
        let rows = contender.network.rows(padded, proposals);
        self.multiply_adds += rows.iter().map(|row| row.multiply_adds as f64).sum::<f64>();
        let found = found.into_iter().flatten();
        self.results.extend(found.filter_map(|detection| result(task, &contender.classes, &detection)));
        Ok(())
    }
}

fn result(task: &Task, classes: &[Category], detection: &Detection) -> Option<CocoResult> {
    let class = classes.get(detection.class)?;
    Some(CocoResult::new(task.image_id.clone(), class.id.clone(), detection.bbox, detection.score))
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
