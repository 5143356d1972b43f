//! What to evaluate: thresholds, limits, ranges, subsets. pycocotools' names and defaults, lvis' where they differ.

use super::quirk::Reading;
use crate::coco::IouType;

/// The rules to judge by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// pycocotools' `COCOeval`.
    #[default]
    Coco,
    /// lvis' `LVISEval`: federated categories, 300 detections an image.
    Lvis,
}

/// Objects of some size, both ends inside.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaRange {
    /// Name, by which the summary finds it.
    pub label: String,
    /// Smallest area.
    pub low: f64,
    /// Largest area.
    pub high: f64,
}

/// pycocotools' `Params`.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// Whose rules.
    pub protocol: Protocol,
    /// `iouType`: what of an object is compared.
    pub iou_type: IouType,
    /// `kpt_oks_sigmas`: for each key point how far it lies from where another person would put it, as a share of the object's
    /// size.
    pub sigmas: Vec<f64>,
    /// `iouThrs`.
    pub iou_thresholds: Vec<f64>,
    /// `recThrs`.
    pub recall_thresholds: Vec<f64>,
    /// `maxDets`, per image and category.
    pub max_dets: Vec<usize>,
    /// The limit of the first number: pycocotools looks it up at 100, whatever the limits are.
    pub first_limit: usize,
    /// `areaRng` and `areaRngLbl`.
    pub area_ranges: Vec<AreaRange>,
    /// `catIds` as they are typed; all where absent.
    pub category_ids: Option<Vec<String>>,
    /// `imgIds` as they are typed; all where absent.
    pub image_ids: Option<Vec<String>>,
    /// `useCats` is 0: all categories are one.
    pub class_agnostic: bool,
    /// A string of digits names what its number names, which pycocotools keeps apart.
    pub digits_are_numbers: bool,
}

/// Most thresholds that one evaluation takes: a bit each.
pub const MOST_THRESHOLDS: usize = 64;
/// Most area ranges that one evaluation takes: a bit each.
pub const MOST_RANGES: usize = 32;

/// Ten times the sigmas of COCO's seventeen key points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
const SIGMAS: [f64; 17] =
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89];

impl Default for Params {
    fn default() -> Self {
        let range = |label: &str, low, high| AreaRange { label: label.into(), low, high };
        Params {
            protocol: Protocol::Coco,
            iou_type: IouType::Bbox,
            sigmas: SIGMAS.iter().map(|sigma| sigma / 10.0).collect(),
            iou_thresholds: linspace(0.5, 0.95, 10),
            recall_thresholds: linspace(0.0, 1.0, 101),
            max_dets: vec![1, 10, 100],
            first_limit: 100,
            area_ranges: vec![
                range("all", 0.0, 1e10),
                range("small", 0.0, 1024.0),
                range("medium", 1024.0, 9216.0),
                range("large", 9216.0, 1e10),
            ],
            category_ids: None,
            image_ids: None,
            class_agnostic: false,
            digits_are_numbers: false,
        }
    }
}

impl Params {
    /// lvis' defaults.
    pub fn lvis() -> Params {
        Params { protocol: Protocol::Lvis, max_dets: vec![300], ..Params::default() }
    }

    /// pycocotools' defaults for some type.
    pub fn of(iou_type: IouType) -> Params {
        let mut params = Params { iou_type, ..Params::default() };
        if iou_type == IouType::Keypoints {
            params.max_dets = vec![20];
            params.first_limit = 20;
            params.area_ranges.retain(|range| range.label != "small");
        }
        params
    }

    /// As a reading takes them.
    pub fn read(&self, reading: Reading) -> Params {
        let mut params = self.clone();
        let most = self.max_dets.iter().copied().max();
        if let Some(most) =
            most.filter(|_| reading.has(Reading::LIMITS) && !self.max_dets.contains(&self.first_limit))
        {
            params.first_limit = most;
        }
        params
    }

    /// What cannot be evaluated, as a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.iou_thresholds.len() > MOST_THRESHOLDS || self.iou_thresholds.is_empty() {
            return Some(format!(
                "1 to {MOST_THRESHOLDS} IoU thresholds expected, not {}",
                self.iou_thresholds.len()
            ));
        }
        if self.area_ranges.len() > MOST_RANGES || self.area_ranges.is_empty() {
            return Some(format!("1 to {MOST_RANGES} area ranges expected, not {}", self.area_ranges.len()));
        }
        if self.recall_thresholds.is_empty() {
            return Some("at least one recall threshold expected".into());
        }
        if self.max_dets.is_empty() {
            return Some("at least one limit on detections expected".into());
        }
        if self.iou_type == IouType::Keypoints {
            if self.protocol == Protocol::Lvis {
                return Some("LVIS has no key points: leave out `--lvis`".into());
            }
            if self.sigmas.is_empty() || !self.sigmas.iter().all(|sigma| *sigma > 0.0 && sigma.is_finite()) {
                return Some(
                    "a sigma above 0 for each key point expected, as in `--sigmas 0.026,0.025,…`".into(),
                );
            }
            return None;
        }
        if self.protocol == Protocol::Coco && self.max_dets.len() < 3 {
            return Some(format!(
                "the summary needs three limits on detections, not {}, as in `--max-dets 1,10,100`",
                self.max_dets.len()
            ));
        }
        if self.protocol == Protocol::Lvis && self.class_agnostic {
            return Some("LVIS is not defined without categories: leave out `--class-agnostic`".into());
        }
        None
    }
}

/// numpy's `linspace`, whose doubles are not those of `start + i * (end - start) / (count - 1)`.
pub fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = (end - start) / (count.max(2) - 1) as f64;
    let mut values: Vec<f64> = (0..count).map(|i| i as f64 * step + start).collect();
    if let Some(last) = values.last_mut() {
        *last = end;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_numpys() {
        let params = Params::default();
        assert_eq!(params.iou_thresholds[8].to_bits(), 0.8999999999999999f64.to_bits());
        assert_eq!(params.recall_thresholds[35], 0.35000000000000003);
        assert_eq!(params.recall_thresholds[100], 1.0);
    }
}
