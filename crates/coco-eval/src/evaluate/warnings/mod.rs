//! Warnings: what in the files or the parameters makes the numbers other than they seem, and by how much.

mod annotations;
mod images;
mod mistakes;
mod results;
mod shapes;

use std::collections::HashSet;

use super::params::Protocol;
use super::quirk::Reading;
use super::{Evaluation, Evaluator};
use crate::coco::{Id, IouType};

/// Something a user would want to be told.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Warning {
    /// A fixed word for programs.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// How many records it concerns.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub count: Option<u64>,
    /// What the first number would be without the quirk, less what it is.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ap_change: Option<f64>,
}

impl Warning {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Warning {
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

/// Warnings as they are collected.
#[derive(Default)]
pub(super) struct WarningList {
    warnings: Vec<Warning>,
    /// It has been said what makes AP low.
    told_why: bool,
}

impl WarningList {
    pub(super) fn say(&mut self, kind: &'static str, message: String) {
        self.warnings.push(Warning::new(kind, message));
    }

    pub(super) fn has(&self, kind: &str) -> bool {
        self.warnings.iter().any(|warning| warning.kind == kind)
    }

    /// Says something of `count` things, if there are any.
    pub(super) fn count(&mut self, kind: &'static str, count: u64, thing: &str, rest: &str) {
        if count > 0 {
            let message = format!("{} {rest}", some(count, thing));
            self.warnings.push(Warning { count: Some(count), ..Warning::new(kind, message) });
        }
    }

    /// Adds to what was said last by how much it moves AP, where the other evaluation could be made.
    pub(super) fn last_moves_to(&mut self, evaluation: &Evaluation, other: Option<&Evaluation>) {
        let (with, without) = (evaluation.stats.first(), other.and_then(|other| other.stats.first()));
        if let (Some(with), Some(without), Some(last)) = (with, without, self.warnings.last_mut()) {
            let change = without - with;
            last.ap_change = Some(change);
            last.message.push_str(&match change {
                0.0 => " (AP is the same without this)".to_string(),
                _ => format!(" (without this AP would move by {change:+.3})"),
            });
        }
    }
}

impl WarningList {
    /// Adds to what was said last AP of each size, this and that of another evaluation.
    fn last_sizes_without(&mut self, evaluation: &Evaluation, other: &Evaluation, there: &str, cure: &str) {
        let sizes = |evaluation: &Evaluation| {
            let number = |value: &f64| if *value < 0.0 { "none".into() } else { format!("{value:.3}") };
            evaluation.stats.get(3..6).unwrap_or(&[]).iter().map(number).collect::<Vec<_>>().join(", ")
        };
        if let Some(last) = self.warnings.last_mut() {
            let (with, without) = (sizes(evaluation), sizes(other));
            last.message.push_str(&format!(": {there} AP of small, medium and large ones is {without} instead of {with}: {cure}, or use `--corrected`"));
        }
    }

    /// Adds to what was said last both APs, this and that of another evaluation, where that could be made.
    pub(super) fn last_is_without(
        &mut self,
        evaluation: &Evaluation,
        other: Option<&Evaluation>,
        there: &str,
        cure: &str,
    ) {
        let (with, without) = (evaluation.stats.first(), other.and_then(|other| other.stats.first()));
        if let (Some(with), Some(without), Some(last)) = (with, without, self.warnings.last_mut()) {
            last.ap_change = Some(without - with);
            last.message.push_str(&format!(": {there}, AP is {without:.3} instead of {with:.3}{cure}"));
        }
    }
}

impl Evaluator {
    /// All that is to be said about this evaluation. Quirks that `reading` reads sanely are not mentioned.
    pub fn warnings(&self, evaluation: &Evaluation, reading: Reading) -> Vec<Warning> {
        let mut list = WarningList::default();
        self.about_encodings(&mut list);
        self.about_images(&mut list, evaluation, reading);
        self.about_annotations(&mut list, evaluation, reading);
        self.about_tables(&mut list);
        let check = self.check();
        self.about_results(&mut list, evaluation, reading, &check);
        if self.params.iou_type == IouType::Bbox {
            self.about_boxes(&mut list, &check, evaluation, reading);
        }
        self.about_shapes(&mut list);
        self.about_mistakes(&mut list, &check, evaluation, reading);
        self.about_params(&mut list, evaluation, reading);
        self.about_zero(&mut list, evaluation);
        list.warnings
    }

    /// Says by how much the sane reading of a quirk moves AP, where it can be evaluated at all.
    pub(super) fn moves(
        &self,
        list: &mut WarningList,
        evaluation: &Evaluation,
        reading: Reading,
        quirk: Reading,
    ) {
        list.last_moves_to(evaluation, self.evaluate_as(reading | quirk, false).ok().as_ref());
    }

    /// Says what AP of each size would be with areas of the boxes.
    fn moves_sizes(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
        let Ok(other) = self.evaluate_as(reading | Reading::AREAS, false) else { return };
        list.last_sizes_without(evaluation, &other, "with areas of the boxes", "write areas");
    }

    /// pycocotools reads UTF-8 without a mark only.
    fn about_encodings(&self, list: &mut WarningList) {
        let files = [("annotations", self.set.encoding()), ("results", self.detections.noticed.encoding)];
        for (what, encoding) in files {
            if let Some(encoding) = encoding {
                let message =
                    format!("the {what} are in {encoding}, which stops pycocotools: read all the same");
                list.say("encoding", message);
            }
        }
    }

    fn about_tables(&self, list: &mut WarningList) {
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

    fn about_params(&self, list: &mut WarningList, evaluation: &Evaluation, reading: Reading) {
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
        let points = params.iou_type == IouType::Keypoints;
        let limit = self.params.first_limit;
        if params.protocol == Protocol::Coco
            && !params.max_dets.contains(&limit)
            && !reading.has(Reading::LIMITS)
        {
            let what = if points { "every number is" } else { "the first number is" };
            list.say("no_limit_100", format!("{what} -1: pycocotools looks it up at {limit} detections, which is not among the limits: `--corrected` takes the largest limit"));
        }
        let absent: Vec<String> = ["all", "small", "medium", "large"]
            .into_iter()
            .filter(|label| !(points && *label == "small"))
            .filter(|label| !params.area_ranges.iter().any(|range| range.label == *label))
            .map(|label| format!("`{label}`"))
            .collect();
        if !absent.is_empty() {
            let own = if evaluation.areas.is_empty() {
                ""
            } else {
                ": those of your own ranges stand below the twelve"
            };
            let message =
                format!("the numbers for area {} are -1, as there is no such range{own}", absent.join(", "));
            list.say("no_such_range", message);
        }
    }
}
