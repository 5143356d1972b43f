//! What options of `rcnn evaluate` mean, and which of them make no sense or do nothing without another.

use coco_eval::{AreaRange, Params};

use super::{Compared, EvaluateArgs, Metric, Usage};

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| "a number expected".to_string())?;
    if value.is_nan() { Err("a number expected, not NaN".into()) } else { Ok(value) }
}

/// A threshold on IoU, which is a share; 0 and less match anything, as in pycocotools.
pub(super) fn iou(text: &str) -> Result<f64, String> {
    share(text).map_err(|what| what.replace("a share", "an IoU"))
}

/// A share that is not given in per cent.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value <= 1.0 {
        return Ok(value);
    }
    let cure = if value <= 100.0 { format!(": {} for {value} %", value / 100.0) } else { String::new() };
    Err(format!("a share is a number from 0 to 1{cure}"))
}

/// A sigma of a key point: a share above 0.
pub(super) fn sigma(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("a number above 0 expected".into()) }
}

pub(super) fn area_range(text: &str) -> Result<AreaRange, String> {
    let parts = text.split_once('=').and_then(|(label, ends)| Some((label, ends.split_once(':')?)));
    let (label, (low, high)) = parts.ok_or("a range such as `small=0:1024` expected")?;
    Ok(AreaRange { label: label.into(), low: number(low)?, high: number(high)? })
}

impl EvaluateArgs {
    /// The parameters that options ask for.
    pub(super) fn params(&self) -> Result<Params, Usage> {
        if let Some(trouble) = self.trouble() {
            return Err(Usage(trouble.into()));
        }
        let iou_type = self.iou_type.into();
        let mut params = if self.lvis { Params { iou_type, ..Params::lvis() } } else { Params::of(iou_type) };
        if let Some(sigmas) = &self.sigmas {
            params.sigmas = sigmas.clone();
        }
        if self.metric == Metric::Proposals {
            params.class_agnostic = true;
            params.max_dets = vec![100, 300, 1000];
        }
        if let Some(limits) = &self.max_dets {
            params.max_dets = limits.clone();
        }
        if let Some(thresholds) = &self.iou_thresholds {
            params.iou_thresholds = thresholds.clone();
        }
        if let Some(thresholds) = &self.recall_thresholds {
            params.recall_thresholds = thresholds.clone();
        }
        if let Some(ranges) = &self.area_ranges {
            params.area_ranges = ranges.clone();
        }
        params.category_ids = self.category_ids.clone();
        params.image_ids = self.image_ids.clone();
        params.class_agnostic |= self.class_agnostic;
        params.digits_are_numbers = self.corrected;
        Ok(params)
    }

    /// Options that exclude each other, or do nothing without another.
    fn trouble(&self) -> Option<&'static str> {
        let voc = self.metric == Metric::Voc;
        let resampled = self.bootstrap.is_some() || self.versus.is_some();
        // Where only VOC's numbers are shown, these change nothing.
        let coco_numbers = !voc || self.json || self.arrays.is_some();
        let points = self.iou_type == Compared::Keypoints;
        let rules = [
            (self.lvis && points, "`--iou-type keypoints` is not of LVIS: leave out `--lvis`"),
            (
                points && self.metric != Metric::Coco,
                "`--iou-type keypoints` has its own numbers: leave out `--metric`",
            ),
            (points && self.tide, "TIDE has no key points: leave out `--tide`"),
            (
                voc && self.iou_type == Compared::Segm,
                "VOC's AP is of boxes: leave out `--iou-type`, or `--metric voc`",
            ),
            (self.sigmas.is_some() && !points, "`--sigmas` is for `--iou-type keypoints`: give both or none"),
            (self.lvis && self.metric != Metric::Coco, "`--lvis` has its own numbers: leave out `--metric`"),
            (
                self.lvis && self.max_dets.is_some(),
                "`--lvis` has one limit, 300 detections an image: leave out `--max-dets`",
            ),
            (
                voc && resampled,
                "`--bootstrap` and `--versus` are of COCO's numbers: leave out `--metric voc`",
            ),
            (
                self.iou.is_some() && !voc && !self.errors,
                "`--iou` is for `--errors` and `--metric voc`: give one of them; `--iou-thresholds` are those of AP",
            ),
            (self.plus_one && !voc, "`--plus-one` is for `--metric voc`: give both or none"),
            (
                self.intervals.given() && !resampled,
                "`--interval` and `--cluster` are for `--bootstrap` and `--versus`: give one of them",
            ),
            (
                self.seed.is_some() && !resampled,
                "`--seed` is for `--bootstrap` and `--versus`: give one of them",
            ),
            (
                !coco_numbers && (self.iou_thresholds.is_some() || self.recall_thresholds.is_some()),
                "`--iou-thresholds` and `--recall-thresholds` are of COCO's numbers: VOC's have one threshold, `--iou`",
            ),
            (
                !coco_numbers && !self.errors && (self.max_dets.is_some() || self.area_ranges.is_some()),
                "`--max-dets` and `--area-ranges` are of COCO's numbers: leave out `--metric voc`",
            ),
        ];
        rules.into_iter().find(|(wrong, _)| *wrong).map(|(_, words)| words)
    }
}
