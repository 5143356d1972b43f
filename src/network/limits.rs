//! What an architecture may ask for: parts that go together, and sizes that no real network reaches.
//!
//! Looked at before anything is computed from one, whether the shapes of a checkpoint's tensors or a `model.json` say it.

use std::ops::RangeInclusive;

use super::architecture::{Architecture, Backbone, BoxHead, Fpn, LayerShape, MaskHead, Stage};
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

/// Box heads of a cascade, and mask heads; real ones have three.
pub(crate) const MOST_HEADS: usize = 8;

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
        for &channels in self.stem.deep.iter().flatten() {
            within("backbone.stem.deep", channels, 1..=MOST_CHANNELS)?;
        }
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
    if stage.pooled_projection && stage.stride != 2 {
        return Err(format!(
            "{name}.pooled_projection asks for a mean of stride 2, but the stage's is {}",
            stage.stride
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
        let rpn = &self.rpn;
        if !(1..=MOST_HEADS).contains(&self.heads.len()) {
            return Err(format!("it has {} box heads: 1 to {MOST_HEADS} expected", self.heads.len()));
        }
        self.fpn.as_ref().map_or(Ok(()), |fpn| check_fpn(fpn, self.backbone.stages.len()))?;
        layers_within("rpn.convs", &rpn.convs)?;
        within("rpn.anchors", rpn.anchors, 1..=MOST_ANCHORS)?;
        for (place, head) in self.heads.iter().enumerate() {
            let name = if place == 0 { "head".to_owned() } else { format!("heads[{place}]") };
            self.check_head(&name, head)?;
        }
        self.mask.as_ref().map_or(Ok(()), |mask| self.check_mask(mask))?;
        weights_within(&self.layers())
    }

    fn check_head(&self, name: &str, head: &BoxHead) -> Result<(), String> {
        if head.last_stage && (self.fpn.is_some() || self.backbone.stages.len() < 2) {
            return Err(format!("{name}.last_stage takes a stage that the trunk needs"));
        }
        if head.last_stage && self.heads.len() > 1 {
            return Err(format!(
                "{name}.last_stage: box heads in turn on the backbone's last stage are not supported"
            ));
        }
        within(&format!("{name}.resolution"), head.resolution, 1..=MOST_CELLS)?;
        layers_within(&format!("{name}.convs"), &head.convs)?;
        layers_within(&format!("{name}.linears"), &head.linears)?;
        within(&format!("{name}.classes"), head.classes, 1..=MOST_CLASSES)?;
        if head.classes != self.box_head().classes {
            return Err(format!(
                "{name}.classes is {}, and the last head has {}",
                head.classes,
                self.box_head().classes
            ));
        }
        let rows = [4, 8, 4 * head.classes, 4 * (head.classes + 1)];
        if rows.contains(&head.box_rows) {
            return Ok(());
        }
        Err(format!("{name}.box_rows is {}, which is not 4 a class or a box", head.box_rows))
    }

    fn check_mask(&self, mask: &MaskHead) -> Result<(), String> {
        if mask.last_stage != self.box_head().last_stage {
            return Err("mask.last_stage is not as the box head's".into());
        }
        within("mask.heads", mask.heads, 1..=MOST_HEADS)?;
        within("mask.resolution", mask.resolution, 1..=MOST_CELLS)?;
        layers_within("mask.convs", &mask.convs)?;
        within("mask.upsampled", mask.upsampled, 1..=MOST_CHANNELS)?;
        let classes = self.box_head().classes;
        if [1, classes, classes + 1].contains(&mask.masks) {
            return Ok(());
        }
        Err(format!("mask.masks is {}, and there are {classes} classes", mask.masks))
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
            let counts: Vec<String> = fpn.stages.iter().take(8).map(usize::to_string).collect();
            Err(format!(
                "fpn.stages are {}: rising numbers below {stages} expected, as the backbone has {stages} \
                         stages",
                counts.join(", ")
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
