//! The way of one photo with everything that passes between its stages, for comparing with a framework.
//!
//! Computes nothing of its own: the stages are those of [`Detector::infer`].

use super::lanes::Lane;
use super::{Detector, Error, Input, Prediction, Proposal};
use crate::geometry::BBox;
use crate::runtime::Value;

/// A tensor by its dimensions and its values, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plane {
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// Everything that passes between the stages of one photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// (1, channels, height, width), finest first.
    pub features: Vec<Plane>,
    /// (1, anchors, height, width), level by level.
    pub logits: Vec<Plane>,
    /// (1, 4 * anchors, height, width), level by level.
    pub deltas: Vec<Plane>,
    /// What the RPN suggests, by falling score.
    pub proposals: Vec<Proposal>,
    /// (boxes, classes + 1), for the proposals or for the boxes given instead.
    pub box_logits: Plane,
    /// (boxes, rows).
    pub box_deltas: Plane,
    /// What becomes of those boxes.
    pub detections: Vec<Prediction>,
}

impl Detector {
    /// Runs one input and keeps what passes between the stages. Where `boxes` are given (in the resized picture's
    /// pixels), the head sees them instead of the proposals, as a framework's recorded values demand.
    ///
    /// # Errors
    /// When a session fails.
    pub fn trace(&self, input: Input, boxes: Option<&[BBox]>) -> Result<Trace, Error> {
        self.lanes.with(|lane| self.trace_on(lane, input, boxes))
    }

    fn trace_on(&self, lane: &Lane, mut input: Input, boxes: Option<&[BBox]>) -> Result<Trace, Error> {
        let tensor = input.take()?;
        let inputs = [input];
        let (trunk, _) = lane.trunk.run_and(&tensor, &self.busy, &mut 0.0, &[])?;
        let proposals = self.suggest(lane, &inputs, &trunk)?.pop().unwrap_or_default();
        let boxes = match boxes {
            Some(boxes) => boxes.to_vec(),
            None => proposals.iter().map(|proposal| proposal.bbox).collect(),
        };
        let count = boxes.len();
        let suggested = [boxes];
        let (logits, deltas) = self.run_head(lane, &trunk, &inputs, &suggested, &mut 0.0)?;
        let detections = self.finish(&inputs, &suggested, &logits, &deltas).pop().unwrap_or_default();
        let head = &self.architecture.head;
        Ok(Trace {
            logits: planes(trunk.maps(0))?,
            deltas: planes(trunk.maps(1))?,
            features: planes(trunk.features.channels_first()?.iter())?,
            proposals,
            box_logits: Plane { shape: vec![count, head.classes + 1], values: logits },
            box_deltas: Plane { shape: vec![count, head.box_rows], values: deltas },
            detections,
        })
    }
}

fn planes<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Vec<Plane>, Error> {
    let plane = |value: &Value| Ok(Plane { shape: value.shape(), values: value.as_f32()?.to_vec() });
    values.map(plane).collect()
}
