//! A few images' annotations and best detections, in which another reading of the files is tried in a moment.

use std::collections::HashMap;

use super::Evaluator;
use super::overlap::overlap;
use crate::coco::{Annotation, Traits};

/// Images that are looked at.
const IMAGES: usize = 200;
/// Detections of an image that are looked at, the best ones; more where there are many annotations.
const GUESSES: usize = 20;
/// Fewer annotations than these say nothing.
const LEAST: usize = 3;
/// IoU from which an annotation is found.
const FOUND: f64 = 0.5;

/// A box of some category in some image, by their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampledBox {
    pub(super) image: u32,
    pub(super) category: u32,
    pub(super) bbox: [f64; 4],
}

/// The sample.
pub(super) struct Sample {
    pub(super) truths: Vec<SampledBox>,
    guesses: HashMap<(u32, u32), Vec<[f64; 4]>>,
    /// Width and height of all evaluated images, NaN where unknown.
    pub(super) sizes: Vec<(f64, f64)>,
}

/// How the sample's boxes and ids are read.
pub(super) struct Trial<'a> {
    /// An annotation's box, with the size of its image.
    pub(super) truth: &'a dyn Fn([f64; 4], (f64, f64)) -> [f64; 4],
    /// A detection's box, with the size of the image.
    pub(super) guess: &'a dyn Fn([f64; 4], (f64, f64)) -> [f64; 4],
    /// Under which image the detections of an image stand.
    pub(super) image: &'a dyn Fn(u32) -> Option<u32>,
    /// Under which category the detections of a category stand.
    pub(super) category: &'a dyn Fn(u32) -> Option<u32>,
}

impl Trial<'_> {
    /// As the files say.
    pub(super) const PLAIN: Trial<'static> =
        Trial { truth: &|bbox, _| bbox, guess: &|bbox, _| bbox, image: &Some, category: &Some };
}

impl Sample {
    /// Images with annotations, evenly spaced; `None` where there are too few annotations to say anything.
    pub(super) fn of(input: &Evaluator) -> Option<Sample> {
        let scope = &input.scope;
        let placed = |annotation: &Annotation| {
            let place = scope.image(annotation.image).zip(scope.category(annotation.category));
            let (image, category) = place.filter(|_| !annotation.traits.has(Traits::IGNORED))?;
            Some(SampledBox { image, category, bbox: annotation.bbox })
        };
        let mut counts = vec![0u32; scope.images.len()];
        input.set.annotations().filter_map(placed).for_each(|truth| counts[truth.image as usize] += 1);
        let annotated: Vec<u32> =
            (0u32..).zip(&counts).filter(|(_, count)| **count > 0).map(|(k, _)| k).collect();
        let step = annotated.len().div_ceil(IMAGES).max(1);
        let mut chosen = vec![false; counts.len()];
        annotated.iter().step_by(step).for_each(|&image| chosen[image as usize] = true);
        let all = input.set.annotations().filter_map(placed);
        let truths: Vec<SampledBox> = all.filter(|truth| chosen[truth.image as usize]).collect();
        if truths.len() < LEAST {
            return None;
        }
        let mut wanted = chosen;
        for truth in &truths {
            for by in [-1, 1] {
                if let Some(near) = input.image_beside(truth.image, by) {
                    wanted[near as usize] = true;
                }
            }
        }
        Some(Sample { guesses: best(input, &wanted, &counts), truths, sizes: input.sizes() })
    }

    /// The share of the annotations that some detection of their image and category finds.
    pub(super) fn recall(&self, trial: &Trial<'_>) -> f64 {
        let found = self.truths.iter().filter(|truth| {
            let size = self.sizes[truth.image as usize];
            let bbox = (trial.truth)(truth.bbox, size);
            let own = (trial.image)(truth.image).zip((trial.category)(truth.category));
            let own = own.and_then(|key| self.guesses.get(&key));
            own.into_iter()
                .flatten()
                .any(|&guess| overlap(&(trial.guess)(guess, size), &bbox, false) >= FOUND)
        });
        found.count() as f64 / self.truths.len() as f64
    }

    /// Annotations with the detections of their image and category.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&SampledBox, &[f64; 4])> {
        self.truths.iter().flat_map(|truth| {
            let own = self.guesses.get(&(truth.image, truth.category));
            own.into_iter().flatten().map(move |guess| (truth, guess))
        })
    }
}

/// The best detections of the wanted images.
fn best(input: &Evaluator, wanted: &[bool], counts: &[u32]) -> HashMap<(u32, u32), Vec<[f64; 4]>> {
    let rows = &input.detections.rows;
    let most = |image: u32| GUESSES.max(2 * counts[image as usize] as usize);
    let keep_best = |own: &mut Vec<(f64, u32, [f64; 4])>, image: u32| {
        own.sort_by(|a, b| b.0.total_cmp(&a.0));
        own.truncate(most(image));
    };
    let mut of_image: Vec<Vec<(f64, u32, [f64; 4])>> = vec![Vec::new(); counts.len()];
    for category in 0..input.scope.categories.len() {
        for (_, row) in rows.of_group(category).filter(|(_, row)| wanted[row.image as usize]) {
            let own = &mut of_image[row.image as usize];
            own.push((row.score, category as u32, row.bbox));
            if own.len() == 2 * most(row.image) {
                keep_best(own, row.image);
            }
        }
    }
    let mut guesses: HashMap<(u32, u32), Vec<[f64; 4]>> = HashMap::new();
    for (image, mut own) in (0u32..).zip(of_image) {
        keep_best(&mut own, image);
        for (_, category, bbox) in own {
            guesses.entry((image, category)).or_default().push(bbox);
        }
    }
    guesses
}
