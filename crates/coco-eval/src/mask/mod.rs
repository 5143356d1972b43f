//! Masks as run lengths, in the arithmetic of pycocotools' `maskApi.c`.
//!
//! Knows nothing of data sets and evaluation. What a file says of a mask, its size above all, is never a reason to allocate:
//! only [`Rle::pixels`] makes pixels, and only of run lengths that agree with the size.

mod error;
mod facts;
#[cfg(feature = "serde")]
mod json;
mod outline;
mod packed;
mod polygon;
mod rle;
mod text;
mod walk;

pub use error::MaskError;
pub use rle::{MOST_PIXELS, Rle};

pub(crate) use facts::{MaskFacts, PixelRun, in_common, runs_of};
pub(crate) use packed::{pack, unpack};
pub(crate) use polygon::{CornerPlace, PolygonDrawing};
pub(crate) use walk::common;
