//! Results against a small data set: any bytes. No panic, whatever is evaluated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use coco_eval::{Closed, Evaluator, Params, Reading, TideThresholds};

const ANNOTATIONS: &str = r#"{"images": [{"id": 1, "width": 50, "height": 50}, {"id": 2}],
"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], "annotations": [
{"id": 0, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0},
{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 1},
{"id": 1, "image_id": 2, "category_id": 2, "bbox": [1, 1, 9, 9], "area": NaN, "iscrowd": 0}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir();
    let name = |part: &str| folder.join(format!("rcnn-fuzz-results-{}-{part}.json", std::process::id()));
    let (annotations, results) = (name("gt"), name("dt"));
    if std::fs::write(&annotations, ANNOTATIONS).is_err() || std::fs::write(&results, bytes).is_err() {
        return;
    }
    let Ok(input) = Evaluator::open(&annotations, &results, &Params::default(), true) else { return };
    let Ok(evaluation) = input.evaluate_as(Reading::default(), true) else { return };
    let _ = input.warnings(&evaluation, Reading::default());
    let _ = input.tide(TideThresholds::default());
    let _ = input.errors(Reading::default(), 0.5, Closed::default());
    let _ = input.resamples(Reading::default(), 2, 0);
});
