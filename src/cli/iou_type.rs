//! What of objects is compared, for commands that compare boxes or masks.

use clap::ValueEnum;
use coco_eval::IouType;

/// Boxes or masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoxesOrMasks {
    /// boxes
    #[default]
    Bbox,
    /// masks, by `segmentation` of annotations and results
    Segm,
}

impl BoxesOrMasks {
    /// Whether masks are needed.
    pub(crate) fn masks(self) -> bool {
        self == BoxesOrMasks::Segm
    }
}

impl From<BoxesOrMasks> for IouType {
    fn from(compared: BoxesOrMasks) -> IouType {
        match compared {
            BoxesOrMasks::Bbox => IouType::Bbox,
            BoxesOrMasks::Segm => IouType::Segm,
        }
    }
}
