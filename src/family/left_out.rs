//! Parts of a checkpoint that a network does without, and what a person is told of each. Knows no tensors.

/// A part of a checkpoint that boxes do not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOutTensors {
    /// Keypoint R-CNN's own head.
    Keypoints,
    /// A mask head.
    Masks,
    /// Mask Scoring R-CNN's head, which judges masks.
    MaskScores,
}

impl LeftOutTensors {
    /// A sentence for whoever imports the checkpoint.
    pub(super) fn message(self) -> String {
        match self {
            LeftOutTensors::Keypoints => "its keypoint head is left out: boxes are found, and no key points",
            LeftOutTensors::Masks => "its mask head is left out: boxes are found, and no masks",
            LeftOutTensors::MaskScores => {
                "its head that scores masks is left out: boxes are found, and no such scores"
            }
        }
        .into()
    }
}
