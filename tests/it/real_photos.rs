//! A trained model on the photos that it was tested on: torchvision's own boxes, and pycocotools' AP of them.
//! Both are not part of this repository; without them beside it the test says so and passes.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that fails may say so by panicking.

use std::collections::HashMap;
use std::path::Path;

use crate::support::Place;
use serde_json::Value;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Corners, class and score of detections by image.
fn by_image(results: &Value) -> HashMap<u64, Vec<(u64, f64, Vec<f64>)>> {
    let mut found: HashMap<u64, Vec<_>> = HashMap::new();
    for result in results.as_array().unwrap() {
        let b = numbers(&result["bbox"]);
        let corners = vec![b[0], b[1], b[0] + b[2], b[1] + b[3]];
        let row = (result["category_id"].as_u64().unwrap(), result["score"].as_f64().unwrap(), corners);
        found.entry(result["image_id"].as_u64().unwrap()).or_default().push(row);
    }
    found
}

#[test]
fn a_trained_model_gives_torchvisions_boxes_and_ap() {
    let (Some(photos), Some(model)) =
        (crate::support::shared("data/fod/test"), crate::support::shared("models/fod-r18"))
    else {
        return;
    };
    let annotations = photos.join("annotations.json").display().to_string();
    let images = photos.join("images").display().to_string();
    let place = Place::new();
    let weights = model.display().to_string();
    place.rcnn(&["detect", &images, "-m", &weights, "-a", &annotations, "-o", "out", "--no-draw"]).expect(0);
    let (expected, found) =
        (by_image(&read(&model.join("expected-test.json"))), by_image(&place.json("out/detections.json")));
    assert_eq!(expected.len(), found.len());
    let (mut worst_box, mut worst_score) = (0f64, 0f64);
    for (image, expected) in &expected {
        let found = &found[image];
        assert_eq!(found.len(), expected.len(), "image {image}");
        for (a, b) in expected.iter().zip(found) {
            // Both stand by falling score, and no two scores here are near enough to change places.
            assert_eq!(a.0, b.0, "image {image}");
            worst_score = worst_score.max((a.1 - b.1).abs());
            worst_box = a.2.iter().zip(&b.2).map(|(a, b)| (a - b).abs()).fold(worst_box, f64::max);
        }
    }
    assert!(worst_box <= 0.05 && worst_score <= 1e-3, "{worst_box} px, {worst_score}");
    let ended =
        place.rcnn(&["evaluate", "-a", &annotations, "-r", "out/detections.json", "--json"]).expect(0);
    let judged: Value = serde_json::from_str(&ended.out).unwrap();
    let ap = read(&model.join("ap.json"));
    let names = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100"];
    for (name, found) in names.into_iter().zip(numbers(&judged["stats"])) {
        assert!((found - ap[name].as_f64().unwrap()).abs() <= 0.002, "{name}: {found}");
    }
}
