//! The first minutes with the program: no folder named, another program's options, class names in any script.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Place;
use serde_json::json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

#[test]
fn results_without_a_named_folder_go_into_the_next_free_one() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    let run = |options: &[&str]| place.rcnn(&[&["detect", "photos"], options].concat()).expect(0).out;
    assert!(run(&[]).contains("results in `rcnn-out`"));
    // The same command goes on where it stopped; another takes another folder.
    assert!(run(&[]).contains("results in `rcnn-out`"));
    assert!(run(&["--score", "0.3"]).contains("results in `rcnn-out-2`"));
    assert!(!place.at("rcnn-out-3").exists());
}

#[test]
fn the_summary_tells_boxes_that_are_drawn_from_those_that_are_kept() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a.jpg"), ("plain.png", "b.png")]);
    let out = place
        .rcnn(&["detect", "photos", "-o", "out", "--score", "0.001", "--draw-score", "0.02"])
        .expect(0)
        .out;
    let scores: Vec<f64> = place
        .json("out/detections.json")
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["score"].as_f64().unwrap())
        .collect();
    let drawn = scores.iter().filter(|score| **score >= 0.02).count();
    assert!(out.starts_with(&format!("2 photos, {drawn} boxes of score 0.02 or more, in ")), "{out}");
    assert!(out.contains(&format!("{} boxes of lower score, from 0.001 up", scores.len() - drawn)), "{out}");
    assert!(out.contains("pictures with boxes in `out/annotated`"), "{out}");
    let again = place
        .rcnn(&["detect", "photos", "-o", "out", "--score", "0.001", "--draw-score", "0.02"])
        .expect(0)
        .out;
    assert!(!again.contains("a second") && !again.contains("bottleneck"), "nothing ran: {again}");
}

#[test]
fn a_folder_of_photos_does_not_hide_the_model_of_its_name() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    for name in ["fod-r18", "coco"] {
        fs::rename(place.at("photos"), place.at(name)).unwrap();
        let ended = place.rcnn(&["detect", name, "-m", name, "-o", "out", "--offline"]);
        match name {
            "fod-r18" => assert_eq!(ended.code, 0, "{}", ended.err),
            _ => assert!(ended.err.contains("--offline forbids to fetch it"), "{}", ended.err),
        }
        fs::rename(place.at(name), place.at("photos")).unwrap();
    }
}

#[test]
fn arguments_of_another_kind_are_called_what_they_are() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    place.write("gt.json", br#"{"images": [], "annotations": [], "categories": []}"#);
    place.write("found.json", br#"[{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5}]"#);
    for (line, told) in [
        ("inspect photos", "`photos` is a folder of photos, and a model is wanted"),
        ("detect photos -m gt.json", "`gt.json` holds COCO annotations, and a model is wanted"),
        ("detect gt.json", "`gt.json` holds COCO annotations, and photos are wanted"),
        (
            "evaluate -a found.json -r gt.json",
            "`found.json` holds COCO results, and COCO annotations are wanted",
        ),
        ("evaluate -a gt.json -r photos", "`photos` is a folder of photos, and results are wanted"),
        ("report found.json -o r.html", "`found.json` holds COCO results, and a run's folder is wanted"),
        ("merge gt.json -o out", "`gt.json` holds COCO annotations, and the folder of a shard is wanted"),
    ] {
        let ended = place.rcnn(&line.split(' ').collect::<Vec<_>>());
        assert!(ended.code == 1 || ended.code == 2, "{line}: {}", ended.code);
        assert!(ended.err.contains(told), "{line}: {}", ended.err);
    }
    assert!(!place.at("rcnn-out").exists() && !place.at("out").exists(), "nothing is made");
    // A file that is no photo among those that are is a photo that fails, as it always was.
    place.rcnn(&["detect", "photos", "gt.json", "-o", "out"]).expect(3);
}

#[test]
fn options_of_other_programs_are_answered_with_ours() {
    let place = Place::new();
    let told = place.rcnn(&["detect", "photos", "--conf", "0.3"]).expect(2).err;
    assert!(told.contains("here it is `--score`"), "{told}");
}

/// A script whose letters join is never drawn, whatever fonts there are.
#[test]
fn class_names_that_no_font_can_write_are_shown_by_their_ids() {
    let place = Place::new();
    let fixture = golden("tv-plain");
    place.write("photos/a.png", &fs::read(fixture.with_file_name("images/shapes.png")).unwrap());
    let drawn = |first_id: usize, out: &str| {
        let text = fs::read_to_string(fixture.join("import.json")).unwrap();
        let mut options: serde_json::Value = serde_json::from_str(&text).unwrap();
        options["classes"] = (0..4).map(|place| json!({"id": first_id + place, "name": "नमस्ते"})).collect();
        let config = format!("{out}.json");
        place.write(&config, options.to_string().as_bytes());
        let checkpoint = fixture.join("model.pth").display().to_string();
        place.rcnn(&["import", &checkpoint, "-o", &format!("{out}-model"), "--config", &config]).expect(0);
        let model = format!("{out}-model");
        let ended =
            place.rcnn(&["detect", "photos", "-m", &model, "-o", out, "--score", "0", "--draw-score", "0"]);
        let told = ended.expect(0).err;
        assert!(told.contains("4 of 4 class names") && told.contains("pictures show their ids"), "{told}");
        fs::read(place.at(&format!("{out}/annotated/a.png"))).unwrap()
    };
    assert_ne!(drawn(1, "low"), drawn(7, "high"));
}

#[test]
fn a_font_that_cannot_be_used_is_told_before_anything_is_made() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    place.write("font.ttf", b"no font");
    let told = place.rcnn(&["detect", "photos", "-o", "out", "--font", "font.ttf"]).expect(1).err;
    assert!(told.contains("font.ttf") && told.contains("neither a TrueType"), "{told}");
    assert!(!place.at("out").exists());
}

/// What was assumed becomes a file; given back it assumes nothing, and a change in it counts.
#[test]
fn a_template_holds_what_was_assumed_and_makes_the_same_model() {
    let place = Place::new();
    let model = fs::read(golden("tv-pyramid").join("model.pth")).unwrap();
    place.write("mine.pth", &model);
    place.rcnn(&["import", "mine.pth", "-o", "plain", "--template", "options.json"]).expect(0);
    let mut options = place.json("options.json");
    assert_eq!((&options["min_size"], &options["norm_eps"]), (&800.into(), &1e-5.into()));
    assert_eq!(
        (&options["family"], options["classes"].as_array().map(Vec::len)),
        (&"torchvision".into(), Some(4))
    );
    let again =
        place.rcnn(&["import", "mine.pth", "-o", "again", "--config", "options.json", "--json"]).expect(0);
    let report: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(report["assumed"], json!({}));
    for key in ["conventions", "classes", "network"] {
        assert_eq!(place.json("plain/model.json")[key], place.json("again/model.json")[key], "{key}");
    }
    options["score_threshold"] = 0.75.into();
    place.write("options.json", options.to_string().as_bytes());
    place.write("names.txt", b"disc\nbar\n\nring\npatch\n");
    place.photos(&[("plain.png", "a.png")]);
    let line = [
        "detect",
        "photos",
        "-m",
        "mine.pth",
        "--config",
        "options.json",
        "--names",
        "names.txt",
        "-o",
        "out",
    ];
    place.rcnn(&line).expect(0);
    let record = place.json("out/run.json");
    assert_eq!(record["settings"]["score"], 0.75);
    let names: Vec<_> = place.json("out/images.json")["categories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["name"].clone())
        .collect();
    assert_eq!(names, ["disc", "bar", "ring", "patch"]);
}

#[test]
fn what_was_assumed_is_one_short_sentence() {
    let place = Place::new();
    place.write("mine.pth", &fs::read(golden("tv-pyramid").join("model.pth")).unwrap());
    place.photos(&[("plain.png", "a.png")]);
    let told = place.rcnn(&["detect", "photos", "-m", "mine.pth", "-o", "out", "--no-draw"]).expect(0).err;
    assert!(
        told.contains("taken as torchvision's defaults, as no tensor and no config says it: min_size 800, max_size 1333, anchors 32 to 512, norm_eps 0.00001 and "),
        "{told}"
    );
    let wrong = place.rcnn(&["detect", "photos", "-m", "fod-r18", "--names", "names.txt"]).expect(2).err;
    assert!(wrong.contains("go with a checkpoint file"), "{wrong}");
}
