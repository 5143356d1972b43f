//! Which images a run has looked at: AP over all of them says little of a run over a few.

use std::sync::Arc;

use super::error::EvaluateError;
use super::quirk::Reading;
use super::scope::Scope;
use super::{Evaluation, Evaluator};
use crate::coco::{Detections, Id, NOWHERE, ResultDetection, TruthShapes};

/// How it is known which images were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenSource {
    /// The run's own files list them.
    Run,
    /// Those that have results: what was looked at in vain is not among them.
    Results,
}

/// The evaluated images that were looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In their order.
    pub images: Vec<Id>,
    /// How that is known.
    pub source: SeenSource,
}

impl Evaluator {
    /// The evaluated images that were looked at: as the run's files tell, else those with results.
    pub fn seen(&self) -> Seen {
        let with_results = self.images_with_results();
        let of_run = self.seen_by_run().filter(|seen| {
            // Tables that miss images with results are those of other results.
            with_results.iter().zip(seen).all(|(&result, &seen)| seen || !result)
        });
        let (seen, source) = match of_run {
            Some(seen) => (seen, SeenSource::Run),
            None => (with_results, SeenSource::Results),
        };
        let images = self.scope.images.iter().zip(seen).filter(|(_, seen)| *seen);
        Seen { images: images.map(|(&id, _)| id).collect(), source }
    }

    /// This input with some of its images alone.
    pub fn restricted(self, images: &[Id]) -> Evaluator {
        let (scope, detections) = self.part(images);
        let mut lookup = scope.lookup(&self.set, &self.params, self.lookup.names.is_some());
        let places = self.places_in(&scope);
        let moved = |truths: Arc<TruthShapes>| Arc::new(truths.moved(&places, scope.images.len()));
        (lookup.truths, lookup.among) = (self.lookup.truths.clone().map(moved), self.lookup.among);
        Evaluator { scope, detections, lookup, left_out: self.scope.images.len() - images.len(), ..self }
    }

    /// Evaluates on some of the images.
    pub(super) fn evaluate_on(&self, images: &[Id], reading: Reading) -> Result<Evaluation, EvaluateError> {
        let (scope, detections) = self.part(images);
        self.evaluate_in(&scope, &detections, reading, false)
    }

    fn part(&self, images: &[Id]) -> (Scope, Detections) {
        let scope = self.scope.with_images(images.to_vec());
        let places = self.places_in(&scope);
        let detections = self.detections.changed(|group, row| {
            let image = places[row.image as usize];
            (image != NOWHERE).then_some((group, ResultDetection { image, ..*row }))
        });
        (scope, detections)
    }

    /// The place of each of the images in another scope.
    fn places_in(&self, scope: &Scope) -> Vec<u32> {
        self.scope.images.iter().map(|&id| scope.image(id).unwrap_or(NOWHERE)).collect()
    }

    fn seen_by_run(&self) -> Option<Vec<bool>> {
        let places = self.detections.noticed.seen.as_ref()?;
        let mut seen = vec![false; self.scope.images.len()];
        for &place in places {
            let rank = self.lookup.ranks.get(place as usize).copied().unwrap_or(NOWHERE);
            if let Some(seen) = seen.get_mut(rank as usize) {
                *seen = true;
            }
        }
        Some(seen)
    }

    fn images_with_results(&self) -> Vec<bool> {
        let mut with = vec![false; self.scope.images.len()];
        let mut missing = with.len();
        for row in self.detections.rows.chunks().iter().flatten() {
            if !std::mem::replace(&mut with[row.image as usize], true) {
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        with
    }
}
