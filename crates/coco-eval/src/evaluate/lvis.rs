//! What LVIS does otherwise: which annotations and which detections there are.
//!
//! Categories are federated: in an image only some have been looked for, and only those count.

use std::collections::{HashMap, HashSet};

use super::error::EvaluateError;
use super::matching::falling;
use super::problem::{Chosen, area_of};
use super::quirk::Reading;
use super::scope::Scope;
use crate::coco::{
    Annotation, DataSet, Detections, Grouped, Id, Image, IouType, NOWHERE, ResultDetection, Traits,
};

/// The best detections of an image that are looked at, over all categories.
pub(super) const PER_IMAGE: usize = 300;

/// The order in which the summary has the groups.
pub(super) const FREQUENCIES: [&str; 3] = ["r", "c", "f"];

/// The annotations that lvis evaluates: those with an area above 0 and below infinity. Crowds are not known.
pub(super) fn choose(
    set: &DataSet,
    scope: &Scope,
    kind: IouType,
    reading: Reading,
) -> Result<Vec<Chosen>, EvaluateError> {
    let all: Vec<&Annotation> = set.annotations().collect();
    let last: HashMap<Id, usize> =
        all.iter().enumerate().map(|(place, annotation)| (annotation.id, place)).collect();
    let mut listed = Vec::new();
    for (place, annotation) in all.iter().enumerate() {
        if annotation.traits.has(Traits::NO_CATEGORY) {
            return Err(EvaluateError::annotation(set, place, "has no `category_id`"));
        }
        let Some(image) = scope.image(annotation.image) else { continue };
        if scope.category(annotation.category).is_none() {
            continue;
        }
        if annotation.traits.has(Traits::NO_AREA) || annotation.traits.has(Traits::AREA_KIND) {
            return Err(EvaluateError::annotation(set, place, "has no number as `area`"));
        }
        if annotation.area > 0.0 && annotation.area < f64::INFINITY {
            let content = last.get(&annotation.id).copied().filter(|_| !reading.has(Reading::DUPLICATE_IDS));
            listed.push((image, content.unwrap_or(place)));
        }
    }
    listed.sort_by_key(|&(image, _)| image);
    let mut chosen = Vec::new();
    for (_, place) in listed {
        let annotation = all[place];
        let (Some(image), Some(category)) =
            (scope.image(annotation.image), scope.category(annotation.category))
        else {
            continue;
        };
        if kind == IouType::Segm {
            chosen.push((category, image, place as u32));
            continue;
        }
        if annotation.traits.has(Traits::NO_BOX) || annotation.traits.has(Traits::BOX_KIND) {
            return Err(EvaluateError::annotation(set, place, "has no `bbox` of four numbers"));
        }
        chosen.push((category, image, place as u32));
    }
    Ok(chosen)
}

/// What is left of the detections.
#[derive(Default)]
pub(super) struct Selected {
    /// All of them: nothing is listed.
    pub(super) all: bool,
    /// Rows by category.
    pub(super) rows: Vec<u32>,
    /// Where each category's rows end.
    pub(super) ends: Vec<usize>,
    /// For each category the images in which wrong detections are ignored.
    pub(super) not_exhaustive: Vec<Vec<u32>>,
    /// Detections of categories that nobody looked for in their image.
    pub(super) unverified: u64,
    /// Detections beyond the limit of their image.
    pub(super) over: u64,
}

/// The detections that lvis evaluates.
pub(super) fn select(
    set: &DataSet,
    detections: &Detections,
    scope: &Scope,
    chosen: &[Chosen],
    reading: Reading,
) -> Result<Selected, EvaluateError> {
    let entries: HashMap<Id, &Image> = set.images().iter().map(|image| (image.id, image)).collect();
    let mut looked_for: HashSet<(u32, u32)> =
        chosen.iter().map(|&(category, image, _)| (image, category)).collect();
    let mut not_exhaustive = vec![Vec::new(); scope.categories.len()];
    for (place, id) in (0u32..).zip(&scope.images) {
        let Some(image) = entries.get(id) else { continue };
        let verified = image.verified.as_deref();
        let list = |list: Option<&Vec<Id>>, key: &str| {
            list.cloned().ok_or_else(|| {
                EvaluateError::set(
                    set,
                    format!("image {} has no `{key}`, which LVIS needs of every image", set.ids.show(*id)),
                )
            })
        };
        let negative = list(verified.and_then(|verified| verified.negative.as_ref()), "neg_category_ids")?;
        looked_for.extend(negative.iter().filter_map(|&id| Some((place, scope.category(id)?))));
        let partly = list(
            verified.and_then(|verified| verified.not_exhaustive.as_ref()),
            "not_exhaustive_category_ids",
        )?;
        for category in partly.into_iter().filter_map(|id| scope.category(id)) {
            not_exhaustive[category as usize].push(place);
        }
    }
    for images in &mut not_exhaustive {
        images.sort_unstable();
        images.dedup();
    }
    let best = best_of_images(&detections.rows, scope.images.len());
    let mut selected = Selected { not_exhaustive, ..Selected::default() };
    for k in 0..scope.categories.len() {
        for (row, detection) in detections.rows.of_group(k) {
            let area = area_of(detections, detection, reading.has(Reading::MASK_AREAS));
            let sound = area > 0.0 && area < f64::INFINITY;
            let over = best.get(&detection.image).is_some_and(|best| !best.contains(&row));
            let verified = looked_for.contains(&(detection.image, k as u32));
            selected.over += u64::from(over);
            selected.unverified += u64::from(!over && !verified);
            if sound && !over && verified {
                selected.rows.push(row);
            }
        }
        selected.ends.push(selected.rows.len());
    }
    Ok(selected)
}

/// Of images with too many detections those that are looked at; categories that are not evaluated take places, too.
fn best_of_images(rows: &Grouped<ResultDetection>, images: usize) -> HashMap<u32, HashSet<u32>> {
    let mut counts = vec![0usize; images];
    for detection in rows.chunks().iter().flatten() {
        counts[detection.image as usize] += 1;
    }
    let mut full: HashMap<u32, Vec<(u64, u32, u32)>> = HashMap::new();
    for (row, detection) in (0..rows.groups()).flat_map(|group| rows.of_group(group)) {
        if counts[detection.image as usize] > PER_IMAGE {
            let key = (falling(detection.score), detection.order, row);
            full.entry(detection.image).or_default().push(key);
        }
    }
    let best = |(image, mut own): (u32, Vec<(u64, u32, u32)>)| {
        own.sort_unstable();
        own.truncate(PER_IMAGE);
        (image, own.into_iter().map(|(_, _, row)| row).collect())
    };
    full.into_iter().map(best).collect()
}

/// For each evaluated category the place of its group in [`FREQUENCIES`].
pub(super) fn groups(set: &DataSet, scope: &Scope) -> Result<Vec<usize>, EvaluateError> {
    let mut groups = vec![usize::MAX; scope.categories.len()];
    for category in set.categories() {
        let Some(place) = scope.category(category.id).filter(|&place| place != NOWHERE) else { continue };
        let frequency = category.frequency.as_deref();
        let group = FREQUENCIES.iter().position(|&name| Some(name) == frequency);
        groups[place as usize] = group.ok_or_else(|| {
            let found = frequency.map_or("no `frequency`".into(), |text| format!("the `frequency` `{text}`"));
            EvaluateError::set(
                set,
                format!("category {} has {found}: `r`, `c` or `f` expected", set.ids.show(category.id)),
            )
        })?;
    }
    Ok(groups)
}
