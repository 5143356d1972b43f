//! The box heads in turn, as Cascade R-CNN has them (Cai and Vasconcelos 2018), or the one of a Faster R-CNN.

use super::coder::Coder;
use super::postprocess::{deltas_of, softmax_rows};
use super::rois::{self, Rois};
use super::streams::Stream;
use super::{Detector, DetectorError, Input, trunk, unexpected, unsort};
use crate::family::ScoreMean;
use crate::geometry::BBox;
use crate::network::BoxHead;

/// What the box heads say of all photos' boxes, photo by photo.
pub(super) struct BoxOutput {
    /// The boxes that the last head saw, in the resized pictures' pixels.
    pub(super) boxes: Vec<Vec<BBox>>,
    /// Probabilities (boxes, classes + 1).
    pub(super) scores: Vec<f32>,
    /// The last head's deltas (boxes, rows).
    pub(super) deltas: Vec<f32>,
}

/// One head's logits (boxes, classes + 1) and deltas (boxes, rows), in the order of the boxes.
pub(super) struct RowsOfHead {
    pub(super) logits: Vec<f32>,
    pub(super) deltas: Vec<f32>,
}

impl Detector {
    /// What the box heads say of boxes, each of those that the one before it gives.
    pub(super) fn run_heads(
        &self,
        stream: &Stream,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        suggested: Vec<Vec<BBox>>,
        seconds: &mut f64,
    ) -> Result<BoxOutput, DetectorError> {
        let mut found = BoxOutput { boxes: suggested, scores: Vec::new(), deltas: Vec::new() };
        if found.boxes.iter().all(Vec::is_empty) {
            return Ok(found);
        }
        let mut mean = MeanScores::new(self.conventions.cascade.as_ref().map(|cascade| cascade.scores));
        let last = self.architecture.heads.len() - 1;
        for (place, (head, shape)) in stream.heads.iter().zip(&self.architecture.heads).enumerate() {
            let mut rois = self.place(trunk, inputs, &found.boxes);
            let order: Vec<usize> = rois.order.concat();
            let names = ["box.logits", "box.deltas"];
            let outputs = self.sessions.time(seconds, || head.run(&trunk.features, &mut rois, &names))?;
            let columns = (shape.classes + 1, shape.box_rows);
            if outputs[0].shape() != [order.len(), columns.0]
                || outputs[1].shape() != [order.len(), columns.1]
            {
                return Err(unexpected("box.logits and box.deltas", &outputs[0].shape()));
            }
            let rows = RowsOfHead {
                logits: unsort(outputs[0].as_f32()?, columns.0, &order),
                deltas: unsort(outputs[1].as_f32()?, columns.1, &order),
            };
            if place < last {
                found.boxes = self.next_boxes(place, shape, inputs, &found.boxes, &rows);
            }
            mean.add(rows.logits, columns.0);
            found.deltas = rows.deltas;
        }
        found.scores = mean.finish(self.architecture.box_head().classes + 1);
        Ok(found)
    }

    /// The boxes that the head after one at a place sees: decoded and clipped to the resized picture, none dropped. Where a
    /// head has boxes for each class, those of its best class.
    pub(super) fn next_boxes(
        &self,
        place: usize,
        shape: &BoxHead,
        inputs: &[Input],
        boxes: &[Vec<BBox>],
        rows: &RowsOfHead,
    ) -> Vec<Vec<BBox>> {
        let (weights, clamp) = (self.conventions.box_weights(place), self.conventions.clamp);
        let coder = Coder { weights, clamp };
        let background = self.conventions.detections.background;
        let columns = shape.classes + 1;
        let mut each = rows.logits.chunks_exact(columns).zip(rows.deltas.chunks_exact(shape.box_rows));
        let mut next = Vec::with_capacity(boxes.len());
        for (input, boxes) in inputs.iter().zip(boxes) {
            let (height, width) = input.resized;
            let decode = |(from, (logits, deltas)): (&BBox, (&[f32], &[f32]))| {
                let class = best_class(logits, usize::from(background == crate::family::Background::First));
                let bbox = coder.decode(from, deltas_of(deltas, class, background, shape.classes));
                // What is no number is a box without area, as RoIAlign could not end otherwise.
                let bbox = if bbox.is_finite() { bbox } else { BBox::new(0.0, 0.0, 0.0, 0.0) };
                self.conventions.corners.clip(&bbox, width as f32, height as f32)
            };
            next.push(boxes.iter().zip(&mut each).map(decode).collect());
        }
        next
    }

    /// Boxes on the maps that RoIAlign takes their features from.
    pub(super) fn place(
        &self,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        suggested: &[Vec<BBox>],
    ) -> Rois {
        let strides = self.architecture.roi_strides();
        let height = |level| trunk.features.shape(level).map_or(0, |[_, _, height, _]| height);
        let heights: Vec<usize> = (0..strides.len()).map(height).collect();
        let mut rois = Rois::new(strides.len());
        let mut number = 0;
        for (image, (input, boxes)) in inputs.iter().zip(suggested).enumerate() {
            let scales = rois::scales(&self.conventions, &strides, &heights, input.resized.0);
            for bbox in boxes {
                let map = rois::map_of(&self.conventions.roi.level, &scales, bbox);
                rois.push(number, image, &self.conventions.corners.scaled(bbox), map, scales[map]);
                number += 1;
            }
        }
        rois
    }
}

/// The class of the largest logit, the background's left out, which is before them or behind them.
fn best_class(logits: &[f32], first: usize) -> usize {
    let classes = logits[first..logits.len() - 1 + first].iter().enumerate();
    classes
        .fold(
            (0, f32::NEG_INFINITY),
            |best, (class, &logit)| if logit > best.1 { (class, logit) } else { best },
        )
        .0
}

/// The scores of several heads becoming one.
struct MeanScores {
    rule: Option<ScoreMean>,
    sum: Vec<f32>,
    heads: u16,
}

impl MeanScores {
    /// Of several heads by a rule, or of a single one.
    fn new(rule: Option<ScoreMean>) -> MeanScores {
        MeanScores { rule, sum: Vec::new(), heads: 0 }
    }

    fn add(&mut self, mut logits: Vec<f32>, columns: usize) {
        if self.rule == Some(ScoreMean::Probabilities) {
            softmax_rows(&mut logits, columns);
        }
        self.heads += 1;
        if self.sum.is_empty() {
            self.sum = logits;
        } else {
            self.sum.iter_mut().zip(logits).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Probabilities.
    fn finish(mut self, columns: usize) -> Vec<f32> {
        let heads = f32::from(self.heads.max(1));
        match self.rule {
            Some(ScoreMean::Probabilities) => {
                let share = 1.0 / heads;
                self.sum.iter_mut().for_each(|value| *value *= share);
            }
            Some(ScoreMean::Logits) => {
                self.sum.iter_mut().for_each(|value| *value /= heads);
                softmax_rows(&mut self.sum, columns);
            }
            None => softmax_rows(&mut self.sum, columns),
        }
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads, two logits: ln 3 and 0, then 0 and ln 3.
    fn mean(rule: ScoreMean) -> Vec<f32> {
        let mut mean = MeanScores::new(Some(rule));
        mean.add(vec![3f32.ln(), 0.0], 2);
        mean.add(vec![0.0, 4f32.ln()], 2);
        mean.finish(2)
    }

    #[test]
    fn the_two_means_by_hand() {
        let near = |found: Vec<f32>, expected: [f32; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
        };
        // (3/4 + 1/5) / 2 and (1/4 + 4/5) / 2.
        near(mean(ScoreMean::Probabilities), [0.475, 0.525]);
        // The mean logits are ln(3) / 2 and ln(4) / 2: probabilities as the roots of 3 and 4.
        let (three, four) = (3f32.sqrt(), 2.0);
        near(mean(ScoreMean::Logits), [three / (three + four), four / (three + four)]);
    }

    #[test]
    fn the_background_is_never_the_best_class() {
        assert_eq!(best_class(&[1.0, 2.0, 9.0], 0), 1);
        assert_eq!(best_class(&[9.0, 2.0, 1.0], 1), 0);
    }
}
