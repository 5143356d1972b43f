//! What an architecture may ask for: parts that go together, and sizes that no real network reaches.
//!
//! Looked at before anything is computed from one, whether the shapes of a checkpoint's tensors or a `model.json` say it.

use std::ops::RangeInclusive;

use super::architecture::{Architecture, Backbone, Fpn, LayerShape, Stage};
use super::classifier::ClassifierNetwork;

/// Stages of a backbone; real ones have three to five.
const MOST_STAGES: usize = 16;

/// Blocks of a stage: the deepest network of the paper has 200.
pub(super) const MOST_BLOCKS: usize = 512;

/// Layers in a row before the RPN's outputs and in the box head; real ones have one to four.
const MOST_LAYERS: usize = 64;

/// Channels of a layer, and outputs of a linear one; the widest ResNeXt has 12,288.
const MOST_CHANNELS: usize = 65_536;

/// Input pixels per pixel of the coarsest map; real networks have 64.
const COARSEST: usize = 1024;

/// Boxes at a position; real networks have 3 to 15.
const MOST_ANCHORS: usize = 128;

/// Cells a side that RoIAlign gives; real networks have 7 or 14.
pub(crate) const MOST_CELLS: usize = 64;

/// Classes of a model; the largest sets have some twenty thousand.
const MOST_CLASSES: usize = 65_536;

/// Weights of all layers: an ONNX file cannot hold more bytes.
const MOST_WEIGHTS: u128 = 1 << 31;

/// Why an architecture is refused: a clause that names the value and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimitError(String);

impl Backbone {
    /// Whether its numbers go together and are within bounds; a clause that says which is not.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), LimitError> {
        self.within_limits().map_err(LimitError)
    }

    fn within_limits(&self) -> Result<(), String> {
        within("backbone.stem.channels", self.stem.channels, 1..=MOST_CHANNELS)?;
        within("backbone.stem.kernel", self.stem.kernel, 1..=63)?;
        within("backbone.stem.stride", self.stem.stride, 1..=8)?;
        within("the number of backbone.stages", self.stages.len(), 1..=MOST_STAGES)?;
        for (index, stage) in self.stages.iter().enumerate() {
            check_stage(&format!("backbone.stages[{index}]"), stage)?;
        }
        within("the stride of the backbone", self.stride_after(self.stages.len()), 1..=COARSEST)
    }
}

fn check_stage(name: &str, stage: &Stage) -> Result<(), String> {
    let each = |what: &str, value, range| within(&format!("{name}.{what}"), value, range);
    each("blocks", stage.blocks, 1..=MOST_BLOCKS)?;
    each("width", stage.width, 1..=MOST_CHANNELS)?;
    each("channels", stage.channels, 1..=MOST_CHANNELS)?;
    each("groups", stage.groups, 1..=stage.width)?;
    each("stride", stage.stride, 1..=8)?;
    each("dilation", stage.dilation, 1..=64)?;
    each("first_dilation", stage.first_dilation, 1..=64)?;
    if !stage.width.is_multiple_of(stage.groups) {
        return Err(format!(
            "{name}.groups is {}, which does not divide its width {}",
            stage.groups, stage.width
        ));
    }
    let ordered = stage.projections.is_sorted_by(|a, b| a < b);
    match stage.projections.last() {
        Some(&last) if !ordered || last >= stage.blocks => {
            Err(format!("{name}.projections are no rising numbers of its {} blocks", stage.blocks))
        }
        _ => Ok(()),
    }
}

impl Architecture {
    /// Whether its numbers go together and are within bounds; a clause that says which is not.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), LimitError> {
        self.within_limits().map_err(LimitError)
    }

    fn within_limits(&self) -> Result<(), String> {
        self.backbone.within_limits()?;
        let [head] = self.heads.as_slice() else {
            return Err(format!(
                "it has {} box heads, and one is supported: no cascade is",
                self.heads.len()
            ));
        };
        if self.mask.is_some() {
            return Err("it has a mask head, and none is supported".into());
        }
        let rpn = &self.rpn;
        if head.last_stage && (self.fpn.is_some() || self.backbone.stages.len() < 2) {
            return Err("head.last_stage takes a stage that the trunk needs".into());
        }
        self.fpn.as_ref().map_or(Ok(()), |fpn| check_fpn(fpn, self.backbone.stages.len()))?;
        layers_within("rpn.convs", &rpn.convs)?;
        within("rpn.anchors", rpn.anchors, 1..=MOST_ANCHORS)?;
        within("head.resolution", head.resolution, 1..=MOST_CELLS)?;
        layers_within("head.convs", &head.convs)?;
        layers_within("head.linears", &head.linears)?;
        within("head.classes", head.classes, 1..=MOST_CLASSES)?;
        let rows = [4, 8, 4 * head.classes, 4 * (head.classes + 1)];
        if !rows.contains(&head.box_rows) {
            return Err(format!("head.box_rows is {}, which is not 4 a class or a box", head.box_rows));
        }
        weights_within(&self.layers())
    }
}

impl ClassifierNetwork {
    /// Whether its numbers go together and are within bounds; a clause that says which is not.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), LimitError> {
        self.within_limits().map_err(LimitError)
    }

    fn within_limits(&self) -> Result<(), String> {
        self.backbone.within_limits()?;
        within("classes", self.classes, 1..=MOST_CLASSES)?;
        weights_within(&self.layers())
    }
}

fn check_fpn(fpn: &Fpn, stages: usize) -> Result<(), String> {
    within("fpn.channels", fpn.channels, 1..=MOST_CHANNELS)?;
    let rising = fpn.stages.is_sorted_by(|a, b| a < b);
    match fpn.stages.last() {
        Some(&last) if rising && last < stages => Ok(()),
        None => Err("fpn.stages is empty".into()),
        _ => {
            let said: Vec<String> = fpn.stages.iter().take(8).map(usize::to_string).collect();
            Err(format!(
                "fpn.stages are {}: rising numbers below {stages} expected, as the backbone has {stages} \
                         stages",
                said.join(", ")
            ))
        }
    }
}

fn layers_within(name: &str, channels: &[usize]) -> Result<(), String> {
    within(&format!("the number of {name}"), channels.len(), 0..=MOST_LAYERS)?;
    channels.iter().try_for_each(|&channels| within(name, channels, 1..=MOST_CHANNELS))
}

fn weights_within(layers: &[LayerShape]) -> Result<(), String> {
    let numbers = |layer: &LayerShape| layer.weight.iter().map(|&dim| dim as u128).product::<u128>();
    let weights = layers.iter().map(numbers).sum::<u128>();
    if weights <= MOST_WEIGHTS {
        return Ok(());
    }
    Err(format!("its layers have {weights} weights, more than an ONNX file can hold"))
}

fn within(name: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}: {} to {} expected", range.start(), range.end()))
}
