//! Joins the shards of one run into the folder that the whole run would have left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::journal::{self, Row};
use super::picture::Pictures;
use super::record::{Counts, Machine, Record, Settings, State};
use super::shard::Shard;
use super::{Category, Error, folder, open, results, write_record};
use crate::photo::{PassedOver, Unread};

/// Why folders cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The result cannot be written.
    #[error(transparent)]
    Run(#[from] Error),
    /// There is no run.
    #[error("`{}` is not what a run leaves: {cause}", file.display())]
    NoRun {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Its photos are not all done.
    #[error("the run in `{}` is not finished: its command goes on where it stopped", .0.display())]
    Unfinished(PathBuf),
    /// The ids of its photos may be another's, too.
    #[error("`{}` holds a whole run: `detect --shard` makes the parts of one", .0.display())]
    Whole(PathBuf),
    /// Parts of different runs.
    #[error("`{}` and `{}` are of different runs: the latter has {difference}", first.display(), other.display())]
    Different {
        /// One part.
        first: PathBuf,
        /// The part that differs from it.
        other: PathBuf,
        /// In what.
        difference: String,
    },
    /// One part is given twice.
    #[error("`{}` and `{}` both hold part {shard}", first.display(), other.display())]
    Twice {
        /// Which part.
        shard: Shard,
        /// One folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A part is not among the folders.
    #[error("part {0} is missing: name the folders of all parts")]
    Missing(Shard),
    /// Its journal was cut.
    #[error("`{}` has fewer rows than its share: start its command again", .0.display())]
    Short(PathBuf),
    /// The result would replace a part.
    #[error("`{}` is one of the parts: give another folder for the result", .0.display())]
    IntoPart(PathBuf),
}

/// Joins all shards of a run, in any order, into a folder that holds what the whole run would have left there: the
/// same rows, results and pictures (hard links to the parts' where the file system has them). `run.json` has the first
/// part's machine and no times. The parts stay as they are.
///
/// # Errors
/// When a part is missing, unfinished, given twice, or of another run; when the folder holds something else and
/// `overwrite` is not given; and when something cannot be read or written.
pub fn merge(
    folders: &[PathBuf],
    out: &Path,
    overwrite: bool,
    command: Vec<String>,
) -> Result<Record, MergeError> {
    let parts = in_order(folders)?;
    let Some(first) = parts.first() else { return Err(MergeError::Missing(Shard { number: 1, of: 1 })) };
    refuse_parts(&parts, out)?;
    let classes = Tables::read(&first.folder).map_err(not_a_run(&first.folder, "images.json"))?.categories;
    let mut record = Record::new(command, first.settings.clone(), first.machine.clone());
    for unread in parts.iter().flat_map(|part| &part.unread) {
        if !record.unread.contains(unread) {
            record.unread.push(unread.clone());
        }
    }
    record.passed_over.clone_from(&first.passed_over);
    let path = out.join("detections.jsonl");
    fs::create_dir_all(out).map_err(Error::io("create the folder", out))?;
    if !overwrite {
        folder::refuse_anything(out)?;
    }
    let mut journal = open(&path, out)?;
    folder::clear(out, &mut journal)?;
    write_record(out, &record)?;
    let (mut counts, mut photos) = (Counts::default(), Vec::new());
    for_each_row(&parts, |row| {
        journal.write(&row).map_err(Error::io("write", &path))?;
        counts.add(&row);
        record.note(&row);
        photos.push((row.file().to_owned(), matches!(row, Row::Found(_))));
        Ok(())
    })?;
    journal.sync().map_err(Error::io("write", &path))?;
    if record.settings.draw_score.is_some() {
        link_pictures(&parts, out, &photos)?;
    }
    results::write(out, &classes).map_err(Error::io("write the results in", out))?;
    record.state = State::Finished;
    record.photos_before = counts.photos;
    record.counts = counts;
    write_record(out, &record)?;
    Ok(record)
}

/// One of the folders.
struct Part {
    folder: PathBuf,
    shard: Shard,
    /// Those of the whole run.
    settings: Settings,
    /// The photos that the whole run was shown.
    listing: Option<String>,
    machine: Machine,
    unread: Vec<Unread>,
    passed_over: BTreeMap<String, PassedOver>,
}

impl Part {
    fn read(folder: &Path) -> Result<Part, MergeError> {
        let Record { state, settings, machine, unread, passed_over, .. } =
            Record::open(folder).map_err(not_a_run(folder, "run.json"))?;
        let Some(shard) = settings.shard else { return Err(MergeError::Whole(folder.to_owned())) };
        if state != State::Finished {
            return Err(MergeError::Unfinished(folder.to_owned()));
        }
        let (listing, settings) =
            (settings.listing.clone(), Settings { shard: None, listing: None, ..settings });
        Ok(Part { folder: folder.to_owned(), shard, settings, listing, machine, unread, passed_over })
    }

    /// In what another part is of another run.
    fn difference(&self, other: &Part) -> Option<String> {
        let others = || (self.listing != other.listing).then(|| "other photos".to_owned());
        let shards = || (self.shard.of != other.shard.of).then(|| format!("{} parts", other.shard.of));
        self.settings.difference(&other.settings).or_else(shards).or_else(others)
    }
}

fn not_a_run(folder: &Path, name: &str) -> impl FnOnce(io::Error) -> MergeError + use<> {
    let file = folder.join(name);
    move |cause| MergeError::NoRun { file, cause }
}

/// What `images.json` tells of the model.
#[derive(Deserialize)]
struct Tables {
    categories: Vec<Category>,
}

impl Tables {
    fn read(folder: &Path) -> io::Result<Tables> {
        serde_json::from_slice(&fs::read(folder.join("images.json"))?).map_err(io::Error::other)
    }
}

/// All parts of one run by their numbers.
fn in_order(folders: &[PathBuf]) -> Result<Vec<Part>, MergeError> {
    let mut parts = folders.iter().map(|folder| Part::read(folder)).collect::<Result<Vec<_>, _>>()?;
    for pair in parts.windows(2) {
        if let Some(difference) = pair[0].difference(&pair[1]) {
            let (first, other) = (pair[0].folder.clone(), pair[1].folder.clone());
            return Err(MergeError::Different { first, other, difference });
        }
    }
    parts.sort_by_key(|part| part.shard.number);
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        let (shard, first, other) = (pair[0].shard, pair[0].folder.clone(), pair[1].folder.clone());
        return Err(MergeError::Twice { shard, first, other });
    }
    if let Some(of) = parts.first().map(|part| part.shard.of) {
        let mut numbers = parts.iter().map(|part| part.shard.number);
        if let Some(number) = (1..=of).find(|number| numbers.next() != Some(*number)) {
            return Err(MergeError::Missing(Shard { number, of }));
        }
    }
    Ok(parts)
}

/// Refuses to write over a part.
fn refuse_parts(parts: &[Part], out: &Path) -> Result<(), MergeError> {
    let same = |folder: &Path, name: &str| match fs::canonicalize(out.join(name)) {
        Ok(place) => fs::canonicalize(folder.join(name)).is_ok_and(|other| other == place),
        Err(_) => false,
    };
    match parts.iter().find(|part| [".", "annotated"].iter().any(|name| same(&part.folder, name))) {
        Some(part) => Err(MergeError::IntoPart(part.folder.clone())),
        None => Ok(()),
    }
}

/// The rows of all parts in the order of the whole run: one of each part in turn.
fn for_each_row(parts: &[Part], mut take: impl FnMut(Row) -> Result<(), Error>) -> Result<(), MergeError> {
    let journal = |part: &Part| part.folder.join("detections.jsonl");
    let rows = |part| journal::rows(&journal(part)).map_err(Error::io("read", &journal(part)));
    let mut all = parts.iter().map(rows).collect::<Result<Vec<_>, _>>()?;
    let mut ended: Option<&Part> = None;
    loop {
        for (part, rows) in parts.iter().zip(&mut all) {
            match (rows.next(), ended) {
                (Some(row), None) => take(row.map_err(Error::io("read", &journal(part)))?)?,
                (None, None) => ended = Some(part),
                (None, Some(_)) => {}
                // A part never has more rows than the one before it.
                (Some(_), Some(short)) => return Err(MergeError::Short(short.folder.clone())),
            }
        }
        if ended.is_some() {
            return Ok(());
        }
    }
}

/// Brings the parts' pictures; those that somebody has removed are left out.
fn link_pictures(parts: &[Part], out: &Path, photos: &[(String, bool)]) -> Result<(), Error> {
    let names = || photos.iter().map(|(name, _)| name.as_str());
    let pictures = Pictures::new(out, names());
    let theirs: Vec<Pictures> = parts.iter().map(|part| Pictures::new(&part.folder, names())).collect();
    for ((name, found), theirs) in photos.iter().zip(theirs.iter().cycle()) {
        if *found && folder::inside(name) {
            link(&theirs.path(name), &pictures.path(name))?;
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    }
    folder::remove(to)?;
    match fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("write", to)(error)),
        _ => Ok(()),
    }
}
