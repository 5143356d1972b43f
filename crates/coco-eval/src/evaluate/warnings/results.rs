//! Warnings about results: what does not belong to the annotations, what is no box, and why AP is 0.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::WarningList;
use crate::coco::{Detections, Id, IouType, ResultsForm, escaped, last_part, quoted};
use crate::evaluate::error::EvaluateError;
use crate::evaluate::quirk::Reading;
use crate::evaluate::rows_check::ResultsCheck;
use crate::evaluate::{Evaluation, Evaluator, misread};

/// Images of one id have other file names in the results.
pub(super) const FILES_DIFFER: &str = "image_names_differ";

impl Evaluator {
    /// Results of which not one is on a listed image do not belong to these annotations.
    pub(in crate::evaluate) fn check_images(&self, by_name: bool) -> Result<(), EvaluateError> {
        let noticed = &self.detections.noticed;
        if noticed.unknown_images == 0 || noticed.unknown_images < noticed.count {
            return Ok(());
        }
        let why = self.why_apart();
        let cure = if by_name {
            "check that the two files belong together"
        } else {
            "`--map-by-name` matches images by file name where the results have names"
        };
        Err(EvaluateError::Apart(format!(
            "no result of `{}` is on an image of `{}`: {why}: {cure}",
            escaped(self.detections.path()),
            escaped(self.set.path())
        )))
    }

    /// How ids or file names of images differ between the two files.
    fn why_apart(&self) -> String {
        let noticed = &self.detections.noticed;
        let some = |names: &BTreeMap<String, u64>| -> Vec<String> { names.keys().take(3).cloned().collect() };
        let (ids, files) = (some(&noticed.unknown_image_ids), some(&noticed.unknown_files));
        let images = self.set.images();
        let own: Vec<String> =
            images.iter().take(3).map(|image| self.set.ids.show(image.id).to_string()).collect();
        let strings = |id: &str| id.starts_with('"');
        match (ids.first(), own.first()) {
            (_, None) => "the annotations list no image".into(),
            (None, _) => {
                let own: Vec<String> = images
                    .iter()
                    .filter_map(|image| image.file_name.as_deref())
                    .take(3)
                    .map(quoted)
                    .collect();
                let own = if own.is_empty() { "none".into() } else { own.join(", ") };
                format!("the results have file names such as {}, the annotations {own}", files.join(", "))
            }
            (Some(id), Some(own)) if strings(id) && !strings(own) => {
                format!(
                    "the results name images by strings such as {id}, the annotations by numbers such as {own}, which `--corrected` takes for one"
                )
            }
            (Some(id), Some(own)) if !strings(id) && strings(own) => {
                format!(
                    "the results name images by numbers such as {id}, the annotations by strings such as {own}, which `--corrected` takes for one"
                )
            }
            _ => format!(
                "the results have image ids such as {}, the annotations {}",
                ids.join(", "),
                own.join(", ")
            ),
        }
    }

    pub(super) fn about_results(
        &self,
        list: &mut WarningList,
        evaluation: &Evaluation,
        reading: Reading,
        check: &ResultsCheck,
    ) {
        let noticed = &self.detections.noticed;
        match noticed.form {
            ResultsForm::List if noticed.count == 0 => {
                list.say("no_results", "the results file is empty, which stops pycocotools: every number is 0 where there are annotations".into());
            }
            ResultsForm::DataSet => list.say("results_in_data_set", "the results are a data set with scores, which pycocotools does not take: its annotations are read as results".into()),
            _ => {}
        }
        let boxes = self.params.iou_type == IouType::Bbox;
        if let Some(source) = noticed.boxes_from.filter(|_| boxes) {
            list.say(
                "boxes_derived",
                format!("the results have no boxes: those around their {source} are used"),
            );
        }
        if noticed.unknown_images > 0 {
            let examples = noticed.unknown_image_ids.keys().chain(noticed.unknown_files.keys());
            let examples: Vec<&str> = examples.map(String::as_str).take(5).collect();
            let rest = format!(
                "on an image that the annotations do not list, which stops pycocotools: left out (image {})",
                examples.join(", ")
            );
            list.count("result_unknown_image", noticed.unknown_images, "result", &rest);
        }
        // The file is read once more for it, and only where there is something to say.
        let by_name = LazyCell::new(|| self.by_name(reading));
        let known: HashSet<Id> = self.set.categories().iter().map(|category| category.id).collect();
        let foreign: Vec<_> =
            noticed.foreign_categories.iter().filter(|(id, _)| !known.contains(id)).collect();
        let count = foreign.iter().map(|&(_, count)| count).sum::<u64>()
            + noticed.foreign_words.values().sum::<u64>();
        if count > 0 {
            let ids = foreign.iter().map(|&(&id, _)| self.set.ids.show(id).to_string());
            let ids: Vec<String> = ids.chain(noticed.foreign_words.keys().cloned()).take(5).collect();
            let words = noticed.foreign_words.keys().filter_map(|word| word.trim_matches('"').parse().ok());
            let hint = if words.filter_map(Id::new).any(|id| known.contains(&id)) {
                ": `--corrected` takes strings of digits for numbers"
            } else {
                ""
            };
            let rest = format!(
                "of a category that the annotations do not list: left out (category {}){hint}",
                ids.join(", ")
            );
            list.count("result_unknown_category", count, "result", &rest);
            list.last_moves_to(evaluation, by_name.as_ref());
        }
        let rest = "of a category that nobody looked for in its image: left out, as in lvis";
        list.count("not_verified", evaluation.unverified, "detection", rest);
        if self.about_names(list) {
            list.last_moves_to(evaluation, by_name.as_ref());
        }
        if self.about_files(list) {
            list.last_moves_to(evaluation, by_name.as_ref());
        }
        list.count(
            "masks_not_judged",
            if boxes { noticed.masks } else { 0 },
            "result",
            "with a mask beside its box: boxes are judged, masks are not looked at: `--iou-type segm` judges masks",
        );
        list.count("score_bool", noticed.bool_scores, "result", "with true or false as score, which stops pycocotools where a category has no other: taken for 1 and 0");
        list.count(
            "unused_detections",
            evaluation.unused,
            "detection",
            if self.params.protocol == crate::evaluate::Protocol::Lvis {
                "beyond the 300 best of their image: not used"
            } else {
                "beyond the largest limit of an image and category: not used"
            },
        );
        if check.nan_scores > 0 && !reading.has(Reading::BOXES) {
            list.count("score_nan", check.nan_scores, "detection", "with NaN as score: ranked last");
            self.moves(list, evaluation, reading, Reading::BOXES);
        }
        if boxes && check.odd_boxes > 0 && !reading.has(Reading::BOXES) {
            list.count("box_not_finite", check.odd_boxes, "detection", "with a box of NaN, infinity or sides too long to multiply: its overlaps may be NaN, which matches anything");
            self.moves(list, evaluation, reading, Reading::BOXES);
        }
        list.count("score_outside_0_1", check.odd_scores, "detection", "with a score below 0 or above 1");
    }

    /// Whether there was anything to say.
    fn about_names(&self, list: &mut WarningList) -> bool {
        let mut differ = Vec::new();
        for (id, name) in &self.detections.noticed.categories {
            let own = self.set.categories().iter().find(|category| category.id == *id);
            if let Some(own) = own.and_then(|category| category.name.as_deref())
                && own.to_lowercase() != name.to_lowercase()
            {
                differ.push(format!(
                    "{} is {} here and {} there",
                    self.set.ids.show(*id),
                    quoted(own),
                    quoted(name)
                ));
            }
        }
        let matter = !differ.is_empty() && self.lookup.names.is_none();
        if matter {
            let count = differ.len() as u64;
            differ.truncate(3);
            let rest = format!(
                "whose name differs between the two files: category {}: `--map-by-name` matches by name",
                differ.join(", ")
            );
            list.count("category_names_differ", count, "category", &rest);
        }
        matter
    }

    /// Whether there was anything to say: photos of one id that are not of one name are hardly one photo.
    fn about_files(&self, list: &mut WarningList) -> bool {
        if self.lookup.names.is_some() || self.detections.noticed.images.is_empty() {
            return false;
        }
        let own: HashMap<Id, &str> = self.set.named_images().collect();
        let mut differ = self.detections.noticed.images.iter().filter_map(|(id, file)| {
            let own = *own.get(id)?;
            (last_part(own) != last_part(file)).then_some((id, own, file))
        });
        let Some((id, own, file)) = differ.next() else { return false };
        let rest = format!(
            "whose file name differs between the two files (image {} is {} here and {} there): `--map-by-name` matches by name",
            self.set.ids.show(*id),
            quoted(own),
            quoted(file)
        );
        list.count(FILES_DIFFER, 1 + differ.count() as u64, "image", &rest);
        true
    }

    /// The evaluation with everything matched by name, where the results have names and were read without them.
    fn by_name(&self, reading: Reading) -> Option<Evaluation> {
        let noticed = &self.detections.noticed;
        if self.lookup.names.is_some() || (noticed.categories.is_empty() && noticed.images.is_empty()) {
            return None;
        }
        let mut lookup = self.scope.lookup(&self.set, &self.params, true);
        (lookup.truths, lookup.among) = (self.lookup.truths.clone(), self.lookup.among);
        let mapped = Detections::open(self.detections.path(), &lookup).ok()?;
        self.evaluate_detections(&mapped, reading, false).ok()
    }

    /// Width and height of the evaluated images, NaN where unknown.
    pub(in crate::evaluate) fn sizes(&self) -> Vec<(f64, f64)> {
        let mut sizes = vec![(f64::NAN, f64::NAN); self.scope.images.len()];
        for image in self.set.images() {
            let place = self.scope.image(image.id);
            if let (Some(place), Some(width), Some(height)) = (place, image.width, image.height) {
                sizes[place as usize] = (width, height);
            }
        }
        sizes
    }

    pub(super) fn check(&self) -> ResultsCheck {
        ResultsCheck::at(&self.detections, &self.sizes())
    }

    pub(super) fn about_boxes(
        &self,
        list: &mut WarningList,
        check: &ResultsCheck,
        evaluation: &Evaluation,
        reading: Reading,
    ) {
        let moves = |list: &mut WarningList, detections: &Detections| {
            let other = self.evaluate_detections(detections, reading, false).ok();
            list.last_moves_to(evaluation, other.as_ref());
        };
        let most = |count: u64, of: u64| of >= 10 && count * 20 >= of * 19;
        if most(check.normalised, check.count) {
            let sizes = self.sizes();
            let as_pixels = |form: misread::BoxForm| {
                let detections = self.detections.with_boxes(|row| {
                    let (wide, high) = sizes[row.image as usize];
                    let [x, y, width, height] = row.bbox;
                    form([x * wide, y * high, width * wide, height * high], (wide, high))
                });
                self.evaluate_detections(&detections, reading, false).ok()
            };
            let ap = |evaluation: &Option<Evaluation>| {
                evaluation.as_ref().and_then(|evaluation| evaluation.stats.first().copied()).unwrap_or(-1.0)
            };
            let plain = as_pixels(|bbox, _| bbox);
            let forms: [(&str, misread::BoxForm); 4] = [
                ("centre x, centre y, width, height", misread::centres),
                ("x1, y1, x2, y2", misread::corners),
                ("y1, x1, y2, x2", |[top, left, bottom, right], (wide, high)| {
                    let (across, down) = (wide / high, high / wide);
                    [left * across, top * down, (right - left) * across, (bottom - top) * down]
                }),
                ("y, x, height, width", |[y, x, height, width], (wide, high)| {
                    let (across, down) = (wide / high, high / wide);
                    [x * across, y * down, width * across, height * down]
                }),
            ];
            let mut best = (plain, String::new());
            // Shares are seldom written without another form.
            for (what, form) in forms {
                let other = as_pixels(form);
                if ap(&other) > ap(&best.0) + 0.02 {
                    best = (other, format!(", and are [{what}] where [x, y, width, height] is expected"));
                }
            }
            let (other, form) = best;
            let rest = format!(
                "with a box between 0 and 1: boxes must be in pixels, multiply them by the image's width and height{form}"
            );
            list.count("box_normalised", check.normalised, "detection", &rest);
            list.last_moves_to(evaluation, other.as_ref());
        } else if most(check.corners, check.count) && (check.sized == 0 || check.outside * 10 > check.sized) {
            let rest = "with a box that looks like [x1, y1, x2, y2]: [x, y, width, height] expected";
            list.count("box_corners", check.corners, "detection", rest);
            moves(
                list,
                &self.detections.with_boxes(|row| {
                    let [left, top, right, bottom] = row.bbox;
                    [left, top, right - left, bottom - top]
                }),
            );
        } else {
            list.count(
                "box_outside_image",
                check.outside,
                "detection",
                "with a box that reaches far beyond its image",
            );
        }
        let rest = "with a box of negative width or height: it matches nothing";
        list.count("box_negative", check.negative_sides, "detection", rest);
        list.count("box_empty", check.empty, "detection", "with a box without size: it matches nothing");
    }

    /// AP is 0 though there are boxes on both sides: say what may be the reason.
    pub(super) fn about_zero(&self, list: &mut WarningList, evaluation: &Evaluation) {
        if evaluation.stats.first() != Some(&0.0) || self.detections.noticed.count == 0 {
            return;
        }
        let noticed = &self.detections.noticed;
        // That the photos are not the same is reason enough.
        if list.has(FILES_DIFFER) || list.told_why {
            return;
        }
        if self.detections.rows.is_empty() {
            let foreign: u64 =
                noticed.foreign_categories.values().chain(noticed.foreign_words.values()).sum();
            if foreign + noticed.unknown_images < noticed.count {
                list.say(
                    "zero_ap",
                    "AP is 0 because no result of an evaluated category is on an evaluated image".into(),
                );
                return;
            }
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
        } else if let Some(corrected) = self.corrected_ap().filter(|&ap| ap > 0.0) {
            let message = format!(
                "AP is 0 by what pycocotools makes of the annotations, as told above: with `--corrected` it is {corrected:.3}"
            );
            list.say("zero_ap", message);
        } else if self.params.iou_type != IouType::Bbox {
            list.say("zero_ap", "AP is 0: no result is like an annotation of its image and category: check the category ids, and that masks have the images' sizes and key points are in pixels".into());
        } else {
            list.say("zero_ap", "AP is 0: no box of a result overlaps an annotation of its image and category enough: check the category ids and that boxes are [x, y, width, height] in pixels".into());
        }
    }

    /// AP where files are read as they were meant.
    fn corrected_ap(&self) -> Option<f64> {
        self.evaluate_detections(&self.detections, Reading::CORRECTED, false).ok()?.stats.first().copied()
    }

    /// A mapping of category ids that would make sense: from 0 on instead of from 1 on, or by place in the list.
    fn suggestion(&self) -> String {
        let noticed = &self.detections.noticed;
        let integers =
            |ids: &mut dyn Iterator<Item = Id>| -> Option<Vec<i64>> { ids.map(Id::integer).collect() };
        let mut seen: HashSet<Id> = noticed.foreign_categories.keys().copied().collect();
        let rows = &self.detections.rows;
        let met =
            self.scope.categories.iter().enumerate().filter(|&(k, _)| rows.of_group(k).next().is_some());
        seen.extend(met.map(|(_, &id)| id));
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
