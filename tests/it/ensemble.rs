//! Several models as one detector, and saved results as one list, on the rendered scenes of `datasets/debris`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::Place;
use rcnn::{Detector, Device};
use serde_json::{Value as Json, json};

fn root(inner: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inner).to_string_lossy().into_owned()
}

/// Copies some of the scenes into `photos/`.
fn some(place: &Place, count: usize) {
    for number in 1..=count {
        let name = format!("{number:06}.jpg");
        let scene = std::fs::read(root("datasets/debris/images") + "/" + &name).unwrap();
        place.write(&format!("photos/{name}"), &scene);
    }
}

/// The bundled model's weights with other classes: their names go through `rename`, their ids are counted from 101.
fn renamed(place: &Place, rename: impl Fn(&str) -> String) {
    let folder = root("models/fod-r18");
    let weights = std::fs::read(folder.clone() + "/model.safetensors").unwrap();
    place.write("renamed/model.safetensors", &weights);
    let mut import: Json = serde_json::from_slice(&std::fs::read(folder + "/import.json").unwrap()).unwrap();
    for (class, id) in import["classes"].as_array_mut().unwrap().iter_mut().zip(101..) {
        *class = json!({"id": id, "name": rename(class["name"].as_str().unwrap())});
    }
    place.write("renamed/import.json", &serde_json::to_vec(&import).unwrap());
}

fn detections(row: &Json) -> Vec<Json> {
    row["detections"].as_array().unwrap().clone()
}

fn score(item: &Json) -> f64 {
    item["score"].as_f64().unwrap()
}

#[test]
fn two_models_show_what_their_saved_results_do() {
    let place = Place::new();
    some(&place, 6);
    let other = root("models/resnet-34");
    place.rcnn(&["detect", "photos", "-o", "a", "--no-draw"]).expect(0);
    place.rcnn(&["detect", "photos", "-o", "b", "--no-draw", "-m", &other]).expect(0);
    let both = ["detect", "photos", "-o", "both", "--no-draw", "-m", "fod-r18", "-m", &other];
    let weights = ["--weights", "2,1"];
    place.rcnn(&[&both[..], &weights].concat()).expect(0);
    let line = ["ensemble", "a", "b", "-o", "fused.json"];
    let told = place.rcnn(&[&line[..], &weights].concat()).expect(0);
    assert!(told.out.contains("2 results on 6 images"), "{}", told.out);
    let (detected, fused) = (place.json("both/detections.json"), place.json("fused.json"));
    assert!(fused.as_array().unwrap().len() > 20);
    assert_eq!(detected, fused);
    // The lists without the journals' names take those of the tables beside them.
    place
        .rcnn(&["ensemble", "a/detections.json", "b/detections.json", "-o", "lists.json", "--weights", "2,1"])
        .expect(0);
    // Their boxes are corners and sizes, and corners again: the last bit may differ.
    let lists = place.json("lists.json");
    for (one, other) in lists.as_array().unwrap().iter().zip(fused.as_array().unwrap()) {
        assert_eq!(
            [&one["image_id"], &one["category_id"], &one["score"]],
            [&other["image_id"], &other["category_id"], &other["score"]]
        );
        let side = |item: &Json, place: usize| item["bbox"][place].as_f64().unwrap();
        assert!((0..4).all(|place| (side(one, place) - side(other, place)).abs() < 1e-3), "{one} {other}");
    }
    assert_eq!(lists.as_array().unwrap().len(), fused.as_array().unwrap().len());
    let settings = &place.json("both/run.json")["settings"]["others"];
    assert_eq!((&settings[0]["model"], &settings[0]["weight"]), (&json!("resnet-34"), &json!(0.5)));
    let refused = place.rcnn(&both).expect(1);
    assert!(refused.err.contains("other models beside the first"), "{}", refused.err);
    place.rcnn(&[&both[..], &["--overwrite", "--weights", "1"]].concat()).expect(2);
    place.rcnn(&["ensemble", "a", "b", "-o", "x.json", "--weights", "1,2,3"]).expect(2);
    place.rcnn(&["ensemble", "a", "-o", "x.json"]).expect(2);
}

#[test]
fn classes_are_united_by_name() {
    let place = Place::new();
    some(&place, 8);
    renamed(&place, |name| if name == "Bolt" { "Unicorn".into() } else { name.to_uppercase() });
    place.rcnn(&["detect", "photos", "-o", "one", "--no-draw"]).expect(0);
    place.rcnn(&["detect", "photos", "-o", "both", "--no-draw", "-m", "fod-r18", "-m", "renamed"]).expect(0);
    let mut bolts = 0;
    for (one, both) in place.rows("one").iter().zip(&place.rows("both")) {
        let both = detections(both);
        for found in detections(one) {
            let same = |other: &&Json| {
                let corners = |item: &Json| item["box"].as_array().unwrap().clone();
                let both = corners(other).into_iter().zip(corners(&found));
                both.into_iter().all(|(a, b)| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 0.01)
            };
            let there: Vec<&Json> = both.iter().filter(same).collect();
            if found["label"] == "Bolt" {
                // Each model has half a say: two classes with half the score.
                for (label, id) in [("Bolt", &found["category_id"]), ("Unicorn", &json!(104))] {
                    let one = there.iter().find(|other| other["label"] == label).unwrap();
                    assert!((score(one) - score(&found) / 2.0).abs() < 1e-6 && one["category_id"] == *id);
                }
                bolts += 1;
            } else {
                let ids = |item: &Json| (item["label"].clone(), item["category_id"].clone());
                let one = there.iter().find(|other| ids(other) == ids(&found)).unwrap();
                assert!((score(one) - score(&found)).abs() < 1e-6, "{one} {found}");
            }
        }
    }
    assert!(bolts > 0);
    let only = [
        "detect",
        "photos",
        "-o",
        "only",
        "--no-draw",
        "-m",
        "fod-r18",
        "-m",
        "renamed",
        "--classes",
        "unicorn",
    ];
    place.rcnn(&only).expect(0);
    let labels = place
        .rows("only")
        .iter()
        .flat_map(detections)
        .map(|found| found["label"].clone())
        .collect::<Vec<_>>();
    assert!(!labels.is_empty() && labels.iter().all(|label| label == "Unicorn"));
}

#[test]
fn results_of_other_photos_are_refused() {
    let place = Place::new();
    some(&place, 2);
    place.rcnn(&["detect", "photos/000001.jpg", "-o", "a", "--no-draw"]).expect(0);
    place.rcnn(&["detect", "photos/000002.jpg", "-o", "b", "--no-draw"]).expect(0);
    let refused = place.rcnn(&["ensemble", "a", "b", "-o", "x.json"]).expect(1);
    assert!(refused.err.contains("all of them must be of the same photos"), "{}", refused.err);
    assert!(!place.at("x.json").exists());
    place.write("none.json", b"{}");
    place.rcnn(&["ensemble", "a", "none.json", "-o", "x.json"]).expect(1);
}

#[test]
fn a_comparison_has_rows_of_models_and_views() {
    let place = Place::new();
    let (gt, images) =
        (root("datasets/debris/annotations.json"), root("datasets/debris/images/00000[1-6].jpg"));
    let other = root("models/resnet-34");
    let both = format!("fod-r18 + {other}");
    let line = [
        "compare",
        "-a",
        &gt,
        "-i",
        &images,
        "fod-r18",
        "fod-r18+flip",
        &both,
        "fod-r18+refine",
        "--bootstrap",
        "2",
        "--json",
    ];
    let judged: Json = serde_json::from_str(&place.rcnn(&line).expect(0).out).unwrap();
    let models = judged["models"].as_array().unwrap();
    let names: Vec<&Json> = models.iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["fod-r18", "fod-r18 + flip", "fod-r18 + resnet-34", "fod-r18 + refine"]);
    let cost = |row: usize, what: &str| models[row]["costs"][what].as_f64().unwrap();
    assert_eq!(cost(1, "multiply_adds"), 2.0 * cost(0, "multiply_adds"));
    assert!(cost(2, "parameters") > cost(1, "parameters") && cost(1, "parameters") == cost(0, "parameters"));
    assert!(models[1]["stats"] != models[0]["stats"] && models[2]["stats"] != models[0]["stats"]);
}

#[test]
fn the_builder_takes_several_models() {
    let builder = || Detector::builder("fod-r18").device(Device::Cpu).runtime(crate::support::runtime());
    let photo = root("datasets/debris/images/000001.jpg");
    let own = builder().load().unwrap().detect(&photo).unwrap();
    let twice = builder().with_model("fod-r18", 1.0).load().unwrap();
    assert_eq!(twice.classes(), builder().load().unwrap().classes());
    let twice = twice.detect(&photo).unwrap();
    for (one, both) in own.iter().zip(&twice) {
        assert!(one.label == both.label && (one.score - both.score).abs() < 1e-6, "{one:?} {both:?}");
    }
    assert_eq!(own.len(), twice.len());
    assert!(builder().with_model("fod-r18", 0.0).load().is_err());
}
