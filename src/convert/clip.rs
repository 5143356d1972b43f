//! What of a box lies inside its photo.

use super::LabelledObject;

/// An object that is written, and what of its box lies inside the photo: left, top, right, bottom.
pub(super) struct ClippedObject<'a> {
    pub(super) object: &'a LabelledObject,
    pub(super) corners: [f64; 4],
}

/// Left, top, right and bottom of what of a box lies inside the photo.
pub(super) fn inside([x, y, width, height]: [f64; 4], size: (u32, u32)) -> Option<[f64; 4]> {
    let (wide, high) = (f64::from(size.0), f64::from(size.1));
    let [left, right] = [x, x + width].map(|x| x.clamp(0.0, wide));
    let [top, bottom] = [y, y + height].map(|y| y.clamp(0.0, high));
    (right > left && bottom > top).then_some([left, top, right, bottom])
}

/// Whether cutting took half a pixel or more.
pub(super) fn is_cut([x, y, width, height]: [f64; 4], corners: [f64; 4]) -> bool {
    [x, y, x + width, y + height].iter().zip(corners).any(|(was, is)| (was - is).abs() >= 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_cut_at_the_edges() {
        let size = (10, 20);
        assert_eq!(inside([-2.0, 5.0, 4.0, 100.0], size), Some([0.0, 5.0, 2.0, 20.0]));
        assert_eq!(inside([10.0, 0.0, 5.0, 5.0], size), None);
        assert_eq!(inside([1.0, 1.0, 0.0, 5.0], size), None);
        assert_eq!(inside([5.0, 5.0, -2.0, 5.0], size), None);
    }
}
