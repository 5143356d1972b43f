//! What of a graph can be computed in whole numbers, and which tensors must be known for it.
//!
//! Knows graphs by their operators, and of detection only that class scores and box deltas stay float32.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::{Graph, NodeProto, Values};

/// A convolution or a linear layer, with the ReLU after it where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WiredLayer {
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
    /// Why it is never int8, where it is not.
    pub(super) kept: Option<&'static str>,
}

/// What is read off a map or ranked by score: a step of int8 would be seen in every box.
const OUTPUT: &str = "gives scores or boxes";

/// ONNX Runtime needs 6.4 ms for a stem (7x7 on 3 channels) where its float32 kernel needs 1.8.
const NARROW: &str = "takes too few channels to gain from int8";

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
    /// Convolutions and linear layers, in the order of the computation.
    pub(super) layers: Vec<WiredLayer>,
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
        let mut consumers: BTreeMap<&str, Vec<&NodeProto>> = BTreeMap::new();
        for node in graph.nodes() {
            for input in &node.input {
                consumers.entry(input).or_default().push(node);
            }
        }
        // A ReLU is part of what gives its input where nothing else sees that.
        let relu_after = |node: &NodeProto| {
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
                    let Some(dims) =
                        floats.get(weight.as_str()).filter(|_| floats.contains_key(bias.as_str()))
                    else {
                        continue;
                    };
                    let narrow = dims.get(1).is_some_and(|&channels| channels < GATHERED);
                    let last = graph.is_output(&output) && !output.starts_with("features.");
                    let kept = if last { Some(OUTPUT) } else { narrow.then_some(NARROW) };
                    wiring.layers.push(WiredLayer {
                        name: node.name.clone(),
                        op: node.op_type.clone(),
                        input: input.clone(),
                        weight: weight.clone(),
                        bias: bias.clone(),
                        output,
                        relu: relu.is_some(),
                        kept,
                    });
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
        let layers = self.layers.iter().filter(|layer| layer.kept.is_none());
        let layers = layers.flat_map(|layer| [&layer.input, &layer.output]);
        let sums = self.sums.iter().flat_map(|sum| [&sum.operands[0], &sum.operands[1], &sum.output]);
        layers.chain(sums).map(|edge| self.root(edge).to_owned()).collect()
    }

    /// The tensors that become whole numbers when these layers do: what they take and give, and the same of sums of
    /// two such tensors. What an int8 layer gives stays whole while it is only moved; what a float32 one gives becomes
    /// whole where it is taken, as ONNX Runtime pools float32 faster than whole numbers in that order of channels.
    pub(super) fn whole(&self, int8: &dyn Fn(&WiredLayer) -> bool) -> BTreeSet<String> {
        let chosen = self.layers.iter().filter(|layer| int8(layer));
        let (mut taken, mut given) = (BTreeSet::new(), BTreeSet::new());
        for layer in chosen {
            taken.insert(layer.input.as_str());
            given.insert(layer.output.as_str());
        }
        // In the order of the computation, so that a sum of sums is found.
        for sum in &self.sums {
            let known = |edge: &String| {
                let root = self.root(edge);
                given.contains(root) || taken.iter().any(|taken| self.root(taken) == root)
            };
            if sum.operands.iter().all(known) {
                taken.extend(sum.operands.iter().map(String::as_str));
                given.insert(sum.output.as_str());
            }
        }
        let moved = self.same.iter().filter(|(_, root)| given.contains(root.as_str()));
        let moved: Vec<&str> = moved.map(|(edge, _)| edge.as_str()).collect();
        taken.into_iter().chain(given).chain(moved).map(str::to_owned).collect()
    }
}

/// The graph with the ReLU after a narrow stem moved behind the pooling that follows, which gives the same values.
///
/// Such a stem stays float32, and the tensor behind the pooling becomes whole numbers. ONNX Runtime would pool those
/// instead (it draws a QuantizeLinear before a MaxPool), which takes 5 ms instead of 0.2; not past a ReLU.
pub(super) fn relu_behind_pool(graph: &Graph) -> Graph {
    let wiring = Wiring::of(graph);
    let mut out = graph.frame();
    for constant in graph.initializers() {
        out.constant(&constant.name, &constant.dims, constant.values.clone());
    }
    let takers =
        |edge: &str| graph.nodes().iter().filter(|node| node.input.iter().any(|input| input == edge)).count();
    let stems = wiring.layers.iter().filter(|layer| layer.kept == Some(NARROW) && layer.relu);
    let stems: BTreeMap<&str, &str> = stems
        .filter(|layer| takers(&layer.output) == 1 && !graph.is_output(&layer.output))
        .map(|layer| (layer.output.as_str(), layer.name.as_str()))
        .collect();
    let pooled: BTreeSet<&str> = graph
        .nodes()
        .iter()
        .filter(|node| node.op_type == "MaxPool" && !node.output.iter().any(|output| graph.is_output(output)))
        .flat_map(|node| node.input.iter().map(String::as_str))
        .filter(|input| stems.contains_key(input))
        .collect();
    for node in graph.nodes() {
        let mut node = node.clone();
        if node.op_type == "Relu" && node.output.iter().any(|output| pooled.contains(output.as_str())) {
            continue;
        }
        let stem = node.input.first().filter(|input| pooled.contains(input.as_str()));
        let Some(stem) = stem.and_then(|input| stems.get(input.as_str())) else {
            out.push(node);
            continue;
        };
        let name = std::mem::take(&mut node.name);
        let raw = format!("{name}.float");
        (node.name, node.input, node.output) = (raw.clone(), vec![(*stem).to_owned()], vec![raw.clone()]);
        out.push(node);
        out.relu(&name, &raw);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::tests::{block, run};
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_block_is_understood() {
        let wiring = Wiring::of(&block());
        let described = |l: &WiredLayer| format!("{} {} {} {}", l.name, l.input, l.output, l.kept.is_some());
        assert_eq!(
            wiring.layers.iter().map(described).collect::<Vec<_>>(),
            [
                "stem input stem.relu true",
                "conv1 pool conv1.relu false",
                "conv2 conv1.relu conv2 false",
                "features.0 sum.relu features.0 false",
                "rpn.logits.0 features.0 rpn.logits.0 true",
            ]
        );
        assert_eq!(wiring.root("pool"), "stem.relu");
        let all = set(&["stem.relu", "conv1.relu", "conv2", "sum.relu", "features.0"]);
        assert_eq!(wiring.roots(), all);
        // The stem gives float32: its output becomes whole behind the pooling.
        let whole = set(&["pool", "conv1.relu", "conv2", "sum.relu", "features.0"]);
        assert_eq!(wiring.whole(&|layer| layer.kept.is_none()), whole);
        // Were it int8, pooling would be too.
        assert!(wiring.whole(&|_| true).is_superset(&set(&["input", "stem.relu", "pool"])));
    }

    #[test]
    fn a_relu_may_stand_behind_the_pooling() {
        let moved = relu_behind_pool(&block());
        let operators: Vec<&str> = moved.nodes().iter().take(3).map(|node| node.op_type.as_str()).collect();
        assert_eq!(operators, ["Conv", "MaxPool", "Relu"]);
        let values = [1.0, -3.0, 2.0, 0.5, -7.0, -8.0, -9.0, -1.0, -1.5];
        let outputs = ["features.0", "rpn.logits.0"];
        assert_eq!(run(&moved, &values, &outputs), run(&block(), &values, &outputs));
        // The tensor behind it is one of its own.
        assert_eq!(Wiring::of(&moved).root("pool"), "pool");
    }

    #[test]
    fn a_sum_is_whole_where_both_operands_are() {
        let wiring = Wiring::of(&block());
        // The stem's output is what conv1 takes, behind the pooling.
        let without_stem = set(&["pool", "conv1.relu", "conv2", "sum.relu"]);
        assert_eq!(wiring.whole(&|layer| layer.name.starts_with("conv")), without_stem);
        // conv1 takes the shortcut, but conv2 gives float32.
        assert_eq!(wiring.whole(&|layer| layer.name == "conv1"), set(&["pool", "conv1.relu"]));
        assert_eq!(wiring.whole(&|_| false), set(&[]));
    }
}
