//! Bare classifiers against torchvision's and timm's own logits.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::fs;
use std::path::{Path, PathBuf};

use rcnn::internal::classify::{Classifier, Crops};
use rcnn::internal::family::{ClassifierFilter, ClassifierInput, ImportOptions};
use rcnn::internal::model::ClassifierModel;
use rcnn::internal::photo::{DecodeOptions, decode};
use rcnn::internal::runtime::{Device, Runtime, SessionOptions};
use serde_json::Value as Json;

fn read(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn three(value: &Json) -> [f32; 3] {
    serde_json::from_value(value.clone()).unwrap()
}

/// A classifier's input as its fixture describes it.
fn input(conventions: &Json) -> ClassifierInput {
    let bicubic = conventions["resize"]["filter"].as_str().unwrap().contains("bicubic");
    ClassifierInput {
        resize: conventions["resize"]["shorter_side"].as_u64().unwrap() as u32,
        crop: conventions["crop"]["size"][0].as_u64().unwrap() as u32,
        filter: if bicubic { ClassifierFilter::Bicubic } else { ClassifierFilter::Bilinear },
        mean: three(&conventions["mean"]),
        std: three(&conventions["std"]),
    }
}

fn judge(folder: &Path, images: &Path, runtime: &Runtime) -> Result<f64, String> {
    let config = read(&folder.join("config.json"));
    let checkpoint = folder.join(config["checkpoint"].as_str().unwrap());
    let model =
        ClassifierModel::import(&checkpoint, &ImportOptions::default()).map_err(|error| error.to_string())?;
    let session = SessionOptions { device: Device::Cpu, ..SessionOptions::default() };
    let classifier = Classifier::new(&model, runtime, &session).map_err(|error| error.to_string())?;
    let classifier = classifier.with_input(input(&config["conventions"]));
    let allowed = |what: &str| config["tolerance"][what].as_f64().unwrap();
    let mut worst = 0.0f64;
    for image in read(&folder.join("expected.json"))["images"].as_array().unwrap() {
        let file = image["file"].as_str().unwrap();
        let photo =
            decode(&images.join(file), &DecodeOptions::default()).map_err(|error| error.to_string())?;
        // Other views than the centre are recorded in fixtures of our own.
        let views = [
            ("", Crops::Centre),
            ("ten_crops.", Crops::TenCrops),
            ("scales.", Crops::Scales(Crops::PAPER.to_vec())),
        ];
        for (prefix, views) in views {
            let record = if prefix.is_empty() { image } else { &image[prefix.trim_end_matches('.')] };
            if record.is_null() {
                continue;
            }
            let found = classifier.classify(&photo, &views).map_err(|error| error.to_string())?;
            for (what, values, tolerance) in
                [("logits", &found.logits, "logits"), ("probabilities", &found.probabilities, "probability")]
            {
                let Some(expected) = record[what].as_array() else { continue };
                if expected.len() != values.len() {
                    return Err(format!("{file}: {} {what}, {} expected", values.len(), expected.len()));
                }
                let apart =
                    expected.iter().zip(values).map(|(a, b)| (a.as_f64().unwrap() - f64::from(*b)).abs());
                let apart = apart.fold(0.0, f64::max);
                worst = worst.max(apart);
                if apart > allowed(tolerance) {
                    return Err(format!("{file}: {prefix}{what} differ by {apart}"));
                }
            }
            if let Some(top) = record["top"].as_u64()
                && found.top(1) != [top as usize]
            {
                return Err(format!("{file}: the best class is {:?}, {top} expected", found.top(1)));
            }
        }
    }
    Ok(worst)
}

fn all_agree(golden: &Path) {
    let runtime = crate::support::open();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("cls-"));
    folders.sort();
    assert!(!folders.is_empty(), "no fixtures in {}", golden.display());
    let mut failures = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        match judge(&folder, &golden.join("images"), &runtime) {
            Ok(worst) => println!("{name}: within {worst:.1e}"),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_classifier() {
    if let Some(golden) = crate::support::shared("golden") {
        all_agree(&golden);
    }
}

/// The fixtures of this repository: one crop, ten crops and several scales.
#[test]
fn own_fixtures() {
    all_agree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"));
}
