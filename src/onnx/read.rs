//! Reading a file that our writer made back into a graph, to be changed and written anew.

use prost::Message as _;

use super::external::refuse_external;
use super::graph::{Element, Graph, Initializer, OPSET, Values};
use super::proto;

/// Why a file is no graph of ours.
#[derive(Debug, thiserror::Error)]
pub enum GraphReadError {
    /// The bytes are no ONNX file.
    #[error("it is no ONNX file: {0}")]
    Unreadable(String),
    /// A tensor is not in the file.
    #[error("its tensor `{0}` lies in another file, and only what a graph holds itself is read")]
    External(String),
    /// It holds what our writer never writes.
    #[error("rcnn did not write it: {0}")]
    Foreign(String),
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredModel {
    #[prost(message, optional, tag = "7")]
    graph: Option<Whole>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<proto::OperatorSet>,
}

/// [`proto::GraphProto`] with its initialisers.
#[derive(Clone, PartialEq, prost::Message)]
struct Whole {
    #[prost(message, repeated, tag = "1")]
    node: Vec<proto::NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<StoredTensor>,
    #[prost(string, tag = "10")]
    doc: String,
    #[prost(message, repeated, tag = "11")]
    input: Vec<proto::ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<proto::ValueInfo>,
}

/// [`proto::TensorProto`] with its values.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredTensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    element: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
}

impl Graph {
    /// Reads the bytes of an ONNX file that this library wrote.
    ///
    /// # Errors
    /// When they are none, or hold what this library does not write (other operator sets, weights in other files).
    pub fn from_bytes(bytes: &[u8]) -> Result<Graph, GraphReadError> {
        refuse_external(bytes)?;
        let model =
            StoredModel::decode(bytes).map_err(|error| GraphReadError::Unreadable(error.to_string()))?;
        let sets = &model.opset_import;
        if sets.len() != 1 || !sets[0].domain.is_empty() || sets[0].version != OPSET {
            return Err(GraphReadError::Foreign(format!("its operator set is not {OPSET}")));
        }
        let Some(whole) = model.graph else {
            return Err(GraphReadError::Unreadable("it has no graph".into()));
        };
        let Whole { node, name, initializer, doc, input, output } = whole;
        // Float, int, string, floats, ints: tensors and graphs as attributes would be lost.
        let known = |kind: i32| matches!(kind, 1..=3 | 6 | 7);
        if let Some(node) = node.iter().find(|node| !node.attribute.iter().all(|one| known(one.kind))) {
            let name = node.name.escape_debug();
            return Err(GraphReadError::Foreign(format!(
                "the node `{name}` has an attribute of another kind"
            )));
        }
        let initializers = initializer.into_iter().map(constant).collect::<Result<_, _>>()?;
        Ok(Graph { body: proto::GraphProto { node, name, doc, input, output }, initializers })
    }
}

fn constant(tensor: StoredTensor) -> Result<Initializer, GraphReadError> {
    let StoredTensor { dims, element, name, raw } = tensor;
    let foreign =
        |what: &str| GraphReadError::Foreign(format!("the tensor `{}` {what}", name.escape_debug()));
    let dims: Option<Vec<usize>> = dims.iter().map(|&size| usize::try_from(size).ok()).collect();
    let dims = dims.ok_or_else(|| foreign("has a negative dimension"))?;
    let values = match element {
        kind if kind == Element::F32 as i32 => Values::F32(numbers(&raw, f32::from_le_bytes)),
        kind if kind == Element::U8 as i32 => Values::U8(raw.clone()),
        kind if kind == Element::I8 as i32 => Values::I8(numbers(&raw, i8::from_le_bytes)),
        kind if kind == Element::I32 as i32 => Values::I32(numbers(&raw, i32::from_le_bytes)),
        kind if kind == Element::I64 as i32 => Values::I64(numbers(&raw, i64::from_le_bytes)),
        kind if kind == Element::F16 as i32 => Values::F16(numbers(&raw, half::f16::from_le_bytes)),
        kind => return Err(foreign(&format!("is of the type {kind}"))),
    };
    let count = dims.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    if count != Some(values.count()) || values.byte_len() != raw.len() as u64 {
        return Err(foreign("has not as many values as its dimensions say"));
    }
    Ok(Initializer { name, dims, values })
}

fn numbers<T, const N: usize>(raw: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|&bytes| from(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Dim};

    fn graph() -> Graph {
        let mut graph = Graph::new("all");
        let dims: Vec<Dim> = vec!["n".into(), 1.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let scale = graph.constant("scale", &[], Values::F32(vec![0.5]));
        let zero = graph.constant("zero", &[], Values::U8(vec![128]));
        let x = graph.quantize_linear("x.q", &x, &scale, &zero);
        let x = graph.dequantize_linear("x.dq", &x, &scale, &zero);
        let weight = graph.constant("weight", &[1, 1, 1, 1], Values::I8(vec![-7]));
        let none = graph.constant("none", &[], Values::I8(vec![0]));
        let weight = graph.dequantize_linear("weight.dq", &weight, &scale, &none);
        let bias = graph.constant("bias", &[1], Values::I32(vec![-100_000]));
        let whole = graph.constant("whole", &[], Values::I32(vec![0]));
        let bias = graph.dequantize_linear("bias.dq", &bias, &scale, &whole);
        let window = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };
        let y = graph.conv("conv", &x, &weight, &bias, window);
        let y = graph.subsample("y", &y, 2);
        graph.output(&y, Element::F32, &dims);
        graph
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = graph().to_bytes().unwrap();
        let read = Graph::from_bytes(&bytes).unwrap();
        assert_eq!(read.body, graph().body);
        assert_eq!(read.initializers, graph().initializers);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn damage_is_an_error_or_a_shorter_graph() {
        let bytes = graph().to_bytes().unwrap();
        for end in 0..bytes.len() {
            let _ = Graph::from_bytes(&bytes[..end]);
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x15;
            let _ = Graph::from_bytes(&damaged);
        }
        assert!(matches!(Graph::from_bytes(b""), Err(GraphReadError::Foreign(_))));
        assert!(matches!(Graph::from_bytes(b"\x3a\x7f"), Err(GraphReadError::Unreadable(_))));
    }
}
