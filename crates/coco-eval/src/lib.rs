#![doc = include_str!("../README.md")]

mod coco;
mod evaluate;
pub mod source;
pub mod text;

pub use coco::*;
pub use evaluate::*;
