//! Files that must be refused, or taken with a word: every one with the kind of failure and the names that its
//! listing demands, fast, and without running anything.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rcnn::internal::checkpoint::Checkpoint;
use rcnn::internal::family::{self, ImportOptions};

/// The kind and the message of the refusal, or the report of a file that is taken.
fn read(path: &Path) -> Result<String, (&'static str, String)> {
    let checkpoint = Checkpoint::open(path).map_err(|error| (error.kind(), error.to_string()))?;
    let loaded = family::load(&checkpoint, &ImportOptions::default())
        .map_err(|error| (error.kind(), error.to_string()))?;
    Ok([checkpoint.warnings(), &loaded.surplus].concat().join("; "))
}

fn judge(path: &Path, said: &serde_json::Value) -> Result<(), String> {
    let started = Instant::now();
    let outcome = read(path);
    if started.elapsed() > Duration::from_secs(5) {
        return Err(format!("it took {:?}", started.elapsed()));
    }
    let kinds: Vec<&str> = said["kind"].as_str().unwrap().split("_or_").collect();
    let message = match (&outcome, said["refuse"].as_bool()) {
        (Ok(_), Some(true)) => return Err("it is taken".into()),
        (Err((_, message)), Some(false)) => return Err(format!("it is refused: {message}")),
        (Err((kind, message)), _) if kinds.contains(kind) => message,
        (Err((kind, message)), _) => {
            return Err(format!("its kind is {kind}, {kinds:?} expected: {message}"));
        }
        (Ok(report), _) => report,
    };
    if outcome.is_err() && (message.ends_with('.') || message.contains('\n') || message.contains('\0')) {
        return Err(format!("this is no sentence for a person: {message:?}"));
    }
    let names = said["message_contains"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let absent: Vec<&str> = names.filter(|name| !message.contains(name)).collect();
    if absent.is_empty() { Ok(()) } else { Err(format!("{absent:?} is not in: {message}")) }
}

#[test]
fn every_bad_file_is_told_by_its_fault() {
    let Some(folder) = crate::support::shared("golden/bad") else { return };
    let listing: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let files = listing["files"].as_object().unwrap();
    let judged = files.iter().map(|(name, said)| (name, judge(&folder.join(name), said)));
    let failures: Vec<_> =
        judged.filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.err()?))).collect();
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), files.len(), failures.join("\n"));
    println!("{} files are told by their faults", files.len());
}
