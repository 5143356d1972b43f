//! `--quiet`, and failures as JSON.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use crate::support::Place;
use serde_json::{Value, json};

#[test]
fn the_quiet_hear_errors_and_what_they_asked_for() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--quiet"]).expect(0);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""));
    let ended = place.rcnn(&["-q", "detect", "photos", "-o", "out", "--json"]).expect(0);
    assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap()["state"], "finished");
    assert_eq!(ended.err, "");
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "-q", "--tile"]).expect(1);
    assert!(ended.err.starts_with("rcnn: ") && ended.err.lines().count() == 1, "{}", ended.err);
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "-v"]).expect(0);
    assert!(ended.err.contains("DEBUG"), "{}", ended.err);
    place.rcnn(&["detect", "photos", "-o", "out", "-v", "-q"]).expect(2);
}

#[test]
fn failures_are_json_where_json_is_asked_for() {
    let place = Place::new();
    let said = |arguments: &[&str], exit: i32| {
        let ended = place.rcnn(arguments).expect(exit);
        assert!(!ended.err.is_empty());
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    assert_eq!(
        said(&["detect", "nope", "--json"], 2),
        json!({"error": "no photos at `nope`: no such file or folder", "exit": 2})
    );
    assert_eq!(
        said(&["evaluate", "--json", "--nonsense"], 2),
        json!({"error": "unexpected argument '--nonsense' found", "exit": 2})
    );
    let missing = said(&["evaluate", "-a", "gt.json", "-r", "r.json", "--json"], 1);
    assert!(missing["error"].as_str().unwrap().contains("gt.json"), "{missing}");
    assert_eq!(place.rcnn(&["detect", "nope"]).expect(2).out, "");
}
