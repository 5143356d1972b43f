//! `rcnn synth` as a user sees it: its summary, and a folder that is whole or untouched.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn rcnn() -> Command {
    Command::cargo_bin("rcnn").expect("the program is built")
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("the file is JSON")
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("readable"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_folder_with_other_things_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("mine");
    fs::create_dir(&out).expect("made");
    fs::write(out.join("holiday.jpg"), b"precious").expect("written");
    let output = rcnn().args(["synth", "--count", "1", "-o"]).arg(&out).output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("holds `holiday.jpg`, which no earlier `rcnn synth` made"), "{said}");
    assert_eq!(contents(&out), [("holiday.jpg".to_owned(), b"precious".to_vec())]);
}

#[test]
fn an_empty_folder_is_filled_and_stays_the_same_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let output =
        rcnn().current_dir(folder.path()).args(["synth", "-n", "1", "-o", "."]).output().expect("run");
    assert!(output.status.success());
    assert_eq!(contents(folder.path()).len(), 2);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2, "nothing else is left");
}

#[test]
fn the_summary_is_one_json_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    let output = rcnn()
        .args(["synth", "--count", "3", "--size", "64x48", "--json", "-o"])
        .arg(&out)
        .output()
        .expect("run");
    assert!(output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(
        (&summary["images"], &summary["width"], &summary["height"]),
        (&3.into(), &64.into(), &48.into())
    );
    let annotations = json(&out.join("annotations.json"));
    assert_eq!(summary["objects"], annotations["annotations"].as_array().expect("a list").len());
}

/// The scenes in the repository are those that the command of their README makes.
#[test]
fn the_sample_is_made_by_its_command() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris");
    if !sample.exists() {
        crate::support::skipped("datasets/debris is not part of the packaged crate");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("debris");
    rcnn().args(["synth", "--seed", SAMPLE_SEED, "-o"]).arg(&out).assert().success();
    let (mut made, mut kept) = (json(&out.join("annotations.json")), json(&sample.join("annotations.json")));
    // A later version may make the same scenes.
    made["info"]["version"].take();
    kept["info"]["version"].take();
    assert_eq!(made, kept);
    let pictures = contents(&out.join("images"));
    assert_eq!(pictures.len(), 24);
    assert!(pictures == contents(&sample.join("images")), "pictures differ");
}

const SAMPLE_SEED: &str = "18";
