//! From a float32 graph to one with int8 layers, in the form that every runtime knows: each tensor that becomes whole
//! numbers passes a QuantizeLinear and a DequantizeLinear, and runtimes put whole-number kernels between such pairs.
//!
//! A tensor keeps its name; behind its pair it is called `NAME.dequantized`. The graph's outputs have their names
//! behind the pair, and `NAME.float` before it.

use std::collections::{BTreeMap, BTreeSet};

use super::scale::{self, Affine};
use super::wiring::{Layer, Wiring};
use crate::onnx::{Graph, Initializer, Node, Values};

/// How whole numbers stand for values.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    /// For the roots that layers and sums need.
    pub(super) tensors: BTreeMap<String, Affine>,
    /// The largest number of a weight: 127, or 63 for 7 bits.
    pub(super) largest: i8,
}

/// The graph with the layers named in int8.
pub(super) fn int8_graph(graph: &Graph, wiring: &Wiring, scales: &Scales, int8: &BTreeSet<String>) -> Graph {
    let chosen = |layer: &Layer| int8.contains(&layer.name);
    let whole = wiring.whole(&chosen);
    let is_whole = |edge: &str| whole.contains(wiring.root(edge));
    let layers = wiring.layers.iter().filter(|layer| chosen(layer));
    let layers: BTreeMap<&str, &Layer> = layers.map(|layer| (layer.name.as_str(), layer)).collect();
    let mut writer = Writer::new(graph, graph.frame(), wiring, scales);
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
        node.output = vec![raw.clone()];
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
    layers: &[&Layer],
) -> (Graph, Vec<(String, String)>) {
    let mut writer = Writer::new(graph, graph.frame(), wiring, scales);
    graph.nodes().iter().for_each(|node| writer.out.push(node.clone()));
    let mut shown = Vec::new();
    let mut paired = BTreeSet::new();
    for layer in layers {
        let Some(node) = graph.nodes().iter().find(|node| node.name == layer.name) else { continue };
        let input = format!("{}.dequantized", layer.input);
        if paired.insert(layer.input.clone()) {
            writer.pair(&layer.input, &layer.input, &quantized(&layer.input), &input);
        }
        let mut node = node.clone();
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
        if !writer.out.is_output(&layer.output) {
            writer.out.expose(&layer.output);
        }
        writer.out.expose(&given);
        shown.push((layer.output.clone(), given));
    }
    writer.out.drop_unused();
    (writer.out, shown)
}

fn quantized(edge: &str) -> String {
    format!("{edge}.quantized")
}

/// What a tensor is called behind its pair.
fn behind(graph: &Graph, edge: &str) -> String {
    if graph.is_output(edge) { edge.to_owned() } else { format!("{edge}.dequantized") }
}

struct Writer<'a> {
    out: Graph,
    wiring: &'a Wiring,
    scales: &'a Scales,
    constants: BTreeMap<&'a str, &'a Initializer>,
    /// Scale and zero point that are written, by root.
    written: BTreeSet<String>,
    /// Weights that are written: layers may share one.
    weights: BTreeMap<String, Vec<f32>>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph, mut out: Graph, wiring: &'a Wiring, scales: &'a Scales) -> Writer<'a> {
        let mut constants = BTreeMap::new();
        for constant in graph.initializers() {
            out.constant(&constant.name, &constant.dims, constant.values.clone());
            constants.insert(constant.name.as_str(), constant);
        }
        let (written, weights) = (BTreeSet::new(), BTreeMap::new());
        Writer { out, wiring, scales, constants, written, weights }
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
    fn take_parameters(&mut self, layer: &Layer, node: &mut Node) {
        let (Some(weight), Some(bias)) = (self.floats(&layer.weight), self.floats(&layer.bias)) else { return };
        let dims = &self.constants[layer.weight.as_str()].dims;
        let back = format!("{}.dequantized", layer.weight);
        if !self.weights.contains_key(&layer.weight) {
            // A weight that several layers share has one scale for all of them.
            let sharing = self.wiring.layers.iter().filter(|other| other.weight == layer.weight);
            let smallest = sharing.map(|other| self.scale(&other.input).scale).fold(f32::INFINITY, f32::min);
            let scales = scale::weight_scales(weight, bias, self.scales.largest, smallest);
            let found = scale::weights(weight, scales, self.scales.largest);
            let zeros = Values::I8(vec![0; found.scales.len()]);
            self.weights.insert(layer.weight.clone(), found.scales.clone());
            self.constants(&layer.weight, dims, Values::I8(found.values), found.scales, zeros, &back);
        }
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
