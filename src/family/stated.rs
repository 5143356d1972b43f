//! What is said of a checkpoint beside its tensors, against what these show.

use super::load::FamilyError;
use super::options::ImportOptions;
use super::{Naming, limits};
use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, Layer, LayerShape, MOST_CELLS};

/// Whether the RPN has a level beyond the pyramid's, where the user's anchors tell.
pub(super) fn extra_level(
    options: &ImportOptions,
    shapes: &dyn Fn(Layer) -> Option<Vec<usize>>,
) -> Option<bool> {
    let convs = (0..64).take_while(|&level| shapes(Layer::FpnLateral(level)).is_some()).count();
    options.anchor_sizes.as_ref().map(|sizes| sizes.len() > convs)
}

/// What is added to variances, as the user or else the family says.
pub(super) fn norm_eps(options: &ImportOptions, usual: f64) -> Result<f64, FamilyError> {
    let eps = options.norm_eps.unwrap_or(usual);
    limits::within("norm_eps", eps, 0.0..=1.0).map_err(FamilyError::Options)?;
    Ok(eps)
}

/// Said where no tensor tells which of two numbers torchvision took.
pub(super) const FROZEN: &str = "its batch norms are frozen, and no tensor tells what is added to their variances: 0.00001 is taken, \
    but where the detector was made from weights=\"DEFAULT\" (COCO) torchvision takes 0: then say {\"norm_eps\": 0.0} with \
    --config or in import.json";

/// Whether the backbone has norms, none of which counts its batches, as those that are trained do.
pub(super) fn has_frozen_norms(checkpoint: &Checkpoint, naming: &Naming) -> bool {
    let stem = naming(Layer::Stem).norm.is_some_and(|norm| checkpoint.tensor(&norm.scale).is_some());
    stem && !checkpoint.tensors().any(|tensor| tensor.name().ends_with("num_batches_tracked"))
}

/// Box heads of every published cascade.
const USUAL_CASCADE: usize = 3;

/// Compares what the user says with what the tensors show, and puts in what these cannot.
pub(super) fn check_options(
    options: &ImportOptions,
    architecture: &mut Architecture,
) -> Result<(), FamilyError> {
    let differ = |what: &str, stated: usize, in_tensors: usize| {
        Err(FamilyError::Options(format!("the option {what} is {stated}, but the tensors show {in_tensors}")))
    };
    let groups = architecture.backbone.stages.first().map_or(1, |stage| stage.groups);
    match options.groups {
        Some(stated) if stated != groups => return differ("groups", stated, groups),
        _ => {}
    }
    if let Some(stated) = options.roi_resolution {
        for head in &mut architecture.heads {
            if head.last_stage && (1..=MOST_CELLS).contains(&stated) {
                head.resolution = stated;
            } else if stated != head.resolution {
                return differ("roi_resolution", stated, head.resolution);
            }
        }
        match &mut architecture.mask {
            // The last stage's mask heads see what its box head does.
            Some(mask) if mask.last_stage && options.mask_roi_resolution.is_none() => {
                mask.resolution = stated
            }
            _ => {}
        }
    }
    let heads = architecture.heads.len();
    if heads > 1 && heads != USUAL_CASCADE && options.cascade_box_weights.is_none() {
        return Err(FamilyError::Options(format!(
            "it has {heads} box heads in turn, where published cascades have {USUAL_CASCADE}: if that is what it should have, \
             say the weights of those after the first with cascade_box_weights in --config"
        )));
    }
    if options.cascade_box_weights.is_some() && heads < 2 {
        return Err(FamilyError::Options(
            "the option cascade_box_weights is given, but there is one box head".into(),
        ));
    }
    Ok(())
}

/// The first norm that has factors, and neither means nor variances, as group norms and layer norms are; none where the
/// network has no such norm.
pub(super) fn other_norm(checkpoint: &Checkpoint, layers: &[LayerShape], naming: &Naming) -> Option<String> {
    let has = |name: &str| checkpoint.tensor(name).is_some();
    let without = |layer: &LayerShape| {
        let norm = naming(layer.layer).norm?;
        let (mean, variance) = norm.statistics?;
        (has(&norm.scale) && has(&norm.bias) && !has(&mean) && !has(&variance)).then_some(norm.scale)
    };
    layers.iter().find_map(without)
}
