//! A run: many photos from start to end, through stages that overlap, into a folder of results.
//!
//! Memory does not depend on the number of photos, and the order of results is that of the photos. An
//! interrupted run is valid as far as it came, and goes on from there when it is started again.

mod bench;
mod journal;
mod naming;
mod ordered;
mod picture;
mod record;
mod results;
mod stages;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use bench::{BenchReport, Latency, bench};
pub use journal::{Failed, Failure, Found, Item, Row};
pub use naming::{count, match_classes, match_photos};
pub use record::{Bottleneck, Counts, Machine, Record, Settings, StageTimes, State};
pub(crate) use results::CocoResult;

use crate::atomic;
use crate::detector::{self, Detector};
use crate::family::Class;
use crate::photo::{DecodeOptions, Entry};
use journal::Journal;
use stages::Stages;

/// What a run does with its photos; everything here that decides results is part of [`Settings`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the results; created where it is missing.
    pub out: PathBuf,
    /// Replace what another run left there.
    pub overwrite: bool,
    /// Classes whose detections are kept, by their place; all where none are named.
    pub only: Option<Vec<usize>>,
    /// Least score of a box in the pictures; no pictures where there is none.
    pub draw_score: Option<f32>,
    /// How photos are decoded.
    pub decode: DecodeOptions,
    /// Threads that decode, and as many that draw.
    pub threads: usize,
    /// Most photos of one padded size that go through the network together.
    pub batch: usize,
}

/// One photo of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its file.
    pub entry: Entry,
    /// Its id in all results.
    pub image_id: u64,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Photos done, with those of an earlier start.
    pub done: usize,
    /// Of these, done by an earlier start.
    pub before: usize,
    /// All photos.
    pub total: usize,
    /// Photos that failed.
    pub failed: usize,
}

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the results cannot be written.
    #[error("cannot {doing} `{}`: {cause}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The model cannot be loaded once more.
    #[error(transparent)]
    Detector(#[from] detector::Error),
    /// There is nothing to measure.
    #[error("none of the {0} photos could be processed: `rcnn detect` says why")]
    NothingToMeasure(usize),
    /// The folder holds another run.
    #[error("`{}` holds a run with {difference}: give another folder, or --overwrite", folder.display())]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// In what it differs.
        difference: String,
    },
}

impl Error {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |cause| Error::Io { doing, path, cause }
    }
}

/// Runs a detector over photos and writes all results; gives the record that `run.json` holds.
///
/// `record` is what is known before the run. `classes` are the detector's, with the ids that results use. Setting
/// `stop` ends the run after the photos that are under way. `watch` is called after every photo.
///
/// # Errors
/// When the results cannot be written, or the folder holds another run. What is in the journal by then stays.
pub fn run(
    detector: &Detector,
    classes: &[Class],
    tasks: &[Task],
    options: &Options,
    mut record: Record,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Record, Error> {
    let (started, session_before) = (Instant::now(), detector.session_seconds());
    let out = &options.out;
    std::fs::create_dir_all(out).map_err(Error::io("create the folder", out))?;
    let path = out.join("detections.jsonl");
    let (keep, mut counts) =
        if options.overwrite { (0, Counts::default()) } else { earlier(out, &record, tasks)? };
    let before = counts.photos;
    write_record(out, &record)?;
    let mut journal = Journal::open(&path, keep).map_err(Error::io("write", &path))?;
    let mut progress = Progress { done: before, before, total: tasks.len(), failed: counts.failed };
    watch(&progress);
    let mut times = StageTimes::default();
    let stages = Stages { detector, classes, options, stop };
    let outcome = stages.run(&tasks[before..], &mut |done| {
        let done = done?;
        journal.write(&done.row).map_err(Error::io("write", &path))?;
        counts.add(&done.row);
        record.note(&done.row);
        times += done.times;
        progress = Progress { done: counts.photos, failed: counts.failed, ..progress };
        watch(&progress);
        Ok(())
    });
    journal.sync().map_err(Error::io("write", &path))?;
    outcome?;
    results::write(out, classes).map_err(Error::io("write the results in", out))?;
    let stopped = counts.photos < tasks.len() && stop.load(Ordering::Relaxed);
    record.state = if stopped { State::Interrupted } else { State::Finished };
    record.photos_before = before;
    let session_wall = detector.session_seconds() - session_before;
    record.finish(counts, times, started.elapsed().as_secs_f64(), session_wall, options.threads);
    write_record(out, &record)?;
    Ok(record)
}

/// Bytes and counts of what an earlier start of this run has done.
fn earlier(out: &Path, record: &Record, tasks: &[Task]) -> Result<(u64, Counts), Error> {
    let path = out.join("detections.jsonl");
    let mut counts = Counts::default();
    let mut rows = match journal::rows(&path) {
        Ok(rows) => rows,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, counts)),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let other = |difference: String| Error::OtherRun { folder: out.to_owned(), difference };
    let settings = Record::read_settings(&out.join("run.json"));
    let settings = settings.ok_or_else(|| other("no readable run.json".into()))?;
    if let Some(difference) = record.settings.difference(&settings) {
        return Err(other(difference));
    }
    for row in rows.by_ref() {
        let Ok(row) = row else { break };
        let same = tasks
            .get(counts.photos)
            .is_some_and(|task| task.entry.name == row.file() && task.image_id == row.image_id());
        if !same {
            return Err(other(format!("other photos (such as `{}`)", row.file().escape_debug())));
        }
        counts.add(&row);
    }
    Ok((rows.good_bytes(), counts))
}

fn write_record(out: &Path, record: &Record) -> Result<(), Error> {
    let path = out.join("run.json");
    let content = |file: &mut std::io::BufWriter<std::fs::File>| {
        serde_json::to_writer_pretty(&mut *file, record)?;
        std::io::Write::write_all(file, b"\n")
    };
    atomic::write(&path, content).map_err(Error::io("write", &path))
}
