//! The photos on which a model and the first differ most, with what either finds and misses in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coco_eval::{Evaluator, Mistakes, Moved, Reading};

use super::judge::params;
use super::{Candidate, CompareError, JudgedModel, Judging};

/// IoU from which a detection is right.
const IOU: f64 = 0.5;

/// A photo whose AP differs between two models.
#[derive(Clone, Debug)]
pub struct Flip {
    /// Its name and its AP with either model; `own` is the first model's.
    pub moved: Moved,
    /// What the first model finds, with whatever score, and misses, and what it takes for something else or finds where
    /// nothing is, from the score up where its F1 is best over all photos.
    pub first: Mistakes,
    /// The same of the other model.
    pub other: Mistakes,
}

/// A model's photos that flipped against the first, and the names of the categories in them.
#[derive(Clone, Debug, Default)]
pub struct Flips {
    /// By a category's place.
    pub categories: Vec<String>,
    /// Those that moved most first.
    pub photos: Vec<Flip>,
}

/// At most `most` photos for each candidate, none for the first; `judged` is what [`judge()`](super::judge()) made of the same
/// candidates.
///
/// # Errors
/// When a file cannot be read once more.
pub fn flips(
    annotations: &Path,
    candidates: &[Candidate],
    judged: &[JudgedModel],
    how: &Judging<'_>,
    most: usize,
) -> Result<Vec<Flips>, CompareError> {
    let wanted: Vec<Vec<&Moved>> = judged.iter().map(|model| moved(model, most)).collect();
    let mut first: Option<HashMap<String, Mistakes>> = None;
    let mut all = Vec::new();
    for (candidate, moved) in candidates.iter().zip(&wanted) {
        let [results] = candidate.results.as_slice() else {
            all.push(Flips::default());
            continue;
        };
        if moved.is_empty() && first.is_some() {
            all.push(Flips::default());
            continue;
        }
        let open = |results: &PathBuf| Evaluator::open(annotations, results, &params(how), false);
        if first.is_none() {
            first = Some(by_image(&open(results)?, wanted.iter().flatten())?);
            all.push(Flips::default());
            continue;
        }
        let own = open(results)?;
        let mut others = by_image(&own, moved.iter())?;
        let flip = |moved: &&Moved| {
            let key = moved.image_id.as_ref()?.to_string();
            let first = first.as_ref()?.get(&key)?.clone();
            Some(Flip { moved: (*moved).clone(), first, other: others.remove(&key)? })
        };
        all.push(Flips { categories: own.category_names(), photos: moved.iter().filter_map(flip).collect() });
    }
    Ok(all)
}

/// The photos whose AP moved, those that moved most first.
fn moved(model: &JudgedModel, most: usize) -> Vec<&Moved> {
    let photos = model.difference.iter().flat_map(|difference| &difference.photos);
    photos.take(most).collect()
}

/// What goes wrong in some images, by their ids as JSON.
fn by_image<'a>(
    evaluator: &Evaluator,
    wanted: impl Iterator<Item = &'a &'a Moved>,
) -> Result<HashMap<String, Mistakes>, CompareError> {
    let wanted: Vec<String> = wanted.filter_map(|moved| Some(moved.image_id.as_ref()?.to_string())).collect();
    let all = evaluator.found_and_mistaken(Reading::default(), IOU)?;
    let keyed = all.into_iter().map(|image| (image.image_id.to_string(), image));
    Ok(keyed.filter(|(key, _)| wanted.contains(key)).collect())
}
