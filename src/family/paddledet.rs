//! PaddleDetection's Faster and Cascade R-CNN on its ResNets: FPN and C4, variants b, c and d. Names and conventions.
//!
//! The conventions are those of PaddleDetection 2.7 on a CPU, with OpenCV as its wheels for x86 have it.

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, CascadeRule, ChannelOrder, Clamp, Conventions,
    DetectionRule, FinestLevel, InputRule, LevelRule, MinSide, NmsSpace, ProposalRule, RankBy, ResizeFilter,
    RoiRule, RoiScale, Scaling, ScoreMean, SizeRule, ValueRange, usual_sizes,
};
use super::detectron2::{MASK_RESOLUTION, coco};
use super::left_out::LeftOutTensors;
use super::{Family, FamilyError, ImportOptions, LayerNames, NormNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

pub(super) const FAMILY: Family = Family { name: "paddledet", recognise, norm_eps: 1e-5, classes: coco };

/// Weights of dx, dy, dw, dh of the only box head, or of a cascade's in turn.
pub(super) const WEIGHTS: [[f32; 4]; 3] =
    [[10.0, 10.0, 5.0, 5.0], [20.0, 20.0, 10.0, 10.0], [30.0, 30.0, 15.0, 15.0]];

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    if !has("rpn_head.rpn_rois_score.weight") {
        return Ok(None);
    }
    let pooled = |stage: usize| has(&format!("backbone.res{0}.res{0}a.short.conv.conv.weight", stage + 2));
    let style = PaddleStyle {
        stem: if has("backbone.conv1.conv1_1.conv.weight") {
            StemNames::Deep
        } else if has("backbone.conv1.res_conv1.conv.weight") {
            StemNames::Single("res_conv1")
        } else {
            StemNames::Single("conv1")
        },
        last_stage_in_head: has("bbox_head.head.res5.res5a.branch2a.conv.weight"),
        numbered: has("backbone.res4.res4b1.branch2a.conv.weight"),
        pooled: std::array::from_fn(pooled),
        cascade: has("bbox_head.bbox_score_stage0.weight"),
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: Hints {
            // Variant a strides in the 1x1, and no tensor tells it from b; all that is published is b or d.
            stride_in_1x1: false,
            last_stage_dilation: 1,
            first_block_dilated: true,
            shortcut: None,
            pooled_projections: (0..style.pooled.len()).filter(|&stage| style.pooled[stage]).collect(),
            extra_level: true,
            background_boxes: false,
            mask_resolution: MASK_RESOLUTION,
        },
        stated: ImportOptions::default(),
        conventions,
        rows: None,
        idle: |_| false,
        needed: |name| {
            ["backbone.", "neck.", "rpn_head.", "bbox_head."].iter().any(|part| name.starts_with(part))
        },
        left_out: |name| name.starts_with("mask_head.").then_some(LeftOutTensors::Masks),
        warnings: Vec::new(),
    }))
}

/// How the stem's convolutions are called.
#[derive(Clone, Copy, Debug)]
enum StemNames {
    /// One convolution of 7x7.
    Single(&'static str),
    /// `conv1_1`, `conv1_2` and `conv1_3` (variants c and d).
    Deep,
}

/// The differences between PaddleDetection's models.
#[derive(Clone, Copy, Debug)]
struct PaddleStyle {
    stem: StemNames,
    /// `res5` stands in the head (C4).
    last_stage_in_head: bool,
    /// Blocks of the third stage are called a, b1, b2 … rather than a, b, c …, as where there are more than ten.
    numbered: bool,
    /// Stages of the backbone whose first shortcut is pooled (variant d).
    pooled: [bool; 4],
    /// Box heads in turn.
    cascade: bool,
}

impl PaddleStyle {
    fn names(self, layer: Layer) -> LayerNames {
        match layer {
            Layer::StemConv(i) => with_norm(&format!("backbone.conv1.conv1_{}", i + 1)),
            Layer::Stem => match self.stem {
                StemNames::Single(name) => with_norm(&format!("backbone.conv1.{name}")),
                StemNames::Deep => with_norm("backbone.conv1.conv1_3"),
            },
            Layer::Block { stage, block, conv } => self.block(stage, block, conv),
            // The coarsest level has no level above to be added to, and says so in its name.
            Layer::FpnLateral(3) => LayerNames::torch("neck.fpn_inner_res5_sum"),
            Layer::FpnLateral(level) => {
                LayerNames::torch(&format!("neck.fpn_inner_res{}_sum_lateral", level + 2))
            }
            Layer::FpnOutput(level) => LayerNames::torch(&format!("neck.fpn_res{}_sum", level + 2)),
            Layer::RpnConv(0) => LayerNames::torch("rpn_head.rpn_feat.rpn_conv"),
            // There is but one; a second has no name that could be there.
            Layer::RpnConv(i) => LayerNames::torch(&format!("rpn_head.rpn_feat.rpn_conv.{i}")),
            Layer::RpnLogits => LayerNames::torch("rpn_head.rpn_rois_score"),
            Layer::RpnDeltas => LayerNames::torch("rpn_head.rpn_rois_delta"),
            Layer::HeadLinear { head, index } if self.cascade => {
                linear(&format!("bbox_head.head.{head}.fc{}", index + 6))
            }
            Layer::Scores(head) if self.cascade => linear(&format!("bbox_head.bbox_score_stage{head}")),
            Layer::Boxes(head) if self.cascade => linear(&format!("bbox_head.bbox_delta_stage{head}")),
            Layer::HeadLinear { head: 0, index } => linear(&format!("bbox_head.head.fc{}", index + 6)),
            Layer::Scores(0) => linear("bbox_head.bbox_score"),
            Layer::Boxes(0) => linear("bbox_head.bbox_delta"),
            other => LayerNames::absent(other),
        }
    }

    fn block(self, stage: usize, block: usize, conv: BlockConv) -> LayerNames {
        let in_head = stage == 3 && self.last_stage_in_head;
        let home = if in_head { "bbox_head.head" } else { "backbone" };
        let letter = match block {
            0 => "a".into(),
            _ if stage == 2 && self.numbered => format!("b{block}"),
            _ => u32::try_from(block)
                .ok()
                .and_then(|block| char::from_u32(97 + block))
                .unwrap_or('?')
                .to_string(),
        };
        let block_name = format!("{home}.res{0}.res{0}{letter}", stage + 2);
        match conv {
            BlockConv::First => with_norm(&format!("{block_name}.branch2a")),
            BlockConv::Second => with_norm(&format!("{block_name}.branch2b")),
            BlockConv::Third => with_norm(&format!("{block_name}.branch2c")),
            // Behind the mean stands a layer of its own.
            BlockConv::Projection if block == 0 && !in_head && self.pooled.get(stage) == Some(&true) => {
                with_norm(&format!("{block_name}.short.conv"))
            }
            BlockConv::Projection => with_norm(&format!("{block_name}.short")),
        }
    }
}

/// `ConvNormLayer`: a convolution without a bias, and its norm.
fn with_norm(layer: &str) -> LayerNames {
    let part = |name: &str| format!("{layer}.norm.{name}");
    let statistics = Some((part("_mean"), part("_variance")));
    let norm = NormNames { scale: part("weight"), bias: part("bias"), statistics };
    LayerNames { norm: Some(norm), ..LayerNames::torch(&format!("{layer}.conv")) }
}

/// A linear layer, whose weight is (inputs, outputs).
fn linear(layer: &str) -> LayerNames {
    LayerNames { inputs_first: true, ..LayerNames::torch(layer) }
}

fn conventions(architecture: &Architecture) -> Conventions {
    let levels = architecture.rpn_strides().len();
    let pyramid = architecture.fpn.is_some();
    Conventions {
        input: InputRule {
            channel_order: ChannelOrder::Rgb,
            value_range: ValueRange::Unit,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            scaling: Scaling::DivideInDouble,
            min_size: 800,
            max_size: 1333,
            size_rule: SizeRule::HalfUp,
            filter: ResizeFilter::OpencvBicubic,
            pad_to: if pyramid { 32 } else { 0 },
        },
        anchors: AnchorRule {
            ratios: vec![vec![0.5, 1.0, 2.0]; levels],
            sizes: usual_sizes(architecture),
            cell: AnchorCell::SizeMajor,
            stride: AnchorStride::Fixed,
        },
        clamp: Clamp::Upper,
        corners: Corners::Edge,
        overlap: OverlapPrecision::Single,
        proposals: ProposalRule {
            pre_nms_top_n: if pyramid { 1000 } else { 6000 },
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            // A minimum of 0 in the config is a minimum of 1 pixel of the resized picture.
            min_side: MinSide::AtLeast(1.0),
            top_n_by: RankBy::Logit,
            nms_by: RankBy::Logit,
            ties: TieOrder::Last,
            order: ProposalOrder::ByLevel,
        },
        roi: RoiRule {
            sampling_ratio: 0,
            aligned: true,
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
            box_weights: WEIGHTS[0],
            background: Background::Last,
            score_threshold: 0.05,
            min_side: None,
            nms_threshold: 0.5,
            nms_space: NmsSpace::Resized,
            per_image: 100,
            clip_to_photo: true,
        },
        cascade: CascadeRule::of(architecture.heads.len(), &WEIGHTS[1..], ScoreMean::Probabilities),
        masks: None,
    }
}
