//! What `rcnn detect` makes of a folder in which something is already: an earlier start, another run, the user's own
//! files.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

mod support;

use std::fs;

use serde_json::Value;
use support::{Place, fixtures};

const RUN: [&str; 4] = ["detect", "photos", "-o", "out"];

/// With two photos, one of which is none.
fn with_a_bad_photo() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    place.write("photos/2.jpg", b"this is no picture");
    place
}

fn change(place: &Place, file: &str, change: impl FnOnce(&mut Value)) {
    let mut json = place.json(file);
    change(&mut json);
    place.write(file, json.to_string().as_bytes());
}

#[test]
fn a_photo_is_never_replaced_by_its_picture() {
    let place = Place::new();
    let photo = fs::read(fixtures().join("baseline-420.jpg")).unwrap();
    place.write("annotated/a/1.jpg", &photo);
    let mut inputs = vec!["annotated/a/1.jpg", "annotated"];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink(place.at("annotated/a/1.jpg"), place.at("link.jpg")).unwrap();
        inputs.push("link.jpg");
    }
    for input in inputs {
        for more in [&[][..], &["--overwrite"]] {
            let ended = place.rcnn(&[&["detect", input, "-o", "."], more].concat()).expect(1);
            assert!(ended.err.contains("where this run's pictures go and may replace it"), "{}", ended.err);
        }
    }
    assert_eq!(fs::read(place.at("annotated/a/1.jpg")).unwrap(), photo);
    assert!(!place.at("detections.jsonl").exists());
    // Where nothing is drawn, nothing is replaced.
    place.rcnn(&["detect", "annotated/a/1.jpg", "-o", "out", "--no-draw"]).expect(0);
}

#[test]
fn files_that_no_run_wrote_are_not_replaced() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    for name in ["images.json", "detections.json", "run.json", "annotated/1.png"] {
        let out = format!("out-{}", name.replace('/', "-"));
        let file = format!("{out}/{name}");
        place.write(&file, b"[\"mine\"]");
        let ended = place.rcnn(&["detect", "photos", "-o", &out]).expect(1);
        assert!(ended.err.contains("is there without a run that wrote it"), "{}", ended.err);
        assert_eq!(place.read(&file), "[\"mine\"]");
        assert!(!place.at(&format!("{out}/detections.jsonl")).exists());
        place.rcnn(&["detect", "photos", "-o", &out, "--overwrite"]).expect(0);
        assert_ne!(fs::read(place.at(&file)).unwrap(), b"[\"mine\"]");
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_row_goes_on() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png"), ("grey.jpg", "2.jpg")]);
    place.rcnn(&RUN).expect(0);
    let whole = place.read("out/detections.jsonl");
    // Its first picture was there, its first row not yet.
    for name in ["detections.json", "images.json"] {
        fs::remove_file(place.at("out").join(name)).unwrap();
    }
    place.write("out/detections.jsonl", b"");
    change(&place, "out/run.json", |record| record["state"] = "running".into());
    place.rcnn(&RUN).expect(0);
    assert_eq!(place.read("out/detections.jsonl"), whole);
    // Not even its record was there.
    place.write("new/detections.jsonl", b"");
    place.rcnn(&["detect", "photos", "-o", "new"]).expect(0);
    assert_eq!(place.read("new/detections.jsonl"), whole);
}

#[test]
fn failures_of_an_earlier_start_are_named_again() {
    let place = with_a_bad_photo();
    place.rcnn(&RUN).expect(3);
    let first = place.json("out/run.json")["first_failures"].clone();
    assert_eq!(first[0]["file"], "2.jpg");
    let again = place.rcnn(&RUN).expect(3);
    assert!(again.out.contains("  `2.jpg`: the file is not a picture"), "{}", again.out);
    assert_eq!(place.json("out/run.json")["first_failures"], first);
}

#[test]
fn photos_that_failed_at_a_limit_are_not_taken_as_done_at_another() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    for (limit, out) in [("--max-pixels", "pixels"), ("--max-file-size", "bytes")] {
        place.rcnn(&["detect", "photos", "-o", out, limit, "1000"]).expect(3);
        let ended = place.rcnn(&["detect", "photos", "-o", out, limit, "100000"]).expect(1);
        assert!(ended.err.contains(&format!("holds a run with {limit} 1000: ")), "{}", ended.err);
        place.rcnn(&["detect", "photos", "-o", out, limit, "100000", "--overwrite"]).expect(0);
    }
    // A run from before the limits were recorded had today's.
    place.rcnn(&RUN).expect(0);
    change(&place, "out/run.json", |record| {
        for limit in ["max_pixels", "max_file_size"] {
            record["settings"].as_object_mut().unwrap().remove(limit).unwrap();
        }
    });
    let ended = place.rcnn(&RUN).expect(0);
    assert!(ended.err.contains("1 of 1 photos were done before"), "{}", ended.err);
}

#[cfg(not(windows))]
#[test]
fn two_runs_do_not_write_into_one_folder() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    place.rcnn(&RUN).expect(0);
    let whole = place.read("out/detections.jsonl");
    let journal = fs::OpenOptions::new().append(true).open(place.at("out/detections.jsonl")).unwrap();
    journal.lock().unwrap();
    for more in [&[][..], &["--overwrite"]] {
        let ended = place.rcnn(&[&RUN, more].concat()).expect(1);
        assert_eq!(
            ended.err,
            "rcnn: another run is writing into `out`: wait for its end, or give another folder\n"
        );
    }
    assert_eq!(place.read("out/detections.jsonl"), whole);
    drop(journal);
    place.rcnn(&RUN).expect(0);
}

#[test]
fn a_run_that_is_replaced_leaves_nothing_but_what_it_did_not_write() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "b.jpg"), ("lossless.webp", "a/c.webp"), ("plain.png", "d.png")]);
    place.rcnn(&RUN).expect(0);
    place.write("out/annotated/a/own.jpg", b"mine");
    place.rcnn(&["detect", "photos/b.jpg", "-o", "out", "--overwrite"]).expect(0);
    assert!(place.at("out/annotated/b.jpg").is_file());
    assert!(!place.at("out/annotated/a/c.webp.jpg").exists() && !place.at("out/annotated/d.png").exists());
    assert_eq!(place.read("out/annotated/a/own.jpg"), "mine");
    // One that ends early has no results of the run before beside it.
    place.write("out/annotated/d.png/keep", b"a folder where a picture should go");
    place.rcnn(&["detect", "photos/d.png", "-o", "out", "--overwrite"]).expect(1);
    assert!(!place.at("out/detections.json").exists() && !place.at("out/images.json").exists());
    assert_eq!(place.read("out/detections.jsonl"), "");
}
