//! Annotations and detections as plain columns, grouped by category: all that evaluation looks at.
//!
//! Here pycocotools' way of choosing annotations lives, with its quirks, and the sane reading of each.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;

use super::error::EvaluateError;
use super::lvis::Selected;
use super::matching::falling;
use super::overlap::overlap;
use super::params::{Params, Protocol};
use super::quirk::Reading;
use super::scope::Scope;
use crate::coco::{
    Annotation, DataSet, Detections, Id, IouType, Overlaps, ReadError, ResultDetection, Traits,
};

/// A ground truth that is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EvaluatedTruth {
    pub(super) bbox: [f64; 4],
    pub(super) area: f64,
    /// Place of its image.
    pub(super) image: u32,
    /// Its place among the data set's annotations.
    pub(super) annotation: u32,
    /// Ignored in every area range.
    pub(super) ignored: bool,
    pub(super) crowd: bool,
    /// A match with it reads as none, as its id is 0.
    pub(super) unread: bool,
    /// The place by which results know how much they overlap its mask or key points.
    pub(super) shape: u32,
}

/// What evaluation works on.
pub(super) struct Problem<'a> {
    pub(super) detections: &'a Detections,
    /// Number of evaluated images.
    pub(super) images: usize,
    set: &'a DataSet,
    protocol: Protocol,
    reading: Reading,
    /// Image and annotation of each ground truth, by category and image.
    chosen: Vec<(u32, u32)>,
    chosen_ends: Vec<usize>,
    selected: Selected,
}

/// One category of a problem.
#[derive(Clone, Debug)]
pub(super) struct CategoryProblem<'a> {
    /// Ground truths by image.
    pub(super) truths: Vec<EvaluatedTruth>,
    /// Rows of its detections.
    pub(super) rows: Cow<'a, [u32]>,
    pub(super) not_exhaustive: &'a [u32],
    detections: &'a Detections,
    /// A detection's area is that of its mask, whatever box stands beside it.
    mask_areas: bool,
}

impl CategoryProblem<'_> {
    #[inline]
    pub(super) fn detection(&self, row: u32) -> &ResultDetection {
        self.detections.rows.at(row)
    }

    /// Overlaps of masks or key points; none where boxes are compared.
    pub(super) fn overlaps(&self) -> Option<&Overlaps> {
        self.detections.overlaps.as_deref()
    }

    /// The detection's own area.
    #[inline]
    pub(super) fn area(&self, row: u32) -> f64 {
        area_of(self.detections, self.detection(row), self.mask_areas)
    }
}

/// The area of one of the detections; with `mask_areas` that of its mask, whatever box stands beside it.
#[inline]
pub(super) fn area_of(detections: &Detections, detection: &ResultDetection, mask_areas: bool) -> f64 {
    if let Some(overlaps) = detections.overlaps.as_deref()
        && overlaps.of_masks()
        && (overlaps.own_areas || mask_areas)
    {
        return overlaps.area(detection.order);
    }
    if detections.areas.is_empty() {
        detection.bbox[2] * detection.bbox[3]
    } else {
        *detections.areas.at(detection.order)
    }
}

impl<'a> Problem<'a> {
    /// Chooses and groups what is evaluated.
    pub(super) fn new(
        set: &'a DataSet,
        detections: &'a Detections,
        scope: &Scope,
        params: &Params,
        reading: Reading,
    ) -> Result<Problem<'a>, EvaluateError> {
        let protocol = params.protocol;
        let chosen = match protocol {
            Protocol::Coco => choose(set, scope, params.iou_type, reading)?,
            Protocol::Lvis => super::lvis::choose(set, scope, params.iou_type, reading)?,
        };
        check_shapes(set, detections, &chosen, params)?;
        let selected = match protocol {
            Protocol::Coco if scope.together.is_none() && !reading.has(Reading::BOXES) => {
                Selected { all: true, ..Selected::default() }
            }
            Protocol::Coco => {
                let (rows, ends) = by_category(detections, scope, reading);
                Selected { rows, ends, ..Selected::default() }
            }
            Protocol::Lvis => super::lvis::select(set, detections, scope, &chosen, reading)?,
        };
        let (chosen, chosen_ends) = group(chosen, scope);
        let images = scope.images.len();
        Ok(Problem { detections, images, set, protocol, reading, chosen, chosen_ends, selected })
    }

    /// How many categories there are: one where all are one.
    pub(super) fn len(&self) -> usize {
        self.chosen_ends.len()
    }

    /// LVIS: detections of categories that nobody looked for in their image, and those beyond their image's limit.
    pub(super) fn left_out(&self) -> (u64, u64) {
        (self.selected.unverified, self.selected.over)
    }

    /// Rows of a category's detections, in order. Where all are taken they are listed only when asked for.
    fn rows_of(&self, k: usize) -> Cow<'_, [u32]> {
        if self.selected.all {
            return Cow::Owned(self.detections.rows.runs_of_group(k).flatten().collect());
        }
        Cow::Borrowed(&self.selected.rows[span(&self.selected.ends, k)])
    }

    /// How many detections a category has.
    pub(super) fn size_of(&self, k: usize) -> usize {
        if self.selected.all {
            return self.detections.rows.runs_of_group(k).map(|run| run.len()).sum();
        }
        span(&self.selected.ends, k).len()
    }

    /// How many ground truths a category has.
    pub(super) fn truths_of(&self, k: usize) -> usize {
        span(&self.chosen_ends, k).len()
    }

    /// A category by its place.
    pub(super) fn category(&self, k: usize) -> CategoryProblem<'_> {
        let chosen = &self.chosen[span(&self.chosen_ends, k)];
        CategoryProblem {
            truths: chosen.iter().filter_map(|&(image, place)| self.truth(image, place)).collect(),
            rows: self.rows_of(k),
            not_exhaustive: self.selected.not_exhaustive.get(k).map_or(&[], Vec::as_slice),
            detections: self.detections,
            mask_areas: self.reading.has(Reading::MASK_AREAS),
        }
    }

    /// Overlap of a detection, by its row, with a ground truth that may be of another category.
    pub(super) fn overlap(&self, row: u32, truth: &EvaluatedTruth) -> f64 {
        let detection = self.detections.rows.at(row);
        match self.detections.overlaps.as_deref() {
            Some(overlaps) => overlaps.of(detection.order, truth.shape, truth.crowd),
            None => overlap(&detection.bbox, &truth.bbox, truth.crowd),
        }
    }

    /// What evaluation sees of an annotation.
    fn truth(&self, image: u32, place: u32) -> Option<EvaluatedTruth> {
        let annotation = self.set.annotation(place)?;
        let (traits, bbox) = (annotation.traits, annotation.bbox);
        let own = bbox[2] * bbox[3];
        let mut area = if traits.has(Traits::NO_AREA) { own } else { annotation.area };
        if self.reading.has(Reading::AREAS) {
            // The range `all` ends at 1e10, which is meant to be no end.
            area = if area.is_nan() || area <= 0.0 { own } else { area }.min(1e10);
        }
        let unread = traits.has(Traits::ID_ZERO) && !self.reading.has(Reading::ID_ZERO);
        let (ignored, crowd) = match self.protocol {
            Protocol::Coco => {
                let ignored = traits.has(Traits::IGNORED);
                (
                    ignored || traits.has(Traits::NO_POINTS),
                    traits.has(Traits::CROWD) || (ignored && self.reading.has(Reading::CROWDS)),
                )
            }
            Protocol::Lvis => (traits.has(Traits::IGNORE_KEY), false),
        };
        let shape = annotation.shape;
        Some(EvaluatedTruth { bbox, area, image, annotation: place, ignored, crowd, unread, shape })
    }
}

/// Places of the k-th of some groups that end where `ends` says.
fn span(ends: &[usize], k: usize) -> std::ops::Range<usize> {
    if k == 0 { 0..ends[k] } else { ends[k - 1]..ends[k] }
}

/// A chosen annotation: places of its category, its image and itself.
pub(super) type Chosen = (u32, u32, u32);

/// The annotations that pycocotools evaluates, in its order.
fn choose(
    set: &DataSet,
    scope: &Scope,
    kind: IouType,
    reading: Reading,
) -> Result<Vec<Chosen>, EvaluateError> {
    let mut chosen = Vec::with_capacity(set.annotation_count());
    let last = if reading.has(Reading::DUPLICATE_IDS) { None } else { last_by_id(set) };
    let all: Vec<&Annotation> = if last.is_some() { set.annotations().collect() } else { Vec::new() };
    let mut listed: Vec<(u32, usize, &Annotation)> = Vec::new();
    for (place, listing) in set.annotations().enumerate() {
        if listing.traits.has(Traits::NO_CATEGORY) {
            return Err(EvaluateError::annotation(set, place, "has no `category_id`"));
        }
        let Some(image) = scope.image_index.get(listing.image) else { continue };
        if scope.together.is_none() && scope.category_index.get(listing.category).is_none() {
            continue;
        }
        match &last {
            None => {
                if let Some(found) = check(set, scope, place, listing, (kind, reading))? {
                    chosen.push(found);
                }
            }
            // The content of the last annotation with this id stands where this one was listed.
            Some(last) => {
                let content = last.get(&listing.id).copied().unwrap_or(place);
                listed.push((image, content, all[content]));
            }
        }
    }
    listed.sort_by_key(|&(image, ..)| image);
    for (_, place, annotation) in listed {
        if let Some(found) = check(set, scope, place, annotation, (kind, reading))? {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

/// The last annotation of each id, if ids repeat.
fn last_by_id(set: &DataSet) -> Option<HashMap<Id, usize>> {
    if super::quirk::repeated_ids(set) == 0 {
        return None;
    }
    Some(set.annotations().enumerate().map(|(place, annotation)| (annotation.id, place)).collect())
}

/// Checks an annotation that is evaluated; `None` if its image or category is not.
fn check(
    set: &DataSet,
    scope: &Scope,
    place: usize,
    annotation: &Annotation,
    (kind, reading): (IouType, Reading),
) -> Result<Option<Chosen>, EvaluateError> {
    let category = scope.category_index.get(annotation.category);
    let (Some(image), Some(category)) = (scope.image_index.get(annotation.image), category) else {
        return Ok(None);
    };
    let traits = annotation.traits;
    let ignored = traits.has(Traits::IGNORED);
    let wrong = |what: &str| Err(EvaluateError::annotation(set, place, what));
    let boxes = kind == IouType::Bbox;
    if boxes && traits.has(Traits::NO_BOX) {
        return wrong("has no `bbox`");
    }
    if kind == IouType::Keypoints && traits.has(Traits::NO_POINT_COUNT) {
        return wrong(
            "has no `num_keypoints`, which says whether it is to be found: write how many of its key points are visible",
        );
    }
    if boxes && traits.has(Traits::BOX_KIND) {
        return wrong("has a `bbox` that is not four numbers: [x, y, width, height] expected");
    }
    if traits.has(Traits::CROWD_RANGE) || traits.has(Traits::CROWD_KIND) {
        return wrong("has an `iscrowd` that is neither 0 nor 1");
    }
    if traits.has(Traits::AREA_KIND) && !ignored {
        return wrong("has an `area` that is no number");
    }
    if boxes && reading.has(Reading::BOXES) && !annotation.bbox.iter().all(|value| value.is_finite()) {
        return Ok(None);
    }
    Ok(Some((category, image, place as u32)))
}

/// Refuses what is evaluated and has no mask or key points, or only such as cannot be compared with the results beside it.
fn check_shapes(
    set: &DataSet,
    detections: &Detections,
    chosen: &[Chosen],
    params: &Params,
) -> Result<(), EvaluateError> {
    let troubles = set.shape_troubles();
    let uncompared = detections.overlaps.as_deref().map_or(&[][..], |overlaps| &overlaps.uncompared);
    if troubles.all.is_empty() && uncompared.is_empty() {
        return Ok(());
    }
    let most = params.max_dets.iter().copied().max().unwrap_or(0);
    for &(category, image, place) in chosen {
        let shape = set.annotation(place).map_or(place, |annotation| annotation.shape);
        let trouble = troubles.all.get(&shape);
        if trouble.is_none() && uncompared.is_empty() {
            continue;
        }
        let beside = compared(detections, category, image, most);
        if let Some(what) = trouble
            && !(troubles.if_compared && beside.is_empty())
        {
            return Err(EvaluateError::annotation(set, place as usize, &format!("has {what}")));
        }
        if let Some(one) = uncompared.iter().find(|one| beside.contains(&one.result)) {
            let (path, what) = (detections.path().to_owned(), one.what.clone());
            return Err(ReadError::Record { path, record: "result", number: one.number, what }.into());
        }
    }
    Ok(())
}

/// The results of a category on an image that are compared with its annotations: the first by score, as many as the greatest
/// limit lets through.
fn compared(detections: &Detections, category: u32, image: u32, most: usize) -> Vec<u32> {
    let on_it = detections.rows.of_group(category as usize).filter(|(_, row)| row.image == image);
    let mut all: Vec<(u64, u32)> = on_it.map(|(_, row)| (falling(row.score), row.order)).collect();
    all.sort_unstable();
    all.truncate(most);
    all.into_iter().map(|(_, order)| order).collect()
}

/// Groups ground truths by category and image; inside, their order stays.
fn group(chosen: Vec<Chosen>, scope: &Scope) -> (Vec<(u32, u32)>, Vec<usize>) {
    let mut by_category = vec![Vec::new(); scope.categories.len()];
    for (category, image, place) in chosen {
        by_category[category as usize].push((image, place));
    }
    if let Some(order) = &scope.together {
        let mut all: Vec<(u32, u32)> =
            order.iter().flat_map(|&place| by_category[place as usize].iter().copied()).collect();
        all.sort_by_key(|&(image, _)| image);
        let end = all.len();
        return (all, vec![end]);
    }
    by_category.par_iter_mut().for_each(|own: &mut Vec<(u32, u32)>| own.sort_by_key(|&(image, _)| image));
    let mut ends: Vec<usize> = by_category.iter().map(Vec::len).collect();
    accumulate(&mut ends);
    (by_category.concat(), ends)
}

/// Rows of detections by category, in the file's order.
fn by_category(detections: &Detections, scope: &Scope, reading: Reading) -> (Vec<u32>, Vec<usize>) {
    let sane = |detection: &ResultDetection| {
        detection.bbox.iter().chain([&detection.score]).all(|value| value.is_finite())
    };
    let all: Vec<u32> = (0..scope.categories.len() as u32).collect();
    let order = scope.together.as_ref().unwrap_or(&all);
    let mut rows = Vec::with_capacity(detections.rows.len());
    let mut ends = Vec::with_capacity(order.len());
    for &place in order {
        if reading.has(Reading::BOXES) {
            let own = detections.rows.of_group(place as usize);
            rows.extend(own.filter(|(_, row)| sane(row)).map(|(number, _)| number));
        } else {
            detections.rows.runs_of_group(place as usize).for_each(|run| rows.extend(run));
        }
        ends.push(rows.len());
    }
    if scope.together.is_some() {
        ends = vec![rows.len()];
    }
    (rows, ends)
}

pub(super) fn accumulate(counts: &mut [usize]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}
