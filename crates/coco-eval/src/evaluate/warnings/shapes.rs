//! Warnings about masks and key points: what pycocotools makes of sizes that differ, of run lengths that contradict them, and of
//! results with masks and boxes.

use super::WarningList;
use crate::coco::IouType;
use crate::evaluate::quirk::Reading;
use crate::evaluate::{Evaluation, Evaluator};

impl Evaluator {
    pub(super) fn about_shapes(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
        match self.params.iou_type {
            IouType::Bbox => {}
            IouType::Segm => self.about_masks(list, evaluation, reading),
            IouType::Keypoints => self.about_points(list),
        }
    }

    fn about_masks(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
        let noticed = &self.detections.noticed;
        let results = noticed.mask_notes;
        let truths = self.lookup.truths.as_ref().map(|truths| truths.notes).unwrap_or_default();
        let sizes = "whose mask is of another size than the image: it matches no mask of another size";
        list.count("annotation_mask_size", truths.other_size, "annotation", sizes);
        list.count("mask_size", results.other_size, "result", sizes);
        let contradicts = "with run lengths that are not of as many pixels as the mask's size, which keeps pycocotools busy forever or makes an overlap up: what is missing is taken for unset";
        list.count("annotation_mask_contradicts", truths.contradicting, "annotation", contradicts);
        list.count("mask_contradicts", results.contradicting, "result", contradicts);
        list.count(
            "annotation_mask_empty",
            truths.empty,
            "annotation",
            "with a mask without a pixel: nothing can match it",
        );
        list.count("mask_empty", results.empty, "result", "with a mask without a pixel: it matches nothing");
        list.count(
            "mask_from_box",
            results.from_boxes,
            "result",
            "without a mask: its box is taken for one, as in pycocotools",
        );
        let both = noticed.boxes_from.is_none() && results.from_boxes < self.detections.rows.len() as u64;
        if both && !reading.has(Reading::MASK_AREAS) {
            let Ok(other) = self.evaluate_as(reading | Reading::MASK_AREAS, false) else { return };
            // Which area counts shows in the numbers of sizes alone.
            if other.stats.get(3..6) != evaluation.stats.get(3..6) {
                list.say("mask_area_of_box", "the results have boxes beside their masks, and then pycocotools takes the boxes' areas for those of the results".into());
                list.last_sizes_without(evaluation, &other, "with areas of the masks", "leave out `bbox`");
            }
        }
    }

    fn about_points(&self, list: &mut WarningList) {
        if self.params.class_agnostic {
            list.say(
                "points_not_compared",
                "pycocotools compares no key points where all categories are one: nothing is found".into(),
            );
        }
    }
}
