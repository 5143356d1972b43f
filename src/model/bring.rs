//! A published checkpoint, or one at any address, becomes a model in the cache. Must not know who is told of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::pull::{ExpectedDigest, PullError, addresses, check_file, download};
use super::{ClassifierModel, Imported, ModelError, ModelKind, Publication, Published};
use crate::cache;
use crate::family::ImportOptions;

/// A checkpoint that is to become a model of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What the model will be called.
    pub name: String,
    /// Where the checkpoint is.
    pub url: String,
    /// Where else it is, to be asked in turn where that address does not bring it.
    pub others: Vec<String>,
    /// What the file must hash to, where that is known.
    pub expected: Option<ExpectedDigest>,
    /// What no tensor shows.
    pub options: ImportOptions,
    /// What is known of where it comes from.
    pub origin: Publication,
    /// What a person should know of it before it is taken.
    pub note: Option<String>,
}

impl Wanted {
    /// A published one, from its publisher or, where `RCNN_MIRROR` is set, from mirrors: each of the addresses that stand
    /// there, with commas or spaces between them, takes the place of `https://host` in the publisher's.
    pub fn published(known: &Published) -> Wanted {
        let (url, others) = addresses(&known.url, &std::env::var("RCNN_MIRROR").unwrap_or_default());
        Wanted {
            name: known.name.clone(),
            expected: known.expected(),
            options: known.options.clone(),
            note: known.note.clone(),
            origin: Publication {
                url: Some(url.clone()),
                licence: Some(known.licence.clone()),
                published_ap: known.box_ap,
            },
            url,
            others,
        }
    }

    /// The model's folder in the cache.
    ///
    /// # Errors
    /// When there is no place for a cache.
    pub fn folder(&self) -> Result<PathBuf, ModelError> {
        Ok(cache::root()?.join("models").join(&self.name))
    }
}

/// A model that was brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Brought {
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// It is a classifier, not a detector.
    pub classifier: bool,
    /// What a person should know of its import, a sentence each.
    pub warnings: Vec<String>,
    /// The checkpoint file, where it was to be kept.
    pub checkpoint: Option<PathBuf>,
}

/// Downloads a checkpoint, checks it and makes a model of it in the cache; an earlier model of that name is replaced.
/// With `from` nothing is downloaded: that file is checked and taken. `progress` is told bytes done and, where known,
/// all bytes; `keep` leaves the downloaded checkpoint in the cache.
///
/// # Errors
/// See [`PullError`]. What was loaded stays for the next attempt, unless its hash is wrong.
pub fn bring(
    wanted: &Wanted,
    from: Option<&Path>,
    keep: bool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Brought, PullError> {
    let folder = wanted.folder()?;
    if let Some(file) = from {
        check_file(file, wanted.expected.as_ref())?;
        let (classifier, warnings) = import(wanted, file, &folder)?;
        return Ok(Brought { folder, classifier, warnings, checkpoint: None });
    }
    let (url, file) = download_from_any(wanted, progress)?;
    let origin = Publication { url: Some(url.into()), ..wanted.origin.clone() };
    let (classifier, warnings) = import(&Wanted { origin, ..wanted.clone() }, &file, &folder)?;
    if keep {
        return Ok(Brought { folder, classifier, warnings, checkpoint: Some(file) });
    }
    // A checkpoint that stays behind costs room and nothing else; its folder goes unless there is more in it.
    drop(fs::remove_file(&file));
    let _ = file.parent().map(fs::remove_dir);
    Ok(Brought { folder, classifier, warnings, checkpoint: None })
}

/// Downloads from the first address that brings the file. Where none does, the last one's error is given.
fn download_from_any<'a>(
    wanted: &'a Wanted,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(&'a str, PathBuf), PullError> {
    let mut url = &wanted.url;
    let mut others = wanted.others.iter();
    loop {
        match (download(url, wanted.expected.as_ref(), progress), others.next()) {
            (Err(error @ PullError::Network { .. }), Some(next)) => {
                tracing::warn!("{error}; the next mirror is asked");
                url = next;
            }
            (outcome, _) => return Ok((url, outcome?)),
        }
    }
}

/// Makes the model; whether it is a classifier, and what to say of it.
fn import(wanted: &Wanted, checkpoint: &Path, folder: &Path) -> Result<(bool, Vec<String>), ModelError> {
    match Imported::from_file(checkpoint, &wanted.options) {
        Ok(imported) => {
            let warnings = imported.warnings().to_vec();
            imported.named(&wanted.name).from(wanted.origin.clone()).write(folder)?;
            Ok((false, warnings))
        }
        Err(ModelError::WrongKind { found: ModelKind::Classifier, .. }) => {
            let model = ClassifierModel::import(checkpoint, &wanted.options)?;
            let warnings = model.warnings().to_vec();
            model.write(folder, &wanted.name)?;
            Ok((true, warnings))
        }
        Err(error) => Err(error),
    }
}
