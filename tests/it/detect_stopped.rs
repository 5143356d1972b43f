//! `rcnn detect` and signals: what is written when a run is stopped is valid, and the run goes on from there.

#![cfg(unix)]

use std::fs;

use crate::support::Place;

/// Photos, and the arguments of a run over them without pictures.
fn many_photos(count: usize) -> (Place, [&'static str; 5]) {
    let place = Place::new();
    let many: Vec<String> = (0..count).map(|number| format!("{number:03}.jpg")).collect();
    place.photos(&many.iter().map(|name| ("baseline-420.jpg", name.as_str())).collect::<Vec<_>>());
    (place, ["detect", "photos", "-o", "out", "--no-draw"])
}

/// A program that has come to its first row.
fn at_its_first_row(place: &Place, program: &str, arguments: &[&str]) -> std::process::Child {
    use std::process::{Command, Stdio};

    let child = Command::new(program)
        .args(arguments)
        .current_dir(place.at(""))
        .env("RCNN_CACHE", place.at("cache"))
        .env("ORT_DYLIB_PATH", crate::support::runtime())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_the_first_row(place);
    child
}

fn wait_for_the_first_row(place: &Place) {
    use std::time::{Duration, Instant};

    let started = Instant::now();
    let journal = place.at("out/detections.jsonl");
    while fs::read(&journal).map_or(0, |bytes| bytes.len()) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "no first photo");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(signal: &str, child: &std::process::Child) {
    let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

#[test]
fn a_run_that_a_signal_stops_is_valid_and_goes_on() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let (place, arguments) = many_photos(40);
        let mut child = at_its_first_row(&place, env!("CARGO_BIN_EXE_rcnn"), &arguments);
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let done = place.rows("out").len();
        assert!((1..40).contains(&done), "{signal}: {done}");
        assert_eq!(place.json("out/run.json")["state"], "interrupted");
        assert_eq!(place.json("out/images.json")["images"].as_array().unwrap().len(), done);
        place.rcnn(&arguments).expect(0);
        assert_eq!(place.rows("out").len(), 40);
        assert_eq!(place.json("out/run.json")["photos_before"], done);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once_and_leaves_true_rows_only() {
    let (place, arguments) = many_photos(40);
    for _ in 0..5 {
        let _ = fs::remove_dir_all(place.at("out"));
        let mut child = at_its_first_row(&place, env!("CARGO_BIN_EXE_rcnn"), &arguments);
        send("-INT", &child);
        send("-TERM", &child);
        // Two signals that wait at once come in the order of their numbers.
        let code = child.wait().unwrap().code();
        assert!([Some(130), Some(143)].contains(&code), "{code:?}");
        let rows = place.rows("out");
        assert!(rows.iter().all(|row| row["error"].is_null()), "{rows:?}");
    }
    place.rcnn(&arguments).expect(0);
    assert_eq!(place.rows("out").len(), 40);
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let (place, arguments) = many_photos(8);
    let nohup = [&[env!("CARGO_BIN_EXE_rcnn")], &arguments[..]].concat();
    let mut child = at_its_first_row(&place, "nohup", &nohup);
    send("-HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.rows("out").len(), 8);
}

#[cfg(unix)]
#[test]
fn results_that_are_removed_end_the_run_with_a_sentence() {
    use std::process::{Command, Stdio};
    for more in [&[][..], &["--no-draw"]] {
        let (place, arguments) = many_photos(60);
        let arguments = [&arguments[..4], more].concat();
        let child = Command::new(env!("CARGO_BIN_EXE_rcnn"))
            .args(&arguments)
            .current_dir(place.at(""))
            .env("RCNN_CACHE", place.at("cache"))
            .env("ORT_DYLIB_PATH", crate::support::runtime())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_the_first_row(&place);
        // Somebody may put a file there while they are removed.
        while fs::remove_dir_all(place.at("out")).is_err() {}
        let ended = crate::support::Ended::from(child.wait_with_output().unwrap()).expect(1);
        assert!(
            ended.err.contains("`out` was removed or replaced while the run wrote into it"),
            "{}",
            ended.err
        );
        assert!(!place.at("out").exists());
    }
}
