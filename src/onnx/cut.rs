//! Cutting off what computes an edge of a graph, so that something else can compute it.
//!
//! Works on the bytes of a file that our writer made; fields are carried over as they stand, weights included.

use std::collections::BTreeSet;
use std::ops::Range;

use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::external::refuse_external;
use super::graph::{Dim, Element, value_info};
use super::proto;
use super::read::GraphReadError;

const MODEL_GRAPH: u32 = 7;
const NODE: u32 = 1;
const INITIALIZER: u32 = 5;
const INPUT: u32 = 11;
const OUTPUT: u32 = 12;

/// Why a graph cannot be cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The bytes are no ONNX file.
    #[error("it is no ONNX file: {0}")]
    Unreadable(String),
    /// Not all of it is in the file.
    #[error(transparent)]
    Read(#[from] GraphReadError),
    /// No node gives that edge.
    #[error("no node gives `{0}`")]
    NoEdge(String),
}

/// A length-delimited field; the others are carried along without a content.
struct Field {
    tag: u32,
    whole: Range<usize>,
    content: Range<usize>,
}

/// An ONNX file without what computes the float32 tensor `edge`, which becomes an input of the dimensions given.
///
/// # Errors
/// When the bytes are no ONNX file, hold not all of a graph, or nothing in it computes the edge.
pub fn after(model: &[u8], edge: &str, dims: &[Dim]) -> Result<Vec<u8>, CutError> {
    refuse_external(model)?;
    let top = fields(model, 0..model.len())?;
    let graph = top.iter().find(|field| field.tag == MODEL_GRAPH);
    let graph = graph.ok_or_else(|| CutError::Unreadable("it has no graph".into()))?;
    let inner = fields(model, graph.content.clone())?;
    let mut nodes = Vec::new();
    for field in inner.iter().filter(|field| field.tag == NODE) {
        let node = proto::NodeProto::decode(&model[field.content.clone()]);
        nodes.push((field, node.map_err(|error| CutError::Unreadable(error.to_string()))?));
    }
    // Nodes stand in the order in which they can be computed, so one pass from the end finds all that is needed.
    let mut needed = BTreeSet::from([edge.to_owned()]);
    let mut upper = Vec::new();
    for (place, (_, node)) in nodes.iter().enumerate().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            needed.extend(node.input.iter().cloned());
            upper.push(place);
        }
    }
    if upper.is_empty() {
        return Err(CutError::NoEdge(edge.into()));
    }
    let own = || nodes.iter().enumerate().filter(|(place, _)| !upper.contains(place)).map(|(_, node)| node);
    let used: BTreeSet<&str> = own().flat_map(|(_, node)| node.input.iter().map(String::as_str)).collect();
    let mut body = Vec::new();
    for (field, _) in own() {
        body.extend_from_slice(&model[field.whole.clone()]);
    }
    for field in inner.iter().filter(|field| field.tag != NODE) {
        let keep = match field.tag {
            INPUT => used.contains(name::<1>(&model[field.content.clone()])?.as_str()),
            INITIALIZER => used.contains(name::<8>(&model[field.content.clone()])?.as_str()),
            // What it is given it cannot give.
            OUTPUT => name::<1>(&model[field.content.clone()])? != edge,
            _ => true,
        };
        if keep {
            body.extend_from_slice(&model[field.whole.clone()]);
        }
    }
    write(&mut body, INPUT, &value_info(edge, Element::F32, dims).encode_to_vec());
    let mut whole = Vec::with_capacity(body.len() + 256);
    for field in top.iter().filter(|field| field.tag != MODEL_GRAPH) {
        whole.extend_from_slice(&model[field.whole.clone()]);
    }
    write(&mut whole, MODEL_GRAPH, &body);
    Ok(whole)
}

/// The string in one field of a message.
fn name<const TAG: u32>(message: &[u8]) -> Result<String, CutError> {
    let found = fields(message, 0..message.len())?.into_iter().find(|field| field.tag == TAG);
    let bytes = found.map_or(&[][..], |field| &message[field.content]);
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn fields(bytes: &[u8], range: Range<usize>) -> Result<Vec<Field>, CutError> {
    let unreadable = |error: &dyn std::fmt::Display| CutError::Unreadable(error.to_string());
    let end = range.end;
    let mut rest = bytes.get(range).unwrap_or_default();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let start = end - rest.len();
        let (tag, wire) = decode_key(&mut rest).map_err(|error| unreadable(&error))?;
        let skipped = match wire {
            WireType::Varint => {
                decode_varint(&mut rest).map_err(|error| unreadable(&error))?;
                0
            }
            WireType::LengthDelimited => decode_varint(&mut rest).map_err(|error| unreadable(&error))?,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::StartGroup | WireType::EndGroup => return Err(unreadable(&"it has groups")),
        };
        let content = end - rest.len();
        let skipped = usize::try_from(skipped).ok().filter(|&length| length <= rest.len());
        let length = skipped.ok_or_else(|| unreadable(&"it is cut off"))?;
        rest = &rest[length..];
        found.push(Field { tag, whole: start..content + length, content: content..content + length });
    }
    Ok(found)
}

fn write(out: &mut Vec<u8>, tag: u32, content: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Graph, Values};
    use crate::runtime::{GraphBytes, Runtime, RuntimeOptions, SessionOptions, Value};

    #[test]
    fn the_rest_computes_what_the_whole_does() {
        let mut graph = Graph::new("whole");
        let dims: Vec<Dim> = vec!["n".into(), 2.into()];
        let x = graph.input("x", Element::F32, &dims);
        let shift = graph.constant("shift", &[2], Values::F32(vec![1.0, -3.0]));
        let moved = graph.add("moved", &x, &shift);
        let clipped = graph.relu("clipped", &moved);
        let shift = graph.constant("back", &[2], Values::F32(vec![0.5, 0.25]));
        let y = graph.add("y", &clipped, &shift);
        graph.output(&y, Element::F32, &dims);
        let whole = graph.to_bytes().unwrap();
        let rest = after(&whole, "moved", &dims).unwrap();
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let run = |bytes: &[u8], input: &str, values: Vec<f32>, output: &str| {
            let mut session =
                runtime.session(GraphBytes::Memory("part", bytes), &SessionOptions::default()).unwrap();
            let value = Value::from_f32(&[2, 2], values).unwrap();
            session.run(&[(input, &value)], &[output]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        let values = vec![-2.0, 1.0, 5.0, 9.0];
        let expected = run(&whole, "x", values.clone(), "y");
        let moved = values.iter().zip([1.0, -3.0].into_iter().cycle()).map(|(x, shift)| x + shift).collect();
        assert_eq!(run(&rest, "moved", moved, "y"), expected);
        assert!(matches!(after(&whole, "z", &dims), Err(CutError::NoEdge(_))));
        for end in 1..whole.len() {
            // Whatever is missing, it is an error or a shorter graph, never a panic.
            let _ = after(&whole[..end], "moved", &dims);
        }
    }
}
