//! Warnings: what in the files or the parameters makes the numbers other than they seem, and by how much.

use std::collections::HashSet;

use super::error::Error;
use super::params::Protocol;
use super::quirk::{Reading, repeated_ids};
use super::rows_check::Look;
use super::{Evaluation, Input};
use crate::coco::{Form, Id, Index, Traits, quoted, shown};

/// Something a user would want to be told.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Warning {
    /// A fixed word for programs.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// How many records it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What the first number would be without the quirk, less what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ap_change: Option<f64>,
}

impl Warning {
    fn new(kind: &'static str, message: impl Into<String>) -> Warning {
        Warning { kind, message: message.into(), count: None, ap_change: None }
    }
}

/// "1 annotation", "2 annotations".
fn some(count: u64, thing: &str) -> String {
    match (count, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) if thing.ends_with('x') => format!("{count} {thing}es"),
        (_, None) => format!("{count} {thing}s"),
    }
}

struct List(Vec<Warning>);

impl List {
    fn say(&mut self, kind: &'static str, message: String) {
        self.0.push(Warning::new(kind, message));
    }

    /// Says something of `count` things, if there are any.
    fn count(&mut self, kind: &'static str, count: u64, thing: &str, rest: &str) {
        if count > 0 {
            let message = format!("{} {rest}", some(count, thing));
            self.0.push(Warning { count: Some(count), ..Warning::new(kind, message) });
        }
    }

    fn last_moves(&mut self, change: f64) {
        if let Some(last) = self.0.last_mut() {
            last.ap_change = Some(change);
            last.message.push_str(&match change {
                0.0 => " (AP is the same without this)".to_string(),
                _ => format!(" (without this AP would be {change:+.3})"),
            });
        }
    }
}

impl Input {
    /// Results of which not one is on a listed image do not belong to these annotations.
    pub(super) fn check_images(&self, by_name: bool) -> Result<(), Error> {
        let noticed = &self.detections.noticed;
        if noticed.unknown_images == 0 || noticed.unknown_images < noticed.count {
            return Ok(());
        }
        let ids: Vec<&str> = noticed.unknown_image_ids.keys().map(String::as_str).take(3).collect();
        let own: Vec<String> =
            self.set.images().iter().take(3).map(|image| self.set.ids.show(image.id).to_string()).collect();
        let strings = |id: &str| id.starts_with('"');
        let why = match (ids.first(), own.first()) {
            (_, None) => "the annotations list no image".into(),
            (Some(id), Some(own)) if strings(id) && !strings(own) => {
                format!(
                    "the results name images by strings such as {id}, the annotations by numbers such as {own}"
                )
            }
            (Some(id), Some(own)) if !strings(id) && strings(own) => {
                format!(
                    "the results name images by numbers such as {id}, the annotations by strings such as {own}"
                )
            }
            _ => format!(
                "the results have image ids such as {}, the annotations {}",
                ids.join(", "),
                own.join(", ")
            ),
        };
        let cure = if by_name {
            "check that the two files belong together"
        } else {
            "`--map-by-name` matches images by file name where the results have names"
        };
        Err(Error::Apart(format!(
            "no result of {} is on an image of {}: {why}: {cure}",
            shown(self.detections.path()),
            shown(self.set.path())
        )))
    }

    /// All that is to be said about this evaluation. Quirks that `reading` reads sanely are not mentioned.
    pub fn warnings(&self, evaluation: &Evaluation, reading: Reading) -> Vec<Warning> {
        let mut list = List(Vec::new());
        self.about_annotations(&mut list, evaluation, reading);
        self.about_tables(&mut list);
        let look = self.look();
        self.about_results(&mut list, evaluation, reading, &look);
        about_boxes(&mut list, &look);
        self.about_params(&mut list);
        self.about_zero(&mut list, evaluation);
        list.0
    }

    /// Says by how much the sane reading of a quirk moves AP, where it can be evaluated at all.
    fn moves(&self, list: &mut List, evaluation: &Evaluation, reading: Reading, quirk: Reading) {
        let Ok(without) = self.evaluate(reading | quirk, false) else { return };
        if let (Some(&with), Some(&without)) = (evaluation.stats.first(), without.stats.first()) {
            list.last_moves(without - with);
        }
    }

    fn about_annotations(&self, list: &mut List, evaluation: &Evaluation, reading: Reading) {
        let lvis = self.params.protocol == Protocol::Lvis;
        if !self.set.has("annotations") {
            list.say(
                "no_annotations",
                "the annotations file has no `annotations`: every number is -1".into(),
            );
        } else if self.set.annotations().next().is_none() {
            list.say("no_annotations", "there is no annotation: every number is -1".into());
        }
        let mut counts = Counts::default();
        let categories: Vec<Id> = self.set.categories().iter().map(|category| category.id).collect();
        let categories = Index::new(&categories);
        for annotation in self.set.annotations() {
            let unknown_image = self.lookup.images.get(annotation.image).is_none();
            let unknown_category = categories.get(annotation.category).is_none();
            counts.unknown_image += u64::from(unknown_image);
            counts.unknown_category += u64::from(unknown_category);
            if unknown_image || unknown_category {
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
            counts.not_positive += u64::from(!(area > 0.0 && area < f64::INFINITY));
            counts.odd_box +=
                u64::from(!(annotation.bbox[0] + annotation.bbox[1] + width * height).is_finite());
            counts.empty_box += u64::from(width <= 0.0 || height <= 0.0);
        }
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

    fn about_tables(&self, list: &mut List) {
        let repeats = |ids: Vec<Id>| ids.len() as u64 - ids.iter().collect::<HashSet<_>>().len() as u64;
        let images = repeats(self.set.images().iter().map(|image| image.id).collect());
        list.count("image_listed_twice", images, "image", "listed more than once: counted once");
        let categories = repeats(self.set.categories().iter().map(|category| category.id).collect());
        let effect = if self.params.class_agnostic {
            "listed more than once: its boxes count more than once"
        } else {
            "listed more than once: counted once"
        };
        list.count("category_listed_twice", categories, "category", effect);
        let with_objects: HashSet<Id> =
            self.set.annotations().map(|annotation| annotation.category).collect();
        let without = self.scope.categories.iter().filter(|&id| !with_objects.contains(id)).count() as u64;
        if !with_objects.is_empty() {
            list.count(
                "category_without_objects",
                without,
                "category",
                "without annotations: left out of every mean",
            );
        }
        if self.params.protocol == Protocol::Lvis {
            for (name, title) in [("r", "rare"), ("c", "common"), ("f", "frequent")] {
                if !self.set.categories().iter().any(|category| category.frequency.as_deref() == Some(name)) {
                    list.say("empty_frequency_group", format!("no {title} category: its number is -1"));
                }
            }
        }
    }

    fn about_results(&self, list: &mut List, evaluation: &Evaluation, reading: Reading, look: &Look) {
        let noticed = &self.detections.noticed;
        match noticed.form {
            Form::List if noticed.count == 0 => {
                list.say("no_results", "the results file is empty, which stops pycocotools: every number is 0 where there are annotations".into());
            }
            Form::DataSet => list.say("results_in_data_set", "the results are a data set with scores, which pycocotools does not take: its annotations are read as results".into()),
            _ => {}
        }
        if let Some(source) = noticed.boxes_from {
            list.say(
                "boxes_derived",
                format!("the results have no boxes: those around their {source} are used"),
            );
        }
        list.count("failed_photo", noticed.failed_photos, "photo", "that failed and has no detections");
        if noticed.unknown_images > 0 {
            let examples: Vec<&str> = noticed.unknown_image_ids.keys().map(String::as_str).take(5).collect();
            let rest = format!(
                "on an image that the annotations do not list, which stops pycocotools: left out (image {})",
                examples.join(", ")
            );
            list.count("result_unknown_image", noticed.unknown_images, "result", &rest);
        }
        let known: HashSet<Id> = self.set.categories().iter().map(|category| category.id).collect();
        let foreign: Vec<_> =
            noticed.foreign_categories.iter().filter(|(id, _)| !known.contains(id)).collect();
        let count = foreign.iter().map(|&(_, count)| count).sum::<u64>()
            + noticed.foreign_words.values().sum::<u64>();
        if count > 0 {
            let ids = foreign.iter().map(|&(&id, _)| self.set.ids.show(id).to_string());
            let ids: Vec<String> = ids.chain(noticed.foreign_words.keys().cloned()).take(5).collect();
            let rest = format!(
                "of a category that the annotations do not list: left out (category {})",
                ids.join(", ")
            );
            list.count("result_unknown_category", count, "result", &rest);
        }
        self.about_names(list);
        list.count("score_bool", noticed.bool_scores, "result", "with true or false as score, which stops pycocotools where a category has no other: taken for 1 and 0");
        list.count(
            "unused_detections",
            evaluation.unused,
            "detection",
            "beyond the largest limit of an image and category: not used",
        );
        if look.nan_scores > 0 && !reading.has(Reading::BOXES) {
            list.count("score_nan", look.nan_scores, "detection", "with NaN as score: ranked last");
            self.moves(list, evaluation, reading, Reading::BOXES);
        }
        if look.odd_boxes > 0 && !reading.has(Reading::BOXES) {
            list.count("box_not_finite", look.odd_boxes, "detection", "with a box of NaN, infinity or sides too long to multiply: its overlaps may be NaN, which matches anything");
            self.moves(list, evaluation, reading, Reading::BOXES);
        }
        list.count("score_outside_0_1", look.odd_scores, "detection", "with a score below 0 or above 1");
    }

    fn about_names(&self, list: &mut List) {
        let mut differ = Vec::new();
        for (id, name) in &self.detections.noticed.categories {
            let own = self.set.categories().iter().find(|category| category.id == *id);
            if let Some(own) = own.and_then(|category| category.name.as_deref())
                && own != name
            {
                differ.push(format!(
                    "{} is {} here and {} there",
                    self.set.ids.show(*id),
                    quoted(own),
                    quoted(name)
                ));
            }
        }
        if !differ.is_empty() && self.lookup.names.is_none() {
            let count = differ.len() as u64;
            differ.truncate(3);
            let rest = format!(
                "whose name differs between the two files: category {}: `--map-by-name` matches by name",
                differ.join(", ")
            );
            list.count("category_names_differ", count, "category", &rest);
        }
    }

    fn look(&self) -> Look {
        let mut sizes = vec![(f64::NAN, f64::NAN); self.scope.images.len()];
        for image in self.set.images() {
            if let (Some(place), Some(width), Some(height)) =
                (self.scope.image(image.id), image.width, image.height)
            {
                sizes[place as usize] = (width, height);
            }
        }
        Look::at(&self.detections, &sizes)
    }

    fn about_params(&self, list: &mut List) {
        let params = &self.params;
        let listed: HashSet<Id> = self.set.images().iter().map(|image| image.id).collect();
        let unlisted = self.scope.images.iter().filter(|id| !listed.contains(id)).count() as u64;
        list.count("image_not_listed", unlisted, "image", "asked for that the annotations do not list");
        let listed: HashSet<Id> = self.set.categories().iter().map(|category| category.id).collect();
        let unlisted = self.scope.categories.iter().filter(|id| !listed.contains(id)).count() as u64;
        list.count("category_not_listed", unlisted, "category", "asked for that the annotations do not list");
        for threshold in [0.5, 0.75] {
            if !params.iou_thresholds.contains(&threshold) {
                list.say(
                    "no_such_threshold",
                    format!("AP at IoU {threshold} is -1, as it is not among the thresholds"),
                );
            }
        }
        if params.iou_thresholds.iter().any(|&threshold| threshold <= 0.0) {
            list.say("threshold_zero", "an IoU threshold of 0 matches boxes that do not overlap".into());
        }
        if params.recall_thresholds.windows(2).any(|pair| pair[0] > pair[1]) {
            list.say(
                "recall_thresholds_descend",
                "recall thresholds should ascend: all behind the first that is not reached count as 0".into(),
            );
        }
        if params.protocol == Protocol::Coco && !params.max_dets.contains(&100) {
            list.say("no_limit_100", "the first number is -1: pycocotools looks it up at 100 detections, which is not among the limits".into());
        }
        for label in ["all", "small", "medium", "large"] {
            if !params.area_ranges.iter().any(|range| range.label == label) {
                list.say(
                    "no_such_range",
                    format!("the numbers for area `{label}` are -1, as there is no such range"),
                );
            }
        }
    }

    /// AP is 0 though there are boxes on both sides: say what may be the reason.
    fn about_zero(&self, list: &mut List, evaluation: &Evaluation) {
        if evaluation.stats.first() != Some(&0.0) || self.detections.noticed.count == 0 {
            return;
        }
        let noticed = &self.detections.noticed;
        if self.detections.rows.is_empty() {
            let own: Vec<String> =
                self.scope.categories.iter().map(|&id| self.set.ids.show(id).to_string()).take(5).collect();
            let ids = noticed.foreign_categories.keys().map(|&id| self.set.ids.show(id).to_string());
            let ids: Vec<String> = ids.chain(noticed.foreign_words.keys().cloned()).take(5).collect();
            let hint = if self.lookup.names.is_none() {
                ": `--map-by-name` matches categories by name where the results have names"
            } else {
                ""
            };
            list.say("zero_ap", format!("AP is 0 because no result is of an evaluated category: the results have the categories {}, the annotations {}{}{hint}", ids.join(", "), own.join(", "), self.suggestion()));
            return;
        }
        if let Some(suggestion) = Some(self.suggestion()).filter(|text| !text.is_empty()) {
            list.say("zero_ap", format!("AP is 0{suggestion}"));
        } else {
            list.say("zero_ap", "AP is 0: no box of a result overlaps an annotation of its image and category enough: check the category ids and that boxes are [x, y, width, height] in pixels".into());
        }
    }

    /// A mapping of category ids that would make sense: from 0 on instead of from 1 on, or by place in the list.
    fn suggestion(&self) -> String {
        let noticed = &self.detections.noticed;
        let integers =
            |ids: &mut dyn Iterator<Item = Id>| -> Option<Vec<i64>> { ids.map(Id::integer).collect() };
        let mut seen: HashSet<Id> = noticed.foreign_categories.keys().copied().collect();
        seen.extend(
            self.detections
                .rows
                .iter()
                .filter_map(|row| self.scope.categories.get(row.category as usize).copied()),
        );
        let (Some(own), Some(seen)) =
            (integers(&mut self.scope.categories.iter().copied()), integers(&mut seen.into_iter()))
        else {
            return String::new();
        };
        let (Some(&low), Some(&high)) = (seen.iter().min(), seen.iter().max()) else { return String::new() };
        let count = own.len() as i64;
        if low == 0 && high < count && !own.contains(&0) {
            return format!(
                ": the results seem to count categories from 0: result category k is the annotations' category {}",
                if own.iter().copied().eq(1..=count) {
                    "k + 1".into()
                } else {
                    format!(
                        "number k + 1 in the list {}, …",
                        own.iter().take(3).map(i64::to_string).collect::<Vec<_>>().join(", ")
                    )
                }
            );
        }
        if low >= 1 && high <= count && !own.iter().copied().eq(1..=count) {
            return ": the results seem to count categories from 1 without gaps: result category k is number k in the annotations' list".into();
        }
        String::new()
    }
}

fn about_boxes(list: &mut List, look: &Look) {
    let most = |count: u64, of: u64| of >= 10 && count * 20 >= of * 19;
    if most(look.normalised, look.count) {
        list.count("box_normalised", look.normalised, "detection", "with a box between 0 and 1: boxes must be in pixels, multiply them by the image's width and height");
    } else if most(look.corners, look.count) && (look.sized == 0 || look.outside * 10 > look.sized) {
        list.count(
            "box_corners",
            look.corners,
            "detection",
            "with a box that looks like [x1, y1, x2, y2]: [x, y, width, height] expected",
        );
    } else if look.outside > 0 {
        list.count(
            "box_outside_image",
            look.outside,
            "detection",
            "with a box that reaches far beyond its image",
        );
    }
    list.count(
        "box_negative",
        look.negative_sides,
        "detection",
        "with a box of negative width or height: it matches nothing",
    );
    list.count("box_empty", look.empty, "detection", "with a box without size: it matches nothing");
}

#[derive(Default)]
struct Counts {
    zero: u64,
    words: u64,
    unknown_image: u64,
    unknown_category: u64,
    unusual: u64,
    no_crowd: u64,
    no_area: u64,
    ignore: u64,
    crowds: u64,
    nan_area: u64,
    negative_area: u64,
    huge_area: u64,
    not_positive: u64,
    odd_box: u64,
    empty_box: u64,
}
