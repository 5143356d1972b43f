//! Why something is no mask.

use std::fmt::{self, Display, Formatter};

/// One variant a way to be no mask. The texts go behind the name of the thing, as in "result 7 has …".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskError {
    /// The text of the run lengths ends inside a number.
    Cut,
    /// Width or height is 0 where there is something in the mask.
    NoSize,
    /// There are more pixels than 32 bits can count, or more than are decoded.
    TooLarge {
        /// Height in pixels.
        height: u32,
        /// Width in pixels.
        width: u32,
    },
    /// A polygon's corner is no number, or so far away that pycocotools' 32 bits do not hold it.
    Far,
    /// The run lengths are those of another number of pixels than the size says.
    Contradicts {
        /// Pixels by the run lengths.
        runs: u64,
        /// Pixels by the size.
        size: u64,
    },
}

impl Display for MaskError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            MaskError::Cut => f.write_str("a mask whose run lengths are cut off"),
            MaskError::NoSize => f.write_str("a mask without width or height"),
            MaskError::TooLarge { height, width } => {
                write!(f, "a mask of {height} x {width} pixels, which are too many")
            }
            MaskError::Far => {
                f.write_str("a polygon with a corner that is no number or far outside any image")
            }
            MaskError::Contradicts { runs, size } => {
                write!(f, "a mask whose run lengths are of {runs} pixels and whose size is of {size}")
            }
        }
    }
}

impl std::error::Error for MaskError {}
