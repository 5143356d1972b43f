//! Models against what their frameworks computed: the golden fixtures in this repository, and the larger set
//! beside it where there is one.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::{Path, PathBuf};

use rcnn::detector::{Detector, Verdict, verify};
use rcnn::model::{Imported, read_config};
use rcnn::runtime::{Device, Options, Runtime, SessionOptions};

/// The folder with the larger set: `RCNN_SHARED`, or `shared` beside the repository.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let home = std::env::var_os("RCNN_SHARED").map_or_else(beside, PathBuf::from);
    let golden = home.join("golden");
    if !golden.is_dir() {
        println!("skipped: there is no folder `{}`", golden.display());
        return None;
    }
    Some(golden)
}

fn runtime() -> Option<Runtime> {
    match Runtime::open(&Options::default(), &mut |line| println!("{line}")) {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
}

/// What an importer is told: the framework's own config where there is one, else `import.json`.
fn told(folder: &Path) -> PathBuf {
    let yaml = folder.join("config.yaml");
    if yaml.is_file() { yaml } else { folder.join("import.json") }
}

fn import(folder: &Path) -> Result<Imported, String> {
    let config = config(folder);
    let checkpoint = folder.join(config["checkpoint"].as_str().unwrap());
    let options = read_config(&told(folder)).map_err(|error| error.to_string())?;
    Imported::from_file(&checkpoint, &options).map_err(|error| error.to_string())
}

fn judge(folder: &Path, runtime: &Runtime) -> Result<Verdict, String> {
    let model = import(folder)?.into_memory().map_err(|error| error.to_string())?;
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
fn all_agree(golden: &Path, prefixes: &[&str]) {
    let Some(runtime) = runtime() else { return };
    let folders = fixtures(golden, prefixes);
    assert!(!folders.is_empty(), "no fixtures in {}", golden.display());
    let mut failures = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy();
        match judge(folder, &runtime) {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(verdict) => match verdict.first_difference() {
                Some(step) => failures.push(format!("{name}: {step:?}")),
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

#[test]
fn torchvision() {
    if let Some(golden) = shared() {
        all_agree(&golden, &["tv-"]);
    }
}

#[test]
fn a_backbone_that_is_no_resnet_is_refused_by_name() {
    let Some(golden) = shared() else { return };
    let folder = golden.join("tv-mobilenet");
    let checkpoint = folder.join("model.pth");
    let error = Imported::from_file(&checkpoint, &rcnn::family::Options::default()).unwrap_err().to_string();
    for part in config(&folder)["message_contains"].as_array().unwrap() {
        assert!(error.contains(part.as_str().unwrap()), "{error}");
    }
    assert!(error.contains("no ResNet"), "{error}");
}
