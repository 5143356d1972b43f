//! Installing, listing and removing by name: ONNX Runtime and what can be added to it.
//!
//! What the `rcnn runtime` commands do. Knows where packages lie; how they come there is its siblings' matter.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sources::{InstallSource, PINNED};
use super::wheels::{self, Wheel};
use super::{bring, fetch, home, install_runtime, locked_home};
use crate::runtime::find::{inside, version_in};
use crate::runtime::{RuntimeError, RuntimeOptions, loader, probe};

/// What can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// ONNX Runtime itself, in the pinned release.
    Runtime,
    /// OpenVINO's plugin, for `--device openvino`.
    OpenVino,
    /// ONNX Runtime with CUDA and NVIDIA's libraries, for `--device cuda`.
    Cuda,
}

impl Package {
    /// All of them.
    pub const ALL: [Package; 3] = [Package::Runtime, Package::OpenVino, Package::Cuda];

    /// Its name in commands, and before the version in the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Package::Runtime => "onnxruntime",
            Package::OpenVino => "openvino",
            Package::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Package::Runtime => "ONNX Runtime",
            Package::OpenVino => "OpenVINO's plugin",
            Package::Cuda => "ONNX Runtime for CUDA",
        })
    }
}

/// No package has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are onnxruntime, openvino and cuda")]
pub struct UnknownPackage;

impl FromStr for Package {
    type Err = UnknownPackage;

    fn from_str(text: &str) -> Result<Package, UnknownPackage> {
        let found = Package::ALL.into_iter().find(|package| package.name() == text);
        found.ok_or(UnknownPackage)
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
    found.sort_by_cached_key(|installed| (installed.package.name(), version_in(&installed.folder)));
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

/// The core library of the installed package for CUDA, the newest where there are several.
pub(in crate::runtime) fn cuda() -> Option<PathBuf> {
    let installed = list().into_iter().filter(|installed| installed.package == Package::Cuda);
    installed.rev().find_map(|installed| whole(Package::Cuda, &installed.folder).ok())
}

/// That a package's folder holds what makes it one; gives the library to load first.
pub(in crate::runtime) fn whole(package: Package, folder: &Path) -> Result<PathBuf, String> {
    let core = || inside(folder).ok_or_else(|| "there is no library of ONNX Runtime in it".to_owned());
    match package {
        Package::Runtime => {
            let library = core()?;
            probe::told_version(&library).map_err(|why| why.to_string())?;
            Ok(library)
        }
        Package::OpenVino => {
            let library = plugin_in(folder);
            if library.is_file() { Ok(library) } else { Err("there is no plugin in it".into()) }
        }
        Package::Cuda => {
            let os = std::env::consts::OS;
            let names = wheels::cuda_libraries(os).iter().copied().chain([wheels::cuda_provider(os)]);
            match names.into_iter().find(|name| !folder.join(name).is_file()) {
                Some(missing) => Err(format!("there is no `{missing}` in it")),
                None => core(),
            }
        }
    }
}

/// Installs a package, unless it is there in the version that is pinned.
pub(in crate::runtime) fn install(
    package: Package,
    options: &RuntimeOptions,
    notice: &mut dyn FnMut(&str),
) -> Result<Installed, RuntimeError> {
    let wheels = wheels(package)?;
    let version = wheels.first().map_or(PINNED, |wheel| wheel.version);
    let of_version = || list().into_iter().find(|found| found.package == package && found.version == version);
    let usable = |found: &Installed| whole(found.package, &found.folder).is_ok();
    let refused = |reason: String| RuntimeError::Install { what: package.to_string(), reason: reason.into() };
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
    let folder = home.join(format!("{}-{version}", package.name()));
    let long = wheels.len() > 1;
    if long {
        notice(&announcement(package, &wheels));
    }
    let ways: Vec<InstallSource> = wheels.into_iter().map(InstallSource::Pip).collect();
    let mut at = "";
    let fetch = |way: &InstallSource, folder: &Path| {
        if let InstallSource::Pip(wheel) = way {
            at = wheel.project;
            if long {
                notice(&format!("  {} {}, {} MB", wheel.project, wheel.version, wheel.megabytes));
            }
        }
        fetch::fetch(way, folder)
    };
    let accept = |fresh: &Path| match package {
        Package::OpenVino => loads(&plugin_in(fresh)),
        Package::Runtime | Package::Cuda => whole(package, fresh).map(|_| ()),
    };
    let brought = bring(&ways, &home, &folder, fetch, accept);
    brought.map_err(|reason| refused(format!("pip's wheel of {at}: {reason}")))?;
    let installed = of_version().ok_or_else(|| refused("it cannot be found after unpacking".into()))?;
    notice(&format!("installed {package} {version} from pip's wheels into `{}`", folder.display()));
    Ok(installed)
}

/// What is told before a long download.
fn announcement(package: Package, wheels: &[Wheel]) -> String {
    let gigabytes = wheels.iter().map(|wheel| wheel.megabytes).sum::<u64>() as f64 / 1e3;
    format!("fetching {package} with pip, {gigabytes:.1} GB in {} wheels, which takes a while:", wheels.len())
}

/// What a package is made of; nothing for ONNX Runtime itself, which has ways of its own.
fn wheels(package: Package) -> Result<Vec<Wheel>, RuntimeError> {
    let (os, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let found = match package {
        Package::Runtime => return Ok(Vec::new()),
        Package::OpenVino => wheels::openvino(os, processor),
        Package::Cuda => wheels::cuda(os, processor),
    };
    found.ok_or_else(|| RuntimeError::Install {
        what: package.to_string(),
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
        let library = loader::open(library).map_err(|error| error.to_string())?;
        let found = library.get::<unsafe extern "C" fn()>(b"CreateEpFactories").map(|_| ());
        std::mem::forget(library);
        found.map_err(|_| "it is no plugin for ONNX Runtime".into())
    }
}

/// Removes a package in all its versions; gives what was removed.
pub(in crate::runtime) fn remove(package: Package) -> Result<Vec<Installed>, RuntimeError> {
    let (home, _lock) = locked_home()?;
    let found: Vec<Installed> = list().into_iter().filter(|installed| installed.package == package).collect();
    for installed in &found {
        // Out of sight at once, so that nobody finds half of it.
        let failed = |error| RuntimeError::io("remove", &installed.folder)(error);
        let grave = tempfile::Builder::new().prefix(".removing-").tempdir_in(&home).map_err(failed)?;
        fs::rename(&installed.folder, grave.path().join("libraries")).map_err(failed)?;
        grave.close().map_err(failed)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_an_unknown_one_tells_the_known() {
        for package in Package::ALL {
            assert_eq!(package.name().parse(), Ok(package));
        }
        let refusal = "tpu".parse::<Package>().unwrap_err();
        assert!(Package::ALL.iter().all(|package| refusal.to_string().contains(package.name())), "{refusal}");
    }

    #[test]
    fn a_long_download_is_told_with_its_size() {
        let wheels = wheels::cuda("linux", "x86_64").unwrap();
        let text = announcement(Package::Cuda, &wheels);
        assert!(text.contains("ONNX Runtime for CUDA with pip, 1.4 GB in 6 wheels"), "{text}");
    }

    #[test]
    fn a_package_that_lacks_a_library_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let os = std::env::consts::OS;
        for name in wheels::cuda_libraries(os).iter().copied().chain([wheels::cuda_provider(os)]) {
            let missing = whole(Package::Cuda, folder.path()).unwrap_err();
            assert_eq!(missing, format!("there is no `{name}` in it"));
            fs::write(folder.path().join(name), "").unwrap();
        }
        let missing = whole(Package::Cuda, folder.path()).unwrap_err();
        assert_eq!(missing, "there is no library of ONNX Runtime in it");
    }
}
