//! mmdetection's Faster R-CNN, versions 2 and 3: FPN and C4, in pytorch and caffe style. Names and conventions.
//!
//! The conventions are those of mmdetection 2.28 and 3.3 on a CPU.

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use super::classes::coco_names;
use super::config::{self, ConfigError};
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, CascadeRule, ChannelOrder, Clamp, Conventions,
    DetectionRule, FinestLevel, InputRule, LevelRule, MaskRule, MaskThreshold, MinSide, NmsSpace, PasteRule,
    ProposalRule, RankBy, ResizeFilter, RoiRule, RoiScale, Scaling, ScoreMean, SizeRule, ValueRange,
    usual_sizes,
};
use super::detectron2::coco;
use super::left_out::LeftOutTensors;
use super::{ClassOption, ClassesOption, Family, FamilyError, ImportOptions, LayerNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, Hints, Layer};

pub(super) const FAMILY: Family = Family { name: "mmdet", recognise, norm_eps: 1e-5, classes: coco };

/// One over the deviations of the published cascades: 0.05 and 0.1, then 0.033 and 0.067.
const LATER_WEIGHTS: [[f32; 4]; 2] =
    [[20.0, 20.0, 10.0, 10.0], [30.303_03, 30.303_03, 14.925_373, 14.925_373]];

const HINTS: Hints = Hints {
    stride_in_1x1: false,
    last_stage_dilation: 1,
    first_block_dilated: true,
    shortcut: None,
    pooled_projections: Vec::new(),
    extra_level: true,
    background_boxes: false,
    mask_resolution: 14,
};

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    let starts = |part: &str| checkpoint.tensors().any(|tensor| tensor.name().starts_with(part));
    if !has("rpn_head.rpn_cls.weight") {
        return Ok(None);
    }
    if has("bbox_head.fc_cls.weight") || has("bbox_head.0.fc_cls.weight") {
        return Err(FamilyError::Options(
            "the file is of mmdetection 1, whose boxes are computed otherwise: convert it with mmdetection 2's \
             upgrade_model_version.py"
                .into(),
        ));
    }
    let notes = checkpoint.notes();
    let text = notes.text("meta.cfg").or_else(|| notes.text("meta.config"));
    let (mut warnings, mut stated) = (Vec::new(), ImportOptions::default());
    match text.map(config::mmdet) {
        Some(Ok(options)) => stated = options,
        Some(Err(error @ ConfigError::Unsupported { .. })) => {
            return Err(FamilyError::Options(format!(
                "the config in the file is not for this program: {error}"
            )));
        }
        Some(Err(error)) => warnings.push(format!("the config in the file was passed over: {error}")),
        None => warnings
            .push("the file holds no config: give its own with --config if its boxes are wrong".into()),
    }
    stated.classes = classes(checkpoint);
    let two = notes.text("meta.mmdet_version").is_some_and(|version| version.starts_with("2."))
        || text.is_some_and(|text| config::mmdet_version(text) == 2);
    let style = MmdetStyle {
        last_stage_in_head: has("roi_head.shared_head.layer4.0.conv1.weight"),
        several_rpn_convs: has("rpn_head.rpn_conv.0.conv.weight"),
        cascade: starts("roi_head.bbox_head.0."),
        mask_cascade: starts("roi_head.mask_head.0."),
    };
    let masks = starts("roi_head.mask_head.");
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: HINTS,
        stated,
        conventions: match (two, masks) {
            (true, _) => conventions_2,
            (false, true) => conventions_with_masks,
            (false, false) => conventions,
        },
        rows: None,
        idle: |_| false,
        needed: |name| ["neck.", "rpn_head.", "roi_head."].iter().any(|part| name.starts_with(part)),
        left_out: |name| match name.strip_prefix("roi_head.")?.split('.').next()? {
            "mask_head" | "point_head" => Some(LeftOutTensors::Masks),
            "mask_iou_head" => Some(LeftOutTensors::MaskScores),
            _ => None,
        },
        warnings,
    }))
}

/// The names in the file; COCO's 80 take COCO's ids.
fn classes(checkpoint: &Checkpoint) -> Option<ClassesOption> {
    let places = ["meta.dataset_meta.classes", "meta.dataset_meta.CLASSES", "meta.CLASSES"];
    let names = places.iter().find_map(|place| checkpoint.notes().texts(place))?;
    if names.iter().map(String::as_str).eq(coco_names()) {
        return Some(ClassesOption::Known("coco".into()));
    }
    Some(ClassesOption::List(names.iter().cloned().map(ClassOption::Name).collect()))
}

/// The differences between mmdetection's models.
#[derive(Clone, Copy, Debug)]
struct MmdetStyle {
    /// The last stage stands in the head (C4).
    last_stage_in_head: bool,
    /// `rpn_conv.0.conv`, `rpn_conv.1.conv` … (`num_convs` above 1) rather than `rpn_conv`; a ReLU follows each.
    several_rpn_convs: bool,
    /// Box heads in turn, numbered.
    cascade: bool,
    /// A mask head for each of them, numbered.
    mask_cascade: bool,
}

impl MmdetStyle {
    fn names(self, layer: Layer) -> LayerNames {
        match layer {
            Layer::StemConv(_) => LayerNames::absent(layer),
            Layer::Stem => LayerNames::torch_with_norm("backbone.conv1", "backbone.bn1"),
            Layer::Block { stage, block, conv } => {
                let home =
                    if stage == 3 && self.last_stage_in_head { "roi_head.shared_head" } else { "backbone" };
                let block = format!("{home}.layer{}.{block}", stage + 1);
                LayerNames::torch_block(&block, conv)
            }
            Layer::FpnLateral(level) => wrapped(&format!("neck.lateral_convs.{level}")),
            Layer::FpnOutput(level) => wrapped(&format!("neck.fpn_convs.{level}")),
            Layer::RpnConv(0) if !self.several_rpn_convs => LayerNames::torch("rpn_head.rpn_conv"),
            // Where there is but one, a second has no name that could be there.
            Layer::RpnConv(i) => LayerNames::torch(&format!("rpn_head.rpn_conv.{i}.conv")),
            Layer::RpnLogits => LayerNames::torch("rpn_head.rpn_cls"),
            Layer::RpnDeltas => LayerNames::torch("rpn_head.rpn_reg"),
            Layer::HeadConv { head, index } => {
                wrapped(&self.of_box_head(head, &format!("shared_convs.{index}")))
            }
            Layer::HeadLinear { head, index } => {
                LayerNames::torch(&self.of_box_head(head, &format!("shared_fcs.{index}")))
            }
            Layer::Scores(head) => LayerNames::torch(&self.of_box_head(head, "fc_cls")),
            Layer::Boxes(head) => LayerNames::torch(&self.of_box_head(head, "fc_reg")),
            Layer::MaskConv { head, index } => wrapped(&self.of_mask_head(head, &format!("convs.{index}"))),
            Layer::MaskUpsample(head) => LayerNames::torch(&self.of_mask_head(head, "upsample")),
            Layer::MaskLogits(head) => LayerNames::torch(&self.of_mask_head(head, "conv_logits")),
            Layer::Classifier => LayerNames::torch("head.fc"),
        }
    }

    fn of_box_head(self, head: usize, layer: &str) -> String {
        of_head("bbox_head", self.cascade, head, layer)
    }

    fn of_mask_head(self, head: usize, layer: &str) -> String {
        of_head("mask_head", self.mask_cascade, head, layer)
    }
}

/// A layer of one of several heads, or of the only one; then a second has no name that could be there.
fn of_head(part: &str, numbered: bool, head: usize, layer: &str) -> String {
    if numbered || head > 0 {
        format!("roi_head.{part}.{head}.{layer}")
    } else {
        format!("roi_head.{part}.{layer}")
    }
}

/// `ConvModule`: a convolution, and a norm where the config asks for one.
fn wrapped(module: &str) -> LayerNames {
    LayerNames::torch_with_norm(&format!("{module}.conv"), &format!("{module}.bn"))
}

/// With a mask head, version 3 compares boxes before they are scaled back.
fn conventions_with_masks(architecture: &Architecture) -> Conventions {
    let mut conventions = conventions(architecture);
    conventions.detections.nms_space = NmsSpace::Resized;
    conventions
}

/// Version 2 multiplies by the inverse where version 3 divides.
fn conventions_2(architecture: &Architecture) -> Conventions {
    let mut conventions = conventions(architecture);
    conventions.input.scaling = Scaling::MultiplyByInverse;
    conventions
}

fn conventions(architecture: &Architecture) -> Conventions {
    let levels = architecture.rpn_strides().len();
    let pyramid = architecture.fpn.is_some();
    Conventions {
        input: InputRule {
            channel_order: ChannelOrder::Rgb,
            value_range: ValueRange::Byte,
            mean: [123.675, 116.28, 103.53],
            std: [58.395, 57.12, 57.375],
            scaling: Scaling::Divide,
            min_size: 800,
            max_size: 1333,
            size_rule: SizeRule::HalfUp,
            filter: ResizeFilter::OpencvBilinear,
            pad_to: 32,
        },
        anchors: AnchorRule {
            ratios: vec![vec![0.5, 1.0, 2.0]; levels],
            sizes: usual_sizes(architecture),
            cell: AnchorCell::RatioMajor,
            stride: AnchorStride::Fixed,
        },
        clamp: Clamp::Both,
        corners: Corners::Edge,
        overlap: OverlapPrecision::Double,
        proposals: ProposalRule {
            pre_nms_top_n: if pyramid { 1000 } else { 6000 },
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            min_side: MinSide::Above(0.0),
            top_n_by: RankBy::Sigmoid,
            nms_by: RankBy::Sigmoid,
            ties: TieOrder::First,
            order: ProposalOrder::ByScore,
        },
        roi: RoiRule {
            sampling_ratio: 0,
            aligned: true,
            scale: RoiScale::Fixed,
            level: LevelRule {
                size: 56.0,
                level: 0.0,
                epsilon: 1e-6,
                epsilon_inside: true,
                finest: FinestLevel::Zero,
            },
        },
        detections: DetectionRule {
            box_weights: [10.0, 10.0, 5.0, 5.0],
            background: Background::Last,
            score_threshold: 0.05,
            min_side: None,
            nms_threshold: 0.5,
            nms_space: NmsSpace::Photo,
            per_image: 100,
            clip_to_photo: false,
        },
        cascade: CascadeRule::of(architecture.heads.len(), &LATER_WEIGHTS, ScoreMean::Logits),
        masks: architecture
            .mask
            .as_ref()
            .map(|_| MaskRule { paste: PasteRule::SampleMiddle, threshold: MaskThreshold::AtLeast(0.5) }),
    }
}
