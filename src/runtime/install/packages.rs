//! Installing, listing and removing by name: ONNX Runtime and the plugins that can be added to it.
//!
//! What the `rcnn runtime` commands do. Knows where packages lie; how they come there is its siblings' matter.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sources::{self, Way};
use super::{bring, home, install_runtime, locked_home};
use crate::runtime::find::{Place, inside, look};
use crate::runtime::{Error, Options};

/// What can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// ONNX Runtime itself, in the pinned release.
    Runtime,
    /// OpenVINO's plugin, for `--device openvino`.
    OpenVino,
}

impl Package {
    /// All of them.
    pub const ALL: [Package; 2] = [Package::Runtime, Package::OpenVino];

    /// Its name in commands, and before the version in the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Package::Runtime => "onnxruntime",
            Package::OpenVino => "openvino",
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Package::Runtime => "ONNX Runtime",
            Package::OpenVino => "OpenVINO's plugin",
        })
    }
}

impl FromStr for Package {
    type Err = String;

    fn from_str(text: &str) -> Result<Package, String> {
        let found = Package::ALL.into_iter().find(|package| package.name() == text);
        found.ok_or_else(|| "known are onnxruntime and openvino".into())
    }
}

/// A package in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// What it is.
    pub package: Package,
    /// Its version.
    pub version: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
}

/// All packages in the cache, by name and version.
pub(in crate::runtime) fn list() -> Vec<Installed> {
    let entries = home().ok().and_then(|home| fs::read_dir(home).ok());
    let folders = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<Installed> = folders.filter_map(|folder| recognise(&folder)).collect();
    found.sort_by(|a, b| (a.package.name(), &a.version).cmp(&(b.package.name(), &b.version)));
    found
}

fn recognise(folder: &Path) -> Option<Installed> {
    let (name, version) = folder.file_name()?.to_str()?.split_once('-')?;
    let package = name.parse().ok()?;
    let files = fs::read_dir(folder).ok()?.filter_map(|file| file.ok()?.metadata().ok());
    let bytes = files.map(|file| file.len()).sum();
    Some(Installed { package, version: version.into(), folder: folder.to_owned(), bytes })
}

/// The library of an installed plugin, the newest where there are several.
pub(in crate::runtime) fn plugin(package: Package) -> Option<PathBuf> {
    let installed = list().into_iter().filter(|installed| installed.package == package);
    installed.rev().map(|installed| plugin_in(&installed.folder)).find(|library| library.is_file())
}

fn plugin_in(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) {
        "onnxruntime_providers_openvino_plugin.dll"
    } else {
        "libonnxruntime_providers_openvino_plugin.so"
    })
}

/// Installs a package, unless it is there in the version that is pinned.
pub(in crate::runtime) fn install(
    package: Package,
    options: &Options,
    notice: &mut dyn FnMut(&str),
) -> Result<Installed, Error> {
    let version = match package {
        Package::Runtime => sources::PINNED,
        Package::OpenVino => plugin_way()?.version(),
    };
    let of_version = || list().into_iter().find(|found| found.package == package && found.version == version);
    let usable = |found: &Installed| match package {
        Package::Runtime => {
            inside(&found.folder).is_some_and(|library| look(Place::Cache, library).is_usable())
        }
        Package::OpenVino => plugin_in(&found.folder).is_file(),
    };
    let refused = |reason: String| Error::Install { what: package.to_string(), reason };
    let present = |found: &Installed, notice: &mut dyn FnMut(&str)| {
        notice(&format!("{package} {version} is in `{}` already", found.folder.display()));
    };
    if let Some(found) = of_version().filter(usable) {
        present(&found, notice);
        return Ok(found);
    }
    if options.offline {
        return Err(refused("--offline forbids to fetch it".into()));
    }
    let (home, _lock) = locked_home()?;
    // Whoever waited for the lock may find the work done.
    if let Some(found) = of_version().filter(usable) {
        present(&found, notice);
        return Ok(found);
    }
    if package == Package::Runtime {
        let folder = install_runtime(&home, Vec::new(), notice)?.path;
        let found = folder.parent().and_then(recognise);
        return found.ok_or_else(|| refused("it cannot be found after unpacking".into()));
    }
    let way = plugin_way()?;
    let folder = home.join(format!("{}-{version}", package.name()));
    bring(&way, &home, &folder, |fresh| loads(&plugin_in(fresh)))
        .map_err(|reason| refused(format!("{}: {reason}", way.name())))?;
    let installed = of_version().ok_or_else(|| refused("it cannot be found after unpacking".into()))?;
    notice(&format!("installed {package} {version} from {} into `{}`", way.name(), folder.display()));
    Ok(installed)
}

fn plugin_way() -> Result<Way, Error> {
    sources::openvino().ok_or_else(|| Error::Install {
        what: Package::OpenVino.to_string(),
        reason: "its makers build it for Linux and Windows on x86_64 only".into(),
    })
}

/// That a plugin can be loaded with what lies beside it, before it takes its place.
#[allow(unsafe_code)]
fn loads(library: &Path) -> Result<(), String> {
    if !library.is_file() {
        return Err("there is no plugin in it".into());
    }
    // Windows looks for the libraries beside it only when ONNX Runtime itself loads it.
    if cfg!(windows) {
        return Ok(());
    }
    // SAFETY: the file's hash is that of a wheel known to hold a plugin for ONNX Runtime, whose initialisers run in
    // every program that uses it; the symbol is only looked for.
    unsafe {
        let library = libloading::Library::new(library).map_err(|error| {
            use std::error::Error as _;
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        let found = library.get::<unsafe extern "C" fn()>(b"CreateEpFactories").map(|_| ());
        std::mem::forget(library);
        found.map_err(|_| "it is no plugin for ONNX Runtime".into())
    }
}

/// Removes a package in all its versions; gives what was removed.
pub(in crate::runtime) fn remove(package: Package) -> Result<Vec<Installed>, Error> {
    let (home, _lock) = locked_home()?;
    let found: Vec<Installed> = list().into_iter().filter(|installed| installed.package == package).collect();
    for installed in &found {
        // Out of sight at once, so that nobody finds half of it.
        let failed = |error| Error::io("remove", &installed.folder)(error);
        let grave = tempfile::Builder::new().prefix(".removing-").tempdir_in(&home).map_err(failed)?;
        fs::rename(&installed.folder, grave.path().join("libraries")).map_err(failed)?;
        grave.close().map_err(failed)?;
    }
    Ok(found)
}
