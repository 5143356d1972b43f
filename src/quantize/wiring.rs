//! What of a graph can be computed in whole numbers, and which tensors must be known for it.
//!
//! Knows graphs by their operators, and of detection only that class scores and box deltas stay float32.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::{Graph, Node, Values};

/// A layer that int8 is for: a convolution or a linear layer, with the ReLU after it where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// The node's name.
    pub(super) name: String,
    /// Its operator.
    pub(super) op: String,
    /// The tensor that it takes.
    pub(super) input: String,
    /// Its weight.
    pub(super) weight: String,
    /// Its bias.
    pub(super) bias: String,
    /// What it gives, after its ReLU.
    pub(super) output: String,
    /// Whether a ReLU belongs to it.
    pub(super) relu: bool,
    /// Whether it takes fewer channels than whole-number kernels gather at once. ONNX Runtime needs 6.4 ms for such a
    /// stem (7x7 on 3 channels) where its float32 kernel needs 1.8.
    pub(super) narrow: bool,
}

/// Channels that whole-number kernels multiply at once.
const GATHERED: usize = 4;

/// A sum of two tensors, as residual blocks and pyramids make it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sum {
    operands: [String; 2],
    /// After its ReLU.
    output: String,
}

/// A graph's layers, and how tensors are related.
#[derive(Clone, Debug, Default)]
pub(super) struct Wiring {
    /// Layers that can be int8, in the order of the computation.
    pub(super) layers: Vec<Layer>,
    sums: Vec<Sum>,
    /// For tensors that hold another's values in another place: that other one.
    same: BTreeMap<String, String>,
}

/// Operators whose output holds values of their first input, and zeros.
const PASSING: [&str; 5] = ["MaxPool", "Resize", "Slice", "Flatten", "Pad"];

impl Wiring {
    /// Looks through a graph.
    pub(super) fn of(graph: &Graph) -> Wiring {
        let mut wiring = Wiring::default();
        let mut consumers: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for node in graph.nodes() {
            for input in &node.input {
                consumers.entry(input).or_default().push(node);
            }
        }
        // A ReLU is part of what gives its input where nothing else sees that.
        let relu_after = |node: &Node| {
            let output = node.output.first()?;
            let [after] = consumers.get(output.as_str())?.as_slice() else { return None };
            (after.op_type == "Relu" && !graph.is_output(output)).then(|| after.output.first().cloned())?
        };
        let floats: BTreeMap<&str, &[usize]> = graph
            .initializers()
            .iter()
            .filter(|constant| matches!(constant.values, Values::F32(_)))
            .map(|constant| (constant.name.as_str(), constant.dims.as_slice()))
            .collect();
        for node in graph.nodes() {
            let Some(own) = node.output.first() else { continue };
            let relu = relu_after(node);
            let output = relu.clone().unwrap_or_else(|| own.clone());
            match (node.op_type.as_str(), node.input.as_slice()) {
                ("Conv" | "Gemm", [input, weight, bias]) => {
                    // What is read off a map or ranked by score: a step of int8 would be seen in every box.
                    let last = graph.is_output(&output) && !output.starts_with("features.");
                    let weight_dims =
                        floats.get(weight.as_str()).filter(|_| floats.contains_key(bias.as_str()));
                    if let (false, Some(dims)) = (last, weight_dims) {
                        wiring.layers.push(Layer {
                            narrow: dims.get(1).is_some_and(|&channels| channels < GATHERED),
                            name: node.name.clone(),
                            op: node.op_type.clone(),
                            input: input.clone(),
                            weight: weight.clone(),
                            bias: bias.clone(),
                            output,
                            relu: relu.is_some(),
                        });
                    }
                }
                ("Add", [a, b]) => {
                    wiring.sums.push(Sum { operands: [a.clone(), b.clone()], output });
                }
                (op, [input, ..]) if PASSING.contains(&op) => {
                    wiring.same.insert(own.clone(), wiring.root(input).to_owned());
                }
                _ => {}
            }
        }
        wiring
    }

    /// The tensor whose values a tensor holds; mostly itself.
    pub(super) fn root<'a>(&'a self, edge: &'a str) -> &'a str {
        self.same.get(edge).map_or(edge, String::as_str)
    }

    /// The tensors whose distributions decide everything, in no particular order.
    pub(super) fn roots(&self) -> BTreeSet<String> {
        let layers = self.layers.iter().flat_map(|layer| [&layer.input, &layer.output]);
        let sums = self.sums.iter().flat_map(|sum| [&sum.operands[0], &sum.operands[1], &sum.output]);
        layers.chain(sums).map(|edge| self.root(edge).to_owned()).collect()
    }

    /// The roots of all tensors that become whole numbers when these layers do: what they take and give, and sums of
    /// two such tensors.
    pub(super) fn whole(&self, int8: &dyn Fn(&Layer) -> bool) -> BTreeSet<String> {
        let chosen = self.layers.iter().filter(|layer| int8(layer));
        let mut whole: BTreeSet<String> = chosen
            .flat_map(|layer| [&layer.input, &layer.output])
            .map(|edge| self.root(edge).to_owned())
            .collect();
        // In the order of the computation, so that a sum of sums is found.
        for sum in &self.sums {
            if sum.operands.iter().all(|edge| whole.contains(self.root(edge))) {
                whole.insert(self.root(&sum.output).to_owned());
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::tests::block;
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_block_is_understood() {
        let wiring = Wiring::of(&block());
        let layers: Vec<(&str, &str, &str)> =
            wiring.layers.iter().map(|l| (l.name.as_str(), l.input.as_str(), l.output.as_str())).collect();
        assert_eq!(
            layers,
            [
                ("stem", "input", "stem.relu"),
                ("conv1", "pool", "conv1.relu"),
                ("conv2", "conv1.relu", "conv2"),
                ("features.0", "sum.relu", "features.0"),
            ]
        );
        assert_eq!(wiring.root("pool"), "stem.relu");
        let all = set(&["input", "stem.relu", "conv1.relu", "conv2", "sum.relu", "features.0"]);
        assert_eq!(wiring.roots(), all);
        assert_eq!(wiring.whole(&|_| true), all);
    }

    #[test]
    fn a_sum_is_whole_where_both_operands_are() {
        let wiring = Wiring::of(&block());
        // The stem's output is what conv1 takes.
        let without_stem = set(&["stem.relu", "conv1.relu", "conv2", "sum.relu"]);
        assert_eq!(wiring.whole(&|layer| layer.name.starts_with("conv")), without_stem);
        // conv1 takes the shortcut, but conv2 gives float32.
        assert_eq!(wiring.whole(&|layer| layer.name == "conv1"), set(&["stem.relu", "conv1.relu"]));
        assert_eq!(wiring.whole(&|_| false), set(&[]));
    }
}
