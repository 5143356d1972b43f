//! Caffe2 Detectron's blobs: names, and conventions as detectron2 computes with such a file.
//!
//! What Caffe2 itself did differently (boxes one pixel wider, rounded anchors, its own resize) is not repeated:
//! there is no Caffe2 left to compare with.

use super::config::{self, ConfigError};
use super::conventions::Conventions;
use super::detectron2::{self, coco};
use super::left_out::LeftOutTensors;
use super::load::missing;
use super::{Family, FamilyError, ImportOptions, LayerNames, NormNames, Recognised};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, BlockConv, Hints, Layer};

/// Norms are folded into a factor and a summand already; detectron2 loads them with a variance of 1 and adds its eps
/// to that, which the recorded features show.
pub(super) const FAMILY: Family = Family { name: "detectron", recognise, norm_eps: 1e-5, classes: coco };

fn recognise(checkpoint: &Checkpoint) -> Result<Option<Recognised>, FamilyError> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    let pyramid = has("rpn_cls_logits_fpn2_w");
    if !has("conv1_w") || !pyramid && !has("rpn_cls_logits_w") {
        return Ok(None);
    }
    // The box head of two linear layers always has both.
    if has("fc6_w") && !has("fc7_w") && !has("head_conv1_w") {
        return Err(missing("fc7_w"));
    }
    // The pyramid's layers are named after the last block of each stage.
    let last = |stage: usize| {
        (0..512)
            .take_while(|block| has(&format!("res{}_{block}_branch2a_w", stage + 2)))
            .last()
            .unwrap_or_default()
    };
    let style = DetectronStyle { pyramid, last_blocks: [0, 1, 2, 3].map(last) };
    let shape = |name: &str| checkpoint.tensor(name).map(|tensor| tensor.shape());
    let grouped = match (shape("res2_0_branch2a_w"), shape("res2_0_branch2b_w")) {
        (Some([outputs, ..]), Some([_, inputs, ..])) => outputs != inputs,
        _ => false,
    };
    let mut warnings = Vec::new();
    let stated = match checkpoint.notes().text("cfg").map(config::detectron) {
        Some(Ok(stated)) => stated,
        Some(Err(error @ ConfigError::Unsupported { .. })) => {
            return Err(FamilyError::Options(format!(
                "the cfg text in the file is not for this program: {error}"
            )));
        }
        Some(Err(error)) => {
            warnings.push(format!("the cfg text in the file was passed over: {error}"));
            ImportOptions::default()
        }
        None => ImportOptions::default(),
    };
    Ok(Some(Recognised {
        naming: Box::new(move |layer| style.names(layer)),
        hints: Hints {
            stride_in_1x1: !grouped,
            last_stage_dilation: 1,
            first_block_dilated: true,
            shortcut: None,
            pooled_projections: Vec::new(),
            extra_level: true,
            background_boxes: true,
            mask_resolution: detectron2::MASK_RESOLUTION,
        },
        stated,
        conventions,
        rows: Some(rows),
        idle: |name| name.ends_with("_momentum"),
        needed: |_| false,
        left_out: |name| {
            let part = name.strip_suffix("_w").or_else(|| name.strip_suffix("_b"))?;
            let starts = |parts: &[&str]| parts.iter().any(|start| part.starts_with(start));
            match () {
                () if starts(&["_[mask]_", "conv5_mask", "mask_fcn_logits"]) => Some(LeftOutTensors::Masks),
                () if starts(&["conv_fcn", "kps_"]) => Some(LeftOutTensors::Keypoints),
                () => None,
            }
        },
        warnings,
    }))
}

#[derive(Clone, Copy, Debug)]
struct DetectronStyle {
    pyramid: bool,
    /// The last block of each stage.
    last_blocks: [usize; 4],
}

impl DetectronStyle {
    fn names(self, layer: Layer) -> LayerNames {
        let suffix = if self.pyramid { "_fpn2" } else { "" };
        match layer {
            Layer::StemConv(_) => LayerNames::absent(layer),
            Layer::Stem => with_norm("conv1", "res_conv1_bn"),
            Layer::Block { stage, block, conv } => {
                let branch = match conv {
                    BlockConv::First => "branch2a",
                    BlockConv::Second => "branch2b",
                    BlockConv::Third => "branch2c",
                    BlockConv::Projection => "branch1",
                };
                let name = format!("res{}_{block}_{branch}", stage + 2);
                with_norm(&name, &format!("{name}_bn"))
            }
            // The coarsest level has no level above to be added to, and says so in its name.
            Layer::FpnLateral(3) => plain(&format!("fpn_inner_{}_sum", self.sum(3))),
            Layer::FpnLateral(level) => plain(&format!("fpn_inner_{}_sum_lateral", self.sum(level))),
            Layer::FpnOutput(level) => plain(&format!("fpn_{}_sum", self.sum(level))),
            Layer::RpnConv(0) => plain(&format!("conv_rpn{suffix}")),
            // There is but one; a second has no name that could be there.
            Layer::RpnConv(i) => plain(&format!("conv_rpn{suffix}_{i}")),
            Layer::RpnLogits => plain(&format!("rpn_cls_logits{suffix}")),
            Layer::RpnDeltas => plain(&format!("rpn_bbox_pred{suffix}")),
            Layer::HeadConv { head: 0, index } => plain(&format!("head_conv{}", index + 1)),
            Layer::HeadLinear { head: 0, index } => plain(&format!("fc{}", index + 6)),
            Layer::Scores(0) => plain("cls_score"),
            Layer::Boxes(0) => plain("bbox_pred"),
            Layer::MaskConv { head: 0, index } => plain(&format!("_[mask]_fcn{}", index + 1)),
            Layer::MaskUpsample(0) => plain("conv5_mask"),
            Layer::MaskLogits(0) => plain("mask_fcn_logits"),
            // There is one head of a kind; a second has no name that could be there.
            Layer::HeadConv { .. }
            | Layer::HeadLinear { .. }
            | Layer::Scores(_)
            | Layer::Boxes(_)
            | Layer::MaskConv { .. }
            | Layer::MaskUpsample(_)
            | Layer::MaskLogits(_) => LayerNames::absent(layer),
            Layer::Classifier => plain("pred"),
        }
    }

    fn sum(self, level: usize) -> String {
        format!("res{}_{}", level + 2, self.last_blocks.get(level).copied().unwrap_or_default())
    }
}

fn plain(name: &str) -> LayerNames {
    LayerNames { weight: format!("{name}_w"), bias: format!("{name}_b"), norm: None, inputs_first: false }
}

fn with_norm(name: &str, norm: &str) -> LayerNames {
    let norm = NormNames { scale: format!("{norm}_s"), bias: format!("{norm}_b"), statistics: None };
    LayerNames { norm: Some(norm), ..plain(name) }
}

fn conventions(architecture: &Architecture) -> Conventions {
    let mut conventions = detectron2::conventions(architecture);
    conventions.input.mean = [102.9801, 115.9465, 122.7717];
    conventions.input.std = [1.0; 3];
    conventions.roi.aligned = false;
    conventions.roi.sampling_ratio = if architecture.fpn.is_some() { 2 } else { 0 };
    conventions
}

/// The file has the background first, among scores, boxes and masks, and anchors of several sizes by ratio first;
/// the conventions have it last, and sizes first, as detectron2 does.
fn rows(architecture: &Architecture, conventions: &Conventions, layer: Layer) -> Option<Vec<usize>> {
    let head = architecture.box_head();
    let (sizes, ratios) =
        (conventions.anchors.sizes.first()?.len(), conventions.anchors.ratios.first()?.len());
    let anchors = || (0..sizes).flat_map(move |size| (0..ratios).map(move |ratio| ratio * sizes + size));
    match layer {
        Layer::RpnLogits => Some(anchors().collect()),
        Layer::RpnDeltas => Some(anchors().flat_map(|anchor| (0..4).map(move |i| 4 * anchor + i)).collect()),
        Layer::Scores(_) => Some((1..=head.classes).chain([0]).collect()),
        Layer::Boxes(_) => Some((4..head.box_rows).collect()),
        Layer::MaskLogits(_) => {
            let masks = architecture.mask.as_ref()?.masks;
            (masks == head.classes + 1).then(|| (1..masks).collect())
        }
        _ => None,
    }
}
