//! The architecture as data, its weights, and the graphs they make. Never sees a photo.
//!
//! A network is described by [`Architecture`], which is read from the shapes of a checkpoint's
//! tensors ([`Architecture::read`]) and lists the layers that it needs ([`Architecture::layers`]).
//! [`Weights`] hold those layers with their norms folded in; [`trunk()`] and [`head()`] write the graphs.

mod architecture;
mod backbone;
mod best;
mod classifier;
mod cost;
mod describe;
mod head;
mod layer;
mod limits;
mod read;
mod trunk;
mod weights;

pub use architecture::{
    Architecture, Backbone, Block, BoxHead, Fpn, LayerShape, MaskHead, Rpn, Shortcut, Stage, Stem,
};
pub use best::best;
pub use classifier::{Classifier, classifier};
pub use cost::Row;
pub use head::head;
pub use layer::{BlockConv, Layer};
pub(crate) use limits::MOST_CELLS;
pub use read::{Hints, ReadError};
pub use trunk::trunk;
pub use weights::{LayerWeights, Norm, Weights};
