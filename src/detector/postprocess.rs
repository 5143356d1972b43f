//! From the head's outputs to detections: softmax, decoding, thresholds, NMS, back to the photo.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Prediction;
use super::coder::Coder;
use crate::family::{Background, Class, Conventions, NmsSpace};
use crate::geometry::{BBox, soften, suppress};

/// What is wanted otherwise than the model has it, where the head's outputs become detections; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postprocess {
    /// Classes whose detections are above a score of their own, 0 to 1, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub class_scores: BTreeMap<String, f32>,
    /// IoU with a better detection above which a detection goes, 0 to 1; the model's own where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nms: Option<f64>,
    /// NMS among all classes instead of within each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub class_agnostic: bool,
    /// Gaussian soft-NMS: what overlaps a better detection loses score instead of going.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub soft_nms: bool,
    /// Most detections of a photo; the model's own limit where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_detections: Option<usize>,
}

impl Postprocess {
    /// The first of the classes with scores of their own that is none of a model's.
    pub(crate) fn unknown_class(&self, classes: &[Class]) -> Option<&str> {
        let known = |name: &str| classes.iter().any(|class| class.is_called(name));
        self.class_scores.keys().map(String::as_str).find(|name| !known(name))
    }

    /// The first thing in which another one differs, in the words of the command line.
    pub(crate) fn difference(&self, other: &Postprocess) -> Option<String> {
        let option_text = |option: &str, value: Option<String>| match value {
            Some(value) => format!("--{option} {value}"),
            None => format!("no --{option}"),
        };
        let flag = |option: &str, given: bool| format!("{}--{option}", if given { "" } else { "no " });
        let differs = [
            (self.class_scores != other.class_scores, "other scores by class (--score)".into()),
            (self.nms != other.nms, option_text("nms", other.nms.map(|nms| nms.to_string()))),
            (self.class_agnostic != other.class_agnostic, flag("class-agnostic", other.class_agnostic)),
            (self.soft_nms != other.soft_nms, flag("soft-nms", other.soft_nms)),
            (
                self.max_detections != other.max_detections,
                option_text("max-detections", other.max_detections.map(|most| most.to_string())),
            ),
        ];
        differs.into_iter().find(|(differs, _)| *differs).map(|(_, difference)| difference)
    }
}

/// Which boxes become detections: the model's own rule with what is wanted otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// For each class: scores at or below it go.
    pub scores: Vec<f32>,
    /// IoU above which the lower one goes.
    pub nms: f64,
    /// NMS among all classes.
    pub class_agnostic: bool,
    /// Gaussian soft-NMS in place of NMS.
    pub soft_nms: bool,
    /// Most detections of a photo.
    pub most: usize,
}

impl Selection {
    /// That of a model with these classes, with detections above `score` and what else is wanted.
    pub fn new(conventions: &Conventions, classes: &[Class], score: f32, wanted: &Postprocess) -> Selection {
        let rule = &conventions.detections;
        let own = |class: &Class| {
            let named = wanted.class_scores.iter().find(|(name, _)| class.is_called(name));
            named.map_or(score, |(_, &score)| score)
        };
        Selection {
            scores: classes.iter().map(own).collect(),
            nms: conventions.overlap.threshold(wanted.nms.unwrap_or(rule.nms_threshold)),
            class_agnostic: wanted.class_agnostic,
            soft_nms: wanted.soft_nms,
            most: wanted.max_detections.unwrap_or(rule.per_image),
        }
    }

    /// Whether a score is above the threshold of its class.
    pub(super) fn allows(&self, class: usize, score: f32) -> bool {
        self.scores.get(class).is_some_and(|&least| score > least)
    }

    /// Groups within which boxes of these classes are compared.
    pub(super) fn group(&self, class: usize) -> usize {
        if self.class_agnostic { 0 } else { class }
    }

    /// The boxes that stay by falling score, by their places, with the scores that they have then.
    pub(super) fn choose(&self, boxes: &[BBox], scores: &[f32], classes: &[usize]) -> Vec<(usize, f32)> {
        let groups: Vec<usize> = classes.iter().map(|&class| self.group(class)).collect();
        let mut kept = if self.soft_nms {
            soften(boxes, scores, &groups, |place, score| self.allows(classes[place], score))
        } else {
            let kept = suppress(boxes, scores, &groups, self.nms);
            kept.into_iter().map(|place| (place, scores[place])).collect()
        };
        kept.truncate(self.most);
        kept
    }
}

/// A single head's outputs for the proposals of one photo.
#[derive(Clone, Copy, Debug)]
pub struct HeadOutput<'a> {
    /// (proposals, classes + 1).
    pub logits: &'a [f32],
    /// (proposals, rows).
    pub deltas: &'a [f32],
    /// Foreground classes.
    pub classes: usize,
    /// Numbers a proposal in `deltas`.
    pub box_rows: usize,
}

/// What the box heads say of the boxes of one photo, scores as probabilities.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoredRows<'a> {
    /// (boxes, classes + 1).
    pub(super) scores: &'a [f32],
    /// (boxes, rows), of the last head.
    pub(super) deltas: &'a [f32],
    /// Foreground classes.
    pub(super) classes: usize,
    /// Numbers a box in `deltas`.
    pub(super) box_rows: usize,
}

/// Sizes of one photo on its way: (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the photo.
    pub photo: (usize, usize),
    /// Of the resized picture, without padding.
    pub resized: (usize, usize),
}

impl Sizes {
    /// Photo pixels per pixel of the resized picture (horizontal, vertical), one float32 an axis.
    pub(super) fn back(&self) -> (f32, f32) {
        (self.photo.1 as f32 / self.resized.1 as f32, self.photo.0 as f32 / self.resized.0 as f32)
    }

    /// Pixels of the resized picture per pixel of the photo.
    pub(super) fn forth(&self) -> (f32, f32) {
        (self.resized.1 as f32 / self.photo.1 as f32, self.resized.0 as f32 / self.photo.0 as f32)
    }
}

/// What the head says of a photo's proposals above the scores of the selection, before any box is dropped for another.
/// Boxes are in the pixels of the picture in which they are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Candidates {
    pub(super) boxes: Vec<BBox>,
    pub(super) scores: Vec<f32>,
    pub(super) classes: Vec<usize>,
}

impl Candidates {
    /// Those of one photo. `proposals`, which the last head saw, are in the resized picture's pixels; the selection has a
    /// score for each of the head's classes.
    pub(super) fn new(
        conventions: &Conventions,
        selection: &Selection,
        output: ScoredRows<'_>,
        proposals: &[BBox],
        sizes: Sizes,
    ) -> Candidates {
        let rule = &conventions.detections;
        let last = conventions.cascade.as_ref().map_or(0, |cascade| cascade.box_weights.len());
        let coder = Coder { weights: conventions.box_weights(last), clamp: conventions.clamp };
        let (back_x, back_y) = sizes.back();
        let mut found = Candidates::default();
        let rows =
            output.scores.chunks_exact(output.classes + 1).zip(output.deltas.chunks_exact(output.box_rows));
        for (proposal, (probabilities, deltas)) in proposals.iter().zip(rows) {
            let first = usize::from(rule.background == Background::First);
            for (class, &score) in probabilities[first..first + output.classes].iter().enumerate() {
                if !selection.allows(class, score) {
                    continue;
                }
                let bbox = coder.decode(proposal, deltas_of(deltas, class, rule.background, output.classes));
                let mut bbox =
                    conventions.corners.clip(&bbox, sizes.resized.1 as f32, sizes.resized.0 as f32);
                if rule.min_side.is_some_and(|least| !least.allows(bbox.width(), bbox.height()))
                    || !bbox.is_finite()
                {
                    continue;
                }
                if rule.nms_space == NmsSpace::Photo {
                    bbox = bbox.scale(back_x, back_y);
                }
                found.boxes.push(bbox);
                found.scores.push(score);
                found.classes.push(class);
            }
        }
        found
    }

    /// Those that stay, by their places, with the scores that they have then, by falling score.
    pub(super) fn chosen(&self, selection: &Selection) -> Vec<(usize, f32)> {
        selection.choose(&self.boxes, &self.scores, &self.classes)
    }

    /// Detections of the photo by falling score, in its own pixels.
    pub(super) fn finish(
        &self,
        conventions: &Conventions,
        selection: &Selection,
        sizes: Sizes,
    ) -> Vec<Placed> {
        let kept = self.chosen(selection).into_iter();
        let kept = kept.map(|(place, score)| Prediction {
            class: self.classes[place],
            score,
            bbox: self.boxes[place],
            mask: None,
        });
        in_photo(conventions, kept, sizes)
    }

    /// Adds those of another pass over the same photo.
    pub(super) fn extend(&mut self, other: Candidates) {
        self.boxes.extend(other.boxes);
        self.scores.extend(other.scores);
        self.classes.extend(other.classes);
    }
}

/// A detection, and its box in the resized picture's pixels as it was found there, which mask heads see.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) prediction: Prediction,
    pub(super) roi: BBox,
}

/// Boxes that stay, in the pixels of the picture in which they were compared, as detections in the photo's own.
pub(super) fn in_photo(
    conventions: &Conventions,
    kept: impl Iterator<Item = Prediction>,
    sizes: Sizes,
) -> Vec<Placed> {
    let rule = &conventions.detections;
    let ((back_x, back_y), (forth_x, forth_y)) = (sizes.back(), sizes.forth());
    let (height, width) = (sizes.photo.0 as f32, sizes.photo.1 as f32);
    let placed = kept.map(|one| match rule.nms_space {
        NmsSpace::Resized => {
            let scaled = conventions.corners.scaled(&one.bbox).scale(back_x, back_y);
            let bbox = conventions.corners.edges(&scaled);
            Placed { roi: one.bbox, prediction: Prediction { bbox, ..one } }
        }
        NmsSpace::Photo => Placed { roi: one.bbox.scale(forth_x, forth_y), prediction: one },
    });
    if !rule.clip_to_photo {
        return placed.collect();
    }
    placed
        .map(|mut one| {
            one.prediction.bbox = one.prediction.bbox.clip(width, height);
            one
        })
        .filter(|one| one.prediction.bbox.width() > 0.0 && one.prediction.bbox.height() > 0.0)
        .collect()
}

/// Detections of one photo by falling score, in its own pixels. `proposals` are in the resized picture's; the selection
/// has a score for each of the head's classes.
pub fn detections(
    conventions: &Conventions,
    selection: &Selection,
    output: HeadOutput<'_>,
    proposals: &[BBox],
    sizes: Sizes,
) -> Vec<Prediction> {
    let HeadOutput { logits, deltas, classes, box_rows } = output;
    let mut scores = logits.to_vec();
    softmax_rows(&mut scores, classes + 1);
    let output = ScoredRows { scores: &scores, deltas, classes, box_rows };
    let found = Candidates::new(conventions, selection, output, proposals, sizes);
    found.finish(conventions, selection, sizes).into_iter().map(|one| one.prediction).collect()
}

/// Probabilities of rows of logits, in their place: `exp(x - max) / sum`, in float32.
pub(super) fn softmax_rows(values: &mut [f32], columns: usize) {
    for row in values.chunks_exact_mut(columns) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|value| *value = (*value - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
}

/// The four numbers of a class. Where the background stands first, its own four do too, even if all classes
/// share the next four.
pub(super) fn deltas_of(row: &[f32], class: usize, background: Background, classes: usize) -> [f32; 4] {
    let at = match background {
        Background::First if row.len() == 4 * (classes + 1) => 4 * (class + 1),
        Background::First => row.len().saturating_sub(4),
        Background::Last if row.len() == 4 => 0,
        Background::Last => 4 * class,
    };
    std::array::from_fn(|i| row.get(at + i).copied().unwrap_or(f32::NAN))
}
