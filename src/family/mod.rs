//! One file a family: tensor names and conventions into a network.
//!
//! A family says which checkpoints are its own, what it calls each layer's tensors, and its
//! [`Conventions`]. Everything else (reading the architecture, checking, folding norms) is common.

mod box_rules;
mod chosen;
mod classes;
mod classifier;
mod config;
mod conventions;
mod detectron;
mod detectron2;
mod left_out;
mod limits;
mod load;
mod maskrcnn_benchmark;
mod mmdet;
mod options;
mod paddledet;
mod stated;
mod torchvision;

pub use box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
pub use classes::{Class, coco_classes};
pub use classifier::{ClassifierFilter, ClassifierInput, LoadedClassifier, is_classifier, load_classifier};
pub use config::{ConfigError, read as read_config, read_config_text};
pub use conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, CascadeRule, ChannelOrder, Clamp, Conventions,
    DetectionRule, FinestLevel, InputRule, LevelRule, MaskRule, MaskThreshold, MinSide, NmsSpace, PasteRule,
    ProposalRule, RankBy, ResizeFilter, RoiRule, RoiScale, Scaling, ScoreMean, SizeRule, ValueRange,
};
pub(crate) use limits::{MOST_PIXELS, check as check_conventions, check_classifier};
pub use load::{FamilyError, Loaded, Parameters, load};
pub use options::{ClassOption, ClassesOption, ImportOptions};

use left_out::LeftOutTensors;

use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

/// What a family calls the tensors of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerNames {
    /// The weight.
    pub weight: String,
    /// The bias, where the layer has one.
    pub bias: String,
    /// The norm that follows, where there is one.
    pub norm: Option<NormNames>,
    /// The weight is stored as (inputs, outputs), as PaddlePaddle's linear layers are.
    pub inputs_first: bool,
}

impl LayerNames {
    /// PyTorch's names of a layer.
    pub(crate) fn torch(layer: &str) -> LayerNames {
        LayerNames {
            weight: format!("{layer}.weight"),
            bias: format!("{layer}.bias"),
            norm: None,
            inputs_first: false,
        }
    }

    /// Names that no file has, of a layer that the family does not know.
    pub(crate) fn absent(layer: Layer) -> LayerNames {
        LayerNames::torch(&format!("no layer of this family: {layer}"))
    }

    /// PyTorch's names of one convolution of the block under a prefix.
    pub(crate) fn torch_block(block: &str, conv: BlockConv) -> LayerNames {
        let (layer, norm) = match conv {
            BlockConv::First => ("conv1", "bn1"),
            BlockConv::Second => ("conv2", "bn2"),
            BlockConv::Third => ("conv3", "bn3"),
            BlockConv::Projection => ("downsample.0", "downsample.1"),
        };
        LayerNames::torch_with_norm(&format!("{block}.{layer}"), &format!("{block}.{norm}"))
    }

    /// The shape of the layer's weight in a checkpoint, outputs first.
    fn shape(&self, checkpoint: &Checkpoint) -> Option<Vec<usize>> {
        checkpoint.tensor(&self.weight).map(|tensor| self.stored(tensor.shape().to_vec()))
    }

    /// The shape in which a weight is stored of that with outputs first, and the other way round.
    fn stored(&self, mut shape: Vec<usize>) -> Vec<usize> {
        if self.inputs_first && shape.len() == 2 {
            shape.reverse();
        }
        shape
    }

    /// The values of a matrix (inputs, outputs) as (outputs, inputs).
    fn outputs_first(values: &[f32], outputs: usize) -> Vec<f32> {
        (0..outputs).flat_map(|output| values.iter().skip(output).step_by(outputs.max(1)).copied()).collect()
    }

    /// PyTorch's names of a layer and of the norm behind it.
    pub(crate) fn torch_with_norm(layer: &str, norm: &str) -> LayerNames {
        LayerNames { norm: Some(NormNames::torch(norm)), ..LayerNames::torch(layer) }
    }
}

/// What a family calls the tensors of a norm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NormNames {
    /// Factors.
    pub scale: String,
    /// Summands.
    pub bias: String,
    /// Running mean and variance; none where they are folded already.
    pub statistics: Option<(String, String)>,
}

impl NormNames {
    /// PyTorch's names under a prefix.
    pub(crate) fn torch(prefix: &str) -> NormNames {
        let name = |part: &str| format!("{prefix}.{part}");
        NormNames {
            scale: name("weight"),
            bias: name("bias"),
            statistics: Some((name("running_mean"), name("running_var"))),
        }
    }
}

/// The names of every layer of one checkpoint.
pub(crate) type Naming = Box<dyn Fn(Layer) -> LayerNames>;

/// For each output of a layer as the detector wants it, its place in the file.
pub(crate) type OutputOrder = fn(&Architecture, &Conventions, Layer) -> Option<Vec<usize>>;

/// A checkpoint that a family knows as its own.
pub(crate) struct Recognised {
    /// The names of its layers.
    pub naming: Naming,
    /// What no tensor shows of the architecture.
    pub hints: Hints,
    /// What the file itself says beside its tensors; what the user says goes before it.
    pub stated: ImportOptions,
    /// Everything around the network, before what is said.
    pub conventions: fn(&Architecture) -> Conventions,
    /// Where outputs stand in another order than the detector's.
    pub rows: Option<OutputOrder>,
    /// Whether a tensor of this name is no parameter, so that nobody need hear of it.
    pub idle: fn(&str) -> bool,
    /// Whether a tensor of this name decides boxes: it must not be left over.
    pub needed: fn(&str) -> bool,
    /// The part that a tensor of this name belongs to, if it is one that the network does without.
    pub left_out: fn(&str) -> Option<LeftOutTensors>,
    /// What a person should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Whether a YAML beside a checkpoint goes with it: detectron2's, Detectron's, maskrcnn-benchmark's or PaddleDetection's, which
/// would mislead beside another family's.
pub(crate) fn goes_with_yaml(checkpoint: &Checkpoint) -> bool {
    let with_yaml =
        [&detectron2::FAMILY, &detectron::FAMILY, &maskrcnn_benchmark::FAMILY, &paddledet::FAMILY];
    with_yaml.iter().any(|family| matches!((family.recognise)(checkpoint), Ok(Some(_))))
}

/// A family, as plain data.
pub(crate) struct Family {
    /// What users and `model.json` call it.
    pub name: &'static str,
    /// Whether a checkpoint is of this family, and how it is to be read.
    pub recognise: fn(&Checkpoint) -> Result<Option<Recognised>, FamilyError>,
    /// What is added to variances.
    pub norm_eps: f64,
    /// The classes of checkpoints that are known by their number of classes, else nothing.
    pub classes: fn(usize) -> Option<Vec<Class>>,
}

/// All families, in the order in which they are tried.
pub(crate) const FAMILIES: [&Family; 6] = [
    &maskrcnn_benchmark::FAMILY,
    &torchvision::FAMILY,
    &detectron2::FAMILY,
    &detectron::FAMILY,
    &mmdet::FAMILY,
    &paddledet::FAMILY,
];
