//! What a network is made of, as data, and the layers that follow from it.

use serde::{Deserialize, Serialize};

use super::layer::{BlockConv, Layer};

/// The kind of block that stages repeat (Deep Residual Learning, figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1.
    Bottleneck,
}

/// What runs beside a block's convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortcut {
    /// The identity, or a 1x1 convolution where one is present (the paper's options B and C).
    Projection,
    /// The identity; where the shape changes, every second pixel and zero channels (option A).
    ZeroPad,
    /// Nothing: a plain network.
    None,
}

/// Before the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stem {
    /// Output channels.
    pub channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride of the convolution.
    pub stride: usize,
    /// Whether a 3x3 max pooling of stride 2 follows.
    pub pool: bool,
    /// Channels of two 3x3 convolutions before the one that is described here, the first of which then has the stride
    /// (ResNet-C and ResNet-D).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep: Option<[usize; 2]>,
}

/// One stage: blocks at one resolution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Number of blocks.
    pub blocks: usize,
    /// Channels inside the blocks.
    pub width: usize,
    /// Channels that the blocks give.
    pub channels: usize,
    /// Groups of the 3x3 convolutions of bottlenecks.
    pub groups: usize,
    /// Stride of the first block.
    pub stride: usize,
    /// Dilation of the 3x3 convolutions.
    pub dilation: usize,
    /// Dilation in the first block: torchvision leaves it as it was before the stage, others do not.
    pub first_dilation: usize,
    /// Blocks whose shortcut is a projection.
    pub projections: Vec<usize>,
    /// Whether a 2x2 mean of stride 2 stands before the first block's projection, which then has stride 1 (ResNet-D).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pooled_projection: bool,
}

/// The feature pyramid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fpn {
    /// Channels of every level.
    pub channels: usize,
    /// The stage that each level starts from, finest first.
    pub stages: Vec<usize>,
    /// Whether a last level takes every second pixel of the coarsest (P6).
    pub extra_level: bool,
}

/// The region proposal network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rpn {
    /// Channels of the convolutions before the two outputs.
    pub convs: Vec<usize>,
    /// Anchors at a position.
    pub anchors: usize,
}

/// A box head, after RoIAlign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxHead {
    /// Cells a side that RoIAlign gives.
    pub resolution: usize,
    /// Whether the backbone's last stage stands here, on the pooled features (C4), followed by a mean.
    pub last_stage: bool,
    /// Channels of 3x3 convolutions.
    pub convs: Vec<usize>,
    /// Outputs of linear layers.
    pub linears: Vec<usize>,
    /// Foreground classes.
    pub classes: usize,
    /// Rows of the box layer: four a box.
    pub box_rows: usize,
}

/// Mask heads (Mask R-CNN) of one shape: 3x3 convolutions, a transposed convolution of stride 2 that doubles both sides,
/// and a mask a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskHead {
    /// How many there are, of which the mean counts: one, or as many as a cascade has box heads.
    pub heads: usize,
    /// Cells a side that RoIAlign gives.
    pub resolution: usize,
    /// Whether the backbone's last stage stands here too, on the pooled features (C4).
    pub last_stage: bool,
    /// Channels of the 3x3 convolutions.
    pub convs: Vec<usize>,
    /// Channels of the transposed convolution.
    pub upsampled: usize,
    /// Masks that each gives for a box: one a class, before them one of the background where its framework has it, or one
    /// for all classes.
    pub masks: usize,
}

/// The residual or plain network that detectors and classifiers stand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backbone {
    /// Kind of block.
    pub block: BlockKind,
    /// What runs beside the blocks.
    pub shortcut: Shortcut,
    /// In bottlenecks: stride in the first 1x1 (Detectron's older weights) instead of the 3x3.
    pub stride_in_1x1: bool,
    /// Before the stages.
    pub stem: Stem,
    /// The stages, finest first; four in the usual networks.
    pub stages: Vec<Stage>,
}

/// A Faster R-CNN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Feature extractor.
    pub backbone: Backbone,
    /// The feature pyramid; without one, the trunk's last stage is the only feature map.
    pub fpn: Option<Fpn>,
    /// Region proposal network.
    pub rpn: Rpn,
    /// Box heads in the order that boxes pass through them: one in a Faster R-CNN, three in a Cascade R-CNN.
    pub heads: Vec<BoxHead>,
    /// The mask heads, where there are any.
    pub mask: Option<MaskHead>,
}

/// A layer that a network needs, with the shape that its weight must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Which.
    pub layer: Layer,
    /// (outputs, inputs / groups, kernel, kernel), (outputs, inputs), or, of a transposed convolution, (inputs, outputs,
    /// kernel, kernel).
    pub weight: Vec<usize>,
}

impl LayerShape {
    /// Outputs, of which each has a bias.
    pub(crate) fn outputs(&self) -> usize {
        let axis = usize::from(matches!(self.layer, Layer::MaskUpsample(_)));
        self.weight.get(axis).copied().unwrap_or_default()
    }
}

impl Backbone {
    /// Channels after the stem and the first `stages` stages.
    pub fn channels_after(&self, stages: usize) -> usize {
        self.stages[..stages].last().map_or(self.stem.channels, |stage| stage.channels)
    }

    /// Input pixels per map pixel after the stem and the first `stages` stages.
    pub fn stride_after(&self, stages: usize) -> usize {
        let stem = self.stem.stride * if self.stem.pool { 2 } else { 1 };
        self.stages[..stages].iter().fold(stem, |stride, stage| stride * stage.stride)
    }

    /// The paper's name for the depth: weighted layers from the stem to the classifier that a classifier of
    /// these blocks has (18, 34, 50, 101, 152, …).
    pub fn depth(&self) -> usize {
        let convs = if self.block == BlockKind::Basic { 2 } else { 3 };
        2 + convs * self.stages.iter().map(|stage| stage.blocks).sum::<usize>()
    }

    /// Every layer with weights, in the order of the computation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let (mut layers, mut inputs) = (Vec::new(), 3);
        for (i, &channels) in self.stem.deep.iter().flatten().enumerate() {
            layers.push(conv(Layer::StemConv(i), channels, inputs, 3));
            inputs = channels;
        }
        layers.push(conv(Layer::Stem, self.stem.channels, inputs, self.stem.kernel));
        for (index, stage) in self.stages.iter().enumerate() {
            self.stage_layers(index, stage, &mut layers);
        }
        layers
    }

    fn stage_layers(&self, stage_index: usize, stage: &Stage, out: &mut Vec<LayerShape>) {
        let mut inputs = self.channels_after(stage_index);
        for block in 0..stage.blocks {
            let layer = |conv| Layer::Block { stage: stage_index, block, conv };
            match self.block {
                BlockKind::Basic => {
                    out.push(conv(layer(BlockConv::First), stage.width, inputs, 3));
                    out.push(conv(layer(BlockConv::Second), stage.channels, stage.width, 3));
                }
                BlockKind::Bottleneck => {
                    out.push(conv(layer(BlockConv::First), stage.width, inputs, 1));
                    out.push(conv(layer(BlockConv::Second), stage.width, stage.width / stage.groups, 3));
                    out.push(conv(layer(BlockConv::Third), stage.channels, stage.width, 1));
                }
            }
            if stage.projections.contains(&block) {
                out.push(conv(layer(BlockConv::Projection), stage.channels, inputs, 1));
            }
            inputs = stage.channels;
        }
    }
}

impl Architecture {
    /// The last box head, whose boxes are the detections'. An architecture that has passed [`Architecture::check`] has it.
    pub fn box_head(&self) -> &BoxHead {
        &self.heads[self.heads.len() - 1]
    }

    /// Stages that belong to the trunk; the others belong to the head.
    pub fn trunk_stages(&self) -> usize {
        self.backbone.stages.len() - usize::from(self.box_head().last_stage)
    }

    /// Channels of the maps that RPN and RoIAlign see.
    pub fn feature_channels(&self) -> usize {
        match &self.fpn {
            Some(fpn) => fpn.channels,
            None => self.backbone.channels_after(self.trunk_stages()),
        }
    }

    /// Input pixels per pixel of each map that RoIAlign sees, finest first.
    pub fn roi_strides(&self) -> Vec<usize> {
        match &self.fpn {
            Some(fpn) => fpn.stages.iter().map(|&last| self.backbone.stride_after(last + 1)).collect(),
            None => vec![self.backbone.stride_after(self.trunk_stages())],
        }
    }

    /// Input pixels per pixel of each map that the RPN sees, finest first.
    pub fn rpn_strides(&self) -> Vec<usize> {
        let mut strides = self.roi_strides();
        if self.fpn.as_ref().is_some_and(|fpn| fpn.extra_level) {
            strides.extend(strides.last().map(|stride| stride * 2));
        }
        strides
    }

    /// Every layer with weights, in the order of the computation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let mut layers = self.backbone.layers();
        if let Some(fpn) = &self.fpn {
            for (level, &stage) in fpn.stages.iter().enumerate() {
                let inputs = self.backbone.channels_after(stage + 1);
                layers.push(conv(Layer::FpnLateral(level), fpn.channels, inputs, 1));
                layers.push(conv(Layer::FpnOutput(level), fpn.channels, fpn.channels, 3));
            }
        }
        self.rpn_layers(&mut layers);
        for (place, head) in self.heads.iter().enumerate() {
            self.head_layers(place, head, &mut layers);
        }
        if let Some(mask) = &self.mask {
            self.mask_layers(mask, &mut layers);
        }
        layers
    }

    fn rpn_layers(&self, out: &mut Vec<LayerShape>) {
        let mut inputs = self.feature_channels();
        for (i, &channels) in self.rpn.convs.iter().enumerate() {
            out.push(conv(Layer::RpnConv(i), channels, inputs, 3));
            inputs = channels;
        }
        out.push(conv(Layer::RpnLogits, self.rpn.anchors, inputs, 1));
        out.push(conv(Layer::RpnDeltas, 4 * self.rpn.anchors, inputs, 1));
    }

    fn head_layers(&self, place: usize, head: &BoxHead, out: &mut Vec<LayerShape>) {
        let mut inputs = self.feature_channels();
        if head.last_stage {
            inputs = self.backbone.channels_after(self.backbone.stages.len());
        } else {
            for (index, &channels) in head.convs.iter().enumerate() {
                out.push(conv(Layer::HeadConv { head: place, index }, channels, inputs, 3));
                inputs = channels;
            }
            inputs *= head.resolution * head.resolution;
        }
        for (index, &outputs) in head.linears.iter().enumerate() {
            let layer = Layer::HeadLinear { head: place, index };
            out.push(LayerShape { layer, weight: vec![outputs, inputs] });
            inputs = outputs;
        }
        out.push(LayerShape { layer: Layer::Scores(place), weight: vec![head.classes + 1, inputs] });
        out.push(LayerShape { layer: Layer::Boxes(place), weight: vec![head.box_rows, inputs] });
    }

    /// Channels of what the mask heads' own layers see.
    pub(super) fn mask_inputs(&self, mask: &MaskHead) -> usize {
        if mask.last_stage {
            self.backbone.channels_after(self.backbone.stages.len())
        } else {
            self.feature_channels()
        }
    }

    /// Pixels of a side of the masks; 0 where there is no mask head.
    pub(crate) fn mask_side(&self) -> usize {
        let Some(mask) = &self.mask else { return 0 };
        let stride = self.backbone.stages.last().map_or(1, |stage| stage.stride);
        let cells = if mask.last_stage { mask.resolution.div_ceil(stride) } else { mask.resolution };
        2 * cells
    }

    fn mask_layers(&self, mask: &MaskHead, out: &mut Vec<LayerShape>) {
        for head in 0..mask.heads {
            let mut inputs = self.mask_inputs(mask);
            for (index, &channels) in mask.convs.iter().enumerate() {
                out.push(conv(Layer::MaskConv { head, index }, channels, inputs, 3));
                inputs = channels;
            }
            let upsample = Layer::MaskUpsample(head);
            out.push(LayerShape { layer: upsample, weight: vec![inputs, mask.upsampled, 2, 2] });
            out.push(conv(Layer::MaskLogits(head), mask.masks, mask.upsampled, 1));
        }
    }
}

fn conv(layer: Layer, outputs: usize, inputs: usize, kernel: usize) -> LayerShape {
    LayerShape { layer, weight: vec![outputs, inputs, kernel, kernel] }
}
