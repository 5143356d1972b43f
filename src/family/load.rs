//! From a checkpoint of any family to a network with weights: reading, checking, folding.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::chosen::classes;
use super::conventions::Conventions;
use super::left_out::LeftOutTensors;
use super::limits;
use super::options::ImportOptions;
use super::stated::{FROZEN, check_options, extra_level, has_frozen_norms, norm_eps, other_norm};
use super::{Class, FAMILIES, Family, LayerNames, Naming, OutputOrder, Recognised};
use crate::checkpoint::{self, Checkpoint, EscapedText, Tensor};
use crate::network::{Architecture, ArchitectureError, Layer, LayerShape, LayerWeights, Norm, Weights};

/// Why a checkpoint did not become a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// Its tensors are no detector that is known.
    #[error("no Faster R-CNN of a known family ({known}): its tensors begin with {found}")]
    UnknownModel {
        /// Families that are known.
        known: String,
        /// First parts of the tensors' names.
        found: String,
    },
    /// Another detector.
    #[error(
        "it is {0}: only Faster, Mask and Cascade R-CNN on a ResNet are read; give a checkpoint of such a model, or one \
         that `rcnn models` names"
    )]
    OtherModel(&'static str),
    /// Something of the network is not known here, though its family is.
    #[error("{0}: give a checkpoint without, or one that `rcnn models` names")]
    OtherPart(&'static str),
    /// A detector, but not on a ResNet.
    #[error("the backbone is no ResNet: there is no tensor `{expected}`, but `{found}`")]
    UnknownBackbone {
        /// What a ResNet has.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Tensors are absent or misshapen; each is told by name, up to eight.
    #[error("the checkpoint does not make a whole network: {}", missing_text(missing, misshapen))]
    Incomplete {
        /// Tensors that are absent.
        missing: Vec<String>,
        /// Tensors whose shape does not fit, with both shapes.
        misshapen: Vec<String>,
    },
    /// The pyramid, the RPN or a head has layers that are not known here.
    #[error(
        "the network has layers that are not known here, without which boxes or masks would be wrong: {}",
        list(unknown.iter().cloned())
    )]
    UnknownLayers {
        /// Their tensors.
        unknown: Vec<String>,
    },
    /// A norm that is no batch norm.
    #[error(
        "the norm `{0}` has no running mean and variance, as a batch norm has: group norm and layer norm are not supported"
    )]
    OtherNorm(String),
    /// A tensor holds NaN or infinity.
    #[error("the tensor `{0}` holds values that are not finite")]
    NotFinite(String),
    /// A weight is beyond float32 once its norm is folded in.
    #[error(
        "the values of `{weight}` are not finite once the norm behind it is folded in: a variance may be 0, and what is \
         added to variances (norm_eps) is {eps}"
    )]
    NotFiniteFolded {
        /// Tensor.
        weight: String,
        /// What is added to variances.
        eps: f64,
    },
    /// What the user says does not fit the tensors.
    #[error("{0}")]
    Options(String),
    /// A tensor cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::CheckpointError),
}

impl FamilyError {
    /// The sort of failure, for programs and tests.
    pub fn kind(&self) -> &'static str {
        match self {
            FamilyError::UnknownModel { .. } | FamilyError::OtherModel(_) | FamilyError::OtherPart(_) => {
                "unknown_model"
            }
            FamilyError::UnknownBackbone { .. } => "unknown_backbone",
            FamilyError::Incomplete { missing, .. } if !missing.is_empty() => "missing_tensor",
            FamilyError::Incomplete { .. } => "shape_mismatch",
            FamilyError::UnknownLayers { .. } => "surplus_tensor",
            FamilyError::OtherNorm(_) => "missing_tensor",
            FamilyError::NotFinite(_) | FamilyError::NotFiniteFolded { .. } => "not_finite",
            FamilyError::Options(_) => "options",
            FamilyError::Checkpoint(error) => error.kind(),
        }
    }
}

/// Numbers in a checkpoint's layers. Frameworks count those of norms only where they are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// In weights and biases.
    pub layers: u64,
    /// In factors and summands of norms.
    pub norms: u64,
}

impl Parameters {
    pub(super) fn of(checkpoint: &Checkpoint, layers: &[LayerShape], naming: &Naming) -> Parameters {
        let count =
            |name: &str| checkpoint.tensor(name).map_or(0, |t| t.shape().iter().product::<usize>() as u64);
        let mut parameters = Parameters::default();
        for layer in layers {
            let names = naming(layer.layer);
            parameters.layers += count(&names.weight) + count(&names.bias);
            if let Some(norm) = &names.norm {
                parameters.norms += count(&norm.scale) + count(&norm.bias);
            }
        }
        parameters
    }
}

/// A checkpoint made into a network.
#[derive(Debug)]
pub struct Loaded {
    /// Its family.
    pub family: &'static str,
    /// What it is made of.
    pub architecture: Architecture,
    /// Its weights, norms folded.
    pub weights: Weights,
    /// What surrounds it.
    pub conventions: Conventions,
    /// Its foreground classes.
    pub classes: Vec<Class>,
    /// How many numbers were learned.
    pub parameters: Parameters,
    /// Tensors that nothing uses.
    pub surplus: Vec<String>,
    /// What neither tensors nor the file's texts nor the user say: option and the value taken, as JSON.
    pub assumed: Vec<(String, String)>,
    /// What a person should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Makes a network of a checkpoint.
///
/// # Errors
/// When no family knows it, tensors are missing, misshapen or not finite, or `options` contradict them.
pub fn load(checkpoint: &Checkpoint, options: &ImportOptions) -> Result<Loaded, FamilyError> {
    let (family, recognised) = recognise(checkpoint, options)?;
    let Recognised { naming, mut hints, stated, conventions, rows, idle, needed, left_out, mut warnings } =
        recognised;
    let options = &options.over(&stated);
    hints.stride_in_1x1 = options.stride_in_1x1.unwrap_or(hints.stride_in_1x1);
    hints.last_stage_dilation = options.dilation.unwrap_or(hints.last_stage_dilation);
    hints.shortcut = options.shortcut.or(hints.shortcut);
    let shapes = |layer| naming(layer).shape(checkpoint);
    hints.mask_resolution = options.mask_roi_resolution.unwrap_or(hints.mask_resolution);
    hints.extra_level = extra_level(options, &shapes).unwrap_or(hints.extra_level);
    let mut architecture =
        Architecture::read(&shapes, &hints).map_err(|error| unreadable(error, &naming, checkpoint))?;
    if architecture.heads.iter().any(|head| head.linears.len() == 1 && head.convs.is_empty()) {
        warnings
            .push("the box head has one linear layer, where most have two: a second may be missing".into());
    }
    architecture.check().map_err(|limit| FamilyError::Options(limit.to_string()))?;
    let norm_eps = norm_eps(options, family.norm_eps)?;
    if options.norm_eps.is_none() && family.name == "torchvision" && has_frozen_norms(checkpoint, &naming) {
        warnings.push(FROZEN.into());
    }
    let mut conventions = conventions(&architecture);
    options.apply(&mut conventions);
    check_options(options, &mut architecture)?;
    let classes = classes(options, architecture.box_head().classes, family, &mut warnings)?;
    limits::check(&architecture, &conventions, &classes).map_err(FamilyError::Options)?;
    let mut used = BTreeSet::new();
    let mut weights = read_weights(checkpoint, &architecture.layers(), &naming, norm_eps, &mut used)?;
    let parameters = Parameters::of(checkpoint, &architecture.layers(), &naming);
    if let Some(rows) = rows {
        rearrange(rows, &mut architecture, &conventions, &mut weights);
    }
    let (left, surplus): (Vec<String>, Vec<String>) =
        surplus(checkpoint, &used, idle).into_iter().partition(|name| left_out(name).is_some());
    let parts: BTreeSet<LeftOutTensors> = left.iter().filter_map(|name| left_out(name)).collect();
    warnings.extend(parts.into_iter().map(LeftOutTensors::message));
    // What is left of a mask head that is known would change its masks.
    let of_masks =
        |name: &&String| left_out(name) == Some(LeftOutTensors::Masks) && architecture.mask.is_some();
    let unknown = surplus.iter().filter(|name| needed(name)).chain(left.iter().filter(of_masks));
    let unknown: Vec<String> = unknown.map(|name| quoted(name)).collect();
    if !unknown.is_empty() {
        return Err(FamilyError::UnknownLayers { unknown });
    }
    let assumed = ImportOptions::of(&architecture, &conventions, norm_eps).unsaid(options);
    Ok(Loaded {
        family: family.name,
        architecture,
        weights,
        conventions,
        classes,
        parameters,
        surplus,
        assumed,
        warnings,
    })
}

fn recognise(
    checkpoint: &Checkpoint,
    options: &ImportOptions,
) -> Result<(&'static Family, Recognised), FamilyError> {
    let wanted = |family: &&&'static Family| options.family.as_deref().is_none_or(|name| name == family.name);
    if FAMILIES.iter().filter(wanted).count() == 0 {
        let name = options.family.as_deref().unwrap_or_default().escape_debug().to_string();
        return Err(FamilyError::Options(format!(
            "the family `{name}` is unknown: one of {} expected",
            known()
        )));
    }
    if checkpoint.tensors().any(|tensor| OFFSETS.iter().any(|part| tensor.name().contains(part))) {
        return Err(FamilyError::OtherPart(
            "its backbone has deformable convolutions, which are not supported",
        ));
    }
    for family in FAMILIES.iter().filter(wanted) {
        if let Some(recognised) = (family.recognise)(checkpoint)? {
            return Ok((family, recognised));
        }
    }
    let has = |name: &&(&str, &str)| checkpoint.tensors().any(|tensor| tensor.name().contains(name.0));
    if let Some((_, other)) = OTHERS.iter().find(has) {
        return Err(FamilyError::OtherModel(other));
    }
    Err(FamilyError::UnknownModel { known: known(), found: first_parts(checkpoint) })
}

/// What mmdetection and PaddleDetection, and detectron2, call the layer of a deformable convolution that says from where it takes its
/// inputs.
const OFFSETS: [&str; 2] = ["conv_offset.", "conv2_offset."];

/// Parts of names that other detectors' tensors have, the telling ones first.
const OTHERS: [(&str, &str); 12] = [
    ("bbox_ctrness", "an FCOS"),
    ("fcos_head.", "an FCOS"),
    ("conv_centerness", "an FCOS"),
    ("retina_cls", "a RetinaNet"),
    ("head.classification_head.module_list", "an SSD"),
    ("head.classification_head.cls_logits", "a RetinaNet"),
    ("head.cls_subnet.", "a RetinaNet"),
    ("transformer.encoder.", "a DETR"),
    ("multi_level_conv_cls", "a YOLOX"),
    ("yolox", "a YOLOX"),
    ("model.0.conv.weight", "a YOLO (Ultralytics) model"),
    ("extra.0.weight", "an SSD"),
];

/// Puts outputs into the detector's order, leaving out those it has no use for.
fn rearrange(
    rows: OutputOrder,
    architecture: &mut Architecture,
    conventions: &Conventions,
    weights: &mut Weights,
) {
    let of_heads = (0..architecture.heads.len()).flat_map(|head| [Layer::Scores(head), Layer::Boxes(head)]);
    let others = [Layer::RpnLogits, Layer::RpnDeltas, Layer::MaskLogits(0)];
    for layer in others.into_iter().chain(of_heads) {
        if let Some(order) = rows(architecture, conventions, layer) {
            weights.rearrange(layer, &order);
            match (layer, &mut architecture.mask) {
                (Layer::Boxes(head), _) => architecture.heads[head].box_rows = order.len(),
                (Layer::MaskLogits(_), Some(mask)) => mask.masks = order.len(),
                _ => {}
            }
        }
    }
}

fn known() -> String {
    FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>().join(", ")
}

/// The distinct first parts of tensor names, for a person to see what the file is.
fn first_parts(checkpoint: &Checkpoint) -> String {
    let parts: BTreeSet<_> =
        checkpoint.tensors().map(|t| t.name().split('.').next().unwrap_or_default()).collect();
    list(parts.iter().map(|part| quoted(part)))
}

/// A name from a file, safe to print and not too long.
fn quoted(name: &str) -> String {
    format!("`{}`", EscapedText::new(name))
}

pub(super) fn unreadable(error: ArchitectureError, naming: &Naming, checkpoint: &Checkpoint) -> FamilyError {
    match error {
        ArchitectureError::Missing(layer) => {
            let expected = naming(layer).weight;
            let prefix = expected.split('.').next().unwrap_or_default();
            let backbone = matches!(layer, Layer::Stem | Layer::Block { .. });
            // Of the tensors under that prefix the one whose name is most like it from the beginning.
            let alike = |name: &str| name.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
            let others = checkpoint.tensors().filter(|tensor| tensor.name().starts_with(prefix));
            let other = others.max_by_key(|tensor| alike(tensor.name()));
            match other {
                Some(other) if backbone => {
                    FamilyError::UnknownBackbone { expected, found: other.name().escape_debug().to_string() }
                }
                _ => missing(&expected),
            }
        }
        ArchitectureError::Shape { layer, shape, expected } => {
            let name = naming(layer).weight;
            let misshapen = vec![format!("`{name}` has the shape {shape:?}, {expected} expected")];
            FamilyError::Incomplete { missing: Vec::new(), misshapen }
        }
    }
}

pub(super) fn read_weights(
    checkpoint: &Checkpoint,
    layers: &[LayerShape],
    naming: &Naming,
    eps: f64,
    used: &mut BTreeSet<String>,
) -> Result<Weights, FamilyError> {
    let mut problems = Problems::default();
    for layer in layers {
        for (name, shape) in tensors_of(checkpoint, layer, &naming(layer.layer)) {
            problems.check(checkpoint, &name, &shape);
            used.insert(name);
        }
    }
    if let Some(norm) = other_norm(checkpoint, layers, naming) {
        return Err(FamilyError::OtherNorm(norm.escape_debug().to_string()));
    }
    problems.verdict()?;
    let mut weights = Weights::new();
    for layer in layers {
        weights.insert(layer.layer, read_layer(checkpoint, &naming(layer.layer), eps)?);
    }
    Ok(weights)
}

/// The tensors that a layer needs, with their shapes: its weight, and a norm, or else a bias.
fn tensors_of(checkpoint: &Checkpoint, layer: &LayerShape, names: &LayerNames) -> Vec<(String, Vec<usize>)> {
    let outputs = vec![layer.outputs()];
    let mut tensors = vec![(names.weight.clone(), names.stored(layer.weight.clone()))];
    let has_bias = checkpoint.tensor(&names.bias).is_some();
    match &names.norm {
        Some(norm) if !has_bias || checkpoint.tensor(&norm.scale).is_some() => {
            let mut parts = vec![norm.scale.clone(), norm.bias.clone()];
            if let Some((mean, variance)) = &norm.statistics {
                parts.extend([mean.clone(), variance.clone()]);
            }
            tensors.extend(parts.into_iter().map(|part| (part, outputs.clone())));
            if has_bias {
                tensors.push((names.bias.clone(), outputs));
            }
        }
        _ => tensors.push((names.bias.clone(), outputs)),
    }
    tensors
}

/// Everything that is wrong, so that a person sees it at once.
#[derive(Default)]
struct Problems {
    missing: Vec<String>,
    misshapen: Vec<String>,
}

impl Problems {
    fn check(&mut self, checkpoint: &Checkpoint, name: &str, shape: &[usize]) {
        match checkpoint.tensor(name) {
            None => self.missing.push(format!("`{name}`")),
            Some(tensor) if tensor.shape() != shape => {
                self.misshapen
                    .push(format!("`{name}` has the shape {:?}, {shape:?} expected", tensor.shape()));
            }
            Some(_) => {}
        }
    }

    fn verdict(self) -> Result<(), FamilyError> {
        let Problems { missing, misshapen } = self;
        if missing.is_empty() && misshapen.is_empty() {
            Ok(())
        } else {
            Err(FamilyError::Incomplete { missing, misshapen })
        }
    }
}

pub(super) fn missing(name: &str) -> FamilyError {
    FamilyError::Incomplete { missing: vec![format!("`{name}`")], misshapen: Vec::new() }
}

fn missing_text(missing: &[String], misshapen: &[String]) -> String {
    let part = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what}: {}", list(names.iter().cloned())))
    };
    let parts = [part("missing", missing), part("misshapen", misshapen)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Up to eight names, and how many more there are.
fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(8);
    let mut text = names.take(8).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

fn read_layer(checkpoint: &Checkpoint, names: &LayerNames, eps: f64) -> Result<LayerWeights, FamilyError> {
    let optional = |name: &str| checkpoint.tensor(name).map(|tensor| values(checkpoint, tensor)).transpose();
    let required = |name: &str| optional(name)?.ok_or_else(|| missing(name));
    let mut weight = required(&names.weight)?;
    let bias = optional(&names.bias)?;
    if names.inputs_first
        && let Some([_, outputs]) = checkpoint.tensor(&names.weight).map(Tensor::shape)
    {
        weight = LayerNames::outputs_first(&weight, *outputs);
    }
    let norm = match &names.norm {
        Some(norm) if checkpoint.tensor(&norm.scale).is_some() => norm,
        _ => return Ok(LayerWeights { weight, bias: bias.unwrap_or_default() }),
    };
    let statistics = match &norm.statistics {
        Some((mean, variance)) => Some((required(mean)?, required(variance)?)),
        None => None,
    };
    let norm = Norm { scale: required(&norm.scale)?, bias: required(&norm.bias)?, statistics };
    let folded = LayerWeights::fold(weight, &bias.unwrap_or_default(), &norm, eps);
    if folded.weight.iter().chain(&folded.bias).all(|value| value.is_finite()) {
        return Ok(folded);
    }
    Err(FamilyError::NotFiniteFolded { weight: names.weight.escape_debug().to_string(), eps })
}

fn values(checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<f32>, FamilyError> {
    let values = tensor.to_f32(checkpoint)?;
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(FamilyError::NotFinite(tensor.name().escape_debug().to_string()))
    }
}

/// Tensors that nothing uses, but for PyTorch's counters and what the family calls idle.
pub(super) fn surplus(
    checkpoint: &Checkpoint,
    used: &BTreeSet<String>,
    idle: fn(&str) -> bool,
) -> Vec<String> {
    let unused = |name: &&str| !used.contains(*name) && !name.ends_with("num_batches_tracked") && !idle(name);
    checkpoint.tensors().map(Tensor::name).filter(unused).map(str::to_owned).collect()
}
