//! The way of one photo with everything that passes between its stages and inside its graphs: for comparing with a
//! framework, and for the ranges of int8.
//!
//! Computes nothing of its own: the stages are those of [`Detector::infer`].

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::cascade::RowsOfHead;
use super::masks::MaskLogits;
use super::streams::Stream;
use super::{Detector, DetectorError, Input, Proposal, trunk, unexpected, unsort};
use crate::geometry::BBox;
use crate::runtime::Value;

/// Tensors by their names in a graph.
pub type Tensors = BTreeMap<String, Value>;

/// Everything that passes between the stages of one photo.
#[derive(Default)]
pub struct Trace {
    /// The trunk's: `features.L` (1, channels, height, width), finest first, `rpn.logits.L` (1, anchors, height, width),
    /// `rpn.deltas.L` (1, 4 * anchors, height, width), and those that were asked for.
    pub trunk: Tensors,
    /// What the RPN suggests, by falling score.
    pub proposals: Vec<Proposal>,
    /// What was asked for of each box head, in the order that boxes pass through them.
    pub heads: Vec<HeadTrace>,
}

/// What was asked for of a box head, for the proposals or for the boxes given instead.
#[derive(Default)]
pub struct HeadTrace {
    /// The boxes that it saw, in the resized picture's pixels.
    pub boxes: Vec<BBox>,
    /// By name, with a row for each box; none where there is no box.
    pub tensors: Tensors,
    /// The box of each row.
    order: Vec<usize>,
}

impl HeadTrace {
    /// A tensor of float32 with its rows in the order of the boxes.
    ///
    /// # Errors
    /// When it is no float32 tensor on the host with a row for each box.
    pub fn rows(&self, name: &str) -> Result<Option<ArrayD<f32>>, DetectorError> {
        let Some(value) = self.tensors.get(name) else { return Ok(None) };
        let shape = value.shape();
        let wrong = || unexpected(name, &shape);
        if shape.first() != Some(&self.order.len()) {
            return Err(wrong());
        }
        let columns = shape[1..].iter().product::<usize>().max(1);
        let rows = unsort(value.as_f32()?, columns, &self.order);
        ArrayD::from_shape_vec(IxDyn(&shape), rows).map(Some).map_err(|_| wrong())
    }
}

/// A head's outputs, which decide boxes and scores.
const DECISIVE: [&str; 2] = ["box.logits", "box.deltas"];

impl Trace {
    /// A tensor of any graph by its name.
    pub fn tensor(&self, name: &str) -> Option<&Value> {
        self.trunk.get(name).or_else(|| self.heads.iter().find_map(|head| head.tensors.get(name)))
    }
}

impl Detector {
    /// Runs one input and keeps what passes between the stages, with tensors inside the graphs, which must be outputs of
    /// them: `trunk` and `head` name those. Where `boxes` are given (in the resized picture's pixels), the head sees them
    /// instead of the proposals, as a framework's recorded values demand. Where none of the head is asked for, it does
    /// not run.
    ///
    /// # Errors
    /// When a session fails.
    #[doc(hidden)]
    pub fn trace(
        &self,
        input: Input,
        boxes: Option<&[BBox]>,
        trunk: &[String],
        head: &[String],
    ) -> Result<Trace, DetectorError> {
        self.streams.with(|stream| self.trace_on(stream, input, boxes, trunk, head))
    }

    fn trace_on(
        &self,
        stream: &Stream,
        mut input: Input,
        boxes: Option<&[BBox]>,
        trunk: &[String],
        head: &[String],
    ) -> Result<Trace, DetectorError> {
        let tensor = input.take()?;
        let inputs = [input];
        let given: Vec<&str> = stream.trunk.own_outputs().collect();
        let inner: Vec<String> =
            trunk.iter().filter(|name| !given.contains(&name.as_str())).cloned().collect();
        let (output, more) = stream.trunk.run(&tensor, Some(&inner), &self.sessions, &mut 0.0)?;
        let mut trace = Trace { trunk: inner.into_iter().zip(more).collect(), ..Trace::default() };
        trace.proposals = self.suggest(stream, &inputs, &output)?.pop().unwrap_or_default();
        let mut boxes = match boxes {
            Some(boxes) => boxes.to_vec(),
            None => trace.proposals.iter().map(|proposal| proposal.bbox).collect(),
        };
        if !head.is_empty() && !boxes.is_empty() {
            for place in 0..stream.heads.len() {
                let of_head = self.trace_head(stream, place, &output, &inputs, boxes, head)?;
                boxes = self.boxes_behind(place, &inputs, &of_head)?;
                trace.heads.push(of_head);
            }
        }
        trace.trunk.extend(stream.trunk.named(output)?);
        Ok(trace)
    }

    /// What the mask heads give for boxes in the resized picture's pixels: for each head (boxes, masks, side, side).
    ///
    /// # Errors
    /// When a session fails, or there is no mask head.
    pub(super) fn trace_masks(
        &self,
        mut input: Input,
        boxes: Vec<BBox>,
    ) -> Result<Vec<ArrayD<f32>>, DetectorError> {
        let tensor = input.take()?;
        let inputs = [input];
        self.streams.with(|stream| {
            let (output, _) = stream.trunk.run(&tensor, None, &self.sessions, &mut 0.0)?;
            let count = boxes.len();
            let MaskLogits { heads, masks, side } =
                self.mask_logits(stream, &output, &inputs, 0, boxes, &mut 0.0)?;
            let shape = [count, masks, side, side];
            let array = |values| {
                ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|_| unexpected("mask.logits", &shape))
            };
            heads.into_iter().map(array).collect()
        })
    }

    /// What was asked for of one head, and, where another one follows, what decides the boxes that it sees.
    fn trace_head(
        &self,
        stream: &Stream,
        place: usize,
        output: &trunk::TrunkOutput,
        inputs: &[Input],
        boxes: Vec<BBox>,
        requested: &[String],
    ) -> Result<HeadTrace, DetectorError> {
        let mut names: Vec<&str> = requested.iter().map(String::as_str).collect();
        if stream.heads.len() > 1 {
            names.extend(
                DECISIVE.into_iter().filter(|name| !requested.iter().any(|requested| requested == name)),
            );
        }
        let mut rois = self.place(output, inputs, std::slice::from_ref(&boxes));
        let order = rois.order.concat();
        let values =
            self.sessions.time(&mut 0.0, || stream.heads[place].run(&output.features, &mut rois, &names))?;
        let tensors = names.into_iter().map(str::to_owned).zip(values).collect();
        Ok(HeadTrace { boxes, tensors, order })
    }

    /// The boxes that the head after one at a place sees; none after the last.
    fn boxes_behind(
        &self,
        place: usize,
        inputs: &[Input],
        of_head: &HeadTrace,
    ) -> Result<Vec<BBox>, DetectorError> {
        if place + 1 >= self.architecture.heads.len() {
            return Ok(Vec::new());
        }
        let rows = |name| {
            Ok::<_, DetectorError>(of_head.rows(name)?.unwrap_or_default().into_raw_vec_and_offset().0)
        };
        let rows = RowsOfHead { logits: rows(DECISIVE[0])?, deltas: rows(DECISIVE[1])? };
        let shape = &self.architecture.heads[place];
        let boxes = std::slice::from_ref(&of_head.boxes);
        Ok(self.next_boxes(place, shape, inputs, boxes, &rows).pop().unwrap_or_default())
    }
}
