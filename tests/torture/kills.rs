//! Runs that are killed, asked to stop, or lose their photos at random moments, and started again.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::machine::{Ended, assert_prefix, assert_same, run, start, tree};
use crate::support::Place;
use crate::{effort, random};

const OUT: &str = "out";
const RUN: [&str; 6] = ["detect", "scenes/images", "-o", OUT, "--threads", "2"];

/// Photos of which one is none, and what an undisturbed run leaves.
pub struct Undisturbed {
    pub place: Place,
    pub wanted: BTreeMap<String, Vec<u8>>,
    pub seconds: f64,
}

impl Undisturbed {
    pub fn new() -> Undisturbed {
        let place = Place::new();
        let count = effort().photos.to_string();
        run(&place, &["synth", "-o", "scenes", "--count", &count, "--size", "160x120"], "").expect(&[0], &[]);
        place.write("scenes/images/000003.jpg", b"this is no picture");
        // The first run fills the caches.
        run(&place, &RUN, "").expect(&[3], &[]);
        fs::remove_dir_all(place.at(OUT)).unwrap();
        let Ended { seconds, .. } = run(&place, &RUN, "").expect(&[3], &[]);
        let wanted = tree(&place.at(OUT));
        assert!(
            wanted.len() > effort().photos && wanted.contains_key("annotated/000001.jpg"),
            "{:?}",
            wanted.keys()
        );
        fs::remove_dir_all(place.at(OUT)).unwrap();
        Undisturbed { place, wanted, seconds }
    }

    /// Starts the run again, lets it end, and compares.
    pub fn resume(&self, after: &str) {
        run(&self.place, &RUN, "").expect(&[3], &[]);
        assert_same(&self.place.at(OUT), &self.wanted, after);
        fs::remove_dir_all(self.place.at(OUT)).unwrap();
    }

    /// A moment of a run.
    pub fn moment(&self, random: &mut fastrand::Rng) -> Duration {
        Duration::from_secs_f64(random.f64() * self.seconds)
    }
}

#[test]
fn killed_runs_end_in_the_same_bytes() {
    let (all, mut random) = (Undisturbed::new(), random("kills"));
    let (mut killed, mut survived) = (0, 0);
    for trial in 0..effort().kills {
        for _ in 0..random.usize(1..=3) {
            let mut running = start(&all.place, &RUN, "");
            if running.lasts(all.moment(&mut random)) {
                running.signal("KILL");
                killed += 1;
            }
            running.wait().expect(&[3], &[9]);
            if all.place.at(OUT).exists() {
                assert_prefix(&all.place.at(OUT), &all.wanted, &format!("kill -9, trial {trial}"));
            }
        }
        all.resume(&format!("kill -9, trial {trial}"));
        survived += 1;
    }
    println!("kill -9: {killed} kills in {survived} runs, all byte-identical after resuming, no stray file");
}

#[test]
fn runs_that_are_asked_to_stop_end_in_the_same_bytes() {
    let (all, mut random) = (Undisturbed::new(), random("signals"));
    let out = all.place.at(OUT);
    // Before the program listens, a signal ends it as it ends any other.
    let kinds = [
        ("INT", 130, 2, true),
        ("INT", 130, 2, false),
        ("TERM", 143, 15, random.bool()),
        ("HUP", 129, 1, random.bool()),
    ];
    let mut stopped = 0;
    for trial in 0..effort().signals {
        for (name, code, number, twice) in kinds {
            let after = format!("{}SIG{name}, trial {trial}", if twice { "double " } else { "" });
            let mut running = start(&all.place, &RUN, "");
            if running.lasts(all.moment(&mut random)) {
                running.signal(name);
                if twice && running.lasts(Duration::from_millis(random.u64(0..120))) {
                    running.signal(name);
                }
            }
            let ended = running.wait().expect(&[3, code], &[number]);
            stopped += usize::from(ended.status.code() != Some(3));
            if out.exists() {
                assert_prefix(&out, &all.wanted, &format!("{after}: {}", ended.err));
            }
            all.resume(&after);
        }
    }
    let count = effort().signals;
    println!(
        "signals: {count} each of double SIGINT, SIGINT, SIGTERM and SIGHUP; {stopped} came in time, all byte-identical after resuming"
    );
}

#[test]
fn photos_that_go_and_come_back_are_done_in_the_end() {
    let (all, mut random) = (Undisturbed::new(), random("inputs"));
    let (here, away) = (all.place.at("scenes/images"), all.place.at("scenes/away"));
    let mut missed = 0;
    for trial in 0..effort().limits {
        let mut running = start(&all.place, &RUN, "");
        running.lasts(all.moment(&mut random));
        fs::rename(&here, &away).unwrap();
        let ended = running.wait().expect(&[1, 2, 3], &[]);
        fs::rename(&away, &here).unwrap();
        missed += usize::from(ended.err.contains("no such file"));
        all.resume(&format!("photos that vanished, trial {trial}"));
    }
    println!(
        "inputs: photos vanished in {} runs and came back, all byte-identical, {missed} told at the start",
        effort().limits
    );
}
