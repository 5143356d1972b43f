//! The mask heads' graph: RoIAlign, convolutions, a transposed convolution and a mask a class.

use crate::onnx::{Dim, Element, Graph, RoiAlignAttributes};

use super::architecture::{Architecture, MaskHead};
use super::backbone::GraphBuilder;
use super::head::pool;
use super::layer::Layer;
use super::weights::Weights;

/// Writes all mask heads of an architecture, moving their weights out of `weights`; those of the backbone's last stage are
/// left there, as the box head has it too.
///
/// Inputs as those of [`super::head()`]. Outputs, for each mask head, `mask.logits.K` (boxes, masks, side, side), with the
/// boxes of all maps one after another.
pub fn mask(
    architecture: &Architecture,
    mask: &MaskHead,
    weights: &mut Weights,
    sampling_ratio: usize,
    aligned: bool,
) -> Graph {
    let stage = architecture.trunk_stages();
    let mut own = weights.of_masks(mask.last_stage.then_some(stage));
    let mut builder = GraphBuilder::new("mask", architecture.layers(), &mut own);
    let roi = RoiAlignAttributes { resolution: mask.resolution, sampling_ratio, scale: 1.0, aligned };
    let mut pooled = pool(&mut builder, architecture, roi, "mask");
    if mask.last_stage {
        pooled = builder.stage(&architecture.backbone, stage, &pooled, None);
    }
    for head in 0..mask.heads {
        let mut x = pooled.clone();
        for index in 0..mask.convs.len() {
            let layer = Layer::MaskConv { head, index };
            x = builder.conv(layer, &x, 1, 1, 1);
            x = builder.graph.relu(&format!("{layer}.relu"), &x);
        }
        let layer = Layer::MaskUpsample(head);
        let (weight, bias) = builder.parameters(layer);
        x = builder.graph.conv_transpose_twice(&layer.to_string(), &x, &weight, &bias);
        x = builder.graph.relu(&format!("{layer}.relu"), &x);
        let name = format!("mask.logits.{head}");
        let logits = builder.conv_called(&name, Layer::MaskLogits(head), &x, 1, 1, 1);
        let side = architecture.mask_side();
        builder.graph.output(
            &logits,
            Element::F32,
            &[Dim::Free("boxes".into()), mask.masks.into(), side.into(), side.into()],
        );
    }
    builder.graph
}
