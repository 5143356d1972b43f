//! What else a finished run is given as, on request: tables and label files of its detections, objects cut out of their
//! photos, and links to photos by the class of their best detection.
//!
//! All of it is made from the journal, in one pass each and in memory that does not depend on the number of photos. It
//! knows no network. What was made for an equal journal before is left as it is.

mod class_folders;
mod crops;
mod folder;
mod labels;
#[cfg(feature = "parquet")]
mod parquet;
mod sorted;
mod table;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::atomic;
use crate::convert::Target;
use crate::hash;
use crate::run::{self, Exported, JournalRow, Record, ResultCategory, RunOptions, SHOWN_FROM, Task};
use crate::within::within;

/// A form in which detections are written besides the run's own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// `detections.csv`: a row a detection, with its mask where it has one, and one for each photo without any; failed photos with
    /// the kind of failure.
    Csv,
    /// `detections.parquet`: the same rows with typed columns.
    Parquet,
    /// `yolo/`: a text file a photo and `data.yaml`, of detections that are shown.
    Yolo,
    /// `labelme/`: a JSON file a photo, of detections that are shown.
    LabelMe,
}

/// What to make of a run besides its own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Forms of the detections.
    pub formats: Vec<ExportFormat>,
    /// Cut each shown object out of its photo, into `crops/` by classes.
    pub crops: bool,
    /// Link each photo into this folder, below a folder of the class of its best shown detection.
    pub sort_into: Option<PathBuf>,
}

impl ExportOptions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.formats.is_empty() && !self.crops && self.sort_into.is_none()
    }
}

/// Why nothing more can be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file cannot be read or written.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file is there that no export has made.
    #[error("`{}` is there, and no run made it: move it away, or give another folder for the results", .0.display())]
    Foreign(PathBuf),
    /// The form is left out of this build.
    #[error("this program was built without the feature `{0}`: --format cannot write that form")]
    LeftOut(&'static str),
}

impl ExportError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError + use<> {
        let path = path.to_owned();
        move |source| ExportError::Io { doing, path, source }
    }
}

/// A finished run, and who waits for what is made of it.
pub(crate) struct Source<'a> {
    /// How the run went about it; its folder is there.
    pub(crate) run: &'a RunOptions,
    /// All its photos.
    pub(crate) tasks: &'a [Task],
    /// Its classes.
    pub(crate) classes: &'a [ResultCategory],
    /// Whether its detections have masks.
    pub(crate) masks: bool,
    /// Set by whoever wants no more.
    pub(crate) stop: &'a AtomicBool,
}

impl Source<'_> {
    /// Detections from this score up are shown.
    fn shown_from(&self) -> f32 {
        self.run.draw_score.unwrap_or(SHOWN_FROM)
    }

    /// The rows of the journal.
    fn rows(&self) -> Result<impl Iterator<Item = Result<JournalRow, ExportError>> + use<>, ExportError> {
        let journal = self.journal();
        let rows = run::rows(&self.run.out).map_err(ExportError::io("read", &journal))?;
        Ok(rows.map(move |row| row.map_err(ExportError::io("read", &journal))))
    }

    /// Writes a table of all rows, whole or not at all; `write` tells how many rows it has. What is wrong with the journal goes
    /// before what became of the table.
    fn table(
        &self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>, &mut dyn Iterator<Item = JournalRow>) -> io::Result<usize>,
    ) -> Result<Exported, ExportError> {
        let mut made = Exported::new("rows", path);
        let mut rows = self.rows()?;
        let mut broken = None;
        let written = atomic::write(path, |out| {
            let mut readable = std::iter::from_fn(|| match rows.next()? {
                Ok(row) => Some(row),
                Err(error) => {
                    broken = Some(error);
                    None
                }
            });
            made.files = write(out, &mut readable)?;
            if broken.is_some() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        broken.map_or(Ok(()), Err)?;
        written.map_err(ExportError::io("write", path))?;
        Ok(made)
    }

    fn journal(&self) -> PathBuf {
        self.run.out.join("detections.jsonl")
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What decides an export: the journal's content, and from which score on detections are shown.
    fn key(&self) -> Result<String, ExportError> {
        let journal = self.journal();
        let digest = File::open(&journal).and_then(hash::of_reader::<sha2::Sha256>);
        let digest = digest.map_err(ExportError::io("read", &journal))?;
        Ok(format!("{digest} {}", self.shown_from()))
    }
}

/// Makes what is asked for; `watch` hears how many of how many photos an export has gone through, and for what. Ends early
/// where the source says so, which the caller sees for itself.
///
/// # Errors
/// When a file of the results cannot be read, or nothing more can be written, as on a full disk. What concerns one photo
/// alone is counted instead.
pub(crate) fn export(
    source: &Source<'_>,
    options: &ExportOptions,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<Vec<Exported>, ExportError> {
    let mut made = Vec::new();
    let out = &source.run.out;
    let mut formats = options.formats.clone();
    let mut met = Vec::new();
    formats.retain(|format| {
        !met.contains(format) && {
            met.push(*format);
            true
        }
    });
    // The tables are made anew each time, and need no key.
    let labels = |format: &ExportFormat| matches!(format, ExportFormat::Yolo | ExportFormat::LabelMe);
    let folders = options.crops || options.sort_into.is_some() || formats.iter().any(labels);
    let key = if folders { source.key()? } else { String::new() };
    for format in formats {
        made.push(match format {
            ExportFormat::Csv => table::csv(source, &out.join("detections.csv"))?,
            #[cfg(feature = "parquet")]
            ExportFormat::Parquet => parquet::write(source, &out.join("detections.parquet"))?,
            #[cfg(not(feature = "parquet"))]
            ExportFormat::Parquet => return Err(ExportError::LeftOut("parquet")),
            ExportFormat::Yolo => {
                let target = if source.masks { Target::YoloSeg } else { Target::Yolo };
                labels::write(source, target, &out.join("yolo"), &key, watch)?
            }
            ExportFormat::LabelMe => {
                labels::write(source, Target::LabelMe, &out.join("labelme"), &key, watch)?
            }
        });
    }
    if options.crops {
        made.push(crops::write(source, &out.join("crops"), &key, watch)?);
    }
    if let Some(folder) = &options.sort_into {
        made.push(sorted::write(source, folder, &key, watch)?);
    }
    Ok(made)
}

/// Removes what was made of the run in a folder, as far as it lies in that folder, before another run takes its place.
///
/// # Errors
/// When something cannot be removed.
pub(crate) fn remove_of_run(out: &Path) -> Result<(), ExportError> {
    let Ok(record) = Record::open(out) else { return Ok(()) };
    for Exported { place, .. } in &record.exports {
        let name = place.strip_prefix(out).ok().and_then(Path::to_str);
        let Some(place) = name.and_then(|name| within(out, name)) else { continue };
        if place.is_dir() {
            folder::remove_made(&place).map_err(ExportError::io("clear", &place))?;
        } else if place.exists() {
            std::fs::remove_file(&place).map_err(ExportError::io("remove", &place))?;
        }
    }
    Ok(())
}
