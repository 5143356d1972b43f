//! `--precision fast` as its user sees it: what is measured, kept and taken. Which way is the fastest is this machine's
//! business: where it matters here, the kept times are written by the test.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::sync::atomic::AtomicBool;

use crate::support::{Place, skipped};
use rcnn::internal::detector::WayTrial;
use rcnn::internal::model::{DEFAULT, Model};
use rcnn::internal::photo::{DecodeOptions, decode};
use rcnn::internal::runtime::{ComputeWay, Device, Package, Precision};
use serde_json::{Value as Json, json};

const PICTURES: [(&str, &str); 2] = [("baseline-420.jpg", "a.jpg"), ("plain.png", "b.png")];

fn place() -> Place {
    let place = Place::new();
    place.photos(&PICTURES);
    place
}

/// `rcnn bench --tune`, as JSON.
fn tune(place: &Place) -> Json {
    let arguments = ["bench", "fod-r18", "-i", "photos", "--threads", "2", "--tune", "--json"];
    serde_json::from_str(&place.rcnn(&arguments).expect(0).out).unwrap()
}

/// The one file of kept times.
fn kept(place: &Place) -> String {
    let files = std::fs::read_dir(place.at("cache/choices")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let [name] = &names[..] else { panic!("one file expected: {names:?}") };
    format!("cache/choices/{name}")
}

/// Writes times in place of those that were kept, as of a machine on which one photo after another is the fastest.
fn keep_times(place: &Place, side_by_side: u64, alone: u64) {
    let (name, mut times) = (kept(place), place.json(&kept(place)));
    let way = |streams: u64, microseconds: u64| json!({"device": "cpu", "precision": "exact", "streams": streams, "microseconds": microseconds});
    times["ways"] = json!([way(2, side_by_side), way(1, alone)]);
    place.write(&name, times.to_string().as_bytes());
}

const DETECT: [&str; 9] =
    ["detect", "photos", "-o", "out", "--no-draw", "--threads", "2", "--precision", "fast"];

#[test]
fn what_is_measured_is_kept_shown_and_taken() {
    let place = place();
    let report = tune(&place);
    let measured = report["measured"].as_array().unwrap();
    let ways: Vec<_> =
        measured.iter().map(|way| (&way["device"], &way["precision"], &way["streams"])).collect();
    // Nothing is installed in this place's cache that computes otherwise.
    let (cpu, exact) = (&json!("cpu"), &json!("exact"));
    assert_eq!(ways[..2], [(cpu, exact, &json!(2)), (cpu, exact, &json!(1))]);
    assert!(measured.iter().all(|way| way["microseconds"].as_u64().unwrap() > 0));
    assert!(measured.contains(&report["chosen"]), "{report}");
    assert_eq!((&report["kept"], &report["model"]), (&json!(true), &json!("fod-r18")));

    keep_times(&place, 2000, 1000);
    let doctor: Json = serde_json::from_str(&place.rcnn(&["doctor", "--json"]).expect(0).out).unwrap();
    assert_eq!(doctor["fast"][0]["chosen"], json!({"device": "cpu", "precision": "exact", "streams": 1}));
    let text = place.rcnn(&["doctor"]).expect(0).out;
    assert!(
        text.contains(
            "\nfast          2 threads: cpu, exact; measured, ms a photo: cpu, exact, 2 photos side by side 2.0; cpu, \
             exact 1.0\n"
        ),
        "{text}"
    );

    let ended = place.rcnn(&DETECT).expect(0);
    assert!(ended.out.contains("device: cpu, precision: exact\n"), "{}", ended.out);
    let record = place.json("out/run.json");
    assert_eq!(record["machine"]["choice"]["way"], doctor["fast"][0]["chosen"]);
    assert_eq!(record["machine"]["choice"]["measured"].as_array().unwrap().len(), 2);
    assert_eq!(record["settings"]["precision"], "exact");
    // And again: the same bytes.
    let first = place.read("out/detections.jsonl");
    let again = [&DETECT[..], &["--overwrite"]].concat();
    place.rcnn(&again).expect(0);
    assert_eq!(place.read("out/detections.jsonl"), first);
}

#[test]
fn the_fastest_number_of_streams_is_taken_unless_the_user_says_one() {
    let place = place();
    tune(&place);
    let many: Vec<(&str, String)> =
        (0..16).map(|number| ("baseline-420.jpg", format!("{number}.jpg"))).collect();
    place.photos(&many.iter().map(|(picture, name)| (*picture, name.as_str())).collect::<Vec<_>>());
    let streams = |more: &[&str]| {
        place.rcnn(&[&DETECT[..], &["--overwrite"], more].concat()).expect(0);
        place.json("out/run.json")["machine"]["streams"].as_u64().unwrap()
    };
    keep_times(&place, 2000, 1000);
    assert_eq!((streams(&[]), streams(&["--streams", "2"])), (1, 2));
    keep_times(&place, 1000, 2000);
    assert_eq!((streams(&[]), streams(&["--streams", "1"])), (2, 1));
    // Exact has nothing to do with it.
    keep_times(&place, 2000, 1000);
    let exact = ["detect", "photos", "-o", "exact", "--no-draw", "--threads", "2"];
    place.rcnn(&exact).expect(0);
    let machine = &place.json("exact/run.json")["machine"];
    assert_eq!((&machine["streams"], &machine["choice"]), (&json!(2), &Json::Null));
}

#[test]
fn times_that_cannot_be_used_are_told_of_and_replaced() {
    let place = place();
    tune(&place);
    for damaged in ["", "{", "[]", "{\"ways\": []}"] {
        place.write(&kept(&place), damaged.as_bytes());
        let ended = place.rcnn(&[&DETECT[..], &["--overwrite"]].concat()).expect(0);
        assert!(ended.err.contains("warning: what was measured in `"), "{damaged}: {}", ended.err);
        assert!(ended.out.contains("device: cpu, precision: exact\n"), "{}", ended.out);
    }
    tune(&place);
    let ended = place.rcnn(&[&DETECT[..], &["--overwrite"]].concat()).expect(0);
    assert!(!ended.err.contains("warning"), "{}", ended.err);
    assert!(place.json("out/run.json")["machine"]["choice"].is_object());
}

#[test]
fn where_nothing_can_be_kept_the_figures_are_told_all_the_same() {
    let place = place();
    place.write("cache/choices", b"a file where a folder should be");
    let arguments = ["bench", "fod-r18", "-i", "photos", "--threads", "1", "--tune"];
    let ended = place.rcnn(&arguments).expect(0);
    assert!(ended.err.contains("note: what was measured cannot be kept: "), "{}", ended.err);
    assert!(ended.out.contains("  <- fast\n"), "{}", ended.out);
    let json = place.rcnn(&[&arguments[..], &["--json"]].concat()).expect(0);
    assert_eq!(serde_json::from_str::<Json>(&json.out).unwrap()["kept"], false);
}

#[test]
fn a_run_goes_on_as_it_began_whatever_was_measured_since() {
    let place = place();
    place.rcnn(&DETECT).expect(0);
    assert!(place.json("out/run.json")["machine"]["choice"].is_null());
    tune(&place);
    place.photos(&[("baseline-420.jpg", "c.jpg")]);
    let ended = place.rcnn(&DETECT).expect(0);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    // As an older version recorded it.
    let mut record = place.json("out/run.json");
    record["settings"]["precision"] = "fast".into();
    place.write("out/run.json", record.to_string().as_bytes());
    place.photos(&[("baseline-420.jpg", "d.jpg")]);
    let ended = place.rcnn(&DETECT).expect(0);
    assert!(ended.err.contains("3 of 4 photos were done before"), "{}", ended.err);
    assert_eq!(place.json("out/run.json")["settings"]["precision"], "fast");
}

#[test]
fn a_run_in_bfloat16_goes_on_in_bfloat16() {
    let there = rcnn::internal::runtime::installed().iter().any(|found| found.package == Package::OpenVino);
    if !there {
        return skipped("OpenVINO's plugin is not installed (rcnn runtime install openvino)");
    }
    let place = place();
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        let cache = rcnn::internal::cache::root().unwrap();
        crate::support::Ended::from(command.env("RCNN_CACHE", cache).output().unwrap())
    };
    let named =
        ["detect", "photos", "-o", "out", "--no-draw", "--device", "openvino", "--precision", "bfloat16"];
    let ended = run(&named);
    if ended.err.contains("serves no processor of this maker") {
        return skipped("OpenVINO's plugin serves Intel's processors only");
    }
    assert!(ended.expect(0).out.contains("device: openvino, precision: bfloat16\n"));
    place.photos(&[("baseline-420.jpg", "c.jpg")]);
    let ended = run(&["detect", "photos", "-o", "out", "--no-draw", "--precision", "fast"]).expect(0);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    assert!(ended.out.contains("device: openvino, precision: bfloat16\n"), "{}", ended.out);
    let refused = run(&["detect", "photos", "-o", "out", "--no-draw", "--device", "openvino"]).expect(1);
    assert_eq!(
        refused.err,
        "rcnn: `out` holds a run with --precision bfloat16: give another folder, or --overwrite\n"
    );
}

#[test]
fn a_trial_leaves_out_what_does_not_work_and_ends_when_asked() {
    let runtime = crate::support::open();
    let model = Model::find(DEFAULT).unwrap();
    let photo = decode(&crate::support::fixtures().join("baseline-420.jpg"), &DecodeOptions::default());
    let photos = [photo.unwrap()];
    let way = |device, streams| ComputeWay { device, precision: Precision::Exact, streams };
    let (works, does_not) = (way(Device::Cpu, 1), way(Device::Cuda(97), 1));
    let time = |ways: &[ComputeWay], stop: bool, goes_on: bool| {
        let stop = &AtomicBool::new(stop);
        let trial = WayTrial { model: &model, runtime: &runtime, threads: 2, photos: &photos, stop };
        trial.time(ways, &mut |_, _| goes_on)
    };
    let timed = time(&[does_not, works, way(Device::Cpu, 2)], false, true).unwrap().unwrap();
    assert_eq!(timed.iter().map(|timed| timed.way).collect::<Vec<_>>(), [works, way(Device::Cpu, 2)]);
    assert_eq!(time(&[works, does_not], true, true).unwrap(), None);
    assert_eq!(time(&[works, does_not], false, false).unwrap(), None);
    assert!(time(&[does_not], false, true).is_err());
}
