//! What is done with the masks of a run, on one that is written by hand: an L of 12 pixels and a square of 4 in a photo of
//! 8 x 6. Texts of run lengths are pycocotools 2.0.11's.

use serde_json::{Value as Json, json};

use crate::support::Place;

/// Columns 1 and 2 of rows 1 to 4, and columns 3 and 4 of rows 3 and 4; columns 6 and 7 of rows 0 and 1.
const L: &str = "74202N00?";
const SQUARE: &str = "T12400";

fn mask(counts: &str) -> Json {
    json!({"size": [6, 8], "counts": counts})
}

/// A run's folder with one photo.
fn written(place: &Place, folder: &str, score: f64) {
    let detections = json!([
        {"category_id": 1, "label": "bolt", "score": score, "box": [1.0, 1.0, 5.0, 5.0], "mask": mask(L)},
        {"category_id": 2, "label": "nut", "score": 0.75, "box": [6.0, 0.0, 8.0, 2.0], "mask": mask(SQUARE)},
    ]);
    let row = json!({"image_id": 1, "file": "a.jpg", "width": 8, "height": 6, "detections": detections});
    place.write(&format!("{folder}/detections.jsonl"), format!("{row}\n").as_bytes());
    let results = json!([
        {"image_id": 1, "category_id": 1, "bbox": [1.0, 1.0, 4.0, 4.0], "score": score, "segmentation": mask(L)},
        {"image_id": 1, "category_id": 2, "bbox": [6.0, 0.0, 2.0, 2.0], "score": 0.75, "segmentation": mask(SQUARE)},
    ]);
    place.write(&format!("{folder}/detections.json"), results.to_string().as_bytes());
    let tables = json!({"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]});
    place.write(&format!("{folder}/images.json"), tables.to_string().as_bytes());
}

#[test]
fn a_runs_masks_are_evaluated() {
    let place = Place::new();
    written(&place, "run", 0.5);
    // The truth has one row more of the L's foot: 12 of 14 pixels, an IoU of 0.857 and eight of ten thresholds.
    let truth = json!({"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 5], "area": 14, "iscrowd": 0,
                "segmentation": [[1, 1, 3, 1, 3, 3, 5, 3, 5, 6, 3, 6, 3, 5, 1, 5]]},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [6, 0, 2, 2], "area": 4, "iscrowd": 0,
                "segmentation": mask(SQUARE)}]});
    place.write("gt.json", truth.to_string().as_bytes());
    for results in ["run", "run/detections.json", "run/detections.jsonl"] {
        let line = ["evaluate", "-a", "gt.json", "-r", results, "--iou-type", "segm", "--json"];
        let told: Json = serde_json::from_str(&place.rcnn(&line).expect(0).out).unwrap();
        assert!((told["stats"][0].as_f64().unwrap() - 0.9).abs() < 1e-6, "{results}: {}", told["stats"]);
    }
    let line = ["compare", "-a", "gt.json", "run/detections.json", "--iou-type", "segm", "--json"];
    let told: Json = serde_json::from_str(&place.rcnn(&line).expect(0).out).unwrap();
    assert_eq!(told["iou_type"], "segm");
    assert!((told["models"][0]["stats"][0].as_f64().unwrap() - 0.9).abs() < 1e-6, "{told}");
}

#[test]
fn fused_results_have_the_masks_of_the_most_alike() {
    let place = Place::new();
    written(&place, "a", 0.5);
    written(&place, "b", 0.25);
    for results in [["a", "b"], ["a/detections.json", "b/detections.json"]] {
        place.rcnn(&["ensemble", results[0], results[1], "-o", "fused.json"]).expect(0);
        let fused = place.json("fused.json");
        let masks: Vec<&Json> = fused.as_array().unwrap().iter().map(|one| &one["segmentation"]).collect();
        assert_eq!(masks, [&mask(SQUARE), &mask(L)], "{fused}");
    }
}

#[test]
fn a_runs_masks_become_segmentations_and_polygons() {
    let place = Place::new();
    written(&place, "run", 0.5);
    place.rcnn(&["convert", "run", "-o", "coco.json"]).expect(0);
    let rows = place.json("coco.json")["annotations"].clone();
    let told = |row: &Json| (row["segmentation"].clone(), row["area"].as_f64().unwrap());
    assert_eq!([told(&rows[0]), told(&rows[1])], [(mask(L), 12.0), (mask(SQUARE), 4.0)]);
    place.rcnn(&["convert", "run", "-o", "seg", "--to", "yolo-seg"]).expect(0);
    let labels = place.read("seg/labels/a.txt");
    let shares: Vec<Vec<f64>> =
        labels.lines().map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect()).collect();
    let corners = |shares: &[f64]| -> Vec<f64> {
        shares[1..].chunks_exact(2).flat_map(|corner| [corner[0] * 8.0, (corner[1] * 6.0).round()]).collect()
    };
    assert_eq!(corners(&shares[0]), [1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 5.0, 3.0, 5.0, 5.0, 1.0, 5.0]);
    assert_eq!(corners(&shares[1]), [6.0, 0.0, 8.0, 0.0, 8.0, 2.0, 6.0, 2.0]);
    place.rcnn(&["convert", "run", "-o", "me", "--to", "labelme"]).expect(0);
    let shape = &place.json("me/a.json")["shapes"][1];
    assert_eq!(shape["shape_type"], "polygon");
    assert_eq!(shape["points"], json!([[6.0, 0.0], [8.0, 0.0], [8.0, 2.0], [6.0, 2.0]]));
    // Back from polygons, with the same pixels.
    let back = place.rcnn(&["convert", "me", "-o", "me.json"]).expect(0);
    assert!(!back.err.contains("left out"), "{}", back.err);
    let back = place.json("me.json")["annotations"].clone();
    assert_eq!(
        (&back[1]["segmentation"], &back[1]["area"]),
        (&json!([[6.0, 0.0, 8.0, 0.0, 8.0, 2.0, 6.0, 2.0]]), &json!(4.0))
    );
}

#[test]
fn segmentations_go_through_yolo_and_back() {
    let place = Place::new();
    let polygon = json!([[1.0, 1.0, 30.5, 2.0, 20.25, 25.0]]);
    let truth = json!({"images": [{"id": 1, "file_name": "images/a.png", "width": 61, "height": 43}],
        "categories": [{"id": 1, "name": "bolt"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 29.5, 24], "area": 300, "iscrowd": 0,
                "segmentation": polygon},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [4, 5, 10, 20], "area": 200, "iscrowd": 0}]});
    place.write("gt.json", truth.to_string().as_bytes());
    place.write("photos/images/a.png", &std::fs::read(crate::support::fixtures().join("plain.png")).unwrap());
    // Boxes stay the form's own where no polygons are asked for, and the loss is told.
    let told = place.rcnn(&["convert", "gt.json", "-o", "boxes", "--to", "yolo"]).expect(0);
    assert!(told.err.contains("`segmentation` of 1 object"), "{}", told.err);
    let told = place.rcnn(&["convert", "gt.json", "-o", "seg", "--to", "yolo-seg", "-i", "photos"]).expect(0);
    assert!(!told.err.contains("segmentation` of"), "{}", told.err);
    place.rcnn(&["convert", "seg", "-o", "back.json"]).expect(0);
    let rows = place.json("back.json")["annotations"].clone();
    assert_eq!(rows[0]["segmentation"], polygon);
    // (29.5 * 24 - 1 * 19.25) / 2, and of an object without an outline its box.
    assert!((rows[0]["area"].as_f64().unwrap() - 344.375).abs() < 0.01, "{}", rows[0]);
    assert_eq!(rows[1]["segmentation"], json!([[4.0, 5.0, 14.0, 5.0, 14.0, 25.0, 4.0, 25.0]]));
}
