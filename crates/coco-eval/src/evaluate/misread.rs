//! Files that mean something else than they say: ids that are one off, boxes in another form or of other pictures.
//!
//! Another reading is believed where a sample finds far more under it, and the whole evaluation agrees.

use std::sync::Arc;

use super::frame::Frame;
use super::quirk::Reading;
use super::sample::{Sample, Trial};
use super::{Evaluation, Evaluator};
use crate::coco::{Detections, Id, Index, IouType, ResultDetection};

/// A box in another form, with the size of its image, as `[x, y, width, height]`.
pub(super) type BoxForm = fn([f64; 4], (f64, f64)) -> [f64; 4];

/// What may be meant.
#[derive(Clone, Copy)]
enum Meaning {
    /// Ids of the results' categories.
    Categories(CategoryNumbering),
    /// Ids of the results' images, which are so much higher than the annotations'.
    Images(i64),
    /// The results' boxes.
    Boxes(&'static FormWords, BoxForm),
    /// The results' boxes belong to another picture.
    Frame(Frame),
    /// The annotations' boxes.
    Annotations(&'static FormWords, BoxForm),
}

/// How the results count categories.
#[derive(Clone, Copy, PartialEq)]
enum CategoryNumbering {
    /// So much higher than the annotations' ids.
    Shifted(i64),
    /// By their place in the annotations' list, from this number on.
    Placed(i64),
    /// By their place in the order of their names, from this number on.
    Sorted(i64),
}

impl CategoryNumbering {
    const ALL: [CategoryNumbering; 6] = [
        CategoryNumbering::Shifted(-1),
        CategoryNumbering::Shifted(1),
        CategoryNumbering::Placed(0),
        CategoryNumbering::Placed(1),
        CategoryNumbering::Sorted(0),
        CategoryNumbering::Sorted(1),
    ];
}

/// The words for a form of boxes.
struct FormWords {
    kind: &'static str,
    /// What they seem to be.
    what: &'static str,
    /// What to do.
    cure: &'static str,
}

const BOXES: [(FormWords, BoxForm); 4] = [
    (
        FormWords {
            kind: "box_centres",
            what: "the results' boxes seem to be [centre x, centre y, width, height]",
            cure: "write [x - width / 2, y - height / 2, width, height]",
        },
        centres,
    ),
    (
        FormWords {
            kind: "box_corners",
            what: "the results' boxes seem to be [x1, y1, x2, y2]",
            cure: "write [x1, y1, x2 - x1, y2 - y1]",
        },
        corners,
    ),
    (
        FormWords {
            kind: "box_rows_first",
            what: "the results' boxes seem to be [y, x, height, width]",
            cure: "write [x, y, width, height]",
        },
        |[y, x, height, width], _| [x, y, width, height],
    ),
    (
        FormWords {
            kind: "box_corners_rows_first",
            what: "the results' boxes seem to be [y1, x1, y2, x2]",
            cure: "write [x1, y1, x2 - x1, y2 - y1]",
        },
        |[top, left, bottom, right], _| [left, top, right - left, bottom - top],
    ),
];

const ANNOTATIONS: [(FormWords, BoxForm); 3] = [
    (
        FormWords {
            kind: "annotation_corners",
            what: "the annotations' boxes seem to be [x1, y1, x2, y2]",
            cure: "write [x1, y1, x2 - x1, y2 - y1] as `bbox`, and areas anew",
        },
        corners,
    ),
    (
        FormWords {
            kind: "annotation_centres",
            what: "the annotations' boxes seem to be [centre x, centre y, width, height]",
            cure: "write [x - width / 2, y - height / 2, width, height] as `bbox`",
        },
        centres,
    ),
    (
        FormWords {
            kind: "annotation_shares",
            what: "the annotations' boxes seem to be shares of their images",
            cure: "multiply them by the images' width and height",
        },
        |[x, y, width, height], (wide, high)| [x * wide, y * high, width * wide, height * high],
    ),
];

pub(super) fn centres([x, y, width, height]: [f64; 4], _: (f64, f64)) -> [f64; 4] {
    [x - width / 2.0, y - height / 2.0, width, height]
}

pub(super) fn corners([left, top, right, bottom]: [f64; 4], _: (f64, f64)) -> [f64; 4] {
    [left, top, right - left, bottom - top]
}

/// A reading under which far more is found.
pub(super) struct Misread {
    pub(super) kind: &'static str,
    /// What the files seem to mean.
    pub(super) what: String,
    /// What to do.
    pub(super) cure: String,
    /// The evaluation under that reading.
    pub(super) evaluation: Evaluation,
}

/// An AP from which on nothing is amiss.
const GOOD: f64 = 0.4;

impl Evaluator {
    /// The reading under which far more is found, if there is one. `boxes` says whether boxes may be meant otherwise.
    pub(super) fn misread(&self, evaluation: &Evaluation, reading: Reading, boxes: bool) -> Option<Misread> {
        let ap = *evaluation.stats.first()?;
        if !(0.0..GOOD).contains(&ap) || self.detections.noticed.count == 0 {
            return None;
        }
        let sample = Sample::of(self)?;
        let plain = sample.recall(&Trial::PLAIN);
        let mut best: Option<(f64, Meaning)> = None;
        for meaning in self.meanings(&sample, boxes) {
            let recall = self.try_on(&sample, meaning);
            if recall >= 2.0 * plain + 0.1 && best.is_none_or(|(most, _)| recall > most + 0.02) {
                best = Some((recall, meaning));
            }
        }
        let meaning = match best {
            Some((_, meaning)) => meaning,
            None => Meaning::Categories(self.likely_count()?),
        };
        let other = self.evaluate_meant(meaning, reading)?;
        let gained = *other.stats.first()?;
        (gained > 1.5 * ap + 0.02).then(|| self.described_as(meaning, other))
    }

    fn meanings(&self, sample: &Sample, boxes: bool) -> Vec<Meaning> {
        let mut all = Vec::new();
        // By name, ids do not matter.
        if self.lookup.names.is_none() {
            all.extend(CategoryNumbering::ALL.map(Meaning::Categories));
            all.extend([-1, 1].map(Meaning::Images));
        }
        if boxes && self.params.iou_type == IouType::Bbox {
            all.extend(BOXES.iter().map(|(advice, form)| Meaning::Boxes(advice, *form)));
            all.extend(Frame::guesses(sample).into_iter().map(Meaning::Frame));
        }
        // Masks and key points stay what they are, however boxes are read.
        if self.params.iou_type != IouType::Bbox {
            return all;
        }
        all.extend(ANNOTATIONS.iter().map(|(advice, form)| Meaning::Annotations(advice, *form)));
        all
    }

    fn try_on(&self, sample: &Sample, meaning: Meaning) -> f64 {
        match meaning {
            Meaning::Categories(count) => {
                let ids = self.counted(count);
                let from = |place: u32| self.scope.category((*ids.get(place as usize)?)?);
                sample.recall(&Trial { category: &from, ..Trial::PLAIN })
            }
            Meaning::Images(by) => {
                let from = |place: u32| self.image_beside(place, by);
                sample.recall(&Trial { image: &from, ..Trial::PLAIN })
            }
            Meaning::Boxes(_, form) => sample.recall(&Trial { guess: &form, ..Trial::PLAIN }),
            Meaning::Frame(frame) => {
                let form = |bbox, size| frame.undo(bbox, size);
                sample.recall(&Trial { guess: &form, ..Trial::PLAIN })
            }
            Meaning::Annotations(_, form) => sample.recall(&Trial { truth: &form, ..Trial::PLAIN }),
        }
    }

    /// The evaluated image whose id is so much higher.
    pub(super) fn image_beside(&self, place: u32, by: i64) -> Option<u32> {
        let id = self.scope.images.get(place as usize)?.integer()?;
        self.scope.image(Id::new(id.checked_add(by)?)?)
    }

    /// The id that the results give each category, by its place, if they count in some way.
    fn counted(&self, count: CategoryNumbering) -> Vec<Option<Id>> {
        let categories = &self.scope.categories;
        match count {
            CategoryNumbering::Shifted(by) => {
                let shifted = |id: &Id| Id::new(id.integer()?.checked_add(by)?);
                categories.iter().map(shifted).collect()
            }
            CategoryNumbering::Placed(first) => {
                (first..).zip(categories).map(|(id, _)| Id::new(id)).collect()
            }
            CategoryNumbering::Sorted(first) => {
                let mut ids = vec![None; categories.len()];
                (first..).zip(self.alphabetical()).for_each(|(id, place)| ids[place] = Id::new(id));
                ids
            }
        }
    }

    /// The places of the categories in the order of their names.
    fn alphabetical(&self) -> Vec<usize> {
        let names: Vec<String> = self.scope.categories.iter().map(|&id| self.set.category_name(id)).collect();
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by(|&a, &b| names[a].cmp(&names[b]));
        places
    }

    /// How the results count categories, by their ids alone, where most of their rows are of unlisted ones.
    fn likely_count(&self) -> Option<CategoryNumbering> {
        if self.lookup.names.is_some() {
            return None;
        }
        let noticed = &self.detections.noticed;
        let kept = |k: usize| self.detections.rows.of_group(k).count() as u64;
        let own = (0u32..).zip(&self.scope.categories).map(|(k, &id)| (id, kept(k as usize)));
        let rows: Vec<(Id, u64)> =
            own.chain(noticed.foreign_categories.iter().map(|(&id, &count)| (id, count))).collect();
        let all: u64 = rows.iter().map(|(_, count)| count).sum();
        let foreign: u64 = noticed.foreign_categories.values().sum();
        if 2 * foreign < all {
            return None;
        }
        let fits = |count: &CategoryNumbering| {
            let ids: Vec<Id> = self.counted(*count).into_iter().flatten().collect();
            let index = Index::new(&ids);
            let own: u64 =
                rows.iter().filter(|(id, _)| index.get(*id).is_some()).map(|(_, count)| count).sum();
            10 * own >= 9 * all
        };
        // Their order does not show in the ids.
        CategoryNumbering::ALL
            .into_iter()
            .filter(|count| !matches!(count, CategoryNumbering::Sorted(_)))
            .find(fits)
    }

    /// The evaluation as if the files meant that.
    fn evaluate_meant(&self, meaning: Meaning, reading: Reading) -> Option<Evaluation> {
        let with_boxes = |form: &dyn Fn([f64; 4], (f64, f64)) -> [f64; 4]| {
            let sizes = self.sizes();
            let detections =
                self.detections.with_boxes(|row: &ResultDetection| form(row.bbox, sizes[row.image as usize]));
            self.evaluate_detections(&detections, reading, false).ok()
        };
        match meaning {
            Meaning::Categories(count) => {
                let ids: Vec<Id> = self.counted(count).into_iter().collect::<Option<_>>()?;
                let mut lookup = self.lookup.clone();
                lookup.categories = Index::new(&ids);
                let detections = Detections::open(self.detections.path(), &lookup).ok()?;
                self.evaluate_detections(&detections, reading, false).ok()
            }
            Meaning::Images(by) => {
                let mut listed: Vec<Id> = self.set.images().iter().map(|image| image.id).collect();
                listed.sort_unstable();
                listed.dedup();
                let shifted = |id: Id| Id::new(id.integer()?.checked_add(by)?);
                let ids: Vec<Id> = listed.into_iter().map(shifted).collect::<Option<_>>()?;
                let mut lookup = self.lookup.clone();
                lookup.images = Arc::new(Index::new(&ids));
                let detections = Detections::open(self.detections.path(), &lookup).ok()?;
                self.evaluate_detections(&detections, reading, false).ok()
            }
            Meaning::Boxes(_, form) => with_boxes(&form),
            Meaning::Frame(frame) => with_boxes(&|bbox, size| frame.undo(bbox, size)),
            Meaning::Annotations(_, form) => {
                let sizes = self.sizes();
                let size = |image: Id| {
                    self.scope.image(image).map_or((f64::NAN, f64::NAN), |place| sizes[place as usize])
                };
                let set = self.set.with_boxes(|annotation| form(annotation.bbox, size(annotation.image)));
                self.evaluate_set(&set, &self.scope, &self.detections, reading, false).ok()
            }
        }
    }

    fn described_as(&self, meaning: Meaning, evaluation: Evaluation) -> Misread {
        let by = |off: i64| match off {
            ..0 => ("low", "add 1 to"),
            _ => ("high", "take 1 from"),
        };
        let (kind, what, cure) = match meaning {
            Meaning::Categories(CategoryNumbering::Shifted(off)) => {
                let (way, cure) = by(off);
                let what = format!("the results' category ids seem to be one too {way}");
                ("category_ids_shifted", what, format!("{cure} each `category_id` of the results"))
            }
            Meaning::Categories(
                count @ (CategoryNumbering::Placed(first) | CategoryNumbering::Sorted(first)),
            ) => {
                let (order, what) = match count {
                    CategoryNumbering::Sorted(_) => (self.alphabetical(), "of their names"),
                    _ => ((0..self.scope.categories.len()).collect(), "of the annotations' list"),
                };
                let id = |k: usize| {
                    let id = order.get(k).and_then(|&place| self.scope.categories.get(place));
                    id.map_or(String::new(), |&id| self.set.ids.show(id).to_string())
                };
                let what =
                    format!("the results seem to number the categories from {first} in the order {what}");
                let cure = format!(
                    "write the annotations' ids, {} for {first}, {} for {}, …",
                    id(0),
                    id(1),
                    first + 1
                );
                ("category_ids_by_place", what, cure)
            }
            Meaning::Images(off) => {
                let (way, cure) = by(off);
                let what = format!("the results' image ids seem to be one too {way}");
                ("image_ids_shifted", what, format!("{cure} each `image_id` of the results"))
            }
            Meaning::Frame(frame) => {
                let what = format!("the results' boxes seem to be those {}", frame.words());
                ("box_scale", what, "scale them to the pixels of the annotated images".into())
            }
            Meaning::Boxes(advice, _) | Meaning::Annotations(advice, _) => {
                (advice.kind, advice.what.to_owned(), advice.cure.to_owned())
            }
        };
        Misread { kind, what, cure, evaluation }
    }
}
