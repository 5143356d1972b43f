//! Warnings about annotations: what pycocotools reads otherwise than it was meant.

use std::collections::HashSet;

use super::WarningList;
use crate::coco::{Annotation, Id, Index, Traits};
use crate::evaluate::params::{Params, Protocol};
use crate::evaluate::quirk::{Reading, repeated_ids};
use crate::evaluate::{Evaluation, Evaluator};

/// Images in which annotations that are there twice are looked for.
const SAMPLED: usize = 100;

impl Evaluator {
    pub(super) fn about_annotations(
        &self,
        list: &mut WarningList,
        evaluation: &Evaluation,
        reading: Reading,
    ) {
        let lvis = self.params.protocol == Protocol::Lvis;
        if !self.set.has("annotations") {
            list.say(
                "no_annotations",
                "the annotations file has no `annotations`: every number is -1".into(),
            );
        } else if self.set.annotations().next().is_none() {
            list.say("no_annotations", "there is no annotation: every number is -1".into());
        }
        let mut counts = AnnotationCounts::default();
        let categories: Vec<Id> = self.set.categories().iter().map(|category| category.id).collect();
        let categories = Index::new(&categories);
        for annotation in self.set.annotations() {
            let unknown_image = self.lookup.images.get(annotation.image).is_none();
            let unknown_category = categories.get(annotation.category).is_none();
            counts.unknown_image += u64::from(unknown_image);
            counts.unknown_category += u64::from(unknown_category);
            if unknown_image || unknown_category {
                let listed = |id, index: &Index| {
                    self.set.ids.of_other_kind(id).is_some_and(|id| index.get(id).is_some())
                };
                let image = unknown_image && listed(annotation.image, &self.lookup.images);
                let category = unknown_category && listed(annotation.category, &categories);
                counts.other_kind += u64::from(image || category);
                continue;
            }
            let has = |traits| u64::from(annotation.traits.has(traits));
            let [_, _, width, height] = annotation.bbox;
            counts.zero += has(Traits::ID_ZERO);
            counts.words += has(Traits::ID_WORD);
            counts.unusual += has(Traits::CROWD_UNUSUAL);
            counts.no_crowd += has(Traits::NO_CROWD);
            counts.no_area += has(Traits::NO_AREA);
            counts.ignore += has(Traits::IGNORE_KEY);
            counts.crowds += has(Traits::CROWD);
            let area = annotation.area;
            counts.nan_area += u64::from(area.is_nan());
            counts.negative_area += u64::from(area < 0.0);
            counts.huge_area += u64::from(area > 1e10);
            let sized = !annotation.traits.has(Traits::NO_AREA) && width > 0.0 && height > 0.0;
            counts.zero_area += u64::from(sized && area == 0.0);
            counts.beyond_box += u64::from(sized && area > 1.05 * width * height + 1.0);
            counts.not_positive += u64::from(!(area > 0.0 && area < f64::INFINITY));
            counts.odd_box +=
                u64::from(!(annotation.bbox[0] + annotation.bbox[1] + width * height).is_finite());
            counts.empty_box += u64::from(width <= 0.0 || height <= 0.0);
            counts.beneath_box += u64::from(sized && area > 0.0 && area < 0.005 * width * height);
        }
        self.about_annotations_twice(list, evaluation, reading);
        if counts.zero > 0 && !reading.has(Reading::ID_ZERO) {
            list.count("annotation_id_zero", counts.zero, "annotation", "with id 0: every detection matched to it counts as wrong, as in pycocotools: number annotations from 1, or use `--corrected`");
            self.moves(list, evaluation, reading, Reading::ID_ZERO);
        }
        let repeated = repeated_ids(&self.set) as u64;
        if repeated > 0 && !reading.has(Reading::DUPLICATE_IDS) {
            list.count("duplicate_annotation_ids", repeated, "annotation", "with an id that an earlier one has: the last one stands for all of them, as in pycocotools: number annotations anew, or use `--corrected`");
            self.moves(list, evaluation, reading, Reading::DUPLICATE_IDS);
        }
        list.count(
            "annotation_id_not_a_number",
            counts.words,
            "annotation",
            "with an id that is no number, which stops pycocotools at the first match: counted as usual",
        );
        list.count(
            "annotation_unknown_image",
            counts.unknown_image,
            "annotation",
            "on an image that is not listed: left out",
        );
        list.count(
            "annotation_unknown_category",
            counts.unknown_category,
            "annotation",
            "of a category that is not listed: left out",
        );
        if counts.other_kind > 0 {
            list.count("ids_of_two_kinds", counts.other_kind, "annotation", "with an id of its image or category that is a string where the list has a number, or a number where it has a string: left out, as in pycocotools");
            let params = Params { digits_are_numbers: true, ..self.params.clone() };
            let (set, results) = (self.set.path(), self.detections.path());
            let other = Evaluator::open(set, results, &params, self.lookup.names.is_some());
            let other = other.and_then(|other| other.evaluate_as(reading, false)).ok();
            list.last_is_without(
                evaluation,
                other.as_ref(),
                "with both taken for one",
                ": write ids in one way, or use `--corrected`",
            );
        }
        if lvis {
            list.count(
                "area_not_positive",
                counts.not_positive,
                "annotation",
                "without a positive finite area: left out, as in lvis",
            );
            list.count(
                "crowd_not_used",
                counts.crowds,
                "annotation",
                "with `iscrowd`, which LVIS does not use",
            );
            return;
        }
        if counts.crowds > 0 && counts.crowds == self.set.annotation_count() as u64 {
            list.say("all_crowds", "every annotation is a crowd (`iscrowd` 1), and crowds are ignored: nothing is left to find, and every number is -1: write `iscrowd` 0 for single objects".into());
        }
        list.count(
            "no_iscrowd",
            counts.no_crowd,
            "annotation",
            "without `iscrowd`, which stops pycocotools: taken for 0",
        );
        list.count(
            "no_area",
            counts.no_area,
            "annotation",
            "without `area`, which stops pycocotools unless it is a crowd: taken from the box",
        );
        list.count(
            "ignore_not_used",
            counts.ignore,
            "annotation",
            "with `ignore`, which COCO does not use: `iscrowd` alone ignores an annotation",
        );
        if counts.unusual > 0 && !reading.has(Reading::CROWDS) {
            list.count("iscrowd_unusual", counts.unusual, "annotation", "with an `iscrowd` that is neither 0 nor 1: ignored if true in Python's sense, a crowd if its whole part is not 0");
            self.moves(list, evaluation, reading, Reading::CROWDS);
        }
        let areas = counts.nan_area + counts.negative_area + counts.huge_area;
        if areas > 0 && !reading.has(Reading::AREAS) {
            list.count(
                "area_nan",
                counts.nan_area,
                "annotation",
                "with NaN as area: counted in every area range",
            );
            list.count(
                "area_negative",
                counts.negative_area,
                "annotation",
                "with a negative area: ignored in every area range",
            );
            list.count(
                "area_above_1e10",
                counts.huge_area,
                "annotation",
                "with an area above 1e10, where the range `all` ends: ignored",
            );
            self.moves(list, evaluation, reading, Reading::AREAS);
        }
        if counts.zero_area > 0 && !reading.has(Reading::AREAS) {
            list.count(
                "area_zero",
                counts.zero_area,
                "annotation",
                "with area 0 though its box has a size: counted as small",
            );
            self.moves_sizes(list, evaluation, reading);
        }
        // A mask is never larger than the box around it.
        if 2 * counts.beyond_box > self.set.annotation_count() as u64 {
            list.count(
                "area_beyond_box",
                counts.beyond_box,
                "annotation",
                "with an area larger than its box: numbers of small, medium and large objects follow `area`",
            );
        }
        if 2 * counts.beneath_box > self.set.annotation_count() as u64 {
            list.count(
                "area_beneath_box",
                counts.beneath_box,
                "annotation",
                "with an area of less than a two-hundredth of its box: numbers of small, medium and large objects follow `area`, which must be in pixels",
            );
        }
        if counts.odd_box > 0 && !reading.has(Reading::BOXES) {
            list.count("annotation_box_not_finite", counts.odd_box, "annotation", "with a box of NaN, infinity or sides too long to multiply: its overlaps may be NaN, which matches anything");
            self.moves(list, evaluation, reading, Reading::BOXES);
        }
        list.count(
            "annotation_box_empty",
            counts.empty_box,
            "annotation",
            "with a box without size: nothing can match it",
        );
    }

    /// Annotations that the file lists more than once, as where a file is joined with itself.
    fn about_annotations_twice(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
        let key = |row: &Annotation| {
            (row.image, row.category, row.bbox.map(f64::to_bits), row.traits.has(Traits::CROWD))
        };
        // A few images tell whether it is worth it to look at all.
        let few: HashSet<Id> = self.scope.images.iter().take(SAMPLED).copied().collect();
        let mut met = HashSet::new();
        let sampled = self.set.annotations().filter(|row| few.contains(&row.image));
        let (mut again, mut count) = (0, 0);
        for row in sampled {
            count += 1;
            again += usize::from(!met.insert(key(row)));
        }
        if again < 5 || 10 * again < count {
            return;
        }
        let mut met = HashSet::with_capacity(self.set.annotation_count());
        let once = self.set.only(|row| met.insert(key(row)));
        let twice = (self.set.annotation_count() - once.annotation_count()) as u64;
        let rest = "that an earlier one repeats to the last digit: one detection finds one of them, and the others are missed";
        list.count("annotations_twice", twice, "annotation", rest);
        let other = self.evaluate_set(&once, &self.scope, &self.detections, reading, false).ok();
        list.last_is_without(evaluation, other.as_ref(), "with each once", ": list every annotation once");
    }
}

#[derive(Default)]
struct AnnotationCounts {
    zero: u64,
    words: u64,
    unknown_image: u64,
    unknown_category: u64,
    other_kind: u64,
    unusual: u64,
    no_crowd: u64,
    no_area: u64,
    ignore: u64,
    crowds: u64,
    nan_area: u64,
    negative_area: u64,
    huge_area: u64,
    zero_area: u64,
    beyond_box: u64,
    not_positive: u64,
    odd_box: u64,
    empty_box: u64,
    beneath_box: u64,
}
