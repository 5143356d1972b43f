//! The network's pass over a batch: trunk, proposals, heads, and what the heads' outputs say.

use super::cascade::BoxOutput;
use super::postprocess::{Candidates, ScoredRows};
use super::streams::Stream;
use super::{Detector, DetectorError, Input, Prediction, Proposal, Ranked, proposals, trunk};
use crate::clock::{StageTimes, timed};
use crate::runtime::Value;

impl Detector {
    /// Runs the network on inputs of one padded size, and on their further views; detections in the order of the inputs,
    /// each list by falling score.
    ///
    /// # Errors
    /// When a session fails, or the inputs are not of one size.
    #[doc(hidden)]
    pub fn infer(&self, inputs: Vec<Input>) -> Result<(Vec<Vec<Prediction>>, StageTimes), DetectorError> {
        if inputs.windows(2).any(|two| two[0].padded != two[1].padded) {
            return Err(DetectorError::Sizes);
        }
        self.infer_all(inputs)
    }

    /// As [`Detector::infer`], of inputs of any sizes.
    pub(super) fn infer_all(
        &self,
        mut inputs: Vec<Input>,
    ) -> Result<(Vec<Vec<Prediction>>, StageTimes), DetectorError> {
        let partners = inputs.iter_mut().map(|input| std::mem::take(&mut input.partners)).collect();
        let (lists, mut times) = self.look(inputs)?;
        let own = timed(&mut times.postprocess, || {
            lists.into_iter().map(|lists| self.merge_views(lists)).collect()
        });
        let found = self.merge_partners(own, partners, &mut times)?;
        Ok((found, times))
    }

    /// What one view of each photo shows, all of one padded size.
    pub(super) fn infer_on(
        &self,
        stream: &Stream,
        mut inputs: Vec<Input>,
    ) -> Result<(Vec<Vec<Prediction>>, StageTimes), DetectorError> {
        let mut times = StageTimes::default();
        let Some(first) = inputs.first() else { return Ok((Vec::new(), times)) };
        let padded = first.padded;
        let tensor = batch(&mut inputs);
        let input = Value::from_f32(&[inputs.len(), 3, padded.0, padded.1], tensor)?;
        let (trunk, _) = stream.trunk.run(&input, None, &self.sessions, &mut times.trunk)?;
        let suggested = timed(&mut times.proposals, || {
            let boxes = |found: Vec<Proposal>| found.into_iter().map(|proposal| proposal.bbox).collect();
            Ok::<_, DetectorError>(
                self.suggest(stream, &inputs, &trunk)?.into_iter().map(boxes).collect::<Vec<_>>(),
            )
        })?;
        let output = self.run_heads(stream, &trunk, &inputs, suggested, &mut times.head)?;
        let found = timed(&mut times.postprocess, || self.candidates(&inputs, &output));
        let found = if self.refine {
            self.refined(stream, &trunk, &inputs, found, &mut times)?
        } else {
            timed(&mut times.postprocess, || {
                let finish = |(input, found): (&Input, Candidates)| {
                    found.finish(&self.conventions, &self.of_view, input.on_its_way())
                };
                inputs.iter().zip(found).map(finish).collect()
            })
        };
        let found = self.with_masks(stream, &trunk, &inputs, found, &mut times.head)?;
        Ok((found, times))
    }

    /// Proposals of every photo, in the resized pictures' pixels.
    pub(super) fn suggest(
        &self,
        stream: &Stream,
        inputs: &[Input],
        trunk: &trunk::TrunkOutput,
    ) -> Result<Vec<Vec<Proposal>>, DetectorError> {
        let strides = self.architecture.rpn_strides();
        let ranked = stream.trunk.ranked(trunk, inputs.len())?;
        let of_photo = |(input, levels): (&Input, Vec<Ranked>)| {
            proposals(&self.conventions, &levels, &strides, input.resized, input.padded)
        };
        Ok(inputs.iter().zip(ranked).map(of_photo).collect())
    }

    /// What the heads say of each photo's boxes.
    pub(super) fn candidates(&self, inputs: &[Input], output: &BoxOutput) -> Vec<Candidates> {
        let (classes, box_rows) =
            (self.architecture.box_head().classes, self.architecture.box_head().box_rows);
        let (mut scores, mut deltas) = (output.scores.as_slice(), output.deltas.as_slice());
        let mut found = Vec::new();
        for (input, boxes) in inputs.iter().zip(&output.boxes) {
            let (own_scores, other_scores) = scores.split_at(boxes.len() * (classes + 1));
            let (own_deltas, other_deltas) = deltas.split_at(boxes.len() * box_rows);
            let rows = ScoredRows { scores: own_scores, deltas: own_deltas, classes, box_rows };
            found.push(Candidates::new(&self.conventions, &self.of_view, rows, boxes, input.on_its_way()));
            (scores, deltas) = (other_scores, other_deltas);
        }
        found
    }
}

/// One tensor of all inputs, one after another; a single input's moves.
fn batch(inputs: &mut [Input]) -> Vec<f32> {
    if let [input] = inputs {
        return std::mem::take(&mut input.tensor);
    }
    let mut all = Vec::with_capacity(inputs.iter().map(|input| input.tensor.len()).sum());
    for input in inputs {
        all.append(&mut input.tensor);
    }
    all
}

/// Rows back in the order of the proposals: row `i` of `values` belongs to proposal `order[i]`.
pub(super) fn unsort(values: &[f32], columns: usize, order: &[usize]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (row, &place) in values.chunks_exact(columns).zip(order) {
        out[place * columns..(place + 1) * columns].copy_from_slice(row);
    }
    out
}

pub(super) fn unexpected(what: &str, shape: &[usize]) -> DetectorError {
    DetectorError::Graph(format!("{what} of the shape {shape:?}"))
}
