//! The YAML text that Caffe2 Detectron keeps in its files: what differs from Detectron's defaults.

use super::tree::{get, yaml};
use super::{ConfigError, unsupported};
use crate::family::Options;

/// Reads the text; what it does not say is left open.
pub(in crate::family) fn options(text: &str) -> Result<Options, ConfigError> {
    let tree = yaml(text)?;
    if get::<String>(&tree, "FAST_RCNN.ROI_XFORM_METHOD")?.is_some_and(|method| method != "RoIAlign") {
        return Err(unsupported("FAST_RCNN.ROI_XFORM_METHOD", "another pooling than RoIAlign"));
    }
    // A list of scales was the older key; the first is the one that is used without augmentation.
    let scale: Option<u32> = match get(&tree, "TEST.SCALE")? {
        Some(scale) => Some(scale),
        None => get::<Vec<u32>>(&tree, "TEST.SCALES")?.and_then(|scales| scales.first().copied()),
    };
    let means: Option<Vec<Vec<[f32; 3]>>> = get(&tree, "PIXEL_MEANS")?;
    Ok(Options {
        stride_in_1x1: get(&tree, "RESNETS.STRIDE_1X1")?,
        groups: get(&tree, "RESNETS.NUM_GROUPS")?,
        dilation: get(&tree, "RESNETS.RES5_DILATION")?,
        mean: means.and_then(|means| means.first()?.first().copied()),
        min_size: scale,
        max_size: get(&tree, "TEST.MAX_SIZE")?,
        rpn_pre_nms_top_n: get(&tree, "TEST.RPN_PRE_NMS_TOP_N")?,
        rpn_post_nms_top_n: get(&tree, "TEST.RPN_POST_NMS_TOP_N")?,
        rpn_nms_threshold: get(&tree, "TEST.RPN_NMS_THRESH")?,
        roi_resolution: get(&tree, "FAST_RCNN.ROI_XFORM_RESOLUTION")?,
        roi_sampling_ratio: get(&tree, "FAST_RCNN.ROI_XFORM_SAMPLING_RATIO")?,
        box_weights: get(&tree, "MODEL.BBOX_REG_WEIGHTS")?,
        score_threshold: get(&tree, "TEST.SCORE_THRESH")?,
        nms_threshold: get(&tree, "TEST.NMS")?,
        detections_per_image: get(&tree, "TEST.DETECTIONS_PER_IM")?,
        ..Options::default()
    })
}
