//! Boxes, overlap and non-maximum suppression on plain numbers.
//!
//! Knows nothing of pictures, networks or files.

/// A box by its corners, in pixels of whatever picture its owner names; `x1 <= x2` and `y1 <= y2`
/// unless a decoder left it inside out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}
