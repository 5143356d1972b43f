//! Annotated objects beside detections in pictures: which detections are right, which are wrong, and what was missed.

use std::collections::HashMap;

use super::annotated::{Annotated, AnnotatedError};
use crate::geometry::BBox;
use coco_eval::{DataSet, ResultId, Traits};

/// A detection is right from this IoU with an object of its class up, as for COCO's AP50.
const RIGHT_FROM: f32 = 0.5;

/// The annotated objects of all images.
#[derive(Debug, Default)]
pub struct Truth(HashMap<ResultId, Vec<TruthBox>>);

/// One annotated object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TruthBox {
    pub(crate) category: ResultId,
    /// Name of its category.
    pub(crate) name: String,
    pub(crate) bbox: BBox,
    /// A group of objects, which evaluation ignores.
    pub(crate) crowd: bool,
}

/// What a detection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has an object of its own.
    Right,
    /// It has none.
    Wrong,
    /// It lies on a crowd of its class, which says nothing.
    OnCrowd,
}

impl Truth {
    /// Reads the objects of annotations whose tables were read before.
    ///
    /// # Errors
    /// When the file cannot be read, or its ids are no ids of results.
    pub fn of(annotated: &Annotated) -> Result<Truth, AnnotatedError> {
        let data = DataSet::open(annotated.path())?;
        let result_id = |id| serde_json::from_value::<ResultId>(data.id_json(id)).ok();
        let images: HashMap<_, _> =
            data.images().iter().filter_map(|image| Some((image.id, result_id(image.id)?))).collect();
        let categories: HashMap<_, _> =
            data.named_categories().filter_map(|(id, name)| Some((id, (result_id(id)?, name)))).collect();
        let mut objects: HashMap<ResultId, Vec<TruthBox>> = HashMap::new();
        for annotation in data.annotations() {
            let (Some(image), Some((category, name))) =
                (images.get(&annotation.image), categories.get(&annotation.category))
            else {
                continue;
            };
            let [x, y, width, height] = annotation.bbox.map(|side| side as f32);
            objects.entry(image.clone()).or_default().push(TruthBox {
                category: category.clone(),
                name: (*name).to_owned(),
                bbox: BBox::new(x, y, x + width, y + height),
                crowd: annotation.traits.has(Traits::CROWD) || annotation.traits.has(Traits::IGNORED),
            });
        }
        Ok(Truth(objects))
    }

    /// The objects of an image.
    pub(crate) fn objects(&self, image: &ResultId) -> &[TruthBox] {
        self.0.get(image).map_or(&[], Vec::as_slice)
    }
}

/// What each of the detections is, given as category and box by falling score, and the places of the objects that none of
/// them found: in this order each takes the object of its class that it covers best and that none has taken.
pub(crate) fn judge(found: &[(&ResultId, BBox)], objects: &[TruthBox]) -> (Vec<Verdict>, Vec<usize>) {
    let mut taken = vec![false; objects.len()];
    let verdicts = found.iter().map(|(category, bbox)| {
        let of_class = || objects.iter().enumerate().filter(|(_, object)| object.category == **category);
        let free = of_class().filter(|(place, object)| !object.crowd && !taken[*place]);
        let best = free.map(|(place, object)| (place, bbox.iou(&object.bbox)));
        let best = best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, iou)| *iou >= RIGHT_FROM);
        if let Some((place, _)) = best {
            taken[place] = true;
            return Verdict::Right;
        }
        let covered = |crowd: &TruthBox| bbox.intersection(&crowd.bbox) >= RIGHT_FROM * bbox.area();
        let on_crowd = of_class().any(|(_, object)| object.crowd && covered(object));
        if on_crowd { Verdict::OnCrowd } else { Verdict::Wrong }
    });
    let verdicts = verdicts.collect();
    let missed = (0..objects.len()).filter(|&place| !taken[place] && !objects[place].crowd);
    (verdicts, missed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_found_once_and_crowds_say_nothing() {
        let object = |category: u64, x: f32, crowd: bool| TruthBox {
            category: category.into(),
            name: String::new(),
            bbox: BBox::new(x, 0.0, x + 10.0, 10.0),
            crowd,
        };
        let objects =
            [object(1, 0.0, false), object(1, 100.0, false), object(2, 200.0, false), object(1, 300.0, true)];
        let (one, two) = (1.into(), 2.into());
        let at = |x: f32| BBox::new(x, 0.0, x + 10.0, 10.0);
        // IoU of boxes shifted by 3 of 10: 7 / 13; by 4: 6 / 14.
        let found =
            [(&one, at(3.0)), (&one, at(0.0)), (&two, at(100.0)), (&one, at(304.0)), (&one, at(104.0))];
        let (verdicts, missed) = judge(&found, &objects);
        use Verdict::{OnCrowd, Right, Wrong};
        assert_eq!(verdicts, [Right, Wrong, Wrong, OnCrowd, Wrong]);
        assert_eq!(missed, [1, 2]);
    }
}
