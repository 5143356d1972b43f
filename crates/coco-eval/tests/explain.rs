//! TIDE against tidecv, intervals against evaluation, and the same answer on any number of threads.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};

use coco_eval::{
    Closed, Evaluator, IntervalKind, Mistakes, Params, Reading, Resampling, TIDE_KINDS, TideThresholds,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn tide_has_tidecvs_numbers() {
    let folders: Vec<PathBuf> =
        std::fs::read_dir(cases().join("tide")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!folders.is_empty());
    for case in folders {
        let (description, expected) = (read(&case.join("case.json")), read(&case.join("expected.json")));
        let given = |key: &str, otherwise| description["params"][key].as_f64().unwrap_or(otherwise);
        let thresholds = TideThresholds {
            positive: given("pos_threshold", 0.5),
            background: given("background_threshold", 0.1),
        };
        let input =
            Evaluator::open(&case.join("gt.json"), &case.join("dt.json"), &Params::default(), false).unwrap();
        let tide = input.tide(thresholds).unwrap().unwrap();
        let name = case.display();
        assert_eq!(json!(tide.ap), expected["ap"], "{name}");
        for (place, kind) in TIDE_KINDS.iter().enumerate() {
            assert_eq!(tide.main[place], expected["main"][kind].as_f64().unwrap(), "{name}: {kind}");
            assert_eq!(json!(tide.counts[place]), expected["counts"][kind], "{name}: {kind}");
        }
        assert_eq!(json!(tide.false_positive), expected["special"]["FalsePos"], "{name}");
        assert_eq!(json!(tide.false_negative), expected["special"]["FalseNeg"], "{name}");
    }
}

/// One thing in each of two images: one found at 0.9, one at 0.1 behind three wrong boxes. F1 is best from 0.9 up (precision 1 and
/// recall 1/2 give 0.67; all five give 2/5 and 1, or 0.57).
#[test]
fn right_detections_count_from_any_score_where_ap_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
    let truth = |image: u32| json!({"id": image, "image_id": image, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0});
    let set = json!({"images": [{"id": 1}, {"id": 2}], "categories": [{"id": 1, "name": "bolt"}],
        "annotations": [truth(1), truth(2)]});
    let found = |image: u32, x: u32, score: f64| json!({"image_id": image, "category_id": 1, "bbox": [x, 0, 9, 9], "score": score});
    let results =
        [found(1, 0, 0.9), found(2, 50, 0.5), found(2, 60, 0.4), found(2, 70, 0.3), found(2, 0, 0.1)];
    std::fs::write(&gt, set.to_string()).unwrap();
    std::fs::write(&dt, json!(results).to_string()).unwrap();
    let input = Evaluator::open(&gt, &dt, &Params::default(), false).unwrap();
    let counts = |images: Vec<Mistakes>| -> Vec<[usize; 4]> {
        images
            .iter()
            .map(|one| [one.right.len(), one.wrong.len(), one.found.len(), one.missed.len()])
            .collect()
    };
    let reading = Reading::default();
    assert_eq!(counts(input.mistakes(reading, 0.5).unwrap()), [[1, 0, 1, 0], [0, 0, 0, 1]]);
    assert_eq!(counts(input.found_and_mistaken(reading, 0.5).unwrap()), [[1, 0, 1, 0], [1, 0, 1, 0]]);
}

/// An image, a category, a box on a coarse grid and a score in tenths, so that there are ties.
type Row = (u8, u8, (u8, u8, u8, u8), u8);

fn rows(count: usize) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((1u8..9, 1u8..4, (0u8..6, 0u8..6, 1u8..6, 1u8..6), 0u8..10), 0..count)
}

/// Writes a data set and results, with every image listed `copies[image]` times under new ids side by side.
fn write(folder: &Path, truths: &[Row], guesses: &[Row], copies: &[u32]) -> (PathBuf, PathBuf) {
    let ids = |image: u8| (0..copies[usize::from(image) - 1]).map(move |copy| u32::from(image) * 100 + copy);
    let bbox = |(x, y, w, h): (u8, u8, u8, u8)| {
        json!([10.0 * f64::from(x), 10.0 * f64::from(y), 11.0 * f64::from(w), 9.0 * f64::from(h)])
    };
    let images: Vec<Value> = (1u8..9)
        .flat_map(ids)
        .map(|id| json!({"id": id, "width": 100, "height": 100, "video": id / 200}))
        .collect();
    let mut annotations = Vec::new();
    for (image, category, sides, crowd) in truths {
        for id in ids(*image) {
            let area = f64::from(sides.2) * f64::from(sides.3) * 99.0;
            annotations.push(json!({"id": annotations.len() + 1, "image_id": id, "category_id": category,
                "bbox": bbox(*sides), "area": area, "iscrowd": u8::from(*crowd == 0)}));
        }
    }
    let mut results = Vec::new();
    for (place, (image, category, sides, score)) in guesses.iter().enumerate() {
        // Scores are equal between the copies of an image, not within an image.
        let score = f64::from(*score) / 10.0 + place as f64 / 65536.0;
        for id in ids(*image) {
            results
                .push(json!({"image_id": id, "category_id": category, "bbox": bbox(*sides), "score": score}));
        }
    }
    let categories: Vec<Value> = (1..4).map(|id| json!({"id": id, "name": format!("c{id}")})).collect();
    let (gt, dt) = (folder.join("gt.json"), folder.join("dt.json"));
    let set = json!({"images": images, "annotations": annotations, "categories": categories});
    std::fs::write(&gt, set.to_string()).unwrap();
    std::fs::write(&dt, json!(results).to_string()).unwrap();
    (gt, dt)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Numbers, intervals and TIDE do not depend on how many threads work.
    #[test]
    fn threads_do_not_matter(truths in rows(40), guesses in rows(80)) {
        let folder = tempfile::tempdir().unwrap();
        let (gt, dt) = write(folder.path(), &truths, &guesses, &[1; 8]);
        let all = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let input = Evaluator::open(&gt, &dt, &Params::default(), false).unwrap();
                let evaluation = input.evaluate_as(Reading::default(), true).unwrap();
                let clusters = input.clusters("video").unwrap();
                let draws = |method, clusters| {
                    let resampling = Resampling { count: 37, seed: 7, method, clusters };
                    let draws = input.draws(Reading::default(), &resampling).unwrap();
                    // NaN is no value, and equal to none.
                    let values: Vec<Vec<u64>> =
                        draws.values().iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect();
                    (values, draws.intervals())
                };
                let samples = [
                    draws(IntervalKind::Subsampling, None),
                    draws(IntervalKind::Subsampling, Some(&clusters)),
                    draws(IntervalKind::Percentile, None),
                ];
                let errors = input.errors(Reading::default(), 0.5, Closed::default()).unwrap();
                (evaluation.stats, samples, input.tide(TideThresholds::default()).unwrap(), errors)
            })
        };
        prop_assert_eq!(all(1), all(5));
    }

    /// A resample is an evaluation in which every image is there as often as it was drawn.
    #[test]
    fn a_resample_is_an_evaluation_of_copies(truths in rows(40), guesses in rows(80), copies in prop::collection::vec(0u32..4, 8)) {
        let folder = tempfile::tempdir().unwrap();
        let (gt, dt) = write(folder.path(), &truths, &guesses, &[1; 8]);
        let input = Evaluator::open(&gt, &dt, &Params::default(), false).unwrap();
        let weighted = input.reweighted(Reading::default(), &copies).unwrap();
        let (gt, dt) = write(folder.path(), &truths, &guesses, &copies);
        let copied = Evaluator::open(&gt, &dt, &Params::default(), false).unwrap();
        let expected = copied.evaluate_as(Reading::default(), false).unwrap().stats;
        for (found, expected) in weighted.iter().zip(&expected) {
            prop_assert!((found - expected).abs() < 1e-12, "{weighted:?} {expected:?}");
        }
    }
}
