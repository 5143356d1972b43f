//! `rcnn bench` as its user sees it. No figure is held against another: speed is measured in `benches/`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use crate::support::Place;

#[test]
fn a_measurement_can_be_kept_and_compared_with() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a.jpg"), ("plain.png", "b.png")]);
    place.write("photos/c.jpg", b"this is no picture");
    let photos = ["bench", "fod-r18", "-i", "photos", "photos/a.jpg"];
    let bench = [&photos[..], &["-n", "5", "--warm-up", "1", "--device", "cpu"]].concat();
    let ended = place.rcnn(&[&bench[..], &["--json"]].concat()).expect(3);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    // Five photos going round three files: the third, twice seen by then, is none.
    assert_eq!((&report["photos"], &report["failed"]), (&4.into(), &1.into()));
    assert_eq!((&report["precision"], &report["machine"]["device"]), (&"exact".into(), &"cpu".into()));
    let stages: Vec<&str> =
        report["latency"].as_array().unwrap().iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["decode", "prepare", "trunk", "proposals", "head", "postprocess", "total"]);
    let total = report["latency"].as_array().unwrap().last().unwrap();
    let [p50, p90, p99] = ["p50", "p90", "p99"].map(|rank| total[rank].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p90 && p90 <= p99);
    assert!(report["photos_per_second"].as_f64().unwrap() > 0.0);
    let share = report["session_share"].as_f64().unwrap();
    assert!(0.0 < share && share <= 1.0);
    assert!(ended.err.contains("1 photo failed and are left out"), "{}", ended.err);
    assert!(ended.err.contains("note: one photo is named twice and is taken once"), "{}", ended.err);
    place.write("before.json", ended.out.as_bytes());
    let ended = place.rcnn(&[&bench[..], &["--against", "before.json"]].concat()).expect(3);
    assert!(ended.out.contains("against fod-r18 on cpu, exact, "), "{}", ended.out);
    let ratios = ended.out.lines().filter(|line| line.ends_with(" x")).count();
    assert!(ratios >= 9, "{}", ended.out);
}

#[test]
fn another_measurement_that_computed_something_else_is_told_of() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a.jpg")]);
    let bench = |more: &[&str]| {
        let arguments = ["bench", "fod-r18", "-i", "photos", "-n", "1", "--warm-up", "1", "--device", "cpu"];
        place.rcnn(&[&arguments[..], more].concat()).expect(0).out
    };
    place.write("before.json", bench(&["--nms", "0.4", "--json"]).as_bytes());
    let note = |more: &[&str]| {
        let out = bench(&[&["--against", "before.json"][..], more].concat());
        out.lines().find(|line| line.starts_with("note: ")).map(str::to_owned)
    };
    assert_eq!(note(&["--nms", "0.4"]), None);
    assert_eq!(note(&[]).as_deref(), Some("note: that was with --nms 0.4"));
    assert_eq!(note(&["--nms", "0.3"]).as_deref(), Some("note: that was with --nms 0.4"));
    assert_eq!(
        note(&["--nms", "0.4", "--augment", "flip"]).as_deref(),
        Some("note: that was with other views (--scales 1 --merge wbf)")
    );
    // Of a version that did not say.
    let mut before = place.json("before.json");
    before.as_object_mut().unwrap().remove("settings");
    place.write("before.json", before.to_string().as_bytes());
    assert_eq!(note(&[]), None);
}

#[test]
fn several_models_are_measured_as_one() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a.jpg")]);
    let bench =
        ["bench", "-m", "fod-r18", "-m", "fod-r18", "-i", "photos", "-n", "2", "--warm-up", "1", "--json"];
    let report: serde_json::Value = serde_json::from_str(&place.rcnn(&bench).expect(0).out).unwrap();
    assert_eq!(report["settings"]["others"][0]["model"], "fod-r18");
    let tuned = ["bench", "-m", "fod-r18", "-m", "fod-r18", "-i", "photos", "--tune", "--json"];
    let tuned: serde_json::Value = serde_json::from_str(&place.rcnn(&tuned).expect(0).out).unwrap();
    assert_eq!(tuned.as_array().unwrap().len(), 2);
}

#[test]
fn slips_get_one_sentence() {
    let place = Place::new();
    place.write("photos/c.jpg", b"this is no picture");
    place.write("other.json", b"{\"photos\": 3}");
    let say = |arguments: &[&str], code| place.rcnn(arguments).expect(code).err;
    assert_eq!(
        say(&["bench", "fod-r18", "-i", "photos"], 1),
        "rcnn: none of the 1 photos could be processed: `rcnn detect` says why\n"
    );
    let other = say(&["bench", "fod-r18", "-i", "photos", "--against", "other.json"], 1);
    assert!(other.starts_with("rcnn: `other.json` is not what `rcnn bench --json` of this version prints: "));
    assert!(
        say(&["bench", "fod-r18", "-i", "photos", "--against", "gone.json"], 1)
            .contains("cannot read `gone.json`")
    );
    assert!(say(&["bench", "fod-r18"], 2).contains("--images"));
}
