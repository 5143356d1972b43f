//! Small layers of 1x1 in float32 behind quantised ones, such as the RPN's outputs.
//!
//! ONNX Runtime computes quantised layers with the channels of a pixel beside each other, and convolutions of float32 with
//! the pixels of a channel beside each other, eight or sixteen channels at a time: it turns the whole map for each layer
//! that reads it, which takes longer than the layer. As one multiplication of matrices for all of them the map stays as it
//! is. The sums are the same but for their order.

use std::collections::{BTreeMap, BTreeSet};

use super::rewrite::{Plain, constants, output};
use crate::onnx::{Graph, Initializer, NodeProto, Values};

/// Most outputs of the layers of one map together; with more the multiplication is what takes the time.
const MOST_OUTPUTS: usize = 64;

/// The graph with such layers as multiplications; `None` where there is none.
pub(super) fn rewrite(graph: &Graph) -> Option<Graph> {
    let constants = constants(graph);
    let dequantised: BTreeSet<&str> = graph
        .nodes()
        .iter()
        .filter(|node| node.op_type == "DequantizeLinear")
        .filter(|node| node.input.first().is_some_and(|input| !constants.contains_key(input.as_str())))
        .map(output)
        .collect();
    let mut layers: BTreeMap<&str, Vec<(&NodeProto, usize)>> = BTreeMap::new();
    for node in graph.nodes() {
        let Some(map) = node.input.first().filter(|map| dequantised.contains(map.as_str())) else { continue };
        if let Some(Plain { outputs, kernel: (1, 1), stride: 1, pads: [0, 0, 0, 0], .. }) =
            Plain::of(node, &constants)
            && outputs <= MOST_OUTPUTS
        {
            layers.entry(map).or_default().push((node, outputs));
        }
    }
    layers.retain(|_, layers| layers.iter().map(|(_, outputs)| outputs).sum::<usize>() <= MOST_OUTPUTS);
    if layers.is_empty() {
        return None;
    }
    let mut out = graph.frame();
    for constant in graph.initializers() {
        out.constant(&constant.name, &constant.dims, constant.values.clone());
    }
    let mut known = BTreeSet::new();
    for node in graph.nodes() {
        let map = node.input.first().map_or("", String::as_str);
        match layers.get(map) {
            Some(together) if together[0].0 == node => {
                multiply(&mut out, map, together, &constants, &mut known)
            }
            Some(together) if together.iter().any(|(layer, _)| *layer == node) => {}
            _ => out.push(node.clone()),
        }
    }
    out.drop_unused();
    Some(out)
}

/// Adds all layers of a map as one multiplication; their weights once, whatever the number of maps.
fn multiply(
    out: &mut Graph,
    map: &str,
    layers: &[(&NodeProto, usize)],
    constants: &BTreeMap<&str, &Initializer>,
    known: &mut BTreeSet<String>,
) {
    let values = |layer: &NodeProto, place: usize| match constants
        .get(layer.input[place].as_str())
        .map(|one| &one.values)
    {
        Some(Values::F32(values)) => values.as_slice(),
        _ => &[],
    };
    let total: usize = layers.iter().map(|(_, outputs)| outputs).sum();
    let names: Vec<&str> = layers.iter().map(|(layer, _)| layer.input[1].as_str()).collect();
    let weights = format!("{}.channels_last", names.join("+"));
    let (biases, sizes) = (format!("{weights}.biases"), format!("{weights}.sizes"));
    if known.insert(weights.clone()) {
        // Of each output its row of inputs, and then of each input its outputs.
        let rows: Vec<f32> = layers.iter().flat_map(|(layer, _)| values(layer, 1)).copied().collect();
        let inputs = rows.len() / total.max(1);
        let columns =
            (0..inputs).flat_map(|input| rows.iter().skip(input).step_by(inputs).copied()).collect();
        out.constant(&weights, &[inputs, total], Values::F32(columns));
        out.constant(
            &biases,
            &[total],
            Values::F32(layers.iter().flat_map(|(layer, _)| values(layer, 2)).copied().collect()),
        );
        let counts = layers.iter().map(|&(_, outputs)| outputs as i64).collect();
        out.constant(&sizes, &[layers.len()], Values::I64(counts));
    }
    let turned = out.transpose(&format!("{map}.channels_last"), map, &[0, 2, 3, 1]);
    let product = out.matmul(&format!("{map}.product"), &turned, &weights);
    let sum = out.add(&format!("{map}.sum"), &product, &biases);
    if let [(only, _)] = layers {
        out.transpose(output(only), &sum, &[0, 3, 1, 2]);
        return;
    }
    let all = out.transpose(&format!("{map}.all"), &sum, &[0, 3, 1, 2]);
    out.split(&layers.iter().map(|(layer, _)| output(layer)).collect::<Vec<_>>(), &all, &sizes, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Dim, Element};

    /// A map through whole numbers and back, and layers of one number of outputs each upon it.
    fn quantised(outputs: &[usize]) -> Graph {
        let mut graph = Graph::new("rpn");
        let dims: Vec<Dim> = vec!["n".into(), 2_usize.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let scale = graph.constant("scale", &[], Values::F32(vec![0.5]));
        let zero = graph.constant("zero", &[], Values::U8(vec![1]));
        let whole = graph.quantize_linear("whole", &x, &scale, &zero);
        let map = graph.dequantize_linear("map", &whole, &scale, &zero);
        for (place, &count) in outputs.iter().enumerate() {
            let numbers = |count: usize| Values::F32((0..count).map(|number| number as f32).collect());
            let name = format!("layer.{place}");
            let weights = graph.constant(&format!("{name}.w"), &[count, 2, 1, 1], numbers(2 * count));
            let biases = graph.constant(&format!("{name}.b"), &[count], numbers(count));
            let window = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };
            let layer = graph.conv(&name, &map, &weights, &biases, window);
            graph.output(&layer, Element::F32, &dims);
        }
        graph
    }

    #[test]
    fn layers_of_one_map_become_one_multiplication() {
        let rewritten = rewrite(&quantised(&[1, 2])).unwrap();
        let kinds: Vec<&str> = rewritten.nodes().iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(
            kinds,
            ["QuantizeLinear", "DequantizeLinear", "Transpose", "MatMul", "Add", "Transpose", "Split"]
        );
        assert_eq!(rewritten.nodes()[6].output, ["layer.0", "layer.1"]);
        let constant = |name: &str| rewritten.initializers().iter().find(|one| one.name == name).unwrap();
        let weights = constant("layer.0.w+layer.1.w.channels_last");
        // Rows 0 1, and 0 1, 2 3, by columns.
        assert_eq!(
            (weights.dims.as_slice(), &weights.values),
            (&[2, 3][..], &Values::F32(vec![0.0, 0.0, 2.0, 1.0, 1.0, 3.0]))
        );
        assert_eq!(constant("layer.0.w+layer.1.w.channels_last.sizes").values, Values::I64(vec![1, 2]));
        assert!(rewritten.initializers().iter().all(|one| one.name != "layer.0.w"));
        assert!(rewrite(&rewritten).is_none(), "nothing is left");
    }

    #[test]
    fn large_layers_and_those_of_other_maps_stay() {
        assert!(rewrite(&quantised(&[40, 40])).is_none());
        let single = rewrite(&quantised(&[3])).unwrap();
        assert_eq!(single.nodes().last().map(output), Some("layer.0"));
        let mut plain = Graph::new("plain");
        for node in quantised(&[3]).nodes().iter().filter(|node| node.op_type == "Conv") {
            plain.push(node.clone());
        }
        assert!(rewrite(&plain).is_none());
    }
}
