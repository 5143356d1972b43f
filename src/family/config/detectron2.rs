//! detectron2's YAML. It holds only what differs from detectron2's defaults, which are those of its C4 model.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::tree::{find, get, merge, yaml};
use super::{ConfigError, read_text, unsupported};
use crate::family::{ChannelOrder, ImportOptions, ValueRange};

/// How many configs may stand upon each other.
const MOST_BASES: usize = 8;

/// Sections of which every config of detectron2's has one.
const SECTIONS: [&str; 4] = ["MODEL", "INPUT", "VERSION", "_BASE_"];

/// Reads a config; `path` is where its `_BASE_` is looked for.
pub(super) fn options(mut tree: Json, path: &Path) -> Result<ImportOptions, ConfigError> {
    if SECTIONS.iter().all(|key| tree.get(key).is_none()) {
        return Err(ConfigError::Unreadable(format!(
            "it is no config of detectron2's, Detectron's, maskrcnn-benchmark's or PaddleDetection's: of detectron2's it has \
             none of {}",
            SECTIONS.join(", ")
        )));
    }
    let mut home = path.to_path_buf();
    for _ in 0..MOST_BASES {
        let Some(base) = tree.as_object_mut().and_then(|keys| keys.remove("_BASE_")) else {
            return read(&tree);
        };
        let name =
            base.as_str().ok_or_else(|| ConfigError::Unreadable("`_BASE_` is no text".into()))?.to_owned();
        home = home.parent().unwrap_or(Path::new("")).join(&name);
        let lower = if home.is_file() { yaml(&read_text(&home)?)? } else { known_base(&name)? };
        tree = merge(lower, tree);
    }
    Err(ConfigError::Unreadable(format!("more than {MOST_BASES} configs stand upon each other by `_BASE_`")))
}

/// The three bases of the model zoo, as far as they matter here.
fn known_base(name: &str) -> Result<Json, ConfigError> {
    match name.rsplit(['/', '\\']).next().unwrap_or_default() {
        "Base-RCNN-FPN.yaml" => Ok(json!({"MODEL": {
            "BACKBONE": {"NAME": "build_resnet_fpn_backbone"},
            "ANCHOR_GENERATOR": {"SIZES": [[32], [64], [128], [256], [512]]},
            "RPN": {"IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"], "PRE_NMS_TOPK_TEST": 1000},
            "ROI_BOX_HEAD": {"POOLER_RESOLUTION": 7},
        }})),
        "Base-RCNN-DilatedC5.yaml" => Ok(json!({"MODEL": {
            "RESNETS": {"RES5_DILATION": 2},
            "RPN": {"IN_FEATURES": ["res5"]},
            "ROI_BOX_HEAD": {"POOLER_RESOLUTION": 7},
        }})),
        "Base-RCNN-C4.yaml" => Ok(json!({})),
        _ => Err(ConfigError::Unreadable(format!(
            "its `_BASE_`, `{}`, is not there: put it where it is looked for, or give the whole config",
            name.escape_debug()
        ))),
    }
}

fn read(tree: &Json) -> Result<ImportOptions, ConfigError> {
    refuse(tree)?;
    let pyramid = get::<String>(tree, "MODEL.BACKBONE.NAME")?.is_some_and(|name| name.contains("fpn"));
    let levels = get::<Vec<String>>(tree, "MODEL.RPN.IN_FEATURES")?.map_or(1, |features| features.len());
    let aligned = match get::<String>(tree, "MODEL.ROI_BOX_HEAD.POOLER_TYPE")?.as_deref() {
        None | Some("ROIAlignV2") => true,
        Some("ROIAlign") => false,
        Some(_) => {
            return Err(unsupported("MODEL.ROI_BOX_HEAD.POOLER_TYPE", "another pooling than RoIAlign"));
        }
    };
    let channel_order = match get::<String>(tree, "INPUT.FORMAT")?.as_deref() {
        None | Some("BGR") => ChannelOrder::Bgr,
        Some("RGB") => ChannelOrder::Rgb,
        Some(_) => return Err(unsupported("INPUT.FORMAT", "another order than BGR or RGB")),
    };
    let (box_weights, cascade_box_weights) = box_weights(tree)?;
    Ok(ImportOptions {
        stride_in_1x1: Some(get(tree, "MODEL.RESNETS.STRIDE_IN_1X1")?.unwrap_or(true)),
        groups: get(tree, "MODEL.RESNETS.NUM_GROUPS")?,
        dilation: Some(get(tree, "MODEL.RESNETS.RES5_DILATION")?.unwrap_or(1)),
        channel_order: Some(channel_order),
        value_range: Some(ValueRange::Byte),
        mean: Some(get(tree, "MODEL.PIXEL_MEAN")?.unwrap_or([103.53, 116.28, 123.675])),
        std: Some(get(tree, "MODEL.PIXEL_STD")?.unwrap_or([1.0; 3])),
        min_size: Some(get(tree, "INPUT.MIN_SIZE_TEST")?.unwrap_or(800)),
        max_size: Some(get(tree, "INPUT.MAX_SIZE_TEST")?.unwrap_or(1333)),
        pad_to: Some(if pyramid { 32 } else { 0 }),
        anchor_sizes: Some(a_list_a_level(
            get(tree, "MODEL.ANCHOR_GENERATOR.SIZES")?
                .unwrap_or_else(|| vec![vec![32.0, 64.0, 128.0, 256.0, 512.0]]),
            levels,
        )),
        anchor_ratios: Some(a_list_a_level(
            get(tree, "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS")?.unwrap_or_else(|| vec![vec![0.5, 1.0, 2.0]]),
            levels,
        )),
        rpn_pre_nms_top_n: Some(get(tree, "MODEL.RPN.PRE_NMS_TOPK_TEST")?.unwrap_or(6000)),
        rpn_post_nms_top_n: Some(get(tree, "MODEL.RPN.POST_NMS_TOPK_TEST")?.unwrap_or(1000)),
        rpn_nms_threshold: Some(get(tree, "MODEL.RPN.NMS_THRESH")?.unwrap_or(0.7)),
        roi_resolution: Some(get(tree, "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION")?.unwrap_or(14)),
        roi_sampling_ratio: Some(get(tree, "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO")?.unwrap_or(0)),
        roi_aligned: Some(aligned),
        box_weights: Some(box_weights),
        cascade_box_weights,
        mask_roi_resolution: mask_resolution(tree)?,
        score_threshold: Some(get(tree, "MODEL.ROI_HEADS.SCORE_THRESH_TEST")?.unwrap_or(0.05)),
        nms_threshold: Some(get(tree, "MODEL.ROI_HEADS.NMS_THRESH_TEST")?.unwrap_or(0.5)),
        detections_per_image: Some(get(tree, "TEST.DETECTIONS_PER_IMAGE")?.unwrap_or(100)),
        ..ImportOptions::default()
    })
}

/// Cells a side that the mask head sees; a C4 model's sees what its box head does.
fn mask_resolution(tree: &Json) -> Result<Option<usize>, ConfigError> {
    if get::<bool>(tree, "MODEL.MASK_ON")? != Some(true) {
        return Ok(None);
    }
    let heads = get::<String>(tree, "MODEL.ROI_HEADS.NAME")?;
    if heads.as_deref().unwrap_or("Res5ROIHeads") == "Res5ROIHeads" {
        return get(tree, "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION");
    }
    let differs = |key: &str, usual: Json| {
        let of = |head: &str| find(tree, &format!("MODEL.{head}.{key}")).cloned().unwrap_or(usual.clone());
        if of("ROI_MASK_HEAD") == of("ROI_BOX_HEAD") {
            return Ok(());
        }
        Err(unsupported(&format!("MODEL.ROI_MASK_HEAD.{key}"), "another pooling than the box head's"))
    };
    differs("POOLER_SAMPLING_RATIO", 0.into())?;
    differs("POOLER_TYPE", "ROIAlignV2".into())?;
    if get::<String>(tree, "MODEL.ROI_MASK_HEAD.NAME")?.is_some_and(|name| name != "MaskRCNNConvUpsampleHead")
    {
        return Err(unsupported("MODEL.ROI_MASK_HEAD.NAME", "another mask head than the standard one"));
    }
    Ok(Some(get(tree, "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION")?.unwrap_or(14)))
}

/// Of dx, dy, dw, dh.
type DeltaWeights = [f32; 4];

/// Weights of deltas of the first box head, and of those after it in a cascade.
fn box_weights(tree: &Json) -> Result<(DeltaWeights, Option<Vec<DeltaWeights>>), ConfigError> {
    if get::<String>(tree, "MODEL.ROI_HEADS.NAME")?.as_deref() != Some("CascadeROIHeads") {
        let one = get(tree, "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS")?;
        return Ok((one.unwrap_or([10.0, 10.0, 5.0, 5.0]), None));
    }
    let all: Option<Vec<DeltaWeights>> = get(tree, "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS")?;
    let mut all =
        all.unwrap_or_else(|| [1.0, 2.0, 3.0].map(|k| [10.0 * k, 10.0 * k, 5.0 * k, 5.0 * k]).into());
    if all.is_empty() {
        return Err(unsupported(
            "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS",
            "a cascade without box heads",
        ));
    }
    let later = all.split_off(1);
    Ok((all[0], Some(later)))
}

/// One list stands for all levels.
fn a_list_a_level(mut lists: Vec<Vec<f32>>, levels: usize) -> Vec<Vec<f32>> {
    if lists.len() == 1 {
        lists = vec![lists.remove(0); levels.clamp(1, 64)];
    }
    lists
}

/// What changes the computation and is not repeated here.
fn refuse(tree: &Json) -> Result<(), ConfigError> {
    let text = |path: &str| get::<String>(tree, path);
    if text("MODEL.META_ARCHITECTURE")?.is_some_and(|name| name != "GeneralizedRCNN") {
        return Err(unsupported("MODEL.META_ARCHITECTURE", "another model than GeneralizedRCNN"));
    }
    if text("MODEL.PROPOSAL_GENERATOR.NAME")?.is_some_and(|name| name != "RPN") {
        return Err(unsupported("MODEL.PROPOSAL_GENERATOR.NAME", "another proposal generator than the RPN"));
    }
    let heads = ["Res5ROIHeads", "StandardROIHeads", "CascadeROIHeads"];
    if text("MODEL.ROI_HEADS.NAME")?.is_some_and(|name| !heads.contains(&name.as_str())) {
        return Err(unsupported("MODEL.ROI_HEADS.NAME", "other heads than the standard ones"));
    }
    if text("MODEL.FPN.FUSE_TYPE")?.is_some_and(|name| name != "sum") {
        return Err(unsupported("MODEL.FPN.FUSE_TYPE", "another fusion than the sum"));
    }
    if let Some(stages) = get::<Vec<bool>>(tree, "MODEL.RESNETS.DEFORM_ON_PER_STAGE")?
        && stages.contains(&true)
    {
        return Err(unsupported("MODEL.RESNETS.DEFORM_ON_PER_STAGE", "deformable convolutions"));
    }
    let zero = |path: &str, what: &str| match get::<f64>(tree, path)? {
        Some(value) if value != 0.0 => Err(unsupported(path, what)),
        _ => Ok(()),
    };
    zero("MODEL.ANCHOR_GENERATOR.OFFSET", "anchors away from the corners of cells")?;
    zero("MODEL.PROPOSAL_GENERATOR.MIN_SIZE", "a smallest size of proposals")?;
    if get::<[f32; 4]>(tree, "MODEL.RPN.BBOX_REG_WEIGHTS")?.is_some_and(|weights| weights != [1.0; 4]) {
        return Err(unsupported("MODEL.RPN.BBOX_REG_WEIGHTS", "other weights than 1"));
    }
    if find(tree, "MODEL.ANCHOR_GENERATOR.NAME").is_some_and(|name| name != "DefaultAnchorGenerator") {
        return Err(unsupported("MODEL.ANCHOR_GENERATOR.NAME", "rotated anchors"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<ImportOptions, ConfigError> {
        options(yaml(text)?, Path::new("config.yaml"))
    }

    #[test]
    fn an_empty_config_is_the_c4_model() {
        let options = of("VERSION: 2").unwrap();
        assert_eq!(options.rpn_pre_nms_top_n, Some(6000));
        assert_eq!(options.anchor_sizes, Some(vec![vec![32.0, 64.0, 128.0, 256.0, 512.0]]));
        assert_eq!((options.pad_to, options.roi_resolution), (Some(0), Some(14)));
    }

    #[test]
    fn a_zoo_config_stands_on_a_base_and_writes_tuples_as_text() {
        let text = "_BASE_: \"../Base-RCNN-FPN.yaml\"\nMODEL:\n  RESNETS:\n    DEPTH: 101\n  PIXEL_STD: \"(57.375, 57.12, 58.395)\"\n";
        let options = of(text).unwrap();
        assert_eq!((options.pad_to, options.rpn_pre_nms_top_n), (Some(32), Some(1000)));
        assert_eq!(options.anchor_ratios, Some(vec![vec![0.5, 1.0, 2.0]; 5]));
        assert_eq!(options.std, Some([57.375, 57.12, 58.395]));
    }

    #[test]
    fn a_cascade_has_weights_for_each_head() {
        let options = of("MODEL: {ROI_HEADS: {NAME: CascadeROIHeads}}").unwrap();
        assert_eq!(options.box_weights, Some([10.0, 10.0, 5.0, 5.0]));
        let later = vec![[20.0, 20.0, 10.0, 10.0], [30.0, 30.0, 15.0, 15.0]];
        assert_eq!(options.cascade_box_weights, Some(later));
        let text = "MODEL: {ROI_HEADS: {NAME: CascadeROIHeads}, ROI_BOX_CASCADE_HEAD: {BBOX_REG_WEIGHTS: \"((1, 2, 3, 4), \
            (5, 6, 7, 8))\"}}";
        let options = of(text).unwrap();
        assert_eq!(options.box_weights, Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(options.cascade_box_weights, Some(vec![[5.0, 6.0, 7.0, 8.0]]));
    }

    #[test]
    fn what_would_change_the_boxes_is_refused_by_its_key() {
        for (text, key) in [
            ("MODEL: {META_ARCHITECTURE: RetinaNet}", "META_ARCHITECTURE"),
            ("MODEL: {RESNETS: {DEFORM_ON_PER_STAGE: [false, true, true, true]}}", "DEFORM_ON_PER_STAGE"),
            ("MODEL: {ANCHOR_GENERATOR: {OFFSET: 0.5}}", "OFFSET"),
            ("MODEL: {ROI_HEADS: {NAME: RROIHeads}}", "ROI_HEADS.NAME"),
            (
                "MODEL: {MASK_ON: true, ROI_HEADS: {NAME: StandardROIHeads}, ROI_MASK_HEAD: {POOLER_SAMPLING_RATIO: 2}}",
                "ROI_MASK_HEAD.POOLER_SAMPLING_RATIO",
            ),
            ("MODEL: {ROI_BOX_HEAD: {POOLER_TYPE: ROIPool}}", "POOLER_TYPE"),
            ("_BASE_: mine.yaml", "mine.yaml"),
            ("TASK: detection", "MODEL"),
            ("INPUT: {MIN_SIZE_TEST: many}", "MIN_SIZE_TEST"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
