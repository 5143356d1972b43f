//! `detect --shard` and `rcnn merge`: several runs over shares of the photos leave what one over all of them leaves.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::Path;

use crate::support::{Ended, Place};

/// Six photos, one of which is none, in two folders; one name is the picture's name of another.
fn place() -> Place {
    let place = Place::new();
    place.photos(&[
        ("baseline-420.jpg", "a/1.jpg"),
        ("plain.png", "a/2.png"),
        ("lossless.webp", "a/3.webp"),
        ("baseline-444.jpg", "a/3.webp.jpg"),
        ("grey.jpg", "b.jpg"),
    ]);
    place.write("photos/c.jpg", b"this is no picture");
    place
}

fn detect(place: &Place, out: &str, more: &[&str]) -> Ended {
    place.rcnn(&[&["detect", "photos", "--score", "0.01", "--draw-score", "0.02", "-o", out], more].concat())
}

fn shards(place: &Place, of: usize) -> Vec<String> {
    let run = |number| {
        let out = format!("shard-{number}");
        detect(place, &out, &["--shard", &format!("{number}/{of}")]);
        out
    };
    (1..=of).map(run).collect()
}

fn merge(place: &Place, shards: &[&str], out: &str, more: &[&str]) -> Ended {
    place.rcnn(&[&["merge"], shards, &["-o", out], more].concat())
}

/// All files of a folder by name, without `run.json`.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file() && entry.file_name() != "run.json");
    files
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn parts_make_the_whole() {
    let place = place();
    detect(&place, "whole", &[]).expect(3);
    let whole = files(&place.at("whole"));
    assert_eq!(whole.len(), 4 + 5);
    for of in [2, 3, 7] {
        let shards = shards(&place, of);
        let mut given: Vec<&str> = shards.iter().map(String::as_str).collect();
        given.reverse();
        let out = format!("merged-{of}");
        let ended = merge(&place, &given, &out, &[]).expect(3);
        assert!(ended.out.starts_with("6 photos, "), "{}", ended.out);
        assert!(files(&place.at(&out)) == whole, "{of} shards");
        let (merged, one) = (place.json(&format!("{out}/run.json")), place.json("whole/run.json"));
        for key in ["counts", "settings", "state", "first_failures"] {
            assert_eq!(merged[key], one[key]);
        }
        for shard in shards {
            fs::remove_dir_all(place.at(&shard)).unwrap();
        }
        // What is there does not need the shards, and is a run like any other.
        assert!(files(&place.at(&out)) == whole, "{of} shards");
        let again = detect(&place, &out, &[]).expect(3);
        assert!(again.err.contains("6 of 6 photos were done before"), "{}", again.err);
    }
}

#[test]
fn parts_take_the_ids_of_annotations() {
    let place = place();
    let image = |id: u64, name: &str| format!(r#"{{"id":{id},"file_name":"{name}"}}"#);
    let images = [image(30, "a/1.jpg"), image(10, "a/2.png"), image(20, "b.jpg")].join(",");
    let categories = r#"{"id":77,"name":"Bolt"}"#;
    let text = format!(r#"{{"images":[{images}],"annotations":[],"categories":[{categories}]}}"#);
    place.write("gt.json", text.as_bytes());
    detect(&place, "whole", &["-a", "gt.json"]).expect(0);
    for number in ["1", "2"] {
        let shard = format!("{number}/2");
        detect(&place, number, &["-a", "gt.json", "--shard", &shard]).expect(0);
    }
    merge(&place, &["1", "2"], "out", &[]).expect(0);
    assert!(files(&place.at("out")) == files(&place.at("whole")));
}

#[test]
fn what_is_not_the_whole_of_one_run_is_refused() {
    let place = place();
    let named = shards(&place, 3);
    let all: Vec<&str> = named.iter().map(String::as_str).collect();
    let refused = |shards: &[&str], why: &str| {
        let ended = merge(&place, shards, "out", &[]).expect(1);
        assert!(ended.err.contains(why), "{}", ended.err);
        assert!(!place.at("out").exists());
    };
    refused(&all[..2], "shard 3/3 is missing");
    refused(&all[1..], "shard 1/3 is missing");
    refused(&["shard-1", "shard-2", "shard-2"], "`shard-2` and `shard-2` both hold shard 2/3");
    refused(&["shard-1", "photos"], "`photos` is a folder of photos, and the folder of a shard is wanted");
    detect(&place, "whole", &[]);
    refused(&["whole"], "`whole` holds a whole run");
    detect(&place, "two", &["--shard", "2/2"]);
    refused(&["shard-1", "two"], "the latter has 2 shards");
    detect(&place, "score", &["--shard", "2/3", "--no-draw"]);
    refused(&["shard-1", "score", "shard-3"], "the latter has other pictures");
    place.photos(&[("cmyk.jpg", "d.jpg")]);
    detect(&place, "more", &["--shard", "2/3"]);
    refused(&["shard-1", "more", "shard-3"], "the latter has other photos");
    let record = place.read("shard-2/run.json");
    place.write("shard-2/run.json", record.replace("\"finished\"", "\"interrupted\"").as_bytes());
    refused(&all, "the run in `shard-2` is not finished");
    for shard in ["0/3", "4/3", "99999999999999/99999999999999"] {
        place.write("shard-2/run.json", record.replace("\"2/3\"", &format!("\"{shard}\"")).as_bytes());
        refused(&all, "shard");
    }
}

#[test]
fn a_part_that_lost_rows_is_named_and_nothing_is_written() {
    let place = place();
    shards(&place, 2);
    let cut = |shard: &str| {
        let rows = place.read(&format!("{shard}/detections.jsonl"));
        let shorter = rows.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
        place.write(&format!("{shard}/detections.jsonl"), shorter.as_bytes());
        rows
    };
    let refused = |why: &str| {
        let ended = merge(&place, &["shard-1", "shard-2"], "out", &[]).expect(1);
        assert!(ended.err.contains(why), "{}", ended.err);
        assert!(!place.at("out").exists());
    };
    let last = cut("shard-2");
    refused("`shard-2` has 2 rows in detections.jsonl, and 3 photos by its run.json");
    let first = cut("shard-1");
    refused("`shard-1` has 2 rows in detections.jsonl, and 3 photos by its run.json");
    place.write("shard-1/detections.jsonl", first.as_bytes());
    // As many rows as there should be, but one of them twice, and one that is none.
    let lines: Vec<&str> = last.lines().collect();
    let rows = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    place.write("shard-2/detections.jsonl", rows(&[lines[0], lines[1], lines[1]]).as_bytes());
    refused("the rows of the shards are not those of the photos");
    place.write("shard-2/detections.jsonl", rows(&[lines[0], lines[1], "{\"image_id\":6"]).as_bytes());
    refused("shard-2/detections.jsonl` holds a row that is not what a run writes, line 3: ");
}

#[test]
fn pictures_that_a_part_lacks_are_told() {
    let place = place();
    shards(&place, 2);
    fs::remove_file(place.at("shard-2/annotated/a/2.png")).unwrap();
    let ended = merge(&place, &["shard-1", "shard-2"], "out", &[]).expect(3);
    assert!(
        ended.err.contains("1 pictures are not in the shards and are left out (such as that of `a/2.png`)"),
        "{}",
        ended.err
    );
    assert!(!place.at("out/annotated/a/2.png").exists() && place.at("out/annotated/a/1.jpg").exists());
}

#[test]
fn nothing_is_replaced_unasked_and_parts_never() {
    let place = place();
    shards(&place, 2);
    for more in [&[][..], &["--overwrite"]] {
        let ended = merge(&place, &["shard-1", "shard-2"], "shard-2/", more).expect(1);
        assert!(ended.err.contains("`shard-2` is one of the shards"), "{}", ended.err);
    }
    merge(&place, &["shard-1", "shard-2"], "out", &[]).expect(3);
    let whole = files(&place.at("out"));
    let ended = merge(&place, &["shard-1", "shard-2"], "out", &[]).expect(1);
    assert!(ended.err.contains("detections.jsonl` is there already"), "{}", ended.err);
    merge(&place, &["shard-1", "shard-2"], "out", &["--overwrite"]).expect(3);
    assert!(files(&place.at("out")) == whole);
    // A journal that lost its end.
    let rows = place.read("shard-1/detections.jsonl");
    place.write("shard-1/detections.jsonl", rows.lines().next().unwrap().as_bytes());
    let ended = merge(&place, &["shard-1", "shard-2"], "new", &[]).expect(1);
    assert!(
        ended.err.contains("`shard-1` has 0 rows in detections.jsonl, and 3 photos by its run.json"),
        "{}",
        ended.err
    );
    // A shard's folder is not another shard's.
    let ended = detect(&place, "shard-2", &["--shard", "1/2"]).expect(1);
    assert!(ended.err.contains("holds a run with --shard 2/2: "), "{}", ended.err);
    let ended = detect(&place, "x", &["--shard", "3/2"]).expect(2);
    assert!(ended.err.contains("the first of eight is 1/8"), "{}", ended.err);
}
