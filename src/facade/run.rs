//! A run over many photos, with choices.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
#[cfg(feature = "convert")]
use std::sync::atomic::Ordering;

use super::Error;
use crate::detector::Detector;
#[cfg(feature = "convert")]
use crate::export::{self, ExportOptions};
use crate::photo::{self, Listing};
#[cfg(feature = "convert")]
use crate::run::RunState;
use crate::run::{
    self, Annotated, Event, Machine, PictureStyle, Record, ResultCategory, RunOptions, Settings, Shard, Task,
};

/// A run that is ready to start.
#[derive(Debug)]
pub struct Run<'a> {
    detector: &'a Detector,
    annotated: Option<Annotated>,
    classes: Vec<ResultCategory>,
    tasks: Vec<Task>,
    options: RunOptions,
    record: Record,
    stop: Option<&'a AtomicBool>,
    warnings: Vec<String>,
    #[cfg(feature = "convert")]
    export: ExportOptions,
}

impl<'a> Run<'a> {
    /// A run of a detector over photos yet to be named.
    pub fn builder(detector: &'a Detector) -> RunBuilder<'a> {
        RunBuilder {
            detector,
            photos: Vec::new(),
            listing: None,
            annotations: None,
            annotated: None,
            options: RunOptions::default(),
            command: Vec::new(),
            stop: None,
            #[cfg(feature = "convert")]
            export: ExportOptions::default(),
        }
    }

    /// Does all photos and writes the results; goes on where an earlier start of the same run stopped. `progress` is told
    /// what a person should know, and how far it has come.
    ///
    /// # Errors
    /// When results cannot be written, or the folder holds another run. What is written by then stays.
    pub fn start(self, progress: &mut dyn FnMut(Event<'_>)) -> Result<Record, Error> {
        let never = AtomicBool::new(false);
        let stop = self.stop.unwrap_or(&never);
        self.warnings.iter().for_each(|note| progress(Event::Warning(note)));
        #[cfg(feature = "convert")]
        if self.options.overwrite {
            export::remove_of_run(&self.options.out)?;
        }
        let record =
            run::run(self.detector, &self.classes, &self.tasks, &self.options, self.record, stop, progress)?;
        #[cfg(feature = "convert")]
        let record = Exporting {
            detector: self.detector,
            classes: &self.classes,
            tasks: &self.tasks,
            options: &self.options,
            export: &self.export,
            stop,
        }
        .after(record, progress)?;
        if let Some(annotated) = self.annotated
            && let Some(note) = annotated.check_sizes(&self.options.out).map_err(run::AnnotatedError::Read)?
        {
            progress(Event::Warning(&note));
        }
        Ok(record)
    }
}

/// What is made of a run once it is finished.
#[cfg(feature = "convert")]
struct Exporting<'a> {
    detector: &'a Detector,
    classes: &'a [ResultCategory],
    tasks: &'a [Task],
    options: &'a RunOptions,
    export: &'a ExportOptions,
    stop: &'a AtomicBool,
}

#[cfg(feature = "convert")]
impl Exporting<'_> {
    /// Makes it, and records it; a run that is not finished stays as it is.
    fn after(&self, mut record: Record, progress: &mut dyn FnMut(Event<'_>)) -> Result<Record, Error> {
        if self.export.is_empty() || record.state != RunState::Finished {
            return Ok(record);
        }
        // Photos are decoded as the detector had them.
        let decode = self.detector.reading(&self.options.decode);
        let run = &RunOptions { decode, ..self.options.clone() };
        let source = export::Source {
            run,
            tasks: self.tasks,
            classes: self.classes,
            masks: record.settings.masks,
            stop: self.stop,
        };
        let total = record.counts.photos;
        record.exports = export::export(&source, self.export, &mut |what, done| {
            progress(Event::Export { what, done, total });
        })?;
        run::write_record(&run.out, &record)?;
        if self.stop.load(Ordering::Relaxed) {
            record.state = RunState::Interrupted;
        }
        Ok(record)
    }
}

/// Choices before a run. Photos and the folder of the results are needed; the rest has defaults.
#[derive(Debug)]
pub struct RunBuilder<'a> {
    detector: &'a Detector,
    photos: Vec<OsString>,
    listing: Option<Listing>,
    annotations: Option<PathBuf>,
    annotated: Option<Annotated>,
    options: RunOptions,
    command: Vec<String>,
    stop: Option<&'a AtomicBool>,
    #[cfg(feature = "convert")]
    export: ExportOptions,
}

impl<'a> RunBuilder<'a> {
    /// Photos: files, folders with all folders in them, patterns such as `*.jpg`, `.txt` files of paths.
    #[must_use]
    pub fn photos<P: Into<OsString>>(mut self, photos: impl IntoIterator<Item = P>) -> RunBuilder<'a> {
        self.photos.extend(photos.into_iter().map(Into::into));
        self
    }

    /// Photos that were listed before.
    #[must_use]
    pub fn listing(mut self, listing: Listing) -> RunBuilder<'a> {
        self.listing = Some(listing);
        self
    }

    /// COCO annotations whose ids of images (by file name) and categories (by name) the results take.
    #[must_use]
    pub fn annotations(mut self, annotations: impl Into<PathBuf>) -> RunBuilder<'a> {
        self.annotations = Some(annotations.into());
        self
    }

    /// Annotations that were read before.
    #[must_use]
    pub fn annotated(mut self, annotated: Option<Annotated>) -> RunBuilder<'a> {
        self.annotated = annotated;
        self
    }

    /// Folder of the results: new, empty, or that of an earlier start of the same run.
    #[must_use]
    pub fn out(mut self, out: impl AsRef<Path>) -> RunBuilder<'a> {
        self.options.out = out.as_ref().to_owned();
        self
    }

    /// Lines and labels of the pictures; all follow each picture's size by default.
    pub fn picture_style(mut self, style: PictureStyle) -> RunBuilder<'a> {
        self.options.style = style;
        self
    }

    /// Draws boxes from this score up, 0.5 by default; none writes no pictures.
    #[must_use]
    pub fn draw_score(mut self, score: Option<f32>) -> RunBuilder<'a> {
        self.options.draw_score = score;
        self
    }

    /// Does one of several shares of the photos.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> RunBuilder<'a> {
        self.options.shard = Some(shard);
        self
    }

    /// Replaces the results of another run in the folder; false by default.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> RunBuilder<'a> {
        self.options.overwrite = overwrite;
        self
    }

    /// Looks at large photos in overlapping tiles as well; false by default.
    #[must_use]
    pub fn tile(mut self, tile: bool) -> RunBuilder<'a> {
        self.options.tile = tile;
        self
    }

    /// Ends the run after the photos that are under way once this is set.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> RunBuilder<'a> {
        self.stop = Some(stop);
        self
    }

    /// What to make of the run, once it is finished, besides its own files; nothing by default.
    #[cfg(feature = "convert")]
    #[must_use]
    pub fn export(mut self, export: ExportOptions) -> RunBuilder<'a> {
        self.export = export;
        self
    }

    /// All options at once, the folder of the results among them.
    #[must_use]
    pub fn options(mut self, options: RunOptions) -> RunBuilder<'a> {
        self.options = options;
        self
    }

    /// What `run.json` names as the command; nothing by default.
    #[must_use]
    pub fn command(mut self, command: Vec<String>) -> RunBuilder<'a> {
        self.command = command;
        self
    }

    /// Lists the photos and gives them and the classes their ids.
    ///
    /// # Errors
    /// When photos or annotations cannot be read, or no photo is annotated.
    pub fn prepare(self) -> Result<Run<'a>, Error> {
        let RunBuilder { detector, options, stop, .. } = self;
        let mut warnings = Vec::new();
        let listing = match self.listing {
            Some(listing) => listing,
            None => {
                let mut listing = photo::list(&self.photos, Some(&options.out.join("annotated")))?;
                warnings.append(&mut listing.warnings);
                listing
            }
        };
        let annotated = match self.annotations {
            Some(path) => Some(Annotated::open(&path)?),
            None => self.annotated,
        };
        let (tasks, classes) = match &annotated {
            None => (run::count(listing.entries), run::categories(detector.classes())),
            Some(annotated) => {
                let (tasks, of_photos) = annotated.photos(listing.entries)?;
                let (classes, of_classes) = annotated.classes(detector.classes());
                warnings.extend(of_photos.into_iter().chain(of_classes));
                (tasks, classes)
            }
        };
        let record = Record {
            unread: listing.unread,
            passed_over: listing.passed_over,
            ..Record::new(
                self.command,
                Settings::of(detector, &classes, &options),
                Machine::of(detector, &options),
            )
        };
        Ok(Run {
            detector,
            annotated,
            classes,
            tasks,
            options,
            record,
            stop,
            warnings,
            #[cfg(feature = "convert")]
            export: self.export,
        })
    }

    /// Prepares and starts the run.
    ///
    /// # Errors
    /// As [`prepare`](RunBuilder::prepare) and [`Run::start`].
    pub fn start(self, progress: &mut dyn FnMut(Event<'_>)) -> Result<Record, Error> {
        self.prepare()?.start(progress)
    }
}
