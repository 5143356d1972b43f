//! Which layers of a graph are computed here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{channels_last, pointwise};
use crate::onnx::{Graph, Initializer, NodeProto, Values, int};

/// The operator's domain.
pub const DOMAIN: &str = "rcnn";

/// The operator for 3x3: inputs X, W, B and, where something is added, S; the attribute `relu` is 1 where what is below
/// 0 becomes 0.
pub const WINOGRAD: &str = "Winograd3x3";

/// The operator for 1x1: as [`WINOGRAD`], with the weights as [`pointwise::panels`] arranges them and the attribute
/// `stride`.
pub const POINTWISE: &str = "Pointwise";

/// Kernels (inputs times outputs) of 3x3 that it pays for, on vectors of so many numbers. With AVX-512 the bundled model
/// gains a twelfth by layers of 64 channels and more, and one of 128 pixel photos, whose maps are a few tiles there, loses a
/// thirtieth (Zen 4). With AVX2 layers below 192 were seen to gain a fiftieth at
/// most, and to lose on the maps of 300 pixel photos (Zen 3). Above 256, in the last stage of a ResNet, the transformed
/// weights, four times as large, take more memory than the little time of such layers is worth.
fn winograd_pays(lanes: usize) -> RangeInclusive<usize> {
    let least = if lanes > AVX2_LANES { 64 } else { 192 };
    least * least..=256 * 256
}

/// Kernels of 1x1 from which it pays: with fewer the time goes into memory, here as there.
const POINTWISE_PAYS: usize = 64 * 256;

/// Numbers in a vector of AVX2 and its like, the least for which kernels of our own pay, and the only for which that of 1x1
/// does: with AVX-512 a ResNet-50-FPN takes a twentieth longer by it (Zen 4).
const AVX2_LANES: usize = 8;

/// How a layer is computed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KernelChoice {
    Winograd,
    Pointwise { stride: i64 },
}

/// The graph with its layers as they are quicker on a processor whose vectors hold so many numbers; `None` where all
/// are best as they are.
pub fn rewrite(graph: &Graph, lanes: usize) -> Option<Graph> {
    let turned = channels_last::rewrite(graph);
    with_own_kernels(turned.as_ref().unwrap_or(graph), lanes).or(turned)
}

/// The graph with the layers that are quicker here, each with the sum and the ReLU behind it, as operators of
/// [`DOMAIN`]. `None` where there is none.
fn with_own_kernels(graph: &Graph, lanes: usize) -> Option<Graph> {
    if lanes < AVX2_LANES {
        return None;
    }
    let constants = constants(graph);
    let mut takers: BTreeMap<&str, Vec<&NodeProto>> = BTreeMap::new();
    for node in graph.nodes() {
        for input in &node.input {
            takers.entry(input.as_str()).or_default().push(node);
        }
    }
    // The one node that takes a tensor which nothing else does.
    let only = |edge: &str, operator: &str| match takers.get(edge).map(Vec::as_slice) {
        Some([node]) if node.op_type == operator && !graph.is_output(edge) => Some(*node),
        _ => None,
    };
    let mut replaced: BTreeMap<&str, NodeProto> = BTreeMap::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut arranged: BTreeMap<&str, String> = BTreeMap::new();
    for conv in graph.nodes() {
        let Some(kernel) = kernel(conv, &constants, lanes) else { continue };
        let mut last = conv;
        let mut fused = conv.clone();
        if let Some(sum) = only(output(conv), "Add")
            && !taken.contains(output(sum))
            && let Some(other) = sum.input.iter().find(|input| *input != output(conv))
        {
            fused.input.push(other.clone());
            taken.insert(output(sum));
            last = sum;
        }
        let relu = only(output(last), "Relu");
        last = relu.unwrap_or(last);
        taken.extend([output(conv), output(last)]);
        fused.domain = DOMAIN.into();
        (fused.name, fused.output) = (last.name.clone(), last.output.clone());
        fused.attribute = vec![int("relu", relu.is_some().into())];
        match kernel {
            KernelChoice::Winograd => fused.op_type = WINOGRAD.into(),
            KernelChoice::Pointwise { stride } => {
                fused.op_type = POINTWISE.into();
                fused.attribute.push(int("stride", stride));
                let name = arranged.entry(conv.input[1].as_str());
                fused.input[1] = name.or_insert_with(|| format!("{}.panels", conv.input[1])).clone();
            }
        }
        // Where the last of them stands, everything that it takes is there.
        replaced.insert(output(last), fused);
    }
    if replaced.is_empty() {
        return None;
    }
    let mut out = graph.frame();
    for node in graph.nodes() {
        match replaced.remove(output(node)) {
            Some(fused) => out.push(fused),
            None if taken.contains(output(node)) => {}
            None => out.push(node.clone()),
        }
    }
    let used: BTreeSet<String> = out.nodes().iter().flat_map(|node| node.input.iter().cloned()).collect();
    for constant in graph.initializers() {
        if used.contains(&constant.name) {
            out.constant(&constant.name, &constant.dims, constant.values.clone());
        }
        if let (Some(name), Values::F32(weights)) = (arranged.get(constant.name.as_str()), &constant.values) {
            let panels = pointwise::panels(weights, constant.dims.get(1).copied().unwrap_or(0));
            out.constant(name, &[panels.len()], Values::F32(panels));
        }
    }
    Some(out)
}

/// The constants of a graph by their names.
pub(super) fn constants(graph: &Graph) -> BTreeMap<&str, &Initializer> {
    graph.initializers().iter().map(|constant| (constant.name.as_str(), constant)).collect()
}

pub(super) fn output(node: &NodeProto) -> &str {
    node.output.first().map_or("", String::as_str)
}

/// A convolution of one group without dilation, of constant weights and biases in float32.
pub(super) struct Plain<'a> {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Height and width of its kernels.
    pub(super) kernel: (usize, usize),
    /// Down and across alike.
    pub(super) stride: i64,
    /// Zeros above, on the left, below, on the right.
    pub(super) pads: &'a [i64],
}

impl Plain<'_> {
    /// What a node is, if it is one.
    pub(super) fn of<'a>(node: &'a NodeProto, constants: &BTreeMap<&str, &Initializer>) -> Option<Plain<'a>> {
        let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
        let float = |place: usize| -> Option<&[usize]> {
            let constant = constants.get(node.input.get(place)?.as_str())?;
            matches!(constant.values, Values::F32(_)).then_some(&constant.dims)
        };
        let (&[outputs, inputs, height, width], &[biases]) = (float(1)?, float(2)?) else { return None };
        let stride = match attribute("strides")?.ints.as_slice() {
            &[down, across] if down == across && down > 0 => down,
            _ => return None,
        };
        let plain = node.op_type == "Conv"
            && biases == outputs
            && attribute("group").is_none_or(|group| group.i == Some(1))
            && attribute("dilations").is_some_and(|found| found.ints == [1, 1]);
        let pads = attribute("pads")?.ints.as_slice();
        plain.then_some(Plain { outputs, inputs, kernel: (height, width), stride, pads })
    }
}

/// What computes a node here: a layer with constant weights, of a size that pays.
fn kernel(node: &NodeProto, constants: &BTreeMap<&str, &Initializer>, lanes: usize) -> Option<KernelChoice> {
    let Plain { outputs, inputs, kernel, stride, pads } = Plain::of(node, constants)?;
    let kernels = outputs.checked_mul(inputs)?;
    match kernel {
        (3, 3) => {
            let pays = winograd_pays(lanes).contains(&kernels);
            (pays && stride == 1 && pads == [1, 1, 1, 1]).then_some(KernelChoice::Winograd)
        }
        (1, 1) => {
            let pays = lanes == AVX2_LANES && kernels >= POINTWISE_PAYS;
            (pays && pads == [0, 0, 0, 0]).then_some(KernelChoice::Pointwise { stride })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Dim, Element};

    const CHANNELS: usize = 256;

    fn layer(graph: &mut Graph, name: &str, x: &str, kernel: usize, stride: usize) -> String {
        layer_of(CHANNELS, graph, name, x, kernel, stride)
    }

    fn layer_of(
        channels: usize,
        graph: &mut Graph,
        name: &str,
        x: &str,
        kernel: usize,
        stride: usize,
    ) -> String {
        let numbers = |count: usize| Values::F32((0..count).map(|number| number as f32).collect());
        let dims = [channels, channels, kernel, kernel];
        let weight = graph.constant(&format!("{name}.w"), &dims, numbers(dims.iter().product()));
        let bias = graph.constant(&format!("{name}.b"), &[channels], numbers(channels));
        let window = ConvWindow { kernel, stride, pad: kernel / 2, dilation: 1, groups: 1 };
        graph.conv(name, x, &weight, &bias, window)
    }

    /// What a node does, to what, and what it is called.
    fn listed(graph: &Graph) -> Vec<(&str, Vec<&str>, &str)> {
        let listed = graph.nodes().iter().map(|node| {
            let inputs = node.input.iter().map(String::as_str).collect();
            (node.op_type.as_str(), inputs, output(node))
        });
        listed.collect()
    }

    #[test]
    fn a_layer_takes_the_sum_and_the_relu_behind_it() {
        let mut graph = Graph::new("block");
        let dims: Vec<Dim> = vec!["n".into(), CHANNELS.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let first = layer(&mut graph, "first", &x, 3, 1);
        let first = graph.relu("first.relu", &first);
        let second = layer(&mut graph, "second", &first, 3, 1);
        let sum = graph.add("sum", &second, &x);
        let sum = graph.relu("sum.relu", &sum);
        // Its own result is an output: what follows stays.
        let third = layer(&mut graph, "third", &sum, 3, 1);
        graph.output(&third, Element::F32, &dims);
        let shrunk = graph.relu("third.relu", &third);
        let shrunk = layer(&mut graph, "shrunk", &shrunk, 3, 2);
        graph.output(&shrunk, Element::F32, &dims);
        let rewritten = rewrite(&graph, 16).unwrap();
        assert_eq!(
            listed(&rewritten),
            [
                (WINOGRAD, vec!["x", "first.w", "first.b"], "first.relu"),
                (WINOGRAD, vec!["first.relu", "second.w", "second.b", "x"], "sum.relu"),
                (WINOGRAD, vec!["sum.relu", "third.w", "third.b"], "third"),
                ("Relu", vec!["third"], "third.relu"),
                ("Conv", vec!["third.relu", "shrunk.w", "shrunk.b"], "shrunk"),
            ]
        );
        let relu = rewritten.nodes().iter().filter(|node| node.domain == DOMAIN);
        assert_eq!(relu.map(|node| node.attribute[0].i).collect::<Vec<_>>(), [Some(1), Some(1), Some(0)]);
        assert!(rewrite(&rewritten, 8).is_none(), "nothing is left");
    }

    #[test]
    fn how_small_a_layer_may_be_depends_on_the_vectors() {
        let operator = |channels: usize, lanes: usize| {
            let mut graph = Graph::new("one");
            let dims: Vec<Dim> = vec!["n".into(), channels.into(), "h".into(), "w".into()];
            let x = graph.input("x", Element::F32, &dims);
            let y = layer_of(channels, &mut graph, "y", &x, 3, 1);
            graph.output(&y, Element::F32, &dims);
            rewrite(&graph, lanes).map(|graph| graph.nodes()[0].op_type.clone())
        };
        let winograd = Some(WINOGRAD.to_owned());
        assert_eq!(
            [63, 64, 256, 257].map(|channels| operator(channels, 16)),
            [None, winograd.clone(), winograd.clone(), None]
        );
        assert_eq!(
            [191, 192, 256, 257].map(|channels| operator(channels, 8)),
            [None, winograd.clone(), winograd, None]
        );
        assert_eq!(operator(256, 4), None);
    }

    #[test]
    fn layers_of_1x1_have_their_weights_arranged() {
        let mut graph = Graph::new("block");
        let dims: Vec<Dim> = vec!["n".into(), CHANNELS.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let shrunk = layer(&mut graph, "shrunk", &x, 1, 2);
        let large = layer(&mut graph, "large", &shrunk, 3, 2);
        let y = graph.relu("y", &large);
        graph.output(&y, Element::F32, &dims);
        // Vectors of AVX-512 were never seen to gain, those of SSE cannot.
        assert!(rewrite(&graph, 16).is_none() && rewrite(&graph, 4).is_none());
        let rewritten = rewrite(&graph, 8).unwrap();
        assert_eq!(
            listed(&rewritten),
            [
                (POINTWISE, vec!["x", "shrunk.w.panels", "shrunk.b"], "shrunk"),
                ("Conv", vec!["shrunk", "large.w", "large.b"], "large"),
                ("Relu", vec!["large"], "y"),
            ]
        );
        let attributes = rewritten.nodes()[0].attribute.iter().map(|one| (one.name.as_str(), one.i));
        assert_eq!(attributes.collect::<Vec<_>>(), [("relu", Some(0)), ("stride", Some(2))]);
        let names: Vec<&str> =
            rewritten.initializers().iter().map(|constant| constant.name.as_str()).collect();
        assert_eq!(names, ["shrunk.w.panels", "shrunk.b", "large.w", "large.b"]);
        let Values::F32(panels) = &rewritten.initializers()[0].values else { panic!("no numbers") };
        // The first six outputs' weights of the first input, then of the second.
        assert_eq!(panels[..8], [0.0, 256.0, 512.0, 768.0, 1024.0, 1280.0, 1.0, 257.0]);
    }
}
