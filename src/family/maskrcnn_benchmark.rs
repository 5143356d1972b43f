//! maskrcnn-benchmark's Faster R-CNN and the box part of its Mask R-CNN: FPN and C4. Names and conventions.
//!
//! The conventions are those of its Python code at its last commit (57eec25b, 2019), with its C++ kernels replaced.

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, ChannelOrder, Clamp, Conventions, DetectionRule,
    FinestLevel, InputRule, LevelRule, MinSide, NmsSpace, ProposalRule, RankBy, ResizeFilter, RoiRule,
    RoiScale, Scaling, SizeRule, ValueRange, usual_sizes,
};
use super::detectron2::{MASK_RESOLUTION, coco};
use super::left_out::LeftOutTensors;
use super::{Family, FamilyError, ImportOptions, LayerNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

/// Its frozen norms add nothing to variances.
pub(super) const FAMILY: Family =
    Family { name: "maskrcnn_benchmark", recognise, norm_eps: 0.0, classes: coco };

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let shape = |name: &str| checkpoint.tensor(name).map(|tensor| tensor.shape());
    // The RPN is called as torchvision's; the stem is not.
    if shape("rpn.head.cls_logits.weight").is_none() || shape("backbone.body.stem.conv1.weight").is_none() {
        return Ok(None);
    }
    let last_stage_in_head = shape("roi_heads.box.feature_extractor.head.layer4.0.conv1.weight").is_some();
    let first = |conv| {
        let layer = Layer::Block { stage: 0, block: 0, conv };
        shape(&names(layer, last_stage_in_head).weight)
    };
    let grouped = match (first(BlockConv::First), first(BlockConv::Second)) {
        (Some([outputs, ..]), Some([_, inputs, ..])) => outputs != inputs,
        _ => false,
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| names(layer, last_stage_in_head)),
        hints: Hints {
            // MSRA's weights stride in the 1x1; the ResNeXt weights are Caffe2's own and do not.
            stride_in_1x1: !grouped,
            last_stage_dilation: 1,
            first_block_dilated: true,
            shortcut: None,
            pooled_projections: Vec::new(),
            extra_level: true,
            background_boxes: true,
            mask_resolution: MASK_RESOLUTION,
        },
        stated: ImportOptions::default(),
        conventions,
        rows: None,
        idle: |name| name.starts_with("rpn.anchor_generator."),
        needed: |name| ["backbone.", "rpn.head.", "roi_heads.box."].iter().any(|part| name.starts_with(part)),
        left_out: |name| match name.strip_prefix("roi_heads.")?.split('.').next()? {
            "mask" => Some(LeftOutTensors::Masks),
            "keypoint" => Some(LeftOutTensors::Keypoints),
            _ => None,
        },
        warnings: Vec::new(),
    }))
}

fn names(layer: Layer, last_stage_in_head: bool) -> LayerNames {
    match layer {
        Layer::Stem => LayerNames::torch_with_norm("backbone.body.stem.conv1", "backbone.body.stem.bn1"),
        Layer::Block { stage, block, conv } => {
            let in_head = stage == 3 && last_stage_in_head;
            let home = if in_head { "roi_heads.box.feature_extractor.head" } else { "backbone.body" };
            LayerNames::torch_block(&format!("{home}.layer{}.{block}", stage + 1), conv)
        }
        Layer::FpnLateral(level) => LayerNames::torch(&format!("backbone.fpn.fpn_inner{}", level + 1)),
        Layer::FpnOutput(level) => LayerNames::torch(&format!("backbone.fpn.fpn_layer{}", level + 1)),
        Layer::RpnConv(0) => LayerNames::torch("rpn.head.conv"),
        // There is but one; a second has no name that could be there.
        Layer::RpnConv(i) => LayerNames::torch(&format!("rpn.head.conv.{i}")),
        Layer::RpnLogits => LayerNames::torch("rpn.head.cls_logits"),
        Layer::RpnDeltas => LayerNames::torch("rpn.head.bbox_pred"),
        Layer::HeadLinear { head: 0, index } => {
            LayerNames::torch(&format!("roi_heads.box.feature_extractor.fc{}", index + 6))
        }
        Layer::Scores(0) => LayerNames::torch("roi_heads.box.predictor.cls_score"),
        Layer::Boxes(0) => LayerNames::torch("roi_heads.box.predictor.bbox_pred"),
        other => LayerNames::absent(other),
    }
}

/// The defaults of the published FPN and C4 models.
fn conventions(architecture: &Architecture) -> Conventions {
    let levels = architecture.rpn_strides().len();
    let pyramid = architecture.fpn.is_some();
    Conventions {
        input: InputRule {
            channel_order: ChannelOrder::Bgr,
            value_range: ValueRange::Byte,
            mean: [102.9801, 115.9465, 122.7717],
            std: [1.0; 3],
            scaling: Scaling::Divide,
            min_size: 800,
            max_size: 1333,
            size_rule: SizeRule::WholeShortestEdge,
            filter: ResizeFilter::PillowBilinear,
            pad_to: if pyramid { 32 } else { 0 },
        },
        anchors: AnchorRule {
            ratios: vec![vec![0.5, 1.0, 2.0]; levels],
            sizes: usual_sizes(architecture),
            cell: AnchorCell::Window,
            stride: AnchorStride::Fixed,
        },
        clamp: Clamp::Upper,
        overlap: OverlapPrecision::Single,
        corners: Corners::LastPixel,
        proposals: ProposalRule {
            pre_nms_top_n: if pyramid { 1000 } else { 6000 },
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            min_side: MinSide::AtLeast(0.0),
            top_n_by: RankBy::Sigmoid,
            nms_by: RankBy::Sigmoid,
            ties: TieOrder::First,
            order: ProposalOrder::ByScore,
        },
        roi: RoiRule {
            sampling_ratio: if pyramid { 2 } else { 0 },
            aligned: false,
            scale: RoiScale::Fixed,
            level: LevelRule {
                size: 224.0,
                level: 4.0,
                epsilon: 1e-6,
                epsilon_inside: true,
                finest: FinestLevel::ByScale,
            },
        },
        detections: DetectionRule {
            box_weights: [10.0, 10.0, 5.0, 5.0],
            background: Background::First,
            score_threshold: 0.05,
            min_side: None,
            nms_threshold: 0.5,
            nms_space: NmsSpace::Resized,
            per_image: 100,
            clip_to_photo: false,
        },
        cascade: None,
        masks: None,
    }
}
