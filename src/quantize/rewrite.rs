//! From a float32 graph to one with int8 layers, in the form that every runtime knows: each tensor that becomes whole
//! numbers passes a QuantizeLinear and a DequantizeLinear, and runtimes put whole-number kernels between such pairs.
//!
//! A tensor keeps its name; behind its pair it is called `NAME.dequantized`. The graph's outputs have their names
//! behind the pair, and `NAME.float` before it.

use std::collections::{BTreeMap, BTreeSet};

use super::scale::{self, Affine};
use super::wiring::{WiredLayer, Wiring};
use crate::onnx::{Graph, Initializer, NodeProto, Values};

/// How whole numbers stand for values.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    /// For the roots that layers and sums need.
    pub(super) tensors: BTreeMap<String, Affine>,
    /// The largest number of a weight: 127, or 63 for 7 bits.
    pub(super) largest: i8,
    /// What is added to a layer's bias, by the layer's name.
    pub(super) shifts: BTreeMap<String, Vec<f32>>,
}

/// Where a layer's values and its shadow's can be seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShadowOutputs {
    /// What the layer gives, and its shadow in whole numbers.
    pub(super) outputs: [String; 2],
    /// What both give before the ReLU, and before the shadow's is rounded.
    pub(super) sums: [String; 2],
}

/// The graph with the layers named in int8.
pub(super) fn int8_graph(graph: &Graph, wiring: &Wiring, scales: &Scales, int8: &BTreeSet<String>) -> Graph {
    let chosen = |layer: &WiredLayer| int8.contains(&layer.name);
    let whole = wiring.whole(&chosen);
    let is_whole = |edge: &str| whole.contains(edge);
    let layers = wiring.layers.iter().filter(|layer| chosen(layer));
    let layers: BTreeMap<&str, &WiredLayer> = layers.map(|layer| (layer.name.as_str(), layer)).collect();
    let mut writer = ShadowWriter::new(graph, graph.frame(), wiring, scales);
    for input in graph.input_names().filter(|input| is_whole(input)) {
        writer.pair(input, input, &quantized(input), &behind(graph, input));
    }
    for node in graph.nodes() {
        let mut node = node.clone();
        for input in node.input.iter_mut().filter(|input| is_whole(input)) {
            // A shape needs no values: asking it of the numbers spares making float32 of them.
            *input = if node.op_type == "Shape" { quantized(input) } else { behind(graph, input) };
        }
        if let Some(layer) = layers.get(node.name.as_str()) {
            writer.take_parameters(layer, &mut node);
        }
        let output = node.output.first().cloned().unwrap_or_default();
        if !is_whole(&output) {
            writer.out.push(node);
            continue;
        }
        let raw = if graph.is_output(&output) { format!("{output}.float") } else { output.clone() };
        // Nodes are called as what they give, and no two may have one name.
        (node.name, node.output) = (raw.clone(), vec![raw.clone()]);
        writer.out.push(node);
        writer.pair(&output, &raw, &quantized(&output), &behind(graph, &output));
    }
    writer.out.drop_unused();
    writer.out
}

/// The float32 graph with a shadow beside each of some layers: the same layer in int8, on the same float32 values.
/// Gives the names of what each layer and its shadow give; all are outputs of the graph.
pub(super) fn shadow_graph(
    graph: &Graph,
    wiring: &Wiring,
    scales: &Scales,
    layers: &[&WiredLayer],
) -> (Graph, Vec<ShadowOutputs>) {
    let mut writer = ShadowWriter::new(graph, graph.frame(), wiring, scales);
    graph.nodes().iter().for_each(|node| writer.out.push(node.clone()));
    let mut shadows = Vec::new();
    let mut paired = BTreeSet::new();
    for layer in layers {
        let Some(node) = graph.nodes().iter().find(|node| node.name == layer.name) else { continue };
        let input = format!("{}.dequantized", layer.input);
        if paired.insert(layer.input.clone()) {
            writer.pair(&layer.input, &layer.input, &quantized(&layer.input), &input);
        }
        let mut node = node.clone();
        let sum = node.output.first().cloned().unwrap_or_default();
        let shadow = format!("{}.shadow", layer.name);
        node.input[0] = input;
        (node.name, node.output) = (shadow.clone(), vec![shadow.clone()]);
        writer.take_parameters(layer, &mut node);
        writer.out.push(node);
        let mut raw = shadow.clone();
        if layer.relu {
            raw = writer.out.relu(&format!("{shadow}.relu"), &shadow);
        }
        let given = format!("{shadow}.dequantized");
        writer.pair(&layer.output, &raw, &quantized(&shadow), &given);
        let one = ShadowOutputs { outputs: [layer.output.clone(), given], sums: [sum, shadow] };
        for name in one.outputs.iter().chain(&one.sums) {
            if !writer.out.is_output(name) {
                writer.out.expose(name);
            }
        }
        shadows.push(one);
    }
    writer.out.drop_unused();
    (writer.out, shadows)
}

fn quantized(edge: &str) -> String {
    format!("{edge}.quantized")
}

/// What a tensor is called behind its pair.
fn behind(graph: &Graph, edge: &str) -> String {
    if graph.is_output(edge) { edge.to_owned() } else { format!("{edge}.dequantized") }
}

struct ShadowWriter<'a> {
    out: Graph,
    wiring: &'a Wiring,
    scales: &'a Scales,
    constants: BTreeMap<&'a str, &'a Initializer>,
    /// Scale and zero point that are written, by root.
    written: BTreeSet<String>,
    /// Weights that are written: layers may share one.
    weights: BTreeMap<String, Vec<f32>>,
}

impl<'a> ShadowWriter<'a> {
    fn new(graph: &'a Graph, mut out: Graph, wiring: &'a Wiring, scales: &'a Scales) -> ShadowWriter<'a> {
        let mut constants = BTreeMap::new();
        for constant in graph.initializers() {
            out.constant(&constant.name, &constant.dims, constant.values.clone());
            constants.insert(constant.name.as_str(), constant);
        }
        let (written, weights) = (BTreeSet::new(), BTreeMap::new());
        ShadowWriter { out, wiring, scales, constants, written, weights }
    }

    fn scale(&self, edge: &str) -> Affine {
        let known = self.scales.tensors.get(self.wiring.root(edge)).copied();
        known.unwrap_or(Affine { scale: 1.0, zero_point: 0 })
    }

    /// The tensor `raw`, whose values are those of `edge`, as numbers and back.
    fn pair(&mut self, edge: &str, raw: &str, numbers: &str, back: &str) {
        let root = self.wiring.root(edge).to_owned();
        let Affine { scale, zero_point } = self.scale(edge);
        let names = (format!("{root}.scale"), format!("{root}.zero_point"));
        if self.written.insert(root) {
            self.out.constant(&names.0, &[], Values::F32(vec![scale]));
            self.out.constant(&names.1, &[], Values::U8(vec![zero_point]));
        }
        let numbers = self.out.quantize_linear(numbers, raw, &names.0, &names.1);
        self.out.dequantize_linear(back, &numbers, &names.0, &names.1);
    }

    /// Puts a layer's weight and bias into the graph as whole numbers, and lets `node` take them.
    fn take_parameters(&mut self, layer: &WiredLayer, node: &mut NodeProto) {
        let (Some(weight), Some(bias)) = (self.floats(&layer.weight), self.floats(&layer.bias)) else {
            return;
        };
        let dims = &self.constants[layer.weight.as_str()].dims;
        let back = format!("{}.dequantized", layer.weight);
        if !self.weights.contains_key(&layer.weight) {
            // A weight that several layers share has one scale for all of them.
            let free = self.wiring.layers.iter().filter(|other| other.kept.is_none());
            let sharing = free.filter(|other| other.weight == layer.weight);
            let smallest = sharing.map(|other| self.scale(&other.input).scale).fold(f32::INFINITY, f32::min);
            let scales = scale::weight_scales(weight, bias, self.scales.largest, smallest);
            let found = scale::weights(weight, scales, self.scales.largest);
            let zeros = Values::I8(vec![0; found.scales.len()]);
            self.weights.insert(layer.weight.clone(), found.scales.clone());
            self.constants(&layer.weight, dims, Values::I8(found.values), found.scales, zeros, &back);
        }
        let shift = self.scales.shifts.get(&layer.name).filter(|shift| shift.len() == bias.len());
        let shifted: Option<Vec<f32>> =
            shift.map(|shift| bias.iter().zip(shift).map(|(bias, shift)| bias + shift).collect());
        let bias = shifted.as_deref().unwrap_or(bias);
        let (numbers, scales) =
            scale::bias(bias, self.scale(&layer.input).scale, &self.weights[&layer.weight]);
        let zeros = Values::I32(vec![0; numbers.len()]);
        // Its scale is the input's too: each layer has its own, even where the bias is shared.
        let name = format!("{}.bias", layer.name);
        let bias_back = format!("{name}.dequantized");
        self.constants(&name, &[numbers.len()], Values::I32(numbers), scales, zeros, &bias_back);
        node.input.truncate(1);
        node.input.extend([back, bias_back]);
    }

    fn constants(
        &mut self,
        name: &str,
        dims: &[usize],
        numbers: Values,
        scales: Vec<f32>,
        zeros: Values,
        back: &str,
    ) {
        let rows = [scales.len()];
        let numbers = self.out.constant(&quantized(name), dims, numbers);
        let scale = self.out.constant(&format!("{name}.scale"), &rows, Values::F32(scales));
        let zero = self.out.constant(&format!("{name}.zero_point"), &rows, zeros);
        self.out.dequantize_linear(back, &numbers, &scale, &zero);
    }

    fn floats(&self, name: &str) -> Option<&'a [f32]> {
        match &self.constants.get(name)?.values {
            Values::F32(values) => Some(values),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Element};
    use crate::runtime::{self, Runtime, SessionOptions, Value};

    const WINDOW: ConvWindow = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };

    /// A block with an identity shortcut after a pooled stem, and two outputs. Every layer adds a quarter.
    pub(in super::super) fn block() -> Graph {
        let mut graph = Graph::new("block");
        let dims = ["n".into(), 1.into(), "h".into(), "w".into()];
        let x = graph.input("input", Element::F32, &dims);
        let ones = graph.constant("ones", &[4, 1, 1, 1], Values::F32(vec![1.0; 4]));
        let same = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
        let weight = graph.constant("weight", &[4, 4, 1, 1], Values::F32(same));
        let bias = graph.constant("bias", &[4], Values::F32(vec![0.25; 4]));
        let stem = graph.conv("stem", &x, &ones, &bias, WINDOW);
        let stem = graph.relu("stem.relu", &stem);
        let stem = graph.max_pool("pool", &stem, 3, 2, 1);
        let y = graph.conv("conv1", &stem, &weight, &bias, WINDOW);
        let y = graph.relu("conv1.relu", &y);
        let y = graph.conv("conv2", &y, &weight, &bias, WINDOW);
        let y = graph.add("sum", &y, &stem);
        let y = graph.relu("sum.relu", &y);
        let y = graph.conv("features.0", &y, &weight, &bias, WINDOW);
        let dims = ["n".into(), 4.into(), "h".into(), "w".into()];
        graph.output(&y, Element::F32, &dims);
        let z = graph.conv("rpn.logits.0", &y, &weight, &bias, WINDOW);
        graph.output(&z, Element::F32, &dims);
        graph
    }

    fn runtime() -> Runtime {
        Runtime::open(&runtime::RuntimeOptions::default(), &mut |_| {}).unwrap()
    }

    pub(in super::super) fn run(graph: &Graph, values: &[f32], outputs: &[&str]) -> Vec<Vec<f32>> {
        let bytes = graph.to_bytes().unwrap();
        let graph = runtime::GraphBytes::Memory("test", &bytes);
        let mut session = runtime().session(graph, &SessionOptions::default()).unwrap();
        let input = Value::from_f32(&[1, 1, 1, values.len()], values.to_vec()).unwrap();
        let found = session.run(&[("input", &input)], outputs).unwrap();
        found.iter().map(|value| value.as_f32().unwrap().to_vec()).collect()
    }

    /// Steps of a quarter, from 0 up to 63.75.
    fn quarters(wiring: &Wiring) -> Scales {
        let step = Affine { scale: 0.25, zero_point: 0 };
        let tensors = wiring.roots().into_iter().map(|root| (root, step)).collect();
        Scales { tensors, largest: 127, shifts: BTreeMap::new() }
    }

    fn operators(graph: &Graph, op: &str) -> usize {
        graph.nodes().iter().filter(|node| node.op_type == op).count()
    }

    #[test]
    fn whole_numbers_by_hand() {
        let graph = block();
        let wiring = Wiring::of(&graph);
        let scales = quarters(&wiring);
        let free = wiring.layers.iter().filter(|layer| layer.kept.is_none());
        let all: BTreeSet<String> = free.map(|layer| layer.name.clone()).collect();
        let whole = int8_graph(&graph, &wiring, &scales, &all);
        // 6 becomes 6.25, 6.5, 6.75, with the shortcut 13, 13.25, and 13.5 in float32. 6.3 becomes 6.55 in the float32
        // stem, which is 6.5 behind it; -5 is 0 there; nothing in whole numbers passes 63.75.
        for (x, features, logits) in
            [(6.0, 13.25, 13.5), (6.3, 13.75, 14.0), (-5.0, 0.75, 1.0), (1000.0, 63.75, 64.0)]
        {
            let found = run(&whole, &[x], &["features.0", "rpn.logits.0"]);
            assert!(
                (found[0][0] - features).abs() < 1e-4 && (found[1][0] - logits).abs() < 1e-4,
                "{x}: {found:?}"
            );
        }
        // Pairs: pool, conv1.relu, conv2, sum.relu, features.0.
        assert_eq!(operators(&whole, "QuantizeLinear"), 5);
        // One more for the weight, which all layers share, and one for each of three biases.
        assert_eq!(operators(&whole, "DequantizeLinear"), 5 + 1 + 3);
        // The logits' layer keeps its own.
        assert_eq!(whole.nodes().last().unwrap().input[1..], ["weight", "bias"]);
    }

    #[test]
    fn a_shift_goes_into_the_bias() {
        let graph = block();
        let wiring = Wiring::of(&graph);
        let mut scales = quarters(&wiring);
        scales.shifts.insert("conv2".into(), vec![0.5; 4]);
        let all: BTreeSet<String> = ["conv1", "conv2", "features.0"].map(String::from).into();
        let whole = int8_graph(&graph, &wiring, &scales, &all);
        // 13.25 and 13.5 without it, as above.
        let found = run(&whole, &[6.0], &["features.0", "rpn.logits.0"]);
        assert!((found[0][0] - 13.75).abs() < 1e-4 && (found[1][0] - 14.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn without_layers_nothing_changes() {
        let graph = block();
        let wiring = Wiring::of(&graph);
        let same = int8_graph(&graph, &wiring, &quarters(&wiring), &BTreeSet::new());
        assert_eq!(same.to_bytes().unwrap(), graph.to_bytes().unwrap());
    }

    #[test]
    fn a_shadow_sees_float32_and_computes_alone() {
        let graph = block();
        let wiring = Wiring::of(&graph);
        let layers: Vec<&WiredLayer> = wiring.layers.iter().filter(|layer| layer.kept.is_none()).collect();
        let (shadowed, shadows) = shadow_graph(&graph, &wiring, &quarters(&wiring), &layers);
        let names = |[own, shadow]: [&str; 2]| [own.to_owned(), shadow.to_owned()];
        assert_eq!(shadows[0].outputs, names(["conv1.relu", "conv1.shadow.dequantized"]));
        assert_eq!(shadows[0].sums, names(["conv1", "conv1.shadow"]));
        let names: Vec<&str> = shadows.iter().flat_map(|one| &one.outputs).map(String::as_str).collect();
        let found = run(&shadowed, &[6.3], &names);
        // conv1 makes 6.8 of the stem's 6.55, and its shadow 6.75 of 6.5. conv2 makes 7.05 of 6.8, and its shadow 7 of
        // 6.75, the nearest quarter.
        let expected = [6.8, 6.75, 7.05, 7.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found[0] - expected).abs() < 1e-5, "{} {expected}", found[0]);
        }
    }

    #[test]
    fn the_operators_round_and_saturate_as_ours_do() {
        let affine = Affine { scale: 0.5, zero_point: 10 };
        let mut graph = Graph::new("pair");
        let dims = [1.into(), 1.into(), 1.into(), "n".into()];
        let x = graph.input("input", Element::F32, &dims);
        let scale = graph.constant("scale", &[], Values::F32(vec![affine.scale]));
        let zero = graph.constant("zero", &[], Values::U8(vec![affine.zero_point]));
        let x = graph.quantize_linear("numbers", &x, &scale, &zero);
        let x = graph.dequantize_linear("back", &x, &scale, &zero);
        graph.output(&x, Element::F32, &dims);
        let values = [0.25, 0.75, 1.25, -0.25, -0.75, 200.0, -200.0, 0.0, 17.3];
        let found = run(&graph, &values, &["back"]);
        assert_eq!(found[0], values.map(|value| affine.dequantize(affine.quantize(value))));
    }
}
