//! Options: what they mean, and which of them are refused as they would change nothing.

use serde_json::{Value, json};

use super::{Outcome, run, run_case, scene, stats, write};

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("{}", outcome.err))
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    for (flags, words) in [
        (&["--iou", "7"][..], "a number from 0 to 1"),
        (&["--errors", "--iou", "50"], "0.5 for 50 %"),
        (&["--metric", "voc", "--iou", "50"], "0.5 for 50 %"),
        (&["--iou-thresholds", "50,75"], "0.5 for 50 %"),
        (&["--recall-thresholds", "0,50,100"], "0.5 for 50 %"),
        (&["--tide", "--tide-positive", "50"], "0.5 for 50 %"),
        (&["--iou", "0.7"], "--errors"),
        (&["--tide-positive", "0.7"], "--tide"),
        (&["--tide-background", "0.2"], "--tide"),
        (&["--seed", "3"], "--bootstrap"),
        (&["--cluster", "folder"], "--bootstrap"),
        (&["--interval", "basic"], "--bootstrap"),
        (&["--metric", "voc", "--iou-thresholds", "0.7"], "--iou"),
        (&["--metric", "voc", "--max-dets", "1,10,300"], "--metric voc"),
    ] {
        let outcome = run_case("score-ties", flags);
        assert_eq!(outcome.code, 2, "{flags:?}: {}", outcome.err);
        assert!(outcome.out.is_empty() && outcome.err.contains(words), "{flags:?}: {}", outcome.err);
    }
    for flags in [&["--errors", "--iou", "0.6"][..], &["--bootstrap", "5", "--seed", "3"]] {
        assert_eq!(run_case("score-ties", flags).code, 0, "{flags:?}");
    }
}

#[test]
fn categories_are_chosen_by_name_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gt, dt) = scene();
    // A name that looks like an id; the id goes first.
    gt["categories"].as_array_mut().unwrap().push(json!({"id": 8, "name": "5"}));
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let of = |chosen: &str| run(&gt, &dt, &["--json", "--category-ids", chosen]);
    for (names, ids) in [("nut", "5"), ("Bolt", "3"), ("bolt,nut", "3,5"), ("5", "5.0"), (" nut,3", "5,3")] {
        assert_eq!(stats(&of(names)), stats(&of(ids)), "{names}");
        assert!(stats(&of(names))[0] > 0.5, "{names}");
    }
    let outcome = of("nuts");
    assert_eq!(outcome.code, 2);
    assert!(outcome.err.contains("the id or the name \"nuts\""), "{}", outcome.err);
}

/// `LVISEval.evaluate` of lvis 0.5.3 sorts the ids of images, and those of categories only by default.
#[test]
fn lvis_keeps_the_order_of_categories() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gt, dt) = scene();
    for image in gt["images"].as_array_mut().unwrap() {
        image["neg_category_ids"] = json!([]);
        image["not_exhaustive_category_ids"] = json!([]);
    }
    for category in gt["categories"].as_array_mut().unwrap() {
        category["frequency"] = json!("f");
    }
    let gt = write(folder.path(), "gt.json", gt.to_string());
    // Only the first category is found.
    let dt = write(folder.path(), "dt.json", json!(dt[..1]).to_string());
    for (order, expected) in [("3,5", [1.0, 0.0]), ("5,3", [0.0, 1.0])] {
        let arrays = folder.path().join(order);
        let flags = ["--lvis", "--category-ids", order, "--arrays", arrays.to_str().unwrap()];
        assert_eq!(run(&gt, &dt, &flags).code, 0);
        let bytes = std::fs::read(arrays.join("recall.npy")).unwrap();
        // Of the ten thresholds the first, two categories with four ranges each.
        let numbers = &bytes[bytes.len() - 10 * 2 * 4 * 8..];
        let at = |place: usize| f64::from_le_bytes(numbers[place * 8..][..8].try_into().unwrap());
        assert_eq!([at(0), at(4)], expected, "{order}");
    }
}

/// The same numbers as `small` and `large` have where these bounds bear those names.
#[test]
fn own_area_ranges_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let standard = document(&run(
        &gt,
        &dt,
        &["--json", "--per-class", "--area-ranges", "all=0:1e10,small=0:1000,medium=0:1,large=1000:1e10"],
    ));
    let own = ["--per-class", "--area-ranges", "all=0:1e10,tiny=0:1000,rest of them=1000:1e10"];
    let judged = document(&run(&gt, &dt, &[&["--json"], &own[..]].concat()));
    let text = run(&gt, &dt, &own).out;
    assert_eq!(judged["stats"].as_array().unwrap().len(), 12);
    for (place, label, ap, ar) in [(0, "tiny", 3, 9), (1, "rest of them", 5, 11)] {
        let (ap, ar) = (&standard["stats"][ap], &standard["stats"][ar]);
        assert!(ap.as_f64().unwrap() > 0.0);
        assert_eq!(judged["areas"][place], json!({"label": label, "ap": ap, "ar": ar}));
        for (kind, value) in [("(AP)", ap), ("(AR)", ar)] {
            let end = format!("{label} | maxDets=100 ] = {:.3}", value.as_f64().unwrap());
            assert!(text.lines().any(|line| line.contains(kind) && line.ends_with(&end)), "{end}: {text}");
        }
    }
    let nut = &judged["per_class"][1]["areas"][0];
    assert_eq!((&nut["label"], &nut["ap"]), (&json!("tiny"), &standard["per_class"][1]["numbers"][3]));
    assert!(text.contains("AP tiny"), "{text}");
}

/// Without `--corrected` the first number is pycocotools' -1.
#[test]
fn corrected_takes_the_largest_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let expected = stats(&run(&gt, &dt, &["--json"]))[0];
    let flags = ["--json", "--max-dets", "1,10,300"];
    let plain = run(&gt, &dt, &flags);
    assert_eq!(stats(&plain)[0], -1.0);
    assert!(plain.err.contains("--corrected"), "{}", plain.err);
    let corrected = run(&gt, &dt, &[&flags[..], &["--corrected", "--bootstrap", "20"]].concat());
    assert_eq!(stats(&corrected)[0], expected);
    // The draws have a number there, too, though two images are too few for an interval.
    assert_eq!(document(&corrected)["bootstrap"]["intervals"][0]["images"], 2);
    let text = run(&gt, &dt, &["--max-dets", "1,10,300", "--corrected"]).out;
    assert!(text.lines().next().unwrap().contains("maxDets=300"), "{text}");
}

#[test]
fn a_runs_folder_stands_for_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let expected = stats(&run(&gt, &write(folder.path(), "dt.json", json!(dt).to_string()), &["--json"]));
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let outcome = run(&gt, &out, &[]);
    assert!(outcome.code == 2 && outcome.err.contains("is an empty folder"), "{}", outcome.err);
    write(&out, "detections.json", json!(dt).to_string());
    assert_eq!(stats(&run(&gt, &out, &["--json"])), expected);
    write(&out, "detections.jsonl", "{\"image_id\": 7, \"file\": \"a.jpg\", \"detections\": []}\n");
    assert_eq!(stats(&run(&gt, &out, &["--json"]))[0], 0.0);
    let other =
        document(&run(&gt, &folder.path().join("dt.json"), &["--json", "--versus", out.to_str().unwrap()]));
    assert_eq!(other["versus"]["other"][0], 0.0);
}

/// Strings in one place and numbers in another name nothing for pycocotools: -1 where no annotation is left.
#[test]
fn ids_of_two_kinds_are_told_and_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let right = write(folder.path(), "right.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let expected = stats(&run(&right, &dt, &["--json"]));
    for (table, key) in [("annotations", "category_id"), ("annotations", "image_id"), ("categories", "id")] {
        let mut gt = gt.clone();
        for entry in gt[table].as_array_mut().unwrap() {
            entry[key] = json!(entry[key].to_string());
        }
        let gt = write(folder.path(), "gt.json", gt.to_string());
        let outcome = run(&gt, &dt, &["--json"]);
        assert_eq!(stats(&outcome)[0], -1.0);
        let warnings = document(&outcome)["warnings"].clone();
        let told = warnings.as_array().unwrap().iter().find(|warning| warning["kind"] == "ids_of_two_kinds");
        let message = told.unwrap()["message"].as_str().unwrap();
        assert!(message.contains("string") && message.contains("--corrected"), "{message}");
        assert!(message.contains(&format!("AP is {:.3} instead of -1.000", expected[0])), "{message}");
        assert_eq!(stats(&run(&gt, &dt, &["--json", "--corrected"])), expected, "{table} {key}");
    }
}

#[test]
fn masks_that_are_not_judged_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, mut dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    dt[0]["segmentation"] = json!({"size": [100, 200], "counts": "PPYo0"});
    dt[1]["segmentation"] = json!([]);
    let outcome = run(&gt, &write(folder.path(), "dt.json", json!(dt).to_string()), &[]);
    assert!(outcome.err.contains("1 result with a mask beside its box"), "{}", outcome.err);
}
