//! A box head's graph: RoIAlign, box head and predictor.

use crate::onnx::{Dim, Element, Graph, RoiAlignAttributes};

use super::architecture::{Architecture, BoxHead};
use super::backbone::GraphBuilder;
use super::layer::Layer;
use super::trunk::map_dims;
use super::weights::Weights;

/// Writes the box head at a place of the architecture's, moving its weights out of `weights`.
///
/// Inputs, for each map that RoIAlign sees: `features.L` (batch, channels, h, w), `rois.L` (n, 4) as
/// (x1, y1, x2, y2) **in that map's pixels**, and `images.L` (n), the picture of the batch that each box is on.
/// Outputs `box.logits` (boxes, classes + 1) and `box.deltas` (boxes, rows), with the boxes of all maps one after another.
/// Boxes come in map pixels because torchvision guesses the scale anew for each picture.
pub fn head(
    architecture: &Architecture,
    place: usize,
    weights: &mut Weights,
    sampling_ratio: usize,
    aligned: bool,
) -> Graph {
    let head = &architecture.heads[place];
    let mut builder = GraphBuilder::new("head", architecture.layers(), weights);
    let roi = RoiAlignAttributes { resolution: head.resolution, sampling_ratio, scale: 1.0, aligned };
    let pooled = pool(&mut builder, architecture, roi, "head");
    let mut x = if head.last_stage {
        let stage = architecture.trunk_stages();
        let x = builder.stage(&architecture.backbone, stage, &pooled, None);
        builder.graph.global_average_pool("head.mean", &x)
    } else {
        convolutions(&mut builder, head, place, pooled)
    };
    x = builder.graph.flatten("head.flatten", &x);
    for index in 0..head.linears.len() {
        let layer = Layer::HeadLinear { head: place, index };
        x = builder.linear(layer, &layer.to_string(), &x);
        x = builder.graph.relu(&format!("{layer}.relu"), &x);
    }
    let logits = builder.linear(Layer::Scores(place), "box.logits", &x);
    let deltas = builder.linear(Layer::Boxes(place), "box.deltas", &x);
    let rows = |count: usize| [Dim::Free("boxes".into()), count.into()];
    builder.graph.output(&logits, Element::F32, &rows(head.classes + 1));
    builder.graph.output(&deltas, Element::F32, &rows(head.box_rows));
    builder.graph
}

/// RoIAlign on each map; what all give is called `NAME.pooled`, or, where there is one map, `NAME.roi_align.0`.
pub(super) fn pool(
    builder: &mut GraphBuilder<'_>,
    architecture: &Architecture,
    roi: RoiAlignAttributes,
    name: &str,
) -> String {
    let graph = &mut builder.graph;
    let channels = architecture.feature_channels();
    let levels = architecture.roi_strides().len();
    let mut pooled = Vec::new();
    for level in 0..levels {
        let map = graph.input(&format!("features.{level}"), Element::F32, &map_dims(channels, level));
        let count = Dim::Free(format!("boxes{level}"));
        let rois = graph.input(&format!("rois.{level}"), Element::F32, &[count.clone(), 4.into()]);
        let images = graph.input(&format!("images.{level}"), Element::I64, &[count]);
        pooled.push(graph.roi_align(&format!("{name}.roi_align.{level}"), &map, &rois, &images, roi));
    }
    if levels == 1 {
        return pooled.remove(0);
    }
    let edges: Vec<&str> = pooled.iter().map(String::as_str).collect();
    graph.concat(&format!("{name}.pooled"), &edges, 0)
}

fn convolutions(builder: &mut GraphBuilder<'_>, head: &BoxHead, place: usize, pooled: String) -> String {
    let mut x = pooled;
    for index in 0..head.convs.len() {
        let layer = Layer::HeadConv { head: place, index };
        x = builder.conv(layer, &x, 1, 1, 1);
        x = builder.graph.relu(&format!("{layer}.relu"), &x);
    }
    x
}
