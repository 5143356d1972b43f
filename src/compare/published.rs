//! Our numbers beside those that a publisher states for a checkpoint, and why they may differ. Never runs a model.

use serde::Serialize;

use crate::family::{Conventions, ResizeFilter};
use crate::model::Published;

/// What the twelve numbers are called.
pub const NUMBERS: [&str; 12] =
    ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];

/// Publishers print percent with one decimal: a number is the same if it is within half of that.
const ROUNDING: f64 = 0.05;

/// What COCO's val2017 has; minival, of 2014, has the same pictures.
const COCO_IMAGES: usize = 5000;
const COCO_ANNOTATIONS: usize = 36_781;

/// Under what circumstances the numbers came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Circumstances {
    /// SHA-256 of the annotations.
    pub annotations_sha256: String,
    /// Images of the annotations.
    pub images: usize,
    /// Objects of the annotations, crowds among them.
    pub annotations: usize,
    /// Categories of the annotations.
    pub categories: usize,
    /// Categories that are classes of the model.
    pub known_categories: usize,
    /// Photos that were looked at.
    pub photos: usize,
    /// Photos that could not be used.
    pub failed: usize,
    /// The device was allowed to compute in less than float32.
    pub fast: bool,
}

/// One of the twelve numbers, in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatedNumber {
    /// What it is called: `AP`, `AP50` …
    pub name: &'static str,
    /// Ours; nothing where there are no such objects.
    pub ours: Option<f64>,
    /// The publisher's, where it is stated.
    pub published: Option<f64>,
    /// Ours less the publisher's.
    pub difference: Option<f64>,
}

/// A published checkpoint judged anew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reproduction {
    /// What it is called.
    pub name: String,
    /// What its publisher judged it on.
    pub dataset: String,
    /// The twelve numbers.
    pub numbers: Vec<StatedNumber>,
    /// AP of masks, of a checkpoint whose publisher states it.
    pub masks: Option<StatedNumber>,
    /// Whether AP is the publisher's, as far as that is printed; nothing where none is stated, or we have none.
    pub reproduced: Option<bool>,
    /// How the numbers came about.
    pub circumstances: Circumstances,
    /// What may be why the numbers differ, the likeliest first, a sentence each.
    pub causes: Vec<String>,
}

impl Reproduction {
    /// Puts the twelve numbers, 0 to 1 and -1 where there is none, beside the publisher's.
    pub fn new(
        published: &Published,
        conventions: &Conventions,
        stats: &[f64],
        circumstances: Circumstances,
    ) -> Reproduction {
        let number = |(place, name): (usize, &'static str)| {
            StatedNumber::new(name, stats.get(place).copied(), published.stated(name))
        };
        let numbers: Vec<StatedNumber> = NUMBERS.into_iter().enumerate().map(number).collect();
        let reproduced = numbers.first().and_then(StatedNumber::agrees);
        let causes = causes(published, conventions, &circumstances);
        Reproduction {
            name: published.name.clone(),
            dataset: published.dataset.clone(),
            numbers,
            masks: None,
            reproduced,
            circumstances,
            causes,
        }
    }

    /// Puts AP of masks, 0 to 1 and -1 where there is none, beside the publisher's.
    #[must_use]
    pub fn with_masks(self, published: &Published, ap: f64) -> Reproduction {
        Reproduction { masks: Some(StatedNumber::new("mask AP", Some(ap), published.mask_ap)), ..self }
    }
}

impl StatedNumber {
    /// One of our numbers, 0 to 1 and -1 where there is none, beside the publisher's in percent.
    fn new(name: &'static str, ours: Option<f64>, published: Option<f64>) -> StatedNumber {
        let ours = ours.filter(|value| *value > -1.0).map(|value| 100.0 * value);
        let difference = ours.zip(published).map(|(ours, published)| ours - published);
        StatedNumber { name, ours, published, difference }
    }

    /// Whether it is the publisher's, as far as that is printed; nothing where one is missing.
    pub fn agrees(&self) -> Option<bool> {
        self.difference.map(|gap| gap.abs() <= ROUNDING + 1e-9)
    }
}

fn causes(published: &Published, conventions: &Conventions, seen: &Circumstances) -> Vec<String> {
    let mut causes = Vec::new();
    let coco = published.dataset.starts_with("coco_201");
    if seen.known_categories < seen.categories {
        causes.push(format!(
            "of the {} categories of the annotations the model knows {}: a class is matched by its name, and what is \
             not known is never found",
            seen.categories, seen.known_categories
        ));
    }
    if coco && seen.images != COCO_IMAGES {
        causes.push(format!(
            "the annotations have {} images, and those of val2017, on which the publisher judges, {COCO_IMAGES}: give \
             instances_val2017.json",
            seen.images
        ));
    } else if coco && seen.annotations != COCO_ANNOTATIONS {
        causes.push(format!(
            "the annotations have {} objects, and instances_val2017.json {COCO_ANNOTATIONS}: they are of another version, \
             or were changed",
            seen.annotations
        ));
    }
    let used = seen.photos.saturating_sub(seen.failed);
    if used < seen.images {
        let failed = if seen.failed > 0 {
            format!(", {} of which could not be used", seen.failed)
        } else {
            String::new()
        };
        causes.push(format!(
            "of the {} annotated images {} were looked at{failed}, and nothing is found on the others: give the folder of \
             all of them with -i",
            seen.images, seen.photos
        ));
    }
    causes.extend(settings(published, conventions));
    if seen.fast {
        causes.push("--precision fast lets the device round: leave it out".into());
    }
    causes.extend(published.note.clone());
    causes.extend(family(&published.family).map(str::to_owned));
    causes
}

/// Settings of the model other than those that all publishers judge with.
fn settings(published: &Published, conventions: &Conventions) -> Vec<String> {
    let (rule, own) = (&conventions.detections, &published.options);
    let mut causes = Vec::new();
    let score = own.score_threshold.unwrap_or(0.05);
    if rule.score_threshold > score {
        causes.push(format!(
            "the model gives detections from a score of {} up, and its publisher judges those from {score}: `rcnn pull \
             --again` makes the model anew",
            rule.score_threshold
        ));
    }
    if rule.per_image < own.detections_per_image.unwrap_or(100) {
        causes.push(format!(
            "the model gives {} detections of a photo at most, and 100 are judged: `rcnn pull --again` makes it anew",
            rule.per_image
        ));
    }
    let usual = own.resize_filter.or_else(|| usual_filter(&published.family));
    if usual.is_some_and(|usual| usual != conventions.input.filter) {
        causes.push("photos are resized by another filter than the publisher's (`resize_filter`)".into());
    }
    let sides = (own.min_size.unwrap_or(800), own.max_size.unwrap_or(1333));
    let input = &conventions.input;
    if published.dataset.starts_with("coco_201") && (input.min_size, input.max_size) != sides {
        causes.push(format!(
            "photos are resized to sides of {} and at most {}, and its publisher's most likely to {} and {}",
            input.min_size, input.max_size, sides.0, sides.1
        ));
    }
    causes
}

/// The filter with which a family resizes.
fn usual_filter(family: &str) -> Option<ResizeFilter> {
    Some(match family {
        "torchvision" | "torchvision-v2" => ResizeFilter::NormalisedBilinear,
        "detectron2" | "detectron" | "maskrcnn_benchmark" => ResizeFilter::PillowBilinear,
        "mmdet" => ResizeFilter::OpencvBilinear,
        "paddledet" => ResizeFilter::OpencvBicubic,
        _ => return None,
    })
}

/// What is known of each family's own numbers.
fn family(name: &str) -> Option<&'static str> {
    Some(match name {
        "detectron" => {
            "Detectron counts a box's last pixel to its sides; its checkpoints are computed as detectron2 does, without"
        }
        "maskrcnn_benchmark" => {
            "the publisher judged on minival of 2014 and on a GPU, whose NMS keeps a box at the very threshold"
        }
        "paddledet" => {
            "OpenCV's cubic resize differs between processors by a level in a few samples of a million, and PaddleDetection's \
             versions from August 2024 on pool boxes otherwise (aligned false) than the published number"
        }
        "mmdet" | "detectron2" | "torchvision" => {
            "the publisher judged on a GPU, whose sums round otherwise: a few hundredths of a point"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, find_published};

    fn of(stats: &[f64], circumstances: Circumstances) -> Reproduction {
        // The bundled model's conventions stand for those of any: a score of 0.05 and 100 detections.
        let model = Model::find("fod-r18").unwrap();
        Reproduction::new(
            find_published("tv-r50-fpn-v2").unwrap(),
            &model.manifest().conventions,
            stats,
            circumstances,
        )
    }

    fn coco() -> Circumstances {
        Circumstances {
            images: 5000,
            annotations: 36_781,
            categories: 80,
            known_categories: 80,
            photos: 5000,
            ..Circumstances::default()
        }
    }

    #[test]
    fn numbers_stand_beside_the_publishers() {
        // 46.7, 67.3 and 30.3 are published, and 46.74 is printed as 46.7.
        let found = of(&[0.4674, 0.6728, 0.5, 0.303, -1.0], coco());
        assert_eq!(found.reproduced, Some(true));
        let ap = &found.numbers[0];
        assert_eq!((ap.name, ap.published), ("AP", Some(46.7)));
        assert!((ap.difference.unwrap() - 0.04).abs() < 1e-9);
        assert_eq!((found.numbers[2].published, found.numbers[2].difference), (None, None));
        assert_eq!(found.numbers[4].ours, None);
        assert_eq!(of(&[0.465], coco()).reproduced, Some(false));
        // Of this one 34.6 is published for masks.
        let masks = of(&[0.3], coco()).with_masks(find_published("tv-mask-r50-fpn").unwrap(), 0.3464);
        assert_eq!(masks.masks.and_then(|masks| masks.agrees()), Some(true));
        assert_eq!(of(&[-1.0], coco()).reproduced, None);
    }

    #[test]
    fn causes_name_what_is_other() {
        let whole = of(&[0.4], coco()).causes;
        let other = |change: fn(&mut Circumstances)| {
            let mut seen = coco();
            change(&mut seen);
            of(&[0.4], seen).causes.into_iter().find(|cause| !whole.contains(cause)).unwrap_or_default()
        };
        assert!(other(|seen| seen.images = 4952).contains("instances_val2017.json"));
        assert!(other(|seen| seen.annotations = 36_335).contains("36781"));
        assert!(other(|seen| seen.failed = 3).contains("3 of which could not be used"));
        assert!(other(|seen| seen.known_categories = 79).contains("knows 79"));
        assert!(other(|seen| seen.fast = true).contains("--precision"));
    }
}
