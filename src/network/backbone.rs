//! Stem and stages as operators of a graph; shared by trunk, C4 head and classifiers.

use crate::onnx::{ConvWindow, Edge, Graph, Values};

use super::architecture::{Backbone, BlockKind, LayerShape, Shortcut};
use super::layer::{BlockConv, Layer};
use super::weights::Weights;

/// A graph being written from a network's weights, which move into it.
pub(super) struct GraphBuilder<'a> {
    pub(super) graph: Graph,
    weights: &'a mut Weights,
    shapes: Vec<LayerShape>,
}

impl<'a> GraphBuilder<'a> {
    pub(super) fn new(name: &str, layers: Vec<LayerShape>, weights: &'a mut Weights) -> Self {
        GraphBuilder { graph: Graph::new(name), weights, shapes: layers }
    }

    fn shape(&self, layer: Layer) -> Vec<usize> {
        let found = self.shapes.iter().find(|shape| shape.layer == layer);
        found.map(|shape| shape.weight.clone()).unwrap_or_default()
    }

    /// Puts a layer's weights into the graph; layers that several nodes share are put there once.
    pub(super) fn parameters(&mut self, layer: Layer) -> (Edge, Edge) {
        let shape = self.shape(layer);
        let values = self.weights.take(layer);
        let weight = self.graph.constant(&format!("{layer}.weight"), &shape, Values::F32(values.weight));
        let outputs = [values.bias.len()];
        let bias = self.graph.constant(&format!("{layer}.bias"), &outputs, Values::F32(values.bias));
        (weight, bias)
    }

    /// A convolution whose node has the layer's name; padded so that stride 1 keeps the size.
    pub(super) fn conv(
        &mut self,
        layer: Layer,
        x: &str,
        stride: usize,
        dilation: usize,
        groups: usize,
    ) -> Edge {
        self.conv_called(&layer.to_string(), layer, x, stride, dilation, groups)
    }

    /// The same with a name of its own.
    pub(super) fn conv_called(
        &mut self,
        name: &str,
        layer: Layer,
        x: &str,
        stride: usize,
        dilation: usize,
        groups: usize,
    ) -> Edge {
        let kernel = self.shape(layer).last().copied().unwrap_or(1);
        let (weight, bias) = self.parameters(layer);
        let window = ConvWindow { kernel, stride, pad: kernel / 2 * dilation, dilation, groups };
        self.graph.conv(name, x, &weight, &bias, window)
    }

    /// A linear layer whose node is called `name`.
    pub(super) fn linear(&mut self, layer: Layer, name: &str, x: &str) -> Edge {
        let (weight, bias) = self.parameters(layer);
        self.graph.linear(name, x, &weight, &bias)
    }

    pub(super) fn stem(&mut self, backbone: &Backbone, x: &str) -> Edge {
        let (mut x, mut stride) = (x.to_owned(), backbone.stem.stride);
        for i in 0..backbone.stem.deep.map_or(0, |channels| channels.len()) {
            let layer = Layer::StemConv(i);
            x = self.conv(layer, &x, stride, 1, 1);
            x = self.graph.relu(&format!("{layer}.relu"), &x);
            stride = 1;
        }
        let stem = self.conv(Layer::Stem, &x, stride, 1, 1);
        let stem = self.graph.relu("backbone.stem.relu", &stem);
        if backbone.stem.pool { self.graph.max_pool("backbone.stem.pool", &stem, 3, 2, 1) } else { stem }
    }

    /// All blocks of a stage; the last node is called `output` where one is given.
    pub(super) fn stage(&mut self, backbone: &Backbone, stage: usize, x: &str, output: Option<&str>) -> Edge {
        let mut x = x.to_owned();
        for block in 0..backbone.stages[stage].blocks {
            let last = block + 1 == backbone.stages[stage].blocks;
            let name = match output {
                Some(name) if last => name.to_owned(),
                _ => format!("backbone.stage{}.{block}.relu", stage + 1),
            };
            x = self.block(backbone, stage, block, &x, &name);
        }
        x
    }

    fn block(
        &mut self,
        backbone: &Backbone,
        stage_index: usize,
        block: usize,
        x: &str,
        output: &str,
    ) -> Edge {
        let stage = &backbone.stages[stage_index];
        let stride = if block == 0 { stage.stride } else { 1 };
        let layer = |conv| Layer::Block { stage: stage_index, block, conv };
        let dilation = if block == 0 { stage.first_dilation } else { stage.dilation };
        let (mut y, last) = match backbone.block {
            BlockKind::Basic => {
                let y = self.conv(layer(BlockConv::First), x, stride, dilation, 1);
                (y, BlockConv::Second)
            }
            BlockKind::Bottleneck => {
                let (first, second) = if backbone.stride_in_1x1 { (stride, 1) } else { (1, stride) };
                let y = self.conv(layer(BlockConv::First), x, first, 1, 1);
                let y = self.graph.relu(&format!("{}.relu", layer(BlockConv::First)), &y);
                let y = self.conv(layer(BlockConv::Second), &y, second, dilation, stage.groups);
                (y, BlockConv::Third)
            }
        };
        y = self.graph.relu(&format!("{y}.relu"), &y);
        let dilation = if backbone.block == BlockKind::Basic { dilation } else { 1 };
        y = self.conv(layer(last), &y, 1, dilation, 1);
        if let Some(shortcut) = self.shortcut(backbone, stage_index, block, stride, x) {
            y = self.graph.add(&format!("backbone.stage{}.{block}.sum", stage_index + 1), &y, &shortcut);
        }
        self.graph.relu(output, &y)
    }

    fn shortcut(
        &mut self,
        backbone: &Backbone,
        stage_index: usize,
        block: usize,
        stride: usize,
        x: &str,
    ) -> Option<Edge> {
        let stage = &backbone.stages[stage_index];
        if backbone.shortcut == Shortcut::None {
            return None;
        }
        if stage.projections.contains(&block) {
            let layer = Layer::Block { stage: stage_index, block, conv: BlockConv::Projection };
            if stage.pooled_projection && stride == 2 {
                let mean = self.graph.average_pool(&format!("{layer}.mean"), x, stride);
                return Some(self.conv(layer, &mean, 1, 1, 1));
            }
            return Some(self.conv(layer, x, stride, 1, 1));
        }
        let mut x = x.to_owned();
        let name = format!("backbone.stage{}.{block}.shortcut", stage_index + 1);
        if stride > 1 {
            x = self.graph.subsample(&format!("{name}.subsample"), &x, stride);
        }
        let inputs = if block == 0 { backbone.channels_after(stage_index) } else { stage.channels };
        let missing = stage.channels.saturating_sub(inputs);
        if missing > 0 {
            x = self.graph.pad_channels(&format!("{name}.pad"), &x, missing / 2, missing - missing / 2);
        }
        Some(x)
    }
}
