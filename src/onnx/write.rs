//! Writing a graph as an ONNX file, weight by weight, without a second copy of the weights in memory.
//!
//! A protobuf message says its length before its content, so lengths are computed first and the
//! content is streamed after them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::graph::{Graph, Initializer, OPSET, Values};
use super::proto;

/// Protobuf readers refuse files of 2 GiB and more.
const LARGEST_FILE: u64 = (1 << 31) - 1;

/// The first IR version that goes with opset 16.
const IR_VERSION: i64 = 8;

const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;

/// Why a graph could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// More than protobuf can hold in one file.
    #[error("the graph `{graph}` needs {bytes} bytes, more than the 2 GiB that an ONNX file can hold")]
    TooLarge {
        /// Name of the graph.
        graph: String,
        /// Size that the file would have.
        bytes: u64,
    },
    /// Writing failed.
    #[error("cannot write the graph `{graph}`: {cause}")]
    Io {
        /// Name of the graph.
        graph: String,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
}

impl Graph {
    /// Writes the graph as a complete ONNX model.
    ///
    /// # Errors
    /// When the file would pass 2 GiB, or `out` fails.
    pub fn write(&self, mut out: impl Write) -> Result<(), GraphError> {
        let size = self.file_size();
        if size > LARGEST_FILE {
            return Err(GraphError::TooLarge { graph: self.body.name.clone(), bytes: size });
        }
        self.stream(&mut out).map_err(|cause| GraphError::Io { graph: self.body.name.clone(), cause })
    }

    /// The graph as the bytes of an ONNX file.
    ///
    /// # Errors
    /// As [`Graph::write`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, GraphError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.file_size()).unwrap_or(0));
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Adds the graph's nodes, constants and outputs behind those of a graph in the bytes of an ONNX file: readers of
    /// protobuf put the parts of a message together.
    ///
    /// # Errors
    /// As [`Graph::write`].
    pub fn append_to(&self, model: &mut Vec<u8>) -> Result<(), GraphError> {
        let size = model.len() as u64 + field_len(MODEL_GRAPH, self.graph_len());
        if size > LARGEST_FILE {
            return Err(GraphError::TooLarge { graph: self.body.name.clone(), bytes: size });
        }
        self.stream_graph(model).map_err(|cause| GraphError::Io { graph: self.body.name.clone(), cause })
    }

    fn file_size(&self) -> u64 {
        self.header().encoded_len() as u64 + field_len(MODEL_GRAPH, self.graph_len())
    }

    fn header(&self) -> proto::ModelProto {
        let foreign: BTreeSet<&str> = self.body.node.iter().map(|node| node.domain.as_str()).collect();
        let foreign = foreign.into_iter().filter(|domain| !domain.is_empty());
        let set = |domain: &str, version| proto::OperatorSet { domain: domain.into(), version };
        proto::ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            opset_import: [set("", OPSET)].into_iter().chain(foreign.map(|domain| set(domain, 1))).collect(),
        }
    }

    fn graph_len(&self) -> u64 {
        let weights: u64 =
            self.initializers.iter().map(|w| field_len(GRAPH_INITIALIZER, tensor_len(w))).sum();
        self.body.encoded_len() as u64 + weights
    }

    fn stream(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.header().encode_to_vec())?;
        self.stream_graph(out)
    }

    fn stream_graph(&self, out: &mut impl Write) -> io::Result<()> {
        write_field(out, MODEL_GRAPH, self.graph_len())?;
        out.write_all(&self.body.encode_to_vec())?;
        for initializer in &self.initializers {
            write_field(out, GRAPH_INITIALIZER, tensor_len(initializer))?;
            out.write_all(&tensor(initializer).encode_to_vec())?;
            write_field(out, TENSOR_RAW_DATA, initializer.values.byte_len())?;
            write_values(out, &initializer.values)?;
        }
        out.flush()
    }
}

fn tensor(initializer: &Initializer) -> proto::TensorProto {
    proto::TensorProto {
        dims: initializer.dims.iter().map(|&size| size as i64).collect(),
        element: initializer.values.element() as i32,
        name: initializer.name.clone(),
    }
}

fn tensor_len(initializer: &Initializer) -> u64 {
    tensor(initializer).encoded_len() as u64 + field_len(TENSOR_RAW_DATA, initializer.values.byte_len())
}

/// Bytes of a length-delimited field with its key and length.
fn field_len(tag: u32, content: u64) -> u64 {
    encoded_len_varint(u64::from(tag) << 3) as u64 + encoded_len_varint(content) as u64 + content
}

fn write_field(out: &mut impl Write, tag: u32, content: u64) -> io::Result<()> {
    let mut start = Vec::with_capacity(16);
    encode_key(tag, WireType::LengthDelimited, &mut start);
    encode_varint(content, &mut start);
    out.write_all(&start)
}

fn write_values(out: &mut impl Write, values: &Values) -> io::Result<()> {
    match values {
        Values::F32(values) => write_chunks(out, values, |v| v.to_le_bytes()),
        Values::U8(values) => out.write_all(values),
        Values::I8(values) => write_chunks(out, values, |v| v.to_le_bytes()),
        Values::I32(values) => write_chunks(out, values, |v| v.to_le_bytes()),
        Values::I64(values) => write_chunks(out, values, |v| v.to_le_bytes()),
        Values::F16(values) => write_chunks(out, values, |v| v.to_le_bytes()),
    }
}

/// Little-endian bytes in blocks, so that memory does not grow with the tensor.
fn write_chunks<T, const N: usize>(
    out: &mut impl Write,
    values: &[T],
    bytes_of: impl Fn(&T) -> [u8; N],
) -> io::Result<()> {
    let mut block = Vec::with_capacity(N * 16_384);
    for chunk in values.chunks(16_384) {
        block.clear();
        for value in chunk {
            block.extend_from_slice(&bytes_of(value));
        }
        out.write_all(&block)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Element};

    fn small_graph() -> Graph {
        let mut graph = Graph::new("small");
        let x = graph.input("x", Element::F32, &["batch".into(), 3.into(), "height".into(), "width".into()]);
        let weight = graph.constant("conv.weight", &[2, 3, 1, 1], Values::F32(vec![0.5; 6]));
        let bias = graph.constant("conv.bias", &[2], Values::F32(vec![1.0, -1.0]));
        let window = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };
        let y = graph.conv("conv", &x, &weight, &bias, window);
        graph.output(&y, Element::F32, &["batch".into(), 2.into(), "height".into(), "width".into()]);
        graph
    }

    /// The whole file read back by prost, as another protobuf reader would.
    #[derive(Clone, PartialEq, prost::Message)]
    struct WholeModel {
        #[prost(message, optional, tag = "7")]
        graph: Option<WholeGraph>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct WholeGraph {
        #[prost(message, repeated, tag = "5")]
        initializer: Vec<WholeTensor>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct WholeTensor {
        #[prost(int64, repeated, tag = "1")]
        dims: Vec<i64>,
        #[prost(string, tag = "8")]
        name: String,
        #[prost(bytes = "vec", tag = "9")]
        raw: Vec<u8>,
    }

    #[test]
    fn a_protobuf_reader_finds_every_weight() {
        let bytes = small_graph().to_bytes().unwrap();
        let model = WholeModel::decode(bytes.as_slice()).unwrap();
        let weights = model.graph.unwrap().initializer;
        assert_eq!(weights.len(), 2);
        assert_eq!(
            (weights[0].name.as_str(), weights[0].dims.as_slice()),
            ("conv.weight", &[2, 3, 1, 1][..])
        );
        assert_eq!(weights[0].raw, [0, 0, 0, 0x3f].repeat(6));
        assert_eq!(weights[1].raw, [0, 0, 0x80, 0x3f, 0, 0, 0x80, 0xbf]);
    }

    #[test]
    fn the_announced_size_is_the_size() {
        let graph = small_graph();
        assert_eq!(graph.to_bytes().unwrap().len() as u64, graph.file_size());
    }
}
