//! What several views of a photo, or several models, show as one list of detections.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Prediction, RoiMask, Selection};
use crate::geometry::{BBox, ScoredBox, fuse, vote};

/// IoU above which weighted boxes fusion takes boxes for one object: that of its reference implementation and paper.
const FUSED: f64 = 0.55;
/// IoU from which boxes vote on where a kept one is.
const VOTES: f32 = 0.65;

/// How lists of detections of one photo become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MergeRule {
    /// Weighted boxes fusion (Solovyev et al. 2021): boxes of a class that overlap by more than 0.55 become their mean,
    /// weighed by their scores; the score is the mean over all lists, 0 for a list that does not show the object.
    #[default]
    Wbf,
    /// NMS over all lists.
    Nms,
    /// NMS over all lists, and each box that stays becomes the mean of those of its class that overlap it by 0.65 or more,
    /// weighed by their scores (Gidaris and Komodakis 2015).
    Vote,
    /// Gaussian soft-NMS over all lists (Bodla et al. 2017).
    SoftNms,
}

impl MergeRule {
    const ALL: [(MergeRule, &str); 4] = [
        (MergeRule::Wbf, "wbf"),
        (MergeRule::Nms, "nms"),
        (MergeRule::Vote, "vote"),
        (MergeRule::SoftNms, "soft-nms"),
    ];
}

impl fmt::Display for MergeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = MergeRule::ALL.iter().find(|(rule, _)| rule == self).map(|(_, name)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// No rule of this name merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are wbf, nms, vote and soft-nms")]
pub struct UnknownMergeRule;

impl FromStr for MergeRule {
    type Err = UnknownMergeRule;

    fn from_str(text: &str) -> Result<MergeRule, UnknownMergeRule> {
        let found = MergeRule::ALL.iter().find(|(_, name)| *name == text).map(|(rule, _)| *rule);
        found.ok_or(UnknownMergeRule)
    }
}

/// One list of detections by falling score of several, each with its weight, chosen as the selection says. A detection has
/// the mean of the masks that the lists show for it.
pub fn merge(
    given: &[Vec<Prediction>],
    weights: &[f64],
    rule: MergeRule,
    selection: &Selection,
) -> Vec<Prediction> {
    let lists: Vec<Vec<ScoredBox>> = given.iter().map(|list| list.iter().map(scored).collect()).collect();
    let found: Vec<Prediction> = match rule {
        MergeRule::Wbf => {
            let fused = fuse(&lists, weights, FUSED).into_iter().map(prediction).collect();
            // Of one class each object is there once.
            if selection.class_agnostic {
                chosen(fused, &Selection { soft_nms: false, ..selection.clone() })
            } else {
                fused
            }
        }
        MergeRule::Nms => {
            chosen(together(&lists, weights), &Selection { soft_nms: false, ..selection.clone() })
        }
        MergeRule::SoftNms => {
            chosen(together(&lists, weights), &Selection { soft_nms: true, ..selection.clone() })
        }
        MergeRule::Vote => {
            let all = together(&lists, weights);
            let near = |overlap: f32| if overlap >= VOTES { 1.0 } else { 0.0 };
            let votes: Vec<ScoredBox> = all.iter().map(scored).collect();
            let kept = chosen(all, &Selection { soft_nms: false, ..selection.clone() });
            kept.into_iter()
                .map(|one| Prediction { bbox: vote(&scored(&one), &votes, near), ..one })
                .collect()
        }
    };
    let mut found = found;
    found.retain(|one| selection.allows(one.class, one.score));
    found.truncate(selection.most);
    if given.iter().flatten().any(|one| one.mask.is_some()) {
        for one in &mut found {
            one.mask = mean_mask(one, given, weights);
        }
    }
    found
}

/// The mean of the masks of those detections that are a merged one in their lists: in each list the one of its class that
/// overlaps it most, from the overlap up that makes boxes one object. Where there are not two of them, the mask of the one that it
/// overlaps most.
fn mean_mask(one: &Prediction, given: &[Vec<Prediction>], weights: &[f64]) -> Option<RoiMask> {
    let (list, place) = most_alike(one, given)?;
    let own = given[list][place].mask.as_ref()?;
    let mut alike = Vec::new();
    for (list, weight) in given.iter().zip(weights) {
        let found = most_alike(one, std::slice::from_ref(list)).map(|(_, place)| &list[place]);
        let found = found.filter(|found| f64::from(one.bbox.iou(&found.bbox)) > FUSED);
        alike.extend(found.and_then(|found| Some((*weight as f32, found.mask.as_ref()?))));
    }
    Some(if alike.len() < 2 { own.clone() } else { own.mean_of(one.bbox, &alike) })
}

/// Which list, and which place in it, has the detection of a merged one's class that overlaps it most; the first of equals.
pub(crate) fn most_alike(one: &Prediction, given: &[Vec<Prediction>]) -> Option<(usize, usize)> {
    let mut best = None;
    for (list, found) in given.iter().enumerate() {
        for (place, other) in found.iter().enumerate().filter(|(_, other)| other.class == one.class) {
            // Of two boxes without area the overlap is no number.
            let overlap = one.bbox.iou(&other.bbox).max(0.0);
            if best.is_none_or(|(most, _)| overlap > most) {
                best = Some((overlap, (list, place)));
            }
        }
    }
    best.map(|(_, place)| place)
}

/// The boxes of all lists; scores times the weight of their list, of which the largest counts 1.
fn together(lists: &[Vec<ScoredBox>], weights: &[f64]) -> Vec<Prediction> {
    let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let weighted = lists.iter().zip(weights).flat_map(|(list, &weight)| {
        let share = (weight / largest) as f32;
        list.iter().map(move |one| prediction(ScoredBox { score: one.score * share, ..*one }))
    });
    weighted.collect()
}

/// Those that stay, by falling score.
fn chosen(found: Vec<Prediction>, selection: &Selection) -> Vec<Prediction> {
    let boxes: Vec<BBox> = found.iter().map(|one| one.bbox).collect();
    let scores: Vec<f32> = found.iter().map(|one| one.score).collect();
    let classes: Vec<usize> = found.iter().map(|one| one.class).collect();
    let kept = selection.choose(&boxes, &scores, &classes);
    kept.into_iter().map(|(place, score)| Prediction { score, ..found[place].clone() }).collect()
}

fn scored(one: &Prediction) -> ScoredBox {
    ScoredBox { group: one.class, score: one.score, bbox: one.bbox }
}

fn prediction(one: ScoredBox) -> Prediction {
    Prediction { class: one.group, score: one.score, bbox: one.bbox, mask: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{MaskRule, MaskThreshold, PasteRule};

    fn one(class: usize, score: f32, x2: f32) -> Prediction {
        Prediction { class, score, bbox: BBox::new(0.0, 0.0, x2, 10.0), mask: None }
    }

    fn selection(score: f32, class_agnostic: bool) -> Selection {
        Selection { scores: vec![score; 2], nms: 0.5, class_agnostic, soft_nms: false, most: 100 }
    }

    /// Two views of one object, 10 and 12 wide, and another class that one of them sees there.
    fn lists() -> Vec<Vec<Prediction>> {
        vec![vec![one(0, 0.75, 10.0)], vec![one(0, 0.25, 12.0), one(1, 0.125, 10.0)]]
    }

    #[test]
    fn each_rule_by_hand() {
        let merged = |rule, score| merge(&lists(), &[1.0, 1.0], rule, &selection(score, false));
        // Fused: (0.75 + 0.25) / 2 at 0.75 * 10 + 0.25 * 12; what one of two lists shows has half its score.
        assert_eq!(merged(MergeRule::Wbf, 0.05), [one(0, 0.5, 10.5), one(1, 0.0625, 10.0)]);
        assert_eq!(
            merged(MergeRule::Wbf, 0.0625),
            [one(0, 0.5, 10.5)],
            "a score is to be above the threshold"
        );
        assert_eq!(merged(MergeRule::Nms, 0.05), [one(0, 0.75, 10.0), one(1, 0.125, 10.0)]);
        // Both vote: the overlap is 10 / 12.
        assert_eq!(merged(MergeRule::Vote, 0.05), [one(0, 0.75, 10.5), one(1, 0.125, 10.0)]);
        let soft = merged(MergeRule::SoftNms, 0.05);
        let fallen = 0.25 * (-2.0 * (10.0f32 / 12.0).powi(2)).exp();
        assert!((soft[2].score - fallen).abs() < 1e-6 && soft[2].bbox.x2 == 12.0, "{soft:?}");
    }

    #[test]
    fn classes_may_be_compared_and_weights_count() {
        for rule in [MergeRule::Wbf, MergeRule::Nms, MergeRule::Vote] {
            assert_eq!(merge(&lists(), &[1.0, 1.0], rule, &selection(0.01, true)).len(), 1, "{rule}");
        }
        // With weights of 1 and 3 both boxes of the object count alike: (0.75 + 3 * 0.25) / 2 boxes * 2 lists / 4.
        let weighted = merge(&lists(), &[1.0, 3.0], MergeRule::Wbf, &selection(0.01, false));
        assert_eq!(weighted[0], one(0, 0.375, 11.0));
        // The first list's 0.75 counts a fourth of that, less than the second's 0.25.
        let weighted = merge(&lists(), &[1.0, 4.0], MergeRule::Nms, &selection(0.01, false));
        assert_eq!(weighted, [one(0, 0.25, 12.0), one(1, 0.125, 10.0)]);
    }

    #[test]
    fn a_merged_detection_has_the_mean_of_the_masks_that_show_it() {
        let rule = MaskRule { paste: PasteRule::Sample, threshold: MaskThreshold::AtLeast(0.5) };
        let with = |one: Prediction, probabilities: [f32; 4]| Prediction {
            mask: Some(RoiMask::new(rule, one.bbox, 2, &probabilities)),
            ..one
        };
        // Another class, and another object of the class, have no part in it.
        let lists = vec![
            vec![with(one(0, 0.5, 10.0), [1.0, 0.0, 0.25, 0.75])],
            vec![
                with(one(0, 0.5, 10.0), [0.0, 0.5, 0.25, 0.25]),
                with(one(1, 0.25, 10.0), [1.0; 4]),
                with(one(0, 0.125, 2.0), [1.0; 4]),
            ],
        ];
        for rule in [MergeRule::Wbf, MergeRule::Nms, MergeRule::Vote] {
            let found = merge(&lists, &[1.0, 1.0], rule, &selection(0.01, false));
            let of_class = |class| found.iter().find(|one| one.class == class).unwrap().mask.clone();
            let mean = with(one(0, 0.5, 10.0), [0.5, 0.25, 0.25, 0.5]).mask;
            assert_eq!(of_class(0), mean, "{rule}");
            assert_eq!(of_class(1), lists[1][1].mask, "{rule}: one list alone shows it");
        }
        let weighted = merge(&lists, &[3.0, 1.0], MergeRule::Nms, &selection(0.01, false));
        let mean = with(one(0, 0.5, 10.0), [0.75, 0.125, 0.25, 0.625]).mask;
        assert_eq!(weighted.first().and_then(|one| one.mask.clone()), mean);
    }

    #[test]
    fn rules_have_names() {
        for (rule, name) in MergeRule::ALL {
            assert_eq!((name.parse(), rule.to_string()), (Ok(rule), name.to_owned()));
            assert_eq!(serde_json::to_value(rule).unwrap(), name);
        }
        assert!("mean".parse::<MergeRule>().is_err());
    }
}
