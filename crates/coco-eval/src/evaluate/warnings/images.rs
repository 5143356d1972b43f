//! Warnings about images that nobody has looked at: they count as images in which nothing was found.

use std::collections::HashSet;

use super::{Warning, WarningList, some};
use crate::coco::Id;
use crate::evaluate::quirk::Reading;
use crate::evaluate::seen::SeenSource;
use crate::evaluate::{Evaluation, Evaluator};

/// Annotated images from which on a list that has results on few of them is told.
const LEAST_ANNOTATED: usize = 4;

impl Evaluator {
    pub(super) fn about_images(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
        let noticed = &self.detections.noticed;
        if noticed.cut_line {
            list.say(
                "cut_line",
                "the last line of the results is not whole, as a run that was killed leaves it: left out"
                    .into(),
            );
        }
        let rest = format!(
            "that the results did not look at: left out of the {} that there are",
            self.left_out + self.scope.images.len()
        );
        list.count("images_left_out", self.left_out as u64, "image", &rest);
        let (seen, all) = (self.seen(), self.scope.images.len());
        let missing = (all - seen.images.len()) as u64;
        let absent = match seen.source {
            SeenSource::Run => missing.saturating_sub(noticed.failed_photos),
            SeenSource::Results if !self.mostly_foreign() && self.are_few_of_the_annotated(&seen.images) => {
                missing
            }
            SeenSource::Results => 0,
        };
        if absent > 0 && self.left_out == 0 {
            let all = some(all as u64, "image");
            let (kind, what, there) = match seen.source {
                SeenSource::Run => ("images_not_in_run", "not in the run", "that were looked at"),
                SeenSource::Results => ("images_without_results", "without any result", "with results"),
            };
            let were = if absent == 1 { "was" } else { "were" };
            let message = format!("{absent} of {all} {were} {what}, which counts as nothing found there");
            list.warnings.push(Warning { count: Some(absent), ..Warning::new(kind, message) });
            list.last_is_without(
                evaluation,
                self.evaluate_on(&seen.images, reading).ok().as_ref(),
                &format!("on the {} {there}", seen.images.len()),
                ": `--seen-only` judges these alone",
            );
        }
        list.count("failed_photo", noticed.failed_photos, "photo", "that failed and has no detections");
        if noticed.failed_photos > 0 && absent == 0 && seen.source == SeenSource::Run {
            list.last_is_without(
                evaluation,
                self.evaluate_on(&seen.images, reading).ok().as_ref(),
                "on the others",
                ": `--seen-only` judges these alone",
            );
        }
    }

    /// Whether most results are left out for their ids, which is another matter.
    fn mostly_foreign(&self) -> bool {
        let noticed = &self.detections.noticed;
        let foreign: u64 = noticed.foreign_categories.values().chain(noticed.foreign_words.values()).sum();
        2 * (foreign + noticed.unknown_images) > noticed.count
    }

    /// Whether most of the images with annotations are not among these.
    fn are_few_of_the_annotated(&self, seen: &[Id]) -> bool {
        if seen.len() == self.scope.images.len() {
            return false;
        }
        let annotated: HashSet<Id> = self
            .set
            .annotations()
            .filter(|annotation| self.scope.category(annotation.category).is_some())
            .map(|annotation| annotation.image)
            .filter(|&image| self.scope.image(image).is_some())
            .collect();
        let found = seen.iter().filter(|id| annotated.contains(id)).count();
        found > 0 && annotated.len() >= LEAST_ANNOTATED && 2 * found < annotated.len()
    }
}
