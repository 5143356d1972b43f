//! `rcnn detect --json-lines`: a worker's answers are the journal's lines of a run, one for each path and as soon as they
//! are there.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Place, runtime};

const PATHS: [&str; 4] = ["photos/1.png", "photos/3.jpg", "photos/gone.jpg", "photos/2.jpg"];

/// Two photos, one that is none, and one that is not there.
fn photos() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png"), ("baseline-420.jpg", "2.jpg")]);
    place.write("photos/3.jpg", b"this is no picture");
    place
}

fn worker(place: &Place) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.current_dir(place.at("")).args(["detect", "-", "--json-lines"]);
    command.env("RCNN_CACHE", place.at("cache")).env("ORT_DYLIB_PATH", runtime());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What does not depend on how a file is called.
fn content(row: &Value) -> [Option<&Value>; 5] {
    ["image_id", "width", "height", "detections", "error"].map(|key| row.get(key))
}

#[test]
fn each_path_is_answered_before_the_next_is_asked() {
    let place = photos();
    place.rcnn(&[&["detect"][..], &PATHS, &["-o", "out", "--no-draw"]].concat()).expect(3);
    let expected = place.rows("out");
    let mut worker = worker(&place);
    let (mut asks, mut answers) =
        (worker.stdin.take().unwrap(), BufReader::new(worker.stdout.take().unwrap()));
    for (path, expected) in PATHS.iter().zip(&expected) {
        writeln!(asks, "{path}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let row: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((row["file"].as_str(), content(&row)), (Some(*path), content(expected)));
    }
    drop(asks);
    assert_eq!(worker.wait().unwrap().code(), Some(3));
}

#[test]
fn a_line_without_a_path_is_answered_too() {
    let place = photos();
    let mut worker = worker(&place);
    worker.stdin.take().unwrap().write_all(b"\nphotos/1.png\r\n").unwrap();
    let output = worker.wait_with_output().unwrap();
    let rows: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["error"].is_object() && rows[1]["detections"].is_array(), "{rows:?}");
}

#[test]
fn it_takes_no_folder() {
    let place = photos();
    let told = place.rcnn(&["detect", "photos", "--json-lines", "-o", "out"]).expect(2);
    assert!(told.err.contains("cannot be used with"), "{}", told.err);
    let named = place.rcnn(&["detect", "photos/1.png", "photos/2.jpg", "--json-lines"]).expect(0);
    assert_eq!(named.out.lines().count(), 2);
}
