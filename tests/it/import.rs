//! `rcnn import` and `rcnn inspect` from outside: what they print, what they refuse, and how they compare.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcnn::internal::checkpoint::Checkpoint;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

pub(crate) fn rcnn(home: &Path, args: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rcnn")).args(args).env("RCNN_CACHE", home).output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

pub(crate) fn path(text: &str) -> &Path {
    Path::new(text)
}

/// A fixture's checkpoint alone, with no config beside it.
fn alone(home: &Path, name: &str) -> PathBuf {
    let copy = home.join("alone.pth");
    fs::copy(fixture(name).join("model.pth"), &copy).unwrap();
    copy
}

/// A tensor: its name, shape and values.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// A fixture's tensors, each as `change` wants it (not at all, or several times), in a file of their own.
pub(crate) fn changed(home: &Path, name: &str, change: impl Fn(Named) -> Vec<Named>) -> PathBuf {
    let model = ["model.pth", "model.pkl"].map(|file| fixture(name).join(file));
    let checkpoint = Checkpoint::open(model.iter().find(|path| path.is_file()).unwrap()).unwrap();
    // Counters of whole numbers are no weights.
    let floats = checkpoint.tensors().filter_map(|tensor| {
        Some((tensor.name().to_owned(), tensor.shape().to_vec(), tensor.to_f32(&checkpoint).ok()?))
    });
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in floats.flat_map(change) {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name, entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let file = home.join(format!("{name}.safetensors"));
    fs::write(&file, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()).unwrap();
    file
}

#[test]
fn what_was_read_and_what_was_assumed_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (model, out) = (alone(home.path(), "tv-pyramid"), home.path().join("m"));
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
    let (model, out) = (alone(home.path(), "mm-r50-fpn"), home.path().join("m"));
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
fn a_config_beside_the_checkpoint_is_read() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("m");
    let beside = home.path().join("d2");
    fs::create_dir(&beside).unwrap();
    for name in ["model.pth", "config.yaml"] {
        fs::copy(fixture("d2-x101").join(name), beside.join(name)).unwrap();
    }
    let report = json(&rcnn(
        home.path(),
        &[path("import"), &beside.join("model.pth"), path("-o"), &out, path("--json")],
    ));
    assert!(report["assumed"].get("min_size").is_none(), "{report}");
    // detectron2's YAML says nothing of torchvision's files.
    fs::copy(fixture("tv-pyramid/model.pth"), beside.join("model.pth")).unwrap();
    let report = json(&rcnn(
        home.path(),
        &[path("import"), &beside.join("model.pth"), path("-o"), &out, path("--json")],
    ));
    assert_eq!(report["assumed"]["min_size"], 800, "{report}");
    // Our own JSON goes with every family.
    let model = fixture("tv-pyramid/model.pth");
    let report = json(&rcnn(home.path(), &[path("import"), &model, path("-o"), &out, path("--json")]));
    assert_eq!(report["classes"][0]["name"], "disc");
}

#[test]
fn a_model_agrees_with_its_framework_and_another_parts_at_a_named_stage() {
    crate::support::runtime();
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
    let model = alone(home.path(), "tv-pyramid");
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

#[test]
fn what_others_keep_in_a_folder_stays() {
    let home = tempfile::tempdir().unwrap();
    let model = fixture("tv-pyramid/model.pth");
    let import = |model: &Path, out: &Path| rcnn(home.path(), &[path("import"), model, path("-o"), out]);
    // TensorFlow.js has a model.json too.
    let foreign = home.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let theirs = "{\"format\": \"layers-model\", \"weightsManifest\": []}";
    for (name, text) in [("model.json", theirs), ("group1-shard1of1.bin", "weights")] {
        fs::write(foreign.join(name), text).unwrap();
    }
    let output = import(&model, &foreign);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("other files"), "{}", said(&output));
    assert_eq!(fs::read_to_string(foreign.join("model.json")).unwrap(), theirs);
    assert_eq!(fs::read_to_string(foreign.join("group1-shard1of1.bin")).unwrap(), "weights");

    // A model of ours is replaced, and what the user has put beside it is not.
    let ours = home.path().join("ours");
    assert!(import(&model, &ours).status.success());
    fs::write(ours.join("README.md"), "mine").unwrap();
    fs::create_dir(ours.join("runs")).unwrap();
    let output = import(&fixture("cls-r26/model.pth"), &ours);
    assert!(output.status.success(), "{}", said(&output));
    let mut names: Vec<_> =
        fs::read_dir(&ours).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["README.md", "classifier.onnx", "model.json", "runs"]);
}

#[test]
fn an_empty_folder_can_be_the_one_we_are_in() {
    let (home, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = here.path().join("mine");
    fs::create_dir(&here).unwrap();
    let model = fixture("tv-pyramid/model.pth");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.arg("import").arg(&model).args(["-o", ".", "--json"]).current_dir(&here);
    let output = command.env("RCNN_CACHE", home.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(json(&output)["name"], "mine");
    assert!(here.join("trunk.onnx").is_file());
}

/// mmdetection names several convolutions of the RPN in another way than one, with a ReLU behind each. A second that
/// gives back what it gets, which is above 0, changes nothing of what the framework computed.
#[test]
fn several_convolutions_of_mmdetections_rpn_are_read() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "mm-r50-fpn", |(name, shape, values)| {
        let Some(part) = name.strip_prefix("rpn_head.rpn_conv.") else { return vec![(name, shape, values)] };
        let same = match shape[..] {
            [outputs, inputs, 3, 3] => {
                let centre = |i: usize| i % 9 == 4 && i / 9 % inputs == i / 9 / inputs;
                (0..outputs * inputs * 9).map(|i| f32::from(u8::from(centre(i)))).collect()
            }
            _ => vec![0.0; values.len()],
        };
        let named = |i: usize| format!("rpn_head.rpn_conv.{i}.conv.{part}");
        vec![(named(0), shape.clone(), values), (named(1), shape, same)]
    });
    let (out, folder) = (home.path().join("m"), fixture("mm-r50-fpn"));
    let config = folder.join("import.json");
    let args = [path("import"), &model, path("-o"), &out, path("--config"), &config, path("--json")];
    let report = json(&rcnn(home.path(), &args));
    assert_eq!(report["network"]["rpn"]["convs"], serde_json::json!([12, 12]), "{report}");
    crate::support::runtime();
    let output = rcnn(home.path(), &[&args[..], &[path("--verify"), &folder]].concat());
    assert_eq!(json(&output)["verify"]["agrees"], true, "{}", said(&output));
}

#[test]
fn without_a_layer_that_shapes_do_not_miss_nothing_is_imported() {
    let home = tempfile::tempdir().unwrap();
    for (fixture, missing) in [
        ("tv-pyramid", "rpn.head.conv"),
        ("tv-pyramid", "roi_heads.box_head.fc7"),
        ("d2-x101", "proposal_generator.rpn_head.conv"),
        ("c2-r50-c4", "conv_rpn_"),
        ("mm-r50-fpn", "rpn_head.rpn_conv"),
        ("tv-mask-v2", "roi_heads.mask_predictor.conv5_mask"),
        ("mm-cascade-mask", "roi_head.bbox_head.1."),
        ("mm-cascade-mask", "roi_head.bbox_head.2.fc_reg"),
        ("mm-cascade-mask", "roi_head.mask_head.1.upsample"),
    ] {
        let model = changed(home.path(), fixture, |tensor| {
            if tensor.0.starts_with(missing) { Vec::new() } else { vec![tensor] }
        });
        let out = home.path().join("m");
        let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &out]);
        assert_eq!(output.status.code(), Some(1), "{fixture} without {missing}: {}", said(&output));
        assert!(said(&output).contains(&format!("missing: `{missing}")), "{}", said(&output));
        assert!(!out.exists());
    }
}

/// As mmdetection's FPN with `add_extra_convs` has it: boxes would be wrong without it.
#[test]
fn layers_of_the_pyramid_that_are_not_known_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "mm-r50-fpn", |(name, shape, values)| {
        let extra = name.replace("neck.fpn_convs.3.", "neck.fpn_convs.4.");
        let more = (extra != name).then(|| (extra, shape.clone(), values.clone()));
        [Some((name, shape, values)), more].into_iter().flatten().collect()
    });
    let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &home.path().join("m")]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("`neck.fpn_convs.4.conv.weight`"), "{}", said(&output));
}

#[test]
fn what_an_import_by_the_way_assumed_is_told_each_time() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "tv-pyramid", |tensor| {
        let extra = ("extra.weight".to_owned(), vec![1], vec![1.0]);
        if tensor.0 == "rpn.head.cls_logits.bias" { vec![tensor, extra] } else { vec![tensor] }
    });
    for run in 0..2 {
        let output = rcnn(home.path(), &[path("inspect"), &model]);
        assert!(output.status.success(), "{}", said(&output));
        let notes = said(&output);
        assert!(notes.contains("note: tensors that nothing uses: `extra.weight`\n"), "{run}: {notes}");
        assert!(
            notes.contains("note: taken as torchvision's defaults") && notes.contains(" anchors 32 to 512, "),
            "{run}: {notes}"
        );
    }
    let folder = home.path().join("d");
    fs::create_dir(&folder).unwrap();
    fs::copy(&model, folder.join("m.safetensors")).unwrap();
    fs::copy(fixture("tv-pyramid/import.json"), folder.join("import.json")).unwrap();
    let notes = said(&rcnn(home.path(), &[path("inspect"), &folder.join("m.safetensors")]));
    assert!(notes.contains("import.json` beside the checkpoint is read"), "{notes}");
}

#[test]
fn several_programs_may_use_a_new_checkpoint_at_once() {
    let home = tempfile::tempdir().unwrap();
    let model = alone(home.path(), "tv-pyramid");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        command.arg("inspect").arg(&model).env("RCNN_CACHE", home.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..6).map(|_| start()).collect();
    for program in running {
        let output = program.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let kept = fs::read_dir(home.path().join("imported")).unwrap();
    let kept = kept.filter(|entry| entry.as_ref().unwrap().path().join("model.json").is_file());
    assert_eq!(kept.count(), 1);
}

#[test]
fn a_model_folder_that_is_not_whole_is_told_with_a_cure() {
    let home = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("tv-pyramid/model.pth"), home.path().join("m"));
    assert!(rcnn(home.path(), &[path("import"), &model, path("-o"), &out]).status.success());
    let fails = |words: &[&str]| {
        let output = rcnn(home.path(), &[path("inspect"), &out]);
        let error = said(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let (trunk, json) = (out.join("trunk.onnx"), out.join("model.json"));
    let (whole, text) = (fs::read(&trunk).unwrap(), fs::read_to_string(&json).unwrap());
    fs::write(&trunk, &whole[..whole.len() / 2]).unwrap();
    fails(&["trunk.onnx", &(whole.len() / 2).to_string(), "copy the model's folder again"]);
    fs::write(&trunk, whole).unwrap();
    for (right, wrong) in [("\"groups\": 1", "\"groups\": 0"), ("\"kernel\": 7", "\"kernel\": 0")] {
        assert!(text.contains(right));
        fs::write(&json, text.replace(right, wrong)).unwrap();
        fails(&["model.json", "is 0: 1 to"]);
    }
}

#[test]
fn classifiers_are_found_by_name_and_with_the_config_beside_them() {
    let home = tempfile::tempdir().unwrap();
    let model = fixture("cls-r26/model.pth");
    let classes = Checkpoint::open(&model).unwrap().tensor("fc.weight").unwrap().shape()[0];
    // In the cache, where `pull` puts them, and in `./models`.
    for folder in [home.path().join("models/cached"), home.path().join("here/models/near")] {
        let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &folder]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let inspect = |model: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
        command.args(["inspect", "--json"]).arg(model).current_dir(home.path().join("here"));
        command.env("RCNN_CACHE", home.path()).output().unwrap()
    };
    for name in ["cached", "near"] {
        assert_eq!(json(&inspect(path(name)))["kind"], "classifier");
    }
    let beside = home.path().join("beside");
    fs::create_dir(&beside).unwrap();
    fs::copy(&model, beside.join("model.pth")).unwrap();
    let names: Vec<String> = (0..classes).map(|i| format!("sort {i}")).collect();
    fs::write(beside.join("import.json"), serde_json::json!({"classes": names}).to_string()).unwrap();
    let output = inspect(&beside.join("model.pth"));
    assert_eq!(json(&output)["classes"][0], "sort 0", "{}", said(&output));
    assert!(said(&output).contains("import.json` beside the checkpoint is read"), "{}", said(&output));
    // `classify` looks in the same places.
    let classify = |name: &str| {
        let args = [path("classify"), &fixture("images/scene-wide.png"), path("-m"), path(name)];
        rcnn(home.path(), &args)
    };
    let unknown = said(&classify("none"));
    assert!(unknown.contains("no model `none`") && unknown.contains("cached"), "{unknown}");
    assert!(said(&classify("fod-r18")).contains("`rcnn detect` takes it"));
    crate::support::runtime();
    assert!(classify("cached").status.success(), "{}", said(&classify("cached")));
}
