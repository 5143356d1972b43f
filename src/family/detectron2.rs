//! detectron2's `GeneralizedRCNN` on its ResNets: FPN, C4 and DC5. Names of tensors and conventions.
//!
//! The conventions are those of detectron2 0.6 on a CPU.

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use super::classes::coco_classes;
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, CascadeRule, ChannelOrder, Clamp, Conventions,
    DetectionRule, FinestLevel, InputRule, LevelRule, MaskRule, MaskThreshold, MinSide, NmsSpace, PasteRule,
    ProposalRule, RankBy, ResizeFilter, RoiRule, RoiScale, Scaling, ScoreMean, SizeRule, ValueRange,
    usual_sizes,
};
use super::left_out::LeftOutTensors;
use super::{Class, Family, FamilyError, ImportOptions, LayerNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

pub(super) const FAMILY: Family = Family { name: "detectron2", recognise, norm_eps: 1e-5, classes: coco };

/// Cells a side that RoIAlign gives to mask heads in every published model.
pub(super) const MASK_RESOLUTION: usize = 14;

/// Models of 80 classes are COCO's, in COCO's order.
pub(super) fn coco(count: usize) -> Option<Vec<Class>> {
    if count == 80 { coco_classes(count) } else { None }
}

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let shape = |name: &str| checkpoint.tensor(name).map(|tensor| tensor.shape());
    if shape("proposal_generator.rpn_head.objectness_logits.weight").is_none() {
        return Ok(None);
    }
    let style = Detectron2Style {
        pyramid: shape("backbone.fpn_lateral2.weight").is_some(),
        last_stage_in_head: shape("roi_heads.res5.0.conv1.weight").is_some(),
        several_rpn_convs: shape("proposal_generator.rpn_head.conv.conv0.weight").is_some(),
        cascade: checkpoint.tensors().any(|tensor| tensor.name().starts_with("roi_heads.box_predictor.0.")),
    };
    let first = |conv| shape(&style.names(Layer::Block { stage: 0, block: 0, conv }).weight);
    let grouped = match (first(BlockConv::First), first(BlockConv::Second)) {
        (Some([outputs, ..]), Some([_, inputs, ..])) => outputs != inputs,
        _ => false,
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: Hints {
            // MSRA's weights stride in the 1x1; the ResNeXt weights are Caffe2's own and do not.
            stride_in_1x1: !grouped,
            // One map behind all four stages is DC5, whose last stage is dilated.
            last_stage_dilation: if style.pyramid || style.last_stage_in_head { 1 } else { 2 },
            first_block_dilated: true,
            shortcut: None,
            pooled_projections: Vec::new(),
            extra_level: true,
            background_boxes: false,
            mask_resolution: MASK_RESOLUTION,
        },
        stated: stated_options(checkpoint)?,
        conventions,
        rows: None,
        idle: |name| {
            name == "pixel_mean"
                || name == "pixel_std"
                || name.starts_with("proposal_generator.anchor_generator.")
        },
        needed: |name| {
            ["backbone.fpn_", "proposal_generator.rpn_head.", "roi_heads.box_"]
                .iter()
                .any(|part| name.starts_with(part))
        },
        left_out: |name| match name.split('.').nth(1)? {
            "keypoint_head" => Some(LeftOutTensors::Keypoints),
            "mask_head" => Some(LeftOutTensors::Masks),
            _ => None,
        },
        warnings: Vec::new(),
    }))
}

/// Older files hold the mean and the standard deviation as tensors.
fn stated_options(checkpoint: &Checkpoint) -> Result<ImportOptions, FamilyError> {
    let three = |name: &str| -> Result<Option<[f32; 3]>, FamilyError> {
        let Some(tensor) = checkpoint.tensor(name) else { return Ok(None) };
        Ok(<[f32; 3]>::try_from(tensor.to_f32(checkpoint)?).ok())
    };
    Ok(ImportOptions { mean: three("pixel_mean")?, std: three("pixel_std")?, ..ImportOptions::default() })
}

/// The differences between detectron2's meta-architectures.
#[derive(Clone, Copy, Debug)]
struct Detectron2Style {
    /// The backbone stands under `bottom_up` of an FPN.
    pyramid: bool,
    /// `res5` stands in the head (C4).
    last_stage_in_head: bool,
    /// `conv.conv0`, `conv.conv1` … rather than `conv`.
    several_rpn_convs: bool,
    /// Box heads in turn, numbered.
    cascade: bool,
}

impl Detectron2Style {
    fn names(self, layer: Layer) -> LayerNames {
        let backbone = if self.pyramid { "backbone.bottom_up" } else { "backbone" };
        match layer {
            Layer::StemConv(_) => LayerNames::absent(layer),
            Layer::Stem => with_norm(&format!("{backbone}.stem.conv1")),
            Layer::Block { stage, block, conv } => {
                let home = if stage == 3 && self.last_stage_in_head { "roi_heads" } else { backbone };
                let conv = match conv {
                    BlockConv::First => "conv1",
                    BlockConv::Second => "conv2",
                    BlockConv::Third => "conv3",
                    BlockConv::Projection => "shortcut",
                };
                with_norm(&format!("{home}.res{}.{block}.{conv}", stage + 2))
            }
            Layer::FpnLateral(level) => with_norm(&format!("backbone.fpn_lateral{}", level + 2)),
            Layer::FpnOutput(level) => with_norm(&format!("backbone.fpn_output{}", level + 2)),
            Layer::RpnConv(i) if self.several_rpn_convs => {
                LayerNames::torch(&format!("proposal_generator.rpn_head.conv.conv{i}"))
            }
            Layer::RpnConv(0) => LayerNames::torch("proposal_generator.rpn_head.conv"),
            // There is but one; a second has no name that could be there.
            Layer::RpnConv(i) => LayerNames::torch(&format!("proposal_generator.rpn_head.conv.conv{i}")),
            Layer::RpnLogits => LayerNames::torch("proposal_generator.rpn_head.objectness_logits"),
            Layer::RpnDeltas => LayerNames::torch("proposal_generator.rpn_head.anchor_deltas"),
            Layer::HeadConv { head, index } => {
                with_norm(&self.of_head("box_head", head, &format!("conv{}", index + 1)))
            }
            Layer::HeadLinear { head, index } => {
                LayerNames::torch(&self.of_head("box_head", head, &format!("fc{}", index + 1)))
            }
            Layer::Scores(head) => LayerNames::torch(&self.of_head("box_predictor", head, "cls_score")),
            Layer::Boxes(head) => LayerNames::torch(&self.of_head("box_predictor", head, "bbox_pred")),
            Layer::MaskConv { index, head } => with_norm(&mask_head(head, &format!("mask_fcn{}", index + 1))),
            Layer::MaskUpsample(head) => LayerNames::torch(&mask_head(head, "deconv")),
            Layer::MaskLogits(head) => LayerNames::torch(&mask_head(head, "predictor")),
            Layer::Classifier => LayerNames::torch("linear"),
        }
    }

    fn of_head(self, part: &str, head: usize, layer: &str) -> String {
        // Where there is but one, a second has no name that could be there.
        let number = if self.cascade || head > 0 { format!(".{head}") } else { String::new() };
        format!("roi_heads.{part}{number}.{layer}")
    }
}

/// A cascade too has one mask head.
fn mask_head(head: usize, layer: &str) -> String {
    if head == 0 {
        format!("roi_heads.mask_head.{layer}")
    } else {
        format!("roi_heads.mask_head.{head}.{layer}")
    }
}

fn with_norm(layer: &str) -> LayerNames {
    LayerNames::torch_with_norm(layer, &format!("{layer}.norm"))
}

/// detectron2's defaults of the model zoo's FPN, C4 and DC5 models.
pub(super) fn conventions(architecture: &Architecture) -> Conventions {
    let levels = architecture.rpn_strides().len();
    let pyramid = architecture.fpn.is_some();
    let grouped = architecture.backbone.stages.first().is_some_and(|stage| stage.groups > 1);
    Conventions {
        input: InputRule {
            channel_order: ChannelOrder::Bgr,
            value_range: ValueRange::Byte,
            mean: [103.53, 116.28, 123.675],
            // MSRA's weights hold their deviation in the first convolution; the ResNeXt weights do not.
            std: if grouped { [57.375, 57.12, 58.395] } else { [1.0; 3] },
            scaling: Scaling::Divide,
            min_size: 800,
            max_size: 1333,
            size_rule: SizeRule::ShortestEdge,
            filter: ResizeFilter::PillowBilinear,
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
        overlap: OverlapPrecision::Double,
        proposals: ProposalRule {
            pre_nms_top_n: if pyramid { 1000 } else { 6000 },
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            min_side: MinSide::Above(0.0),
            top_n_by: RankBy::Logit,
            nms_by: RankBy::Logit,
            ties: TieOrder::First,
            order: ProposalOrder::ByScore,
        },
        roi: RoiRule {
            sampling_ratio: 0,
            aligned: true,
            scale: RoiScale::Fixed,
            level: LevelRule {
                size: 224.0,
                level: 4.0,
                epsilon: 1e-8,
                epsilon_inside: true,
                finest: FinestLevel::ByScale,
            },
        },
        detections: DetectionRule {
            box_weights: [10.0, 10.0, 5.0, 5.0],
            background: Background::Last,
            score_threshold: 0.05,
            min_side: None,
            nms_threshold: 0.5,
            nms_space: NmsSpace::Resized,
            per_image: 100,
            clip_to_photo: true,
        },
        cascade: CascadeRule::of(
            architecture.heads.len(),
            &[[20.0, 20.0, 10.0, 10.0], [30.0, 30.0, 15.0, 15.0]],
            ScoreMean::Probabilities,
        ),
        masks: architecture
            .mask
            .as_ref()
            .map(|_| MaskRule { paste: PasteRule::Sample, threshold: MaskThreshold::AtLeast(0.5) }),
    }
}
