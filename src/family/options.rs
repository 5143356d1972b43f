//! What the user says of a checkpoint because no tensor shows it: `rcnn import --config FILE.json`.

use serde::{Deserialize, Serialize};

use super::conventions::{ChannelOrder, Conventions, MaskThreshold, ResizeFilter, ValueRange};
use crate::network::{Architecture, BlockKind, Shortcut};

/// A class as the user gives it: a name, or a name with its category id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassOption {
    /// Numbered by its place.
    Name(String),
    /// With its own id.
    WithId {
        /// Category id in results.
        id: u64,
        /// Name.
        name: String,
    },
}

impl ClassOption {
    pub(super) fn name(&self) -> &str {
        match self {
            ClassOption::Name(name) | ClassOption::WithId { name, .. } => name,
        }
    }
}

/// The classes as the user gives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassesOption {
    /// A well-known list: `coco`, or one of layoutparser's data sets such as `publaynet`.
    Known(String),
    /// All foreground classes in the model's order.
    List(Vec<ClassOption>),
}

/// Every key is optional; the family's default stands for the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportOptions {
    /// The key that the tensors stand under, a dotted path, where there are several or an unusual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What stands before the names of the network's tensors, where there are several networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The family, where the tensors' names leave a doubt.
    pub family: Option<String>,
    /// The foreground classes.
    pub classes: Option<ClassesOption>,
    /// What is added to variances.
    pub norm_eps: Option<f64>,
    /// Groups of the 3x3 convolutions; only checked, as the tensors show them.
    pub groups: Option<usize>,
    /// Stride in the 1x1 of bottlenecks.
    pub stride_in_1x1: Option<bool>,
    /// Dilation of the last stage.
    pub dilation: Option<usize>,
    /// What runs beside the blocks.
    pub shortcut: Option<Shortcut>,
    /// Order of colours.
    pub channel_order: Option<ChannelOrder>,
    /// Range of values.
    pub value_range: Option<ValueRange>,
    /// Mean a channel.
    pub mean: Option<[f32; 3]>,
    /// Standard deviation a channel.
    pub std: Option<[f32; 3]>,
    /// Aim of the shorter side.
    pub min_size: Option<u32>,
    /// Bound of the longer side.
    pub max_size: Option<u32>,
    /// The filter that resizes.
    pub resize_filter: Option<ResizeFilter>,
    /// Padding to multiples.
    pub pad_to: Option<u32>,
    /// Sizes, a list a level.
    pub anchor_sizes: Option<Vec<Vec<f32>>>,
    /// Ratios, a list a level.
    pub anchor_ratios: Option<Vec<Vec<f32>>>,
    /// Positions a level that are decoded.
    pub rpn_pre_nms_top_n: Option<usize>,
    /// Proposals that are left.
    pub rpn_post_nms_top_n: Option<usize>,
    /// Overlap of proposals.
    pub rpn_nms_threshold: Option<f64>,
    /// Sigmoid of proposals.
    pub rpn_score_threshold: Option<f32>,
    /// Cells a side; only checked, as the tensors show them, but for C4.
    pub roi_resolution: Option<usize>,
    /// Samples a side and cell.
    pub roi_sampling_ratio: Option<usize>,
    /// Half a pixel less.
    pub roi_aligned: Option<bool>,
    /// Weights of deltas, of the first box head.
    pub box_weights: Option<[f32; 4]>,
    /// Of a cascade: weights of deltas of the box heads after the first, a list a head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cascade_box_weights: Option<Vec<[f32; 4]>>,
    /// Cells a side that mask heads see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_roi_resolution: Option<usize>,
    /// Probability from which a mask's pixel is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_threshold: Option<f32>,
    /// Least score.
    pub score_threshold: Option<f32>,
    /// Overlap of detections.
    pub nms_threshold: Option<f64>,
    /// Most detections.
    pub detections_per_image: Option<usize>,
}

impl ImportOptions {
    /// Every option as it stands in a finished import; the classes are left out.
    pub(super) fn of(architecture: &Architecture, conventions: &Conventions, norm_eps: f64) -> ImportOptions {
        let (backbone, input) = (&architecture.backbone, &conventions.input);
        let (proposals, detections) = (&conventions.proposals, &conventions.detections);
        ImportOptions {
            key: None,
            prefix: None,
            family: None,
            classes: None,
            norm_eps: Some(norm_eps),
            groups: backbone.stages.first().map(|stage| stage.groups),
            stride_in_1x1: (backbone.block == BlockKind::Bottleneck).then_some(backbone.stride_in_1x1),
            dilation: backbone.stages.last().map(|stage| stage.dilation),
            shortcut: Some(backbone.shortcut),
            channel_order: Some(input.channel_order),
            value_range: Some(input.value_range),
            mean: Some(input.mean),
            std: Some(input.std),
            min_size: Some(input.min_size),
            max_size: Some(input.max_size),
            resize_filter: Some(input.filter).filter(ResizeFilter::has_siblings),
            pad_to: Some(input.pad_to),
            anchor_sizes: Some(conventions.anchors.sizes.clone()),
            anchor_ratios: Some(conventions.anchors.ratios.clone()),
            rpn_pre_nms_top_n: Some(proposals.pre_nms_top_n),
            rpn_post_nms_top_n: Some(proposals.post_nms_top_n),
            rpn_nms_threshold: Some(proposals.nms_threshold),
            rpn_score_threshold: Some(proposals.score_threshold),
            roi_resolution: Some(architecture.box_head().resolution),
            roi_sampling_ratio: Some(conventions.roi.sampling_ratio),
            roi_aligned: Some(conventions.roi.aligned),
            box_weights: Some(detections.box_weights),
            cascade_box_weights: conventions.cascade.as_ref().map(|cascade| cascade.box_weights.clone()),
            mask_roi_resolution: architecture.mask.as_ref().map(|mask| mask.resolution),
            mask_threshold: conventions.masks.map(|masks| masks.threshold.value()),
            score_threshold: Some(detections.score_threshold),
            nms_threshold: Some(detections.nms_threshold),
            detections_per_image: Some(detections.per_image),
        }
    }

    /// What of `self` the user has not said in `given`: key and value as JSON. What tensors show is left out.
    pub(super) fn unsaid(&self, given: &ImportOptions) -> Vec<(String, String)> {
        const SHOWN: [&str; 5] = ["family", "classes", "groups", "roi_resolution", "shortcut"];
        // Plain data with text keys and finite numbers: it always is an object.
        let (Ok(serde_json::Value::Object(all)), Ok(serde_json::Value::Object(given))) =
            (serde_json::to_value(self), serde_json::to_value(given))
        else {
            return Vec::new();
        };
        let open = |key: &str, value: &serde_json::Value| {
            !SHOWN.contains(&key) && !value.is_null() && given.get(key).is_none_or(serde_json::Value::is_null)
        };
        all.into_iter()
            .filter(|(key, value)| open(key, value))
            .map(|(key, value)| (key, shortest(&value)))
            .collect()
    }

    /// These options, and where they say nothing, those of `other`.
    pub(crate) fn over(&self, other: &ImportOptions) -> ImportOptions {
        macro_rules! either {
            ($($field:ident),*) => { ImportOptions { $($field: self.$field.clone().or_else(|| other.$field.clone()),)* } };
        }
        either!(
            key,
            prefix,
            family,
            classes,
            norm_eps,
            groups,
            stride_in_1x1,
            dilation,
            shortcut,
            channel_order,
            value_range,
            mean,
            std,
            min_size,
            max_size,
            resize_filter,
            pad_to,
            anchor_sizes,
            anchor_ratios,
            rpn_pre_nms_top_n,
            rpn_post_nms_top_n,
            rpn_nms_threshold,
            rpn_score_threshold,
            roi_resolution,
            roi_sampling_ratio,
            roi_aligned,
            box_weights,
            cascade_box_weights,
            mask_roi_resolution,
            mask_threshold,
            score_threshold,
            nms_threshold,
            detections_per_image
        )
    }

    /// Replaces the defaults by what the user says.
    pub fn apply(&self, conventions: &mut Conventions) {
        fn set<T: Clone>(target: &mut T, option: &Option<T>) {
            if let Some(value) = option {
                target.clone_from(value);
            }
        }
        let input = &mut conventions.input;
        set(&mut input.channel_order, &self.channel_order);
        set(&mut input.value_range, &self.value_range);
        set(&mut input.mean, &self.mean);
        set(&mut input.std, &self.std);
        set(&mut input.min_size, &self.min_size);
        set(&mut input.max_size, &self.max_size);
        set(&mut input.filter, &self.resize_filter);
        set(&mut input.pad_to, &self.pad_to);
        set(&mut conventions.anchors.sizes, &self.anchor_sizes);
        set(&mut conventions.anchors.ratios, &self.anchor_ratios);
        let proposals = &mut conventions.proposals;
        set(&mut proposals.pre_nms_top_n, &self.rpn_pre_nms_top_n);
        set(&mut proposals.post_nms_top_n, &self.rpn_post_nms_top_n);
        set(&mut proposals.nms_threshold, &self.rpn_nms_threshold);
        set(&mut proposals.score_threshold, &self.rpn_score_threshold);
        set(&mut conventions.roi.sampling_ratio, &self.roi_sampling_ratio);
        set(&mut conventions.roi.aligned, &self.roi_aligned);
        let detections = &mut conventions.detections;
        set(&mut detections.box_weights, &self.box_weights);
        if let Some(cascade) = &mut conventions.cascade {
            set(&mut cascade.box_weights, &self.cascade_box_weights);
        }
        if let Some(masks) = &mut conventions.masks {
            let (MaskThreshold::Above(value) | MaskThreshold::AtLeast(value)) = &mut masks.threshold;
            set(value, &self.mask_threshold);
        }
        let detections = &mut conventions.detections;
        set(&mut detections.score_threshold, &self.score_threshold);
        set(&mut detections.nms_threshold, &self.nms_threshold);
        set(&mut detections.per_image, &self.detections_per_image);
    }
}

/// JSON text in which a float32 is as short as it was written.
fn shortest(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(String::new, |number| {
                if f64::from(number as f32) == number {
                    (number as f32).to_string()
                } else {
                    number.to_string()
                }
            })
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(shortest).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
