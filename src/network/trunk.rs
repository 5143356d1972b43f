//! The trunk's graph: backbone, feature pyramid and RPN head.

use crate::onnx::{ConvWindow, Dim, Element, Graph};

use super::architecture::Architecture;
use super::backbone::GraphBuilder;
use super::layer::Layer;
use super::weights::Weights;

/// Writes the trunk, moving its weights out of `weights`.
///
/// Input `input` (batch, 3, height, width). Outputs, for each level from the finest: `features.L`
/// (batch, channels, h, w), `rpn.logits.L` (batch, anchors, h, w) and `rpn.deltas.L` (batch, 4 * anchors, h, w).
/// `doubling` says that every map is exactly twice as large as the next, as it is when the input's sides are
/// multiples of the coarsest stride; it spares the pyramid the computation of sizes.
pub fn trunk(architecture: &Architecture, weights: &mut Weights, doubling: bool) -> Graph {
    let mut builder = GraphBuilder::new("trunk", architecture.layers(), weights);
    let x = builder.graph.input(
        "input",
        Element::F32,
        &["batch".into(), 3.into(), "height".into(), "width".into()],
    );
    let features = features(&mut builder, architecture, &x, doubling);
    rpn(&mut builder, architecture, &features);
    let channels = architecture.feature_channels();
    for (level, edge) in features.iter().enumerate() {
        builder.graph.output(edge, Element::F32, &map_dims(channels, level));
    }
    for level in 0..features.len() {
        let anchors = architecture.rpn.anchors;
        builder.graph.output(&format!("rpn.logits.{level}"), Element::F32, &map_dims(anchors, level));
        builder.graph.output(&format!("rpn.deltas.{level}"), Element::F32, &map_dims(4 * anchors, level));
    }
    builder.graph
}

/// Dimensions of a map of one level, the same names in trunk and head.
pub(super) fn map_dims(channels: usize, level: usize) -> [Dim; 4] {
    let side = |what| Dim::Free(format!("{what}{level}"));
    ["batch".into(), channels.into(), side("height"), side("width")]
}

fn features(
    builder: &mut GraphBuilder<'_>,
    architecture: &Architecture,
    x: &str,
    doubling: bool,
) -> Vec<String> {
    let backbone = &architecture.backbone;
    let stages = architecture.trunk_stages();
    let mut x = builder.stem(backbone, x);
    let mut maps = Vec::new();
    for stage in 0..stages {
        let single = architecture.fpn.is_none() && stage + 1 == stages;
        x = builder.stage(backbone, stage, &x, single.then_some("features.0"));
        maps.push(x.clone());
    }
    if architecture.fpn.is_some() { pyramid(builder, architecture, &maps, doubling) } else { vec![x] }
}

fn pyramid(
    builder: &mut GraphBuilder<'_>,
    architecture: &Architecture,
    maps: &[String],
    doubling: bool,
) -> Vec<String> {
    let Some(fpn) = &architecture.fpn else { return Vec::new() };
    let mut features = Vec::new();
    let mut upper: Option<String> = None;
    for (level, &stage) in fpn.stages.iter().enumerate().rev() {
        let lateral = builder.conv(Layer::FpnLateral(level), &maps[stage], 1, 1, 1);
        let inner = match upper {
            None => lateral,
            Some(upper) => {
                let name = format!("fpn.upsample.{level}");
                let larger = if doubling {
                    builder.graph.upsample_twice(&name, &upper)
                } else {
                    builder.graph.upsample_like(&name, &upper, &lateral)
                };
                builder.graph.add(&format!("fpn.sum.{level}"), &lateral, &larger)
            }
        };
        let (weight, bias) = builder.parameters(Layer::FpnOutput(level));
        features.push(builder.graph.conv(&format!("features.{level}"), &inner, &weight, &bias, SAME_3X3));
        upper = Some(inner);
    }
    features.reverse();
    if fpn.extra_level {
        let name = format!("features.{}", features.len());
        let coarsest = features.last().cloned().unwrap_or_default();
        features.push(builder.graph.max_pool(&name, &coarsest, 1, 2, 0));
    }
    features
}

const SAME_3X3: ConvWindow = ConvWindow { kernel: 3, stride: 1, pad: 1, dilation: 1, groups: 1 };
const ONE_BY_ONE: ConvWindow = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };

/// The same layers on every level.
fn rpn(builder: &mut GraphBuilder<'_>, architecture: &Architecture, features: &[String]) {
    let convs: Vec<_> =
        (0..architecture.rpn.convs.len()).map(|i| builder.parameters(Layer::RpnConv(i))).collect();
    let logits = builder.parameters(Layer::RpnLogits);
    let deltas = builder.parameters(Layer::RpnDeltas);
    for (level, feature) in features.iter().enumerate() {
        let mut x = feature.clone();
        for (i, (weight, bias)) in convs.iter().enumerate() {
            x = builder.graph.conv(&format!("rpn.conv.{i}.{level}"), &x, weight, bias, SAME_3X3);
            x = builder.graph.relu(&format!("rpn.relu.{i}.{level}"), &x);
        }
        builder.graph.conv(&format!("rpn.logits.{level}"), &x, &logits.0, &logits.1, ONE_BY_ONE);
        builder.graph.conv(&format!("rpn.deltas.{level}"), &x, &deltas.0, &deltas.1, ONE_BY_ONE);
    }
}
