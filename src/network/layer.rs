//! The layers that a network is made of, by their place in it. Knows no framework's names.

use std::fmt;

/// One layer with weights of its own. Stages, blocks, levels, heads and positions count from 0, levels from the finest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// A 3x3 convolution before the stem's last one (ResNet-C and ResNet-D).
    StemConv(usize),
    /// The first convolution, or the last of a deep stem.
    Stem,
    /// A convolution of a residual (or plain) block.
    Block {
        /// Stage: 0 is conv2_x of the paper, `layer1` of torchvision, `res2` of detectron2.
        stage: usize,
        /// Block of the stage.
        block: usize,
        /// Which of the block's convolutions.
        conv: BlockConv,
    },
    /// Feature pyramid: 1x1 convolution from the backbone.
    FpnLateral(usize),
    /// Feature pyramid: 3x3 convolution of a level's output.
    FpnOutput(usize),
    /// RPN: a convolution before the two outputs.
    RpnConv(usize),
    /// RPN: objectness.
    RpnLogits,
    /// RPN: box deltas.
    RpnDeltas,
    /// A box head: a convolution on the pooled features.
    HeadConv {
        /// Box head: 0, or its place in a cascade.
        head: usize,
        /// Position.
        index: usize,
    },
    /// A box head: a linear layer before the two outputs.
    HeadLinear {
        /// Box head: 0, or its place in a cascade.
        head: usize,
        /// Position.
        index: usize,
    },
    /// A box head's class scores.
    Scores(usize),
    /// A box head's box deltas.
    Boxes(usize),
    /// A mask head: a convolution on the pooled features.
    MaskConv {
        /// Mask head: 0, or its place among those of a cascade.
        head: usize,
        /// Position.
        index: usize,
    },
    /// A mask head: the transposed convolution, whose weight is (inputs, outputs, 2, 2).
    MaskUpsample(usize),
    /// A mask head: the mask of each class.
    MaskLogits(usize),
    /// Classifier: the last linear layer.
    Classifier,
}

/// A convolution of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockConv {
    /// First: 3x3 in a basic block, 1x1 in a bottleneck.
    First,
    /// Second: 3x3.
    Second,
    /// Third, in a bottleneck: 1x1.
    Third,
    /// On the shortcut.
    Projection,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Layer::StemConv(i) => write!(f, "backbone.stem.{i}"),
            Layer::Stem => f.write_str("backbone.stem"),
            Layer::Block { stage, block, conv } => {
                let conv = match conv {
                    BlockConv::First => "conv1",
                    BlockConv::Second => "conv2",
                    BlockConv::Third => "conv3",
                    BlockConv::Projection => "projection",
                };
                write!(f, "backbone.stage{}.{block}.{conv}", stage + 1)
            }
            Layer::FpnLateral(level) => write!(f, "fpn.lateral.{level}"),
            Layer::FpnOutput(level) => write!(f, "fpn.output.{level}"),
            Layer::RpnConv(i) => write!(f, "rpn.conv.{i}"),
            Layer::RpnLogits => f.write_str("rpn.logits"),
            Layer::RpnDeltas => f.write_str("rpn.deltas"),
            Layer::HeadConv { head, index } => write!(f, "head{}.conv.{index}", Nth(head)),
            Layer::HeadLinear { head, index } => write!(f, "head{}.linear.{index}", Nth(head)),
            Layer::Scores(head) => write!(f, "head{}.scores", Nth(head)),
            Layer::Boxes(head) => write!(f, "head{}.boxes", Nth(head)),
            Layer::MaskConv { head, index } => write!(f, "mask{}.conv.{index}", Nth(head)),
            Layer::MaskUpsample(head) => write!(f, "mask{}.upsample", Nth(head)),
            Layer::MaskLogits(head) => write!(f, "mask{}.predictor", Nth(head)),
            Layer::Classifier => f.write_str("classifier"),
        }
    }
}

/// What tells a head from the others of its kind: nothing for the first.
struct Nth(usize);

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "-{}", self.0) }
    }
}
