//! `rcnn import` and `rcnn inspect` from outside: what they print, what they refuse, and how they compare.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

fn rcnn(home: &Path, args: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rcnn")).args(args).env("RCNN_CACHE", home).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn path(text: &str) -> &Path {
    Path::new(text)
}

/// Whether ONNX Runtime is here, without which nothing can be compared.
fn runtime() -> bool {
    let opened =
        rcnn::runtime::Runtime::open(&rcnn::runtime::Options::default(), &mut |line| println!("{line}"));
    if let Err(error) = &opened {
        println!("skipped: {error}");
    }
    opened.is_ok()
}

#[test]
fn what_was_read_and_what_was_assumed_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("tv-pyramid/model.pth"), home.path().join("m"));
    let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &out]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap().replace(&out.display().to_string(), "OUT");
    insta::assert_snapshot!(text, @r#"
    OUT: ResNet-20 of the family torchvision
    read from the tensors:
      backbone: ResNet-20, bottlenecks 1-2-1-2, stem of 64 channels, stages of 8, 16, 32, 64
      features: pyramid of 4 levels with 8 channels and an extra one for the RPN
      RPN: 1 convolution(s), 3 anchors a position
      head: pooled 7x7, linear layers of 16, 16, 4 classes
      classes: 4 (class 1, class 2, class 3, class 4)
    assumed, as no tensor and no config says it:
      anchor_ratios [[0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2]]
      anchor_sizes [[32], [64], [128], [256], [512]]
      box_weights [10, 10, 5, 5]
      channel_order "rgb"
      detections_per_image 100
      dilation 1
      max_size 1333
      mean [0.485, 0.456, 0.406]
      min_size 800
      nms_threshold 0.5
      norm_eps 0.00001
      pad_to 32
      roi_aligned false
      roi_sampling_ratio 2
      rpn_nms_threshold 0.7
      rpn_post_nms_top_n 1000
      rpn_pre_nms_top_n 1000
      rpn_score_threshold 0
      score_threshold 0.05
      std [0.229, 0.224, 0.225]
      stride_in_1x1 false
      value_range "unit"
    "#);
}

#[test]
fn nothing_is_assumed_where_the_file_says_it() {
    let home = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("mm-r50-fpn/model.pth"), home.path().join("m"));
    let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &out, path("--json")]);
    let report = json(&output);
    assert_eq!((&report["family"], &report["classes"][0]["name"]), (&"mmdet".into(), &"thing-0".into()));
    let mut assumed: Vec<_> = report["assumed"].as_object().unwrap().keys().cloned().collect();
    assumed.retain(|key| {
        !["dilation", "norm_eps", "roi_aligned", "rpn_score_threshold"].contains(&key.as_str())
    });
    assert!(assumed.is_empty(), "{assumed:?}");
}

#[test]
fn a_model_agrees_with_its_framework_and_another_parts_at_a_named_stage() {
    if !runtime() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (folder, out) = (fixture("tv-pyramid"), home.path().join("m"));
    let (model, told) = (folder.join("model.pth"), folder.join("import.json"));
    let verified = |config: &Path| {
        let args = [
            path("import"),
            &model,
            path("-o"),
            &out,
            path("--config"),
            config,
            path("--verify"),
            &folder,
            path("--json"),
        ];
        rcnn(home.path(), &args)
    };
    let output = verified(&told);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(json(&output)["verify"]["agrees"], true);

    // Another eps shows in the features, another resize in the input: before that everything agrees.
    for (key, value, stage) in [("norm_eps", "0.05", "features.0"), ("mean", "[0.5, 0.456, 0.406]", "input")]
    {
        let mut options: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&told).unwrap()).unwrap();
        options[key] = serde_json::from_str(value).unwrap();
        let config = home.path().join("other.json");
        fs::write(&config, options.to_string()).unwrap();
        let output = verified(&config);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert_eq!(json(&output)["verify"]["first_difference"]["stage"], stage, "{key}");
    }
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let model = fixture("tv-pyramid/model.pth");
    let write = |name: &str, text: &str| {
        let file = home.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let unknown_key = write("a.json", "{\"min_sise\": 800}");
    let wrong_count = write("b.json", "{\"classes\": [\"a\", \"b\"]}");
    let contradiction = write("c.json", "{\"groups\": 32}");
    let retina = write("d.yaml", "MODEL: {META_ARCHITECTURE: RetinaNet}");
    let occupied = home.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("letter.txt"), "dear").unwrap();
    let (out, nowhere) = (home.path().join("m"), home.path().join("nowhere.pth"));
    let cases: [(Vec<&Path>, &[&str]); 7] = [
        (vec![&model, path("-o"), &out, path("--config"), &unknown_key], &["min_sise", "a.json"]),
        (vec![&model, path("-o"), &out, path("--config"), &wrong_count], &["2 classes", "has 4"]),
        (
            vec![&model, path("-o"), &out, path("--config"), &contradiction],
            &["groups is 32", "tensors show 1"],
        ),
        (vec![&model, path("-o"), &out, path("--config"), &retina], &["META_ARCHITECTURE"]),
        (vec![&model, path("-o"), &occupied], &["occupied", "other files"]),
        (vec![&nowhere, path("-o"), &out], &["nowhere.pth"]),
        (
            vec![&model, path("-o"), &out, path("--family"), path("keras")],
            &["keras", "torchvision, detectron2"],
        ),
    ];
    for (args, words) in cases {
        let output = rcnn(home.path(), &[&[path("import")], args.as_slice()].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let error = said(&output);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!out.exists(), "{args:?} left something behind");
    }
    assert_eq!(fs::read_to_string(occupied.join("letter.txt")).unwrap(), "dear");
}

#[test]
fn the_kinds_of_models_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let (classifier, out) = (fixture("cls-r26/model.pth"), home.path().join("c"));
    let output = rcnn(home.path(), &[path("import"), &classifier, path("-o"), &out]);
    assert!(output.status.success(), "{}", said(&output));
    let output = rcnn(
        home.path(),
        &[path("detect"), &fixture("images"), path("-m"), &out, path("-o"), &home.path().join("o")],
    );
    assert!(!output.status.success() && said(&output).contains("rcnn classify"), "{}", said(&output));
    let sheet = json(&rcnn(home.path(), &[path("inspect"), &out, path("--json")]));
    assert_eq!((&sheet["kind"], &sheet["stride"]), (&"classifier".into(), &32.into()));
}

#[test]
fn inspect_shows_the_papers_table() {
    let home = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("d2-x101/model.pth"), home.path().join("m"));
    let config = fixture("d2-x101/config.yaml");
    let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &out, path("--config"), &config]);
    assert!(output.status.success(), "{}", said(&output));
    let sheet =
        json(&rcnn(home.path(), &[path("inspect"), &out, path("--json"), path("--size"), path("128x192")]));
    let row = &sheet["table"][3];
    assert_eq!(
        (&row["name"], &row["stride"], &row["output"]),
        (&"conv4_x".into(), &16.into(), &serde_json::json!([8, 12]))
    );
    assert!(row["layers"].as_str().unwrap().contains("C=8"), "{row}");
    // The table holds every weight, and of the parameters the biases: 12 in each of eight pyramid layers, 12 + 3 + 12
    // in the RPN, 32 + 32 + 8 + 28 in the head.
    let weights: u64 =
        sheet["table"].as_array().unwrap().iter().map(|row| row["weights"].as_u64().unwrap()).sum();
    assert_eq!(weights + 8 * 12 + 27 + 100, sheet["parameters"]["without_norms"].as_u64().unwrap());
    assert_eq!(sheet["conventions"]["input"]["min_size"], 128);
}
