//! Resizing as the frameworks do it, each its own arithmetic. Knows buffers and sizes, nothing of models.

mod normalised;
mod opencv;
mod opencv_cubic;
mod pillow;

pub use normalised::{Planes, normalised};
pub use opencv::opencv;
pub use opencv_cubic::{opencv_cubic, opencv_cubic_fixed};
pub use pillow::{pillow, pillow_bicubic};
