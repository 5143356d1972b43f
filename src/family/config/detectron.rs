//! Caffe2 Detectron's YAML, of which a text stands in its files too: what differs from Detectron's defaults.

use serde_json::Value as Json;

use super::tree::{find, get, yaml};
use super::{ConfigError, unsupported};
use crate::family::ImportOptions;

/// Keys that Detectron has and detectron2 has not.
const OWN_KEYS: [&str; 5] = ["FAST_RCNN", "MODEL.TYPE", "TEST.SCALE", "TEST.SCALES", "NUM_GPUS"];

/// Whether a YAML is Detectron's rather than detectron2's.
pub(super) fn wrote(tree: &Json) -> bool {
    OWN_KEYS.iter().any(|key| find(tree, key).is_some())
}

/// Reads the text in a file; what it does not say is left open.
pub(in crate::family) fn options(text: &str) -> Result<ImportOptions, ConfigError> {
    read(&yaml(text)?)
}

/// The same of a tree.
pub(super) fn read(tree: &Json) -> Result<ImportOptions, ConfigError> {
    if get::<String>(tree, "FAST_RCNN.ROI_XFORM_METHOD")?.is_some_and(|method| method != "RoIAlign") {
        return Err(unsupported("FAST_RCNN.ROI_XFORM_METHOD", "another pooling than RoIAlign"));
    }
    // A list of scales was the older key; the first is the one that is used without augmentation.
    let scale: Option<u32> = match get(tree, "TEST.SCALE")? {
        Some(scale) => Some(scale),
        None => get::<Vec<u32>>(tree, "TEST.SCALES")?.and_then(|scales| scales.first().copied()),
    };
    let means: Option<Vec<Vec<[f32; 3]>>> = get(tree, "PIXEL_MEANS")?;
    let (anchor_sizes, anchor_ratios) = anchors(tree)?;
    Ok(ImportOptions {
        anchor_sizes,
        anchor_ratios,
        stride_in_1x1: get(tree, "RESNETS.STRIDE_1X1")?,
        groups: get(tree, "RESNETS.NUM_GROUPS")?,
        dilation: get(tree, "RESNETS.RES5_DILATION")?,
        mean: means.and_then(|means| means.first()?.first().copied()),
        min_size: scale,
        max_size: get(tree, "TEST.MAX_SIZE")?,
        rpn_pre_nms_top_n: get(tree, "TEST.RPN_PRE_NMS_TOP_N")?,
        rpn_post_nms_top_n: get(tree, "TEST.RPN_POST_NMS_TOP_N")?,
        rpn_nms_threshold: get(tree, "TEST.RPN_NMS_THRESH")?,
        roi_resolution: get(tree, "FAST_RCNN.ROI_XFORM_RESOLUTION")?,
        roi_sampling_ratio: get(tree, "FAST_RCNN.ROI_XFORM_SAMPLING_RATIO")?,
        box_weights: get(tree, "MODEL.BBOX_REG_WEIGHTS")?,
        score_threshold: get(tree, "TEST.SCORE_THRESH")?,
        nms_threshold: get(tree, "TEST.NMS")?,
        detections_per_image: get(tree, "TEST.DETECTIONS_PER_IM")?,
        ..ImportOptions::default()
    })
}

/// Sizes and ratios, a list a level.
type AnchorLists = (Option<Vec<Vec<f32>>>, Option<Vec<Vec<f32>>>);

/// With a pyramid each level has one size, twice that of the level below; else one level has all.
fn anchors(tree: &Json) -> Result<AnchorLists, ConfigError> {
    if !get(tree, "FPN.FPN_ON")?.unwrap_or(false) {
        let (sizes, ratios) = (get(tree, "RPN.SIZES")?, get(tree, "RPN.ASPECT_RATIOS")?);
        return Ok((sizes.map(|sizes| vec![sizes]), ratios.map(|ratios| vec![ratios])));
    }
    let level = |key: &str, default: u32| Ok(get(tree, key)?.unwrap_or(default).min(MOST_LEVELS));
    let levels = level("FPN.RPN_MIN_LEVEL", 2)?..=level("FPN.RPN_MAX_LEVEL", 6)?;
    let start: Option<f32> = get(tree, "FPN.RPN_ANCHOR_START_SIZE")?;
    let ratios: Option<Vec<f32>> = get(tree, "FPN.RPN_ASPECT_RATIOS")?;
    let sizes = |start: f32| levels.clone().zip(0..).map(|(_, step)| vec![start * 2f32.powi(step)]).collect();
    Ok((start.map(sizes), ratios.map(|ratios| vec![ratios; levels.clone().count()])))
}

/// More than any pyramid has.
const MOST_LEVELS: u32 = 16;

#[cfg(test)]
mod tests {
    use crate::family::read_config_text;

    #[test]
    fn detectrons_yaml_is_told_from_detectron2s() {
        // As Detectron's configs/12_2017_baselines have it, with other numbers.
        let text = "
MODEL: {TYPE: generalized_rcnn, CONV_BODY: FPN.add_fpn_ResNet50_conv5_body, NUM_CLASSES: 81, FASTER_RCNN: True}
NUM_GPUS: 8
FPN: {FPN_ON: True, MULTILEVEL_ROIS: True, MULTILEVEL_RPN: True, RPN_ANCHOR_START_SIZE: 16}
FAST_RCNN: {ROI_XFORM_METHOD: RoIAlign, ROI_XFORM_RESOLUTION: 7, ROI_XFORM_SAMPLING_RATIO: 2}
TEST: {SCALE: 640, MAX_SIZE: 1000, NMS: 0.4, RPN_PRE_NMS_TOP_N: 900}
";
        let options = read_config_text(text, "yaml").unwrap();
        assert_eq!((options.min_size, options.max_size), (Some(640), Some(1000)));
        assert_eq!((options.rpn_pre_nms_top_n, options.nms_threshold), (Some(900), Some(0.4)));
        assert_eq!((options.roi_resolution, options.roi_sampling_ratio), (Some(7), Some(2)));
        let sizes = [16.0, 32.0, 64.0, 128.0, 256.0].map(|size| vec![size]);
        assert_eq!(options.anchor_sizes, Some(sizes.to_vec()));
        // What it does not say is the checkpoint's business, not detectron2's C4 model's.
        assert_eq!((options.score_threshold, options.pad_to, options.mean), (None, None, None));
    }

    #[test]
    fn one_level_has_all_sizes() {
        let text = "NUM_GPUS: 1\nRPN: {SIZES: [32, 64], ASPECT_RATIOS: [0.5, 2]}";
        let options = read_config_text(text, "yaml").unwrap();
        assert_eq!(options.anchor_sizes, Some(vec![vec![32.0, 64.0]]));
        assert_eq!(options.anchor_ratios, Some(vec![vec![0.5, 2.0]]));
    }
}
