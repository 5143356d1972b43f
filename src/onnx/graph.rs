//! Building a graph, one typed operator at a time.
//!
//! Every operator's method takes the name of the node that it makes; the node's output has the same
//! name, so that a graph reads in Netron as the network does. Knows nothing of detection.

use std::collections::BTreeSet;

use half::f16;

use super::proto::{self, NodeProto};

/// The operator set that our graphs need: 16 is the first whose RoiAlign can leave out the half-pixel shift.
pub const OPSET: i64 = 16;

/// The name of a tensor inside a graph.
pub type Edge = String;

/// A dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Always this many.
    Fixed(usize),
    /// Different from run to run; dimensions of one name are equal.
    Free(String),
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Dim::Fixed(size)
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Dim::Free(name.into())
    }
}

/// Element types that our graphs use; the numbers are `TensorProto.DataType`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// float32.
    F32 = 1,
    /// uint8.
    U8 = 2,
    /// int8.
    I8 = 3,
    /// int32.
    I32 = 6,
    /// int64.
    I64 = 7,
    /// float16.
    F16 = 10,
}

/// The values of an initialiser.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// float32.
    F32(Vec<f32>),
    /// uint8.
    U8(Vec<u8>),
    /// int8.
    I8(Vec<i8>),
    /// int32.
    I32(Vec<i32>),
    /// int64.
    I64(Vec<i64>),
    /// float16.
    F16(Vec<f16>),
}

impl Values {
    pub(super) fn element(&self) -> Element {
        match self {
            Values::F32(_) => Element::F32,
            Values::U8(_) => Element::U8,
            Values::I8(_) => Element::I8,
            Values::I32(_) => Element::I32,
            Values::I64(_) => Element::I64,
            Values::F16(_) => Element::F16,
        }
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Values::F32(v) => v.len(),
            Values::U8(v) => v.len(),
            Values::I8(v) => v.len(),
            Values::I32(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::F16(v) => v.len(),
        }
    }

    /// Bytes that the values take in a file.
    pub(super) fn byte_len(&self) -> u64 {
        let size = match self.element() {
            Element::U8 | Element::I8 => 1,
            Element::F16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::I64 => 8,
        };
        size * self.count() as u64
    }
}

/// A constant tensor of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Initializer {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Its values, row-major.
    pub values: Values,
}

/// How a convolution moves over its input; height and width alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvWindow {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Zeros on each side.
    pub pad: usize,
    /// Distance of the kernel's taps.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// RoiAlign's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignAttributes {
    /// Cells a side.
    pub resolution: usize,
    /// Samples a side and cell; 0: as many as the cell has pixels, rounded up.
    pub sampling_ratio: usize,
    /// Map pixels per unit of the boxes.
    pub scale: f32,
    /// Subtract half a pixel and allow boxes below one pixel.
    pub aligned: bool,
}

/// A graph under construction.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(super) body: proto::GraphProto,
    pub(super) initializers: Vec<Initializer>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Graph {
        Graph {
            body: proto::GraphProto { name: name.into(), ..Default::default() },
            initializers: Vec::new(),
        }
    }

    /// Declares an input.
    pub fn input(&mut self, name: &str, element: Element, dims: &[Dim]) -> Edge {
        self.body.input.push(value_info(name, element, dims));
        name.into()
    }

    /// Declares an existing tensor as an output under its own name.
    pub fn output(&mut self, edge: &str, element: Element, dims: &[Dim]) {
        self.body.output.push(value_info(edge, element, dims));
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, dims: &[usize], values: Values) -> Edge {
        self.initializers.push(Initializer { name: name.into(), dims: dims.to_vec(), values });
        name.into()
    }

    /// The constants, in the order in which they were added.
    pub fn initializers(&self) -> &[Initializer] {
        &self.initializers
    }

    /// Two-dimensional convolution of NCHW maps.
    pub fn conv(&mut self, name: &str, x: &str, weight: &str, bias: &str, window: ConvWindow) -> Edge {
        let ConvWindow { kernel, stride, pad, dilation, groups } = window;
        let side = |v: usize| vec![v as i64; 2];
        self.node(
            "Conv",
            name,
            &[x, weight, bias],
            vec![
                ints("dilations", side(dilation)),
                int("group", groups as i64),
                ints("kernel_shape", side(kernel)),
                ints("pads", vec![pad as i64; 4]),
                ints("strides", side(stride)),
            ],
        )
    }

    /// `x` times the transposed weight plus bias: a linear layer of weight (outputs, inputs).
    pub fn linear(&mut self, name: &str, x: &str, weight: &str, bias: &str) -> Edge {
        self.node("Gemm", name, &[x, weight, bias], vec![int("transB", 1)])
    }

    /// Negative values become 0.
    pub fn relu(&mut self, name: &str, x: &str) -> Edge {
        self.node("Relu", name, &[x], vec![])
    }

    /// Sum of two tensors of one shape.
    pub fn add(&mut self, name: &str, a: &str, b: &str) -> Edge {
        self.node("Add", name, &[a, b], vec![])
    }

    /// Joins tensors along an axis.
    pub fn concat(&mut self, name: &str, edges: &[&str], axis: i64) -> Edge {
        self.node("Concat", name, edges, vec![int("axis", axis)])
    }

    /// Parts of a tensor along an axis, of sizes that `sizes` lists.
    pub fn split(&mut self, names: &[&str], x: &str, sizes: &str, axis: i64) {
        let output: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.body.node.push(NodeProto {
            input: vec![x.into(), sizes.into()],
            name: output.join("+"),
            output,
            op_type: "Split".into(),
            attribute: vec![int("axis", axis)],
            domain: String::new(),
        });
    }

    /// `a` (…, k) times `b` (k, n).
    pub fn matmul(&mut self, name: &str, a: &str, b: &str) -> Edge {
        self.node("MatMul", name, &[a, b], vec![])
    }

    /// (N, …) to (N, product of the rest).
    pub fn flatten(&mut self, name: &str, x: &str) -> Edge {
        self.node("Flatten", name, &[x], vec![int("axis", 1)])
    }

    /// The same numbers in another type.
    pub fn cast(&mut self, name: &str, x: &str, to: Element) -> Edge {
        self.node("Cast", name, &[x], vec![int("to", to as i64)])
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of `x`.
    pub fn transpose(&mut self, name: &str, x: &str, order: &[i64]) -> Edge {
        self.node("Transpose", name, &[x], vec![ints("perm", order.to_vec())])
    }

    /// The same values under other dimensions: 0 takes the one of `x`, -1 what is left.
    pub fn reshape(&mut self, name: &str, x: &str, shape: &str) -> Edge {
        self.node("Reshape", name, &[x, shape], vec![])
    }

    /// `1 / (1 + exp(-x))`.
    pub fn sigmoid(&mut self, name: &str, x: &str) -> Edge {
        self.node("Sigmoid", name, &[x], vec![])
    }

    /// How many indices an axis has, in a tensor of one value.
    pub fn size_of_axis(&mut self, name: &str, x: &str, axis: i64) -> Edge {
        self.node("Shape", name, &[x], vec![int("start", axis), int("end", axis + 1)])
    }

    /// The smaller of each two values.
    pub fn min(&mut self, name: &str, a: &str, b: &str) -> Edge {
        self.node("Min", name, &[a, b], vec![])
    }

    /// The `count` largest values along an axis, by falling value, equal ones by rising index; gives their indices.
    /// The values themselves are called `values`.
    pub fn top(&mut self, values: &str, indices: &str, x: &str, count: &str, axis: i64) -> Edge {
        let attribute = vec![int("axis", axis), int("largest", 1), int("sorted", 1)];
        self.body.node.push(NodeProto {
            input: vec![x.into(), count.into()],
            output: vec![values.into(), indices.into()],
            name: values.into(),
            op_type: "TopK".into(),
            attribute,
            domain: String::new(),
        });
        indices.into()
    }

    /// The values at indices along an axis.
    pub fn gather_elements(&mut self, name: &str, x: &str, indices: &str, axis: i64) -> Edge {
        self.node("GatherElements", name, &[x, indices], vec![int("axis", axis)])
    }

    /// Rows (N, k, …) of `x` (N, n, …) by indices (N, k, 1).
    pub fn gather_rows(&mut self, name: &str, x: &str, indices: &str) -> Edge {
        self.node("GatherND", name, &[x, indices], vec![int("batch_dims", 1)])
    }

    /// One more axis of one index, at the place that `axes` says.
    pub fn unsqueeze(&mut self, name: &str, x: &str, axes: &str) -> Edge {
        self.node("Unsqueeze", name, &[x, axes], vec![])
    }

    /// Every `step`-th row and column, beginning with the first.
    pub fn subsample(&mut self, name: &str, x: &str, step: usize) -> Edge {
        let mut constant = |what: &str, values: [i64; 2]| {
            self.constant(&format!("{name}.{what}"), &[2], Values::I64(values.to_vec()))
        };
        let (starts, ends) = (constant("starts", [0, 0]), constant("ends", [i64::MAX; 2]));
        let (axes, steps) = (constant("axes", [2, 3]), constant("steps", [step as i64; 2]));
        self.node("Slice", name, &[x, &starts, &ends, &axes, &steps], vec![])
    }

    /// Adds zero channels before and after.
    pub fn pad_channels(&mut self, name: &str, x: &str, before: usize, after: usize) -> Edge {
        let pads = vec![0, before as i64, 0, 0, 0, after as i64, 0, 0];
        let pads = self.constant(&format!("{name}.pads"), &[8], Values::I64(pads));
        self.node("Pad", name, &[x, &pads], vec![text("mode", "constant")])
    }

    /// Features of boxes: (N, C, resolution, resolution) from maps, boxes (N, 4) and the boxes' pictures (N).
    pub fn roi_align(
        &mut self,
        name: &str,
        map: &str,
        rois: &str,
        images: &str,
        roi: RoiAlignAttributes,
    ) -> Edge {
        let mode = if roi.aligned { "half_pixel" } else { "output_half_pixel" };
        self.node(
            "RoiAlign",
            name,
            &[map, rois, images],
            vec![
                text("coordinate_transformation_mode", mode),
                text("mode", "avg"),
                int("output_height", roi.resolution as i64),
                int("output_width", roi.resolution as i64),
                int("sampling_ratio", roi.sampling_ratio as i64),
                float("spatial_scale", roi.scale),
            ],
        )
    }

    /// Whole numbers for values: `x / scale + zero_point`, rounded half to even, in the zero point's type.
    pub fn quantize_linear(&mut self, name: &str, x: &str, scale: &str, zero_point: &str) -> Edge {
        self.node("QuantizeLinear", name, &[x, scale, zero_point], vec![])
    }

    /// `(x - zero_point) * scale`; scale and zero point are one value each, or one for each index of the first axis.
    pub fn dequantize_linear(&mut self, name: &str, x: &str, scale: &str, zero_point: &str) -> Edge {
        self.node("DequantizeLinear", name, &[x, scale, zero_point], vec![int("axis", 0)])
    }

    /// The nodes, in an order in which they can be computed.
    pub(crate) fn nodes(&self) -> &[NodeProto] {
        &self.body.node
    }

    /// Adds a node as it stands.
    pub(crate) fn push(&mut self, node: NodeProto) {
        self.body.node.push(node);
    }

    /// The inputs' names.
    pub(crate) fn input_names(&self) -> impl Iterator<Item = &str> {
        self.body.input.iter().map(|input| input.name.as_str())
    }

    /// Whether a tensor is an output.
    pub(crate) fn is_output(&self, edge: &str) -> bool {
        self.body.output.iter().any(|output| output.name == edge)
    }

    /// A graph with the same name, inputs and outputs, and nothing between them.
    pub(crate) fn frame(&self) -> Graph {
        let body = proto::GraphProto {
            name: self.body.name.clone(),
            input: self.body.input.clone(),
            output: self.body.output.clone(),
            ..Default::default()
        };
        Graph { body, initializers: Vec::new() }
    }

    /// Declares an existing tensor of float32 as an output too, whatever its shape, to be looked at.
    pub(crate) fn expose(&mut self, edge: &str) {
        let tensor = proto::TensorKind { element: Element::F32 as i32, shape: None };
        let kind = Some(proto::TypeProto { tensor: Some(tensor) });
        self.body.output.push(proto::ValueInfo { name: edge.into(), kind });
    }

    /// Leaves out constants that no node takes.
    pub(crate) fn drop_unused(&mut self) {
        let used: BTreeSet<&str> =
            self.body.node.iter().flat_map(|node| node.input.iter().map(String::as_str)).collect();
        self.initializers.retain(|constant| used.contains(constant.name.as_str()));
    }

    pub(super) fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attribute: Vec<proto::AttributeProto>,
    ) -> Edge {
        self.body.node.push(NodeProto {
            input: inputs.iter().map(|edge| (*edge).to_owned()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
        name.into()
    }
}

pub(super) fn value_info(name: &str, element: Element, dims: &[Dim]) -> proto::ValueInfo {
    let dims = dims
        .iter()
        .map(|dim| match dim {
            Dim::Fixed(size) => proto::DimProto { value: Some(*size as i64), name: None },
            Dim::Free(name) => proto::DimProto { value: None, name: Some(name.clone()) },
        })
        .collect();
    let tensor = proto::TensorKind { element: element as i32, shape: Some(proto::ShapeProto { dims }) };
    proto::ValueInfo { name: name.into(), kind: Some(proto::TypeProto { tensor: Some(tensor) }) }
}

pub(crate) fn int(name: &str, value: i64) -> proto::AttributeProto {
    proto::AttributeProto { name: name.into(), i: Some(value), kind: 2, ..Default::default() }
}

pub(super) fn ints(name: &str, values: Vec<i64>) -> proto::AttributeProto {
    proto::AttributeProto { name: name.into(), ints: values, kind: 7, ..Default::default() }
}

fn float(name: &str, value: f32) -> proto::AttributeProto {
    proto::AttributeProto { name: name.into(), f: Some(value), kind: 1, ..Default::default() }
}

pub(super) fn text(name: &str, value: &str) -> proto::AttributeProto {
    proto::AttributeProto {
        name: name.into(),
        s: Some(value.as_bytes().to_vec()),
        kind: 3,
        ..Default::default()
    }
}
