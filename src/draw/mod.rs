//! Boxes and labels drawn on photos. Knows pictures and plain boxes, nothing of models.

use crate::geometry::BBox;
use crate::photo::Photo;

/// One box to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where, in the photo's pixels; may reach outside.
    pub bbox: BBox,
    /// Which class, for the colour: the same class has the same colour in every picture.
    pub class: usize,
    /// What to write, e.g. `bolt 0.97`.
    pub label: String,
}

/// Draws boxes and labels onto the photo, in order of the list (last on top).
pub fn annotate(photo: &mut Photo, marks: &[Mark]) {
    let _ = (photo, marks);
}
