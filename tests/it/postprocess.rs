//! Which boxes become detections, chosen by the user: `--nms`, `--class-agnostic`, `--soft-nms`, `--max-detections` and
//! scores by class, on the rendered scenes of `datasets/debris`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::Place;
use rcnn::internal::geometry::BBox;
use rcnn::{Detector, Device};
use serde_json::Value as Json;

/// IoU above which the bundled model's own NMS drops a detection.
const OWN_NMS: f32 = 0.5;

fn scenes() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images").to_string_lossy().into_owned()
}

fn annotations() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("datasets/debris/annotations.json")
        .to_string_lossy()
        .into_owned()
}

/// Runs on the scenes with options; a list of (label, score, box) for each photo.
fn detect(place: &Place, out: &str, options: &[&str]) -> Vec<Vec<(String, f64, BBox)>> {
    let images = scenes();
    let mut line = vec!["detect", &images, "-o", out, "--no-draw"];
    line.extend(options);
    place.rcnn(&line).expect(0);
    let item = |item: &Json| {
        let side = |place: usize| item["box"][place].as_f64().unwrap() as f32;
        let bbox = BBox::new(side(0), side(1), side(2), side(3));
        (item["label"].as_str().unwrap().to_owned(), item["score"].as_f64().unwrap(), bbox)
    };
    place
        .rows(out)
        .iter()
        .map(|row| row["detections"].as_array().unwrap().iter().map(item).collect())
        .collect()
}

/// The largest overlap of two detections of a photo: of one class, or of any.
fn overlap(found: &[Vec<(String, f64, BBox)>], of_one_class: bool) -> f32 {
    let mut largest = 0.0f32;
    for photo in found {
        for (place, (label, _, bbox)) in photo.iter().enumerate() {
            let others = photo[..place].iter().filter(|(other, ..)| !of_one_class || other == label);
            largest = others.map(|(.., other)| other.iou(bbox)).fold(largest, f32::max);
        }
    }
    largest
}

#[test]
fn overlaps_are_dropped_as_the_options_say() {
    let place = Place::new();
    let own = detect(&place, "own", &[]);
    let count = |found: &[Vec<(String, f64, BBox)>]| found.iter().map(Vec::len).sum::<usize>();
    assert!(overlap(&own, true) <= OWN_NMS && overlap(&own, false) > OWN_NMS);
    let strict = detect(&place, "strict", &["--nms", "0.1"]);
    assert!(overlap(&strict, true) <= 0.101 && count(&strict) < count(&own));
    let loose = detect(&place, "loose", &["--nms", "0.9"]);
    assert!(overlap(&loose, true) > OWN_NMS && count(&loose) > count(&own));
    let agnostic = detect(&place, "agnostic", &["--class-agnostic"]);
    assert!(overlap(&agnostic, false) <= OWN_NMS && count(&agnostic) < count(&own));
    // Nothing is dropped for an overlap alone, and the best of each photo keeps its score.
    let soft = detect(&place, "soft", &["--soft-nms"]);
    assert!(overlap(&soft, true) > OWN_NMS && count(&soft) > count(&own));
    assert!(soft.iter().zip(&own).all(|(soft, own)| soft.first() == own.first()));
    assert!(soft.iter().all(|photo| photo.is_sorted_by(|a, b| a.1 >= b.1)));
    let few = detect(&place, "few", &["--max-detections", "2"]);
    assert!(few.iter().zip(&own).all(|(few, own)| few[..] == own[..own.len().min(2)]));
    assert!(few.iter().any(|photo| photo.len() == 2));
    place.rcnn(&["detect", &scenes(), "-o", "x", "--soft-nms", "--nms", "0.5"]).expect(2);
    place.rcnn(&["detect", &scenes(), "-o", "x", "--nms", "1.5"]).expect(2);
}

#[test]
fn they_are_part_of_the_settings_and_threads_and_batches_change_nothing() {
    let place = Place::new();
    let options = ["--nms", "0.3", "--class-agnostic", "--max-detections", "7"];
    detect(&place, "one", &options);
    let settings = &place.json("one/run.json")["settings"]["postprocess"];
    assert_eq!(*settings, serde_json::json!({"nms": 0.3, "class_agnostic": true, "max_detections": 7}));
    detect(&place, "other", &[&options[..], &["--batch", "5", "--threads", "3"]].concat());
    assert_eq!(place.read("one/detections.jsonl"), place.read("other/detections.jsonl"));
    for (options, difference) in [
        (&["--nms", "0.4", "--class-agnostic", "--max-detections", "7"][..], "--nms 0.3"),
        (&["--nms", "0.3"], "--class-agnostic"),
        (&["--nms", "0.3", "--class-agnostic"], "--max-detections 7"),
        (&["--nms", "0.3", "--class-agnostic", "--max-detections", "8"], "--max-detections 7"),
        (&["--soft-nms"], "--nms 0.3"),
    ] {
        let images = scenes();
        let line = [&["detect", &images, "-o", "one", "--no-draw"], options].concat();
        let refused = place.rcnn(&line).expect(1);
        assert!(refused.err.contains(&format!("holds a run with {difference}:")), "{}", refused.err);
    }
    // The model's own values are no other settings.
    detect(&place, "own", &[]);
    detect(&place, "own", &["--nms", "0.5", "--max-detections", "100"]);
}

#[test]
fn best_scores_of_an_evaluation_are_the_scores_of_a_run() {
    let place = Place::new();
    let own = detect(&place, "own", &["-a", &annotations()]);
    let judged =
        ["evaluate", "-a", &annotations(), "-r", "own", "--errors", "--json", "--best-scores", "best.json"];
    let judged: Json = serde_json::from_str(&place.rcnn(&judged).expect(0).out).unwrap();
    let errors = &judged["errors"];
    let overall = errors["best_f1"]["score"].as_f64().unwrap();
    let names = errors["categories"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let cuts = errors["best_f1_per_class"].as_array().unwrap();
    let cuts: BTreeMap<&str, f64> =
        names.zip(cuts).map(|(name, cut)| (name, cut["score"].as_f64().unwrap_or(overall))).collect();
    let written: BTreeMap<String, f32> = serde_json::from_str(&place.read("best.json")).unwrap();
    assert_eq!(written.keys().collect::<Vec<_>>(), cuts.keys().collect::<Vec<_>>());
    let cut = detect(&place, "cut", &["-a", &annotations(), "--score", "best.json"]);
    let mut own = own;
    own.iter_mut().for_each(|photo| photo.retain(|(label, score, _)| *score >= cuts[label.as_str()]));
    assert!(own.iter().flatten().count() > 10);
    assert_eq!(cut, own, "what has the score of the best F1 stays");
    let other = place.rcnn(&["detect", &scenes(), "-a", &annotations(), "-o", "cut", "--no-draw"]).expect(1);
    assert!(other.err.contains("other scores by class (--score)"), "{}", other.err);

    place.write("some.json", br#"{"bolt": 0.99, "Unicorn": 0.5}"#);
    let some =
        place.rcnn(&["detect", &scenes(), "-o", "some", "--no-draw", "--score", "some.json"]).expect(0);
    assert!(some.err.contains("does not have: Unicorn"), "{}", some.err);
    for text in [r#"{"Unicorn": 0.5}"#, r#"{"Bolt": 7}"#] {
        place.write("wrong.json", text.as_bytes());
        place.rcnn(&["detect", &scenes(), "-o", "x", "--no-draw", "--score", "wrong.json"]).expect(2);
    }
    place.write("wrong.json", b"[0.5]");
    let said = "rcnn: `wrong.json` is no JSON object of class names and scores, as `rcnn evaluate --errors --best-scores` writes it";
    for (file, said) in [
        ("wrong.json", format!("{said}\n")),
        (
            &annotations(),
            format!("`{}` holds COCO annotations, and scores of classes are wanted", annotations()),
        ),
    ] {
        let ended = place.rcnn(&["detect", &scenes(), "-o", "x", "--no-draw", "--score", file]).expect(1);
        assert!(ended.err.contains(&said), "{}", ended.err);
    }
}

#[test]
fn comparisons_and_measurements_take_them_too() {
    let place = Place::new();
    let images = scenes();
    let annotations = annotations();
    let compare = ["compare", "-a", &annotations, "-i", &images, "fod-r18", "--bootstrap", "2", "--json"];
    let ap = |options: &[&str]| {
        let out = place.rcnn(&[&compare[..], options].concat()).expect(0).out;
        let judged: Json = serde_json::from_str(&out).unwrap();
        judged["models"][0]["stats"][0].as_f64().unwrap()
    };
    let own = ap(&[]);
    assert!(ap(&["--max-detections", "1"]) < own, "a scene has several objects");
    assert!(ap(&["--score", "0.9"]) < own);
    let photo = format!("{images}/000001.jpg");
    place.rcnn(&["bench", "fod-r18", "-i", &photo, "--warm-up", "1", "--nms", "0.4", "--soft-nms"]).expect(2);
    place.rcnn(&["bench", "fod-r18", "-i", &photo, "--warm-up", "1", "--nms", "0.4"]).expect(0);
}

#[test]
fn the_builder_takes_them() {
    let builder = || Detector::builder("fod-r18").device(Device::Cpu).runtime(crate::support::runtime());
    let photo = format!("{}/000001.jpg", scenes());
    let own = builder().load().unwrap().detect(&photo).unwrap();
    let first = builder().max_detections(1).load().unwrap().detect(&photo).unwrap();
    assert_eq!(first, own[..1]);
    let label = own[0].label.to_string();
    let without = builder().class_scores([(label.clone(), 1.0)]).load().unwrap().detect(&photo).unwrap();
    assert!(own.len() > 1 && without.iter().all(|found| *found.label != *label));
    let loose = builder().nms(0.95).load().unwrap().detect(&photo).unwrap();
    let soft = builder().soft_nms(true).load().unwrap().detect(&photo).unwrap();
    let agnostic = builder().class_agnostic(true).load().unwrap().detect(&photo).unwrap();
    assert!(loose.len() > own.len() && soft.len() > own.len() && agnostic.len() <= own.len());
    let wrong = builder().class_scores([("Unicorn", 0.5)]).load().unwrap_err();
    assert!(wrong.to_string().contains("the model has no class `Unicorn`"), "{wrong}");
}
