//! `rcnn classify` as its user sees it. Numbers are held against the frameworks in `golden_classifiers.rs`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::{Ended, Place};
use serde_json::Value;

/// Classifies `photos/` by a small ResNet.
fn classify(place: &Place, options: &[&str], code: i32) -> Ended {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/cls-r18-c/model.pth");
    let model = model.display().to_string();
    let size = ["--resize", "40", "--crop", "32"];
    place.rcnn(&[&["classify", "photos", "-m", &model], &size[..], options].concat()).expect(code)
}

#[test]
fn one_document_holds_a_row_a_photo() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png"), ("grey.jpg", "c.jpg")]);
    place.write("photos/b.jpg", b"this is no picture");
    place.write("labels.txt", b"a.png 0\nc.jpg 1\n");
    let ended = classify(&place, &["--json", "--labels", "labels.txt"], 3);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let photos = document["photos"].as_array().unwrap();
    let files: Vec<_> = photos.iter().map(|photo| photo["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["a.png", "b.jpg", "c.jpg"]);
    assert_eq!((&photos[0]["width"], &photos[0]["right"]), (&61.into(), &0.into()));
    assert!(photos[0]["logits"].as_array().unwrap().len() > 1 && photos[1]["error"].is_string());
    assert_eq!(document["judged"], 2);
    let error = document["top1_error"].as_f64().unwrap();
    let wrong = [0, 2].iter().filter(|&&i| photos[i]["top"][0]["class"] != photos[i]["right"]).count();
    assert_eq!(error, wrong as f64 / 2.0);
    assert!(!ended.err.contains("have no label"), "{}", ended.err);
}

#[test]
fn photos_without_a_label_are_counted() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png"), ("grey.jpg", "c.jpg")]);
    place.write("labels.txt", b"other.png 0\nc.png 1\n");
    let ended = classify(&place, &["--labels", "labels.txt"], 0);
    assert!(ended.err.contains("note: 2 of 2 photos have no label in `labels.txt`\n"), "{}", ended.err);
}

#[test]
fn a_thin_photo_is_a_failure_of_its_own() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    image::RgbImage::new(100_000, 1).save(place.at("photos/thin.png")).unwrap();
    for views in ["centre", "ten", "scales"] {
        let ended = classify(&place, &["--views", views, "--scales", "64"], 3);
        assert!(
            ended.err.contains("thin.png: a photo of 100000x1 pixels would be resized to "),
            "{}",
            ended.err
        );
        assert!(ended.out.starts_with("a.png: class "), "{}", ended.out);
    }
}
