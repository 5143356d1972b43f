//! Masks and key points: what `--iou-type` compares.

use serde_json::{Value, json};

use super::{run, stats, write};

/// An image with one object of 10 x 10 pixels, and a result on its upper 10 x 6, whose box is that of the object.
fn files(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let gt = json!({
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0,
            "segmentation": [[0, 0, 10, 0, 10, 10, 0, 10]],
            "num_keypoints": 2, "keypoints": [2, 2, 2, 8, 8, 1, 0, 0, 0]}],
    });
    let dt = json!([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.5,
        "segmentation": [[0, 0, 10, 0, 10, 6, 0, 6]], "keypoints": [2, 2, 0, 8, 8, 0, 19, 19, 0]}]);
    (write(folder, "gt.json", gt.to_string()), write(folder, "dt.json", dt.to_string()))
}

#[test]
fn masks_are_compared_instead_of_boxes() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = files(folder.path());
    let boxes = run(&gt, &dt, &["--json"]);
    assert!((stats(&boxes)[0] - 1.0).abs() < 1e-6, "{}", boxes.out);
    assert!(boxes.err.contains("`--iou-type segm` judges masks"), "{}", boxes.err);
    // 60 of 100 pixels: three of the ten thresholds, 0.5, 0.55 and 0.6, are reached.
    let masks = run(&gt, &dt, &["--json", "--iou-type", "segm", "--tide", "--errors"]);
    assert_eq!(masks.code, 0, "{}", masks.err);
    let numbers = stats(&masks);
    assert!((numbers[0] - 0.3).abs() < 1e-6 && (numbers[1] - 1.0).abs() < 1e-6, "{numbers:?}");
    assert_eq!(numbers[2], 0.0);
    let document: Value = serde_json::from_str(&masks.out).unwrap();
    assert_eq!(document["iou_type"], "segm");
    assert_eq!(document["tide"]["ap"], 100.0);
}

#[test]
fn key_points_have_ten_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = files(folder.path());
    let points = ["--iou-type", "keypoints", "--sigmas", "0.1,0.1,0.1"];
    let outcome = run(&gt, &dt, &[&points[..], &["--json"]].concat());
    let numbers = stats(&outcome);
    // The visible ones are where they should be, and 100 pixels are neither medium nor large.
    assert_eq!(numbers.len(), 10);
    assert!((numbers[0] - 1.0).abs() < 1e-6 && numbers[3] == -1.0, "{numbers:?}");
    let refused = run(&gt, &dt, &["--iou-type", "keypoints"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("9 numbers as `keypoints`") && refused.err.contains("--sigmas"),
        "{}",
        refused.err
    );
    for (flags, words) in [
        (&["--sigmas", "0.1"][..], "--iou-type keypoints"),
        (&["--iou-type", "keypoints", "--tide"], "--tide"),
        (&["--iou-type", "keypoints", "--metric", "proposals"], "--metric"),
        (&["--iou-type", "segm", "--metric", "voc"], "--metric voc"),
    ] {
        let outcome = run(&gt, &dt, flags);
        assert_eq!(outcome.code, 2, "{flags:?}: {}", outcome.err);
        assert!(outcome.err.contains(words), "{flags:?}: {}", outcome.err);
    }
}
