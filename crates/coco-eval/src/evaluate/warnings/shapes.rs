//! Warnings about masks and key points: what pycocotools makes of sizes that differ, of run lengths that contradict them, and of
//! results with masks and boxes.

use super::WarningList;
use crate::coco::IouType;
use crate::evaluate::Evaluator;

impl Evaluator {
    pub(super) fn about_shapes(&self, list: &mut WarningList) {
        match self.params.iou_type {
            IouType::Bbox => {}
            IouType::Segm => self.about_masks(list),
            IouType::Keypoints => self.about_points(list),
        }
    }

    fn about_masks(&self, list: &mut WarningList) {
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
        // Results of one run differ by a few; boxes of pictures of another size are all elsewhere.
        if noticed.boxes_from.is_none() && 2 * results.apart > self.detections.rows.len() as u64 {
            let rest = "whose box lies elsewhere than the mask beside it: masks are compared, while small, medium and large ones go by the areas of the boxes, as in pycocotools";
            list.count("box_beside_mask", results.apart, "result", rest);
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
