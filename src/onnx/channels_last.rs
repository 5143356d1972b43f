//! A graph that is given the channels of each cell together, where it was made for the cells of each channel.

use std::collections::BTreeSet;

use super::graph::{Graph, Values};
use super::proto::{DimProto, ValueInfo};

/// Operators that do the same to every number of a tensor, or only see it in other dimensions.
const ALIKE: [&str; 3] = ["Flatten", "QuantizeLinear", "DequantizeLinear"];

impl Graph {
    /// Makes the input (n, channels, height, width) one of (n, height, width, channels). What the graph gives stays the
    /// same, but for the order of its sums: linear layers that read the flattened input have their weights' columns
    /// moved.
    ///
    /// Tells whether it did: the graph is left alone where anything else reads the input.
    pub(crate) fn channels_last(&mut self, input: &str) -> bool {
        let Some([channels, height, width]) = self.depth_and_plane(input) else { return false };
        let Some(weights) = self.weights_behind(input) else { return false };
        let (cells, columns) = (height * width, channels * height * width);
        let fits = |name: &String| {
            let weight = self.initializers.iter().find(|constant| constant.name == *name);
            weight.is_some_and(|weight| {
                matches!(weight.values, Values::F32(_) | Values::I8(_))
                    && weight.dims.get(1) == Some(&columns)
            })
        };
        if columns == 0 || !weights.iter().all(fits) {
            return false;
        }
        for weight in self.initializers.iter_mut().filter(|constant| weights.contains(&constant.name)) {
            match &mut weight.values {
                Values::F32(values) => move_columns(values, channels, cells),
                Values::I8(values) => move_columns(values, channels, cells),
                _ => {}
            }
        }
        let inputs = self.body.input.iter_mut().filter(|one| one.name == input);
        inputs.filter_map(dims).for_each(|dims| dims[1..].rotate_left(1));
        true
    }

    /// Gives an output (n, channels, height, width) as (n, height, width, channels) instead, under another name.
    pub(crate) fn output_channels_last(&mut self, edge: &str, name: &str) {
        let Some(output) = self.body.output.iter_mut().find(|output| output.name == edge) else { return };
        output.name = name.into();
        if let Some(dims) = dims(output).filter(|dims| dims.len() == 4) {
            dims[1..].rotate_left(1);
        }
        self.transpose(name, edge, &[0, 2, 3, 1]);
    }

    /// An input's dimensions behind the first.
    fn depth_and_plane(&mut self, input: &str) -> Option<[usize; 3]> {
        let info = self.body.input.iter_mut().find(|one| one.name == input)?;
        let known =
            dims(info)?.iter().skip(1).map(|dim| dim.value.and_then(|size| usize::try_from(size).ok()));
        known.collect::<Option<Vec<usize>>>()?.try_into().ok()
    }

    /// The constants that are the weights of all that reads the input; `None` where something else reads it, or them.
    fn weights_behind(&self, input: &str) -> Option<BTreeSet<String>> {
        let nodes = self.nodes();
        let made = |edge: &str| nodes.iter().position(|node| node.output.iter().any(|output| output == edge));
        let mut carried = BTreeSet::from([input]);
        // Weights as constants and as what linear layers take, and the nodes that may read these.
        let (mut weights, mut edges, mut readers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (place, node) in nodes.iter().enumerate() {
            if !node.input.iter().any(|edge| carried.contains(edge.as_str())) {
                continue;
            }
            let first = node.input.first().is_some_and(|edge| carried.contains(edge.as_str()));
            match (node.op_type.as_str(), node.input.get(1)) {
                (op, _) if first && ALIKE.contains(&op) => {
                    carried.extend(node.output.iter().map(String::as_str));
                }
                ("Gemm", Some(weight)) if first => {
                    let behind = made(weight).filter(|&maker| nodes[maker].op_type == "DequantizeLinear");
                    let constant = behind.and_then(|maker| nodes[maker].input.first()).unwrap_or(weight);
                    readers.extend([Some(place), behind].into_iter().flatten());
                    edges.extend([weight, constant]);
                    weights.insert(constant.clone());
                }
                _ => return None,
            }
        }
        let others = nodes.iter().enumerate().filter(|(place, _)| !readers.contains(place));
        let shared = others.flat_map(|(_, node)| &node.input).any(|edge| edges.contains(edge));
        let seen = carried.iter().any(|edge| self.is_output(edge));
        (!shared && !seen).then_some(weights)
    }
}

fn dims(info: &mut ValueInfo) -> Option<&mut Vec<DimProto>> {
    Some(&mut info.kind.as_mut()?.tensor.as_mut()?.shape.as_mut()?.dims)
}

/// In each row from (channels, cells) to (cells, channels).
fn move_columns<T: Copy>(values: &mut [T], channels: usize, cells: usize) {
    for row in values.chunks_exact_mut(channels * cells) {
        let old = row.to_vec();
        for (place, value) in row.iter_mut().enumerate() {
            *value = old[place % channels * cells + place / channels];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Element;

    /// Two linear layers behind a flattened input of two channels of 1x3 cells, one of int8.
    fn graph() -> Graph {
        let mut graph = Graph::new("head");
        let x = graph.input("x", Element::F32, &["n".into(), 2.into(), 1.into(), 3.into()]);
        let flat = graph.flatten("flat", &x);
        let bias = graph.constant("bias", &[1], Values::F32(vec![0.0]));
        let weight = graph.constant("weight", &[1, 6], Values::F32((0..6).map(|i| i as f32).collect()));
        let y = graph.linear("y", &flat, &weight, &bias);
        graph.output(&y, Element::F32, &["n".into(), 1.into()]);
        let scale = graph.constant("scale", &[], Values::F32(vec![1.0]));
        let zero = graph.constant("zero", &[], Values::U8(vec![0]));
        let whole = graph.quantize_linear("whole", &flat, &scale, &zero);
        let back = graph.dequantize_linear("back", &whole, &scale, &zero);
        let numbers = graph.constant("numbers", &[1, 6], Values::I8(vec![0, 1, 2, 3, 4, 5]));
        let row = graph.constant("row", &[1], Values::F32(vec![1.0]));
        let none = graph.constant("none", &[1], Values::I8(vec![0]));
        let weight = graph.dequantize_linear("weight8", &numbers, &row, &none);
        let z = graph.linear("z", &back, &weight, &bias);
        graph.output(&z, Element::F32, &["n".into(), 1.into()]);
        graph
    }

    #[test]
    fn columns_of_both_kinds_of_weights_move() {
        let mut turned = graph();
        assert!(turned.channels_last("x"));
        let values =
            |name: &str| turned.initializers.iter().find(|one| one.name == name).unwrap().values.clone();
        // Of the cells 0 1 2 of channel 0 and 3 4 5 of channel 1.
        assert_eq!(values("weight"), Values::F32(vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(values("numbers"), Values::I8(vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(turned.depth_and_plane("x"), Some([1, 3, 2]));
    }

    #[test]
    fn an_output_is_turned_under_another_name() {
        let mut graph = Graph::new("trunk");
        let dims = ["n".into(), 2.into(), 3.into(), 4.into()];
        let x = graph.input("x", Element::F32, &dims);
        let y = graph.relu("y", &x);
        graph.output(&y, Element::F32, &dims);
        graph.output_channels_last("y", "y.last");
        let outputs: Vec<&str> = graph.body.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["y.last"]);
        let sizes: Vec<Option<i64>> =
            super::dims(&mut graph.body.output[0]).unwrap().iter().map(|dim| dim.value).collect();
        assert_eq!(sizes, [None, Some(3), Some(4), Some(2)]);
        let last = graph.nodes().last().unwrap();
        assert_eq!(
            (last.op_type.as_str(), &last.input, &last.output),
            ("Transpose", &vec![y], &vec!["y.last".into()])
        );
    }

    #[test]
    fn what_another_operator_reads_is_left_alone() {
        let mut convolved = graph();
        convolved.relu("other", "x");
        let mut shared = graph();
        shared.relu("other", "weight");
        let mut seen = graph();
        seen.expose("flat");
        for mut graph in [convolved, shared, seen] {
            let before = graph.to_bytes().unwrap();
            assert!(!graph.channels_last("x"));
            assert_eq!(graph.to_bytes().unwrap(), before);
        }
        assert!(!graph().channels_last("y"));
    }
}
