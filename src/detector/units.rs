//! Single steps against the numbers that torchvision itself gave for their corners. Tests only.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::coder::Coder;
use super::{anchors, features, input, roi_align, rois};
use crate::checkpoint::Checkpoint;
use crate::family::{
    AnchorCell, AnchorRule, AnchorStride, ChannelOrder, Clamp, Conventions, FinestLevel, InputRule,
    LevelRule, ResizeFilter, RoiScale, Scaling, SizeRule, ValueRange,
};
use crate::geometry::{BBox, suppress};
use crate::onnx::{Dim, Element, Graph, RoiAlignAttributes};
use crate::photo::resize::{self, Planes};
use crate::runtime::{GraphBytes, Runtime, RuntimeOptions, SessionOptions, Value};

/// The unit cases: a listing and the tensors it names.
struct Units {
    listing: Json,
    tensors: Checkpoint,
}

impl Units {
    fn open() -> Units {
        let folder = golden().join("tv-units");
        let text = std::fs::read_to_string(folder.join("units.json")).unwrap();
        Units {
            listing: serde_json::from_str(&text).unwrap(),
            tensors: Checkpoint::open(&folder.join("units.safetensors")).unwrap(),
        }
    }

    fn cases(&self, kind: &str) -> &[Json] {
        self.listing[kind].as_array().unwrap()
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        self.tensors.tensor(name).unwrap().shape().to_vec()
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.tensors.tensor(name).unwrap().to_f32(&self.tensors).unwrap()
    }

    fn boxes(&self, name: &str) -> Vec<BBox> {
        boxes(&self.values(name))
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}

fn boxes(values: &[f32]) -> Vec<BBox> {
    values.chunks_exact(4).map(|b| BBox::new(b[0], b[1], b[2], b[3])).collect()
}

fn flat(boxes: &[BBox]) -> Vec<f32> {
    boxes.iter().flat_map(|b| [b.x1, b.y1, b.x2, b.y2]).collect()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Json) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Within 1e-5 of the largest value, as the listing says.
fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-30f32, |largest, value| largest.max(value.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-5 * largest, "{what}: {a} is not {b} at {i}");
    }
}

fn rule(min_size: u32, max_size: u32, size_rule: SizeRule) -> InputRule {
    InputRule {
        channel_order: ChannelOrder::Rgb,
        value_range: ValueRange::Unit,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        scaling: Scaling::Divide,
        min_size,
        max_size,
        size_rule,
        filter: ResizeFilter::NormalisedBilinear,
        pad_to: 32,
    }
}

#[test]
fn resized_and_padded_sizes() {
    let units = Units::open();
    for case in units.cases("resize_sizes") {
        let number = |key: &str| case[key].as_u64().unwrap();
        let rule = rule(number("min_size") as u32, number("max_size") as u32, SizeRule::Floor);
        let resized = input::resized(&rule, (number("height") as usize, number("width") as usize));
        if case["resized"].is_null() {
            assert!(resized.0 == 0 || resized.1 == 0, "{case}");
        } else {
            assert_eq!(resized, numbers(&case["resized"]), "{case}");
            assert_eq!(input::padded(&rule, resized), numbers(&case["padded"]), "{case}");
        }
    }
}

#[test]
fn sizes_of_the_other_families() {
    let text = std::fs::read_to_string(golden().join("zoo-units/resize.json")).unwrap();
    let listing: Json = serde_json::from_str(&text).unwrap();
    let cases = listing["sizes_height_width"].as_array().unwrap();
    assert_eq!(cases.len(), 60);
    for case in cases {
        let number = |key: &str| case[key].as_u64().unwrap();
        for (family, size_rule) in [("detectron2", SizeRule::ShortestEdge), ("mmdet", SizeRule::HalfUp)] {
            let rule = rule(number("short") as u32, number("long") as u32, size_rule);
            let resized = input::resized(&rule, (number("height") as usize, number("width") as usize));
            assert_eq!(resized, numbers(&case[family]), "{family}: {case}");
        }
    }
}

/// The resize works on bytes behind a table of values: each pixel is its own byte, so that the table can hold any
/// picture of up to 256 pixels. One of the five cases is larger, and so is that of the whole preprocessing, which the
/// fixtures' recorded inputs cover.
#[test]
fn bilinear_without_antialiasing() {
    let units = Units::open();
    for case in 0..4 {
        let (from, to) =
            (units.shape(&format!("resize.{case}.input")), units.shape(&format!("resize.{case}.output")));
        let pictures = units.values(&format!("resize.{case}.input"));
        let count = from[2] * from[3];
        assert!(count <= 256);
        let mut table = Box::new([[0.0f32; 256]; 3]);
        for (channel, values) in pictures.chunks_exact(count).enumerate() {
            table[channel][..count].copy_from_slice(values);
        }
        let pixels: Vec<u8> = (0..count).flat_map(|i| [i as u8; 3]).collect();
        let size = (to[2], to[3]);
        let planes = Planes { size, padded: size };
        let found = resize::normalised(&pixels, (from[2], from[3]), planes, [0, 1, 2], &table);
        let expected = units.values(&format!("resize.{case}.output"));
        close(&format!("resize.{case}"), &found[..expected.len()], &expected);
    }
}

#[test]
fn anchors_of_all_maps() {
    let units = Units::open();
    for case in units.cases("anchors") {
        let name = case["name"].as_str().unwrap();
        let rule = AnchorRule {
            sizes: numbers(&case["sizes"]),
            ratios: numbers(&case["aspect_ratios"]),
            cell: AnchorCell::RatioMajorRounded,
            stride: AnchorStride::FromInput,
        };
        let padded: (usize, usize) = numbers(&case["padded"]);
        let maps: Vec<(usize, usize)> = numbers(&case["maps"]);
        let mut all = Vec::new();
        for (level, &map) in maps.iter().enumerate() {
            let cell = anchors::cell(&rule, level, 0);
            assert_eq!(flat(&cell), units.values(&format!("{name}.cell.{level}")), "{name}");
            let stride = anchors::stride(&rule, 0, padded, map);
            let places = (0..map.0).flat_map(|row| (0..map.1).map(move |column| (row, column)));
            all.extend(
                places
                    .flat_map(|(row, column)| cell.iter().map(move |b| anchors::at(b, row, column, stride))),
            );
        }
        assert_eq!(flat(&all), units.values(&format!("{name}.all")), "{name}");
    }
}

#[test]
fn decoding() {
    let units = Units::open();
    for case in units.cases("decode") {
        let name = case["name"].as_str().unwrap();
        let coder = Coder { weights: numbers(&case["weights"]), clamp: Clamp::Upper };
        let deltas = units.values(&format!("{name}.deltas"));
        let from = units.boxes(&format!("{name}.boxes"));
        let rows = from.iter().zip(deltas.chunks_exact(4));
        let found: Vec<BBox> = rows.map(|(b, d)| coder.decode(b, [d[0], d[1], d[2], d[3]])).collect();
        close(name, &flat(&found), &units.values(&format!("{name}.output")));
    }
}

#[test]
fn suppression() {
    let units = Units::open();
    for case in units.cases("nms") {
        let corners: Vec<[f32; 4]> = numbers(&case["boxes"]);
        let boxes: Vec<BBox> = corners.iter().map(|b| BBox::new(b[0], b[1], b[2], b[3])).collect();
        let scores: Vec<f32> = numbers(&case["scores"]);
        let groups = if case["groups"].is_null() { vec![0; boxes.len()] } else { numbers(&case["groups"]) };
        let kept = suppress(&boxes, &scores, &groups, case["threshold"].as_f64().unwrap());
        assert_eq!(kept, numbers::<Vec<usize>>(&case["keep"]), "{}: {}", case["name"], case["why"]);
    }
}

const LEVELS: LevelRule =
    LevelRule { size: 224.0, level: 4.0, epsilon: 1e-6, epsilon_inside: false, finest: FinestLevel::ByScale };

#[test]
fn levels() {
    let units = Units::open();
    let case = &units.listing["levels"];
    let sides: Vec<f32> = numbers(&case["side"]);
    let scales = [0.25, 0.125, 0.0625, 0.03125];
    let map = |&side: &f32| rois::map_of(&LEVELS, &scales, &BBox::new(0.0, 0.0, side, side));
    assert_eq!(sides.iter().map(map).collect::<Vec<_>>(), numbers::<Vec<usize>>(&case["map"]));
}

#[test]
fn scales_are_guessed_from_heights() {
    let units = Units::open();
    let conventions = inferred();
    for case in units.cases("inferred_scales") {
        let (resized, padded): ((usize, usize), (usize, usize)) =
            (numbers(&case["resized"]), numbers(&case["padded"]));
        let heights = [4, 8, 16, 32].map(|stride| padded.0 / stride);
        let found = rois::scales(&conventions, &[4, 8, 16, 32], &heights, resized.0);
        assert_eq!(found, numbers::<Vec<f32>>(&case["scale_of_maps_4_8_16_32"]), "{case}");
    }
}

/// torchvision's rules, of which only those of RoIAlign's scales matter here.
fn inferred() -> Conventions {
    let model = crate::model::Model::find(crate::model::DEFAULT).unwrap();
    let conventions = model.manifest().conventions.clone();
    assert_eq!(conventions.roi.scale, RoiScale::Inferred);
    conventions
}

#[test]
fn boxes_back_to_the_photo() {
    let units = Units::open();
    let case = &units.listing["resize_boxes"];
    let (from, to): ((usize, usize), (usize, usize)) = (numbers(&case["from"]), numbers(&case["to"]));
    let (x, y) = super::Sizes { photo: to, resized: from }.back();
    let found: Vec<BBox> = units.boxes("resize_boxes.boxes").iter().map(|b| b.scale(x, y)).collect();
    close("resize_boxes", &flat(&found), &units.values("resize_boxes.output"));
}

/// One output of a graph with float inputs, run by ONNX Runtime.
fn run(runtime: &Runtime, graph: &Graph, output: &str, inputs: &[(&str, &Value)]) -> Vec<f32> {
    let bytes = graph.to_bytes().unwrap();
    let mut session =
        runtime.session(GraphBytes::Memory("unit", &bytes), &SessionOptions::default()).unwrap();
    session.run(inputs, &[output]).unwrap()[0].as_f32().unwrap().to_vec()
}

/// Tensors are ONNX Runtime's: it is opened before any is made.
fn runtime() -> Runtime {
    Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap()
}

fn free(names: [&str; 4]) -> [Dim; 4] {
    names.map(Dim::from)
}

#[test]
fn roi_align_of_one_map() {
    let units = Units::open();
    let runtime = runtime();
    let map = units.shape("align.input");
    let rois = units.values("align.rois");
    for case in units.cases("align") {
        let name = case["name"].as_str().unwrap();
        let number = |key: &str| case[key].as_i64().unwrap();
        let scale = case["scale"].as_f64().unwrap() as f32;
        let roi = RoiAlignAttributes {
            resolution: number("resolution") as usize,
            sampling_ratio: number("sampling_ratio").max(0) as usize,
            scale: 1.0,
            aligned: case["aligned"].as_bool().unwrap(),
        };
        let mut graph = Graph::new("unit");
        let x = graph.input("x", Element::F32, &free(["n", "c", "h", "w"]));
        let boxes = graph.input("boxes", Element::F32, &["count".into(), 4.into()]);
        let images = graph.input("images", Element::I64, &["count".into()]);
        let y = graph.roi_align("y", &x, &boxes, &images, roi);
        graph.output(&y, Element::F32, &free(["count", "c", "rh", "rw"]));
        // As the detector does: boxes in the map's own pixels.
        let scaled =
            rois.chunks_exact(5).flat_map(|r| [r[1] * scale, r[2] * scale, r[3] * scale, r[4] * scale]);
        let count = rois.len() / 5;
        let pictures = rois.chunks_exact(5).map(|r| r[0] as i64).collect();
        let values = [
            Value::from_f32(&map, units.values("align.input")).unwrap(),
            Value::from_f32(&[count, 4], scaled.collect()).unwrap(),
            Value::from_i64(&[count], pictures).unwrap(),
        ];
        let inputs = [("x", &values[0]), ("boxes", &values[1]), ("images", &values[2])];
        let found = run(&runtime, &graph, "y", &inputs);
        let expected = units.values(&format!("{name}.output"));
        close(name, &found, &expected);
        // Our own, which takes over where the runtime's is slow.
        let rule = roi_align::RoiAlignRule {
            bins: roi.resolution,
            samples: roi.sampling_ratio,
            aligned: roi.aligned,
            channels_last: false,
        };
        let mut placed = rois::Rois::new(1);
        placed.boxes[0] = values[1].as_f32().unwrap().to_vec();
        placed.images[0] = rois.chunks_exact(5).map(|r| r[0] as i64).collect();
        let [map, ..] = values;
        let maps = features::Features { maps: vec![map], channels_last: false };
        let own = roi_align::RoiAlign::new(rule, 2).run(&maps, &placed).unwrap();
        close(name, own.as_f32().unwrap(), &expected);
    }
}

#[test]
fn upsampling_and_the_extra_level() {
    let units = Units::open();
    let runtime = runtime();
    for case in 0..3 {
        let name = |what: &str| format!("nearest.{case}.{what}");
        let mut graph = Graph::new("unit");
        let x = graph.input("x", Element::F32, &free(["n", "c", "h", "w"]));
        let like = graph.input("like", Element::F32, &free(["n", "c", "lh", "lw"]));
        let y = graph.upsample_like("y", &x, &like);
        graph.output(&y, Element::F32, &free(["n", "c", "lh", "lw"]));
        let (from, to) = (units.shape(&name("input")), units.shape(&name("output")));
        let input = Value::from_f32(&from, units.values(&name("input"))).unwrap();
        let target = Value::from_f32(&to, vec![0.0; to.iter().product()]).unwrap();
        let found = run(&runtime, &graph, "y", &[("x", &input), ("like", &target)]);
        close(&name(""), &found, &units.values(&name("output")));
    }
    let mut graph = Graph::new("unit");
    let x = graph.input("x", Element::F32, &free(["n", "c", "h", "w"]));
    let y = graph.max_pool("y", &x, 1, 2, 0);
    graph.output(&y, Element::F32, &free(["n", "c", "ph", "pw"]));
    let input = Value::from_f32(&units.shape("pool.input"), units.values("pool.input")).unwrap();
    let found = run(&runtime, &graph, "y", &[("x", &input)]);
    close("pool", &found, &units.values("pool.output"));
}
