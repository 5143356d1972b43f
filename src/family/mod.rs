//! One file a family: tensor names and conventions into a network.
//!
//! A family says which checkpoints are its own, what it calls each layer's tensors, and its
//! [`Conventions`]. Everything else (reading the architecture, checking, folding norms) is common.

mod classes;
mod conventions;
mod load;
mod options;
mod torchvision;

pub use classes::{Class, coco_classes};
pub use conventions::{
    AnchorCell, AnchorStride, Anchors, Background, ChannelOrder, Clamp, Conventions, Detections, Filter,
    FinestLevel, InputRule, LevelRule, MinSide, NmsSpace, Proposals, RankBy, Roi, RoiScale, Scaling,
    SizeRule, ValueRange,
};
pub use load::{Error, Loaded, load};
pub use options::{ClassOption, ClassesOption, Options};

use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, Hints, Layer};

/// What a family calls the tensors of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// The weight.
    pub weight: String,
    /// The bias, where the layer has one.
    pub bias: String,
    /// The norm that follows, where there is one.
    pub norm: Option<NormNames>,
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
pub(crate) type Naming = Box<dyn Fn(Layer) -> Names>;

/// A family, as plain data.
pub(crate) struct Family {
    /// What users and `model.json` call it.
    pub name: &'static str,
    /// The names of a checkpoint's layers, if it is of this family.
    pub recognise: fn(&Checkpoint) -> Option<Naming>,
    /// What no tensor shows.
    pub hints: Hints,
    /// What is added to variances.
    pub norm_eps: f64,
    /// Everything around the network.
    pub conventions: fn(&Architecture) -> Conventions,
    /// The classes of checkpoints that are known by their number of classes, else nothing.
    pub classes: fn(usize) -> Option<Vec<Class>>,
}

/// All families, in the order in which they are tried.
pub(crate) const FAMILIES: [&Family; 1] = [&torchvision::FAMILY];
