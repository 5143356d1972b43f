//! Masks and key points of annotations and results: reading them, and comparing each result with the annotations of its image
//! and category while it is read, so that no result's shape is kept.
//!
//! The arithmetic of masks is in [`crate::mask`]; what is matched with what is decided in the evaluation.

mod compare;
mod drawn;
mod outlines;
mod pairs;
mod points;
mod segment;
mod truths;

pub(crate) use compare::Among;
pub(super) use compare::{Belongs, Comparer};
pub(crate) use outlines::Outlines;
pub(super) use outlines::shape_key;
pub(crate) use pairs::Overlaps;
pub(super) use pairs::OverlapsPart;
pub use truths::MaskNotes;
pub(crate) use truths::{Needed, ShapeTroubles, TruthShapes};

/// What of an object is compared: pycocotools' `iouType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IouType {
    /// Boxes.
    #[default]
    Bbox,
    /// Masks.
    Segm,
    /// Key points, by their object key point similarity.
    Keypoints,
}

impl IouType {
    /// pycocotools' word for it.
    pub fn name(self) -> &'static str {
        match self {
            IouType::Bbox => "bbox",
            IouType::Segm => "segm",
            IouType::Keypoints => "keypoints",
        }
    }
}
