//! Several trainings of one model in `rcnn compare`: a difference is real only against photos and trainings alike.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use crate::support::Place;
use serde_json::{Value, json};

/// A bolt on each of 40 photos, two photos of each video, and trainings that find those of the first so many.
fn trainings(place: &Place, counts: &[(&str, u32)]) {
    let images: Vec<Value> =
        (1..=40).map(|id| json!({"id": id, "file_name": format!("{id}.jpg"), "video": id / 2})).collect();
    let bolt = |id: u32| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0, "score": 0.9});
    let objects: Vec<Value> = (1..=40).map(bolt).collect();
    let gt = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": objects});
    place.write("gt.json", gt.to_string().as_bytes());
    for (name, count) in counts {
        let found: Vec<Value> = (1..=*count).map(bolt).collect();
        place.write(&format!("{name}.json"), json!(found).to_string().as_bytes());
    }
}

#[test]
fn trainings_are_judged_as_one() {
    let place = Place::new();
    trainings(&place, &[("a", 12), ("b", 16), ("c", 34), ("d", 38)]);
    let groups = ["--group", "small=a.json,b.json", "--group", "large=c.json,d.json", "--cluster", "video"];
    let compare = [&["compare", "-a", "gt.json", "--bootstrap", "200"], &groups[..]].concat();
    let ended = place.rcnn(&[&compare[..], &["--json"]].concat()).expect(0);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let models = document["models"].as_array().unwrap();
    assert_eq!((&models[0]["name"], &models[1]["name"]), (&json!("small"), &json!("large")));
    let number = |value: &Value| value.as_f64().unwrap();
    let aps = |model: &Value| -> Vec<f64> {
        model["trainings"]["ap"].as_array().unwrap().iter().map(number).collect()
    };
    let (small, large) = (aps(&models[0]), aps(&models[1]));
    assert!((number(&models[1]["stats"][0]) - (large[0] + large[1]) / 2.0).abs() < 1e-12);
    // Student's interval with two degrees of freedom, by hand.
    let spread = |aps: &[f64]| (aps[0] - aps[1]).powi(2) / 2.0;
    let deviation = ((spread(&small) + spread(&large)) / 2.0).sqrt();
    let gain = (large[0] + large[1] - small[0] - small[1]) / 2.0;
    let difference = &models[1]["difference"];
    assert!((number(&difference["between_trainings"]["low"]) - (gain - 4.303 * deviation)).abs() < 1e-9);
    let all = &difference["in_all"];
    let half = |interval: &Value| (number(&interval["high"]) - number(&interval["low"])) / 2.0;
    let parts = half(&difference["by_cluster"][0]).hypot(half(&difference["between_trainings"]));
    assert!((half(all) - parts).abs() < 1e-9);
    assert_eq!(difference["within_noise"], number(&all["low"]) <= 0.0);
    let text = place.rcnn(&compare).expect(0).out;
    assert!(text.contains("small: 2 trainings, AP "), "{text}");
    assert!(text.contains(" between trainings, "), "{text}");
}

/// More than the noise of the photos, but not of the trainings.
#[test]
fn trainings_that_vary_leave_a_difference_in_doubt() {
    let place = Place::new();
    trainings(&place, &[("a", 4), ("b", 20), ("c", 24), ("d", 40)]);
    let compare = ["compare", "-a", "gt.json", "--bootstrap", "200", "--json"];
    let verdict = |groups: &[&str]| {
        let ended = place.rcnn(&[&compare[..], groups].concat()).expect(0);
        let document: Value = serde_json::from_str(&ended.out).unwrap();
        document["models"][1]["difference"]["within_noise"].clone()
    };
    assert_eq!(verdict(&["b.json", "d.json"]), false);
    assert_eq!(verdict(&["--group", "x=a.json,b.json", "--group", "y=c.json,d.json"]), true);
    let ended = place.rcnn(&[&compare[..], &["x.json", "--group", "x="]].concat()).expect(2);
    assert!(ended.err.contains("`x` has no trainings"), "{}", ended.err);
    let ended = place.rcnn(&[&compare[..], &["a.json", "--group", "a=b.json,c.json"]].concat()).expect(2);
    assert!(ended.err.contains("two of the models are called `a`"), "{}", ended.err);
}
