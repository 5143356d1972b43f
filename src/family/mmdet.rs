//! mmdetection's Faster R-CNN, versions 2 and 3: FPN and C4, in pytorch and caffe style. Names and conventions.
//!
//! The conventions are those of mmdetection 2.28 and 3.3 on a CPU.

use super::classes::coco_names;
use super::config::{self, ConfigError};
use super::conventions::{
    AnchorCell, AnchorRule, AnchorStride, Background, ChannelOrder, Clamp, Conventions, DetectionRule,
    FinestLevel, InputRule, LevelRule, MinSide, NmsSpace, ProposalRule, RankBy, ResizeFilter, RoiRule,
    RoiScale, Scaling, SizeRule, ValueRange, usual_sizes,
};
use super::detectron2::coco;
use super::{ClassOption, ClassesOption, Error, Family, ImportOptions, LayerNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, Hints, Layer};

pub(super) const FAMILY: Family = Family { name: "mmdet", recognise, norm_eps: 1e-5, classes: coco };

const HINTS: Hints = Hints {
    stride_in_1x1: false,
    last_stage_dilation: 1,
    first_block_dilated: true,
    shortcut: None,
    extra_level: true,
    background_boxes: false,
};

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, Error> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    if !has("rpn_head.rpn_cls.weight") {
        return Ok(None);
    }
    if has("bbox_head.fc_cls.weight") {
        return Err(Error::Options(
            "the file is of mmdetection 1, whose boxes are computed otherwise: convert it with mmdetection 2's \
             upgrade_model_version.py"
                .into(),
        ));
    }
    let notes = checkpoint.notes();
    let text = notes.text("meta.cfg").or_else(|| notes.text("meta.config"));
    let (mut warnings, mut said) = (Vec::new(), ImportOptions::default());
    match text.map(config::mmdet) {
        Some(Ok(options)) => said = options,
        Some(Err(error @ ConfigError::Unsupported { .. })) => {
            return Err(Error::Options(format!("the config in the file is not for this program: {error}")));
        }
        Some(Err(error)) => warnings.push(format!("the config in the file was passed over: {error}")),
        None => warnings
            .push("the file holds no config: give its own with --config if its boxes are wrong".into()),
    }
    said.classes = classes(checkpoint);
    let two = notes.text("meta.mmdet_version").is_some_and(|version| version.starts_with("2."))
        || text.is_some_and(|text| config::mmdet_version(text) == 2);
    let style = MmdetStyle {
        last_stage_in_head: has("roi_head.shared_head.layer4.0.conv1.weight"),
        several_rpn_convs: has("rpn_head.rpn_conv.0.conv.weight"),
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: HINTS,
        said,
        conventions: if two { conventions_2 } else { conventions },
        rows: None,
        idle: |_| false,
        needed: |name| name.starts_with("neck.") || name.starts_with("rpn_head."),
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
}

impl MmdetStyle {
    fn names(self, layer: Layer) -> LayerNames {
        match layer {
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
            Layer::HeadConv(i) => wrapped(&format!("roi_head.bbox_head.shared_convs.{i}")),
            Layer::HeadLinear(i) => LayerNames::torch(&format!("roi_head.bbox_head.shared_fcs.{i}")),
            Layer::Scores => LayerNames::torch("roi_head.bbox_head.fc_cls"),
            Layer::Boxes => LayerNames::torch("roi_head.bbox_head.fc_reg"),
            Layer::Classifier => LayerNames::torch("head.fc"),
        }
    }
}

/// `ConvModule`: a convolution, and a norm where the config asks for one.
fn wrapped(module: &str) -> LayerNames {
    LayerNames::torch_with_norm(&format!("{module}.conv"), &format!("{module}.bn"))
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
        proposals: ProposalRule {
            pre_nms_top_n: if pyramid { 1000 } else { 6000 },
            post_nms_top_n: 1000,
            nms_threshold: 0.7,
            score_threshold: 0.0,
            min_side: MinSide::Above(0.0),
            top_n_by: RankBy::Sigmoid,
            nms_by: RankBy::Sigmoid,
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
        masks: None,
    }
}
