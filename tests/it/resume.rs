//! What `rcnn detect` makes of a folder in which something is already: an earlier start, another run, the user's own
//! files.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;

use crate::support::{Place, fixtures};
use serde_json::Value;

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
}

/// All files of a folder of results by name, without `run.json`, which alone has times of the run.
fn results(place: &Place, out: &str) -> Vec<(String, Vec<u8>)> {
    let folder = place.at(out);
    let entries = walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file() && entry.file_name() != "run.json");
    let name = |entry: &walkdir::DirEntry| entry.path().strip_prefix(&folder).unwrap().display().to_string();
    files.map(|entry| (name(&entry), fs::read(entry.path()).unwrap())).collect()
}

/// Asserts that a folder of results holds what a run that was never interrupted leaves.
#[track_caller]
fn assert_as_fresh(place: &Place, out: &str) {
    let code = place.rcnn(&["detect", "photos", "-o", "fresh", "--overwrite"]).code;
    assert!([0, 3].contains(&code), "{code}");
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (own, fresh) = (results(place, out), results(place, "fresh"));
    assert_eq!(names(&own), names(&fresh));
    for ((name, own), (_, fresh)) in own.iter().zip(&fresh) {
        assert!(own == fresh, "{name} differs");
    }
}

#[test]
fn photos_that_changed_came_or_went_are_what_they_are_now() {
    let place = Place::new();
    place.photos(&[
        ("baseline-420.jpg", "b.jpg"),
        ("grey.jpg", "c.jpg"),
        ("plain.png", "d.png"),
        ("cmyk.jpg", "e.jpg"),
    ]);
    place.rcnn(&RUN).expect(0);
    // Another photo in its place, of other size; the same with a new time; one that is gone; two that are new.
    place.photos(&[
        ("lossless.webp", "a.webp"),
        ("orientation-6.jpg", "b.jpg"),
        ("grey.jpg", "c.jpg"),
        ("grey.jpg", "f.jpg"),
    ]);
    fs::remove_file(place.at("photos/d.png")).unwrap();
    let ended = place.rcnn(&RUN).expect(0);
    assert!(
        ended.err.contains("note: 2 photos have changed since the earlier start and are done again"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("note: 1 photo of the earlier start is not among these: its row is left out"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("1 of 5 photos were done before"), "{}", ended.err);
    assert_as_fresh(&place, "out");
    let ended = place.rcnn(&RUN).expect(0);
    assert!(ended.err.ends_with("5 of 5 photos were done before\n"), "{}", ended.err);
    assert_as_fresh(&place, "out");
}

#[test]
fn a_photo_that_turns_bad_leaves_no_picture_of_the_good_one() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg"), ("grey.jpg", "2.jpg")]);
    place.rcnn(&RUN).expect(0);
    place.write("photos/1.jpg", b"this is no picture");
    place.rcnn(&RUN).expect(3);
    assert_as_fresh(&place, "out");
    assert!(!place.at("out/annotated/1.jpg").exists());
}

#[test]
fn failures_that_may_pass_are_tried_again_and_others_when_asked() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg"), ("grey.jpg", "3.jpg")]);
    place.write("photos/2.jpg", b"this is no picture");
    place.write("list.txt", b"photos/1.jpg\nphotos/2.jpg\nphotos/3.jpg\n");
    let run = ["detect", "list.txt", "-o", "out"];
    fs::rename(place.at("photos/1.jpg"), place.at("away.jpg")).unwrap();
    let ended = place.rcnn(&run).expect(3);
    assert!(
        ended.out.contains("1 of them may pass: the same command tries them again, --retry-failed all"),
        "{}",
        ended.out
    );
    // Still away: the row stays where it is.
    let rows = place.read("out/detections.jsonl");
    let ended = place.rcnn(&run).expect(3);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    assert_eq!(place.read("out/detections.jsonl"), rows);
    fs::rename(place.at("away.jpg"), place.at("photos/1.jpg")).unwrap();
    let ended = place.rcnn(&run).expect(3);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    place.rcnn(&["detect", "list.txt", "-o", "fresh"]).expect(3);
    assert_eq!(place.read("out/detections.jsonl"), place.read("fresh/detections.jsonl"));
    assert_eq!(place.read("out/detections.json"), place.read("fresh/detections.json"));
    let ended = place.rcnn(&run).expect(3);
    assert!(ended.err.contains("3 of 3 photos were done before"), "{}", ended.err);
    let ended = place.rcnn(&[&run[..], &["--retry-failed"]].concat()).expect(3);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    assert_eq!(place.read("out/detections.jsonl"), place.read("fresh/detections.jsonl"));
    // A photo that was done is not lost when its file cannot be seen.
    fs::remove_file(place.at("photos/3.jpg")).unwrap();
    let ended = place.rcnn(&run).expect(3);
    assert!(ended.err.contains("3 of 3 photos were done before"), "{}", ended.err);
}

#[test]
fn rows_that_a_killed_start_put_between_others_are_kept() {
    let place = Place::new();
    place.photos(&[
        ("baseline-420.jpg", "1.jpg"),
        ("plain.png", "2.png"),
        ("grey.jpg", "3.jpg"),
        ("cmyk.jpg", "4.jpg"),
    ]);
    place.rcnn(&RUN).expect(0);
    let rows = place.read("out/detections.jsonl");
    let lines: Vec<&str> = rows.split_inclusive('\n').collect();
    // Rows 1 and 3 were missing; the first has been put in, the other one half.
    place.write("out/detections.jsonl", [lines[1], lines[3]].concat().as_bytes());
    place.write("out/.rcnn-detections.jsonl", [lines[0], lines[1], &lines[2][..20]].concat().as_bytes());
    let ended = place.rcnn(&RUN).expect(0);
    assert!(ended.err.contains("3 of 4 photos were done before"), "{}", ended.err);
    assert_as_fresh(&place, "out");
    assert_eq!(place.read("out/detections.jsonl"), rows);
}

#[test]
fn what_a_killed_run_had_half_written_goes_and_nothing_else() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a/1.jpg"), ("plain.png", "2.png")]);
    place.rcnn(&RUN).expect(0);
    change(&place, "out/run.json", |record| record["state"] = "running".into());
    let strays = ["out/.rcnn-x7Qb2K", "out/annotated/.rcnn-AAAAAA", "out/annotated/a/.rcnn-012345"];
    let others = ["out/.rcnn-notes.txt", "out/annotated/a/own.jpg", "out/mine/.rcnn-x7Qb2K"];
    strays.iter().chain(&others).for_each(|file| drop(place.write(file, b"")));
    place.rcnn(&RUN).expect(0);
    assert!(strays.iter().all(|file| !place.at(file).exists()));
    assert!(others.iter().all(|file| place.at(file).exists()));
}

#[test]
fn a_row_whose_picture_is_empty_or_gone_does_not_stand() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg"), ("plain.png", "2.png"), ("grey.jpg", "3.jpg")]);
    place.rcnn(&RUN).expect(0);
    place.write("out/annotated/1.jpg", b"");
    fs::remove_file(place.at("out/annotated/3.jpg")).unwrap();
    let ended = place.rcnn(&RUN).expect(0);
    assert!(
        ended.err.contains("note: 2 photos have no pictures any more and are done again"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("1 of 3 photos were done before"), "{}", ended.err);
    assert_as_fresh(&place, "out");
}

#[test]
fn a_run_from_before_files_were_recorded_stands() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg")]);
    place.rcnn(&RUN).expect(0);
    fs::remove_file(place.at("out/photos.jsonl")).unwrap();
    let ended = place.rcnn(&RUN).expect(0);
    assert!(ended.err.ends_with("1 of 1 photos were done before\n"), "{}", ended.err);
    assert_as_fresh(&place, "out");
}
