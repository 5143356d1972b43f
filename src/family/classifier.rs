//! Bare classification ResNets: torchvision's and timm's names, and the paper's CIFAR networks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::chosen::named;
use super::limits;
use super::load::{FamilyError, Parameters, read_weights, surplus, unreadable};
use super::options::{ClassesOption, ImportOptions};
use super::stated::norm_eps;
use super::{Class, LayerNames, Naming};
use crate::checkpoint::Checkpoint;
use crate::network::{BlockConv, ClassifierNetwork, Hints, Layer, Weights};

/// More stages than any ResNet has.
const MOST_STAGES: usize = 16;

/// How a photo becomes a classifier's input: shorter side resized on 8 bits, centre cut out, 0 to 1, normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierInput {
    /// The shorter side after resizing.
    pub resize: u32,
    /// Side of the square that is cut out.
    pub crop: u32,
    /// Pillow's filter.
    pub filter: ClassifierFilter,
    /// Mean a channel, red first.
    pub mean: [f32; 3],
    /// Standard deviation a channel.
    pub std: [f32; 3],
}

/// The filters that classifiers are resized with, both Pillow's and antialiased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierFilter {
    /// torchvision's presets.
    Bilinear,
    /// timm's.
    Bicubic,
}

/// A checkpoint made into a classifier.
#[derive(Debug)]
pub struct LoadedClassifier {
    /// What it is made of.
    pub architecture: ClassifierNetwork,
    /// Its weights, norms folded.
    pub weights: Weights,
    /// Its classes, numbered from 0.
    pub classes: Vec<Class>,
    /// What its photos become.
    pub input: ClassifierInput,
    /// How many numbers were learned.
    pub parameters: Parameters,
    /// Tensors that nothing uses.
    pub surplus: Vec<String>,
}

/// Whether a checkpoint is a bare ResNet rather than a detector.
pub fn is_classifier(checkpoint: &Checkpoint) -> bool {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    (has("conv1.weight") || has("conv1.0.weight"))
        && last(checkpoint).is_some()
        && has("layer1.0.conv1.weight")
}

/// The name of the last layer.
fn last(checkpoint: &Checkpoint) -> Option<&'static str> {
    ["fc", "linear"].into_iter().find(|name| checkpoint.tensor(&format!("{name}.weight")).is_some())
}

/// Makes a classifier of a checkpoint. Of the options, `classes`, `norm_eps`, `stride_in_1x1`, `shortcut`, `mean`, `std`
/// and `min_size` (the shorter side after resizing) matter.
///
/// # Errors
/// When tensors are missing, misshapen or not finite, or `options` contradict them.
pub fn load_classifier(
    checkpoint: &Checkpoint,
    options: &ImportOptions,
) -> Result<LoadedClassifier, FamilyError> {
    let style = ClassifierStyle::of(checkpoint);
    if !style.pooled.is_empty() && options.dilation.is_some_and(|dilation| dilation > 1) {
        return Err(FamilyError::Options(
            "a ResNet-D with a dilated stage is not supported: leave out dilation".into(),
        ));
    }
    let hinted = style.pooled.clone();
    let naming: Naming = Box::new(move |layer| style.names(layer));
    let hints = Hints {
        stride_in_1x1: options.stride_in_1x1.unwrap_or(false),
        last_stage_dilation: options.dilation.unwrap_or(1),
        first_block_dilated: false,
        shortcut: options.shortcut,
        pooled_projections: hinted,
        extra_level: false,
        background_boxes: false,
        mask_resolution: 0,
    };
    let shapes = |layer| naming(layer).shape(checkpoint);
    let architecture =
        ClassifierNetwork::read(&shapes, &hints).map_err(|error| unreadable(error, &naming, checkpoint))?;
    architecture.check().map_err(|limit| FamilyError::Options(limit.to_string()))?;
    let eps = norm_eps(options, 1e-5)?;
    let classes = classes(options, architecture.classes)?;
    let input = input(options, architecture.backbone.stem.pool);
    limits::check_classifier(&input, &classes, architecture.classes).map_err(FamilyError::Options)?;
    let mut used = BTreeSet::new();
    let weights = read_weights(checkpoint, &architecture.layers(), &naming, eps, &mut used)?;
    let parameters = Parameters::of(checkpoint, &architecture.layers(), &naming);
    let surplus = surplus(checkpoint, &used, |_| false);
    Ok(LoadedClassifier { architecture, weights, classes, input, parameters, surplus })
}

/// The differences between torchvision's and timm's classifiers.
struct ClassifierStyle {
    /// The name of the last layer.
    last: &'static str,
    /// `conv1.0`, `conv1.3` and `conv1.6` (timm's deep stem) rather than `conv1`.
    deep: bool,
    /// Stages in whose first block a mean stands before the projection (timm's `avg_down`): it takes the place of the
    /// projection's name, and has no tensor.
    pooled: Vec<usize>,
}

impl ClassifierStyle {
    fn of(checkpoint: &Checkpoint) -> ClassifierStyle {
        let has = |name: String| checkpoint.tensor(&name).is_some();
        ClassifierStyle {
            last: last(checkpoint).unwrap_or("fc"),
            deep: has("conv1.0.weight".into()),
            pooled: (0..MOST_STAGES)
                .filter(|stage| has(format!("layer{}.0.downsample.2.weight", stage + 1)))
                .collect(),
        }
    }

    fn names(&self, layer: Layer) -> LayerNames {
        match layer {
            Layer::StemConv(i) if self.deep => {
                LayerNames::torch_with_norm(&format!("conv1.{}", 3 * i), &format!("conv1.{}", 3 * i + 1))
            }
            Layer::Stem if self.deep => LayerNames::torch_with_norm("conv1.6", "bn1"),
            Layer::Stem => LayerNames::torch_with_norm("conv1", "bn1"),
            Layer::Block { stage, block: 0, conv: BlockConv::Projection } if self.pooled.contains(&stage) => {
                let place = format!("layer{}.0.downsample", stage + 1);
                LayerNames::torch_with_norm(&format!("{place}.1"), &format!("{place}.2"))
            }
            Layer::Block { stage, block, conv } => {
                let block = format!("layer{}.{block}", stage + 1);
                LayerNames::torch_block(&block, conv)
            }
            Layer::Classifier => LayerNames::torch(self.last),
            // A detector's layers have no name here that could be there.
            other => LayerNames::torch(&format!("no.{other}")),
        }
    }
}

/// torchvision's presets; the CIFAR networks see their 32 pixels whole.
fn input(options: &ImportOptions, imagenet: bool) -> ClassifierInput {
    let (resize, crop) = if imagenet { (256, 224) } else { (32, 32) };
    ClassifierInput {
        resize: options.min_size.unwrap_or(resize),
        crop,
        filter: ClassifierFilter::Bilinear,
        mean: options.mean.unwrap_or(if imagenet { [0.485, 0.456, 0.406] } else { [0.4914, 0.4822, 0.4465] }),
        std: options.std.unwrap_or(if imagenet { [0.229, 0.224, 0.225] } else { [0.247, 0.2435, 0.2616] }),
    }
}

fn classes(options: &ImportOptions, count: usize) -> Result<Vec<Class>, FamilyError> {
    match &options.classes {
        Some(ClassesOption::List(list)) if list.len() == count => {
            Ok(list.iter().zip(0..).map(named).collect())
        }
        Some(_) => Err(FamilyError::Options(format!(
            "the options do not name {count} classes, as many as the checkpoint has"
        ))),
        None => Ok((0..count as u64).map(|id| Class { id, name: format!("class {id}") }).collect()),
    }
}
