//! A run: many photos from start to end, through stages that overlap, into a folder of results.
//!
//! Memory does not depend on the number of photos, and the order of results is that of the photos. An
//! interrupted run is valid as far as it came, and goes on from there when it is started again.

mod annotated;
mod bench;
mod ensemble;
mod fill;
mod folder;
mod journal;
mod merge;
mod naming;
mod ordered;
#[cfg(feature = "draw")]
mod picture;
#[cfg(not(feature = "draw"))]
#[path = "without_pictures.rs"]
mod picture;
mod pictures;
mod places;
mod plan;
mod record;
mod results;
mod room;
mod shard;
mod stages;
mod stamps;
mod style;
mod truth;
mod writer;

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::Instant;

pub use annotated::{Annotated, AnnotatedError};
pub use bench::{BenchReport, Course, Latency, bench};
pub use ensemble::{EnsembleError, Fused, Fusing, ensemble};
pub use folder::NotARun;
pub(crate) use journal::rows as journal_rows;
pub use journal::{FailedPhoto, Failure, FoundPhoto, JournalRow, ResultItem};
pub use merge::{MergeError, Merged, merge};
pub(crate) use naming::match_seen;
pub use naming::{ResultCategory, categories, count, match_classes, match_photos};
#[cfg(feature = "convert")]
pub(crate) use ordered::ordered;
pub use record::{Bottleneck, Counts, Exported, Machine, Record, RunState, SHOWN_FROM, Settings};
pub(crate) use results::CocoResult;
#[cfg(feature = "convert")]
pub(crate) use room::{Room, Ticket};
pub use shard::Shard;
#[cfg(feature = "convert")]
pub(crate) use stages::photos_under_way;
pub use truth::Truth;

use crate::atomic;
use crate::clock::StageTimes;
use crate::detector::{self, Detector};
use crate::photo::{DecodeOptions, PhotoEntry};
use coco_eval::ResultId;
use fill::Fill;
use journal::Journal;
use picture::Lettering;
pub(crate) use pictures::Pictures;
use plan::ResumePlan;
use stages::{Stages, TileCounts};
pub use style::{LabelText, PictureStyle};

/// What a run does with its photos; everything here that decides results is part of [`Settings`].
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Folder of the results; created where it is missing.
    pub out: PathBuf,
    /// Replace what another run left there.
    pub overwrite: bool,
    /// Try all photos again that failed in an earlier start, not only those whose failures may pass.
    pub retry_failed: bool,
    /// Classes whose detections are kept, by their place; all where none are named.
    pub only: Option<Vec<usize>>,
    /// Least score of a box in the pictures; no pictures where there is none.
    pub draw_score: Option<f32>,
    /// Add to each row when, where and with what the photo was taken.
    pub exif: bool,
    /// Annotated objects, to draw beside detections: right, wrong and missed ones in colours of their own.
    pub truth: Option<Arc<Truth>>,
    /// A font for the letters of class names that the embedded one lacks; the system's where none is given.
    pub font: Option<PathBuf>,
    /// Lines and labels of pictures.
    pub style: PictureStyle,
    /// How photos are decoded.
    pub decode: DecodeOptions,
    /// Threads that decode, and as many that draw.
    pub threads: usize,
    /// Most photos of one padded size that go through the network together.
    pub batch: usize,
    /// Look at large photos in tiles as well.
    pub tile: bool,
    /// The share of the photos that this run does; all where there is none.
    pub shard: Option<Shard>,
}

impl Default for RunOptions {
    /// Pictures with boxes from 0.5 up where this build can draw, on all cores; the folder is yet to be named.
    fn default() -> RunOptions {
        RunOptions {
            out: PathBuf::new(),
            overwrite: false,
            retry_failed: false,
            only: None,
            draw_score: cfg!(feature = "draw").then_some(SHOWN_FROM),
            exif: false,
            truth: None,
            font: None,
            style: PictureStyle::default(),
            decode: DecodeOptions::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            batch: 1,
            tile: false,
            shard: None,
        }
    }
}

/// One photo of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its file.
    pub entry: PhotoEntry,
    /// Its id in all results.
    pub image_id: ResultId,
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

/// What a run tells whoever waits for it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A sentence that a person should know.
    Warning(&'a str),
    /// How far it has come: at its start and after every photo.
    Progress(Progress),
    /// While no photo is done: of the photos under way, tiles that the network has seen, and all.
    Tiles {
        /// Those seen.
        done: usize,
        /// All.
        total: usize,
    },
    /// How far an export of the finished run has come.
    Export {
        /// What it makes: `crops` and the like.
        what: &'static str,
        /// Photos done.
        done: usize,
        /// All photos.
        total: usize,
    },
}

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file of the results cannot be written.
    #[error("cannot {doing} `{}`: {cause}{}", path.display(), cure(cause))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
    /// The model cannot be loaded once more.
    #[error(transparent)]
    Detector(#[from] detector::DetectorError),
    /// The system gives no threads.
    #[error("cannot start a thread: {0}: allow this process more threads or memory")]
    Threads(std::io::Error),
    /// There is nothing to measure.
    #[error("none of the {0} photos could be processed: `rcnn detect` says why")]
    NothingToMeasure(usize),
    /// A measurement was stopped.
    #[error("stopped before all photos were measured: figures of some say nothing")]
    Interrupted,
    /// Another run has the journal open.
    #[error("another run is writing into `{}`: wait for its end, or give another folder", .0.display())]
    Busy(PathBuf),
    /// A photo lies where pictures go.
    #[error(
        "the photo `{}` lies in `{}`, where this run's pictures go and may replace it: give another folder for the results",
        photo.display(),
        folder.display()
    )]
    PhotoInside {
        /// The photo's file.
        photo: PathBuf,
        /// The pictures' folder.
        folder: PathBuf,
    },
    /// Pictures are asked of a build that draws none.
    #[error("this program was built without the feature `draw`: it writes no pictures")]
    NoPictures,
    /// Somebody removed the results.
    #[error("`{}` was removed or replaced while the run wrote into it: start the command again", .0.display())]
    Removed(PathBuf),
    /// There is a file that a run would replace, and that no run wrote.
    #[error("`{}` is there without a run that wrote it: give another folder, or --overwrite", .0.display())]
    Foreign(PathBuf),
    /// There is a file that a merged run would replace.
    #[error("`{}` is there already: give another folder, or --overwrite", .0.display())]
    Taken(PathBuf),
    /// The folder holds another run.
    #[error("`{}` holds a run with {difference}: give another folder, or --overwrite", folder.display())]
    OtherRun {
        /// The folder.
        folder: PathBuf,
        /// In what it differs.
        difference: String,
    },
}

/// What to do about a cause that the user can do something about.
fn cure(cause: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(cause.kind(), StorageFull | QuotaExceeded) {
        "; make room there, and the same command goes on where it stopped"
    } else {
        ""
    }
}

impl RunError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunError + use<> {
        let path = path.to_owned();
        move |cause| RunError::Io { doing, path, cause }
    }
}

/// Runs a detector over photos and writes all results; gives the record that `run.json` holds.
///
/// `record` is what is known before the run. Of `tasks` only the shard's are done, if the options name one. `classes` are
/// the detector's, with the ids that results use. Setting `stop` ends the run after the photos that are under way.
/// `watch` is told what happens.
///
/// # Errors
/// When the results cannot be written, or the folder holds another run, a run that is under way, files of the same
/// names that no run wrote, or one of the photos where pictures go. What is in the journal by then stays.
pub(crate) fn run(
    detector: &Detector,
    classes: &[ResultCategory],
    tasks: &[Task],
    options: &RunOptions,
    mut record: Record,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Record, RunError> {
    let (started, session_before) = (Instant::now(), detector.session_seconds());
    let (out, all) = (&options.out, tasks);
    let selected = options.shard.map(|shard| shard.select(all));
    let tasks = selected.as_deref().unwrap_or(all);
    record.settings.listing = options.shard.map(|_| shard::listing(all));
    let lettering = lettering(classes, options)?;
    let RunStart { plan, to_do, journal, pictures } = begin(tasks, all, options, &record)?;
    lettering.note.iter().for_each(|note| watch(Event::Warning(note)));
    plan.warnings.iter().for_each(|note| watch(Event::Warning(note)));
    let before = tasks.len() - to_do.len();
    let failed = plan.rows.iter().flatten().filter(|row| row.failed && !row.again).count();
    let mut progress = Progress { done: before, before, total: tasks.len(), failed };
    watch(Event::Progress(progress));
    let mut times = StageTimes::default();
    let stages = Stages {
        detector,
        classes,
        lettering: &lettering,
        options,
        pictures: &pictures,
        stop,
        tiles: TileCounts::default(),
    };
    let mut rows = Fill::new(out, journal, plan.rows, &to_do).map_err(RunError::io("write into", out))?;
    let drawn = options.draw_score.map(|_| &pictures);
    let (outcome, written) = std::thread::scope(|scope| {
        let (queue, waiting) = crossbeam_channel::bounded(writer::WAITING);
        let rows = &mut rows;
        let writer = Builder::new()
            .spawn_scoped(scope, move || writer::write(&waiting, rows, drawn, out))
            .map_err(RunError::Threads);
        let writer = match writer {
            Ok(writer) => writer,
            Err(error) => return (Ok(()), Err(error)),
        };
        let mut places = to_do.iter();
        let outcome = stages.run(to_do.iter().map(|&place| &tasks[place]), &mut |done| {
            let Some(done) = done else {
                if let (done, total @ 1..) = stages.tiles.now() {
                    watch(Event::Tiles { done, total });
                }
                return ControlFlow::Continue(());
            };
            times += done.times;
            progress.done += 1;
            progress.failed += usize::from(done.row.failure().is_some());
            watch(Event::Progress(progress));
            // Where the writer is gone, it says why.
            let place = places.next().map(|&place| (place, done.row));
            place.map_or(ControlFlow::Break(()), |row| match queue.send(row) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        drop(queue);
        (outcome, writer.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    if !rows.is_in_place() {
        return Err(RunError::Removed(out.clone()));
    }
    // What is done stays done, whatever ended the run.
    let finished = rows.finish().map_err(RunError::io("write into", out));
    written.and(outcome).and(finished)?;
    let (mut counts, shown_from) = (Counts::default(), record.settings.shown_from());
    let mut see = |row: &JournalRow| {
        counts.add(row, shown_from);
        record.note(row);
    };
    results::write(out, classes, &mut see).map_err(RunError::io("write the results in", out))?;
    let stopped = progress.done < tasks.len() && stop.load(Ordering::Relaxed);
    record.state = if stopped { RunState::Interrupted } else { RunState::Finished };
    record.photos_before = before;
    let session_wall = detector.session_seconds() - session_before;
    record.finish(counts, times, started.elapsed().as_secs_f64(), session_wall, options.threads);
    write_record(out, &record)?;
    Ok(record)
}

/// What stands beside boxes; nothing has to be known where none are drawn.
fn lettering(classes: &[ResultCategory], options: &RunOptions) -> Result<Lettering, RunError> {
    let (classes, font) = match options.draw_score {
        Some(_) => (classes, options.font.as_deref()),
        None => (&[][..], None),
    };
    let named = font.unwrap_or(Path::new("the system's fonts"));
    Lettering::new(classes, font, options.style).map_err(RunError::io("take the font", named))
}

/// A run before its first photo.
struct RunStart {
    plan: ResumePlan,
    /// Places of the photos to do.
    to_do: Vec<usize>,
    journal: Journal,
    pictures: Pictures,
}

/// Makes the folder ready for the photos, which are a share of all.
fn begin(tasks: &[Task], all: &[Task], options: &RunOptions, record: &Record) -> Result<RunStart, RunError> {
    let out = &options.out;
    if options.draw_score.is_some() && cfg!(not(feature = "draw")) {
        return Err(RunError::NoPictures);
    }
    folder::refuse_photos_inside(tasks, options)?;
    std::fs::create_dir_all(out).map_err(RunError::io("create the folder", out))?;
    if !options.overwrite {
        folder::refuse_foreign(out)?;
    }
    let mut journal = open(&out.join("detections.jsonl"), out)?;
    folder::remove_strays(out)?;
    let stamps = stamps::now(tasks);
    let folder = out.join(pictures::FOLDER);
    // How the file system takes the names' cases only shows where the folder is.
    let known = folder.is_dir().then(|| plan_pictures(all, options));
    let plan = if options.overwrite {
        folder::clear(out, &mut journal)?;
        ResumePlan::fresh(tasks.len())
    } else {
        let none = Pictures::plan(out, std::iter::empty());
        plan::earlier(options, record, tasks, &stamps, known.as_ref().unwrap_or(&none), &mut journal)?
    };
    write_record(out, record)?;
    if options.draw_score.is_some() {
        std::fs::create_dir_all(&folder).map_err(RunError::io("create the folder", &folder))?;
    }
    let pictures = known.unwrap_or_else(|| plan_pictures(all, options));
    stamps::write(out, tasks, &stamps, &pictures).map_err(RunError::io("write", &out.join(stamps::FILE)))?;
    Ok(RunStart { to_do: plan.to_do(), plan, journal, pictures })
}

/// Where the pictures of all photos go, of whatever share: as in one run over all of them.
fn plan_pictures(all: &[Task], options: &RunOptions) -> Pictures {
    let names = all.iter().map(|task| task.entry.name.as_str());
    let drawn = if options.draw_score.is_some() { usize::MAX } else { 0 };
    Pictures::plan(&options.out, names.take(drawn))
}

/// The rows of a run's folder, up to one that is not whole.
///
/// # Errors
/// When there is no journal, or, later, when a row is none.
pub fn rows(folder: &Path) -> std::io::Result<impl Iterator<Item = std::io::Result<JournalRow>> + use<>> {
    journal::rows(&folder.join("detections.jsonl"))
}

fn open(journal: &Path, out: &Path) -> Result<Journal, RunError> {
    Journal::open(journal).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => RunError::Busy(out.to_owned()),
        _ => RunError::io("write", journal)(error),
    })
}

pub(crate) fn write_record(out: &Path, record: &Record) -> Result<(), RunError> {
    let path = out.join("run.json");
    let content = |file: &mut std::io::BufWriter<std::fs::File>| {
        serde_json::to_writer_pretty(&mut *file, record)?;
        std::io::Write::write_all(file, b"\n")
    };
    atomic::write(&path, content).map_err(RunError::io("write", &path))
}
