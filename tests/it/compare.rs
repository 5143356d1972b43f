//! `rcnn compare` as its user sees it; its numbers are held against evaluate's.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::Place;
use serde_json::{Value, json};

fn debris(inner: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris").join(inner).display().to_string()
}

#[test]
fn numbers_are_those_of_detect_and_evaluate() {
    let place = Place::new();
    let (annotations, photos) = (debris("annotations.json"), debris("images"));
    place.rcnn(&["detect", &photos, "-a", &annotations, "-o", "run", "--no-draw"]).expect(0);
    let ended =
        place.rcnn(&["evaluate", "-a", &annotations, "-r", "run/detections.json", "--json"]).expect(0);
    let alone: Value = serde_json::from_str(&ended.out).unwrap();
    // A second opinion that is worse: half of the detections.
    let all = place.json("run/detections.json");
    let half: Vec<&Value> = all.as_array().unwrap().iter().step_by(2).collect();
    place.write("half.json", serde_json::to_string(&half).unwrap().as_bytes());
    let arguments = [
        "compare",
        "-a",
        &annotations,
        "-i",
        &photos,
        "-o",
        "out",
        "--bootstrap",
        "200",
        "--json",
        "fod-r18",
    ];
    let ended = place.rcnn(&[&arguments[..], &["half.json"]].concat()).expect(0);
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    let (first, second) = (&compared["models"][0], &compared["models"][1]);
    assert_eq!((first["name"].as_str(), second["name"].as_str()), (Some("fod-r18"), Some("half")));
    assert_eq!(first["stats"], alone["stats"]);
    assert_eq!(first["costs"]["parameters"], 2_425_039);
    assert!(first["costs"]["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!((&first["difference"], &second["costs"]), (&Value::Null, &Value::Null));
    let (ap, half_ap) = (first["stats"][0].as_f64().unwrap(), second["stats"][0].as_f64().unwrap());
    let difference = &second["difference"];
    assert!((difference["stats"][0].as_f64().unwrap() - (half_ap - ap)).abs() < 1e-12);
    assert!((difference["relative"].as_f64().unwrap() - (half_ap - ap) / ap).abs() < 1e-12);
    assert_eq!(difference["within_noise"], false);
    assert!(place.read("out/compare.md").starts_with("| model | AP |"));
    let page = place.read("out/compare.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.contains("against"));
    assert_eq!(
        page.matches("http").count(),
        page.matches("http://www.w3.org/").count(),
        "nothing is fetched"
    );
    assert!(place.read("out/compare.svg").starts_with("<svg"));
    image::open(place.at("out/compare.png")).unwrap();
    // Each photo that flipped is there as both see it: the worse one misses what it was robbed of.
    let moved = difference["photos"].as_array().unwrap().len().min(6);
    assert!(moved > 1, "half of the detections change something");
    let pictures: Vec<&str> = page.split("<figure>").skip(1).collect();
    assert_eq!(pictures.len(), 2 * moved);
    for pair in pictures.chunks(2) {
        let name = |picture: &str| {
            picture.split(r#"<span class="name">"#).nth(1).unwrap().split('<').next().unwrap().to_owned()
        };
        assert_eq!(name(pair[0]), name(pair[1]));
        assert!(pair[0].contains("fod-r18, AP ") && pair[1].contains("half, AP "));
        assert!(pair[1].contains(r#"data-kind="missed""#), "{}", name(pair[1]));
    }
}

/// Of saved results the page shows photos where they are given, and only those that are annotated as large as they are.
#[test]
fn photos_of_saved_results_are_shown_where_they_are_given() {
    let place = Place::new();
    let (annotations, photos) = (debris("annotations.json"), debris("images"));
    let truth: Value = serde_json::from_slice(&std::fs::read(&annotations).unwrap()).unwrap();
    let found = |annotation: &Value| {
        json!({"image_id": annotation["image_id"], "category_id": annotation["category_id"],
        "bbox": annotation["bbox"], "score": 0.9})
    };
    let all: Vec<Value> = truth["annotations"].as_array().unwrap().iter().map(found).collect();
    let rest: Vec<&Value> = all.iter().filter(|one| one["image_id"] != all[0]["image_id"]).collect();
    place.write("all.json", serde_json::to_string(&all).unwrap().as_bytes());
    place.write("rest.json", serde_json::to_string(&rest).unwrap().as_bytes());
    let compare = ["compare", "-a", &annotations, "all.json", "rest.json", "--bootstrap", "20"];
    let page = |more: &[&str]| {
        place.rcnn(&[&compare[..], more].concat()).expect(0);
        place.read("out/compare.html")
    };
    assert!(!page(&["-o", "out"]).contains("<figure>"), "nobody knows where the photos are");
    let shown = page(&["-o", "out", "-i", &photos]);
    assert_eq!(shown.matches("<figure>").count(), 2, "the photo of which nothing is found any more");
    assert!(shown.contains("rest, AP 0.00") && !shown.contains("cannot be shown"));
    let ended = place.rcnn(&[&compare[..], &["-i", &photos]].concat()).expect(2);
    assert!(ended.err.contains("give its folder with -o"), "{}", ended.err);
    // A photo of another size is not the one in which the boxes were found.
    let name = truth["images"][0]["file_name"].as_str().unwrap();
    std::fs::create_dir(place.at("other")).unwrap();
    image::RgbImage::new(30, 21).save(place.at("other").join(name)).unwrap();
    let other = page(&["-o", "out", "-i", "other"]);
    assert!(!other.contains("<figure>") && other.contains("cannot be shown"));
}

/// Two rungs of the ladder, each judged by itself and beside the other.
#[test]
fn two_rungs_have_the_numbers_that_each_has_alone() {
    let place = Place::new();
    let (annotations, photos) = (debris("annotations.json"), debris("images"));
    let rungs = ["plain-18", "resnet-18"];
    let folder =
        |rung: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(rung).display().to_string();
    let folders = rungs.map(folder);
    let alone = [0, 1].map(|k| {
        place
            .rcnn(&["detect", &photos, "-m", &folders[k], "-a", &annotations, "-o", rungs[k], "--no-draw"])
            .expect(0);
        let results = format!("{}/detections.json", rungs[k]);
        let ended = place.rcnn(&["evaluate", "-a", &annotations, "-r", &results, "--json"]).expect(0);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    });
    let compare = ["compare", "-a", &annotations, "-i", &photos, "--bootstrap", "100", "--json"];
    let ended = place.rcnn(&[&compare[..], &[&folders[0], &folders[1]]].concat()).expect(0);
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    for k in [0, 1] {
        assert_eq!(compared["models"][k]["name"], rungs[k]);
        assert_eq!(compared["models"][k]["stats"], alone[k]["stats"]);
    }
}

/// Annotations of a bolt on each of some photos, and results that find that of the first.
fn first_found(place: &Place, photos: u32) {
    let images: Vec<Value> =
        (1..=photos).map(|id| json!({"id": id, "file_name": format!("{id}.jpg")})).collect();
    let objects: Vec<Value> = (1..=photos)
        .map(|id| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}))
        .collect();
    let gt = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": objects});
    place.write("gt.json", gt.to_string().as_bytes());
    place.write("a.json", br#"[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}]"#);
    place.write("b.json", br#"[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 8], "score": 0.9}]"#);
}

#[test]
fn the_same_results_twice_are_within_the_noise() {
    let place = Place::new();
    first_found(&place, 12);
    let ended = place.rcnn(&["compare", "-a", "gt.json", "a.json", "a.json"]).expect(0);
    assert!(ended.out.contains(
        "a (2) against a: AP +0.000 (+0.0 %), 95 % interval from +0.000 to +0.000: within the noise"
    ));
    let ended = place.rcnn(&["compare", "-a", "gt.json", "fod-r18"]).expect(2);
    assert_eq!(ended.err, "rcnn: models need photos to run on: give them with -i\n");
    for gone in ["gone.json", "gone.jsonl", "gone.json.gz"] {
        let ended = place.rcnn(&["compare", "-a", "gt.json", "a.json", gone]).expect(2);
        assert_eq!(ended.err, format!("rcnn: no such results file `{gone}`\n"));
    }
}

/// The order that the help shows, on some of the annotated photos: AP is over these, not over all.
#[test]
fn some_of_the_photos_are_judged_alone() {
    let place = Place::new();
    let annotations = debris("annotations.json");
    for name in ["000001.jpg", "000002.jpg", "000003.jpg"] {
        place.write(&format!("photos/{name}"), &std::fs::read(debris(&format!("images/{name}"))).unwrap());
    }
    place.rcnn(&["detect", "photos", "-a", &annotations, "-o", "run", "--no-draw"]).expect(0);
    let ids: Vec<String> = place.rows("run").iter().map(|row| row["image_id"].to_string()).collect();
    let ids = ids.join(",");
    let alone = ["evaluate", "-a", &annotations, "-r", "run/detections.json", "--image-ids", &ids, "--json"];
    let alone: Value = serde_json::from_str(&place.rcnn(&alone).expect(0).out).unwrap();
    assert!(alone["stats"][0].as_f64().unwrap() > 0.0);
    let ended = place.rcnn(&[
        "compare",
        "-a",
        &annotations,
        "-i",
        "photos/000001.jpg",
        "-i",
        "photos/000002.jpg",
        "-i",
        "photos/000003.jpg",
        "fod-r18",
        "run/detections.json",
        "-o",
        "comparison",
        "--json",
    ]);
    let compared: Value = serde_json::from_str(&ended.expect(0).out).unwrap();
    for k in [0, 1] {
        assert_eq!(compared["models"][k]["stats"], alone["stats"]);
    }
    place.rcnn(&["compare", "-a", &annotations, "-i", "photos/", "fod-r18", "-o", "again"]).expect(0);
    assert!(place.at("again/compare.md").is_file());
}

/// Annotations of one bolt on each of three photos, and results that find them all.
fn bolts(place: &Place) -> Vec<Value> {
    let images: Vec<Value> = (1..4).map(|id| json!({"id": id, "file_name": format!("{id}.jpg")})).collect();
    let rows: Vec<Value> = (0..12)
        .map(|id| json!({"id": id + 1, "image_id": id % 3 + 1, "category_id": 1, "bbox": [20 * id, 50, 15, 30], "area": 450, "iscrowd": 0, "score": 0.5}))
        .collect();
    for (name, rows) in [("gt.json", &rows[..]), ("empty.json", &rows[..0])] {
        let gt = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": rows});
        place.write(name, gt.to_string().as_bytes());
    }
    place.write("good.json", json!(rows).to_string().as_bytes());
    rows
}

#[test]
fn each_model_has_its_warnings() {
    let place = Place::new();
    let mut rows = bolts(&place);
    for row in &mut rows {
        let side = |place: usize| row["bbox"][place].as_f64().unwrap();
        row["bbox"] = json!([side(0), side(1), side(0) + side(2), side(1) + side(3)]);
    }
    place.write("corners.json", json!(rows).to_string().as_bytes());
    let compare = ["compare", "-a", "gt.json", "good.json", "corners.json", "--bootstrap", "10", "--json"];
    let ended = place.rcnn(&compare).expect(0);
    assert!(
        ended.err.contains("warning: corners: 12 detections with a box that looks like [x1, y1, x2, y2]"),
        "{}",
        ended.err
    );
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    let kinds = |k: usize| compared["models"][k]["warnings"].to_string();
    assert!(!kinds(0).contains("box_corners") && kinds(1).contains("box_corners"), "{}", ended.out);
}

/// Drawing photos anew from a few gives these few again, which looks certain and is not.
#[test]
fn few_photos_give_no_interval_and_no_verdict() {
    let place = Place::new();
    for (photos, words) in [(1, "1 image has any: too few"), (9, "9 images have any: too few")] {
        first_found(&place, photos);
        let ended = place.rcnn(&["compare", "-a", "gt.json", "a.json", "b.json"]).expect(0);
        assert!(ended.out.contains("cannot be told") && ended.out.contains(words), "{}", ended.out);
        assert!(
            !ended.out.contains("noise of") && !ended.out.contains("95 % interval from"),
            "{}",
            ended.out
        );
        let ended = place.rcnn(&["compare", "-a", "gt.json", "a.json", "b.json", "--json"]).expect(0);
        let compared: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(compared["models"][1]["difference"]["within_noise"], Value::Null);
        assert_eq!(
            compared["models"][0]["intervals"][0],
            json!({"low": -1.0, "high": -1.0, "deviation": -1.0, "bias": 0.0, "images": photos})
        );
    }
}

#[test]
fn what_cannot_be_measured_is_not_a_number() {
    let place = Place::new();
    bolts(&place);
    place.write(
        "none.json",
        br#"[{"image_id": 1, "category_id": 1, "bbox": [900, 900, 9, 9], "score": 0.5}]"#,
    );
    // The first has an AP of 0, of which nothing is a share.
    let ended = place.rcnn(&["compare", "-a", "gt.json", "none.json", "good.json"]).expect(0);
    assert!(ended.out.contains("good against none: AP +1.000: "), "{}", ended.out);
    // There is nothing to find: no AP, and no interval of it.
    let ended =
        place.rcnn(&["compare", "-a", "empty.json", "none.json", "good.json", "--markdown"]).expect(0);
    assert!(ended.out.contains("| none | – | – | – | – | – | – | – |"), "{}", ended.out);
    assert!(ended.out.contains("good against none: there is no AP to compare"), "{}", ended.out);
    assert!(!ended.out.contains("noise"), "{}", ended.out);
}

/// A photo that cannot be used is left out for all models, and counted.
#[test]
fn a_bad_photo_is_left_out_for_all() {
    let place = Place::new();
    let annotations = debris("annotations.json");
    for name in ["000001.jpg", "000002.jpg", "000003.jpg"] {
        let bytes = std::fs::read(debris(&format!("images/{name}"))).unwrap();
        let keep = if name == "000003.jpg" { 2000 } else { bytes.len() };
        place.write(&format!("photos/{name}"), &bytes[..keep]);
    }
    place.rcnn(&["detect", "photos", "-a", &annotations, "-o", "run", "--no-draw"]).expect(3);
    let alone = ["evaluate", "-a", &annotations, "-r", "run", "--seen-only", "--json"];
    let alone: Value = serde_json::from_str(&place.rcnn(&alone).expect(0).out).unwrap();
    // The folder of a run is saved results, too.
    let compare = ["compare", "-a", &annotations, "-i", "photos", "fod-r18", "run", "--bootstrap", "10"];
    let ended = place.rcnn(&[&compare[..], &["-o", "out"]].concat()).expect(3);
    assert!(ended.out.contains("1 photo is left out for all models alike:"), "{}", ended.out);
    let compared = place.json("out/compare.json");
    for k in [0, 1] {
        assert_eq!(compared["models"][k]["stats"], alone["stats"]);
    }
    assert_eq!(compared["models"][1]["name"], "run");
    let failed = &compared["failed"];
    assert_eq!((failed.as_array().unwrap().len(), &failed[0]["error"]["kind"]), (1, &json!("truncated")));
    assert_eq!(failed[0]["file"], "000003.jpg");
    let ended = place
        .rcnn(&[&compare[..6], &["--bootstrap", "10", "--allow-truncated", "--json"]].concat())
        .expect(0);
    let compared: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(compared["failed"], json!([]));
}

#[test]
fn only_a_comparisons_own_folder_is_written_into() {
    let place = Place::new();
    let annotations = debris("annotations.json");
    place.write("photos/000001.jpg", &std::fs::read(debris("images/000001.jpg")).unwrap());
    let compare = |more: &[&str]| {
        place.rcnn(&[&["compare", "-i", "photos", "fod-r18", "--bootstrap", "10"], more].concat())
    };
    // Somebody's notes, and annotations that have the name of the results.
    let own = std::fs::read(&annotations).unwrap();
    place.write("mine/fod-r18.json", &own);
    place.write("mine/compare.md", b"my own notes");
    for given in ["mine/fod-r18.json", &annotations] {
        let ended = compare(&["-a", given, "-o", "mine"]).expect(2);
        assert!(ended.err.contains("give a"), "{}", ended.err);
        assert_eq!(std::fs::read(place.at("mine/fod-r18.json")).unwrap(), own);
        assert_eq!(place.read("mine/compare.md"), "my own notes");
        assert_eq!(std::fs::read_dir(place.at("mine")).unwrap().count(), 2);
    }
    place.write("other/compare.json", b"{\"models\": 3}");
    compare(&["-a", &annotations, "-o", "other"]).expect(2);
    // Its own folder is written anew, but for files that are not its own.
    compare(&["-a", &annotations, "-o", "out"]).expect(0);
    compare(&["-a", &annotations, "-o", "out"]).expect(0);
    place.write("out/gt.json", &own);
    let saved = ["compare", "-a", "out/gt.json", "out/fod-r18.json", "-o", "out"];
    place.rcnn(&saved).expect(0);
    assert_eq!(std::fs::read(place.at("out/gt.json")).unwrap(), own);
    // Now the comparison there has not run the model: its results are somebody's.
    let ended = compare(&["-a", &annotations, "-o", "out"]).expect(2);
    assert!(ended.err.contains("fod-r18.json"), "{}", ended.err);
}
