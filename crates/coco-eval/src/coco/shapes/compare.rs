//! One result's shape beside those of the annotations of its image.

use super::super::value::JsonValue;
use super::drawn::{draw, draw_box};
use super::pairs::{OverlapsPart, Pair};
use super::points::{self, TruthPoints, similarity};
use super::segment::{Segment, SegmentKind};
use super::truths::{MaskNotes, TruthShapes};
use crate::mask::{MaskFacts, PixelRun, PolygonDrawing, common, in_common, runs_of};
use crate::overlap;

/// A result's shape, and memory that is used again.
#[derive(Debug, Default)]
pub(in crate::coco) struct Comparer {
    /// The `segmentation` that was read last.
    pub(in crate::coco) segment: Segment,
    /// The key points that were read last.
    points: Vec<f64>,
    drawing: PolygonDrawing,
    intervals: Vec<PixelRun>,
    others: Vec<PixelRun>,
    scratch: Vec<f64>,
    /// What was odd about masks.
    pub(in crate::coco) notes: MaskNotes,
}

/// Where a result belongs.
#[derive(Clone, Copy, Debug)]
pub(in crate::coco) struct Belongs {
    /// Place of its image among the evaluated ones.
    pub(in crate::coco) image: u32,
    /// Place of its category.
    pub(in crate::coco) category: u32,
    /// With which annotations of the image it is compared.
    pub(in crate::coco) among: Among,
}

/// With which annotations of its image a result is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Among {
    /// Those of its category.
    #[default]
    Own,
    /// All.
    All,
    /// None, as pycocotools does with key points where all categories are one.
    None,
}

/// A result's box and the box around its mask are far apart where their IoU is below this.
const APART: f64 = 0.1;

impl Comparer {
    /// The facts of the mask that was read last, compared with none.
    pub(in crate::coco) fn facts(&mut self) -> Result<MaskFacts, String> {
        self.intervals.clear();
        Ok(draw(&self.segment, None, &mut self.drawing, &mut self.intervals)?.0)
    }

    /// Compares the mask that was read last, or the box of a result that has none.
    pub(in crate::coco) fn mask(
        &mut self,
        truths: &TruthShapes,
        at: Belongs,
        bbox: Option<[f64; 4]>,
        part: &mut OverlapsPart,
    ) -> Result<MaskFacts, String> {
        self.intervals.clear();
        let size = truths.size(at.image);
        let (facts, runs) = match (self.segment.kind, bbox) {
            (SegmentKind::Absent, Some(bbox)) => {
                self.notes.from_boxes += 1;
                draw_box(bbox, size, &mut self.intervals)?
            }
            _ => draw(&self.segment, size, &mut self.drawing, &mut self.intervals)?,
        };
        self.notes.note(&facts, size);
        let drawn = facts.area > 0 && self.segment.kind != SegmentKind::Absent;
        let apart = |bbox: [f64; 4]| drawn && overlap(&bbox, &facts.bbox, false) < APART;
        self.notes.apart += u64::from(bbox.is_some_and(apart));
        for truth in truths.on(at) {
            if overlap(&facts.bbox, &truth.facts.bbox, false) <= 0.0 {
                continue;
            }
            if (facts.height, facts.width) != (truth.facts.height, truth.facts.width) {
                part.pairs.push(Pair::unequal(truth.annotation));
                continue;
            }
            truths.intervals(truth, &mut self.others);
            let others = &self.others;
            let (both, any) = if facts.plain && truth.facts.plain {
                let both = in_common(&self.intervals, others);
                (both, facts.area + truth.facts.area - both)
            } else {
                let own =
                    runs.as_deref().map_or_else(|| runs_of(&self.intervals, facts.sum).into(), Into::into);
                let others =
                    truth.runs.as_deref().map_or_else(|| runs_of(others, truth.facts.sum).into(), Into::into);
                let (own, others): (std::borrow::Cow<'_, [u32]>, std::borrow::Cow<'_, [u32]>) = (own, others);
                common(&own, &others)
            };
            if both > 0 {
                part.pairs.push(Pair::of_masks(truth.annotation, both, any));
            }
        }
        part.ends.push(part.pairs.len() as u32);
        part.areas.push(facts.area);
        Ok(facts)
    }

    /// Compares key points.
    pub(in crate::coco) fn points(
        &mut self,
        value: Option<&JsonValue>,
        truths: &TruthShapes,
        at: Belongs,
        part: &mut OverlapsPart,
    ) -> Result<(), String> {
        let others = truths.on(at);
        if others.is_empty() {
            part.ends.push(part.pairs.len() as u32);
            return Ok(());
        }
        self.points.clear();
        points::take(value, &mut self.points).ok_or("no `keypoints` that are a list of numbers")?;
        let count = truths.sigmas.len();
        // Their visibility does not matter, and so the last one may be missing.
        if self.points.len() + 1 == 3 * count {
            self.points.push(0.0);
        }
        if self.points.len() != 3 * count {
            return Err(points::wrong_count(self.points.len(), count));
        }
        for truth in others {
            let others = truths.points(truth);
            let truth_points = TruthPoints { points: others, bbox: truth.facts.bbox, area: truth.area };
            let similar = similarity(&self.points, &truth_points, &truths.sigmas, &mut self.scratch);
            if similar != 0.0 {
                part.pairs.push(Pair::of_points(truth.annotation, similar));
            }
        }
        part.ends.push(part.pairs.len() as u32);
        Ok(())
    }
}
