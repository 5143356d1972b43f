//! A float32 graph made to compute in float16, for devices that are several times faster so.

use std::collections::{BTreeMap, BTreeSet};

use half::f16;

use super::graph::{Edge, Element, Graph, Values};
use super::proto::NodeProto;

/// What computes in float16 where its first input is a float tensor; everything else stays as it is.
const HALF: [&str; 13] = [
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "MaxPool",
    "Pad",
    "Relu",
    "Resize",
    "Slice",
];

impl Graph {
    /// The same graph with its convolutions and linear layers, and what lies between them, in float16; inputs and
    /// outputs stay float32. `None` where a weight is too large for it (above 65,504), or where layers are int8.
    pub fn to_half(&self) -> Option<Graph> {
        let large = |values: &Values| match values {
            Values::F32(values) => values.iter().any(|&value| !f16::from_f32(value).is_finite()),
            _ => false,
        };
        let int8 = self.body.node.iter().any(|node| node.op_type == "QuantizeLinear");
        if int8 || self.initializers.iter().any(|constant| large(&constant.values)) {
            return None;
        }
        let mut writer = HalfWriter::new(self);
        self.body.node.iter().for_each(|node| writer.add(node));
        writer.out.drop_unused();
        Some(writer.out)
    }
}

struct HalfWriter<'a> {
    from: &'a Graph,
    out: Graph,
    /// Tensors of whole numbers.
    whole: BTreeSet<Edge>,
    /// What a tensor is called in float16, and in float32, where it is there.
    half: BTreeMap<Edge, Edge>,
    float: BTreeMap<Edge, Edge>,
}

impl<'a> HalfWriter<'a> {
    fn new(from: &'a Graph) -> HalfWriter<'a> {
        let mut out = from.frame();
        let (mut whole, mut float) = (BTreeSet::new(), BTreeMap::new());
        for constant in &from.initializers {
            match constant.values {
                Values::F32(_) => drop(float.insert(constant.name.clone(), constant.name.clone())),
                _ => drop(whole.insert(constant.name.clone())),
            }
            out.initializers.push(constant.clone());
        }
        for input in &from.body.input {
            let tensor = input.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
            if tensor.is_some_and(|tensor| tensor.element == Element::F32 as i32) {
                float.insert(input.name.clone(), input.name.clone());
            } else {
                whole.insert(input.name.clone());
            }
        }
        HalfWriter { from, out, whole, half: BTreeMap::new(), float }
    }

    fn add(&mut self, node: &NodeProto) {
        let mut node = node.clone();
        let first = node.input.first().cloned().unwrap_or_default();
        if node.op_type == "Shape" || self.whole.contains(&first) {
            // A shape is the same whatever the numbers are.
            if let Some(edge) = self.half.get(&first).filter(|_| !self.float.contains_key(&first)) {
                node.input[0].clone_from(edge);
            }
            self.whole.extend(node.output.iter().cloned());
            self.out.push(node);
            return;
        }
        let half = HALF.contains(&node.op_type.as_str());
        for (place, input) in node.input.iter_mut().enumerate() {
            // A Resize takes its scales in float32 only.
            let half = half && !(node.op_type == "Resize" && place > 0);
            if !input.is_empty() && !self.whole.contains(input) {
                *input = if half { self.in_half(input) } else { self.in_float(input) };
            }
        }
        if !half {
            // TopK's indices are whole numbers, which nothing takes as floats.
            for output in &node.output {
                self.float.insert(output.clone(), output.clone());
            }
            self.out.push(node);
            return;
        }
        let output = node.output[0].clone();
        let inner = format!("{output}.half");
        (node.name, node.output) = (inner.clone(), vec![inner.clone()]);
        self.out.push(node);
        self.half.insert(output.clone(), inner);
        if self.from.is_output(&output) {
            self.in_float(&output);
        }
    }

    /// The tensor's name in float16; it is made where it is not there.
    fn in_half(&mut self, edge: &str) -> Edge {
        if let Some(name) = self.half.get(edge) {
            return name.clone();
        }
        let name = format!("{edge}.half");
        let constant = self.from.initializers.iter().find(|constant| constant.name == edge);
        match constant.map(|constant| (&constant.dims, &constant.values)) {
            Some((dims, Values::F32(values))) => {
                let values = values.iter().map(|&value| f16::from_f32(value)).collect();
                self.out.constant(&name, dims, Values::F16(values));
            }
            _ => drop(self.out.cast(&name, edge, Element::F16)),
        }
        self.half.insert(edge.to_owned(), name.clone());
        name
    }

    /// The tensor's name in float32, which is its own; it is made where it is not there.
    fn in_float(&mut self, edge: &str) -> Edge {
        if !self.float.contains_key(edge)
            && let Some(half) = self.half.get(edge)
        {
            self.out.cast(edge, half, Element::F32);
            self.float.insert(edge.to_owned(), edge.to_owned());
        }
        edge.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ConvWindow;

    #[test]
    fn weights_that_do_not_fit_and_int8_layers_are_left_alone() {
        let graph = |weight: f32| {
            let mut graph = Graph::new("one");
            let x = graph.input("x", Element::F32, &[1.into(), 1.into(), 4.into(), 4.into()]);
            let weight = graph.constant("weight", &[1, 1, 1, 1], Values::F32(vec![weight]));
            let bias = graph.constant("bias", &[1], Values::F32(vec![0.1]));
            let window = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };
            let y = graph.conv("y", &x, &weight, &bias, window);
            graph.output(&y, Element::F32, &[1.into(), 1.into(), 4.into(), 4.into()]);
            graph
        };
        assert!(graph(65_600.0).to_half().is_none() && graph(f32::NAN).to_half().is_none());
        let half = graph(65_500.0).to_half().unwrap();
        let kinds: Vec<&str> = half.nodes().iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(kinds, ["Cast", "Conv", "Cast"]);
        // 65,500 lies between two numbers of float16 that are 32 apart; 0.1 has eleven bits.
        let values: Vec<&Values> = half.initializers.iter().map(|constant| &constant.values).collect();
        let expected = [f16::from_bits(0x7bff), f16::from_bits(0x2e66)].map(|value| Values::F16(vec![value]));
        assert_eq!(values, expected.iter().collect::<Vec<_>>());
        let mut int8 = graph(1.0);
        let scale = int8.constant("scale", &[], Values::F32(vec![0.5]));
        let zero = int8.constant("zero", &[], Values::U8(vec![0]));
        int8.quantize_linear("q", "x", &scale, &zero);
        assert!(int8.to_half().is_none());
    }
}
