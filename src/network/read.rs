//! Reading an [`Architecture`] from the shapes of a checkpoint's tensors.
//!
//! Sees layers and shapes only; what the tensors are called is the family's business.

use super::architecture::{
    Architecture, Backbone, BlockKind, BoxHead, Fpn, MaskHead, Rpn, Shortcut, Stage, Stem,
};
use super::layer::{BlockConv, Layer};
use super::limits::{MOST_BLOCKS, MOST_CELLS, MOST_HEADS};

/// What no tensor shows; each has the family's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hints {
    /// Stride in the 1x1 of bottlenecks.
    pub stride_in_1x1: bool,
    /// Dilation of the last stage, which then has stride 1 (DC5).
    pub last_stage_dilation: usize,
    /// Whether the first block of a dilated stage is dilated too.
    pub first_block_dilated: bool,
    /// What the shortcuts are, where the user says so.
    pub shortcut: Option<Shortcut>,
    /// Stages in whose first block a 2x2 mean stands before the projection (ResNet-D).
    pub pooled_projections: Vec<usize>,
    /// Whether the pyramid has a level beyond its convolutions.
    pub extra_level: bool,
    /// Whether the box layer has rows for the background.
    pub background_boxes: bool,
    /// Cells a side that RoIAlign gives to mask heads.
    pub mask_resolution: usize,
}

/// Why no architecture could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// A layer that everything hangs on is absent.
    #[error("the layer {0} is missing")]
    Missing(Layer),
    /// A weight has a shape that no such layer can have.
    #[error("the weight of {layer} has the shape {shape:?}: {expected} expected")]
    Shape {
        /// Which layer.
        layer: Layer,
        /// What the checkpoint has.
        shape: Vec<usize>,
        /// What would do.
        expected: String,
    },
}

/// Most blocks a stage, convolutions in a row or levels that are looked for.
const MOST: usize = MOST_BLOCKS;

/// Cells a side that RoIAlign gives to a last stage of the backbone.
const C4_RESOLUTION: usize = 14;

/// Looks up the shape of a layer's weight.
pub(crate) type ShapeLookup<'a> = dyn Fn(Layer) -> Option<Vec<usize>> + 'a;

impl Backbone {
    /// Reads stem and stages.
    ///
    /// # Errors
    /// When the stem or the first stage is missing, or a shape is impossible.
    pub fn read(shapes: &ShapeLookup<'_>, hints: &Hints) -> Result<Backbone, ArchitectureError> {
        let stem_shape = conv_shape(shapes, Layer::Stem)?;
        let deep = read_deep_stem(shapes)?;
        // Three-channel stems of 7x7 are the paper's; 3x3 ones are its CIFAR networks', which do not pool, unless there
        // are three of them.
        let large = stem_shape[2] >= 5 || deep.is_some();
        let stem = Stem {
            channels: stem_shape[0],
            kernel: stem_shape[2],
            stride: if large { 2 } else { 1 },
            pool: large,
            deep,
        };
        let counts: Vec<usize> =
            (0..MOST).map(|stage| blocks(shapes, stage)).take_while(|&n| n > 0).collect();
        if counts.is_empty() {
            return Err(ArchitectureError::Missing(first_conv(0)));
        }
        let block = read_block(shapes, &counts);
        let mut backbone = Backbone {
            block,
            shortcut: Shortcut::Projection,
            stride_in_1x1: hints.stride_in_1x1,
            stem,
            stages: vec![],
        };
        for (index, &blocks) in counts.iter().enumerate() {
            let last = index + 1 == counts.len();
            let dilation = if last { hints.last_stage_dilation } else { 1 };
            let first_dilation = if hints.first_block_dilated { dilation } else { 1 };
            let stage = read_stage(shapes, block, index, blocks, dilation)?;
            let pooled_projection = stage.stride == 2 && hints.pooled_projections.contains(&index);
            let stage = Stage { first_dilation, pooled_projection, ..stage };
            backbone.stages.push(stage);
        }
        backbone.shortcut = hints.shortcut.unwrap_or_else(|| read_shortcut(&backbone));
        if backbone.shortcut == Shortcut::Projection {
            demand_projections(&mut backbone);
        } else {
            backbone.stages.iter_mut().for_each(|stage| stage.projections.clear());
        }
        Ok(backbone)
    }
}

impl Architecture {
    /// Reads a whole detector.
    ///
    /// # Errors
    /// When a layer is missing that others are read from, or a shape is impossible.
    pub fn read(shapes: &ShapeLookup<'_>, hints: &Hints) -> Result<Architecture, ArchitectureError> {
        let backbone = Backbone::read(shapes, hints)?;
        let fpn = read_fpn(shapes, &backbone, hints)?;
        let anchors = conv_shape(shapes, Layer::RpnLogits)?[0];
        let rpn = Rpn { convs: outputs(shapes, Layer::RpnConv), anchors };
        if rpn.convs.is_empty() {
            return Err(ArchitectureError::Missing(Layer::RpnConv(0)));
        }
        let stages = backbone.stages.len();
        let channels = fpn.as_ref().map_or_else(|| backbone.channels_after(stages), |fpn| fpn.channels);
        let read = |place| read_head(shapes, hints, place, fpn.is_none(), channels);
        let heads = (0..heads(shapes)).map(read).collect::<Result<Vec<BoxHead>, _>>()?;
        let last_stage = heads.iter().any(|head| head.last_stage);
        let mask = read_mask(shapes, hints, last_stage)?;
        Ok(Architecture { backbone, fpn, rpn, heads, mask })
    }
}

/// Channels of the convolutions before the stem's last one, where there are any.
fn read_deep_stem(shapes: &ShapeLookup<'_>) -> Result<Option<[usize; 2]>, ArchitectureError> {
    if shapes(Layer::StemConv(0)).is_none() {
        return Ok(None);
    }
    let channels = |i| Ok(conv_shape(shapes, Layer::StemConv(i))?[0]);
    Ok(Some([channels(0)?, channels(1)?]))
}

fn read_block(shapes: &ShapeLookup<'_>, counts: &[usize]) -> BlockKind {
    let third = |stage, block| shapes(Layer::Block { stage, block, conv: BlockConv::Third }).is_some();
    let any = counts.iter().enumerate().any(|(stage, &n)| (0..n).any(|block| third(stage, block)));
    if any { BlockKind::Bottleneck } else { BlockKind::Basic }
}

/// Blocks of a stage: up to the last of which any convolution is there, so that a hole is told as missing.
fn blocks(shapes: &ShapeLookup<'_>, stage: usize) -> usize {
    use BlockConv::{First, Second, Third};
    let present = |block: usize| {
        [First, Second, Third].into_iter().any(|conv| shapes(Layer::Block { stage, block, conv }).is_some())
    };
    (0..MOST).rev().find(|&block| present(block)).map_or(0, |last| last + 1)
}

fn read_stage(
    shapes: &ShapeLookup<'_>,
    block: BlockKind,
    stage: usize,
    blocks: usize,
    dilation: usize,
) -> Result<Stage, ArchitectureError> {
    let weight = |conv| conv_shape(shapes, Layer::Block { stage, block: 0, conv });
    let first = weight(BlockConv::First)?;
    let (channels, groups) = match block {
        BlockKind::Basic => (weight(BlockConv::Second)?[0], 1),
        BlockKind::Bottleneck => {
            let second = weight(BlockConv::Second)?;
            if second[1] == 0 || first[0] % second[1] != 0 {
                return Err(ArchitectureError::Shape {
                    layer: Layer::Block { stage, block: 0, conv: BlockConv::Second },
                    shape: second.to_vec(),
                    expected: format!("input channels that divide {}", first[0]),
                });
            }
            (weight(BlockConv::Third)?[0], first[0] / second[1])
        }
    };
    let projected =
        |block: &usize| shapes(Layer::Block { stage, block: *block, conv: BlockConv::Projection }).is_some();
    Ok(Stage {
        blocks,
        width: first[0],
        channels,
        groups,
        stride: if stage == 0 || dilation > 1 { 1 } else { 2 },
        dilation,
        first_dilation: dilation,
        projections: (0..blocks).filter(projected).collect(),
        pooled_projection: false,
    })
}

/// A network whose stages change their width without a single projection is plain, or, with the three stages of
/// the paper's CIFAR networks, pads with zeros.
fn read_shortcut(backbone: &Backbone) -> Shortcut {
    let any = backbone.stages.iter().any(|stage| !stage.projections.is_empty());
    let changes = (0..backbone.stages.len()).any(|i| {
        backbone.channels_after(i) != backbone.channels_after(i + 1) || backbone.stages[i].stride != 1
    });
    match (any || !changes, backbone.stages.len()) {
        (true, _) => Shortcut::Projection,
        (false, 3) => Shortcut::ZeroPad,
        (false, _) => Shortcut::None,
    }
}

/// Where the shape changes there must be a projection, present or not: a missing one is told as such.
fn demand_projections(backbone: &mut Backbone) {
    for i in 0..backbone.stages.len() {
        let changes =
            backbone.channels_after(i) != backbone.channels_after(i + 1) || backbone.stages[i].stride != 1;
        let projections = &mut backbone.stages[i].projections;
        if changes && !projections.contains(&0) {
            projections.insert(0, 0);
        }
    }
}

fn read_fpn(
    shapes: &ShapeLookup<'_>,
    backbone: &Backbone,
    hints: &Hints,
) -> Result<Option<Fpn>, ArchitectureError> {
    let levels = outputs(shapes, Layer::FpnLateral).len();
    if levels == 0 {
        return Ok(None);
    }
    let first = conv_shape(shapes, Layer::FpnLateral(0))?;
    if levels > backbone.stages.len() {
        return Err(ArchitectureError::Missing(first_conv(levels - 1)));
    }
    let stages = (backbone.stages.len() - levels..backbone.stages.len()).collect();
    Ok(Some(Fpn { channels: first[0], stages, extra_level: hints.extra_level }))
}

/// Box heads: up to the last of which anything is there, so that a hole is told as missing; one at least.
fn heads(shapes: &ShapeLookup<'_>) -> usize {
    let present = |&head: &usize| {
        [Layer::Scores(head), Layer::Boxes(head), Layer::HeadLinear { head, index: 0 }]
            .into_iter()
            .any(|layer| shapes(layer).is_some())
    };
    (0..MOST_HEADS).rev().find(present).map_or(1, |last| last + 1)
}

/// `one_map` says that there is no pyramid, `channels` how many the maps have where the backbone's last stage is not here.
fn read_head(
    shapes: &ShapeLookup<'_>,
    hints: &Hints,
    head: usize,
    one_map: bool,
    channels: usize,
) -> Result<BoxHead, ArchitectureError> {
    let scores = linear_shape(shapes, Layer::Scores(head))?;
    let boxes = linear_shape(shapes, Layer::Boxes(head))?;
    let classes = scores[0].saturating_sub(1);
    let convs = outputs(shapes, |index| Layer::HeadConv { head, index });
    let linears = outputs(shapes, |index| Layer::HeadLinear { head, index });
    let first = Layer::HeadLinear { head, index: 0 };
    let last_stage = linears.is_empty() && one_map;
    let boxed_classes = if hints.background_boxes { classes + 1 } else { classes };
    let agnostic = if hints.background_boxes { 8 } else { 4 };
    // Any other number of rows is a misshapen layer; the listing of layers says so.
    let box_rows = if boxes[0] == agnostic { agnostic } else { 4 * boxed_classes };
    // The last stage runs on 14x14 cells in every C4 network, of which no tensor knows.
    let mut resolution = if last_stage { C4_RESOLUTION } else { 1 };
    if let (Some(&inputs), false) =
        (linears.first().and(shapes(first).as_deref().and_then(|s| s.get(1))), last_stage)
    {
        let channels = convs.last().copied().unwrap_or(channels);
        resolution = (1..=MOST_CELLS).find(|r| channels * r * r == inputs).ok_or_else(|| {
            ArchitectureError::Shape {
                layer: first,
                shape: shapes(first).unwrap_or_default(),
                expected: format!("inputs of {channels} channels times a square"),
            }
        })?;
    }
    Ok(BoxHead { resolution, last_stage, convs, linears, classes, box_rows })
}

/// Mask heads, all of the shape of the first; what is not of that shape is told as such when the layers are read.
fn read_mask(
    shapes: &ShapeLookup<'_>,
    hints: &Hints,
    last_stage: bool,
) -> Result<Option<MaskHead>, ArchitectureError> {
    let present = |&head: &usize| {
        [Layer::MaskUpsample(head), Layer::MaskLogits(head), Layer::MaskConv { head, index: 0 }]
            .into_iter()
            .any(|layer| shapes(layer).is_some())
    };
    let Some(last) = (0..MOST_HEADS).rev().find(present) else { return Ok(None) };
    let upsample = conv_shape(shapes, Layer::MaskUpsample(0))?;
    let masks = conv_shape(shapes, Layer::MaskLogits(0))?[0];
    Ok(Some(MaskHead {
        heads: last + 1,
        resolution: hints.mask_resolution,
        last_stage,
        convs: outputs(shapes, |index| Layer::MaskConv { head: 0, index }),
        upsampled: upsample[1],
        masks,
    }))
}

/// Output channels of layers that are numbered from 0 without a hole.
fn outputs(shapes: &ShapeLookup<'_>, layer: impl Fn(usize) -> Layer) -> Vec<usize> {
    (0..MOST).map_while(|i| shapes(layer(i)).and_then(|shape| shape.first().copied())).collect()
}

fn first_conv(stage: usize) -> Layer {
    Layer::Block { stage, block: 0, conv: BlockConv::First }
}

fn conv_shape(shapes: &ShapeLookup<'_>, layer: Layer) -> Result<[usize; 4], ArchitectureError> {
    let shape = shapes(layer).ok_or(ArchitectureError::Missing(layer))?;
    <[usize; 4]>::try_from(shape.as_slice())
        .ok()
        .filter(|shape| !shape.contains(&0))
        .ok_or_else(|| ArchitectureError::Shape { layer, shape, expected: "four dimensions above 0".into() })
}

pub(super) fn linear_shape(shapes: &ShapeLookup<'_>, layer: Layer) -> Result<[usize; 2], ArchitectureError> {
    let shape = shapes(layer).ok_or(ArchitectureError::Missing(layer))?;
    <[usize; 2]>::try_from(shape.as_slice())
        .ok()
        .filter(|shape| !shape.contains(&0))
        .ok_or_else(|| ArchitectureError::Shape { layer, shape, expected: "two dimensions above 0".into() })
}
