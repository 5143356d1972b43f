//! Everything a family does between a photo and its boxes that no tensor shows, as values.
//!
//! The detector follows these values and knows no family by name.

use serde::{Deserialize, Serialize};

use super::box_rules::{Corners, OverlapPrecision, ProposalOrder, TieOrder};
use crate::network::Architecture;
use crate::photo::WideGrey;

/// Order of the colour channels that the network was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first (Caffe, OpenCV).
    Bgr,
}

/// What an 8-bit value becomes before the mean is subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueRange {
    /// 0 to 1: `f32(v) / f32(255)`.
    Unit,
    /// 0 to 255.
    Byte,
}

/// How the standard deviation is applied; the two differ in the last bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// `(v - mean) / std`.
    Divide,
    /// `(v - mean) * (1 / std)` (mmdetection 2).
    MultiplyByInverse,
    /// As `divide`, but both steps in float64, each rounded to float32; 0 to 1 is `f32(v) * f32(1 / 255)`
    /// (PaddleDetection's NormalizeImage).
    DivideInDouble,
}

/// From the size of the photo to the size that the network sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeRule {
    /// `s = min(min_size / short, max_size / long)`, each side `floor(side * s)` (torchvision).
    Floor,
    /// The shorter side becomes `min_size`, then both shrink until the longer fits, each side rounded half up
    /// (detectron2's ResizeShortestEdge).
    ShortestEdge,
    /// `s` as for `floor`, each side rounded half up (mmdetection's keep_ratio).
    HalfUp,
    /// The shorter side becomes `min_size`, or, where the longer one would not fit, a whole number with which it does,
    /// rounded half to even; the longer side is `floor(shorter * long / short)` (maskrcnn-benchmark's Resize).
    WholeShortestEdge,
}

/// The filter that resizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeFilter {
    /// Bilinear without antialiasing on normalised float32 values (torchvision).
    NormalisedBilinear,
    /// Pillow's antialiased bilinear on 8 bits (detectron2).
    PillowBilinear,
    /// OpenCV's INTER_LINEAR on 8 bits (mmdetection).
    OpencvBilinear,
    /// OpenCV's INTER_CUBIC on 8 bits as its wheels for x86 compute it, whose weights are not rounded (PaddleDetection).
    OpencvBicubic,
    /// OpenCV's INTER_CUBIC on 8 bits without Intel's IPP, as on other processors: weights of 11 bits.
    OpencvBicubicFixed,
}

impl ResizeFilter {
    /// Whether a model may have been trained with the same filter in another arithmetic, which no tensor shows.
    pub(super) fn has_siblings(&self) -> bool {
        matches!(self, ResizeFilter::OpencvBicubic | ResizeFilter::OpencvBicubicFixed)
    }
}

/// From pixels to the input tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRule {
    /// Order of the channels.
    pub channel_order: ChannelOrder,
    /// Range of the values.
    pub value_range: ValueRange,
    /// Subtracted, a channel in the network's order.
    pub mean: [f32; 3],
    /// Divided by, a channel in the network's order.
    pub std: [f32; 3],
    /// How it is divided.
    pub scaling: Scaling,
    /// Aim of the shorter side in pixels; 0: no resizing.
    pub min_size: u32,
    /// Bound of the longer side in pixels.
    pub max_size: u32,
    /// Rule of the sizes.
    pub size_rule: SizeRule,
    /// Filter.
    pub filter: ResizeFilter,
    /// Right and lower edges are padded with 0 to multiples of this; 0 or 1: not at all.
    pub pad_to: u32,
}

/// How the boxes around a position are made from sizes and ratios (ratio: height / width).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorCell {
    /// float32, for each ratio every size, corners rounded half to even (torchvision).
    RatioMajorRounded,
    /// float32, for each ratio every size (mmdetection).
    RatioMajor,
    /// float64, for each size every ratio (detectron2).
    SizeMajor,
    /// float64, for each ratio every size, made of a window of the level's stride whose sides are rounded for each ratio,
    /// around its middle (Detectron, maskrcnn-benchmark); with [`Corners::LastPixel`].
    Window,
}

/// How far apart the positions of anchors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorStride {
    /// Padded side // side of the map, for each axis (torchvision).
    FromInput,
    /// The network's own strides.
    Fixed,
}

/// Anchors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorRule {
    /// Sizes in input pixels, a list a level.
    pub sizes: Vec<Vec<f32>>,
    /// Height / width, a list a level.
    pub ratios: Vec<Vec<f32>>,
    /// Boxes around a position.
    pub cell: AnchorCell,
    /// Distance of positions.
    pub stride: AnchorStride,
}

/// What objectness is ranked by; sigmoids of large logits are equal where the logits are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankBy {
    /// The raw logit.
    Logit,
    /// Its sigmoid in float32.
    Sigmoid,
}

/// Smallest sides that a box may have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinSide {
    /// Both sides at least this.
    AtLeast(f32),
    /// Both sides above this.
    Above(f32),
}

impl InputRule {
    /// What becomes of grey values of 16 bits: the library that resizes for the framework reads its photos too.
    pub fn wide_grey(&self) -> WideGrey {
        match self.filter {
            ResizeFilter::NormalisedBilinear | ResizeFilter::PillowBilinear => WideGrey::Clipped,
            ResizeFilter::OpencvBilinear | ResizeFilter::OpencvBicubic | ResizeFilter::OpencvBicubicFixed => {
                WideGrey::HighByte
            }
        }
    }
}

impl MinSide {
    /// Whether a box of these sides stays.
    pub fn allows(self, width: f32, height: f32) -> bool {
        match self {
            MinSide::AtLeast(least) => width >= least && height >= least,
            MinSide::Above(bound) => width > bound && height > bound,
        }
    }
}

/// Whether a value is the usual one, which `model.json` leaves out.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Proposals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalRule {
    /// Best positions a level that are decoded.
    pub pre_nms_top_n: usize,
    /// Proposals that are left over all levels.
    pub post_nms_top_n: usize,
    /// Overlap above which the lower one goes, within a level.
    pub nms_threshold: f64,
    /// Sigmoid below which a proposal goes.
    pub score_threshold: f32,
    /// Smallest sides after clipping.
    pub min_side: MinSide,
    /// What the best of a level are chosen by.
    pub top_n_by: RankBy,
    /// What NMS and the final choice go by.
    pub nms_by: RankBy,
    /// Which of equal scores goes first in NMS.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub ties: TieOrder,
    /// Order of the proposals.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub order: ProposalOrder,
}

/// From which end log-size changes are bounded at ln(1000 / 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clamp {
    /// From above.
    Upper,
    /// From above and below.
    Both,
}

/// Where RoIAlign's scales come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoiScale {
    /// The power of two nearest to map height / unpadded input height (torchvision).
    Inferred,
    /// One over the network's strides.
    Fixed,
}

/// Which map a box is pooled from: `floor(level + log2(sqrt(area) / size))`, in float32.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelRule {
    /// Side of a box that belongs to `level`, in input pixels.
    pub size: f32,
    /// Its level.
    pub level: f32,
    /// A small number against rounding.
    pub epsilon: f32,
    /// Whether it is added inside the logarithm rather than to its result.
    pub epsilon_inside: bool,
    /// The finest map's level: minus the log2 of its scale, or 0.
    pub finest: FinestLevel,
}

/// What number the finest map has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinestLevel {
    /// `-log2(scale)`: 2 for a stride of 4.
    ByScale,
    /// 0.
    Zero,
}

/// Pooling of box features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoiRule {
    /// Samples a side and cell; 0: as many as the cell has pixels, rounded up.
    pub sampling_ratio: usize,
    /// Subtract half a pixel and allow boxes below one pixel.
    pub aligned: bool,
    /// Scales of the maps.
    pub scale: RoiScale,
    /// Choice of the map.
    pub level: LevelRule,
}

/// Where the background stands among the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// Index 0.
    First,
    /// After the last class.
    Last,
}

/// In which picture's pixels detections are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NmsSpace {
    /// The resized picture's; then boxes are scaled back.
    Resized,
    /// The photo's own, after scaling back (mmdetection).
    Photo,
}

/// Detections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionRule {
    /// Weights of dx, dy, dw, dh.
    pub box_weights: [f32; 4],
    /// Where the background stands.
    pub background: Background,
    /// Scores at or below it go.
    pub score_threshold: f32,
    /// Smallest sides, in the resized picture, after clipping; none where absent.
    pub min_side: Option<MinSide>,
    /// Overlap above which the lower one goes, within a class.
    pub nms_threshold: f64,
    /// Where overlaps are measured.
    pub nms_space: NmsSpace,
    /// Most detections of a photo.
    pub per_image: usize,
    /// Clip to the photo at the end, and drop what has no area then.
    pub clip_to_photo: bool,
}

/// How the small mask of a box becomes pixels of the photo. Interpolation is of probabilities, not of logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasteRule {
    /// Zeros are put around the mask, the box grows with them and is cut off to whole pixels, and the mask is resized to it,
    /// bilinear with half-pixel centres (torchvision's `paste_mask_in_image`).
    Resize,
    /// The mask is sampled at the centre of each pixel, zero outside (detectron2's `paste_masks_in_image`).
    Sample,
    /// As `sample`; of a box without width or height the mask's middle is sampled (mmdetection's `_do_paste_mask`).
    SampleMiddle,
}

/// From which probability on a pixel is set, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskThreshold {
    /// Above this (torchvision's COCO evaluation).
    Above(f32),
    /// From this on (detectron2, mmdetection).
    AtLeast(f32),
}

impl MaskThreshold {
    /// The probability between unset and set.
    pub fn value(self) -> f32 {
        match self {
            MaskThreshold::Above(value) | MaskThreshold::AtLeast(value) => value,
        }
    }

    /// Whether a pixel of a probability is set.
    pub fn sets(self, probability: f32) -> bool {
        match self {
            MaskThreshold::Above(bound) => probability > bound,
            MaskThreshold::AtLeast(least) => probability >= least,
        }
    }
}

/// Masks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskRule {
    /// From the small mask to the photo.
    pub paste: PasteRule,
    /// Which pixels are set.
    pub threshold: MaskThreshold,
}

/// How the scores that the box heads of a cascade give become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreMean {
    /// The mean of the probabilities, in float32 the sum times `f32(1 / heads)` (detectron2).
    Probabilities,
    /// The probabilities of the mean logits, in float32 their sum divided by the number of heads (mmdetection).
    Logits,
}

/// What a Cascade R-CNN (Cai and Vasconcelos 2018) adds: box heads of which each sees the boxes of the one before, clipped
/// to the resized picture, none dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeRule {
    /// Weights of dx, dy, dw, dh of each box head after the first, whose are those of the detections.
    pub box_weights: Vec<[f32; 4]>,
    /// How scores become one.
    pub scores: ScoreMean,
}

impl CascadeRule {
    /// That of a network with so many box heads; none where there is one. Box heads beyond the weights that are given
    /// have the last of them.
    pub(super) fn of(heads: usize, weights: &[[f32; 4]], scores: ScoreMean) -> Option<CascadeRule> {
        let last = *weights.last()?;
        let all = weights.iter().copied().chain(std::iter::repeat(last));
        (heads > 1).then(|| CascadeRule { box_weights: all.take(heads - 1).collect(), scores })
    }
}

/// All values of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conventions {
    /// From pixels to the input tensor.
    pub input: InputRule,
    /// Anchors.
    pub anchors: AnchorRule,
    /// Bounds of decoded sizes, in RPN and box head.
    pub clamp: Clamp,
    /// What the far sides of boxes are.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub corners: Corners,
    /// How overlaps are compared with their thresholds, in RPN and box head.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub overlap: OverlapPrecision,
    /// Proposals.
    pub proposals: ProposalRule,
    /// Pooling.
    pub roi: RoiRule,
    /// Detections.
    pub detections: DetectionRule,
    /// Box heads in turn, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeRule>,
    /// Masks of detections, where the model has a mask head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<MaskRule>,
}

impl Conventions {
    /// Weights of dx, dy, dw, dh of the box head at a place.
    pub(crate) fn box_weights(&self, head: usize) -> [f32; 4] {
        let later = self.cascade.as_ref().and_then(|cascade| cascade.box_weights.get(head.checked_sub(1)?));
        *later.unwrap_or(&self.detections.box_weights)
    }
}

/// The anchor sizes that all frameworks begin with: one a level of a pyramid, else all of them on the one level.
pub(super) fn usual_sizes(architecture: &Architecture) -> Vec<Vec<f32>> {
    let sizes = [32.0, 64.0, 128.0, 256.0, 512.0];
    if architecture.fpn.is_none() {
        return vec![sizes.to_vec()];
    }
    sizes.iter().take(architecture.rpn_strides().len()).map(|&size| vec![size]).collect()
}
