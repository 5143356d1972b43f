//! Malformed pictures in one folder with good ones: each is a row, the good ones have their own boxes, and none takes
//! more memory or time than a photo may.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use rcnn::internal::photo::{self, DecodeOptions};
use serde_json::Value;

use crate::machine::run;
use crate::support::Place;
use crate::{corpus, effort, random};

/// Memory of a run over the corpus.
const MOST_BYTES: u64 = 1 << 30;
/// One file, in the long form, which is run with optimisation.
const MOST_SECONDS: Duration = Duration::from_secs(5);

#[test]
fn malformed_pictures_cost_themselves_only() {
    let place = Place::new();
    let good = corpus::good();
    let bad = corpus::malformed(effort().files, effort().costly, &mut random("pictures"));
    let mut kept = Vec::new();
    for (number, picture) in bad.iter().enumerate() {
        place.write(&format!("photos/{number:05}.{}", picture.ending), &picture.bytes);
        if number % 20 == 0 {
            let one = &good[number / 20 % good.len()];
            let name = format!("{number:05}-good.{}", one.ending);
            place.write(&format!("photos/{name}"), &one.bytes);
            place.write(&format!("good/{name}"), &one.bytes);
            kept.push(name);
        }
    }
    run(&place, &["detect", "good", "-o", "alone"], "").expect(&[0], &[]);
    let ended = run(&place, &["detect", "photos", "-o", "all"], "").expect(&[3], &[]);
    let rows = place.rows("all");
    assert_eq!(rows.len(), bad.len() + kept.len());
    for row in &rows {
        let error = &row["error"];
        assert!(
            error.is_null() || error["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{row}"
        );
    }
    let of = |rows: &[Value], name: &str| {
        rows.iter().find(|row| row["file"] == name).unwrap()["detections"].clone()
    };
    let alone = place.rows("alone");
    for name in &kept {
        assert_eq!(of(&rows, name), of(&alone, name), "{name}");
    }
    let failed = rows.iter().filter(|row| !row["error"].is_null()).count();
    let (seconds, slowest) = slowest(&bad);
    println!(
        "malformed: {} files, {failed} refused, {:.0} MiB at most, {:.0} s; the slowest took {:.2} s ({slowest})",
        bad.len(),
        ended.peak as f64 / f64::from(1 << 20),
        ended.seconds,
        seconds.as_secs_f64()
    );
    assert!(ended.peak < MOST_BYTES, "{} bytes", ended.peak);
    assert!(cfg!(debug_assertions) || seconds < MOST_SECONDS, "{slowest} took {seconds:?}");
}

/// How long the file takes that takes longest to decode, and its name in the folder.
fn slowest(files: &[corpus::Picture]) -> (Duration, String) {
    let timed = files.par_iter().enumerate().map(|(number, file)| {
        let begun = Instant::now();
        // What it says is in the rows.
        let _ = photo::decode_bytes(&file.bytes, &DecodeOptions::default());
        (begun.elapsed(), format!("{number:05}.{}", file.ending))
    });
    timed.max().unwrap_or_default()
}
