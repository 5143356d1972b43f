//! maskrcnn-benchmark's YAML: what differs from its defaults. What it does not say is left open.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::tree::{find, get};
use super::{ConfigError, unsupported};
use crate::family::{ChannelOrder, ImportOptions};

/// Keys that maskrcnn-benchmark has and detectron2 has not.
const OWN_KEYS: [&str; 4] = [
    "MODEL.BACKBONE.CONV_BODY",
    "MODEL.RPN.ANCHOR_STRIDE",
    "INPUT.TO_BGR255",
    "DATALOADER.SIZE_DIVISIBILITY",
];

/// Whether a YAML is maskrcnn-benchmark's rather than detectron2's.
pub(super) fn wrote(tree: &Json) -> bool {
    OWN_KEYS.iter().any(|key| find(tree, key).is_some())
}

/// Reads a config.
pub(super) fn options(tree: &Json) -> Result<ImportOptions, ConfigError> {
    refuse(tree)?;
    let pyramid = get(tree, "MODEL.RPN.USE_FPN")?.unwrap_or(false);
    let strides: Option<Vec<usize>> = get(tree, "MODEL.RPN.ANCHOR_STRIDE")?;
    let levels = strides.map_or(1, |strides| strides.len()).clamp(1, 64);
    let sizes: Option<Vec<f32>> = get(tree, "MODEL.RPN.ANCHOR_SIZES")?;
    let ratios: Option<Vec<f32>> = get(tree, "MODEL.RPN.ASPECT_RATIOS")?;
    // A pyramid's levels have one size each.
    let a_list_a_level = |sizes: Vec<f32>| {
        if pyramid { sizes.into_iter().map(|size| vec![size]).collect() } else { vec![sizes] }
    };
    let most = if pyramid { "MODEL.RPN.FPN_POST_NMS_TOP_N_TEST" } else { "MODEL.RPN.POST_NMS_TOP_N_TEST" };
    Ok(ImportOptions {
        family: Some("maskrcnn_benchmark".into()),
        stride_in_1x1: get(tree, "MODEL.RESNETS.STRIDE_IN_1X1")?,
        groups: get(tree, "MODEL.RESNETS.NUM_GROUPS")?,
        dilation: get(tree, "MODEL.RESNETS.RES5_DILATION")?,
        channel_order: get::<bool>(tree, "INPUT.TO_BGR255")?.map(|_| ChannelOrder::Bgr),
        mean: get(tree, "INPUT.PIXEL_MEAN")?,
        std: get(tree, "INPUT.PIXEL_STD")?,
        min_size: first(tree, "INPUT.MIN_SIZE_TEST")?,
        max_size: get(tree, "INPUT.MAX_SIZE_TEST")?,
        pad_to: get(tree, "DATALOADER.SIZE_DIVISIBILITY")?,
        anchor_sizes: sizes.map(a_list_a_level),
        anchor_ratios: ratios.map(|ratios| vec![ratios; levels]),
        rpn_pre_nms_top_n: get(tree, "MODEL.RPN.PRE_NMS_TOP_N_TEST")?,
        rpn_post_nms_top_n: get(tree, most)?,
        rpn_nms_threshold: get(tree, "MODEL.RPN.NMS_THRESH")?,
        roi_resolution: get(tree, "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION")?,
        roi_sampling_ratio: get(tree, "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO")?,
        box_weights: get(tree, "MODEL.ROI_HEADS.BBOX_REG_WEIGHTS")?,
        score_threshold: get(tree, "MODEL.ROI_HEADS.SCORE_THRESH")?,
        nms_threshold: get(tree, "MODEL.ROI_HEADS.NMS")?,
        detections_per_image: get(tree, "MODEL.ROI_HEADS.DETECTIONS_PER_IMG")?,
        ..ImportOptions::default()
    })
}

/// A number, or the first of a list of one.
fn first<T: DeserializeOwned>(tree: &Json, path: &str) -> Result<Option<T>, ConfigError> {
    match find(tree, path) {
        Some(Json::Array(all)) => all.first().map(|value| super::tree::as_type(value, path)).transpose(),
        _ => get(tree, path),
    }
}

/// What changes the computation and is not repeated here.
fn refuse(tree: &Json) -> Result<(), ConfigError> {
    let is = |path: &str| get::<bool>(tree, path).map(|value| value == Some(true));
    for (path, what) in [
        ("MODEL.RPN_ONLY", "an RPN without a box head"),
        ("MODEL.RETINANET_ON", "a RetinaNet"),
        ("MODEL.BACKBONE.USE_GN", "group norms"),
        ("MODEL.FPN.USE_GN", "group norms"),
        ("MODEL.ROI_BOX_HEAD.USE_GN", "group norms"),
        ("MODEL.FPN.USE_RELU", "a ReLU in the pyramid"),
    ] {
        if is(path)? {
            return Err(unsupported(path, what));
        }
    }
    if get::<bool>(tree, "INPUT.TO_BGR255")? == Some(false) {
        return Err(unsupported("INPUT.TO_BGR255", "colours from 0 to 1"));
    }
    if get::<f64>(tree, "MODEL.RPN.MIN_SIZE")?.is_some_and(|least| least != 0.0) {
        return Err(unsupported("MODEL.RPN.MIN_SIZE", "a smallest size of proposals"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tree::yaml;
    use super::*;

    /// The published FPN config, as far as it matters.
    #[test]
    fn a_published_config() {
        let text = "MODEL:
  META_ARCHITECTURE: \"GeneralizedRCNN\"
  BACKBONE: {CONV_BODY: \"R-50-FPN\"}
  RPN: {USE_FPN: True, ANCHOR_STRIDE: \"(4, 8, 16, 32, 64)\", PRE_NMS_TOP_N_TEST: 1000, POST_NMS_TOP_N_TEST: 1000,
    FPN_POST_NMS_TOP_N_TEST: 900, ANCHOR_SIZES: \"(32, 64, 128, 256, 512)\"}
  ROI_BOX_HEAD: {POOLER_RESOLUTION: 7, POOLER_SAMPLING_RATIO: 2}
DATALOADER: {SIZE_DIVISIBILITY: 32}
INPUT: {MIN_SIZE_TEST: 800}
";
        let tree = yaml(text).unwrap();
        assert!(wrote(&tree));
        let options = options(&tree).unwrap();
        assert_eq!(
            (options.rpn_post_nms_top_n, options.pad_to, options.min_size),
            (Some(900), Some(32), Some(800))
        );
        assert_eq!(
            options.anchor_sizes,
            Some([32.0, 64.0, 128.0, 256.0, 512.0].map(|size| vec![size]).to_vec())
        );
        for (text, key) in [
            ("MODEL: {BACKBONE: {CONV_BODY: R-50-FPN, USE_GN: true}}", "USE_GN"),
            ("INPUT: {TO_BGR255: false}", "TO_BGR255"),
        ] {
            let error = super::options(&yaml(text).unwrap()).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
