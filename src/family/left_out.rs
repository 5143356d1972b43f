//! Parts of a checkpoint that a network does without, and what a person is told of each. Knows no tensors.

/// A part of a checkpoint that boxes do not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// Keypoint R-CNN's own head.
    Keypoints,
    /// A mask head.
    Masks,
    /// Mask Scoring R-CNN's head, which judges masks.
    MaskScores,
}

impl LeftOut {
    /// A sentence for whoever imports the checkpoint.
    pub(super) fn told(self) -> String {
        match self {
            LeftOut::Keypoints => "its keypoint head is left out: boxes are found, and no key points",
            LeftOut::Masks => "its mask head is left out: boxes are found, and no masks",
            LeftOut::MaskScores => {
                "its head that scores masks is left out: boxes are found, and no such scores"
            }
        }
        .into()
    }
}
