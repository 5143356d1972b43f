//! A data set put together row by row, for forms that name photos and categories where they use them.

use std::collections::HashMap;

use super::outline::area;
use super::{LabelCategory, LabelCounts, LabelFailure, LabelSource, LabelledObject, LabelledPhoto, Whose};

/// What has been read so far.
#[derive(Default)]
pub(super) struct SourceBuilder {
    pub(super) source: LabelSource,
    photos: HashMap<String, usize>,
    categories: HashMap<String, usize>,
}

impl SourceBuilder {
    /// The place of a photo by its name; a new one has the size that is told, and an old one gets it if it had none.
    pub(super) fn photo(&mut self, file: &str, size: Option<(u32, u32)>) -> usize {
        let photos = &mut self.source.annotations.photos;
        if let Some(&place) = self.photos.get(file) {
            photos[place].size = photos[place].size.or(size);
            return place;
        }
        let place = photos.len();
        self.photos.insert(file.to_owned(), place);
        photos.push(LabelledPhoto {
            id: place as i64 + 1,
            file: file.to_owned(),
            size,
            ..LabelledPhoto::default()
        });
        place
    }

    /// The place of a category by its name.
    pub(super) fn category(&mut self, name: &str) -> usize {
        if let Some(&place) = self.categories.get(name) {
            return place;
        }
        let place = self.categories.len();
        self.categories.insert(name.to_owned(), place);
        let category =
            LabelCategory { id: place as i64 + 1, name: name.to_owned(), ..LabelCategory::default() };
        self.source.annotations.categories.push(category);
        place
    }

    /// Adds an object of a category to a photo.
    pub(super) fn object(&mut self, photo: usize, name: &str, object: LabelledObject) {
        let category = self.category(name);
        self.source.annotations.photos[photo].objects.push(LabelledObject { category, ..object });
    }

    /// What objects say that has no place.
    pub(super) fn lose(&mut self, what: &str, count: usize) {
        self.source.lost.add(Whose::Object, what, count);
    }

    pub(super) fn fail(&mut self, file: impl Into<String>, detail: impl Into<String>) {
        self.source.failed.push(LabelFailure::new(file, detail));
    }
}

/// A shape as a reader finds it, before it is known whether it has a box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadShape {
    /// Its category.
    pub name: String,
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// Evaluation ignores it.
    pub crowd: bool,
    /// A detection's score.
    pub score: Option<f64>,
    /// Corners of a polygon, x and y in pixels; none where it is no polygon.
    pub outline: Vec<[f64; 2]>,
}

impl ReadShape {
    pub(super) fn object(&self) -> LabelledObject {
        let outline = &self.outline;
        LabelledObject {
            bbox: self.bbox,
            crowd: self.crowd,
            score: self.score,
            area: (!outline.is_empty()).then(|| area(outline)),
            outlines: if outline.is_empty() { Vec::new() } else { vec![outline.clone()] },
            ..LabelledObject::default()
        }
    }
}

/// What a file about one photo says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadPhoto {
    /// The photo's name.
    pub file: Option<String>,
    /// Its width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Objects with boxes.
    pub shapes: Vec<ReadShape>,
    /// What is wrong with others.
    pub bad: Vec<String>,
    /// What else is said, and shapes that have no box.
    pub lost: LabelCounts,
}

/// The box around points.
pub(super) fn around(points: impl IntoIterator<Item = [f64; 2]>) -> Option<[f64; 4]> {
    let mut span: Option<[f64; 4]> = None;
    for [x, y] in points {
        if !(x.is_finite() && y.is_finite()) {
            return None;
        }
        let [left, top, right, bottom] = span.unwrap_or([x, y, x, y]);
        span = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
    }
    span.map(|[left, top, right, bottom]| [left, top, right - left, bottom - top])
}

/// The box around a box that is turned clockwise by degrees about a point.
pub(super) fn turned([x, y, w, h]: [f64; 4], degrees: f64, [about_x, about_y]: [f64; 2]) -> Option<[f64; 4]> {
    if degrees == 0.0 {
        return Some([x, y, w, h]);
    }
    let (sin, cos) = degrees.to_radians().sin_cos();
    around([[x, y], [x + w, y], [x + w, y + h], [x, y + h]].map(|[x, y]| {
        let (dx, dy) = (x - about_x, y - about_y);
        [about_x + dx * cos - dy * sin, about_y + dx * sin + dy * cos]
    }))
}

/// A side in whole pixels.
pub(super) fn side(side: f64) -> Option<u32> {
    (side.fract() == 0.0 && (1.0..1e9).contains(&side)).then_some(side as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_boxes_are_enclosed() {
        let turned = turned([10.0, 10.0, 4.0, 2.0], 90.0, [10.0, 10.0]).unwrap();
        for (is, should) in turned.iter().zip([8.0, 10.0, 2.0, 4.0]) {
            assert!((is - should).abs() < 1e-9, "{turned:?}");
        }
        assert_eq!(around([[1.0, 5.0], [3.0, f64::NAN]]), None);
        assert_eq!(around([]), None);
    }
}
