//! Runs that may not write or allocate what they need: the failure is a sentence, and a run with room ends in the same
//! bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::kills::Undisturbed;
use crate::machine::{Ended, assert_same, run};
use crate::support::skipped;
use crate::{effort, random};

const RUN: [&str; 6] = ["detect", "scenes/images", "-o", "out", "--threads", "2"];

/// What is allowed of a command that cannot do its work: to say so and fail.
#[track_caller]
fn spoken(ended: &Ended) {
    let told = ended.err.lines().any(|line| line.starts_with("rcnn: "));
    assert!(ended.status.code() != Some(1) || told, "no sentence: {}", ended.err);
}

#[test]
fn files_that_may_not_grow_end_a_run_that_can_go_on() {
    let (all, mut random) = (Undisturbed::new(), random("sizes"));
    let largest = all.wanted.values().map(Vec::len).max().unwrap_or(0);
    let mut failed = 0;
    for trial in 0..effort().limits {
        for ignored in [true, false] {
            // In blocks of 512 bytes; whoever does not ignore the signal is ended by it.
            let blocks = random.usize(0..=largest / 512 + 1);
            let limits = format!("{}ulimit -f {blocks}", if ignored { "trap '' XFSZ; " } else { "" });
            let after = format!("{limits}, trial {trial}");
            let ended = run(&all.place, &RUN, &limits).expect(&[1, 3], &[25]);
            spoken(&ended);
            failed += usize::from(ended.status.code() != Some(3));
            // A picture that could not be written is told in its row, and made when there is room.
            all.resume(&after);
        }
    }
    println!(
        "RLIMIT_FSIZE: {failed} of {} runs failed, all byte-identical after resuming",
        2 * effort().limits
    );
}

#[test]
fn a_full_device_is_told() {
    if !fs::exists("/dev/full").unwrap() {
        skipped("there is no /dev/full");
        return;
    }
    let all = Undisturbed::new();
    let out = all.place.at("out");
    for name in ["detections.jsonl", "annotated"] {
        fs::create_dir_all(&out).unwrap();
        symlink("/dev/full", out.join(name)).unwrap();
        let ended = run(&all.place, &RUN, "").expect(&[1], &[]);
        spoken(&ended);
        fs::remove_dir_all(&out).unwrap();
    }
    all.resume("/dev/full");
}

#[test]
fn a_full_disk_stops_a_run_that_goes_on_when_there_is_room() {
    let (all, mut random) = (Undisturbed::new(), random("disk"));
    let out = all.place.at("out");
    let total: usize = all.wanted.values().map(Vec::len).sum();
    let mounted = |size: usize| {
        let size = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "rcnn-torture"]).arg(&out).output();
        mount.is_ok_and(|done| done.status.success())
    };
    let unmount = || Command::new("umount").arg(&out).status().unwrap().success();
    for trial in 0..effort().limits {
        fs::create_dir_all(&out).unwrap();
        if !mounted(random.usize(8192..total)) {
            skipped("no file system may be mounted here, so that no disk can be filled");
            return;
        }
        let ended = run(&all.place, &RUN, "");
        let room =
            Command::new("mount").args(["-o", "remount,size=1g"]).arg(&out).status().unwrap().success();
        let outcome = std::panic::catch_unwind(|| {
            let ended = ended.expect(&[1, 3], &[]);
            spoken(&ended);
            assert!(room);
            run(&all.place, &RUN, "").expect(&[3], &[]);
            assert_same(&out, &all.wanted, &format!("a full disk, trial {trial}"));
        });
        assert!(unmount());
        fs::remove_dir_all(&out).unwrap();
        outcome.unwrap();
    }
    println!("full disk: {} runs, all byte-identical when there was room again", effort().limits);
}

#[test]
fn little_memory_ends_a_run_that_can_go_on() {
    if !effort().costly {
        skipped("memory is limited in the long form only");
        return;
    }
    let (all, mut random) = (Undisturbed::new(), random("memory"));
    let mut failed = 0;
    for trial in 0..effort().limits {
        let kilobytes = random.u64(200 << 10..3 << 20);
        let limits = format!("ulimit -v {kilobytes}");
        // Where an allocation fails, Rust and C++ abort; the loader of libraries says so with 127.
        let ended = run(&all.place, &RUN, &limits);
        let mistake = ended.err.contains("a mistake in rcnn");
        assert!(!mistake || ended.err.contains("memory"), "{limits}: {}", ended.err);
        failed += usize::from(ended.status.code() != Some(3));
        all.resume(&format!("{limits}, trial {trial}"));
    }
    println!("RLIMIT_AS: {failed} of {} runs failed, all byte-identical after resuming", effort().limits);
}
