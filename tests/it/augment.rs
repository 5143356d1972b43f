//! `detect --augment`: several views of each photo, merged, on the rendered scenes of `datasets/debris`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::Place;
use rcnn::{Augment, Detector, Device, MergeRule};
use serde_json::Value as Json;

fn scenes(inner: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris").join(inner).to_string_lossy().into_owned()
}

/// Copies some of the scenes into `photos/`.
fn some(place: &Place, count: usize) {
    for number in 1..=count {
        let name = format!("{number:06}.jpg");
        place.write(
            &format!("photos/{name}"),
            &std::fs::read(scenes("images").clone() + "/" + &name).unwrap(),
        );
    }
}

fn detect(place: &Place, out: &str, options: &[&str]) -> Vec<Json> {
    place.rcnn(&[&["detect", "photos", "-o", out, "--no-draw"], options].concat()).expect(0);
    place.rows(out)
}

fn corners(item: &Json) -> Vec<f64> {
    item["box"].as_array().unwrap().iter().map(|corner| corner.as_f64().unwrap()).collect()
}

fn score(item: &Json) -> f64 {
    item["score"].as_f64().unwrap()
}

#[test]
fn a_photo_and_its_mirror_image_show_the_same() {
    // Seen with its mirror image, a mirrored photo shows what the photo shows, mirrored: the two views are the same two.
    let place = Place::new();
    some(&place, 4);
    for number in 1..=4 {
        let name = format!("photos/{number:06}.jpg");
        let photo = image::open(place.at(&name)).unwrap();
        photo.save(place.at(&format!("photos/{number:06}.png"))).unwrap();
        photo.fliph().save(place.at(&format!("photos/{number:06}-mirrored.png"))).unwrap();
        std::fs::remove_file(place.at(&name)).unwrap();
    }
    let rows = detect(&place, "out", &["--augment", "flip"]);
    let mut compared = 0;
    for number in 1..=4 {
        let of = |name: String| {
            let row = rows.iter().find(|row| row["file"].as_str().unwrap().ends_with(&name)).unwrap();
            row["detections"].as_array().unwrap().clone()
        };
        let (photo, mirrored) = (of(format!("{number:06}.png")), of(format!("{number:06}-mirrored.png")));
        for found in photo.iter().filter(|found| score(found) > 0.3) {
            let [x1, y1, x2, y2] = corners(found)[..] else { panic!("{found}") };
            let there = [300.0 - x2, y1, 300.0 - x1, y2];
            let same = mirrored.iter().any(|other| {
                let apart = corners(other).into_iter().zip(there).map(|(a, b)| (a - b).abs());
                other["label"] == found["label"]
                    && (score(other) - score(found)).abs() < 0.01
                    && apart.fold(0.0, f64::max) < 0.5
            });
            assert!(same, "{number}: {found} is not mirrored in {mirrored:?}");
            compared += 1;
        }
    }
    assert!(compared >= 4, "{compared}");
}

#[test]
fn views_are_part_of_the_settings_and_threads_and_batches_change_nothing() {
    let place = Place::new();
    some(&place, 5);
    // A photo of another size breaks a batch.
    place.photos(&[("baseline-420.jpg", "000002-other.jpg")]);
    let options = ["--scales", "0.5,1", "--flip", "--merge", "vote"];
    detect(&place, "one", &options);
    let settings = &place.json("one/run.json")["settings"]["augment"];
    assert_eq!(*settings, serde_json::json!({"scales": [0.5, 1.0], "flip": true, "merge": "vote"}));
    detect(&place, "other", &[&options[..], &["--batch", "3", "--threads", "2", "--streams", "2"]].concat());
    assert_eq!(place.read("one/detections.jsonl"), place.read("other/detections.jsonl"));
    let lines = place.rcnn(&[&["detect", "photos", "--json-lines"], &options[..]].concat()).expect(0);
    let same = |line: &str, row: &Json| {
        let line: Json = serde_json::from_str(line).unwrap();
        line["detections"] == row["detections"]
    };
    let rows = place.rows("one");
    assert!(lines.out.lines().zip(&rows).all(|(line, row)| same(line, row)) && rows.len() == 6);
    let line = ["detect", "photos", "-o", "one", "--no-draw", "--augment", "flip"];
    let refused = place.rcnn(&line).expect(1);
    assert!(
        refused.err.contains("a run with other views (--scales 0.5,1 --flip --merge vote)"),
        "{}",
        refused.err
    );
}

#[test]
fn rules_of_merging_differ_as_they_should() {
    let place = Place::new();
    some(&place, 6);
    let one = detect(&place, "one", &[]);
    let of = |rule: &str| detect(&place, rule, &["--augment", "flip", "--merge", rule]);
    let [wbf, nms, vote, soft] = ["wbf", "nms", "vote", "soft-nms"].map(of);
    let best = |rows: &[Json]| -> Vec<f64> {
        rows.iter().filter_map(|row| row["detections"].as_array()?.first().map(score)).collect()
    };
    // NMS and voting keep the best score of any view, the fused score is a mean.
    assert!(best(&nms).iter().zip(&best(&one)).all(|(merged, one)| merged >= one));
    assert_eq!(best(&nms), best(&vote));
    assert_eq!(best(&nms), best(&soft));
    assert!(best(&wbf).iter().zip(&best(&nms)).all(|(fused, best)| fused <= best));
    assert!(nms != vote && nms != wbf && nms != soft && wbf != vote);
    place.rcnn(&["detect", "photos", "-o", "x", "--merge", "wbf"]).expect(2);
    place.rcnn(&["detect", "photos", "-o", "x", "--scales", "0"]).expect(2);
    place.rcnn(&["detect", "photos", "-o", "x", "--augment", "flip", "--scales", "2"]).expect(2);
}

#[test]
fn a_score_cuts_what_is_merged_and_not_what_each_view_shows() {
    let place = Place::new();
    some(&place, 6);
    let all = detect(&place, "all", &["--augment", "flip"]);
    let cut = detect(&place, "cut", &["--augment", "flip", "--score", "0.5"]);
    let mut kept = 0;
    for (all, cut) in all.iter().zip(&cut) {
        let mut all = all["detections"].as_array().unwrap().clone();
        all.retain(|found| score(found) > 0.5);
        assert_eq!(&all, cut["detections"].as_array().unwrap());
        kept += all.len();
    }
    assert!(kept >= 6, "{kept}");
}

#[test]
fn tiles_are_seen_in_all_views() {
    let place = Place::new();
    let large = image::open(scenes("images/000001.jpg")).unwrap().resize_exact(
        900,
        900,
        image::imageops::FilterType::Triangle,
    );
    std::fs::create_dir(place.at("photos")).unwrap();
    large.save(place.at("photos/large.png")).unwrap();
    let rows = ["tiled", "both"].map(|out| {
        let options: &[&str] = if out == "both" { &["--tile", "--augment", "flip"] } else { &["--tile"] };
        detect(&place, out, options)
    });
    let sure = |rows: &[Json]| {
        rows[0]["detections"].as_array().unwrap().iter().filter(|one| score(one) > 0.5).count()
    };
    assert!(sure(&rows[0]) > 0 && sure(&rows[1]) > 0 && rows[0] != rows[1]);
}

#[test]
fn the_builder_takes_views() {
    let builder = || Detector::builder("fod-r18").device(Device::Cpu).runtime(crate::support::runtime());
    let photo = scenes("images/000001.jpg");
    let own = builder().load().unwrap().detect(&photo).unwrap();
    let augment = Augment::flip().at_scales([1.0, 1.5]).merged_by(MergeRule::Nms);
    let merged = builder().augment(augment).load().unwrap().detect(&photo).unwrap();
    assert!(merged[0].score >= own[0].score && merged != own);
    let one = builder().augment(Augment::default()).load().unwrap().detect(&photo).unwrap();
    assert_eq!(one, own);
    let wrong = builder().augment(Augment::default().at_scales([0.0])).load().unwrap_err();
    assert!(wrong.to_string().contains("a size of 0 times the model's own"), "{wrong}");
}

#[test]
fn refined_boxes_are_near_and_part_of_the_settings() {
    let place = Place::new();
    some(&place, 6);
    let one = detect(&place, "one", &[]);
    let refined = detect(&place, "refined", &["--refine"]);
    let mut moved = 0.0f64;
    for (one, refined) in one.iter().zip(&refined) {
        for found in one["detections"].as_array().unwrap().iter().filter(|found| score(found) > 0.5) {
            // What was sure is as sure as before or more, and nearly where it was.
            let same = refined["detections"].as_array().unwrap().iter().find(|other| {
                let apart = corners(other).into_iter().zip(corners(found)).map(|(a, b)| (a - b).abs());
                other["label"] == found["label"] && apart.fold(0.0, f64::max) < 10.0
            });
            let same = same.unwrap_or_else(|| panic!("{found} is gone"));
            assert!(score(same) >= score(found), "{found} {same}");
            let apart = corners(same).into_iter().zip(corners(found)).map(|(a, b)| (a - b).abs());
            moved = apart.fold(moved, f64::max);
        }
    }
    assert!(moved > 0.0);
    assert_eq!(place.json("refined/run.json")["settings"]["refine"], true);
    detect(&place, "batched", &["--refine", "--batch", "4", "--threads", "3"]);
    assert_eq!(place.read("refined/detections.jsonl"), place.read("batched/detections.jsonl"));
    let refused = place.rcnn(&["detect", "photos", "-o", "refined", "--no-draw"]).expect(1);
    assert!(refused.err.contains("holds a run with --refine"), "{}", refused.err);
    detect(&place, "both", &["--refine", "--augment", "flip"]);
    assert_ne!(place.read("both/detections.jsonl"), place.read("refined/detections.jsonl"));
}
