//! Joins the shards of one run into the folder that the whole run would have left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::journal::{self, JournalRow};
use super::pictures::{self, Pictures};
use super::record::{Counts, Machine, Record, RunState, Settings};
use super::shard::{Shard, ShardListing};
use super::stamps::{self, StampLine};
use super::{NotARun, ResultCategory, RunError, folder, open, results, write_record};
use crate::photo::{PassedOver, Unread};

/// Why folders cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The result cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is no run.
    #[error(transparent)]
    NotARun(#[from] NotARun),
    /// Its photos are not all done.
    #[error("the run in `{}` is not finished: its command goes on where it stopped", .0.display())]
    Unfinished(PathBuf),
    /// The ids of its photos may be another's, too.
    #[error("`{}` holds a whole run: `detect --shard` makes the shards of one", .0.display())]
    Whole(PathBuf),
    /// Shards of different runs.
    #[error("`{}` and `{}` are of different runs: the latter has {difference}", first.display(), other.display())]
    Different {
        /// One shard.
        first: PathBuf,
        /// The shard that differs from it.
        other: PathBuf,
        /// In what.
        difference: String,
    },
    /// One shard is given twice.
    #[error("`{}` and `{}` both hold shard {shard}", first.display(), other.display())]
    Twice {
        /// Which shard.
        shard: Shard,
        /// One folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A shard is not among the folders.
    #[error("shard {0} is missing: name the folders of all shards")]
    Missing(Shard),
    /// Its journal was cut, or something was added.
    #[error(
        "`{}` has {rows} rows in detections.jsonl, and {photos} photos by its run.json: copy it again, or start its command again",
        folder.display()
    )]
    Count {
        /// The shard.
        folder: PathBuf,
        /// Rows that can be read.
        rows: usize,
        /// What its record says.
        photos: usize,
    },
    /// A row is none.
    #[error("`{}` holds a row that is not what a run writes, line {line}: {cause}", file.display())]
    Row {
        /// The journal.
        file: PathBuf,
        /// Which line.
        line: usize,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The rows are not those of the photos that the shards were shown.
    #[error(
        "the rows of the shards are not those of the photos that their run.json files tell of: start their commands again"
    )]
    OtherRows,
    /// The result would replace a shard.
    #[error("`{}` is one of the shards: give another folder for the result", .0.display())]
    IntoShard(PathBuf),
}

/// A run that was joined.
pub struct Merged {
    /// Its record, as in `run.json`.
    pub record: Record,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Joins all shards of a run, in any order, into a folder that holds what the whole run would have left there: the
/// same rows, results and pictures (hard links to the shards' where the file system has them). `run.json` has the first
/// shard's machine and no times. The shards stay as they are. All rows are looked at before anything is written.
///
/// # Errors
/// When a shard is missing, unfinished, given twice, short of rows, or of another run; when the folder holds something
/// else and `overwrite` is not given; and when something cannot be read or written.
pub fn merge(
    folders: &[PathBuf],
    out: &Path,
    overwrite: bool,
    command: Vec<String>,
) -> Result<Merged, MergeError> {
    let shards = in_order(folders)?;
    let Some(first) = shards.first() else { return Err(MergeError::Missing(Shard { number: 1, of: 1 })) };
    refuse_shards(&shards, out)?;
    let classes =
        CategoryTable::read(&first.folder).map_err(NotARun::of(&first.folder, "images.json"))?.categories;
    let photos = check_rows(&shards)?;
    let mut record = Record::new(command, first.settings.clone(), first.machine.clone());
    for unread in shards.iter().flat_map(|shard| &shard.unread) {
        if !record.unread.contains(unread) {
            record.unread.push(unread.clone());
        }
    }
    record.passed_over.clone_from(&first.passed_over);
    let path = out.join("detections.jsonl");
    fs::create_dir_all(out).map_err(RunError::io("create the folder", out))?;
    if !overwrite {
        folder::refuse_anything(out)?;
    }
    let mut journal = open(&path, out)?;
    folder::remove_strays(out)?;
    folder::clear(out, &mut journal)?;
    write_record(out, &record)?;
    for_each_row(&shards, |_, row| {
        journal.write(&row).map_err(RunError::io("write", &path)).map_err(Into::into)
    })?;
    journal.sync().map_err(RunError::io("write", &path))?;
    let warnings =
        Vec::from_iter(bring_pictures(&shards, out, &photos, record.settings.draw_score.is_some())?);
    let (mut counts, shown_from) = (Counts::default(), record.settings.shown_from());
    let mut see = |row: &JournalRow| {
        counts.add(row, shown_from);
        record.note(row);
    };
    results::write(out, &classes, &mut see).map_err(RunError::io("write the results in", out))?;
    record.state = RunState::Finished;
    record.photos_before = counts.photos;
    record.counts = counts;
    write_record(out, &record)?;
    Ok(Merged { record, warnings })
}

/// One of the folders.
struct ShardFolder {
    folder: PathBuf,
    shard: Shard,
    /// Those of the whole run.
    settings: Settings,
    /// The photos that the whole run was shown.
    listing: Option<String>,
    machine: Machine,
    unread: Vec<Unread>,
    passed_over: BTreeMap<String, PassedOver>,
    /// Photos that it did.
    photos: usize,
}

/// A photo of the whole run.
struct Merging {
    name: String,
    has_picture: bool,
}

impl ShardFolder {
    fn journal(&self) -> PathBuf {
        self.folder.join("detections.jsonl")
    }

    fn read(folder: &Path) -> Result<ShardFolder, MergeError> {
        let Record { state, settings, machine, counts, unread, passed_over, .. } =
            Record::open(folder).map_err(NotARun::of(folder, "run.json"))?;
        let Some(shard) = settings.shard else { return Err(MergeError::Whole(folder.to_owned())) };
        if state != RunState::Finished {
            return Err(MergeError::Unfinished(folder.to_owned()));
        }
        let (listing, settings) =
            (settings.listing.clone(), Settings { shard: None, listing: None, ..settings });
        let (folder, photos) = (folder.to_owned(), counts.photos);
        Ok(ShardFolder { folder, shard, settings, listing, machine, unread, passed_over, photos })
    }

    /// In what another shard is of another run.
    fn difference(&self, other: &ShardFolder) -> Option<String> {
        let others = || (self.listing != other.listing).then(|| "other photos".to_owned());
        let shards = || (self.shard.of != other.shard.of).then(|| format!("{} shards", other.shard.of));
        self.settings.difference(&other.settings).or_else(shards).or_else(others)
    }
}

/// What `images.json` tells of the model.
#[derive(Deserialize)]
struct CategoryTable {
    categories: Vec<ResultCategory>,
}

impl CategoryTable {
    fn read(folder: &Path) -> io::Result<CategoryTable> {
        serde_json::from_slice(&fs::read(folder.join("images.json"))?).map_err(io::Error::other)
    }
}

/// All shards of one run by their numbers.
fn in_order(folders: &[PathBuf]) -> Result<Vec<ShardFolder>, MergeError> {
    let mut shards = folders.iter().map(|folder| ShardFolder::read(folder)).collect::<Result<Vec<_>, _>>()?;
    for pair in shards.windows(2) {
        if let Some(difference) = pair[0].difference(&pair[1]) {
            let (first, other) = (pair[0].folder.clone(), pair[1].folder.clone());
            return Err(MergeError::Different { first, other, difference });
        }
    }
    shards.sort_by_key(|shard| shard.shard.number);
    if let Some(pair) = shards.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        let (shard, first, other) = (pair[0].shard, pair[0].folder.clone(), pair[1].folder.clone());
        return Err(MergeError::Twice { shard, first, other });
    }
    if let Some(of) = shards.first().map(|shard| shard.shard.of) {
        let mut numbers = shards.iter().map(|shard| shard.shard.number);
        if let Some(number) = (1..=of).find(|number| numbers.next() != Some(*number)) {
            return Err(MergeError::Missing(Shard { number, of }));
        }
    }
    Ok(shards)
}

/// Refuses to write over a shard.
fn refuse_shards(shards: &[ShardFolder], out: &Path) -> Result<(), MergeError> {
    let same = |folder: &Path, name: &str| match fs::canonicalize(out.join(name)) {
        Ok(place) => fs::canonicalize(folder.join(name)).is_ok_and(|other| other == place),
        Err(_) => false,
    };
    match shards.iter().find(|shard| [".", "annotated"].iter().any(|name| same(&shard.folder, name))) {
        Some(shard) => Err(MergeError::IntoShard(shard.folder.clone())),
        None => Ok(()),
    }
}

/// The photos of all shards in the order of the whole run, if the shards have the rows that they should have.
fn check_rows(shards: &[ShardFolder]) -> Result<Vec<Merging>, MergeError> {
    for shard in shards {
        let file = shard.journal();
        let mut count = 0;
        for row in journal::rows(&file).map_err(RunError::io("read", &file))? {
            count += 1;
            row.map_err(|cause| MergeError::Row { file: file.clone(), line: count, cause })?;
        }
        if count != shard.photos {
            let (folder, photos) = (shard.folder.clone(), shard.photos);
            return Err(MergeError::Count { folder, rows: count, photos });
        }
    }
    let (mut photos, mut listing) = (Vec::new(), ShardListing::default());
    for_each_row(shards, |_, row| {
        listing.add(row.image_id(), row.file());
        let has_picture = matches!(&row, JournalRow::Found(found) if found.error.is_none());
        photos.push(Merging { name: row.file().to_owned(), has_picture });
        Ok(())
    })?;
    let listed = shards.first().and_then(|shard| shard.listing.as_ref());
    if photos.len() != shards.iter().map(|shard| shard.photos).sum::<usize>()
        || listed.is_some_and(|listed| *listed != listing.end())
    {
        return Err(MergeError::OtherRows);
    }
    Ok(photos)
}

/// The rows of all shards in the order of the whole run: one of each shard in turn, up to a shard that has no more.
fn for_each_row(
    shards: &[ShardFolder],
    mut take: impl FnMut(&ShardFolder, JournalRow) -> Result<(), MergeError>,
) -> Result<(), MergeError> {
    let rows =
        |shard: &ShardFolder| journal::rows(&shard.journal()).map_err(RunError::io("read", &shard.journal()));
    let mut all = shards.iter().map(rows).collect::<Result<Vec<_>, _>>()?;
    loop {
        for (shard, rows) in shards.iter().zip(&mut all) {
            let Some(row) = rows.next() else { return Ok(()) };
            take(shard, row.map_err(RunError::io("read", &shard.journal()))?)?;
        }
    }
}

/// Brings the shards' pictures and what they know of the photos' files; a sentence about pictures that are not there.
fn bring_pictures(
    shards: &[ShardFolder],
    out: &Path,
    photos: &[Merging],
    drawn: bool,
) -> Result<Option<String>, RunError> {
    let names = || photos.iter().map(|photo| photo.name.as_str()).take(if drawn { usize::MAX } else { 0 });
    if drawn {
        let folder = out.join(pictures::FOLDER);
        fs::create_dir_all(&folder).map_err(RunError::io("create the folder", &folder))?;
    }
    let pictures = Pictures::plan(out, names());
    let theirs: Vec<Pictures> = shards.iter().map(|shard| Pictures::plan(&shard.folder, names())).collect();
    let mut missing = Vec::new();
    for (photo, theirs) in
        photos.iter().zip(theirs.iter().cycle()).filter(|(photo, _)| drawn && photo.has_picture)
    {
        let linked = match (theirs.inside(&photo.name), pictures.inside(&photo.name)) {
            (Some(from), Some(to)) => link(&from, &to)?,
            _ => false,
        };
        if !linked {
            missing.push(photo.name.as_str());
        }
    }
    bring_stamps(shards, out, photos, &pictures)?;
    let (count, first) = (missing.len(), missing.first());
    Ok(first.map(|first| {
        let first = first.escape_debug();
        format!("{count} pictures are not in the shards and are left out (such as that of `{first}`)")
    }))
}

/// What the shards know of the photos' files, where all of them know it.
fn bring_stamps(
    shards: &[ShardFolder],
    out: &Path,
    photos: &[Merging],
    pictures: &Pictures,
) -> Result<(), RunError> {
    let Some(mut lines) = shards.iter().map(|shard| stamps::lines(&shard.folder)).collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    let mut stamps = Vec::with_capacity(photos.len());
    for (number, photo) in photos.iter().enumerate() {
        let line = lines[number % shards.len()].next().and_then(Result::ok);
        let Some(line) = line.filter(|line| line.file == photo.name) else { return Ok(()) };
        stamps.push(StampLine::new(&photo.name, line.stamp(), pictures.unusual(&photo.name)));
    }
    stamps::write_lines(out, stamps.into_iter()).map_err(RunError::io("write", &out.join(stamps::FILE)))
}

/// Whether there was a picture to link.
fn link(from: &Path, to: &Path) -> Result<bool, RunError> {
    if !from.is_file() {
        return Ok(false);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(RunError::io("create the folder", folder))?;
    }
    folder::remove(to)?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)).map_err(RunError::io("write", to))?;
    Ok(true)
}
