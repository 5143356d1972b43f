//! Several models as one detector: each looks at every photo, and what they show is merged.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::merge::merge;
use super::{Detector, DetectorError, Input, MergeRule, Prediction, Selection};
use crate::clock::{StageTimes, timed};
use crate::family::Class;

/// A model beside the first of a detector; runs keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherModel {
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// What its scores count, where those of the first model count 1.
    pub weight: f64,
}

/// A model beside the first, ready to detect.
pub(super) struct Partner {
    pub(super) detector: Detector,
    /// For each of its classes, the place among those of all models.
    classes: Vec<usize>,
    pub(super) weight: f64,
}

impl Detector {
    /// Has another model look at each photo as well; classes are united by name, in any case of its letters. Another
    /// model's class that is new keeps its id unless that is taken. The other model's scores count `weight`, where those of
    /// this one count 1. What was chosen for this detector holds for both.
    ///
    /// # Errors
    /// When the weight is not above 0.
    #[doc(hidden)]
    pub fn join(&mut self, mut other: Detector, weight: f64) -> Result<(), DetectorError> {
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(DetectorError::Weight(weight));
        }
        let classes = other.classes.iter().map(|class| unite(&mut self.classes, class)).collect();
        self.labels = self.classes.iter().map(|class| class.name.as_str().into()).collect();
        other.sessions = Arc::clone(&self.sessions);
        self.partners.push(Partner { detector: other, classes, weight });
        self.set_refine(self.refine);
        self.set_masks(self.masks);
        self.set_augment(self.augment.clone())
    }

    /// Whether detections have masks: at least those of one of the models.
    #[doc(hidden)]
    pub fn gives_masks(&self) -> bool {
        let own = self.masks && self.conventions.masks.is_some();
        own || self.partners.iter().any(|partner| partner.detector.gives_masks())
    }

    /// The models beside the first.
    #[doc(hidden)]
    pub fn others(&self) -> Vec<OtherModel> {
        let other = |partner: &Partner| OtherModel {
            model: partner.detector.origin.model.clone(),
            model_sha256: partner.detector.origin.model_sha256.clone(),
            weight: partner.weight,
        };
        self.partners.iter().map(other).collect()
    }

    /// Products of a weight and a value that an input takes, with as many proposals and refined boxes as there may be.
    #[doc(hidden)]
    pub fn multiply_adds(&self, input: &Input) -> f64 {
        let again = if self.refine { self.of_view.most } else { 0 };
        let proposals = self.conventions.proposals.post_nms_top_n + again;
        let masks = self.of_view.most;
        let rows = input.sizes().flat_map(|padded| self.architecture.rows(padded, proposals, masks));
        let own: f64 = rows.map(|row| row.multiply_adds as f64).sum();
        let partners = self.partners.iter().zip(&input.partners);
        own + partners.map(|(partner, input)| partner.detector.multiply_adds(input)).sum::<f64>()
    }

    /// What the first model shows and what its partners do, of each photo.
    pub(super) fn merge_partners(
        &self,
        own: Vec<Vec<Prediction>>,
        partners: Vec<Vec<Input>>,
        times: &mut StageTimes,
    ) -> Result<Vec<Vec<Prediction>>, DetectorError> {
        if self.partners.is_empty() {
            return Ok(own);
        }
        let mut lists: Vec<Vec<Vec<Prediction>>> = own.into_iter().map(|found| vec![found]).collect();
        for (place, partner) in self.partners.iter().enumerate() {
            let inputs = partners.iter().filter_map(|of_photo| of_photo.get(place).cloned()).collect();
            let (found, spent) = partner.detector.infer_all(inputs)?;
            *times += spent;
            for (lists, found) in lists.iter_mut().zip(found) {
                let united = |one: Prediction| Prediction { class: partner.classes[one.class], ..one };
                lists.push(found.into_iter().map(united).collect());
            }
        }
        let weights = self.weights();
        Ok(timed(&mut times.postprocess, || {
            let merged = |lists: Vec<_>| merge(&lists, &weights, self.augment.merge, &self.selection);
            lists.into_iter().map(merged).collect()
        }))
    }

    /// Of the first model and its partners.
    pub(super) fn weights(&self) -> Vec<f64> {
        std::iter::once(1.0).chain(self.partners.iter().map(|partner| partner.weight)).collect()
    }

    /// The least score that a model's detections of this score have when all models' are merged and no other shows them.
    pub(super) fn alone(&self, score: f32, weight: f64) -> f32 {
        let weights = self.weights();
        let whole = match self.augment.merge {
            MergeRule::Wbf => weights.iter().sum(),
            _ => weights.into_iter().fold(0.0, f64::max),
        };
        (f64::from(score) * weight / whole) as f32
    }

    /// Hands on to the partners what was chosen; of detections they show what they would show alone, or more.
    pub(super) fn select_partners(&mut self) {
        let of_classes = self.postprocess.class_scores.values().copied();
        let chosen = self.score.into_iter().chain(of_classes).reduce(f32::min);
        let Selection { most, .. } = self.selection;
        for Partner { detector, .. } in &mut self.partners {
            detector.score = chosen.filter(|&least| least < detector.usual_threshold());
            let own = &detector.conventions.detections;
            detector.postprocess = super::Postprocess {
                nms: self.postprocess.nms,
                soft_nms: self.postprocess.soft_nms,
                max_detections: (most > own.per_image).then_some(most),
                ..super::Postprocess::default()
            };
            detector.select();
        }
    }
}

/// The classes of several models, in the order of [`Detector::classes`] where these are joined.
#[doc(hidden)]
pub fn united<'a>(models: impl Iterator<Item = &'a [Class]>) -> Vec<Class> {
    let mut all = Vec::new();
    for class in models.flatten() {
        unite(&mut all, class);
    }
    all
}

/// The place of a class among those of all models; it is added where none has its name.
fn unite(classes: &mut Vec<Class>, class: &Class) -> usize {
    if let Some(place) = classes.iter().position(|known| known.is_called(&class.name)) {
        return place;
    }
    let taken = classes.iter().any(|known| known.id == class.id);
    let next = || classes.iter().map(|known| known.id).max().map_or(1, |last| last.saturating_add(1));
    let id = if taken { next() } else { class.id };
    classes.push(Class { id, name: class.name.clone() });
    classes.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_united_by_name_and_ids_stay_different() {
        let class = |id: u64, name: &str| Class { id, name: name.into() };
        let mut all = vec![class(1, "bolt"), class(2, "nut")];
        assert_eq!(unite(&mut all, &class(1, "Nut")), 1);
        assert_eq!(unite(&mut all, &class(2, "screw")), 2);
        assert_eq!(unite(&mut all, &class(9, "wrench")), 3);
        assert_eq!(unite(&mut all, &class(7, "BOLT")), 0);
        let ids: Vec<u64> = all.iter().map(|class| class.id).collect();
        assert_eq!(ids, [1, 2, 3, 9]);
    }
}
