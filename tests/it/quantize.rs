//! `rcnn quantize` as its user sees it.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;

use crate::support::Place;
use rcnn::internal::onnx::{ConvWindow, Dim, Element, Graph, Values};
use rcnn::internal::runtime::{self, Runtime, SessionOptions, Value};
use serde_json::Value as Json;

/// A place with rendered scenes of what the bundled model knows.
fn scenes(count: &str) -> Place {
    let place = Place::new();
    place.rcnn(&["synth", "-o", "scenes", "--count", count, "--seed", "7"]).expect(0);
    place
}

fn quantize(place: &Place, out: &str, more: &[&str]) -> Json {
    let basic = ["quantize", "fod-r18", "-i", "scenes/images", "-o", out, "--photos", "6", "--json"];
    let ended = place.rcnn(&[&basic[..], more].concat()).expect(0);
    serde_json::from_str(&ended.out).unwrap()
}

/// Share of `b` and `a` that is in both.
fn overlap(a: &Json, b: &Json) -> f64 {
    let corners = |d: &Json| [0, 1, 2, 3].map(|i| d["box"][i].as_f64().unwrap());
    let (a, b) = (corners(a), corners(b));
    let area = |c: [f64; 4]| (c[2] - c[0]).max(0.0) * (c[3] - c[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both)
}

/// Boxes that the float32 model is sure of are found by the int8 model too: same class, IoU of 0.7 or more, score
/// within 0.2. Eight bits leave each layer with a noise of about 2 % (34 dB), of which a score near a half moves by
/// 0.1 at most times; so one box in ten may be off by more.
#[test]
fn the_same_boxes_are_found() {
    let place = scenes("12");
    let report = quantize(&place, "int8", &["-a", "scenes/annotations.json", "--min-snr", "20"]);
    let detect = |model: &str, out: &str| {
        place
            .rcnn(&["detect", "scenes/images", "-m", model, "-o", out, "--no-draw", "--device", "cpu"])
            .expect(0);
        place.rows(out)
    };
    let (before, after) = (detect("fod-r18", "before"), detect("int8", "after"));
    let (mut sure, mut found) = (0, 0);
    for (before, after) in before.iter().zip(&after) {
        let after = after["detections"].as_array().unwrap();
        for one in before["detections"].as_array().unwrap() {
            let score = one["score"].as_f64().unwrap();
            if score >= 0.6 {
                let same = |other: &&Json| {
                    one["category_id"] == other["category_id"]
                        && overlap(one, other) >= 0.7
                        && (score - other["score"].as_f64().unwrap()).abs() <= 0.2
                };
                sure += 1;
                found += usize::from(after.iter().any(|other| same(&other)));
            }
        }
    }
    assert!(sure >= 10 && found * 10 >= sure * 9, "{found} of {sure}");

    // The report and the model say what was done.
    let model = place.json("int8/model.json");
    let how = &model["provenance"]["quantization"];
    assert_eq!(how, &report["quantization"]);
    assert_eq!((&how["photos"], &how["method"], &model["name"]), (&6.into(), &"mse".into(), &"int8".into()));
    assert_eq!(how["from"].as_str().unwrap().len(), 64);
    let layers = report["layers"].as_array().unwrap();
    let int8 = layers.iter().filter(|layer| layer["int8"] == true);
    assert_eq!(int8.clone().count(), how["int8_layers"].as_u64().unwrap() as usize);
    // Every layer has 29 dB and more. The stem takes three channels; the others give scores and boxes.
    let float: Vec<&Json> = layers.iter().filter(|layer| layer["int8"] == false).collect();
    assert!(float.iter().all(|layer| layer["kept"].is_string() && layer["snr_db"].is_null()), "{float:?}");
    assert_eq!((int8.clone().count(), float.len()), (34, 1 + 5 + 5 + 2));
    assert!(int8.clone().all(|layer| layer["snr_db"].as_f64().unwrap() >= 20.0));
    let ap: Vec<f64> = [0, 1].map(|i| report["models"][i]["stats"][0].as_f64().unwrap()).to_vec();
    assert!(ap[0] > 0.0 && (ap[0] - ap[1]).abs() < 0.1, "{ap:?}");
    assert!(place.rcnn(&["inspect", "int8"]).expect(0).out.contains("34 layers, weights of "));
    // What both took when they were judged.
    for (place, took) in ["float32_ms", "int8_ms"].into_iter().enumerate() {
        assert_eq!(report["gain"][took], report["models"][place]["costs"]["milliseconds"]);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = scenes("9");
    let report = quantize(&place, "one/int8", &["--threads", "1", "--seed", "3"]);
    // Without annotations both are timed all the same.
    assert!(
        ["float32_ms", "int8_ms"].iter().all(|took| report["gain"][took].as_f64().unwrap() > 0.0),
        "{report}"
    );
    quantize(&place, "two/int8", &["--threads", "3", "--seed", "3"]);
    quantize(&place, "other/int8", &["--threads", "1", "--seed", "4"]);
    for file in ["model.json", "trunk.onnx", "head.onnx"] {
        let read = |folder: &str| fs::read(place.at(&format!("{folder}/int8/{file}"))).unwrap();
        assert!(read("one") == read("two"), "{file} depends on the number of threads");
        assert!(read("one") != read("other"), "{file} does not depend on the seed");
    }
}

#[test]
fn weights_may_have_seven_bits() {
    let place = scenes("2");
    let report = quantize(&place, "seven", &["--reduce-range"]);
    assert_eq!(report["quantization"]["weight_bits"], 7);
    let report = quantize(&place, "eight", &["--reduce-range=no", "--method", "min-max"]);
    assert_eq!(report["quantization"]["weight_bits"], 8);
    for (folder, largest) in [("seven", 63), ("eight", 127)] {
        let graph = Graph::from_bytes(&fs::read(place.at(&format!("{folder}/trunk.onnx"))).unwrap()).unwrap();
        let weights = graph.initializers().iter().filter_map(|constant| match &constant.values {
            Values::I8(values) => values.iter().map(|value| value.unsigned_abs()).max(),
            _ => None,
        });
        assert_eq!(weights.max(), Some(largest));
    }
    // Beyond what any layer has: all stay float32.
    let report = quantize(&place, "float", &["--min-snr", "500"]);
    assert_eq!(report["quantization"]["int8_layers"], 0);
    let graph = Graph::from_bytes(&fs::read(place.at("float/trunk.onnx")).unwrap()).unwrap();
    assert!(graph.initializers().iter().all(|constant| !matches!(constant.values, Values::I8(_))));
}

/// Layers that read one quantised map in float32 are computed together on the processor; by hand: the sums of each
/// pixel's two channels, for two maps of 1 x 2 pixels.
#[test]
fn outputs_of_a_quantised_map_are_sums_over_its_channels() {
    let mut graph = Graph::new("outputs");
    let dims: Vec<Dim> = vec!["n".into(), 2_usize.into(), "h".into(), "w".into()];
    let x = graph.input("x", Element::F32, &dims);
    let scale = graph.constant("scale", &[], Values::F32(vec![0.5]));
    let zero = graph.constant("zero", &[], Values::U8(vec![10]));
    let whole = graph.quantize_linear("whole", &x, &scale, &zero);
    let map = graph.dequantize_linear("map", &whole, &scale, &zero);
    let window = ConvWindow { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };
    for (name, weights, biases) in
        [("logits", vec![1.0, 2.0], vec![0.25]), ("deltas", vec![3.0, 0.0, 0.0, -4.0], vec![1.0, -1.0])]
    {
        let outputs = biases.len();
        let weights = graph.constant(&format!("{name}.w"), &[outputs, 2, 1, 1], Values::F32(weights));
        let biases = graph.constant(&format!("{name}.b"), &[outputs], Values::F32(biases));
        graph.conv(name, &map, &weights, &biases, window);
        graph.output(name, Element::F32, &["n".into(), outputs.into(), "h".into(), "w".into()]);
    }
    let bytes = graph.to_bytes().unwrap();
    crate::support::runtime();
    let runtime = Runtime::open(&Default::default(), &mut |_| {}).unwrap();
    let options = SessionOptions::default();
    let mut session = runtime.session(runtime::GraphBytes::Memory("outputs", &bytes), &options).unwrap();
    // 0.6 becomes 0.5, as steps are halves.
    let x = vec![1.0, 2.0, 0.6, -1.0, 4.0, 0.0, -2.5, 3.0];
    let x = Value::from_f32(&[2, 2, 1, 2], x).unwrap();
    let found = session.run(&[("x", &x)], &["logits", "deltas"]).unwrap();
    assert_eq!((found[0].shape(), found[1].shape()), (vec![2, 1, 1, 2], vec![2, 2, 1, 2]));
    assert_eq!(found[0].as_f32().unwrap(), [2.25, 0.25, -0.75, 6.25]);
    assert_eq!(found[1].as_f32().unwrap(), [4.0, 7.0, -3.0, 3.0, 13.0, 1.0, 9.0, -13.0]);
}

#[test]
fn slips_get_one_sentence() {
    let place = scenes("2");
    quantize(&place, "int8", &[]);
    place.write("bad/c.jpg", b"this is no picture");
    place.write("full/notes.txt", b"mine");
    let say = |arguments: &[&str], code: i32| {
        let ended = place.rcnn(&[&["quantize"], arguments].concat()).expect(code);
        assert!(ended.out.is_empty());
        ended.err
    };
    assert_eq!(
        say(&["int8", "-i", "scenes/images", "-o", "again"], 1),
        "rcnn: `int8` is quantised already: give the float32 model that it was made from\n"
    );
    let none = say(&["fod-r18", "-i", "bad", "-o", "new"], 1);
    assert!(none.starts_with("rcnn: none of the 1 photos can be used: `c.jpg`: "), "{none}");
    assert!(!place.at("new").exists());
    let full = say(&["fod-r18", "-i", "scenes/images", "-o", "full"], 1);
    assert!(full.starts_with("rcnn: `full` holds other files"), "{full}");
    // What would fail in the end fails before the calibration, which has nothing to work on here.
    let full = say(&["--reduce-range", "fod-r18", "-i", "bad", "-o", "full"], 1);
    assert!(full.starts_with("rcnn: `full` holds other files"), "{full}");
    let others = say(&["fod-r18", "-i", "bad", "-o", "new", "-a", "scenes/annotations.json"], 1);
    assert!(others.starts_with("rcnn: none of the photos is among the 2 images of"), "{others}");
    assert!(say(&["fod-r18", "-i", "gone", "-o", "new"], 2).contains("no photos at `gone`"));
    assert!(say(&["nothing", "-i", "scenes/images", "-o", "new"], 1).contains("no model `nothing`"));
    let method = say(&["fod-r18", "-i", "scenes/images", "-o", "new", "--method", "kl"], 2);
    assert!(method.contains("known are min-max, percentile, entropy and mse"), "{method}");
    let share = say(&["fod-r18", "-i", "scenes/images", "-o", "new", "--percentile", "101"], 2);
    assert!(share.contains("above 0, up to 100"), "{share}");
    let when = say(&["fod-r18", "-i", "scenes/images", "-o", "new", "--reduce-range=maybe"], 2);
    assert!(when.contains("[possible values: auto, yes, no]"), "{when}");
    assert!(say(&["fod-r18", "-i", "scenes/images", "-o", "new", "--photos", "0"], 2).contains("--photos"));
    // A photo that cannot be used is passed over, and told.
    let ended = place.rcnn(&["quantize", "fod-r18", "-i", "scenes/images", "bad", "-o", "int8"]).expect(0);
    assert!(ended.err.contains("note: `c.jpg`: "), "{}", ended.err);
    assert!(ended.out.contains("from 2 photos"), "{}", ended.out);
}
