//! What is right, wrong and missed in each image, at one IoU threshold and one score.

use std::sync::Arc;

use super::analysis::{Verdicts, judge};
use super::error::EvaluateError;
use super::problem::Problem;
use super::quirk::Reading;
use super::{Evaluator, operating};
use crate::coco::TruthShapes;
use crate::mask::Rle;

/// A detection or a ground truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Boxed {
    /// Its category, by its place.
    pub category: usize,
    /// x, y, width, height.
    pub bbox: [f64; 4],
    /// A detection's score.
    pub score: Option<f64>,
    /// A detection's row, or a ground truth's place among those of its category.
    pub(super) place: u32,
    /// A ground truth's place among the masks that were read.
    shape: u32,
}

/// One image's detections from the score up, and its ground truths.
#[derive(Clone, Debug, Default)]
pub struct Mistakes {
    /// The image's id as the annotations have it.
    pub image_id: serde_json::Value,
    /// Detections that found a ground truth.
    pub right: Vec<Boxed>,
    /// Detections that found none.
    pub wrong: Vec<Boxed>,
    /// Ground truths that a detection found.
    pub found: Vec<Boxed>,
    /// Ground truths that no detection found.
    pub missed: Vec<Boxed>,
    /// The masks of all ground truths, where masks are evaluated, and the image's place among them.
    masks: Option<(Arc<TruthShapes>, u32)>,
}

impl Mistakes {
    /// How many things went wrong.
    pub fn count(&self) -> usize {
        self.wrong.len() + self.missed.len()
    }

    /// The mask of one of its ground truths, where masks are evaluated.
    pub fn mask(&self, truth: &Boxed) -> Option<Rle> {
        let (masks, image) = self.masks.as_ref()?;
        if truth.score.is_none() { masks.mask(*image, truth.shape) } else { None }
    }
}

impl Evaluator {
    /// Every evaluated image with the detections of the score where F1 is best over all categories and more. The verdicts
    /// are those of [`Evaluator::errors`]; where it pairs a wrong detection with a missed truth of another category, both
    /// are counted here.
    ///
    /// # Errors
    /// As for [`Evaluator::evaluate`].
    pub fn mistakes(&self, reading: Reading, iou: f64) -> Result<Vec<Mistakes>, EvaluateError> {
        self.images(reading, iou, |cut| LeastScores { right: cut, wrong: cut })
    }

    /// The same with right detections of whatever score, as AP counts them: what an image's AP comes from.
    ///
    /// # Errors
    /// As for [`Evaluator::evaluate`].
    pub fn found_and_mistaken(&self, reading: Reading, iou: f64) -> Result<Vec<Mistakes>, EvaluateError> {
        self.images(reading, iou, |cut| LeastScores { right: f64::NEG_INFINITY, wrong: cut })
    }

    fn images(
        &self,
        reading: Reading,
        iou: f64,
        least: impl Fn(f64) -> LeastScores,
    ) -> Result<Vec<Mistakes>, EvaluateError> {
        let problem = self.problem(reading)?;
        let verdicts = judge(&problem, iou, self.largest_limit());
        let cut = operating::best_overall(&verdicts).map_or(f64::NEG_INFINITY, |cut| cut.score);
        let mut images = by_image(&problem, &verdicts, least(cut));
        for (place, (image, &id)) in (0..).zip(images.iter_mut().zip(&self.scope.images)) {
            image.image_id = self.set.id_json(id);
            image.masks = self.lookup.truths.clone().map(|masks| (masks, place));
        }
        Ok(images)
    }
}

/// Scores below which detections are left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeastScores {
    /// Of right ones; what only others find is missed.
    pub(super) right: f64,
    /// Of wrong ones.
    pub(super) wrong: f64,
}

/// The same without the images' ids, in the images' order; in each list by category and falling score.
pub(super) fn by_image(problem: &Problem<'_>, verdicts: &[Verdicts], least: LeastScores) -> Vec<Mistakes> {
    let mut images = vec![Mistakes::default(); problem.images];
    for (category, verdicts) in verdicts.iter().enumerate() {
        let counts = |right: bool, score: f64| score >= if right { least.right } else { least.wrong };
        for judged in verdicts.judged.iter().filter(|judged| counts(judged.right, judged.score)) {
            let bbox = problem.detections.rows.at(judged.row).bbox;
            let image = &mut images[judged.image as usize];
            let list = if judged.right { &mut image.right } else { &mut image.wrong };
            list.push(Boxed { category, bbox, score: Some(judged.score), place: judged.row, shape: 0 });
        }
        for (place, truth) in problem.category(category).truths.iter().enumerate() {
            if !verdicts.counts[place] {
                continue;
            }
            let image = &mut images[truth.image as usize];
            let missed = verdicts.found[place].is_none_or(|found| found < least.right);
            let list = if missed { &mut image.missed } else { &mut image.found };
            let (bbox, place, shape) = (truth.bbox, place as u32, truth.shape);
            list.push(Boxed { category, bbox, score: None, place, shape });
        }
    }
    images
}
