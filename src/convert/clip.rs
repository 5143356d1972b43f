//! What of boxes lies inside their photos.

use super::{LabelledObject, LabelledPhoto};

/// An object that is written, and what of its box lies inside the photo: left, top, right, bottom.
pub(super) struct ClippedObject<'a> {
    pub(super) object: &'a LabelledObject,
    pub(super) corners: [f64; 4],
}

/// Cuts boxes at their photos' edges, and counts what a form has no place for.
pub(super) struct BoxClipper {
    /// Name of the form that is written, and whether it has a place for crowds.
    form: &'static str,
    with_crowds: bool,
    outside: usize,
    cut: usize,
    crowds: usize,
}

impl BoxClipper {
    pub(super) fn new(form: &'static str, with_crowds: bool) -> BoxClipper {
        BoxClipper { form, with_crowds, outside: 0, cut: 0, crowds: 0 }
    }

    pub(super) fn cut<'b>(&mut self, photo: &'b LabelledPhoto, size: (u32, u32)) -> Vec<ClippedObject<'b>> {
        let mut cuts = Vec::with_capacity(photo.objects.len());
        for object in &photo.objects {
            // Without a word for what evaluation ignores, it would be learnt as an object.
            if object.crowd && !self.with_crowds {
                self.crowds += 1;
                continue;
            }
            match inside(object.bbox, size) {
                Some(corners) => {
                    self.cut += usize::from(is_cut(object.bbox, corners));
                    cuts.push(ClippedObject { object, corners });
                }
                None => self.outside += 1,
            }
        }
        cuts
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.outside > 0 {
            warnings
                .push(format!("{} objects have no part inside their photos, and are left out", self.outside));
        }
        if self.cut > 0 {
            warnings.push(format!("{} boxes are cut at the edges of their photos", self.cut));
        }
        if self.crowds > 0 {
            warnings.push(format!(
                "{} crowds are left out: {} has no place for what evaluation ignores",
                self.crowds, self.form
            ));
        }
        warnings
    }
}

/// Left, top, right and bottom of what of a box lies inside the photo.
fn inside([x, y, width, height]: [f64; 4], size: (u32, u32)) -> Option<[f64; 4]> {
    let (wide, high) = (f64::from(size.0), f64::from(size.1));
    let [left, right] = [x, x + width].map(|x| x.clamp(0.0, wide));
    let [top, bottom] = [y, y + height].map(|y| y.clamp(0.0, high));
    (right > left && bottom > top).then_some([left, top, right, bottom])
}

/// Whether cutting took half a pixel or more.
fn is_cut([x, y, width, height]: [f64; 4], corners: [f64; 4]) -> bool {
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
