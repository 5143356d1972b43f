//! Installing ONNX Runtime into the cache: whole or not at all, by whatever means the machine has.
//!
//! pip first, npm second, the project's own release archive third. Every file is checked against a hash
//! before anything of it is unpacked, and only the libraries are.

#[cfg(feature = "fetch")]
mod fetch;
mod packages;
#[cfg(feature = "fetch")]
mod release;
mod sources;
#[cfg(feature = "fetch")]
mod unpack;
mod wheels;
#[cfg(not(feature = "fetch"))]
mod without_fetch;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::find::{LibraryCandidate, LibraryPlace, inside, look, version_in};
use super::{RuntimeError, RuntimeOptions};
use crate::cache::{self, NoCache};
use sources::InstallSource;
#[cfg(feature = "fetch")]
use unpack::Archive;
#[cfg(not(feature = "fetch"))]
use without_fetch::{self as fetch, self as unpack, Archive};

pub use packages::{Installed, Package, UnknownPackage};
pub(super) use packages::{cuda, install as install_package, list, plugin, remove, whole};
pub(super) use sources::PINNED;
pub(super) use wheels::cuda_libraries;

/// How the names of folders begin that are being written or removed.
const UNFINISHED: [&str; 2] = [".installing-", ".removing-"];

/// Where installed runtimes are kept, a folder each.
fn home() -> Result<PathBuf, NoCache> {
    Ok(cache::root()?.join("runtime"))
}

/// Libraries that were installed before, the newest first.
pub(super) fn installed() -> Vec<PathBuf> {
    let entries = home().ok().and_then(|home| fs::read_dir(home).ok());
    let folders = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<PathBuf> = folders.filter(|folder| is_finished(folder)).collect();
    folders.sort_by_cached_key(|folder| version_in(folder));
    folders.iter().rev().filter_map(|folder| inside(folder)).collect()
}

/// Unfinished ones have names that begin with a dot.
fn is_finished(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("onnxruntime-"))
}

/// Installs ONNX Runtime, or takes what another process has installed meanwhile.
pub(super) fn install(
    options: &RuntimeOptions,
    seen: &[LibraryCandidate],
    notice: &mut dyn FnMut(&str),
) -> Result<LibraryCandidate, RuntimeError> {
    let mut reasons: Vec<String> = seen.iter().filter_map(refusal).collect();
    if options.offline {
        reasons.push("--offline forbids to install it".into());
        return Err(not_found(&reasons));
    }
    let (home, _lock) = locked_home()?;
    // Whoever waited for the lock may find the work done.
    if let Some(found) =
        installed().into_iter().map(|path| look(LibraryPlace::Cache, path)).find(LibraryCandidate::is_usable)
    {
        return Ok(found);
    }
    install_runtime(&home, reasons, notice)
}

/// The folder of installations, created where it is missing, for this process alone until the file is dropped.
fn locked_home() -> Result<(PathBuf, File), RuntimeError> {
    let home = home()?;
    fs::create_dir_all(&home).map_err(RuntimeError::io("create the folder", &home))?;
    let path = home.join(".lock");
    let lock = File::create(&path).map_err(RuntimeError::io("create", &path))?;
    lock.lock().map_err(RuntimeError::io("lock", &path))?;
    sweep(&home);
    Ok((home, lock))
}

/// Removes what interrupted installations have left, which may be gigabytes; whoever holds the lock may do so.
fn sweep(home: &Path) {
    let entries = fs::read_dir(home).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let name = entry.file_name();
        if UNFINISHED.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Tries all ways; `reasons` are why nothing was found before.
fn install_runtime(
    home: &Path,
    mut reasons: Vec<String>,
    notice: &mut dyn FnMut(&str),
) -> Result<LibraryCandidate, RuntimeError> {
    let ways = sources::ways();
    if ways.is_empty() {
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        reasons.push(format!("no release of ONNX Runtime for {system} on {processor} is known here"));
    }
    for way in ways {
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

fn refusal(candidate: &LibraryCandidate) -> Option<String> {
    Some(format!("`{}`: {}", candidate.path.display(), candidate.unusable.as_ref()?))
}

fn not_found(reasons: &[String]) -> RuntimeError {
    RuntimeError::NotFound(format!(
        "give its file with --runtime or ORT_DYLIB_PATH, or run `pip install onnxruntime` ({})",
        reasons.join("; ")
    ))
}

/// Fetches, checks, unpacks and moves into place.
fn install_by(way: &InstallSource, home: &Path) -> Result<LibraryCandidate, String> {
    let folder = home.join(format!("onnxruntime-{}", way.version()));
    let missing = "there is no library of ONNX Runtime in it";
    let accept = |fresh: &Path| inside(fresh).map(|_| ()).ok_or_else(|| missing.into());
    bring(std::slice::from_ref(way), home, &folder, fetch::fetch, accept)?;
    let found = inside(&folder).map(|path| look(LibraryPlace::Cache, path));
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

/// Fetches and checks the files of all ways, and moves what is wanted of them to `folder` if `accept` takes it.
fn bring(
    ways: &[InstallSource],
    home: &Path,
    folder: &Path,
    mut fetch: impl FnMut(&InstallSource, &Path) -> Result<Archive, String>,
    accept: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let inside = |parent: &Path| tempfile::Builder::new().prefix(UNFINISHED[0]).tempdir_in(parent);
    let work = inside(home).map_err(|error| error.to_string())?;
    let fresh = work.path().join("libraries");
    for way in ways {
        // Each is gone before the next comes: together they may be gigabytes.
        let fetched = inside(work.path()).map_err(|error| error.to_string())?;
        unpack::libraries(&fetch(way, fetched.path())?, &fresh)?;
    }
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

#[cfg(all(unix, feature = "fetch"))]
#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::sources::Content;
    use super::wheels::Wheel;
    use super::*;

    /// A folder with a pip that brings the wheels that lie beside it.
    fn index(wheels: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (project, wheel) in wheels {
            fs::write(folder.path().join(format!("{project}.whl")), wheel).unwrap();
        }
        let pip = folder.path().join("pip");
        let script = "#!/bin/sh\nbeside=$(dirname \"$0\")\n\
            while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
            mkdir -p \"$dest\" && cp \"$beside/${1%%==*}.whl\" \"$dest\"\n";
        fs::write(&pip, script).unwrap();
        fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn wheel(files: &[&str]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for file in files {
            zip.start_file(*file, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(file.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn way(project: &'static str, wheel: &[u8]) -> InstallSource {
        let sha256 = crate::hash::sha256(wheel).leak();
        let (content, version, platform) = (Content::Cuda, "1.0", "manylinux_2_28_x86_64");
        InstallSource::Pip(Wheel { content, project, version, platform, sha256, megabytes: 1 })
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn several_wheels_become_one_flat_folder_and_a_bad_one_leaves_nothing() {
        let one = wheel(&["onnxruntime/capi/libonnxruntime.so.1", "onnxruntime/__init__.py"]);
        let two = wheel(&["nvidia/cu13/lib/libcudart.so.13", "nvidia_two-1.dist-info/licenses/License.txt"]);
        let index = index(&[("one", &one), ("two", &two)]);
        let pip = index.path().join("pip");
        let pips: &[(&str, &[&str])] = &[(pip.to_str().unwrap(), &[])];
        let fetch = |way: &InstallSource, folder: &Path| match way {
            InstallSource::Pip(wheel) => fetch::by_pip(wheel, pips, folder),
            _ => Err("no wheel".into()),
        };
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cuda-1.0");

        let bad = [way("one", &one), way("two", b"another")];
        let refusal = bring(&bad, home.path(), &folder, fetch, |_| Ok(())).unwrap_err();
        assert!(refusal.starts_with("`two.whl` has the SHA-256 "), "{refusal}");
        let good = [way("one", &one), way("two", &two)];
        let refusal = bring(&good, home.path(), &folder, fetch, |_| Err("not whole".into())).unwrap_err();
        assert_eq!(refusal, "not whole");
        let missing = [way("one", &one), way("three", b"")];
        assert!(bring(&missing, home.path(), &folder, fetch, |_| Ok(())).is_err());
        assert_eq!(names(home.path()), Vec::<String>::new());

        bring(&good, home.path(), &folder, fetch, |_| Ok(())).unwrap();
        assert_eq!(names(home.path()), ["cuda-1.0"]);
        assert_eq!(names(&folder), ["libcudart.so.13", "libonnxruntime.so.1", "nvidia_two-1.License.txt"]);
    }

    #[test]
    fn what_interrupted_installations_have_left_is_removed() {
        let home = tempfile::tempdir().unwrap();
        for folder in [".installing-a/libraries", ".removing-b", "cuda-1.0", ".other"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        sweep(home.path());
        assert_eq!(names(home.path()), [".other", "cuda-1.0"]);
    }
}
