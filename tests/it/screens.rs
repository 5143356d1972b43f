//! What a terminal shows: the help of each verb at 80 columns, and the answers to its likeliest mistakes.
//!
//! Each file of `screens/` is a transcript. Its `$` lines are run again, and everything else has to be what the program says.
//! `RCNN_WRITE_SCREENS=1` writes the transcripts anew: read what changed before it is kept.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::support::{Ended, Place};
use rayon::prelude::*;

/// Photos, annotations, results and what people mistake for them.
fn desk() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    fs::create_dir(place.at("empty")).unwrap();
    place.write("notes.txt", b"remember the milk\n");
    place.write("model.onnx", b"\x08\x08\x12\x07pytorch");
    place.write(
        "gt.json",
        br#"{"images": [{"id": 1, "file_name": "a.png", "width": 300, "height": 200}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}],
            "categories": [{"id": 3, "name": "Bolt"}]}"#,
    );
    place.write(
        "found.json",
        br#"[{"image_id": 1, "category_id": 3, "bbox": [10, 10, 50, 50], "score": 0.9}]"#,
    );
    place.write(
        "others.json",
        br#"[{"image_id": 7, "category_id": 9, "bbox": [10, 10, 50, 50], "score": 0.9}]"#,
    );
    place.write("none.json", b"[]");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-pyramid/model.pth");
    fs::copy(weights, place.at("weights.pth")).unwrap();
    place
}

/// Both shards of a run, one of another run, and a run of all photos.
fn shards() -> &'static Place {
    static SHARDS: OnceLock<Place> = OnceLock::new();
    SHARDS.get_or_init(|| {
        let place = Place::new();
        place.photos(&[("plain.png", "a.png"), ("grey.jpg", "b.jpg")]);
        for (out, more) in [
            ("shard-1", &["--shard", "1/2"][..]),
            ("shard-2", &["--shard", "2/2"]),
            ("other-2", &["--shard", "2/2", "--score", "0.3"]),
            ("whole", &[]),
        ] {
            place.rcnn(&[&["detect", "photos", "-o", out, "--no-draw"], more].concat()).expect(0);
        }
        place
    })
}

/// The files of a folder, copied into another.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Without the lines of `rcnn doctor` that tell of this machine.
fn without_machine(place: &Place, text: &str) -> String {
    let own = ["rcnn 0.", "memory  ", "ONNX Runtime  1", "  cpu  ", "  openvino  ", "  cuda  ", "cache  "];
    let lines = text.lines().filter(|line| !own.iter().any(|start| line.starts_with(start)));
    // Places that come with the test.
    let here = place.at("").canonicalize().unwrap();
    let lines = lines.map(|line| line.replace(&format!("{}/", here.display()), ""));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A command line of a transcript and all that it leaves on the screen.
fn shown(line: &str) -> String {
    let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
    let place = desk();
    if line.starts_with("rcnn merge") {
        for name in ["shard-1", "shard-2", "other-2", "whole"].into_iter().filter(|name| line.contains(name))
        {
            copy(&shards().at(name), &place.at(name));
        }
    }
    // A proxy that is not there: nothing comes from a network, whatever there is.
    let mut command = place.command(&arguments);
    command.env("COLUMNS", "80").env("HTTPS_PROXY", "http://127.0.0.1:9");
    let ended = Ended::from(command.output().unwrap());
    let mut text = format!("$ {line}\n{}{}", ended.out, ended.err);
    if line.starts_with("rcnn doctor") {
        text = without_machine(&place, &text);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if ended.code != 0 {
        writeln!(text, "[{}]", ended.code).unwrap();
    }
    text
}

#[test]
fn the_screens_are_those_of_the_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 18, "{files:?}");
    let changed: Vec<String> = files
        .par_iter()
        .filter_map(|path| {
            let kept = fs::read_to_string(path).unwrap();
            let lines: Vec<&str> = kept.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
            let now: Vec<String> = lines.iter().map(|line| shown(line)).collect();
            let now = now.join("\n");
            if std::env::var_os("RCNN_WRITE_SCREENS").is_some() {
                fs::write(path, &now).unwrap();
                return None;
            }
            let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
            (now != kept).then(|| format!("{}: {differs:?}", path.display()))
        })
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}
