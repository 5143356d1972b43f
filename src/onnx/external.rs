//! Whether a graph keeps values in other files. No graph of a model folder may: such a tensor names a file, or a piece of
//! memory, that ONNX Runtime would read. Knows nothing of what the values are for.

use prost::Message as _;

use super::read::GraphReadError;

/// The operator of graphs that a device has compiled, which may name a file with the rest of it.
const COMPILED: &str = "EPContext";

/// The value of a tensor's `data_location` that stands for another file.
const EXTERNAL: i32 = 1;

/// All of a model file that can hold a tensor, by the field numbers of ONNX's published schema. What is not named here
/// is skipped, the values of tensors with it.
#[derive(Clone, PartialEq, prost::Message)]
struct ModelFields {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphFields>,
    #[prost(message, repeated, tag = "20")]
    training: Vec<Training>,
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Training {
    #[prost(message, optional, tag = "1")]
    initialization: Option<GraphFields>,
    #[prost(message, optional, tag = "2")]
    algorithm: Option<GraphFields>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Function {
    #[prost(message, repeated, tag = "7")]
    node: Vec<NodeFields>,
    #[prost(message, repeated, tag = "11")]
    attribute: Vec<AttributeFields>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GraphFields {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeFields>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorFields>,
    #[prost(message, repeated, tag = "15")]
    sparse: Vec<Sparse>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NodeFields {
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeFields>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AttributeFields {
    #[prost(message, optional, tag = "5")]
    tensor: Option<TensorFields>,
    #[prost(message, optional, tag = "6")]
    graph: Option<GraphFields>,
    #[prost(message, repeated, tag = "10")]
    tensors: Vec<TensorFields>,
    #[prost(message, repeated, tag = "11")]
    graphs: Vec<GraphFields>,
    #[prost(message, optional, tag = "22")]
    sparse: Option<Sparse>,
    #[prost(message, repeated, tag = "23")]
    sparses: Vec<Sparse>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sparse {
    #[prost(message, optional, tag = "1")]
    values: Option<TensorFields>,
    #[prost(message, optional, tag = "2")]
    indices: Option<TensorFields>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TensorFields {
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    elsewhere: Vec<ExternalEntry>,
    #[prost(int32, tag = "14")]
    location: i32,
}

/// Of a tensor's place in another file only that there is one matters.
#[derive(Clone, PartialEq, prost::Message)]
struct ExternalEntry {}

/// Refuses the bytes of an ONNX file whose tensors are not all in it.
///
/// # Errors
/// When something is elsewhere, or the bytes are no ONNX file.
pub(crate) fn refuse_external(bytes: &[u8]) -> Result<(), GraphReadError> {
    let model = ModelFields::decode(bytes).map_err(|error| GraphReadError::Unreadable(error.to_string()))?;
    let training = model.training.iter().flat_map(|one| one.initialization.iter().chain(&one.algorithm));
    let mut graphs: Vec<&GraphFields> = model.graph.iter().chain(training).collect();
    let mut nodes: Vec<&NodeFields> = model.functions.iter().flat_map(|function| &function.node).collect();
    let mut attributes: Vec<&AttributeFields> =
        model.functions.iter().flat_map(|function| &function.attribute).collect();
    loop {
        while let Some(node) = nodes.pop() {
            if node.operator == COMPILED {
                return Err(GraphReadError::Foreign(format!(
                    "the node `{}` is an {COMPILED}",
                    escaped(&node.name)
                )));
            }
            attributes.extend(&node.attribute);
        }
        while let Some(attribute) = attributes.pop() {
            graphs.extend(attribute.graph.iter().chain(&attribute.graphs));
            refuse(attribute.tensor.iter().chain(&attribute.tensors))?;
            refuse(attribute.sparse.iter().chain(&attribute.sparses).flat_map(Sparse::tensors))?;
        }
        let Some(graph) = graphs.pop() else { return Ok(()) };
        nodes.extend(&graph.node);
        refuse(graph.initializer.iter().chain(graph.sparse.iter().flat_map(Sparse::tensors)))?;
    }
}

/// A name from a file, for a message.
fn escaped(name: &str) -> String {
    name.escape_debug().take(200).collect()
}

impl Sparse {
    fn tensors(&self) -> impl Iterator<Item = &TensorFields> {
        self.values.iter().chain(&self.indices)
    }
}

fn refuse<'a>(mut tensors: impl Iterator<Item = &'a TensorFields>) -> Result<(), GraphReadError> {
    match tensors.find(|tensor| tensor.location == EXTERNAL || !tensor.elsewhere.is_empty()) {
        Some(tensor) => Err(GraphReadError::External(escaped(&tensor.name))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(graph: GraphFields) -> Vec<u8> {
        ModelFields { graph: Some(graph), ..ModelFields::default() }.encode_to_vec()
    }

    fn refused(model: &ModelFields) -> bool {
        matches!(refuse_external(&model.encode_to_vec()), Err(GraphReadError::External(name)) if name == "w")
    }

    #[test]
    fn a_tensor_elsewhere_is_refused_wherever_it_stands() {
        let inside = TensorFields { name: "w".into(), ..TensorFields::default() };
        let external = TensorFields { location: EXTERNAL, ..inside.clone() };
        let placed = TensorFields { elsewhere: vec![ExternalEntry {}], ..inside.clone() };
        for (tensor, expected) in [(inside, false), (external, true), (placed, true)] {
            let sparse = || Sparse { values: Some(tensor.clone()), indices: None };
            let holders = [
                AttributeFields { tensor: Some(tensor.clone()), ..AttributeFields::default() },
                AttributeFields { tensors: vec![tensor.clone()], ..AttributeFields::default() },
                AttributeFields { sparse: Some(sparse()), ..AttributeFields::default() },
                AttributeFields {
                    sparses: vec![Sparse { values: None, indices: Some(tensor.clone()) }],
                    ..AttributeFields::default()
                },
            ];
            let holders =
                holders.map(|attribute| NodeFields { attribute: vec![attribute], ..NodeFields::default() });
            let mut graphs: Vec<GraphFields> = holders
                .iter()
                .map(|node| GraphFields { node: vec![node.clone()], ..GraphFields::default() })
                .collect();
            graphs.push(GraphFields { initializer: vec![tensor.clone()], ..GraphFields::default() });
            graphs.push(GraphFields { sparse: vec![sparse()], ..GraphFields::default() });
            for graph in graphs {
                let branch = AttributeFields { graph: Some(graph.clone()), ..AttributeFields::default() };
                let branches = AttributeFields { graphs: vec![graph.clone()], ..AttributeFields::default() };
                let node = |attribute| NodeFields { attribute: vec![attribute], ..NodeFields::default() };
                let nested = GraphFields { node: vec![node(branch.clone())], ..GraphFields::default() };
                let deeper = GraphFields { node: vec![node(branches)], ..GraphFields::default() };
                let training = Training { initialization: None, algorithm: Some(graph.clone()) };
                let function = Function { node: vec![node(branch.clone())], attribute: Vec::new() };
                let default = Function { node: Vec::new(), attribute: vec![branch] };
                let models = [
                    ModelFields { graph: Some(graph), ..ModelFields::default() },
                    ModelFields { graph: Some(nested), ..ModelFields::default() },
                    ModelFields { graph: Some(deeper), ..ModelFields::default() },
                    ModelFields { training: vec![training], ..ModelFields::default() },
                    ModelFields { functions: vec![function, default], ..ModelFields::default() },
                ];
                for model in models {
                    assert_eq!(refused(&model), expected, "{model:?}");
                }
            }
        }
    }

    /// As `onnx.save(…, save_as_external_data=True)` writes it: the location and its place, by their numbers.
    #[test]
    fn the_bytes_of_such_a_tensor_are_known() {
        let entry = b"\x0a\x08location\x12\x01x";
        let mut tensor = b"\x08\x01\x10\x01\x42\x01w".to_vec();
        tensor.extend([0x6a, entry.len() as u8]);
        tensor.extend(entry);
        tensor.extend([0x70, 1]);
        let graph = [&[0x2a, tensor.len() as u8][..], &tensor].concat();
        let bytes = [&[0x3a, graph.len() as u8][..], &graph].concat();
        let error = refuse_external(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "its tensor `w` lies in another file, and only what a graph holds itself is read"
        );
        assert!(refuse_external(&file(GraphFields::default())).is_ok());
    }

    #[test]
    fn a_graph_that_a_device_has_compiled_is_refused() {
        let node = NodeFields { name: "n".into(), operator: "EPContext".into(), attribute: Vec::new() };
        let graph = GraphFields { node: vec![node.clone()], ..GraphFields::default() };
        let function = Function { node: vec![node], attribute: Vec::new() };
        let within = ModelFields { functions: vec![function], ..ModelFields::default() }.encode_to_vec();
        for bytes in [file(graph), within] {
            let refused = refuse_external(&bytes).unwrap_err().to_string();
            assert_eq!(refused, "rcnn did not write it: the node `n` is an EPContext");
        }
    }

    #[test]
    fn depth_is_limited() {
        let mut graph = GraphFields::default();
        for _ in 0..200 {
            let attribute = AttributeFields { graph: Some(graph), ..AttributeFields::default() };
            graph = GraphFields {
                node: vec![NodeFields { attribute: vec![attribute], ..NodeFields::default() }],
                ..GraphFields::default()
            };
        }
        assert!(matches!(refuse_external(&file(graph)), Err(GraphReadError::Unreadable(_))));
    }
}
