//! The architecture as data, its weights, and the graphs they make. Never sees a photo.
//!
//! A network is described by [`Architecture`], which is read from the shapes of a checkpoint's
//! tensors ([`Architecture::read`]) and lists the layers that it needs ([`Architecture::layers`]).
//! [`Weights`] hold those layers with their norms folded in; [`trunk()`] and [`head()`] write the graphs.

mod architecture;
mod backbone;
mod classifier;
mod cost;
mod describe;
mod head;
mod layer;
mod limits;
mod mask;
mod read;
mod top_k;
mod trunk;
mod weights;

pub use architecture::{
    Architecture, Backbone, BlockKind, BoxHead, Fpn, LayerShape, MaskHead, Rpn, Shortcut, Stage, Stem,
};
pub use classifier::{ClassifierNetwork, classifier};
pub use cost::CostRow;
pub use head::head;
pub use layer::{BlockConv, Layer};
pub use limits::LimitError;
pub(crate) use limits::{MOST_CELLS, MOST_HEADS};
pub use mask::mask;
pub use read::{ArchitectureError, Hints};
pub use top_k::top_k;
pub use trunk::trunk;
pub use weights::{LayerWeights, Norm, Weights};
