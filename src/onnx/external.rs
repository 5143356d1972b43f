//! Whether a graph keeps values in other files. No graph of a model folder may: such a tensor names a file, or a piece of
//! memory, that ONNX Runtime would read. Knows nothing of what the values are for.

use prost::Message as _;

use super::read::ReadError;

/// The operator of graphs that a device has compiled, which may name a file with the rest of it.
const COMPILED: &str = "EPContext";

/// The value of a tensor's `data_location` that stands for another file.
const EXTERNAL: i32 = 1;

/// All of a model file that can hold a tensor, by the field numbers of ONNX's published schema. What is not named here
/// is skipped, the values of tensors with it.
#[derive(Clone, PartialEq, prost::Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "20")]
    training: Vec<Training>,
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Training {
    #[prost(message, optional, tag = "1")]
    initialization: Option<Graph>,
    #[prost(message, optional, tag = "2")]
    algorithm: Option<Graph>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Function {
    #[prost(message, repeated, tag = "7")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "11")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "15")]
    sparse: Vec<Sparse>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Node {
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attribute {
    #[prost(message, optional, tag = "5")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "6")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "10")]
    tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    graphs: Vec<Graph>,
    #[prost(message, optional, tag = "22")]
    sparse: Option<Sparse>,
    #[prost(message, repeated, tag = "23")]
    sparses: Vec<Sparse>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sparse {
    #[prost(message, optional, tag = "1")]
    values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    indices: Option<Tensor>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Tensor {
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    elsewhere: Vec<Entry>,
    #[prost(int32, tag = "14")]
    location: i32,
}

/// Of a tensor's place in another file only that there is one matters.
#[derive(Clone, PartialEq, prost::Message)]
struct Entry {}

/// Refuses the bytes of an ONNX file whose tensors are not all in it.
///
/// # Errors
/// When something is elsewhere, or the bytes are no ONNX file.
pub(crate) fn refuse_external(bytes: &[u8]) -> Result<(), ReadError> {
    let model = Model::decode(bytes).map_err(|error| ReadError::Unreadable(error.to_string()))?;
    let training = model.training.iter().flat_map(|one| one.initialization.iter().chain(&one.algorithm));
    let mut graphs: Vec<&Graph> = model.graph.iter().chain(training).collect();
    let mut nodes: Vec<&Node> = model.functions.iter().flat_map(|function| &function.node).collect();
    let mut attributes: Vec<&Attribute> =
        model.functions.iter().flat_map(|function| &function.attribute).collect();
    loop {
        while let Some(node) = nodes.pop() {
            if node.operator == COMPILED {
                return Err(ReadError::Foreign(format!("the node `{}` is an {COMPILED}", shown(&node.name))));
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
fn shown(name: &str) -> String {
    name.escape_debug().take(200).collect()
}

impl Sparse {
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.values.iter().chain(&self.indices)
    }
}

fn refuse<'a>(mut tensors: impl Iterator<Item = &'a Tensor>) -> Result<(), ReadError> {
    match tensors.find(|tensor| tensor.location == EXTERNAL || !tensor.elsewhere.is_empty()) {
        Some(tensor) => Err(ReadError::External(shown(&tensor.name))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(graph: Graph) -> Vec<u8> {
        Model { graph: Some(graph), ..Model::default() }.encode_to_vec()
    }

    fn refused(model: &Model) -> bool {
        matches!(refuse_external(&model.encode_to_vec()), Err(ReadError::External(name)) if name == "w")
    }

    #[test]
    fn a_tensor_elsewhere_is_refused_wherever_it_stands() {
        let inside = Tensor { name: "w".into(), ..Tensor::default() };
        let told = Tensor { location: EXTERNAL, ..inside.clone() };
        let placed = Tensor { elsewhere: vec![Entry {}], ..inside.clone() };
        for (tensor, expected) in [(inside, false), (told, true), (placed, true)] {
            let sparse = || Sparse { values: Some(tensor.clone()), indices: None };
            let holders = [
                Attribute { tensor: Some(tensor.clone()), ..Attribute::default() },
                Attribute { tensors: vec![tensor.clone()], ..Attribute::default() },
                Attribute { sparse: Some(sparse()), ..Attribute::default() },
                Attribute {
                    sparses: vec![Sparse { values: None, indices: Some(tensor.clone()) }],
                    ..Attribute::default()
                },
            ];
            let holders = holders.map(|attribute| Node { attribute: vec![attribute], ..Node::default() });
            let mut graphs: Vec<Graph> =
                holders.iter().map(|node| Graph { node: vec![node.clone()], ..Graph::default() }).collect();
            graphs.push(Graph { initializer: vec![tensor.clone()], ..Graph::default() });
            graphs.push(Graph { sparse: vec![sparse()], ..Graph::default() });
            for graph in graphs {
                let branch = Attribute { graph: Some(graph.clone()), ..Attribute::default() };
                let branches = Attribute { graphs: vec![graph.clone()], ..Attribute::default() };
                let node = |attribute| Node { attribute: vec![attribute], ..Node::default() };
                let nested = Graph { node: vec![node(branch.clone())], ..Graph::default() };
                let deeper = Graph { node: vec![node(branches)], ..Graph::default() };
                let training = Training { initialization: None, algorithm: Some(graph.clone()) };
                let function = Function { node: vec![node(branch.clone())], attribute: Vec::new() };
                let default = Function { node: Vec::new(), attribute: vec![branch] };
                let models = [
                    Model { graph: Some(graph), ..Model::default() },
                    Model { graph: Some(nested), ..Model::default() },
                    Model { graph: Some(deeper), ..Model::default() },
                    Model { training: vec![training], ..Model::default() },
                    Model { functions: vec![function, default], ..Model::default() },
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
        assert!(refuse_external(&file(Graph::default())).is_ok());
    }

    #[test]
    fn a_graph_that_a_device_has_compiled_is_refused() {
        let node = Node { name: "n".into(), operator: "EPContext".into(), attribute: Vec::new() };
        let graph = Graph { node: vec![node.clone()], ..Graph::default() };
        let function = Function { node: vec![node], attribute: Vec::new() };
        let within = Model { functions: vec![function], ..Model::default() }.encode_to_vec();
        for bytes in [file(graph), within] {
            let refused = refuse_external(&bytes).unwrap_err().to_string();
            assert_eq!(refused, "rcnn did not write it: the node `n` is an EPContext");
        }
    }

    #[test]
    fn depth_is_limited() {
        let mut graph = Graph::default();
        for _ in 0..200 {
            let attribute = Attribute { graph: Some(graph), ..Attribute::default() };
            graph = Graph {
                node: vec![Node { attribute: vec![attribute], ..Node::default() }],
                ..Graph::default()
            };
        }
        assert!(matches!(refuse_external(&file(graph)), Err(ReadError::Unreadable(_))));
    }
}
