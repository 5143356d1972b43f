//! Small differences between the frameworks' arithmetic of boxes, as values: what corners are, how overlaps are compared, and
//! in which order boxes go.

use serde::{Deserialize, Serialize};

use crate::geometry::BBox;

/// What the right and lower sides of a box are while it is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corners {
    /// Its edges: a box of one pixel is 1 wide and may end at the picture's width.
    #[default]
    Edge,
    /// One behind its last pixel, as a whole number has been taken for that pixel: sides are 1 longer than the difference
    /// of the corners, and a box ends in the last pixel at most (Detectron's and maskrcnn-benchmark's `+ 1`). RoIAlign
    /// sees the last pixel's number, and so does scaling.
    LastPixel,
}

impl Corners {
    /// The part of a box inside a picture of this size.
    pub(crate) fn clip(self, bbox: &BBox, width: f32, height: f32) -> BBox {
        match self {
            Corners::Edge => bbox.clip(width, height),
            Corners::LastPixel => self.edges(&self.scaled(bbox).clip(width - 1.0, height - 1.0)),
        }
    }

    /// The box whose corners are multiplied where a box is scaled.
    pub(crate) fn scaled(self, bbox: &BBox) -> BBox {
        match self {
            Corners::Edge => *bbox,
            Corners::LastPixel => BBox { x2: bbox.x2 - 1.0, y2: bbox.y2 - 1.0, ..*bbox },
        }
    }

    /// The other way round.
    pub(crate) fn edges(self, bbox: &BBox) -> BBox {
        match self {
            Corners::Edge => *bbox,
            Corners::LastPixel => BBox { x2: bbox.x2 + 1.0, y2: bbox.y2 + 1.0, ..*bbox },
        }
    }
}

/// Which of two boxes of equal score goes before the other in NMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieOrder {
    /// The one that comes first.
    #[default]
    First,
    /// The one that comes last (PaddlePaddle's generate_proposals).
    Last,
}

/// The order in which proposals leave the RPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalOrder {
    /// By falling score.
    #[default]
    ByScore,
    /// Level by level, and by falling score only where there were more than are left (PaddleDetection).
    ByLevel,
}

/// In which precision an overlap is compared with its threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPrecision {
    /// A float32 overlap with a float64 threshold (torchvision's kernel).
    #[default]
    Double,
    /// Both in float32 (PaddlePaddle's kernels).
    Single,
}

impl OverlapPrecision {
    /// The number that overlaps are compared with where a threshold is given.
    pub fn threshold(self, given: f64) -> f64 {
        match self {
            OverlapPrecision::Double => given,
            OverlapPrecision::Single => f64::from(given as f32),
        }
    }
}
