//! Nodes behind the trunk that pick the RPN's best positions, for devices from which maps are slow to fetch.

use crate::onnx::{Edge, Element, Graph, Values};

use super::architecture::Architecture;

/// The nodes that follow those of [`super::trunk()`]. For each level, beside the trunk's own outputs:
/// `best.logits.L` (batch, k), by falling rank; `best.places.L` (batch, k), int64, which count the positions by row,
/// column and anchor; and `best.deltas.L` (batch, k, 4). There are `count` of them, or as many as the level has.
///
/// `sigmoid` ranks by the sigmoid of the logit, which is the same for large ones; equal ranks come by place.
pub fn top_k(architecture: &Architecture, count: usize, sigmoid: bool) -> Graph {
    // Without a name, inputs or outputs of the trunk's: it is written behind it.
    let mut graph = Graph::default();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let most = graph.constant("best.most", &[1], Values::I64(vec![count]));
    let shape = |graph: &mut Graph, name: &str, dims: &[i64]| {
        graph.constant(&format!("best.shape.{name}"), &[dims.len()], Values::I64(dims.to_vec()))
    };
    let anchors = architecture.rpn.anchors as i64;
    let shapes = BestShapes {
        rows: shape(&mut graph, "rows", &[0, -1]),
        fours: shape(&mut graph, "fours", &[0, anchors, 4, -1]),
        boxes: shape(&mut graph, "boxes", &[0, -1, 4]),
        last: graph.constant("best.last", &[1], Values::I64(vec![2])),
    };
    for level in 0..architecture.rpn_strides().len() {
        of_level(&mut graph, level, &most, &shapes, sigmoid);
    }
    graph
}

/// Constants that all levels share.
struct BestShapes {
    /// (batch, positions).
    rows: Edge,
    /// (batch, anchors, 4, cells).
    fours: Edge,
    /// (batch, positions, 4).
    boxes: Edge,
    /// The last axis of three.
    last: Edge,
}

fn of_level(graph: &mut Graph, level: usize, most: &str, shapes: &BestShapes, sigmoid: bool) {
    let name = |what: &str| format!("best.{what}.{level}");
    let turned = graph.transpose(&name("turned"), &format!("rpn.logits.{level}"), &[0, 2, 3, 1]);
    let all = graph.reshape(&name("all"), &turned, &shapes.rows);
    let rank = if sigmoid { graph.sigmoid(&name("sigmoid"), &all) } else { all.clone() };
    let there = graph.size_of_axis(&name("there"), &all, 1);
    let count = graph.min(&name("count"), most, &there);
    // Of the ranks only the order matters; where they are logits, they are gathered once more, which costs nothing.
    let places = graph.top(&name("ranks"), &name("places"), &rank, &count, 1);
    let logits = graph.gather_elements(&name("logits"), &all, &places, 1);
    let fours = graph.reshape(&name("fours"), &format!("rpn.deltas.{level}"), &shapes.fours);
    let turned = graph.transpose(&name("fours.turned"), &fours, &[0, 3, 1, 2]);
    let boxes = graph.reshape(&name("boxes"), &turned, &shapes.boxes);
    let index = graph.unsqueeze(&name("index"), &places, &shapes.last);
    let deltas = graph.gather_rows(&name("deltas"), &boxes, &index);
    let count = || "best".into();
    graph.output(&logits, Element::F32, &["batch".into(), count()]);
    graph.output(&places, Element::I64, &["batch".into(), count()]);
    graph.output(&deltas, Element::F32, &["batch".into(), count(), 4.into()]);
}
