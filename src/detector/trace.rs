//! The way of one photo with everything that passes between its stages, for comparing with a framework.
//!
//! Computes nothing of its own: the stages are those of [`Detector::infer`].

use ndarray::{Array2, Array4};

use super::lanes::Lane;
use super::{Detector, Error, Input, Prediction, Proposal, unexpected};
use crate::geometry::BBox;
use crate::runtime::Value;

/// Everything that passes between the stages of one photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// (1, channels, height, width), finest first.
    pub features: Vec<Array4<f32>>,
    /// (1, anchors, height, width), level by level.
    pub logits: Vec<Array4<f32>>,
    /// (1, 4 * anchors, height, width), level by level.
    pub deltas: Vec<Array4<f32>>,
    /// What the RPN suggests, by falling score.
    pub proposals: Vec<Proposal>,
    /// (boxes, classes + 1), for the proposals or for the boxes given instead.
    pub box_logits: Array2<f32>,
    /// (boxes, rows).
    pub box_deltas: Array2<f32>,
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
        let head = self.architecture.box_head();
        Ok(Trace {
            logits: maps(trunk.maps(0))?,
            deltas: maps(trunk.maps(1))?,
            features: maps(trunk.features.channels_first()?.iter())?,
            proposals,
            box_logits: rows(count, head.classes + 1, logits)?,
            box_deltas: rows(count, head.box_rows, deltas)?,
            detections,
        })
    }
}

fn maps<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Vec<Array4<f32>>, Error> {
    let array = |value: &Value| {
        let shape = value.shape();
        let &[count, channels, height, width] = shape.as_slice() else {
            return Err(unexpected("maps", &shape));
        };
        let values = value.as_f32()?.to_vec();
        Array4::from_shape_vec([count, channels, height, width], values)
            .map_err(|_| unexpected("maps", &shape))
    };
    values.map(array).collect()
}

fn rows(count: usize, columns: usize, values: Vec<f32>) -> Result<Array2<f32>, Error> {
    Array2::from_shape_vec([count, columns], values)
        .map_err(|_| unexpected("rows of boxes", &[count, columns]))
}
