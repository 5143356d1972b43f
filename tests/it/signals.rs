//! Commands that are asked to stop in the middle of their work, other than `detect`: they end with the code of SIGINT and
//! leave nothing half done.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, runtime};

/// No command takes so long to begin.
const LONGEST: Duration = Duration::from_secs(300);

/// More photos than any command is done with when it is asked to stop, and their annotations.
fn photos() -> Place {
    let place = Place::new();
    let names: Vec<String> = (1..=150).map(|number| format!("{number}.png")).collect();
    place.photos(&names.iter().map(|name| ("plain.png", name.as_str())).collect::<Vec<_>>());
    let image = |(number, name): (usize, &String)| serde_json::json!({"id": number + 1, "file_name": name, "width": 96, "height": 64});
    let images: Vec<_> = names.iter().enumerate().map(image).collect();
    let boxed = serde_json::json!({"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0});
    let truth = serde_json::json!({"images": images, "annotations": [boxed], "categories": [{"id": 1, "name": "bolt"}]});
    place.write("gt.json", truth.to_string().as_bytes());
    place
}

/// Whether a process has a way of its own to take SIGINT, as Linux's mask of caught signals tells.
fn listens(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0)
}

/// The exit code of a command that gets SIGINT as soon as it listens.
fn interrupted(place: &Place, arguments: &[&str]) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rcnn"))
        .args(arguments)
        .current_dir(place.at(""))
        .env("RCNN_CACHE", place.at("cache"))
        .env("ORT_DYLIB_PATH", runtime())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !listens(&child) {
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?} ended before it listened");
        assert!(begun.elapsed() < LONGEST, "{arguments:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn every_long_command_stops_with_the_code_of_the_signal() {
    let place = photos();
    let classifier =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/cls-r26/model.pth");
    for arguments in [
        &["compare", "-a", "gt.json", "-i", "photos", "fod-r18", "-o", "compared"][..],
        &["quantize", "fod-r18", "-i", "photos", "-o", "int8"],
        &["bench", "fod-r18", "-i", "photos", "-n", "10000"],
        &["classify", "photos", "-m", classifier.to_str().unwrap(), "--views", "ten"],
    ] {
        assert_eq!(interrupted(&place, arguments), Some(130), "{arguments:?}");
    }
    for half_done in ["compared/compare.json", "int8/model.json"] {
        assert!(!place.at(half_done).exists(), "{half_done}");
    }
}
