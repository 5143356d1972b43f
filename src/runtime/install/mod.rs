//! Installing ONNX Runtime into the cache: whole or not at all, by whatever means the machine has.
//!
//! pip first, npm second, the project's own release archive third. Every file is checked against a hash
//! before anything of it is unpacked, and only the libraries are.

mod fetch;
mod packages;
mod release;
mod sources;
mod unpack;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::find::{Candidate, Place, inside, look};
use super::{Error, Options};
use crate::cache::{self, NoCache};
use sources::Way;

pub use packages::{Installed, Package};
pub(super) use packages::{install as install_package, list, plugin, remove};
pub(super) use sources::PINNED;

/// Where installed runtimes are kept, a folder each.
fn home() -> Result<PathBuf, NoCache> {
    Ok(cache::root()?.join("runtime"))
}

/// Libraries that were installed before, the newest first.
pub(super) fn installed() -> Vec<PathBuf> {
    let entries = home().ok().and_then(|home| fs::read_dir(home).ok());
    let folders = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<PathBuf> = folders.filter(|folder| is_finished(folder)).collect();
    folders.sort();
    folders.iter().rev().filter_map(|folder| inside(folder)).collect()
}

/// Unfinished ones have names that begin with a dot.
fn is_finished(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("onnxruntime-"))
}

/// Installs ONNX Runtime, or takes what another process has installed meanwhile.
pub(super) fn install(
    options: &Options,
    seen: &[Candidate],
    notice: &mut dyn FnMut(&str),
) -> Result<Candidate, Error> {
    let mut reasons: Vec<String> = seen.iter().filter_map(refusal).collect();
    if options.offline {
        reasons.push("--offline forbids to install it".into());
        return Err(not_found(&reasons));
    }
    let (home, _lock) = locked_home()?;
    // Whoever waited for the lock may find the work done.
    if let Some(found) =
        installed().into_iter().map(|path| look(Place::Cache, path)).find(Candidate::is_usable)
    {
        return Ok(found);
    }
    install_runtime(&home, reasons, notice)
}

/// The folder of installations, created where it is missing, for this process alone until the file is dropped.
fn locked_home() -> Result<(PathBuf, File), Error> {
    let home = home()?;
    fs::create_dir_all(&home).map_err(Error::io("create the folder", &home))?;
    let path = home.join(".lock");
    let lock = File::create(&path).map_err(Error::io("create", &path))?;
    lock.lock().map_err(Error::io("lock", &path))?;
    Ok((home, lock))
}

/// Tries all ways; `reasons` are why nothing was found before.
fn install_runtime(
    home: &Path,
    mut reasons: Vec<String>,
    notice: &mut dyn FnMut(&str),
) -> Result<Candidate, Error> {
    for way in sources::ways() {
        match install_by(&way, home) {
            Ok(found) => {
                notice(&format!(
                    "installed ONNX Runtime {} from {} into `{}`",
                    found.version.as_deref().unwrap_or_default(),
                    way.name(),
                    found.path.parent().unwrap_or(home).display()
                ));
                return Ok(found);
            }
            Err(reason) => reasons.push(format!("{}: {reason}", way.name())),
        }
    }
    Err(not_found(&reasons))
}

fn refusal(candidate: &Candidate) -> Option<String> {
    Some(format!("`{}`: {}", candidate.path.display(), candidate.unusable.as_ref()?))
}

fn not_found(reasons: &[String]) -> Error {
    Error::NotFound(format!(
        "give its file with --runtime or ORT_DYLIB_PATH, or run `pip install onnxruntime` ({})",
        reasons.join("; ")
    ))
}

/// Fetches, checks, unpacks and moves into place.
fn install_by(way: &Way, home: &Path) -> Result<Candidate, String> {
    let folder = home.join(format!("onnxruntime-{}", way.version()));
    let missing = "there is no library of ONNX Runtime in it";
    bring(way, home, &folder, |fresh| inside(fresh).map(|_| ()).ok_or_else(|| missing.into()))?;
    let found = inside(&folder).map(|path| look(Place::Cache, path));
    match found {
        Some(found) if found.is_usable() => Ok(found),
        found => {
            // What cannot be loaded must not be found again.
            let _ = fs::remove_dir_all(&folder);
            let why = found.and_then(|found| found.unusable);
            Err(why.map_or_else(|| "it cannot be found after unpacking".into(), |why| why.to_string()))
        }
    }
}

/// Fetches and checks a way's file, and moves what is wanted of it to `folder` if `accept` takes it.
fn bring(
    way: &Way,
    home: &Path,
    folder: &Path,
    accept: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let work = tempfile::Builder::new().prefix(".installing-").tempdir_in(home).map_err(|e| e.to_string())?;
    let archive = fetch::fetch(way, work.path())?;
    let fresh = work.path().join("libraries");
    unpack::libraries(&archive, &fresh)?;
    accept(&fresh)?;
    move_into_place(&fresh, folder).map_err(|error| format!("cannot write `{}`: {error}", folder.display()))
}

/// An earlier folder of this name can only be one whose library does not load any more.
fn move_into_place(fresh: &Path, folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(fresh, folder)
}
