//! Which layers of a graph are computed here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::onnx::{Graph, Initializer, Node, Values};

/// The operator's domain.
pub const DOMAIN: &str = "rcnn";

/// The operator: inputs X, W, B and, where something is added, S; the attribute `relu` is 1 where what is below 0
/// becomes 0.
pub const OPERATOR: &str = "Winograd3x3";

/// Kernels (inputs times outputs) that it pays for. Below, maps of 300 pixel photos are too small for the transformed
/// weights to pass, and larger ones gain a fiftieth; above, in the last stage of a ResNet, the transformed weights, four
/// times as large, take more memory than the little time of such layers is worth. As measured on Zen 3.
const PAYS: RangeInclusive<usize> = 192 * 192..=256 * 256;

/// The graph with its 3x3 layers of stride 1, each with the sum and the ReLU behind it, as [`OPERATOR`]s. `None` where
/// there is none.
pub fn rewrite(graph: &Graph) -> Option<Graph> {
    let constants: BTreeMap<&str, &Initializer> =
        graph.initializers().iter().map(|constant| (constant.name.as_str(), constant)).collect();
    let mut takers: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in graph.nodes() {
        for input in &node.input {
            takers.entry(input.as_str()).or_default().push(node);
        }
    }
    // The one node that takes a tensor which nothing else does.
    let only = |edge: &str, operator: &str| match takers.get(edge).map(Vec::as_slice) {
        Some([node]) if node.op_type == operator && !graph.is_output(edge) => Some(*node),
        _ => None,
    };
    let mut replaced: BTreeMap<&str, Node> = BTreeMap::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for conv in graph.nodes().iter().filter(|node| suits(node, &constants)) {
        let mut last = conv;
        let mut fused = conv.clone();
        if let Some(sum) = only(output(conv), "Add")
            && !taken.contains(output(sum))
            && let Some(other) = sum.input.iter().find(|input| *input != output(conv))
        {
            fused.input.push(other.clone());
            taken.insert(output(sum));
            last = sum;
        }
        let relu = only(output(last), "Relu");
        last = relu.unwrap_or(last);
        taken.extend([output(conv), output(last)]);
        (fused.op_type, fused.domain) = (OPERATOR.into(), DOMAIN.into());
        (fused.name, fused.output) = (last.name.clone(), last.output.clone());
        fused.attribute = vec![crate::onnx::int("relu", relu.is_some().into())];
        // Where the last of them stands, everything that it takes is there.
        replaced.insert(output(last), fused);
    }
    if replaced.is_empty() {
        return None;
    }
    let mut out = graph.frame();
    for constant in graph.initializers() {
        out.constant(&constant.name, &constant.dims, constant.values.clone());
    }
    for node in graph.nodes() {
        match replaced.remove(output(node)) {
            Some(fused) => out.push(fused),
            None if taken.contains(output(node)) => {}
            None => out.push(node.clone()),
        }
    }
    Some(out)
}

fn output(node: &Node) -> &str {
    node.output.first().map_or("", String::as_str)
}

/// Whether a node is a layer of that kind, with constant weights of a size that pays.
fn suits(node: &Node, constants: &BTreeMap<&str, &Initializer>) -> bool {
    let is = |name: &str, expected: &[i64]| {
        let found = node.attribute.iter().find(|attribute| attribute.name == name);
        found.is_some_and(|found| found.ints == expected)
    };
    let float = |place: usize| -> Option<&[usize]> {
        let constant = constants.get(node.input.get(place)?.as_str())?;
        matches!(constant.values, Values::F32(_)).then_some(&constant.dims)
    };
    let (Some(&[outputs, inputs, 3, 3]), Some(bias)) = (float(1), float(2)) else { return false };
    let group = node.attribute.iter().find(|attribute| attribute.name == "group");
    node.op_type == "Conv"
        && *bias == [outputs]
        && outputs.checked_mul(inputs).is_some_and(|kernels| PAYS.contains(&kernels))
        && group.is_none_or(|group| group.i == Some(1))
        && is("strides", &[1, 1])
        && is("pads", &[1, 1, 1, 1])
        && is("dilations", &[1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Dim, Element, Window};

    const CHANNELS: usize = 256;

    fn layer(graph: &mut Graph, name: &str, x: &str, stride: usize) -> String {
        let zeros = |count: usize| Values::F32(vec![0.0; count]);
        let kernels = CHANNELS * CHANNELS * 9;
        let weight = graph.constant(&format!("{name}.w"), &[CHANNELS, CHANNELS, 3, 3], zeros(kernels));
        let bias = graph.constant(&format!("{name}.b"), &[CHANNELS], zeros(CHANNELS));
        let window = Window { kernel: 3, stride, pad: 1, dilation: 1, groups: 1 };
        graph.conv(name, x, &weight, &bias, window)
    }

    /// What a node does, to what, and what it is called.
    fn listed(graph: &Graph) -> Vec<(&str, Vec<&str>, &str)> {
        let listed = graph.nodes().iter().map(|node| {
            let inputs = node.input.iter().map(String::as_str).collect();
            (node.op_type.as_str(), inputs, output(node))
        });
        listed.collect()
    }

    #[test]
    fn a_layer_takes_the_sum_and_the_relu_behind_it() {
        let mut graph = Graph::new("block");
        let dims: Vec<Dim> = vec!["n".into(), CHANNELS.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let first = layer(&mut graph, "first", &x, 1);
        let first = graph.relu("first.relu", &first);
        let second = layer(&mut graph, "second", &first, 1);
        let sum = graph.add("sum", &second, &x);
        let sum = graph.relu("sum.relu", &sum);
        // Its own result is an output: what follows stays.
        let third = layer(&mut graph, "third", &sum, 1);
        graph.output(&third, Element::F32, &dims);
        let shrunk = graph.relu("third.relu", &third);
        let shrunk = layer(&mut graph, "shrunk", &shrunk, 2);
        graph.output(&shrunk, Element::F32, &dims);
        let rewritten = rewrite(&graph).unwrap();
        assert_eq!(
            listed(&rewritten),
            [
                (OPERATOR, vec!["x", "first.w", "first.b"], "first.relu"),
                (OPERATOR, vec!["first.relu", "second.w", "second.b", "x"], "sum.relu"),
                (OPERATOR, vec!["sum.relu", "third.w", "third.b"], "third"),
                ("Relu", vec!["third"], "third.relu"),
                ("Conv", vec!["third.relu", "shrunk.w", "shrunk.b"], "shrunk"),
            ]
        );
        let relu = rewritten.nodes().iter().filter(|node| node.domain == DOMAIN);
        assert_eq!(relu.map(|node| node.attribute[0].i).collect::<Vec<_>>(), [Some(1), Some(1), Some(0)]);
        assert!(rewrite(&rewritten).is_none(), "nothing is left");
    }
}
