//! From the head's outputs to detections: softmax, decoding, thresholds, NMS, back to the photo.

use super::Prediction;
use super::coder::Coder;
use crate::family::{Background, Conventions, NmsSpace};
use crate::geometry::{BBox, suppress};

/// The head's outputs for the proposals of one photo.
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
}

/// Detections of one photo by falling score, in its own pixels. `proposals` are in the resized picture's.
pub fn detections(
    conventions: &Conventions,
    output: HeadOutput<'_>,
    proposals: &[BBox],
    sizes: Sizes,
) -> Vec<Prediction> {
    let rule = &conventions.detections;
    let coder = Coder { weights: rule.box_weights, clamp: conventions.clamp };
    let (back_x, back_y) = sizes.back();
    let (mut boxes, mut scores, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    let mut probabilities = Vec::with_capacity(output.classes + 1);
    let rows =
        output.logits.chunks_exact(output.classes + 1).zip(output.deltas.chunks_exact(output.box_rows));
    for (proposal, (logits, deltas)) in proposals.iter().zip(rows) {
        softmax(logits, &mut probabilities);
        let first = usize::from(rule.background == Background::First);
        for (class, &score) in probabilities[first..first + output.classes].iter().enumerate() {
            if score <= rule.score_threshold || score.is_nan() {
                continue;
            }
            let bbox = coder.decode(proposal, deltas_of(deltas, class, rule.background, output.classes));
            let mut bbox = bbox.clip(sizes.resized.1 as f32, sizes.resized.0 as f32);
            if rule.min_side.is_some_and(|least| !least.allows(bbox.width(), bbox.height()))
                || !bbox.is_finite()
            {
                continue;
            }
            if rule.nms_space == NmsSpace::Photo {
                bbox = bbox.scale(back_x, back_y);
            }
            boxes.push(bbox);
            scores.push(score);
            classes.push(class);
        }
    }
    let mut kept = suppress(&boxes, &scores, &classes, rule.nms_threshold);
    kept.truncate(rule.per_image);
    let back = |bbox: BBox| match rule.nms_space {
        NmsSpace::Resized => bbox.scale(back_x, back_y),
        NmsSpace::Photo => bbox,
    };
    let found =
        kept.into_iter().map(|i| Prediction { class: classes[i], score: scores[i], bbox: back(boxes[i]) });
    if !rule.clip_to_photo {
        return found.collect();
    }
    let (height, width) = (sizes.photo.0 as f32, sizes.photo.1 as f32);
    found
        .map(|d| Prediction { bbox: d.bbox.clip(width, height), ..d })
        .filter(|d| d.bbox.width() > 0.0 && d.bbox.height() > 0.0)
        .collect()
}

/// `exp(x - max) / sum`, in float32.
fn softmax(logits: &[f32], out: &mut Vec<f32>) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    out.clear();
    out.extend(logits.iter().map(|&logit| (logit - largest).exp()));
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|value| *value /= sum);
}

/// The four numbers of a class. Where the background stands first, its own four do too, even if all classes
/// share the next four.
fn deltas_of(row: &[f32], class: usize, background: Background, classes: usize) -> [f32; 4] {
    let at = match background {
        Background::First if row.len() == 4 * (classes + 1) => 4 * (class + 1),
        Background::First => row.len().saturating_sub(4),
        Background::Last if row.len() == 4 => 0,
        Background::Last => 4 * class,
    };
    std::array::from_fn(|i| row.get(at + i).copied().unwrap_or(f32::NAN))
}
