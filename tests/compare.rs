//! `rcnn compare` as its user sees it; its numbers are held against evaluate's.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

mod support;

use std::path::Path;

use serde_json::Value;
use support::Place;

fn debris(inner: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris").join(inner).display().to_string()
}

#[test]
fn numbers_are_those_of_detect_and_evaluate() {
    let place = Place::new();
    let (annotations, photos) = (debris("annotations.json"), debris("images"));
    place.rcnn(&["detect", &photos, "-a", &annotations, "-o", "run", "--no-draw"]).expect(0);
    let ended =
        place.rcnn(&["evaluate", "-a", &annotations, "-r", "run/detections.json", "--json"]).expect(0);
    let alone: Value = serde_json::from_str(&ended.out).unwrap();
    // A second opinion that is worse: half of the detections.
    let all = place.json("run/detections.json");
    let half: Vec<&Value> = all.as_array().unwrap().iter().step_by(2).collect();
    place.write("half.json", serde_json::to_string(&half).unwrap().as_bytes());
    let arguments = [
        "compare",
        "-a",
        &annotations,
        "-i",
        &photos,
        "-o",
        "out",
        "--bootstrap",
        "200",
        "--json",
        "fod-r18",
    ];
    let ended = place.rcnn(&[&arguments[..], &["half.json"]].concat()).expect(0);
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    let (first, second) = (&compared["models"][0], &compared["models"][1]);
    assert_eq!((first["name"].as_str(), second["name"].as_str()), (Some("fod-r18"), Some("half")));
    assert_eq!(first["stats"], alone["stats"]);
    assert_eq!(first["costs"]["parameters"], 2_425_039);
    assert!(first["costs"]["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!((&first["difference"], &second["costs"]), (&Value::Null, &Value::Null));
    let (ap, half_ap) = (first["stats"][0].as_f64().unwrap(), second["stats"][0].as_f64().unwrap());
    let difference = &second["difference"];
    assert!((difference["stats"][0].as_f64().unwrap() - (half_ap - ap)).abs() < 1e-12);
    assert!((difference["relative"].as_f64().unwrap() - (half_ap - ap) / ap).abs() < 1e-12);
    assert_eq!(difference["within_noise"], false);
    assert!(place.read("out/compare.md").starts_with("| model | AP |"));
    assert!(place.read("out/compare.svg").starts_with("<svg"));
    image::open(place.at("out/compare.png")).unwrap();
}

/// Two rungs of the ladder, each judged by itself and beside the other.
#[test]
fn two_rungs_have_the_numbers_that_each_has_alone() {
    let place = Place::new();
    let (annotations, photos) = (debris("annotations.json"), debris("images"));
    let rungs = ["plain-18", "resnet-18"];
    let folder =
        |rung: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(rung).display().to_string();
    let folders = rungs.map(folder);
    let alone = [0, 1].map(|k| {
        place
            .rcnn(&["detect", &photos, "-m", &folders[k], "-a", &annotations, "-o", rungs[k], "--no-draw"])
            .expect(0);
        let results = format!("{}/detections.json", rungs[k]);
        let ended = place.rcnn(&["evaluate", "-a", &annotations, "-r", &results, "--json"]).expect(0);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    });
    let compare = ["compare", "-a", &annotations, "-i", &photos, "--bootstrap", "100", "--json"];
    let ended = place.rcnn(&[&compare[..], &[&folders[0], &folders[1]]].concat()).expect(0);
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    for k in [0, 1] {
        assert_eq!(compared["models"][k]["name"], rungs[k]);
        assert_eq!(compared["models"][k]["stats"], alone[k]["stats"]);
    }
}

#[test]
fn the_same_results_twice_are_within_the_noise() {
    let place = Place::new();
    place.write(
        "gt.json",
        br#"{"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
             "categories": [{"id": 1, "name": "bolt"}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0},
                             {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}]}"#,
    );
    place.write("a.json", br#"[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}]"#);
    let ended = place.rcnn(&["compare", "-a", "gt.json", "a.json", "a.json"]).expect(0);
    assert!(
        ended
            .out
            .contains("a (2) against a: AP +0.000 (+0.0 %), in 95 % from +0.000 to +0.000: within the noise")
    );
    let ended = place.rcnn(&["compare", "-a", "gt.json", "fod-r18"]).expect(2);
    assert_eq!(ended.err, "rcnn: models need photos to run on: give them with -i\n");
    let ended = place.rcnn(&["compare", "-a", "gt.json", "gone.json"]).expect(2);
    assert!(!ended.err.is_empty());
}
