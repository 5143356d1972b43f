//! torchvision's `FasterRCNN` (v1 and v2) on its ResNets: names of tensors and conventions.
//!
//! The conventions are those of `torchvision.models.detection` 0.29 on a CPU.

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use super::classes::coco_slots;
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, ChannelOrder, Clamp, Conventions, DetectionRule,
    FinestLevel, InputRule, LevelRule, MaskRule, MaskThreshold, MinSide, NmsSpace, PasteRule, ProposalRule,
    RankBy, ResizeFilter, RoiRule, RoiScale, Scaling, SizeRule, ValueRange, usual_sizes,
};
use super::left_out::LeftOutTensors;
use super::load::missing;
use super::{Family, FamilyError, ImportOptions, LayerNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

pub(super) const FAMILY: Family =
    Family { name: "torchvision", recognise, norm_eps: 1e-5, classes: coco_slots };

const HINTS: Hints = Hints {
    stride_in_1x1: false,
    last_stage_dilation: 1,
    first_block_dilated: false,
    shortcut: None,
    pooled_projections: Vec::new(),
    extra_level: true,
    background_boxes: true,
    mask_resolution: 14,
};

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    // maskrcnn-benchmark calls its RPN the same.
    if !has("rpn.head.cls_logits.weight") || has("backbone.body.stem.conv1.weight") {
        return Ok(None);
    }
    // `TwoMLPHead` always has both, and without the second the first would serve scores and boxes of the same shape.
    if has("roi_heads.box_head.fc6.weight") && !has("roi_heads.box_head.fc7.weight") {
        return Err(missing("roi_heads.box_head.fc7.weight"));
    }
    // The backbone may be an IntermediateLayerGetter under `body`, stand bare, or be a Sequential of numbers.
    let style = TorchvisionStyle {
        backbone: if has("backbone.0.weight") {
            StageNames::Numbered
        } else if has("backbone.conv1.weight") {
            StageNames::Named("backbone")
        } else {
            StageNames::Named("backbone.body")
        },
        fpn_wrapped: !has("backbone.fpn.inner_blocks.0.weight"),
        rpn_wrapped: !has("rpn.head.conv.weight"),
        head_convs: (0..).take_while(|index| has(&format!("roi_heads.box_head.{index}.0.weight"))).count(),
        mask_wrapped: !has("roi_heads.mask_head.mask_fcn1.weight"),
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: HINTS,
        stated: ImportOptions::default(),
        conventions,
        rows: None,
        idle: |_| false,
        needed: |name| {
            let parts = ["backbone.fpn.", "rpn.head.", "roi_heads.box_head.", "roi_heads.box_predictor."];
            parts.iter().any(|part| name.starts_with(part))
        },
        left_out: |name| match name.strip_prefix("roi_heads.")?.split('.').next()? {
            "keypoint_head" | "keypoint_predictor" => Some(LeftOutTensors::Keypoints),
            "mask_head" | "mask_predictor" => Some(LeftOutTensors::Masks),
            _ => None,
        },
        warnings: Vec::new(),
    }))
}

/// How the backbone's parts are called.
#[derive(Clone, Copy, Debug)]
enum StageNames {
    /// `conv1`, `bn1`, `layer1` … under a prefix.
    Named(&'static str),
    /// `backbone.0`, `backbone.1`, `backbone.4` … of a Sequential.
    Numbered,
}

/// The differences between torchvision's versions and ways to build a model.
#[derive(Clone, Copy, Debug)]
struct TorchvisionStyle {
    backbone: StageNames,
    /// `inner_blocks.0.0` (since 0.13) rather than `inner_blocks.0`.
    fpn_wrapped: bool,
    /// `rpn.head.conv.0.0` (since 0.13) rather than `rpn.head.conv`.
    rpn_wrapped: bool,
    /// Convolutions of v2's box head; without any it is one of `fc6` and `fc7`.
    head_convs: usize,
    /// `mask_head.0.0` (since 0.13) rather than `mask_head.mask_fcn1`.
    mask_wrapped: bool,
}

impl TorchvisionStyle {
    fn names(self, layer: Layer) -> LayerNames {
        match layer {
            Layer::StemConv(_) => LayerNames::absent(layer),
            Layer::Stem => match self.backbone {
                StageNames::Named(prefix) => {
                    LayerNames::torch_with_norm(&format!("{prefix}.conv1"), &format!("{prefix}.bn1"))
                }
                StageNames::Numbered => LayerNames::torch_with_norm("backbone.0", "backbone.1"),
            },
            Layer::Block { stage, block, conv } => self.block(stage, block, conv),
            Layer::FpnLateral(level) => self.fpn(&format!("backbone.fpn.inner_blocks.{level}")),
            Layer::FpnOutput(level) => self.fpn(&format!("backbone.fpn.layer_blocks.{level}")),
            Layer::RpnConv(i) if self.rpn_wrapped => LayerNames::torch(&format!("rpn.head.conv.{i}.0")),
            // Without the wrapping there is but one convolution; a second has no name that could be there.
            Layer::RpnConv(0) => LayerNames::torch("rpn.head.conv"),
            Layer::RpnConv(i) => LayerNames::torch(&format!("rpn.head.conv.{i}.0")),
            Layer::RpnLogits => LayerNames::torch("rpn.head.cls_logits"),
            Layer::RpnDeltas => LayerNames::torch("rpn.head.bbox_pred"),
            Layer::HeadConv { head: 0, index } => LayerNames::torch_with_norm(
                &format!("roi_heads.box_head.{index}.0"),
                &format!("roi_heads.box_head.{index}.1"),
            ),
            // Behind the convolutions stands a `Flatten`, and behind each linear layer a `ReLU`.
            Layer::HeadLinear { head: 0, index } if self.head_convs > 0 => {
                LayerNames::torch(&format!("roi_heads.box_head.{}", self.head_convs + 1 + 2 * index))
            }
            Layer::HeadLinear { head: 0, index } => {
                LayerNames::torch(&format!("roi_heads.box_head.fc{}", index + 6))
            }
            Layer::Scores(0) => LayerNames::torch("roi_heads.box_predictor.cls_score"),
            Layer::Boxes(0) => LayerNames::torch("roi_heads.box_predictor.bbox_pred"),
            Layer::MaskConv { head: 0, index } if self.mask_wrapped => LayerNames::torch_with_norm(
                &format!("roi_heads.mask_head.{index}.0"),
                &format!("roi_heads.mask_head.{index}.1"),
            ),
            Layer::MaskConv { head: 0, index } => {
                LayerNames::torch(&format!("roi_heads.mask_head.mask_fcn{}", index + 1))
            }
            Layer::MaskUpsample(0) => LayerNames::torch("roi_heads.mask_predictor.conv5_mask"),
            Layer::MaskLogits(0) => LayerNames::torch("roi_heads.mask_predictor.mask_fcn_logits"),
            // There is one head of a kind; a second has no name that could be there.
            Layer::HeadConv { .. }
            | Layer::HeadLinear { .. }
            | Layer::Scores(_)
            | Layer::Boxes(_)
            | Layer::MaskConv { .. }
            | Layer::MaskUpsample(_)
            | Layer::MaskLogits(_) => LayerNames::absent(layer),
            Layer::Classifier => LayerNames::torch("fc"),
        }
    }

    fn block(self, stage: usize, block: usize, conv: BlockConv) -> LayerNames {
        let block = match self.backbone {
            StageNames::Named(prefix) => format!("{prefix}.layer{}.{block}", stage + 1),
            StageNames::Numbered => format!("backbone.{}.{block}", stage + 4),
        };
        LayerNames::torch_block(&block, conv)
    }

    fn fpn(self, prefix: &str) -> LayerNames {
        if self.fpn_wrapped {
            LayerNames::torch_with_norm(&format!("{prefix}.0"), &format!("{prefix}.1"))
        } else {
            LayerNames::torch(prefix)
        }
    }
}

fn conventions(architecture: &Architecture) -> Conventions {
    let levels = architecture.rpn_strides().len();
    Conventions {
        input: InputRule {
            channel_order: ChannelOrder::Rgb,
            value_range: ValueRange::Unit,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            scaling: Scaling::Divide,
            min_size: 800,
            max_size: 1333,
            size_rule: SizeRule::Floor,
            filter: ResizeFilter::NormalisedBilinear,
            pad_to: 32,
        },
        anchors: AnchorRule {
            ratios: vec![vec![0.5, 1.0, 2.0]; levels],
            sizes: usual_sizes(architecture),
            cell: AnchorCell::RatioMajorRounded,
            stride: AnchorStride::FromInput,
        },
        clamp: Clamp::Upper,
        corners: Corners::Edge,
        overlap: OverlapPrecision::Double,
        proposals: ProposalRule {
            pre_nms_top_n: 1000,
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            min_side: MinSide::AtLeast(1e-3),
            top_n_by: RankBy::Logit,
            nms_by: RankBy::Sigmoid,
            ties: TieOrder::First,
            order: ProposalOrder::ByScore,
        },
        roi: RoiRule {
            sampling_ratio: 2,
            aligned: false,
            scale: RoiScale::Inferred,
            level: LevelRule {
                size: 224.0,
                level: 4.0,
                epsilon: 1e-6,
                epsilon_inside: false,
                finest: FinestLevel::ByScale,
            },
        },
        detections: DetectionRule {
            box_weights: [10.0, 10.0, 5.0, 5.0],
            background: Background::First,
            score_threshold: 0.05,
            min_side: Some(MinSide::AtLeast(1e-2)),
            nms_threshold: 0.5,
            nms_space: NmsSpace::Resized,
            per_image: 100,
            clip_to_photo: false,
        },
        cascade: None,
        masks: architecture
            .mask
            .as_ref()
            .map(|_| MaskRule { paste: PasteRule::Resize, threshold: MaskThreshold::Above(0.5) }),
    }
}
