//! Masks of the final boxes, by the mask heads (He et al. 2017, Mask R-CNN), each as probabilities on a small grid.

use super::postprocess::Placed;
use super::streams::Stream;
use super::{Detector, DetectorError, Input, Prediction, RoiMask, trunk, unexpected};
use crate::family::{Background, MaskRule};
use crate::geometry::BBox;
use crate::network::MaskHead;

/// Boxes that go through the mask heads at once: what these give for a box may be a hundred masks.
pub(crate) const AT_ONCE: usize = 128;

/// What the mask heads give for some boxes.
pub(super) struct MaskLogits {
    /// For each mask head: (boxes, masks, side, side), in the order of the boxes.
    pub(super) heads: Vec<Vec<f32>>,
    /// Masks that each gives for a box.
    pub(super) masks: usize,
    /// Pixels of a mask's side.
    pub(super) side: usize,
}

impl Detector {
    /// The detections with their masks, where the model has mask heads and masks are wanted.
    pub(super) fn with_masks(
        &self,
        stream: &Stream,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        found: Vec<Vec<Placed>>,
        seconds: &mut f64,
    ) -> Result<Vec<Vec<Prediction>>, DetectorError> {
        let rule = self.conventions.masks.filter(|_| self.masks && stream.masks.is_some());
        if let Some(rule) = rule {
            return self.masked(stream, trunk, inputs, found, rule, seconds);
        }
        Ok(found.into_iter().map(|list| list.into_iter().map(|one| one.prediction).collect()).collect())
    }

    fn masked(
        &self,
        stream: &Stream,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        found: Vec<Vec<Placed>>,
        rule: MaskRule,
        seconds: &mut f64,
    ) -> Result<Vec<Vec<Prediction>>, DetectorError> {
        let mut all = Vec::with_capacity(found.len());
        for (image, list) in found.into_iter().enumerate() {
            let mut masked = Vec::with_capacity(list.len());
            let mut list = list.into_iter().peekable();
            while list.peek().is_some() {
                let some: Vec<Placed> = list.by_ref().take(AT_ONCE).collect();
                let boxes = some.iter().map(|one| one.roi).collect();
                let logits = self.mask_logits(stream, trunk, inputs, image, boxes, seconds)?;
                masked.extend(some.into_iter().enumerate().map(|(place, Placed { prediction, .. })| {
                    let channel = self.mask_channel(prediction.class, logits.masks);
                    let grid = logits.probabilities(place, channel);
                    let mask = Some(RoiMask::new(rule, prediction.bbox, logits.side, &grid));
                    Prediction { mask, ..prediction }
                }));
            }
            all.push(masked);
        }
        Ok(all)
    }

    /// What the mask heads give for boxes of one photo of a batch.
    pub(super) fn mask_logits(
        &self,
        stream: &Stream,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        image: usize,
        boxes: Vec<BBox>,
        seconds: &mut f64,
    ) -> Result<MaskLogits, DetectorError> {
        let absent = || DetectorError::Graph("there is no mask head".into());
        let (head, shape) = stream.masks.as_ref().zip(self.architecture.mask.as_ref()).ok_or_else(absent)?;
        let MaskHead { heads, masks, .. } = *shape;
        let side = self.architecture.mask_side();
        let mut of_images = vec![Vec::new(); inputs.len()];
        let count = boxes.len();
        of_images[image] = boxes;
        let mut rois = self.place(trunk, inputs, &of_images);
        let order: Vec<usize> = rois.order.concat();
        let names: Vec<String> = (0..heads).map(|head| format!("mask.logits.{head}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let outputs = self.sessions.time(seconds, || head.run(&trunk.features, &mut rois, &names))?;
        let in_order = |value: &crate::runtime::Value| {
            if value.shape() != [count, masks, side, side] {
                return Err(unexpected("mask.logits", &value.shape()));
            }
            Ok(super::unsort(value.as_f32()?, masks * side * side, &order))
        };
        let heads = outputs.iter().map(in_order).collect::<Result<Vec<Vec<f32>>, DetectorError>>()?;
        Ok(MaskLogits { heads, masks, side })
    }

    /// Which of a mask head's masks is a class's: the only one, or that of its place, behind the background's where there is
    /// one and it stands first.
    fn mask_channel(&self, class: usize, masks: usize) -> usize {
        let before = masks == self.classes_of_head() + 1
            && self.conventions.detections.background == Background::First;
        if masks == 1 { 0 } else { class + usize::from(before) }
    }

    fn classes_of_head(&self) -> usize {
        self.architecture.box_head().classes
    }
}

impl MaskLogits {
    /// One mask of a box: the mean over the heads of their sigmoids, in float32, row by row.
    fn probabilities(&self, place: usize, channel: usize) -> Vec<f32> {
        let pixels = self.side * self.side;
        let at = (place * self.masks + channel) * pixels;
        let mut sum = vec![0.0; pixels];
        for logits in &self.heads {
            for (sum, logit) in sum.iter_mut().zip(&logits[at..at + pixels]) {
                *sum += 1.0 / (1.0 + (-logit).exp());
            }
        }
        if self.heads.len() > 1 {
            sum.iter_mut().for_each(|value| *value /= self.heads.len() as f32);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_two_heads_by_hand() {
        // Two boxes with two masks of one pixel each: of the second box's second mask, 3/4 and 1/5.
        let of = |logit: f32| vec![0.0, 0.0, 0.0, logit];
        let logits = MaskLogits { heads: vec![of(3f32.ln()), of(-4f32.ln())], masks: 2, side: 1 };
        assert!((logits.probabilities(1, 1)[0] - 0.475).abs() < 1e-6);
        assert_eq!(logits.probabilities(0, 1), [0.5]);
    }
}
