//! Runs over a part of the annotated images: both numbers are said, and the part can be judged alone.

use std::path::Path;

use serde_json::{Value, json};

use super::{Outcome, run, stats, write};

/// Six images with an object each; results that find those of the first two, as a run over the first three leaves them.
fn part(folder: &Path) {
    let images: Vec<Value> = (1..7)
        .map(|id| json!({"id": id, "file_name": format!("{id}.jpg"), "width": 100, "height": 100}))
        .collect();
    let object = |id: i32| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0});
    let gt = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}],
        "annotations": (1..7).map(object).collect::<Vec<_>>()});
    write(folder, "gt.json", gt.to_string());
    let found: Vec<Value> = (1..3)
        .map(|id| json!({"image_id": id, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.9}))
        .collect();
    write(folder, "detections.json", json!(found).to_string());
    write(folder, "images.json", json!({"images": images[..3], "categories": gt["categories"]}).to_string());
    let line = |id: i32, detections: &str| {
        format!(
            "{{\"image_id\":{id},\"file\":\"{id}.jpg\",\"width\":100,\"height\":100,\"detections\":[{detections}]}}\n"
        )
    };
    let item = "{\"category_id\":1,\"label\":\"bolt\",\"score\":0.9,\"box\":[10,10,50,50]}";
    write(folder, "detections.jsonl", line(1, item) + &line(2, item) + &line(3, ""));
}

fn judge(folder: &Path, results: &str, flags: &[&str]) -> Outcome {
    let outcome = run(&folder.join("gt.json"), &folder.join(results), &[&["--json"], flags].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    outcome
}

fn warning(outcome: &Outcome, kind: &str) -> Option<Value> {
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    document["warnings"].as_array().unwrap().iter().find(|warning| warning["kind"] == kind).cloned()
}

#[test]
fn a_run_over_a_part_is_told_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path());
    for results in ["detections.json", "detections.jsonl", "."] {
        let whole = judge(folder.path(), results, &[]);
        // Of six objects two are found: 34 of 101 recalls are reached.
        assert!((stats(&whole)[0] - 34.0 / 101.0).abs() < 1e-9);
        let told = warning(&whole, "images_not_in_run").unwrap();
        assert_eq!(told["count"], 3);
        let message = told["message"].as_str().unwrap();
        assert!(
            message.starts_with("3 of 6 images were not in the run")
                && message.contains("on the 3 that were looked at, AP is 0.663 instead of 0.337"),
            "{message}"
        );
        // Two of three: 67 of 101.
        let alone = judge(folder.path(), results, &["--seen-only"]);
        assert!((stats(&alone)[0] - 67.0 / 101.0).abs() < 1e-9);
        assert!(!alone.out.contains("images_not_in_run"));
        assert_eq!(warning(&alone, "images_left_out").unwrap()["count"], 3);
        let ids =
            judge(folder.path(), results, &["--image-ids", "1,2,3", "--tide", "--errors", "--per-class"]);
        let same = judge(folder.path(), results, &["--seen-only", "--tide", "--errors", "--per-class"]);
        for key in ["stats", "tide", "errors", "per_class"] {
            let of = |outcome: &Outcome| serde_json::from_str::<Value>(&outcome.out).unwrap()[key].clone();
            assert_eq!(of(&ids), of(&same), "{key}");
        }
        assert!(warning(&ids, "images_not_in_run").is_none());
    }
}

#[test]
fn results_alone_tell_it_where_most_images_have_none() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path());
    std::fs::remove_file(folder.path().join("images.json")).unwrap();
    let whole = judge(folder.path(), "detections.json", &[]);
    let told = warning(&whole, "images_without_results").unwrap();
    assert_eq!(told["count"], 4);
    assert!(
        told["message"].as_str().unwrap().contains("on the 2 with results, AP is 1.000 instead of 0.337")
    );
    assert!(stats(&judge(folder.path(), "detections.json", &["--seen-only"]))[0] > 0.999);
    // Three of six say nothing yet.
    let mut rows: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("detections.json")).unwrap())
            .unwrap();
    let mut third = rows[0].clone();
    third["image_id"] = json!(3);
    rows.push(third);
    write(folder.path(), "half.json", json!(rows).to_string());
    assert!(warning(&judge(folder.path(), "half.json", &[]), "images_without_results").is_none());
    // Tables of other results, which miss images that these have, are not these results'.
    let tables = json!({"images": [{"id": 1, "file_name": "1.jpg"}], "categories": []});
    write(folder.path(), "images.json", tables.to_string());
    let outcome = judge(folder.path(), "half.json", &[]);
    assert!(warning(&outcome, "images_not_in_run").is_none(), "{}", outcome.err);
}

#[test]
fn both_results_of_a_comparison_are_judged_on_what_both_have_seen() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path());
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    write(
        &other,
        "detections.jsonl",
        "{\"image_id\":2,\"detections\":[]}\n{\"image_id\":4,\"detections\":[]}\n",
    );
    let outcome = judge(folder.path(), ".", &["--seen-only", "--versus", other.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    assert!(document["stats"][0].as_f64().unwrap() > 0.999);
    assert_eq!(document["versus"]["other"][0], 0.0);
    assert_eq!(warning(&outcome, "images_left_out").unwrap()["count"], 5);
}

#[test]
fn failed_photos_and_half_lines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path());
    let journal = std::fs::read_to_string(folder.path().join("detections.jsonl")).unwrap();
    let failed = "{\"image_id\":4,\"file\":\"4.jpg\",\"error\":{\"kind\":\"truncated\",\"stage\":\"decode\",\"detail\":\"\"}}\n";
    write(folder.path(), "detections.jsonl", format!("{journal}{failed}{}", &journal[..40]));
    let whole = judge(folder.path(), ".", &[]);
    assert_eq!(warning(&whole, "images_not_in_run").unwrap()["count"], 2);
    assert_eq!(warning(&whole, "failed_photo").unwrap()["count"], 1);
    assert!(warning(&whole, "cut_line").is_some());
    let alone = judge(folder.path(), ".", &["--seen-only"]);
    assert!((stats(&alone)[0] - 67.0 / 101.0).abs() < 1e-9);
}
