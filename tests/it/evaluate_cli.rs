//! `rcnn evaluate` as a user runs it: what is printed where, exit codes, formats, bad input.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

mod clusters;
mod mistakes;
mod names;
mod options;
mod seen;
mod shapes;
mod text;
mod voc;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/coco-eval/tests/fixtures/hostile").join(name)
}

struct Outcome {
    code: i32,
    out: String,
    err: String,
}

fn run(gt: &Path, dt: &Path, flags: &[&str]) -> Outcome {
    let output = Command::cargo_bin("rcnn")
        .unwrap()
        .args(["evaluate", "-a"])
        .arg(gt)
        .arg("-r")
        .arg(dt)
        .args(flags)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run_case(name: &str, flags: &[&str]) -> Outcome {
    run(&case(name).join("gt.json"), &case(name).join("dt.json"), flags)
}

fn stats(outcome: &Outcome) -> Vec<f64> {
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    document["stats"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Annotations with two images, two categories with gaps in their ids, and results for them.
fn scene() -> (Value, Vec<Value>) {
    let gt = json!({
        "images": [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 100}, {"id": 9, "file_name": "b/ü.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 3, "name": "bolt"}, {"id": 5, "name": "nut"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 30], "area": 1200, "iscrowd": 0},
            {"id": 2, "image_id": 9, "category_id": 5, "bbox": [50, 20, 30, 30], "area": 900, "iscrowd": 0},
        ],
    });
    let result = |image: i32, category: i32, bbox: [f64; 4], score: f64| json!({"image_id": image, "category_id": category, "bbox": bbox, "score": score});
    let dt = vec![
        result(7, 3, [11.0, 10.0, 40.0, 30.0], 0.9),
        result(9, 5, [50.0, 21.0, 30.0, 30.0], 0.75),
        result(9, 3, [120.0, 21.0, 30.0, 30.0], 0.5),
    ];
    (gt, dt)
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn twelve_lines_on_standard_output_and_talk_on_standard_error() {
    let outcome = run_case("ann-id-zero", &[]);
    assert_eq!(outcome.code, 0);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(case("ann-id-zero").join("expected.json")).unwrap()).unwrap();
    let lines: Vec<&str> =
        expected["summary"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(outcome.out.lines().collect::<Vec<_>>(), lines);
    assert!(outcome.err.starts_with("warning: 1 annotation with id 0"), "{}", outcome.err);
    assert!(outcome.err.contains("without this AP would move by +"), "{}", outcome.err);
}

#[test]
fn corrected_reads_id_0_as_a_match() {
    assert_eq!(stats(&run_case("ann-id-zero-only", &["--json"]))[0], 0.0);
    let corrected = run_case("ann-id-zero-only", &["--json", "--corrected"]);
    assert!(stats(&corrected)[0] > 0.99);
    assert!(!corrected.err.contains("id 0"), "{}", corrected.err);
}

#[test]
fn every_form_of_results_gives_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let list = json!(dt).to_string();
    let expected = stats(&run(&gt, &write(folder.path(), "dt.json", &list), &["--json"]));
    assert!(expected[0] > 0.5);
    // A data set with scores.
    let mut set: Value = serde_json::from_slice(&std::fs::read(&gt).unwrap()).unwrap();
    set["annotations"] = json!(dt);
    let outcome = run(&gt, &write(folder.path(), "set.json", set.to_string()), &["--json"]);
    assert_eq!(stats(&outcome), expected);
    assert!(outcome.err.contains("data set with scores"), "{}", outcome.err);
    // A line a photo.
    let lines = concat!(
        r#"{"image_id":7,"file":"a.jpg","width":200,"height":100,"detections":[{"category_id":3,"label":"bolt","score":0.9,"box":[11,10,51,40]}]}"#,
        "\n",
        r#"{"image_id":8,"file":"c.jpg","error":{"kind":"truncated","stage":"decode","detail":"x"}}"#,
        "\n",
        r#"{"image_id":9,"file":"b/ü.jpg","width":200,"height":100,"detections":[{"category_id":5,"label":"nut","score":0.75,"box":[50,21,80,51]},{"category_id":3,"label":"bolt","score":0.5,"box":[120,21,150,51]}]}"#,
        "\n"
    );
    let outcome = run(&gt, &write(folder.path(), "detections.jsonl", lines), &["--json"]);
    assert_eq!(stats(&outcome), expected);
    assert!(outcome.err.contains("1 photo that failed"), "{}", outcome.err);
    // Each packed.
    for (name, text) in [("dt.json.gz", list.as_str()), ("detections.jsonl.gz", lines)] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let path = write(folder.path(), name, packed.finish().unwrap());
        assert_eq!(stats(&run(&gt, &path, &["--json"])), expected, "{name}");
    }
}

#[test]
fn a_zero_is_explained_and_names_map() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, mut dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let right = stats(&run(&gt, &write(folder.path(), "right.json", json!(dt).to_string()), &["--json"]));
    // A model that counts its categories from 0 and its images from 1.
    for result in &mut dt {
        result["category_id"] = json!(if result["category_id"] == 3 { 0 } else { 1 });
    }
    let path = write(folder.path(), "dt.json", json!(dt).to_string());
    let outcome = run(&gt, &path, &[]);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome.err.contains("AP is 0") && outcome.err.contains("count categories from 0"),
        "{}",
        outcome.err
    );
    for result in &mut dt {
        result["image_id"] = json!(if result["image_id"] == 7 { 1 } else { 2 });
    }
    let path = write(folder.path(), "dt.json", json!(dt).to_string());
    let outcome = run(&gt, &path, &[]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("image ids such as 1, 2, the annotations 7, 9"), "{}", outcome.err);
    let tables = json!({
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b/ü.jpg"}],
        "categories": [{"id": 0, "name": "bolt"}, {"id": 1, "name": "nut"}],
    });
    write(folder.path(), "images.json", tables.to_string());
    let outcome = run(&gt, &path, &["--json", "--map-by-name"]);
    assert_eq!(stats(&outcome), right);
}

#[test]
fn boxes_in_the_wrong_form_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let with = |change: fn([f64; 4]) -> [f64; 4]| {
        let many: Vec<Value> = (0..10).flat_map(|_| dt.clone()).collect();
        let changed = many.into_iter().map(|mut result| {
            let bbox: Vec<f64> =
                result["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            result["bbox"] = json!(change(bbox.try_into().unwrap()));
            result
        });
        run(&gt, &write(folder.path(), "dt.json", json!(changed.collect::<Vec<_>>()).to_string()), &[]).err
    };
    let corners = with(|[x, y, w, h]| [x, y, x + w, y + h]);
    assert!(corners.contains("looks like [x1, y1, x2, y2]"), "{corners}");
    assert!(corners.contains("without this AP would move by +"), "{corners}");
    let normalised = with(|[x, y, w, h]| [x / 200.0, y / 100.0, w / 200.0, h / 100.0]);
    assert!(normalised.contains("between 0 and 1"), "{normalised}");
    assert!(normalised.contains("without this AP would move by +"), "{normalised}");
}

#[test]
fn bad_files_end_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let good_gt = write(folder.path(), "gt.json", gt.to_string());
    let good_dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let numbers = format!("[{}1]", "1.5, ".repeat(1 << 20));
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let line = "{\"image_id\": 7, \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"score\": 0.5},\n";
    let long = format!("[\n{}", line.repeat(9000));
    let broken_line = format!("[\n{}{{\"image_id\": 7 8}}]", line.repeat(4000));
    for (text, words) in [
        ("", "empty"),
        ("   \n", "empty"),
        ("[", "ends early"),
        ("[{\"image_id\": 7", "ends early"),
        (long.as_str(), "ends early"),
        (broken_line.as_str(), "line 4002, column 16"),
        ("[1, 2]", "result 1 is no object"),
        ("{}", "list of results expected"),
        ("7", "list of results expected"),
        ("[{\"image_id\": 7, \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"score\": 0.5}] x", "more text"),
        ("[{\"image_id\": 7, \"category_id\": 3, \"bbox\": \"1 2 3 4\", \"score\": 0.5}]", "`bbox`"),
        ("[{\"image_id\": [7], \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"score\": 0.5}]", "result"),
        ("[{\"image_id\": 7, \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"score\": \"x\"}]", "`score`"),
        (numbers.as_str(), "result 1 is no object"),
        (deep.as_str(), "nested more than"),
        ("[{\"a\": \"\u{1}\"}]", "control character"),
    ] {
        let bad = write(folder.path(), "bad.json", text);
        let outcome = run(&good_gt, &bad, &[]);
        let shown = &text[..text.len().min(60)];
        assert_eq!(outcome.code, 1, "{shown}: {}", outcome.err);
        assert!(outcome.err.contains(words), "{shown}: {words:?} expected in {}", outcome.err);
        assert!(outcome.err.contains("bad.json"), "{shown}: {}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{shown}: {}", outcome.err);
        assert!(outcome.out.is_empty(), "{shown}");
    }
    let swapped = run(&good_dt, &good_gt, &[]);
    assert!(
        swapped.code == 1 && swapped.err.contains("holds COCO results, and COCO annotations are wanted"),
        "{}",
        swapped.err
    );
    let twice = run(&good_gt, &good_gt, &[]);
    assert!(
        twice.code == 1 && twice.err.contains("holds COCO annotations, and results are wanted"),
        "{}",
        twice.err
    );
    let absent = run(&folder.path().join("no.json"), &good_dt, &[]);
    assert!(absent.code == 1 && absent.err.contains("cannot read"), "{}", absent.err);
    // Numbers beyond the range of a double are infinite, as in Python.
    let huge = "[{\"image_id\": 7, \"category_id\": 3, \"bbox\": [1, 2, 3, 4], \"score\": 1e999}]";
    let outcome = run(&good_gt, &write(folder.path(), "huge.json", huge), &[]);
    assert!(outcome.code == 0 && outcome.err.contains("score"), "{}", outcome.err);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for flags in [
        &["--max-dets", "a"][..],
        &["--area-ranges", "small"],
        &["--no-such-flag"],
        &["--iou", "x"],
        &["--max-dets", "1,100"],
        &["--lvis", "--max-dets", "1,10,100"],
        &["--bootstrap", "0"],
        &["--bootstrap", "1"],
        &["--metric", "voc", "--bootstrap", "10"],
        &["--metric", "voc", "--versus", "other.json"],
    ] {
        let outcome = run_case("score-ties", flags);
        assert_eq!(outcome.code, 2, "{flags:?}: {}", outcome.err);
        assert!(outcome.out.is_empty() && !outcome.err.is_empty(), "{flags:?}");
    }
}

#[test]
fn everything_at_once_is_one_document() {
    let other = case("score-ties").join("dt.json");
    let flags =
        ["--json", "--per-class", "--tide", "--errors", "--bootstrap", "20", "--seed", "3", "--versus"];
    let flags: Vec<&str> = flags.into_iter().chain([other.to_str().unwrap()]).collect();
    let outcome = run_case("score-ties", &flags);
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    for key in ["stats", "names", "warnings", "per_class", "tide", "errors", "bootstrap", "versus"] {
        assert!(document.get(key).is_some(), "{key}");
    }
    // Compared with itself nothing differs, in no resample.
    assert!(document["versus"]["difference"].as_array().unwrap().iter().all(|value| value == 0.0));
    let intervals = document["versus"]["intervals"].as_array().unwrap();
    assert!(intervals.iter().all(|interval| [0.0, -1.0].contains(&interval["low"].as_f64().unwrap())));
    let again = run_case("score-ties", &flags);
    assert_eq!(outcome.out, again.out);
    let one_thread: Vec<&str> = flags.iter().copied().chain(["--threads", "1"]).collect();
    assert_eq!(outcome.out, run_case("score-ties", &one_thread).out);
}

/// Finds of the differential test.
#[test]
fn ids_typed_with_a_point_are_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let typed = stats(&run(&gt, &dt, &["--json", "--image-ids", "9.0", "--category-ids", "5.0"]));
    assert_eq!(typed, stats(&run(&gt, &dt, &["--json", "--image-ids", "9", "--category-ids", "5"])));
    assert!(typed[0] > 0.0);
}

/// Finds of the differential test: of two annotations with one id the first, which is never looked at, may be broken.
#[test]
fn an_annotation_that_is_replaced_may_be_broken() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gt, dt) = scene();
    let mut broken = gt["annotations"][0].clone();
    broken["iscrowd"] = json!(-1);
    gt["annotations"].as_array_mut().unwrap().insert(0, broken);
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let outcome = run(&gt, &write(folder.path(), "dt.json", json!(dt).to_string()), &["--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.err.contains("an id that an earlier one has"), "{}", outcome.err);
}

#[test]
fn the_text_forms_print() {
    for flags in [
        &["--per-class"][..],
        &["--metric", "voc", "--per-class"],
        &["--metric", "proposals"],
        &["--tide"],
        &["--errors"],
        &["--bootstrap", "10"],
    ] {
        let outcome = run_case("score-ties", flags);
        assert_eq!(outcome.code, 0, "{flags:?}: {}", outcome.err);
        assert!(outcome.out.lines().count() > 2, "{flags:?}");
    }
    let proposals = run_case("score-ties", &["--metric", "proposals"]);
    assert!(proposals.out.lines().next().unwrap().contains("maxDets=100 ]"), "{}", proposals.out);
}

#[test]
fn a_zero_for_want_of_results_on_the_image_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, mut dt) = scene();
    dt.truncate(1);
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let outcome = run(&gt, &write(folder.path(), "dt.json", json!(dt).to_string()), &["--image-ids", "9"]);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome.err.contains("no result of an evaluated category is on an evaluated image"),
        "{}",
        outcome.err
    );
    assert!(!outcome.err.contains("map-by-name"), "{}", outcome.err);
}

/// One of forty photos has a small object, which says nothing of other photos; eleven have a large one.
#[test]
fn intervals_need_images_with_something_to_find() {
    let folder = tempfile::tempdir().unwrap();
    let side = |image: i32| match image {
        1 => 20,
        2..13 => 120,
        _ => 50,
    };
    let images: Vec<Value> =
        (1..41).map(|id| json!({"id": id, "file_name": format!("\u{1b}[31m{id}.jpg")})).collect();
    let objects: Vec<Value> = (1..41)
        .map(|id| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [10, 10, side(id), side(id)], "area": side(id) * side(id), "iscrowd": 0, "score": 0.5}))
        .collect();
    let gt = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": objects});
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let all = write(folder.path(), "all.json", json!(objects).to_string());
    // Neither the small one nor one of the large ones, and one of the others.
    let some: Vec<&Value> =
        objects.iter().filter(|object| ![1, 2, 20].contains(&object["id"].as_i64().unwrap())).collect();
    let without = write(folder.path(), "without.json", json!(some).to_string());
    let flags = ["--bootstrap", "100", "--versus", without.to_str().unwrap()];
    let outcome = run(&gt, &all, &[&["--json"], &flags[..]].concat());
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    let none =
        |images: u32| json!({"low": -1.0, "high": -1.0, "deviation": -1.0, "bias": 0.0, "images": images});
    // Everything is found in every draw.
    let own = &document["bootstrap"]["intervals"];
    assert_eq!([&own[0], &own[3], &own[5]], [&none(40), &none(1), &none(11)]);
    let differences = &document["versus"]["intervals"];
    assert_eq!(differences[3], none(1));
    for place in [0, 4, 5] {
        let (low, high) =
            (differences[place]["low"].as_f64().unwrap(), differences[place]["high"].as_f64().unwrap());
        assert!(-1.0 < low && low < 0.0 && low < high && high < 0.5, "{differences}");
    }
    let outcome = run(&gt, &all, &flags);
    let line = |name: &str| outcome.out.lines().rfind(|line| line.starts_with(name)).unwrap();
    assert!(line(" APs ").ends_with("1 image has any: too few for an interval"), "{}", outcome.out);
    assert!(outcome.out.contains(" AP        1.000  the same in every draw"), "{}", outcome.out);
    // Names of images do not steer the terminal.
    assert!(outcome.out.contains("31m1.jpg") && !outcome.out.contains('\u{1b}'), "{}", outcome.out);
}

#[test]
fn the_other_results_have_warnings_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let own: Vec<Value> = (0..10).flat_map(|_| dt.clone()).collect();
    let mut other = own.clone();
    for result in &mut other {
        let side = |place: usize| result["bbox"][place].as_f64().unwrap();
        result["bbox"] = json!([side(0), side(1), side(0) + side(2), side(1) + side(3)]);
    }
    let own = write(folder.path(), "own.json", json!(own).to_string());
    let other = write(folder.path(), "other.json", json!(other).to_string());
    let outcome = run(&gt, &own, &["--json", "--versus", other.to_str().unwrap()]);
    let said = format!("warning: {}: 30 detections with a box that looks like", other.display());
    assert!(outcome.err.contains(&said), "{}", outcome.err);
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    let has = |warnings: &Value| {
        warnings.as_array().unwrap().iter().any(|warning| warning["kind"] == "box_corners")
    };
    assert!(has(&document["versus"]["warnings"]) && !has(&document["warnings"]));
}

#[test]
fn numbers_are_named_by_what_they_are() {
    let document = |flags: &[&str]| -> Value {
        serde_json::from_str(&run_case("score-ties", &[&["--json"], flags].concat()).out).unwrap()
    };
    for (flags, limits) in [
        (&[][..], ["AR1", "AR10", "AR100"]),
        (&["--metric", "proposals"][..], ["AR100", "AR300", "AR1000"]),
        (&["--max-dets", "1,100,5"][..], ["AR1", "AR5", "AR100"]),
    ] {
        let names = document(flags)["names"].clone();
        assert_eq!(names.as_array().unwrap()[6..9], limits, "{flags:?}");
    }
    let text = run_case("score-ties", &["--metric", "proposals", "--bootstrap", "10"]).out;
    let intervals: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("95 %")).skip(1).collect();
    let names: Vec<&str> = intervals.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["AR100", "AR300", "AR1000", "ARs", "ARm", "ARl"]);
    let voc = &document(&["--metric", "voc", "--per-class"])["voc"];
    assert_eq!(voc["names"].as_array().unwrap().len(), voc["categories"].as_array().unwrap().len());
    let per_class = &document(&["--per-class"])["per_class"];
    let first: Vec<&Value> = per_class.as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(voc["names"].as_array().unwrap().iter().collect::<Vec<_>>(), first);
}

/// `numpy.min` and `numpy.max`, which pycocotools uses, give NaN where there is one.
#[test]
fn key_points_that_are_no_numbers_make_no_box() {
    let folder = tempfile::tempdir().unwrap();
    let gt = write(folder.path(), "gt.json", scene().0.to_string());
    let points = "[{\"image_id\": 7, \"category_id\": 3, \"score\": 0.5, \"keypoints\": [10, 10, 2, NaN, 20, 2, 50, 40, 2]}]";
    let outcome = run(&gt, &write(folder.path(), "dt.json", points), &[]);
    assert!(outcome.err.contains("1 detection with a box of NaN"), "{}", outcome.err);
}

/// `int("0.5")`, which pycocotools asks for, is an error.
#[test]
fn a_crowd_of_a_half_in_quotes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gt, dt) = scene();
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    for (crowd, code) in [("0.5", 1), ("0", 0), (" 1 ", 0)] {
        gt["annotations"][0]["iscrowd"] = json!(crowd);
        let outcome = run(&write(folder.path(), "gt.json", gt.to_string()), &dt, &[]);
        assert_eq!(outcome.code, code, "{crowd:?}: {}", outcome.err);
        assert!(code == 0 || outcome.err.contains("`iscrowd`"), "{}", outcome.err);
    }
}
