//! The first minutes with the program: no folder named, another program's options, class names in any script.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::Path;

use crate::support::Place;
use serde_json::json;

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
fn options_of_other_programs_are_answered_with_ours() {
    let place = Place::new();
    let told = place.rcnn(&["detect", "photos", "--conf", "0.3"]).expect(2).err;
    assert!(told.contains("here it is `--score`"), "{told}");
}

/// A script whose letters join is never drawn, whatever fonts there are.
#[test]
fn class_names_that_no_font_can_write_are_shown_by_their_ids() {
    let place = Place::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-plain");
    place.write("photos/a.png", &fs::read(golden.with_file_name("images/shapes.png")).unwrap());
    let drawn = |first_id: usize, out: &str| {
        let text = fs::read_to_string(golden.join("import.json")).unwrap();
        let mut options: serde_json::Value = serde_json::from_str(&text).unwrap();
        options["classes"] = (0..4).map(|place| json!({"id": first_id + place, "name": "नमस्ते"})).collect();
        let config = format!("{out}.json");
        place.write(&config, options.to_string().as_bytes());
        let checkpoint = golden.join("model.pth").display().to_string();
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
