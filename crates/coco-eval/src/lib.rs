#![doc = include_str!("../README.md")]

mod coco;
mod evaluate;
mod mask;
pub mod source;
pub mod text;

pub use coco::*;
pub use evaluate::*;
pub use mask::{MOST_PIXELS, MaskError, Rle};
