//! What is done with the masks of a run, on one that is written by hand: an L of 12 pixels and a square of 4 in a photo of
//! 8 x 6. Texts of run lengths are pycocotools 2.0.11's.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
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

/// The golden model with masks, and two photos of it: one of torchvision's own fixture, and a rendered scene.
fn with_photos(place: &Place) -> String {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    for photo in ["cat-face.png", "scene-wide.png"] {
        place.write(&format!("photos/{photo}"), &std::fs::read(golden.join("images").join(photo)).unwrap());
    }
    let file = |name: &str| golden.join("tv-mask-v2").join(name).to_string_lossy().into_owned();
    place.rcnn(&["import", &file("model.pth"), "--config", &file("import.json"), "-o", "model"]).expect(0);
    "model".into()
}

/// The detections of a row, each with its box and mask.
fn detections(row: &Json) -> &Vec<Json> {
    row["detections"].as_array().unwrap()
}

/// Set pixels of a mask, and the box around them.
fn extent(mask: &Json) -> (u32, [f64; 4]) {
    let rle: coco_eval::Rle = serde_json::from_value(mask.clone()).unwrap();
    (rle.area(), rle.bbox().unwrap())
}

#[test]
fn a_run_writes_masks_draws_them_and_goes_on_with_the_same_bytes() {
    let place = Place::new();
    let model = with_photos(&place);
    let line = ["detect", "photos", "-m", &model, "--draw-score", "0.1", "-o"];
    let detect = |out: &str, more: &[&str]| place.rcnn(&[&line[..], &[out], more].concat()).expect(0);
    detect("whole", &["--format", "yolo,labelme,csv,parquet"]);
    let rows = place.rows("whole");
    let results = place.json("whole/detections.json");
    let mut written = results.as_array().unwrap().iter();
    for row in &rows {
        assert!(detections(row).len() > 3, "{row}");
        for found in detections(row) {
            assert_eq!(found["mask"]["size"], json!([row["height"], row["width"]]));
            assert_eq!(written.next().unwrap()["segmentation"], found["mask"]);
        }
    }
    // The tables have the text of each mask.
    let counts: Vec<&str> =
        rows.iter().flat_map(detections).map(|found| found["mask"]["counts"].as_str().unwrap()).collect();
    let mut table = csv::Reader::from_path(place.at("whole/detections.csv")).unwrap();
    let column = table.headers().unwrap().iter().position(|name| name == "mask").unwrap();
    let in_table: Vec<String> = table.records().map(|row| row.unwrap()[column].to_owned()).collect();
    assert_eq!(in_table, counts);
    let table = std::fs::File::open(place.at("whole/detections.parquet")).unwrap();
    let table = SerializedFileReader::new(table).unwrap();
    let in_table: Vec<String> = table
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().get_string(column).unwrap().clone())
        .collect();
    assert_eq!(in_table, counts);
    // An outline for each shown detection whose mask has a pixel.
    let labels = place.read("whole/yolo/labels/cat-face.txt");
    assert!(labels.lines().all(|line| line.split(' ').count() >= 9), "{labels}");
    // The box stands for a mask without a pixel.
    let drawn = place.json("whole/labelme/cat-face.json")["shapes"].clone();
    let shown = detections(&rows[0]).iter().filter(|found| found["score"].as_f64().unwrap() >= 0.1);
    let kinds: Vec<&str> =
        shown.map(|found| if extent(&found["mask"]).0 > 0 { "polygon" } else { "rectangle" }).collect();
    let shapes: Vec<&str> =
        drawn.as_array().unwrap().iter().map(|shape| shape["shape_type"].as_str().unwrap()).collect();
    assert_eq!(shapes, kinds);
    // Without masks: the same boxes, and other pictures.
    detect("boxes", &["--no-masks"]);
    let bare = |run: &str| place.read(&format!("{run}/detections.jsonl"));
    let mut without = rows.clone();
    for row in &mut without {
        let found = row["detections"].as_array_mut().unwrap();
        found.iter_mut().for_each(|found| drop(found.as_object_mut().unwrap().remove("mask")));
    }
    assert_eq!(place.rows("boxes"), without);
    let picture = |run: &str| std::fs::read(place.at(&format!("{run}/annotated/cat-face.png"))).unwrap();
    assert_ne!(picture("whole"), picture("boxes"));
    let refused = place.rcnn(&[&line[..], &["whole", "--no-masks"]].concat()).expect(1);
    assert!(refused.err.contains("--no-masks"), "{}", refused.err);
    // Half of the journal, and shares of the photos.
    let all = bare("whole");
    detect("half", &[]);
    place.write("half/detections.jsonl", &all.as_bytes()[..all.len() - 40]);
    detect("half", &[]);
    assert_eq!(bare("half"), all);
    for share in ["1/2", "2/2"] {
        detect(&share[..1], &["--shard", share]);
    }
    place.rcnn(&["merge", "1", "2", "-o", "merged"]).expect(0);
    for file in ["detections.jsonl", "detections.json", "images.json"] {
        assert_eq!(place.read(&format!("merged/{file}")), place.read(&format!("whole/{file}")), "{file}");
    }
    place.rcnn(&["report", "whole", "-i", "photos", "-o", "page.html"]).expect(0);
    let page = place.read("page.html");
    assert!(page.contains(r#"<path class="mask""#) && page.contains(r#"name="masks""#));
}

#[test]
fn masks_lie_in_their_boxes_in_views_and_tiles() {
    let place = Place::new();
    let model = with_photos(&place);
    for (name, way) in
        [("flip", "--augment=flip"), ("nms", "--merge=nms"), ("tile", "--tile"), ("refine", "--refine")]
    {
        let more: &[&str] = if name == "nms" { &["--scales", "0.75,1"] } else { &[] };
        let line = ["detect", "photos", "-m", &model, "--no-draw", way, "-o", name];
        place.rcnn(&[&line[..], more].concat()).expect(0);
        let mut count = 0;
        for row in place.rows(name) {
            for found in detections(&row) {
                let corners: Vec<f64> = serde_json::from_value(found["box"].clone()).unwrap();
                let (area, [x, y, width, height]) = extent(&found["mask"]);
                if area == 0 {
                    continue;
                }
                count += 1;
                let beyond =
                    [corners[0] - x, corners[1] - y, x + width - corners[2], y + height - corners[3]];
                // torchvision grows a box by a fifteenth, and cuts it off to whole pixels.
                assert!(beyond.iter().all(|&side| side < 2.0), "{name}: {found}");
            }
        }
        assert!(count > 5, "{name}: {count}");
    }
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
