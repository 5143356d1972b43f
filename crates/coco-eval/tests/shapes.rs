//! Evaluation of masks and key points: the numbers and arrays of pycocotools 2.0.11 and lvis 0.5.3, to the last bit, and tidecv's of
//! masks.
//!
//! The stored cases are those of `tests/differential/shapes.py --small --cases 80` and `lvis_masks.py --small --cases 40`.
//! `RCNN_SHAPE_CASES` and `RCNN_LVIS_CASES` name files of more.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};

use coco_eval::{
    AreaRange, EvaluateError, Evaluator, IouType, Params, Protocol, Reading, TIDE_KINDS, TideThresholds,
};
use serde_json::Value;

mod support;

use support::differing_array;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn params(given: &Value, protocol: Protocol) -> Params {
    let kind = if given["iouType"] == "segm" { IouType::Segm } else { IouType::Keypoints };
    let mut params = match protocol {
        Protocol::Lvis => Params { iou_type: kind, ..Params::lvis() },
        _ => Params::of(kind),
    };
    for (key, value) in given.as_object().unwrap() {
        match key.as_str() {
            "kpt_oks_sigmas" => params.sigmas = numbers(value),
            "maxDets" => params.max_dets = numbers(value).into_iter().map(|limit| limit as usize).collect(),
            "iouThrs" => params.iou_thresholds = numbers(value),
            "useCats" => params.class_agnostic = value == 0,
            "catIds" => params.category_ids = Some(numbers(value).iter().map(f64::to_string).collect()),
            "areaRng" => {
                let labels = given["areaRngLbl"].as_array().unwrap();
                let range = |(ends, label): (&Value, &Value)| {
                    let ends = numbers(ends);
                    AreaRange { label: label.as_str().unwrap().into(), low: ends[0], high: ends[1] }
                };
                params.area_ranges = value.as_array().unwrap().iter().zip(labels).map(range).collect();
            }
            "iouType" | "areaRngLbl" => {}
            other => panic!("unknown parameter {other}"),
        }
    }
    params
}

/// What is wrong with our answer to a case, if anything.
fn check(case: &Value, protocol: Protocol, folder: &Path) -> Option<String> {
    let (gt, dt) = (folder.join("gt.json"), folder.join("dt.json"));
    std::fs::write(&gt, case["gt"].as_str().unwrap()).unwrap();
    std::fs::write(&dt, case["dt"].as_str().unwrap()).unwrap();
    let evaluate = || -> Result<_, EvaluateError> {
        let input = Evaluator::open(&gt, &dt, &params(&case["params"], protocol), false)?;
        let evaluation = input.evaluate_as(Reading::default(), true)?;
        let warnings = input.warnings(&evaluation, Reading::default()).len();
        let tide = match case["expected"].get("tide") {
            None => None,
            Some(_) => input.tide(TideThresholds::default())?,
        };
        Ok((evaluation, warnings, tide))
    };
    let (expected, outcome) = (&case["expected"], evaluate());
    if expected["outcome"] != "ok" {
        return match outcome {
            Ok((_, 0, _)) => Some(format!("evaluated without a warning, though {}", expected["error"])),
            _ => None,
        };
    }
    let (evaluation, _, tide) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Some(format!("refused: {error}")),
    };
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    let stats = numbers(&expected["stats"]);
    if bits(&stats) != bits(&evaluation.stats) {
        return Some(format!("numbers differ: {:?}, expected {stats:?}", evaluation.stats));
    }
    if let Some(expected) = expected.get("tide") {
        let tide = tide.unwrap();
        let gains = |key: &str| expected["main"][key].as_f64().unwrap();
        let counts = |key: &str| expected["counts"][key].as_u64().unwrap();
        let special = |key: &str| expected["special"][key].as_f64().unwrap();
        let same = bits(&tide.main) == bits(&TIDE_KINDS.map(gains))
            && tide.counts == TIDE_KINDS.map(counts)
            && bits(&[tide.ap, tide.false_positive, tide.false_negative])
                == bits(&[expected["ap"].as_f64().unwrap(), special("FalsePos"), special("FalseNeg")]);
        if !same {
            return Some(format!("TIDE differs: {tide:?}, expected {expected}"));
        }
    }
    differing_array(&evaluation, folder, protocol, expected)
}

fn cases(path: &Path, protocol: Protocol, least: usize) {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let evaluated = cases.iter().filter(|case| case["expected"]["outcome"] == "ok").count();
    assert!(evaluated >= least, "{evaluated} cases with numbers in {}", path.display());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            Some(format!("{} {}: {}", case["number"], case["params"], check(case, protocol, folder.path())?))
        })
        .collect();
    let first = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{first}", wrong.len(), cases.len());
}

#[test]
fn masks_and_key_points_are_judged_to_the_last_bit() {
    let protocol = Params::default().protocol;
    cases(&fixture("shapes.jsonl"), protocol, 60);
    if let Some(path) = std::env::var_os("RCNN_SHAPE_CASES") {
        cases(&PathBuf::from(path), protocol, 100);
    }
}

#[test]
fn masks_of_federated_sets_are_judged_to_the_last_bit() {
    cases(&fixture("lvis_masks.jsonl"), Protocol::Lvis, 40);
    if let Some(path) = std::env::var_os("RCNN_LVIS_CASES") {
        cases(&PathBuf::from(path), Protocol::Lvis, 100);
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
