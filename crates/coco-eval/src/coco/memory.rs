//! Data sets and results that were never a file: rows that a caller has in memory. Their ids are plain integers; whoever has
//! others, or values that are no numbers, writes JSON and has it read.

use std::path::Path;

use super::annotation::{Annotation, Traits};
use super::dataset::{Category, DataSet, Image};
use super::id::Id;
use super::results::{Detections, Lookup, NOWHERE, Noticed, ResultDetection, ResultsForm};
use super::rows::{Grouped, Rows};

/// One result as a caller has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResultRow {
    /// Image that it is on.
    pub image: Id,
    /// Category that it is of.
    pub category: Id,
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// Score; NaN is allowed.
    pub score: f64,
    /// Its area, where that is not the width times the height.
    pub area: Option<f64>,
}

impl Image {
    /// An image of which no more is known.
    pub fn new(id: Id) -> Image {
        Image { id, file_name: None, width: None, height: None, verified: None, fields: Box::default() }
    }
}

impl Category {
    /// A category by its id, and its name if it has one.
    pub fn new(id: Id, name: Option<&str>) -> Category {
        Category { id, name: name.map(Into::into), frequency: None }
    }
}

impl Annotation {
    /// A ground truth: its id, image and category, its box, its area if that is told, and whether it is a crowd if that is.
    pub fn new(
        id: Id,
        image: Id,
        category: Id,
        bbox: [f64; 4],
        area: Option<f64>,
        crowd: Option<bool>,
    ) -> Annotation {
        let mut traits = Traits::default();
        traits.set(Traits::NO_AREA, area.is_none());
        traits.set(Traits::NO_CROWD, crowd.is_none());
        traits.set(Traits::IGNORED, crowd == Some(true));
        traits.set(Traits::CROWD, crowd == Some(true));
        traits.set(Traits::ID_ZERO, id.integer() == Some(0));
        Annotation { id, image, category, bbox, area: area.unwrap_or(0.0), traits, shape: 0 }
    }
}

impl DataSet {
    /// A data set of rows; `name` stands for it in messages.
    pub fn of_rows(
        name: &Path,
        images: Vec<Image>,
        categories: Vec<Category>,
        annotations: impl IntoIterator<Item = Annotation>,
    ) -> DataSet {
        let mut rows = Rows::default();
        annotations.into_iter().for_each(|row| rows.extend(std::slice::from_ref(&row)));
        DataSet::of_tables(name, images, categories, rows)
    }
}

impl Detections {
    /// The results of rows that belong to a data set; `name` stands for them in messages. Those of categories and images
    /// that are not evaluated are left out, and images that are not known are noticed.
    pub fn of_rows(name: &Path, rows: impl IntoIterator<Item = ResultRow>, lookup: &Lookup) -> Detections {
        let mut kept = Grouped::new(lookup.category_count + 1);
        let mut noticed = Noticed { form: ResultsForm::List, ..Noticed::default() };
        let mut areas: Vec<f64> = Vec::new();
        for ResultRow { image, category, bbox, score, area } in rows {
            noticed.count += 1;
            let Some(place) = lookup.images.get(image) else {
                noticed.unknown_image(lookup.ids.show(image).to_string());
                continue;
            };
            let group = lookup.categories.get(category);
            if group.is_none() {
                noticed.foreign_category(category);
            }
            let image = lookup.ranks.get(place as usize).copied().unwrap_or(NOWHERE);
            let group = group.map_or(lookup.category_count, |group| group as usize);
            if image != NOWHERE && (group < lookup.category_count || lookup.keep_foreign) {
                let order = kept.len();
                if let (Some(area), true) = (area, areas.is_empty()) {
                    // From now on all are listed, and those before had none of their own.
                    let mut before = vec![0.0; order];
                    let rows = kept.chunks().iter().flatten();
                    rows.for_each(|row: &ResultDetection| {
                        before[row.order as usize] = row.bbox[2] * row.bbox[3]
                    });
                    areas = before;
                    areas.push(area);
                } else if !areas.is_empty() {
                    areas.push(area.unwrap_or(bbox[2] * bbox[3]));
                }
                let order = order as u32;
                kept.push(group, ResultDetection { bbox, score, image, order });
            }
        }
        let mut made = Detections::named(name);
        made.areas.extend(&areas);
        (made.rows, made.noticed) = (kept, noticed);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evaluator, Params};

    fn id(value: i64) -> Id {
        Id::new(value).unwrap()
    }

    #[test]
    fn rows_are_judged_as_a_file_of_the_same_content_is() {
        let folder = tempfile::tempdir().unwrap();
        let (gt, dt) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
        std::fs::write(
            &gt,
            r#"{"images": [{"id": 1}, {"id": 2}], "categories": [{"id": 3, "name": "cat"}, {"id": 5}], "annotations": [
                {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0},
                {"id": 2, "image_id": 2, "category_id": 3, "bbox": [5, 5, 40, 40], "area": 1600, "iscrowd": 0},
                {"id": 3, "image_id": 2, "category_id": 5, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 1}]}"#,
        )
        .unwrap();
        std::fs::write(
            &dt,
            r#"[{"image_id": 1, "category_id": 3, "bbox": [0, 0, 10, 9], "score": 0.5},
                {"image_id": 2, "category_id": 3, "bbox": [0, 0, 30, 30], "score": 0.75},
                {"image_id": 2, "category_id": 5, "bbox": [0, 0, 30, 30], "score": 0.25},
                {"image_id": 2, "category_id": 9, "bbox": [0, 0, 30, 30], "score": 0.25}]"#,
        )
        .unwrap();
        let file = Evaluator::new(&gt, &dt).unwrap().evaluate().unwrap();
        let truth = |place, image, category, side: f64, crowd| {
            let bbox = if place == 2 { [5.0, 5.0, 40.0, 40.0] } else { [0.0, 0.0, side, side] };
            let area = bbox[2] * bbox[3];
            Annotation::new(id(place), id(image), id(category), bbox, Some(area), Some(crowd))
        };
        let truths = [truth(1, 1, 3, 10.0, false), truth(2, 2, 3, 0.0, false), truth(3, 2, 5, 50.0, true)];
        let categories = vec![Category::new(id(3), Some("cat")), Category::new(id(5), None)];
        let images = vec![Image::new(id(1)), Image::new(id(2))];
        let set = DataSet::of_rows(Path::new("the annotations"), images, categories, truths);
        let row = |image, category, height, side, score| ResultRow {
            image: id(image),
            category: id(category),
            bbox: [0.0, 0.0, side, height],
            score,
            area: None,
        };
        let rows = [
            row(1, 3, 9.0, 10.0, 0.5),
            row(2, 3, 30.0, 30.0, 0.75),
            row(2, 5, 30.0, 30.0, 0.25),
            row(2, 9, 30.0, 30.0, 0.25),
        ];
        let read = |lookup: &Lookup| Ok(Detections::of_rows(Path::new("the results"), rows, lookup));
        let memory = Evaluator::of(set, &Params::default(), false, read).unwrap().evaluate().unwrap();
        assert_eq!(memory.stats, file.stats);
        assert_eq!(memory.arrays.precision(), file.arrays.precision());
        // One of two ground truths is found at IoU 0.5 to 0.9, behind a detection that finds none.
        assert!((file.stats[1] - 0.252_475_247_5).abs() < 1e-6, "{:?}", file.stats);
    }
}
