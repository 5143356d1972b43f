//! Models against what their frameworks computed: the golden fixtures in this repository, and the larger set
//! beside it where there is one.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::fs;
use std::path::{Path, PathBuf};

use rcnn::internal::detector::{Detector, Verification, verify};
use rcnn::internal::family::ImportOptions as FamilyOptions;
use rcnn::internal::model::{Imported, read_config};
use rcnn::internal::runtime::{Device, Runtime, SessionOptions};

/// The larger set.
fn shared() -> Option<PathBuf> {
    crate::support::shared("golden")
}

fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
}

/// What an importer is told: the framework's own config where there is one, else `import.json`.
fn told(folder: &Path) -> PathBuf {
    let yaml =
        ["config.yaml", "config.yml"].map(|name| folder.join(name)).into_iter().find(|yaml| yaml.is_file());
    yaml.unwrap_or_else(|| folder.join("import.json"))
}

/// What is told to the importer of a fixture.
type Telling = fn(&Path) -> Result<FamilyOptions, String>;

fn from_config(folder: &Path) -> Result<FamilyOptions, String> {
    read_config(&told(folder)).map_err(|error| error.to_string())
}

fn from_json(folder: &Path) -> Result<FamilyOptions, String> {
    read_config(&folder.join("import.json")).map_err(|error| error.to_string())
}

fn import(folder: &Path, telling: Telling) -> Result<Imported, String> {
    let checkpoint = folder.join(config(folder)["checkpoint"].as_str().unwrap());
    Imported::from_file(&checkpoint, &telling(folder)?).map_err(|error| error.to_string())
}

fn judge(folder: &Path, runtime: &Runtime, telling: Telling) -> Result<Verification, String> {
    let model = import(folder, telling)?.into_memory().map_err(|error| error.to_string())?;
    let session = SessionOptions { device: Device::Cpu, ..SessionOptions::default() };
    let detector = Detector::new(&model, runtime, &session).map_err(|error| error.to_string())?;
    verify(&detector, folder).map_err(|error| error.to_string())
}

/// Fixtures of a folder whose names begin with a prefix, sorted.
fn fixtures(golden: &Path, prefixes: &[&str]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").is_file() && path.join("config.json").is_file())
        .filter(|path| {
            prefixes.iter().any(|prefix| path.file_name().unwrap().to_string_lossy().starts_with(prefix))
        })
        .collect();
    found.sort();
    found
}

/// Judges every fixture and fails with all failures at once.
fn all_agree(golden: &Path, prefixes: &[&str], telling: Telling) {
    let runtime = crate::support::open();
    let folders = fixtures(golden, prefixes);
    assert!(!folders.is_empty(), "no fixtures in {}", golden.display());
    let mut failures = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy();
        match judge(folder, &runtime, telling) {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(verdict) => match verdict.first_difference() {
                Some(step) => failures.push(format!("{name}: {step:?}")),
                // maskrcnn-benchmark's mask heads are left out.
                None if name.contains("mask")
                    && !name.starts_with("mrb-")
                    && verdict.worst("masks").is_none() =>
                {
                    failures.push(format!("{name}: no masks are compared"));
                }
                None => {
                    let worst = |stage| verdict.worst(stage).unwrap_or(f64::NAN);
                    let (steps, pixels, score) = (verdict.steps.len(), worst("detections"), worst("scores"));
                    println!("{name}: {steps} comparisons agree; boxes {pixels:.4} px, scores {score:.1e}");
                }
            },
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} fixtures:\n{}",
        failures.len(),
        folders.len(),
        failures.join("\n")
    );
}

/// The fixtures of this repository, which are there wherever the tests are.
#[test]
fn own_fixtures() {
    all_agree(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"),
        &["tv-", "d2-", "c2-", "mm-", "mrb-", "pd-"],
        from_config,
    );
}

#[test]
fn torchvision() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["tv-"], from_config);
    }
}

#[test]
fn detectron2() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["d2-"], from_config);
    }
}

#[test]
fn detectron() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["c2-"], from_config);
    }
}

#[test]
fn mmdetection() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["mm-", "mm2-"], from_config);
    }
}

#[test]
fn paddledetection() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["pd-"], from_config);
    }
}

/// Where a framework's own config stands beside the file, the JSON of options says the same.
#[test]
fn options_instead_of_the_frameworks_config() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["d2-", "c2-", "pd-"], from_json);
    }
}

/// mmdetection's files hold their config, and Detectron's most of theirs: nothing need be told.
#[test]
fn files_that_hold_their_config_need_no_other() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["mm-", "mm2-", "c2-"], |_| Ok(FamilyOptions::default()));
    }
}

#[test]
fn a_backbone_that_is_no_resnet_is_refused_by_name() {
    let Some(golden) = shared() else { return };
    let folder = golden.join("tv-mobilenet");
    let checkpoint = folder.join("model.pth");
    let error = Imported::from_file(&checkpoint, &FamilyOptions::default()).unwrap_err().to_string();
    for part in config(&folder)["message_contains"].as_array().unwrap() {
        assert!(error.contains(part.as_str().unwrap()), "{error}");
    }
    assert!(error.contains("no ResNet"), "{error}");
}
