//! What a model's files may ask for, and that they are the files that were written: every value beyond its limit is refused
//! by name before anything is paid for it, and graphs with other bytes are not used.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere, and says what it skips

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use rcnn::internal::detector::Detector;
use rcnn::internal::model::{Manifest, Model};
use rcnn::internal::photo::Photo;
use rcnn::internal::runtime::{Device, SessionOptions};
use serde_json::{Value as Json, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

/// A folder for one test: the cache, and what its models need.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn at(&self, inner: &str) -> PathBuf {
        self.0.path().join(inner)
    }

    fn rcnn(&self, args: &[&Path]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        command.args(args).env("RCNN_CACHE", self.at("cache")).env("RCNN_LOG", "rcnn=debug").output().unwrap()
    }

    /// Imports a fixture into the folder `name`.
    fn import(&self, name: &str, checkpoint: &Path) -> PathBuf {
        let out = self.at(name);
        let output = self.rcnn(&[Path::new("import"), checkpoint, Path::new("-o"), &out]);
        assert!(output.status.success(), "{}", said(&output));
        out
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A refusal: exit code 1, one sentence that has the word, no escapes.
fn refused(output: &Output, word: &str) {
    let text = said(output);
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{word}: {text}");
    assert!(last.starts_with("rcnn: ") && last.contains(word), "{word}: {last}");
    assert!(last.len() < 2000 && !last.contains('\u{1b}'), "{last:?}");
}

/// Values that no machine can serve or no network has, by their place in `model.json`.
fn absurd() -> Vec<(&'static str, Json, &'static str)> {
    vec![
        ("/conventions/input/min_size", json!(1_000_000), "min_size"),
        ("/conventions/input/max_size", json!(4_294_967_295_u32), "max_size"),
        ("/conventions/input/max_size", json!(0), "max_size"),
        ("/conventions/input/pad_to", json!(4_294_967_295_u32), "pad_to"),
        ("/conventions/input/std/1", json!(0), "std[1]"),
        ("/conventions/input/std/0", json!(-0.2), "std[0]"),
        ("/conventions/input/std/2", json!(1e30), "std[2]"),
        ("/conventions/input/mean/0", json!(1e38), "mean[0]"),
        ("/conventions/anchors/sizes/0", json!(vec![32; 3_000_000]), "anchors"),
        ("/conventions/anchors/sizes/0/0", json!(0), "anchor size"),
        ("/conventions/anchors/ratios/1/0", json!(-1), "anchor ratio"),
        ("/conventions/proposals/pre_nms_top_n", json!(1_000_000_000_000_u64), "pre_nms_top_n"),
        ("/conventions/proposals/post_nms_top_n", json!(100_000_000), "post_nms_top_n"),
        ("/conventions/proposals/nms_threshold", json!(-1), "nms_threshold"),
        ("/conventions/proposals/score_threshold", json!(2), "score_threshold"),
        ("/conventions/roi/sampling_ratio", json!(1_000_000_000), "sampling_ratio"),
        ("/conventions/roi/level/size", json!(0), "level.size"),
        ("/conventions/detections/box_weights/3", json!(0), "box_weights"),
        ("/conventions/detections/per_image", json!(1_000_000_000), "per_image"),
        ("/network/backbone/stages/0/blocks", json!(1_000_000_000_000_u64), "stages[0].blocks"),
        ("/network/backbone/stages/2/channels", json!(1_000_000_000), "stages[2].channels"),
        ("/network/backbone/stages/1/projections", json!([0, 9]), "projections"),
        ("/network/backbone/stages/1/stride", json!(0), "stages[1].stride"),
        ("/network/backbone/stem/kernel", json!(1_000_001), "stem.kernel"),
        ("/network/backbone/stages", json!([]), "backbone.stages"),
        ("/network/fpn/stages", json!([0, 1, 2, 9]), "fpn.stages"),
        ("/network/fpn/stages", json!([]), "fpn.stages"),
        ("/network/fpn/stages", json!([3, 2, 1, 0]), "fpn.stages"),
        ("/network/fpn/channels", json!(0), "fpn.channels"),
        ("/network/heads/0/last_stage", json!(true), "last_stage"),
        ("/network/heads/0/resolution", json!(100_000), "head.resolution"),
        ("/network/heads/0/box_rows", json!(0), "box_rows"),
        ("/network/heads/0/classes", json!(50_000_000), "head.classes"),
        ("/network/heads", json!([]), "0 box heads"),
        ("/network/rpn/anchors", json!(5_000_000), "rpn.anchors"),
        ("/network/rpn/convs", json!(vec![8; 100_000]), "rpn.convs"),
        ("/classes/0/name", json!("x".repeat(100_000)), "name of the class 1"),
        ("/provenance/imported_by", json!("x".repeat(100_000)), "longer than"),
        ("/provenance/\u{1b}[31mcolour", json!(1), "unknown field"),
    ]
}

#[test]
fn a_model_json_asks_for_no_more_than_its_limits() {
    let home = Home::new();
    let model = home.import("m", &fixture("tv-pyramid/model.pth"));
    let path = model.join("model.json");
    let text = fs::read_to_string(&path).unwrap();
    for (place, value, word) in absurd() {
        let mut json: Json = serde_json::from_str(&text).unwrap();
        match json.pointer_mut(place) {
            Some(slot) => *slot = value,
            None => json["provenance"][place.rsplit('/').next().unwrap()] = value,
        }
        fs::write(&path, json.to_string()).unwrap();
        refused(&home.rcnn(&[Path::new("inspect"), &model]), word);
    }
}

#[test]
fn a_classifiers_model_json_has_limits_too() {
    let home = Home::new();
    let model = home.import("m", &fixture("cls-r26/model.pth"));
    let path = model.join("model.json");
    let text = fs::read_to_string(&path).unwrap();
    for (place, value, word) in [
        ("/input/resize", json!(1_000_000), "input.resize"),
        ("/input/crop", json!(0), "input.crop"),
        ("/input/std/0", json!(0), "std[0]"),
        ("/network/classes", json!(4_000_000_000_u64), "classes"),
        ("/network/backbone/stages/0/width", json!(1_u64 << 40), "stages[0].width"),
        ("/classes/0/name", json!("x".repeat(501)), "name of the class 0"),
    ] {
        let mut json: Json = serde_json::from_str(&text).unwrap();
        *json.pointer_mut(place).unwrap() = value;
        fs::write(&path, json.to_string()).unwrap();
        refused(&home.rcnn(&[Path::new("inspect"), &model]), word);
    }
}

#[test]
fn the_options_of_an_import_have_the_same_limits() {
    let home = Home::new();
    let (checkpoint, config, out) = (fixture("tv-pyramid/model.pth"), home.at("c.json"), home.at("m"));
    for (options, word) in [
        (json!({"min_size": 1_000_000, "max_size": 1_000_000}), "min_size"),
        (json!({"pad_to": 4_294_967_295_u32}), "pad_to"),
        (json!({"std": [0.2, 0.0, 0.2]}), "std[1]"),
        (json!({"roi_sampling_ratio": 1_000_000_000}), "sampling_ratio"),
        (json!({"rpn_pre_nms_top_n": 1_000_000_000}), "pre_nms_top_n"),
        (json!({"rpn_post_nms_top_n": 1_000_000_000}), "post_nms_top_n"),
        (json!({"detections_per_image": 1_000_000_000}), "per_image"),
        (json!({"norm_eps": -1.0}), "norm_eps"),
        (json!({"dilation": 1_000_000_000}), "dilation"),
        (json!({"classes": ["a", "b", "c", "x".repeat(501)]}), "name of the class 4"),
        (json!({"\u{1b}[2J": 1}), "unknown field"),
    ] {
        fs::write(&config, options.to_string()).unwrap();
        let output = home.rcnn(&[
            Path::new("import"),
            &checkpoint,
            Path::new("-o"),
            &out,
            Path::new("--config"),
            &config,
        ]);
        refused(&output, word);
        assert!(!out.exists());
    }
    // Some configs have no limit for the longer side.
    fs::write(&config, r#"{"min_size": 800, "max_size": 99999}"#).unwrap();
    let arguments = [Path::new("import"), &checkpoint, Path::new("-o"), &out, Path::new("--config"), &config];
    assert!(home.rcnn(&arguments).status.success());
}

/// On a pipe one would wait for ever.
#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    let home = Home::new();
    let pipe = |path: PathBuf| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    let (inspect, import) = (Path::new("inspect"), Path::new("import"));
    pipe(home.at("m/model.json"));
    refused(&home.rcnn(&[inspect, &home.at("m")]), "pipe");
    let checkpoint = pipe(home.at("a.pth"));
    let out = home.at("out");
    refused(&home.rcnn(&[import, &checkpoint, Path::new("-o"), &out]), "pipe");
    refused(&home.rcnn(&[inspect, &checkpoint]), "pipe");
    let config = pipe(home.at("c.json"));
    let whole = fixture("tv-pyramid/model.pth");
    refused(&home.rcnn(&[import, &whole, Path::new("-o"), &out, Path::new("--config"), &config]), "pipe");
    // A graph, whose length is 0.
    let model = home.import("n", &whole);
    fs::remove_file(model.join("trunk.onnx")).unwrap();
    pipe(model.join("trunk.onnx"));
    refused(&home.rcnn(&[inspect, &model]), "trunk.onnx");
}

/// Turns the signs of weights round; the length stays.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let start = bytes.len() / 2;
    bytes[start..].iter_mut().step_by(41).for_each(|byte| *byte ^= 0x80);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_graph_with_other_bytes_is_not_used() {
    let home = Home::new();
    for file in ["trunk.onnx", "head.onnx"] {
        let model = home.import("m", &fixture("tv-pyramid/model.pth"));
        let open = || Model::open(&model).unwrap();
        assert!(open().trunk().as_graph().is_ok() && open().heads()[0].bytes().is_ok());
        flip(&model.join(file));
        let model = open();
        let graph = if file == "trunk.onnx" { model.trunk() } else { model.heads().remove(0) };
        for error in [graph.as_graph().map(|_| ()).unwrap_err(), graph.bytes().map(|_| ()).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains(file) && error.contains("SHA-256") && error.contains("again"), "{error}");
        }
    }
    let model = home.import("c", &fixture("cls-r26/model.pth"));
    flip(&model.join("classifier.onnx"));
    let error = rcnn::internal::model::ClassifierModel::open(&model).unwrap().graph().as_graph().unwrap_err();
    assert!(error.to_string().contains("classifier.onnx"), "{error}");
}

/// A checkpoint that is imported on the way has its files in the cache: damaged ones are made anew.
#[test]
fn a_damaged_import_in_the_cache_is_made_anew() {
    let home = Home::new();
    let checkpoint = fixture("tv-pyramid/model.pth");
    let inspect = || home.rcnn(&[Path::new("inspect"), &checkpoint]);
    assert!(inspect().status.success());
    let folders = fs::read_dir(home.at("cache/imported")).unwrap().map(|entry| entry.unwrap().path());
    let trunk = folders.map(|folder| folder.join("trunk.onnx")).find(|path| path.is_file()).unwrap();
    let whole = fs::read(&trunk).unwrap();
    flip(&trunk);
    let again = inspect();
    assert!(again.status.success() && said(&again).contains("imported again"), "{}", said(&again));
    assert_eq!(fs::read(&trunk).unwrap(), whole);
}

#[test]
fn a_damaged_graph_in_the_cache_is_made_anew() {
    crate::support::runtime();
    let home = Home::new();
    let model = home.import("m", &fixture("tv-pyramid/model.pth"));
    let photos = fixture("images/scene-wide.png");
    let rows = |out: &str| {
        let out = home.at(out);
        let mut args = vec![Path::new("detect"), &photos, Path::new("-m"), &model, Path::new("-o"), &out];
        args.extend(["--no-draw", "--score", "0", "--device", "cpu"].map(Path::new));
        let output = home.rcnn(&args);
        assert!(output.status.success(), "{}", said(&output));
        (fs::read_to_string(out.join("detections.jsonl")).unwrap(), said(&output))
    };
    let kept = || {
        let entries = fs::read_dir(home.at("cache/optimised")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let (first, _) = rows("first");
    let files = kept();
    assert_eq!(files.len(), 1, "{files:?}");
    let whole = fs::read(&files[0]).unwrap();
    assert_eq!(rows("second").0, first);
    assert_eq!(kept(), files);
    flip(&files[0]);
    let (third, notes) = rows("third");
    assert_eq!(third, first);
    assert!(notes.contains("made anew"), "{notes}");
    assert_eq!(fs::read(&kept()[0]).unwrap().len(), whole.len());
    assert!(!rows("fourth").1.contains("made anew"));
}

/// What becomes of a value.
#[derive(Clone, Debug)]
enum Change {
    /// Another value.
    Put(Json),
    /// A number times another, rounded where it was whole.
    Times(f64),
}

/// One value of a `model.json` becomes another.
fn mutated(mut json: Json, place: usize, change: &Change) -> (String, Json) {
    fn places(json: &Json, path: String, all: &mut Vec<String>) {
        let children: Vec<(String, &Json)> = match json {
            Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Json::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (key, value) in children {
            places(value, format!("{path}/{key}"), all);
        }
        // Numbers are changed more often than what holds them.
        all.extend(std::iter::repeat_n(path, if json.is_number() { 4 } else { 1 }));
    }
    let mut all = Vec::new();
    for part in ["conventions", "network"] {
        places(&json[part], format!("/{part}"), &mut all);
    }
    let place = all[place % all.len()].clone();
    let slot = json.pointer_mut(&place).unwrap();
    *slot = match change {
        Change::Put(value) => value.clone(),
        Change::Times(factor) => match (slot.as_u64(), slot.as_f64()) {
            (Some(whole), _) => json!((whole as f64 * factor).round() as u64),
            (None, Some(number)) => json!(number * factor),
            _ => Json::Null,
        },
    };
    (place, json)
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![(0.1f64..3.0).prop_map(Change::Times), values().prop_map(Change::Put),]
}

fn values() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<u64>().prop_map(Json::from),
        (0u64..40).prop_map(Json::from),
        any::<f64>().prop_filter("JSON has no NaN", |value| value.is_finite()).prop_map(Json::from),
        (-1.5f64..1.5).prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
        prop::collection::vec(0u64..9, 0..6).prop_map(Json::from),
        prop::collection::vec(prop::collection::vec(0u64..300, 0..4), 0..7).prop_map(Json::from),
        prop_oneof![
            Just("none"),
            Just("projection"),
            Just("basic"),
            Just("first"),
            Just("fixed"),
            Just("zero")
        ]
        .prop_map(Json::from),
    ]
}

/// Any change of a real `model.json` is refused by a sentence, or the model runs: it finds something or nothing, or says
/// that its graphs are others.
#[test]
fn every_mutation_is_refused_or_runs() {
    let home = Home::new();
    let model = home.import("m", &fixture("tv-pyramid/model.pth"));
    let path = model.join("model.json");
    let whole: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let runtime = crate::support::open();
    let pixels: Vec<u8> = (0..40 * 30 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let photo = Photo { width: 40, height: 30, pixels };
    let options = SessionOptions { device: Device::Cpu, threads: 1, ..SessionOptions::default() };
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let taken = std::cell::Cell::new(0);
    proptest!(config, |(changes in prop::collection::vec((any::<usize>(), changes()), 1..3))| {
        let mut json = whole.clone();
        let mut places = Vec::new();
        for (place, change) in &changes {
            let (place, changed) = mutated(json, *place, change);
            places.push(place);
            json = changed;
            if !json["conventions"].is_object() || !json["network"].is_object() {
                break;
            }
        }
        let text = json.to_string();
        let manifest = match Manifest::from_text(&text, &path) {
            Ok(manifest) => manifest,
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.len() < 2000 && !error.contains(char::is_control), "{error:?}");
                return Ok(());
            }
        };
        taken.set(taken.get() + 1);
        let input = &manifest.conventions.input;
        // What is within limits and large takes long on a small machine.
        let small = input.min_size <= 200 && input.max_size <= 400 && input.pad_to <= 256;
        if small {
            fs::write(&path, &text).unwrap();
            let outcome = Detector::new(&Model::open(&model).unwrap(), &runtime, &options)
                .and_then(|detector| detector.predict(&photo));
            match outcome {
                Ok(found) => prop_assert!(found.iter().all(|one| one.score.is_finite()), "{places:?}"),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    });
    let taken = taken.get();
    assert!(taken >= 40, "only {taken} were taken: the limits are too tight, or the mutations too wild");
}

/// A cache that cannot be written is no reason to do without the model.
#[test]
fn without_a_cache_a_checkpoint_is_imported_every_time() {
    let home = Home::new();
    // A file in the folder's place: root may write into any folder.
    fs::write(home.at("cache"), "").unwrap();
    let output = home.rcnn(&[Path::new("inspect"), &fixture("tv-pyramid/model.pth")]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("imported anew every time"), "{}", said(&output));
}
