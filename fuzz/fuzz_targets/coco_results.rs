//! Results against a small data set: any bytes. No panic, whatever is evaluated: boxes, masks or key points.
#![no_main]

use libfuzzer_sys::fuzz_target;
use coco_eval::{Closed, Evaluator, IouType, Params, Reading, Resampling, TideThresholds};

const ANNOTATIONS: &str = r#"{"images": [{"id": 1, "width": 50, "height": 50}, {"id": 2, "width": 20, "height": 10}],
"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], "annotations": [
{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0, "num_keypoints": 2,
"segmentation": [[0, 0, 10, 0, 10, 10]], "keypoints": [1, 1, 2, 9, 9, 1]},
{"id": 2, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 1, "num_keypoints": 0,
"segmentation": {"size": [50, 50], "counts": [255, 400, 1845]}, "keypoints": [0, 0, 0, 0, 0, 0]},
{"id": 3, "image_id": 2, "category_id": 2, "bbox": [1, 1, 9, 9], "area": NaN, "iscrowd": 0, "num_keypoints": 1,
"segmentation": [[1, 1, 10, 1, 10, 10, 1, 10]], "keypoints": [5, 5, 2, 0, 0, 0]}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir();
    let name = |part: &str| folder.join(format!("rcnn-fuzz-results-{}-{part}.json", std::process::id()));
    let (annotations, results) = (name("gt"), name("dt"));
    if std::fs::write(&annotations, ANNOTATIONS).is_err() || std::fs::write(&results, bytes).is_err() {
        return;
    }
    for iou_type in [IouType::Bbox, IouType::Segm, IouType::Keypoints] {
        let mut params = Params::of(iou_type);
        params.sigmas = vec![0.05, 0.1];
        let Ok(input) = Evaluator::open(&annotations, &results, &params, true) else { continue };
        let Ok(evaluation) = input.evaluate_as(Reading::default(), true) else { continue };
        let _ = input.warnings(&evaluation, Reading::default());
        let _ = input.tide(TideThresholds::default());
        let _ = input.errors(Reading::default(), 0.5, Closed::default());
        let _ = input.draws(Reading::default(), &Resampling::of_images(2, 0));
    }
});
