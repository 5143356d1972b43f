//! mmdetection's config, of version 2 or 3, as its files keep it: Python text of plain values.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::tree::{as_type, find, get};
use super::{ConfigError, python, unsupported};
use crate::family::{ChannelOrder, ImportOptions, ValueRange};

/// The names that boxes depend on.
const NEEDED: [&str; 3] = ["model", "test_cfg", "test_pipeline"];

/// The major version that a config is written for: 2 normalises in its pipeline, 3 in the model.
pub(in crate::family) fn version(text: &str) -> u32 {
    let three =
        python::assignments(text, &[]).is_ok_and(|tree| find(&tree, "model.data_preprocessor").is_some());
    if three || text.contains("data_preprocessor") { 3 } else { 2 }
}

/// Reads a config from a file; what it does not say is left open.
pub(super) fn from_file(text: &str) -> Result<ImportOptions, ConfigError> {
    let tree = python::assignments(text, &NEEDED)?;
    if tree.get("_base_").is_some() {
        return Err(ConfigError::Unreadable(
            "it stands upon others by `_base_`: give the config as mmdetection dumps it".into(),
        ));
    }
    read(&tree)
}

/// Reads the config that a checkpoint holds. Some hold the texts of all files that the config stands upon, one
/// after another: later ones are laid over earlier ones.
pub(in crate::family) fn options(text: &str) -> Result<ImportOptions, ConfigError> {
    read(&python::assignments_of_all(text, &NEEDED)?)
}

fn read(tree: &Json) -> Result<ImportOptions, ConfigError> {
    let model = find(tree, "model").ok_or_else(|| ConfigError::Unreadable("it assigns no `model`".into()))?;
    refuse(model)?;
    let mut options = ImportOptions::default();
    backbone(model, &mut options)?;
    input(tree, model, &mut options)?;
    anchors(model, &mut options)?;
    // Version 1's files, and some of version 2, have the test's values beside the model.
    let test = find(model, "test_cfg").or_else(|| find(tree, "test_cfg"));
    if let Some(test) = test {
        thresholds(test, &mut options)?;
    }
    roi(model, &mut options)?;
    Ok(options)
}

fn backbone(model: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    let style: Option<String> = get(model, "backbone.style")?;
    options.stride_in_1x1 = Some(style.as_deref() == Some("caffe"));
    options.norm_eps = get(model, "backbone.norm_cfg.eps")?;
    options.groups = get(model, "backbone.groups")?;
    let dilations: Option<Vec<usize>> = get(model, "backbone.dilations")?;
    options.dilation = match find(model, "roi_head.shared_head") {
        // The last stage stands in the head.
        Some(_) => get(model, "roi_head.shared_head.dilation")?,
        None => dilations.and_then(|dilations| dilations.last().copied()),
    };
    Ok(())
}

/// The name of a type without its scope or module: `FasterRCNN` of `mmdet.FasterRCNN` and of
/// `mmdet.models.detectors.faster_rcnn.FasterRCNN`.
fn bare(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

/// A step of the test's pipeline, which may stand inside another's.
fn step<'a>(pipeline: &'a Json, kind: &str) -> Option<&'a Json> {
    pipeline.as_array()?.iter().find_map(|step| match find(step, "type").and_then(Json::as_str) {
        Some(found) if bare(found) == kind => Some(step),
        _ => find(step, "transforms").and_then(|inner| self::step(inner, kind)),
    })
}

fn input(tree: &Json, model: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    let places = ["test_pipeline", "test_dataloader.dataset.pipeline", "data.test.pipeline"];
    let pipeline = places.iter().find_map(|place| find(tree, place));
    let (home, to_rgb, pad) = match find(model, "data_preprocessor") {
        Some(preprocessor) => (Some(preprocessor), "bgr_to_rgb", get(preprocessor, "pad_size_divisor")?),
        None => {
            let pad = pipeline.and_then(|pipeline| step(pipeline, "Pad"));
            let pad = pad.map(|step| get(step, "size_divisor")).transpose()?.flatten();
            (pipeline.and_then(|pipeline| step(pipeline, "Normalize")), "to_rgb", pad)
        }
    };
    if let Some(home) = home {
        options.value_range = Some(ValueRange::Byte);
        options.mean = get(home, "mean")?;
        options.std = get(home, "std")?;
        let rgb = get(home, to_rgb)?.unwrap_or(to_rgb == "to_rgb");
        options.channel_order = Some(if rgb { ChannelOrder::Rgb } else { ChannelOrder::Bgr });
        options.pad_to = Some(pad.unwrap_or(1));
    }
    let Some(pipeline) = pipeline else { return Ok(()) };
    let resize =
        step(pipeline, "Resize").ok_or_else(|| unsupported("pipeline", "photos without a `Resize`"))?;
    // Where it is not said, the second version keeps the ratio, and the third, which says `scale`, does not.
    let kept = get::<bool>(resize, "keep_ratio")?.unwrap_or(find(resize, "scale").is_none());
    if !kept {
        return Err(unsupported("keep_ratio", "a resize that stretches"));
    }
    let scale = find(resize, "scale").or_else(|| find(resize, "img_scale"));
    let scale = scale.or_else(|| find(step(pipeline, "MultiScaleFlipAug")?, "img_scale"));
    let scale = scale.ok_or_else(|| unsupported("Resize", "a size other than by `scale`"))?;
    let sides: [u32; 2] = as_type(scale, "scale")?;
    options.min_size = sides.iter().min().copied();
    options.max_size = sides.iter().max().copied();
    Ok(())
}

fn anchors(model: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    let Some(generator) = find(model, "rpn_head.anchor_generator") else { return Ok(()) };
    let strides: Vec<f32> = get(generator, "strides")?.unwrap_or_default();
    let scales: Option<Vec<f32>> = get(generator, "scales")?;
    let (Some(scales), false) = (scales, strides.is_empty()) else {
        return Err(unsupported("anchor_generator", "anchors without scales and strides"));
    };
    let bases: Vec<f32> = get(generator, "base_sizes")?.unwrap_or_else(|| strides.clone());
    let ratios: Vec<f32> = get(generator, "ratios")?.unwrap_or_else(|| vec![0.5, 1.0, 2.0]);
    options.anchor_sizes =
        Some(bases.iter().map(|base| scales.iter().map(|scale| base * scale).collect()).collect());
    options.anchor_ratios = Some(vec![ratios; bases.len()]);
    Ok(())
}

fn thresholds(test: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    options.rpn_pre_nms_top_n = get(test, "rpn.nms_pre")?;
    // The second names are those of early 2020.
    options.rpn_post_nms_top_n = get_either(test, "rpn.max_per_img", "rpn.max_num")?;
    options.rpn_nms_threshold = get_either(test, "rpn.nms.iou_threshold", "rpn.nms_thr")?;
    options.score_threshold = get(test, "rcnn.score_thr")?;
    options.nms_threshold = get_either(test, "rcnn.nms.iou_threshold", "rcnn.nms.iou_thr")?;
    options.detections_per_image = get(test, "rcnn.max_per_img")?;
    if get::<bool>(test, "rpn.nms_across_levels")? == Some(true) {
        return Err(unsupported("rpn.nms_across_levels", "suppression across levels"));
    }
    for place in ["rpn.nms.type", "rcnn.nms.type"] {
        if get::<String>(test, place)?.is_some_and(|kind| bare(&kind) != "nms") {
            return Err(unsupported(place, "another suppression than nms"));
        }
    }
    if get::<f64>(test, "rpn.min_bbox_size")?.is_some_and(|size| size != 0.0) {
        return Err(unsupported("rpn.min_bbox_size", "a smallest size of proposals"));
    }
    Ok(())
}

fn roi(model: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    let layer = "roi_head.bbox_roi_extractor.roi_layer";
    // The second names are those of early 2020.
    options.roi_resolution =
        get_either(model, &format!("{layer}.output_size"), &format!("{layer}.out_size"))?;
    options.roi_sampling_ratio =
        get_either(model, &format!("{layer}.sampling_ratio"), &format!("{layer}.sample_num"))?;
    options.roi_aligned = get(model, &format!("{layer}.aligned"))?;
    masks(model, options)?;
    let weights = |head: &&Json| {
        let deviations: Option<[f64; 4]> = get(head, "bbox_coder.target_stds")?;
        Ok::<_, ConfigError>(deviations.map(|stds| stds.map(|std| (1.0 / std) as f32)))
    };
    let heads = box_heads(model);
    let weights = heads.iter().map(weights).collect::<Result<Option<Vec<[f32; 4]>>, _>>()?;
    let Some(mut weights) = weights.filter(|weights| !weights.is_empty()) else { return Ok(()) };
    let stages = get::<usize>(model, "roi_head.num_stages")?.unwrap_or(1).min(MOST_STAGES);
    if weights.len() == 1 {
        // One head may stand for all of a cascade.
        weights.resize(stages.max(1), weights[0]);
    }
    let later = weights.split_off(1);
    options.box_weights = weights.first().copied();
    options.cascade_box_weights = Some(later).filter(|later| !later.is_empty());
    Ok(())
}

/// What the mask heads see, and from which probability on a pixel is set.
fn masks(model: &Json, options: &mut ImportOptions) -> Result<(), ConfigError> {
    options.mask_threshold = get(model, "test_cfg.rcnn.mask_thr_binary")?;
    let layer = "roi_head.mask_roi_extractor.roi_layer";
    options.mask_roi_resolution =
        get_either(model, &format!("{layer}.output_size"), &format!("{layer}.out_size"))?;
    let sampling: Option<usize> =
        get_either(model, &format!("{layer}.sampling_ratio"), &format!("{layer}.sample_num"))?;
    if find(model, layer).is_some() && sampling.unwrap_or(0) != options.roi_sampling_ratio.unwrap_or(0) {
        return Err(unsupported(
            &format!("model.{layer}.sampling_ratio"),
            "other samples than the box head's",
        ));
    }
    Ok(())
}

/// More than any cascade has.
const MOST_STAGES: usize = 16;

/// The box heads: a list in a cascade.
fn box_heads(model: &Json) -> Vec<&Json> {
    match find(model, "roi_head.bbox_head") {
        Some(Json::Array(heads)) => heads.iter().collect(),
        head => head.into_iter().collect(),
    }
}

/// The value under a name, or else under an older one.
fn get_either<T: DeserializeOwned>(tree: &Json, name: &str, older: &str) -> Result<Option<T>, ConfigError> {
    match get(tree, name)? {
        Some(value) => Ok(Some(value)),
        None => get(tree, older),
    }
}

/// What changes the computation and is not repeated here.
fn refuse(model: &Json) -> Result<(), ConfigError> {
    let expected = [
        (
            "type",
            &["FasterRCNN", "MaskRCNN", "CascadeRCNN"][..],
            "another model than Faster, Mask and Cascade R-CNN",
        ),
        ("backbone.type", &["ResNet", "ResNeXt"], "another backbone than ResNet and ResNeXt"),
        ("neck.type", &["FPN"], "another neck than the FPN"),
        ("rpn_head.type", &["RPNHead"], "another proposal generator than the RPN"),
        ("rpn_head.anchor_generator.type", &["AnchorGenerator"], "other anchors"),
        ("rpn_head.bbox_coder.type", &["DeltaXYWHBBoxCoder"], "another box coder"),
        ("roi_head.type", &["StandardRoIHead", "CascadeRoIHead"], "another head than the standard ones"),
        ("roi_head.bbox_roi_extractor.type", &["SingleRoIExtractor"], "another choice of maps"),
        ("roi_head.bbox_roi_extractor.roi_layer.type", &["RoIAlign"], "another pooling than RoIAlign"),
    ];
    for (path, known, what) in expected {
        if get::<String>(model, path)?.is_some_and(|kind| !known.contains(&bare(&kind))) {
            return Err(unsupported(&format!("model.{path}"), what));
        }
    }
    for head in box_heads(model) {
        if get::<String>(head, "bbox_coder.type")?.is_some_and(|kind| bare(&kind) != "DeltaXYWHBBoxCoder") {
            return Err(unsupported("model.roi_head.bbox_head.bbox_coder.type", "another box coder"));
        }
        if get::<bool>(head, "loss_cls.use_sigmoid")? == Some(true) {
            return Err(unsupported(
                "model.roi_head.bbox_head.loss_cls.use_sigmoid",
                "class scores by sigmoid",
            ));
        }
    }
    for path in ["backbone.dcn", "backbone.plugins"] {
        if find(model, path).is_some() {
            return Err(unsupported(&format!("model.{path}"), "more than a ResNet's layers"));
        }
    }
    let stds = "rpn_head.bbox_coder.target_stds";
    if get::<[f64; 4]>(model, stds)?.is_some_and(|stds| stds != [1.0; 4]) {
        return Err(unsupported(&format!("model.{stds}"), "other deviations than 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_normalises_in_its_pipeline() {
        let text = "
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(type='FasterRCNN', backbone=dict(type='ResNet', style='pytorch'))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(1333, 800), flip=False, transforms=[
        dict(type='Resize', keep_ratio=True), dict(type='Normalize', **img_norm_cfg), dict(type='Pad', size_divisor=32)])]
";
        let options = options(text).unwrap();
        assert_eq!((options.min_size, options.max_size, options.pad_to), (Some(800), Some(1333), Some(32)));
        assert_eq!((options.channel_order, options.stride_in_1x1), (Some(ChannelOrder::Rgb), Some(false)));
        assert_eq!(options.std, Some([58.395, 57.12, 57.375]));
        assert_eq!(version(text), 2);
    }

    #[test]
    fn texts_of_several_files_are_laid_over_each_other() {
        let text = "
configs/_base_/models/a.py
model = dict(type='FasterRCNN', backbone=dict(type='ResNet', style='pytorch', depth=50))
configs/b.py
_base_ = ['_base_/models/a.py']
model = dict(backbone=dict(style='caffe'))
test_cfg = dict(rpn=dict(nms_thr=0.6, max_num=500))
";
        let options = options(text).unwrap();
        assert_eq!((options.stride_in_1x1, options.rpn_post_nms_top_n), (Some(true), Some(500)));
        assert_eq!(options.rpn_nms_threshold, Some(0.6));
    }

    #[test]
    fn a_cascade_has_deviations_for_each_head() {
        let text = "
model = dict(type='CascadeRCNN', roi_head=dict(type='CascadeRoIHead', num_stages=2, bbox_head=[
    dict(bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2])),
    dict(bbox_coder=dict(target_stds=[0.05, 0.05, 0.1, 0.125]))]))
";
        let options = options(text).unwrap();
        assert_eq!(options.box_weights, Some([10.0, 10.0, 5.0, 5.0]));
        assert_eq!(options.cascade_box_weights, Some(vec![[20.0, 20.0, 10.0, 8.0]]));
    }

    #[test]
    fn types_may_be_named_with_scope_or_module() {
        // As `DefaultScope` and lazy configs write them.
        let text = "
model = dict(type='mmdet.FasterRCNN', backbone=dict(type='mmdet.models.backbones.resnet.ResNet', style='caffe'),
    neck=dict(type='mmdet.FPN'), rpn_head=dict(type='mmdet.RPNHead'),
    test_cfg=dict(rpn=dict(nms=dict(type='mmcv.ops.nms', iou_threshold=0.6))))
test_pipeline = [dict(type='mmdet.Resize', scale=(640, 480), keep_ratio=True), dict(type='mmdet.PackDetInputs')]
";
        let options = options(text).unwrap();
        assert_eq!((options.min_size, options.max_size), (Some(480), Some(640)));
        assert_eq!((options.stride_in_1x1, options.rpn_nms_threshold), (Some(true), Some(0.6)));
    }

    #[test]
    fn what_would_change_the_boxes_is_refused_by_its_key() {
        for (text, key) in [
            ("model = dict(type='mmdet.HybridTaskCascade')", "model.type"),
            ("model = dict()\ntest_pipeline = [dict(type='FixScaleResize', scale=(9, 9))]", "pipeline"),
            ("model = dict()\ntest_pipeline = [dict(type='Resize', scale_factor=0.5)]", "Resize"),
            ("model = dict()\ntest_pipeline = [dict(type='Resize', scale=(9, 9))]", "keep_ratio"),
            ("model = dict(type='RetinaNet')", "model.type"),
            ("model = dict(roi_head=dict(type='DoubleHeadRoIHead'))", "model.roi_head.type"),
            (
                "model = dict(roi_head=dict(bbox_head=[dict(bbox_coder=dict(type='BucketingBBoxCoder'))]))",
                "bbox_coder.type",
            ),
            ("model = dict(test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms'))))", "rcnn.nms.type"),
            ("model = dict(backbone=dict(dcn=dict(type='DCN')))", "model.backbone.dcn"),
            ("_base_ = ['a.py']\nmodel = dict()", "_base_"),
            ("x = 1", "model"),
        ] {
            let error = from_file(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
