//! The head once more on its own boxes: the box refinement of He et al. (2016, "Deep Residual Learning for Image
//! Recognition", appendix B), with box voting.

use super::postprocess::{Candidates, Placed, in_photo};
use super::streams::Stream;
use super::{Detector, DetectorError, Input, Prediction, trunk};
use crate::clock::{StageTimes, timed};
use crate::family::NmsSpace;
use crate::geometry::{BBox, ScoredBox, vote};

/// How fast a box's vote falls as its IoU with the kept one falls from 1: as exp(-(1 - IoU)² / 0.005), in the form of He
/// et al. (2019, "Bounding box regression with uncertainty for accurate object detection"). Wider ones, and all boxes from
/// an IoU of 0.9 or less alike, gain as much AP but lose AP75: `docs/augment.md` has what was tried.
const NARROW: f64 = 0.005;

impl Detector {
    /// Whether the head sees its own boxes once more.
    #[doc(hidden)]
    pub fn refine(&self) -> bool {
        self.refine
    }

    /// Has the head see its own boxes once more, which makes them more exact.
    #[doc(hidden)]
    pub fn set_refine(&mut self, refine: bool) {
        self.refine = refine;
        self.partners.iter_mut().for_each(|partner| partner.detector.set_refine(refine));
    }

    /// Detections of each photo: the head sees the boxes that would be its detections as proposals, and what it then says
    /// stands beside what it said first.
    pub(super) fn refined(
        &self,
        stream: &Stream,
        trunk: &trunk::TrunkOutput,
        inputs: &[Input],
        first: Vec<Candidates>,
        times: &mut StageTimes,
    ) -> Result<Vec<Vec<Placed>>, DetectorError> {
        let again: Vec<Vec<BBox>> = timed(&mut times.postprocess, || {
            inputs.iter().zip(&first).map(|(input, first)| self.boxes_of(input, first)).collect()
        });
        let output = self.run_heads(stream, trunk, inputs, again, &mut times.head)?;
        Ok(timed(&mut times.postprocess, || {
            let second = self.candidates(inputs, &output);
            let photos = inputs.iter().zip(first).zip(second);
            photos
                .map(|((input, mut all), second)| {
                    all.extend(second);
                    let kept = voted(&all, &all.chosen(&self.of_view));
                    in_photo(&self.conventions, kept.into_iter(), input.on_its_way())
                })
                .collect()
        }))
    }

    /// The boxes that would be a photo's detections, in the resized picture's pixels.
    fn boxes_of(&self, input: &Input, found: &Candidates) -> Vec<BBox> {
        let (x, y) = match self.conventions.detections.nms_space {
            NmsSpace::Resized => (1.0, 1.0),
            NmsSpace::Photo => input.on_its_way().forth(),
        };
        found.chosen(&self.of_view).into_iter().map(|(place, _)| found.boxes[place].scale(x, y)).collect()
    }
}

/// What a box of an overlap counts.
fn agreement(overlap: f32) -> f64 {
    let apart = 1.0 - f64::from(overlap);
    (-apart * apart / NARROW).exp()
}

/// What stays, each where the boxes that are nearly the same say together.
fn voted(all: &Candidates, kept: &[(usize, f32)]) -> Vec<Prediction> {
    let scored = |place: usize| ScoredBox {
        group: all.classes[place],
        score: all.scores[place],
        bbox: all.boxes[place],
    };
    let votes: Vec<ScoredBox> = (0..all.boxes.len()).map(scored).collect();
    kept.iter()
        .map(|&(place, score)| Prediction {
            class: all.classes[place],
            score,
            bbox: vote(&votes[place], &votes, agreement),
            mask: None,
        })
        .collect()
}
