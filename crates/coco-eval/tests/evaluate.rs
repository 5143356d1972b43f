//! Stored evaluation cases: the numbers and arrays of pycocotools and lvis, to the last bit.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop")]

use std::io::Write;
use std::path::{Path, PathBuf};

use coco_eval::{AreaRange, EvaluateError, Evaluation, Evaluator, Params, Reading, summary_lines};
use serde_json::Value;

mod support;

use support::differing_array;

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile")
}

/// Cases beside the repository, where there are any.
fn shared(folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("RCNN_SHARED").map_or(beside, PathBuf::from);
    let path = root.join("reference/coco-eval").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    let reason = format!("skipped: no {} (RCNN_SHARED names the folder of the larger set)", path.display());
    // Past the test harness, which swallows what passing tests print.
    let _ = writeln!(std::io::stderr(), "{reason}");
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `name.json` or `name.json.gz`.
fn file(case: &Path, name: &str) -> PathBuf {
    let plain = case.join(format!("{name}.json"));
    if plain.exists() { plain } else { case.join(format!("{name}.json.gz")) }
}

fn params(case: &Value) -> Params {
    let mut params = if case["protocol"] == "lvis" { Params::lvis() } else { Params::default() };
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let words = |value: &Value| value.as_array().unwrap().iter().map(ToString::to_string).collect();
    let Some(given) = case["params"].as_object() else { return params };
    let labels =
        given.get("areaRngLbl").cloned().unwrap_or(serde_json::json!(["all", "small", "medium", "large"]));
    for (key, value) in given {
        match key.as_str() {
            "iouThrs" => params.iou_thresholds = numbers(value),
            "recThrs" => params.recall_thresholds = numbers(value),
            "maxDets" => params.max_dets = numbers(value).into_iter().map(|limit| limit as usize).collect(),
            "catIds" => params.category_ids = Some(words(value)),
            "imgIds" => params.image_ids = Some(words(value)),
            "useCats" => params.class_agnostic = value == 0,
            "areaRng" => {
                let ranges = value.as_array().unwrap().iter().zip(labels.as_array().unwrap());
                let range = |(ends, label): (&Value, &Value)| AreaRange {
                    label: label.as_str().unwrap().into(),
                    low: ends[0].as_f64().unwrap(),
                    high: ends[1].as_f64().unwrap(),
                };
                params.area_ranges = ranges.map(range).collect();
            }
            "areaRngLbl" => {}
            other => panic!("unknown parameter {other}"),
        }
    }
    params
}

fn evaluate(case: &Path, params: &Params) -> Result<(Evaluation, usize), EvaluateError> {
    let input = Evaluator::open(&file(case, "gt"), &file(case, "dt"), params, false)?;
    let evaluation = input.evaluate_as(Reading::default(), true)?;
    let warnings = input.warnings(&evaluation, Reading::default()).len();
    Ok((evaluation, warnings))
}

/// What is wrong with our answer to a case, if anything.
fn check(case: &Path) -> Option<String> {
    let description = json(&case.join("case.json"));
    let expected = json(&case.join("expected.json"));
    let params = params(&description);
    let outcome = evaluate(case, &params);
    if expected["outcome"] != "ok" {
        return match outcome {
            Ok((_, 0)) => Some("evaluated without a warning, though pycocotools stops".into()),
            _ => None,
        };
    }
    let (evaluation, _) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Some(format!("refused: {error}")),
    };
    let stats: Vec<f64> = expected["stats"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    if bits(&stats) != bits(&evaluation.stats) {
        return Some(format!("numbers differ: {:?}, expected {stats:?}", evaluation.stats));
    }
    let lines: Vec<&str> =
        expected["summary"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    if summary_lines(&evaluation.stats, &params) != lines {
        return Some(format!("lines differ: {:#?}", summary_lines(&evaluation.stats, &params)));
    }
    let folder = tempfile::tempdir().unwrap();
    differing_array(&evaluation, folder.path(), params.protocol, &expected)
}

fn check_all(folder: &Path) {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| {
        case.join("case.json").exists() && json(&case.join("case.json"))["protocol"] != "tide"
    });
    cases.sort();
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.file_name()?.to_string_lossy(), check(case)?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_quirk_is_repeated_to_the_last_bit() {
    check_all(&own());
}

#[test]
fn shared_quirks_are_repeated_to_the_last_bit() {
    if let Some(folder) = shared("hostile") {
        check_all(&folder);
    }
}

#[test]
fn realistic_cases_are_repeated_to_the_last_bit() {
    if let Some(folder) = shared("real") {
        check_all(&folder);
    }
}

/// Two classes whose ids are swapped between the files: AP is 0 by id and 1 by name, and the warning says so.
#[test]
fn names_that_differ_tell_what_they_cost() {
    let folder = tempfile::tempdir().unwrap();
    let data_set = |names: [&str; 2], score: &str| {
        let rows: Vec<String> = (1..=2)
            .map(|k| {
                format!(
                    r#"{{"id": {k}, "image_id": 7, "category_id": {}, "bbox": [{k}0, 5, 8, 8], "area": 64, "iscrowd": 0{score}}}"#,
                    1 + names.iter().position(|name| *name == ["cat", "dog"][k - 1]).unwrap(),
                )
            })
            .collect();
        let categories: Vec<String> =
            (1..).zip(names).map(|(id, name)| format!(r#"{{"id": {id}, "name": "{name}"}}"#)).collect();
        format!(
            r#"{{"images": [{{"id": 7, "file_name": "a.jpg"}}], "categories": [{}], "annotations": [{}]}}"#,
            categories.join(", "),
            rows.join(", ")
        )
    };
    let (truths, guesses) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
    std::fs::write(&truths, data_set(["cat", "dog"], "")).unwrap();
    std::fs::write(&guesses, data_set(["dog", "cat"], r#", "score": 0.5"#)).unwrap();
    let input = Evaluator::open(&truths, &guesses, &Params::default(), false).unwrap();
    let evaluation = input.evaluate_as(Reading::default(), false).unwrap();
    assert_eq!(evaluation.stats[0], 0.0);
    let warnings = input.warnings(&evaluation, Reading::default());
    let differ = warnings.iter().find(|warning| warning.kind == "category_names_differ").unwrap();
    assert_eq!(differ.count, Some(2));
    assert!((differ.ap_change.unwrap() - 1.0).abs() < 1e-12);
}

/// What a user is told, by the kind of the warning.
#[test]
fn quirks_are_named() {
    let kinds = |case: &str| -> Vec<&'static str> {
        let case = own().join(case);
        let params = params(&json(&case.join("case.json")));
        let input = Evaluator::open(&file(&case, "gt"), &file(&case, "dt"), &params, false).unwrap();
        let evaluation = input.evaluate_as(Reading::default(), false).unwrap();
        input.warnings(&evaluation, Reading::default()).into_iter().map(|warning| warning.kind).collect()
    };
    for (case, kind) in [
        ("ann-id-zero", "annotation_id_zero"),
        ("ann-id-string-zero", "annotation_id_zero"),
        ("ann-id-duplicate-across-images", "duplicate_annotation_ids"),
        ("area-nan", "area_nan"),
        ("area-above-1e10", "area_above_1e10"),
        ("area-zero-or-negative", "area_negative"),
        ("area-key-missing", "no_area"),
        ("crowd-key-missing", "no_iscrowd"),
        ("crowd-value-half", "iscrowd_unusual"),
        ("box-nan-detection", "box_not_finite"),
        ("box-nan-ground-truth", "annotation_box_not_finite"),
        ("box-negative-width", "box_negative"),
        ("box-zero-size", "box_empty"),
        ("gt-images-listed-twice", "image_listed_twice"),
        ("gt-categories-listed-twice", "category_listed_twice"),
        ("gt-category-without-objects", "category_without_objects"),
        ("gt-annotation-of-unknown-image", "annotation_unknown_image"),
        ("gt-annotation-of-unknown-category", "annotation_unknown_category"),
        ("gt-no-annotations", "no_annotations"),
        ("ignore-flag-overwritten", "ignore_not_used"),
        ("results-empty-list", "no_results"),
        ("results-unknown-category", "result_unknown_category"),
        ("results-unknown-image", "result_unknown_image"),
        ("results-masks-only", "boxes_derived"),
        ("results-keypoints-only", "boxes_derived"),
        ("score-nan", "score_nan"),
        ("score-inf-and-negative", "score_outside_0_1"),
        ("score-all-bool", "score_bool"),
        ("maxdets-hundred-per-category", "unused_detections"),
        ("params-maxdets-without-100", "no_limit_100"),
        ("params-iouthrs-without-75", "no_such_threshold"),
        ("params-arearng-custom", "no_such_range"),
        ("params-imgids-unknown", "image_not_listed"),
        ("params-catids-subset", "category_not_listed"),
        ("params-recthrs-descending", "recall_thresholds_descend"),
        ("params-iouthrs-zero", "threshold_zero"),
        ("json-byte-order-mark", "encoding"),
        ("lvis-federated", "not_verified"),
        ("lvis-300-per-image", "unused_detections"),
        ("lvis-one-frequency-group", "empty_frequency_group"),
        ("lvis-area-not-positive", "area_not_positive"),
    ] {
        let found = kinds(case);
        assert!(found.contains(&kind), "{case}: {kind} expected, found {found:?}");
    }
}

/// One sentence that names file, place and cause.
#[test]
fn refusals_say_where_and_why() {
    let message = |case: &str| {
        let case = own().join(case);
        let params = params(&json(&case.join("case.json")));
        evaluate(&case, &params).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (case, words) in [
        ("json-truncated", vec!["dt.json` ends early", "line 1, column"]),
        ("json-trailing-comma", vec!["dt.json` is not JSON", "line 1, column 2683"]),
        ("gt-list", vec!["gt.json", "holds a list"]),
        ("gt-no-images-key", vec!["gt.json", "`images`"]),
        ("gt-no-categories-key", vec!["gt.json", "`categories`"]),
        ("box-of-three", vec!["dt.json", "result", "3 numbers"]),
        ("box-of-five", vec!["result", "four numbers"]),
        ("box-ground-truth-missing", vec!["annotation", "no `bbox`"]),
        ("crowd-value-256", vec!["annotation", "`iscrowd`"]),
        ("results-captions", vec!["result 1", "caption"]),
        ("results-category-missing", vec!["result", "no `category_id`"]),
        ("results-first-without-bbox", vec!["result 1", "no `bbox`"]),
        ("score-missing", vec!["result", "no `score`"]),
        ("score-null", vec!["result", "null"]),
        ("image-id-mixed-types", vec!["image ids are strings and numbers"]),
        ("image-id-string-against-number", vec!["no result of", "strings such as"]),
        ("params-maxdets-of-two", vec!["three limits"]),
        ("lvis-frequency-unknown", vec!["`r`, `c` or `f`"]),
        ("lvis-neg-list-missing", vec!["no `neg_category_ids`"]),
    ] {
        let found = message(case);
        for word in words {
            assert!(found.contains(word), "{case}: {word:?} expected in {found:?}");
        }
        assert!(!found.ends_with('.'), "{case}: {found}");
    }
}
